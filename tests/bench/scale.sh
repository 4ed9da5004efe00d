#!/bin/bash
# What grows and what does not: every read of a page or the API on a store with SCALE_HITS (10 million) hits and a hundredth as
# many shares, leads and deliveries, beside the same reads on a store of a hundredth of that, on both engines. Each engine's
# stores lie in a folder on the disk and are taken away at the end. Prints, for each read, the rows it found, its median and its
# p99 in microseconds, and how many times the small store's median that is, for any member and for the busiest, who has half of
# all leads. A plan that walks a table that grows, or sorts without a bound, is printed and counts as failed.
. tests/support/cluster.sh
BUILD=${BUILD:-build}
hits=${SCALE_HITS:-10000000}
bench=$BUILD/tests/bench/bench_scale
work=$(mktemp -d "${TMPDIR:-/tmp}/meishi-scale-XXXXXX") || exit 1
CLUSTER_PLACE=$work CLUSTER_OPTIONS="-c shared_buffers=512MB -c max_wal_size=4GB -c checkpoint_timeout=30min"
failed=0
end() {
    [ -z "$CLUSTER_FOLDER" ] || cluster_drop
    rm -rf "$work"
}
trap end EXIT
trap 'exit 130' INT TERM HUP

# SCALE_QUIET is put before what is timed, to keep other work of the machine away.
measure() { # name, URL of the small store, URL of the large one
    local name=$1 small=$2 large=$3 began=$SECONDS
    "$bench" fill "$small" $((hits / 100)) 2>>"$work/log" && "$bench" fill "$large" "$hits" 2>>"$work/log" || {
        grep -v level=info "$work/log"
        return 1
    }
    echo "$name: $hits hits, filled in $((SECONDS - began)) s$(size_of "$large")"
    $SCALE_QUIET "$bench" read "$small" $((hits / 100)) >"$work/small" 2>>"$work/log" || return 1
    $SCALE_QUIET "$bench" read "$large" "$hits" >"$work/large" 2>"$work/plans" || return 1
    awk -F'\t' 'NR == FNR { small[$1] = $3; small_busiest[$1] = $6; next }
        $1 == "plans" { printf "  %d statements, %d complaints about plans\n", $2, $3; exit $3 != 0 }
        FNR == 1 { printf "  %-36s %5s %7s %7s %6s   %5s %7s %7s %6s\n", "microseconds", "rows", "p50", "p99", "x small",
                          "rows", "busiest", "p99", "x small" }
        { printf "  %-36s %5d %7d %7d %6.1f   %5d %7d %7d %6.1f\n", $1, $2, $3, $4, $3 / (small[$1] ? small[$1] : 1), $5, $6, $7,
                 $6 / (small_busiest[$1] ? small_busiest[$1] : 1) }' "$work/small" "$work/large" && return
    grep -v level=info "$work/plans"
    return 1
}

size_of() { # URL
    case $1 in
    sqlite:*) echo ", $(du -sm "${1#sqlite:}" | cut -f1) MB" ;;
    *) echo ", $(cluster_psql "SELECT round(pg_database_size('large') / 1048576.0) || ' MB: ' || string_agg(words, ', ') FROM (
        SELECT relname || ' ' || round(sum(pg_total_relation_size(oid)) / 1048576.0) AS words FROM (SELECT oid,
            CASE WHEN relname LIKE 'hits\_%' THEN 'hits' ELSE relname END AS relname FROM pg_class WHERE relkind = 'r') AS c
        GROUP BY relname HAVING sum(pg_total_relation_size(oid)) > 10485760 ORDER BY sum(pg_total_relation_size(oid)) DESC) AS s" large)" ;;
    esac
}

mkdir "$work/small.sqlite" "$work/large.sqlite"
measure SQLite "sqlite:$work/small.sqlite" "sqlite:$work/large.sqlite" || failed=1
rm -rf "$work"/*.sqlite
chmod 755 "$work"
if cluster_make && cluster_psql "CREATE DATABASE large OWNER meishi"; then
    export MEISHI_TEST_STORE=$CLUSTER_URL
    measure PostgreSQL "$CLUSTER_URL" "${CLUSTER_URL/\/meishi?//large?}" || failed=1
else
    failed=1
fi
exit $failed
