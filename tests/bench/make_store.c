/* Stores for the benches, and what is in them.
 *
 *   make_store fill STORE-FOLDER HITS SHARES MEMBERS LEADS   makes one
 *   make_store due STORE-FOLDER SHARES MEMBERS ENDPOINTS COUNT PORT   adds endpoints and as many deliveries that are due
 *   make_store answered STORE-FOLDER                         endpoints have all answered once, and promptly
 *   make_store tokens SHARES COUNT MEMBERS                   COUNT of its tokens, of a hundred members
 *   make_store count STORE-FOLDER                            hits by rows, by share counters, by day counters
 *   make_store delivered STORE-FOLDER                        deliveries that arrived, attempts kept, deliveries that wait
 *
 * fill and count also take a URL of PostgreSQL, with the key file that MEISHI_KEY_FILE names. */
#include <errno.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "server/auth/keys.h"
#include "server/ids.h"
#include "server/store/internal.h"
#include "server/store/months.h"
#include "tests/support/fill_store.h"

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "make_store: %s failed\n", what);
    exit(1);
}

struct leads {
    const struct filling *filling;
    int64_t count;
};

/* Identified leads, spread over the members and the last year. */
static enum result put_leads(struct db *db, void *context)
{
    const struct leads *leads = context;
    const struct filling *filling = leads->filling;
    int64_t step_ms = leads->count ? (filling->to_ms - filling->from_ms) / leads->count : 0;
    for (int64_t i = 0; i < leads->count; i++) {
        char name[40];
        int64_t share = i * 7919 % filling->shares, at_ms = filling->from_ms + i * step_ms;
        int64_t card = filled_share(filling, share % filling->members) + (1 << 20),
                id = id_at_ms(at_ms) + (i & 0x1fffff);
        snprintf(name, sizeof name, "Visitor %lld", (long long)i);
        must(
            db_run(db,
                   "INSERT INTO leads (owner_id, id, card_id, share_id, channel, referral, stage, tray, name, message, "
                   "created_ms, identified_ms, updated_ms, revision) "
                   "VALUES ($1, $2, $3, $4, 0, 0, 1, 0, $5, 'Please call me about the roof.', $6, $6, $6, 1)",
                   DB_ARGS(DB_INT(filled_owner(filling, share)), DB_INT(id), DB_INT(card),
                           DB_INT(filled_share(filling, share)), db_text(name), DB_INT(at_ms))) == RESULT_OK,
            "a lead");
    }
    return RESULT_OK;
}

static bool is_url(const char *place)
{
    return strstr(place, "://") != NULL;
}

/* With the key file that a server would make. */
static struct store *open_store(const char *place, struct arena *arena)
{
    struct store *store;
    struct keys keys;
    const char *why = NULL, *key_file = getenv("MEISHI_KEY_FILE");
    if (!is_url(place)) {
        must(!mkdir(place, 0700) || errno == EEXIST, place);
        key_file = arena_printf(arena, "%s/meishi.key", place);
    }
    must(key_file, "MEISHI_KEY_FILE");
    must(keys_open(key_file, arena, &keys, &why) == RESULT_OK, why);
    struct store_options options = {.url = is_url(place) ? place : arena_printf(arena, "sqlite:%s", place),
                                    .base_url = "http://localhost",
                                    .readers = 1,
                                    .seal_key = keys.seal};
    must(store_open(&options, arena, &store, &why) == RESULT_OK, why ? why : "opening");
    return store;
}

static void fill(const char *folder, const struct filling *filling, int64_t lead_count)
{
    struct arena arena;
    arena_init(&arena);
    struct store *store = open_store(folder, &arena);
    fill_store(store, filling);
    struct leads leads = {filling, lead_count};
    must(store_write(store, "leads", put_leads, &leads) == RESULT_OK, "leads");
    store_close(store);
    arena_free(&arena);
}

static void add_due(const char *folder, const struct filling *filling, int64_t endpoints, int64_t count, int port)
{
    struct arena arena;
    arena_init(&arena);
    struct store *store = open_store(folder, &arena);
    fill_deliveries(store, filling, endpoints, count, port, now_ms() - 1000000);
    store_close(store);
    arena_free(&arena);
}

static enum result put_answers(struct db *db, void *context)
{
    const int64_t *now = context;
    return db_run(db, "UPDATE webhooks SET lane = 0, last_success_ms = $1, last_latency_ms = 1", DB_ARGS(DB_INT(*now)));
}

static void answer(const char *folder)
{
    struct arena arena;
    int64_t now = now_ms();
    arena_init(&arena);
    struct store *store = open_store(folder, &arena);
    must(store_write(store, "answered", put_answers, &now) == RESULT_OK, "answers");
    store_close(store);
    arena_free(&arena);
}

static void tokens(int64_t shares, int64_t count, int64_t members)
{
    int64_t cards = members < 100 ? members : 100;
    for (int64_t i = 0; i < count; i++) {
        char token[TOKEN_SIZE];
        filled_token((i % cards + i / cards * members) % shares, token);
        puts(token);
    }
}

static int64_t number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement;
    must(sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK, sqlite3_errmsg(db));
    int64_t value = sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_finalize(statement);
    return value;
}

#define ALL "COALESCE(sum(unconfirmed + person + preview + scanner + prefetch + bot + self), 0)"

static int64_t number_of(struct db *db, const char *sql)
{
    struct db_rows *rows;
    must(db_one(db, sql, NULL, 0, &rows) == RESULT_OK, sql);
    int64_t value = db_column_int(rows, 0);
    db_finish(&rows);
    return value;
}

static void count_by_driver(const char *url)
{
    struct db *db;
    struct arena arena;
    struct month_list months;
    int64_t rows = 0;
    arena_init(&arena);
    const struct db_driver *driver = db_driver_of(url);
    must(driver && driver->open(url, DB_MAIN, DB_READ, &db) == RESULT_OK, url);
    must(months_list(db, &arena, &months) == RESULT_OK, "months");
    for (size_t i = 0; i < months.count; i++)
        rows +=
            number_of(db, arena_printf(&arena, "SELECT COALESCE(sum(times), 0) FROM hits_%06d", (int)months.months[i]));
    printf("%lld %lld %lld\n", (long long)rows, (long long)number_of(db, "SELECT " ALL " FROM share_counts"),
           (long long)number_of(db, "SELECT " ALL " FROM day_counts"));
    driver->close(db);
    arena_free(&arena);
}

static void count(const char *folder)
{
    char path[512], sql[128];
    sqlite3 *db;
    sqlite3_stmt *months;
    snprintf(path, sizeof path, "%s/meishi.db", folder);
    must(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK, path);
    int64_t rows = 0;
    must(sqlite3_prepare_v2(db, "SELECT month FROM hit_months", -1, &months, NULL) == SQLITE_OK, "months");
    while (sqlite3_step(months) == SQLITE_ROW) {
        snprintf(sql, sizeof sql, "SELECT COALESCE(sum(times), 0) FROM hits_%06d", sqlite3_column_int(months, 0));
        rows += number(db, sql);
    }
    sqlite3_finalize(months);
    printf("%lld %lld %lld\n", (long long)rows, (long long)number(db, "SELECT " ALL " FROM share_counts"),
           (long long)number(db, "SELECT " ALL " FROM day_counts"));
    sqlite3_close(db);
}

static void delivered(const char *folder)
{
    char path[512];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/meishi.db", folder);
    must(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK, path);
    printf("%lld %lld %lld\n", (long long)number(db, "SELECT count(*) FROM deliveries WHERE state = 1"),
           (long long)number(db, "SELECT count(*) FROM delivery_attempts WHERE error IS NULL"),
           (long long)number(db, "SELECT count(*) FROM deliveries WHERE state = 0"));
    sqlite3_close(db);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    must(sodium_init() >= 0, "sodium");
    if (!strcmp(what, "fill") && argc == 7) {
        struct filling filling = {.hits = atoll(argv[3]), .shares = atoll(argv[4]), .members = atoll(argv[5])};
        filling.to_ms = now_ms() - 1000;
        filling.from_ms = filling.to_ms - (int64_t)360 * 86400000;
        fill(argv[2], &filling, atoll(argv[6]));
    } else if (!strcmp(what, "due") && argc == 8) {
        const struct filling filling = {.shares = atoll(argv[3]), .members = atoll(argv[4])};
        add_due(argv[2], &filling, atoll(argv[5]), atoll(argv[6]), (int)atoll(argv[7]));
    } else if (!strcmp(what, "answered") && argc == 3) {
        answer(argv[2]);
    } else if (!strcmp(what, "delivered") && argc == 3) {
        delivered(argv[2]);
    } else if (!strcmp(what, "tokens") && argc == 5) {
        tokens(atoll(argv[2]), atoll(argv[3]), atoll(argv[4]));
    } else if (!strcmp(what, "count") && argc == 3) {
        is_url(argv[2]) ? count_by_driver(argv[2]) : count(argv[2]);
    } else {
        fputs("usage: make_store fill|due|answered|tokens|count|delivered …\n", stderr);
        return 1;
    }
    return 0;
}
