# shellcheck shell=bash
# Sourced: a PostgreSQL 15 cluster in a temporary folder, never the machine's own. CLUSTER_URL is its database as a role
# without any rights of an administrator; CLUSTER_FOLDER is its place, in memory where there is such a one, or in
# CLUSTER_PLACE. CLUSTER_OPTIONS go to the server.
CLUSTER_BIN=${CLUSTER_BIN:-/usr/lib/postgresql/15/bin}

# PostgreSQL refuses to be run by root, and nobody may not look into every folder that root stands in.
cluster_run() {
    if [ "$(id -u)" -eq 0 ]; then
        (cd / && setpriv --reuid=nobody --regid=nogroup --clear-groups "$@")
    else
        "$@"
    fi
}

cluster_psql() { # command, database
    cluster_run "$CLUSTER_BIN/psql" -XqAt -v ON_ERROR_STOP=1 -h "$CLUSTER_FOLDER" -U admin -d "${2:-postgres}" -c "$1"
}

# Files made by one user must be seen by another, so the folder is named and its door is the socket's mode.
cluster_make() {
    local place=/tmp
    [ -w /dev/shm ] && place=/dev/shm
    place=${CLUSTER_PLACE:-$place}
    CLUSTER_FOLDER=$(mktemp -d "$place/meishi-pg-XXXXXX") || return 1
    [ "$(id -u)" -ne 0 ] || chown nobody:nogroup "$CLUSTER_FOLDER"
    cluster_run "$CLUSTER_BIN/initdb" -D "$CLUSTER_FOLDER/data" -U admin --auth=trust --encoding=UTF8 --locale=C.UTF-8 \
        --locale-provider=icu --icu-locale=en-US --data-checksums --no-sync >"$CLUSTER_FOLDER/initdb.log" 2>&1 || {
        cat "$CLUSTER_FOLDER/initdb.log"
        return 1
    }
    cluster_start || return 1
    cluster_psql "CREATE ROLE meishi LOGIN" && cluster_psql "CREATE DATABASE meishi OWNER meishi" || return 1
    CLUSTER_URL="postgres:///meishi?host=$CLUSTER_FOLDER&user=meishi"
}

cluster_start() {
    cluster_run "$CLUSTER_BIN/pg_ctl" -D "$CLUSTER_FOLDER/data" -l "$CLUSTER_FOLDER/server.log" -w -t 60 -s \
        -o "-c listen_addresses='' -k $CLUSTER_FOLDER -c fsync=on -c max_connections=200 -c shared_buffers=32MB \
            -c max_locks_per_transaction=256 -c unix_socket_permissions=0700 $CLUSTER_OPTIONS" start >/dev/null
}

cluster_stop() { # smart, fast or immediate
    cluster_run "$CLUSTER_BIN/pg_ctl" -D "$CLUSTER_FOLDER/data" -w -t 60 -s -m "${1:-fast}" stop >/dev/null
}

cluster_drop() {
    cluster_stop immediate
    rm -rf "$CLUSTER_FOLDER"
}
