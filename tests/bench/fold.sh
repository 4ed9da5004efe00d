#!/bin/bash
# What a hit costs to record and to fold, beside bare SQLite. BENCH_HITS (1000000) hits are in the store already; the bars
# are meant for 10000000, which take 2 GB and some minutes.
folder=$(mktemp -d "${TMPDIR:-/tmp}/meishi-fold-XXXXXX") || exit 1
trap 'rm -rf "$folder"' EXIT
"${BUILD:-build}/tests/bench/bench_fold" "$folder" "${BENCH_HITS:-1000000}" 2>/dev/null
