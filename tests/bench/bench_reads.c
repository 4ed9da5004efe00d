/* What a member's pages wait for, as verbs, beside the bare SQLite queries on the same file, in turns:
 *
 *   bench_reads STORE-FOLDER
 *
 * on a store that make_store filled with 10,000 members. Each read is of another member, so nothing is read twice in a row. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "server/ids.h"
#include "server/store/months.h"
#include "server/store/store.h"
#include "tests/support/fill_store.h"

enum { READS = 4000, LEADS = 50, DAYS = 30 };

static const struct filling FILLED = {.members = 10000, .shares = 100000};

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "bench_reads: %s failed\n", what);
    exit(1);
}

static double wall_us(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec * 1e6 + (double)at.tv_nsec * 1e-3;
}

/* ---- the verbs ---- */

static size_t our_leads(struct store *store, struct arena *arena, int64_t owner_id)
{
    struct lead_filter filter = {.stage = -1, .channel = -1, .limit = LEADS};
    struct lead *leads;
    size_t count;
    must(store_lead_list(store, arena, owner_id, &filter, &leads, &count) == RESULT_OK, "leads");
    return count;
}

static size_t our_counts(struct store *store, struct arena *arena, int64_t owner_id)
{
    int32_t today = day_of(id_new());
    struct day_count *days;
    size_t count;
    must(store_day_counts(store, arena, owner_id, today - DAYS, today, &days, &count) == RESULT_OK, "counts");
    return count;
}

/* ---- the bare queries ---- */

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement;
    must(sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) == SQLITE_OK, sqlite3_errmsg(db));
    return statement;
}

/* Reads every column of every row. */
static size_t run(sqlite3_stmt *statement, int64_t owner_id)
{
    size_t rows = 0;
    sqlite3_reset(statement);
    sqlite3_bind_int64(statement, 1, owner_id);
    for (; sqlite3_step(statement) == SQLITE_ROW; rows++)
        for (int i = 0; i < sqlite3_column_count(statement); i++)
            (void)sqlite3_column_text(statement, i);
    sqlite3_reset(statement);
    return rows;
}

/* ---- both ---- */

static int compare(const void *a, const void *b)
{
    double one = *(const double *)a, other = *(const double *)b;
    return (one > other) - (one < other);
}

static void report(const char *what, double *ours, double *bare)
{
    qsort(ours, READS, sizeof *ours, compare);
    qsort(bare, READS, sizeof *bare, compare);
    double p99 = ours[READS * 99 / 100];
    printf("  %s %s: p50 %.0f us, p99 %.0f us, bar <= 1000; bare SQLite %.0f and %.0f (%.2f x, %.2f x)\n",
           p99 <= 1000 ? "ok  " : "MISS", what, ours[READS / 2], p99, bare[READS / 2], bare[READS * 99 / 100],
           ours[READS / 2] / bare[READS / 2], p99 / bare[READS * 99 / 100]);
}

static void compare_reads(const char *what, struct store *store, sqlite3_stmt *statement,
                          size_t (*read)(struct store *, struct arena *, int64_t))
{
    static double ours[READS], bare[READS];
    struct arena arena;
    arena_init(&arena);
    for (int i = 0; i < READS; i++) {
        int64_t owner_id = filled_owner(&FILLED, (int64_t)i * 7919);
        double start = wall_us();
        size_t got = read(store, &arena, owner_id);
        ours[i] = wall_us() - start;
        arena_reset(&arena);
        start = wall_us();
        size_t expected = run(statement, filled_owner(&FILLED, (int64_t)i * 7919 + 5000));
        bare[i] = wall_us() - start;
        must(got > 0 && expected > 0, "a read that finds something");
    }
    report(what, ours, bare);
    arena_free(&arena);
}

int main(int argc, char **argv)
{
    must(argc == 2, "bench_reads STORE-FOLDER; this");
    char url[512], path[512], sql[256];
    struct arena arena;
    struct store *store;
    const char *why;
    sqlite3 *db;
    arena_init(&arena);
    snprintf(url, sizeof url, "sqlite:%s", argv[1]);
    snprintf(path, sizeof path, "%s/meishi.db", argv[1]);
    struct store_options options = {.url = url, .base_url = "http://localhost", .readers = 2};
    must(store_open(&options, &arena, &store, &why) == RESULT_OK, why ? why : "store");
    must(store_start(store) == RESULT_OK, "start");
    must(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK, path);
    must(sqlite3_exec(db, "PRAGMA cache_size=-65536", NULL, NULL, NULL) == SQLITE_OK, "pragma");
    sqlite3_stmt *leads = prepare(db, "SELECT * FROM leads WHERE owner_id = ? AND tray = 0 ORDER BY id DESC LIMIT 50");
    compare_reads("latest 50 leads", store, leads, our_leads);
    int32_t today = day_of(id_new());
    snprintf(sql, sizeof sql,
             "SELECT * FROM day_counts WHERE owner_id = ? AND day >= %d AND day <= %d ORDER BY day, channel",
             today - DAYS, today);
    sqlite3_stmt *counts = prepare(db, sql);
    compare_reads("30 days of counts", store, counts, our_counts);
    sqlite3_finalize(leads);
    sqlite3_finalize(counts);
    sqlite3_close(db);
    store_close(store);
    arena_free(&arena);
    return 0;
}
