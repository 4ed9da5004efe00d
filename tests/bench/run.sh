#!/bin/bash
# Every bench, one after the other: `make bench`. BENCH_QUICK=1 takes fewer and shorter rounds and a smaller store, to see
# whether something has broken; the figures in FIGURES.md are of the whole one, on a machine that does nothing else.
cd "$(dirname "$0")/../.." || exit 1
export BUILD="${BUILD:-build}"
echo "$(nproc) cores, load $(cut -d' ' -f1 /proc/loadavg), $(uname -sr)"
for bench in page.mjs rest.mjs postgres.sh webhooks.mjs fold.sh qr.sh http.sh; do
    echo
    echo "== ${bench%.*}"
    case $bench in
    *.mjs) node "tests/bench/$bench" || exit 1 ;;
    *) "tests/bench/$bench" || exit 1 ;;
    esac
done
