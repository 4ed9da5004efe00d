#!/bin/bash
# What a hit costs to record and to fold, and what pages read, beside bare SQLite, in a store that has BENCH_ROWS hits already.
rows=${BENCH_ROWS:-$([ "$BENCH_QUICK" = 1 ] && echo 200000 || echo 10000000)}
folder=$(mktemp -d "${TMPDIR:-/tmp}/meishi-fold-XXXXXX") || exit 1
trap 'rm -rf "$folder"' EXIT
kept=${BUILD:-build}/bench/store-$rows
if [ -e "$kept.done" ]; then
    cp -r --reflink=auto "$kept" "$folder/store"
    "${BUILD:-build}/tests/bench/bench_reads" "$folder/store" 2>/dev/null
fi
"${BUILD:-build}/tests/bench/bench_fold" "$folder" "$rows" 2>/dev/null
