#!/bin/bash
# The card page on PostgreSQL. Its cluster is made here, on a disk and not in memory, with everything synced, and taken away.
. tests/support/cluster.sh
CLUSTER_PLACE=${TMPDIR:-/tmp}
CLUSTER_OPTIONS="-c shared_buffers=256MB -c max_wal_size=2GB"
cluster_make || exit 1
trap cluster_drop EXIT
BENCH_POSTGRES=$CLUSTER_URL BENCH_POSTGRES_PID=$(head -1 "$CLUSTER_FOLDER/data/postmaster.pid") node tests/bench/postgres.mjs "$@"
