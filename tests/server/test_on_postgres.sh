#!/bin/bash
# The store's own tests once more, on PostgreSQL: each program that makes its store by tests/support/engine.h runs against a
# cluster that is made here, in a temporary folder, by a user who is nobody, and taken away at the end. It listens on a socket in
# that folder alone, and the role that the tests use may do no more than any: no superuser, no extension. Programs may be named.
. tests/support/cluster.sh
BUILD=${BUILD:-build}
cluster_make || exit 1
trap cluster_drop EXIT

# These look into SQLite's files, plans or driver.
not_here='^(test_db_sqlite|test_plans|test_store_files)$'
# Each verb with each of its calls failing takes minutes on a server: `make faults` does it.
[ -n "$POSTGRES_SWEEPS" ] || not_here="$not_here|^(test_store_faults|test_delivery_faults)$"

programs=("$@")
if [ $# -eq 0 ]; then
    for source in $(grep -lE 'tests/support/(fresh_store|hit_store|store_place|fault_sweep|deliveries|fake_road|engine|engine_side)\.h' tests/server/test_*.c); do
        name=$(basename "$source" .c)
        [[ $name =~ $not_here ]] || programs+=("$BUILD/tests/server/$name")
    done
fi
failed=0
for program in "${programs[@]}"; do
    CMOCKA_MESSAGE_OUTPUT=TAP MEISHI_TEST_STORE=$CLUSTER_URL "$program" >"$CLUSTER_FOLDER/output" 2>&1
    status=$?
    # What SQLite alone has is skipped by the tests themselves, and does not count.
    sed -E "/# SKIP/d; /^# skip/d; s|^((not )?ok [0-9]+ - )|\1$(basename "$program") on postgres: |" "$CLUSTER_FOLDER/output"
    if [ "$status" -ne 0 ]; then
        failed=1
        grep -q '^not ok ' "$CLUSTER_FOLDER/output" || echo "not ok 1 - $(basename "$program") on postgres: exit status $status"
    fi
done
exit "$failed"
