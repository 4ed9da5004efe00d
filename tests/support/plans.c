/* See plans.h. */
#include "tests/support/plans.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "server/ids.h"
#include "server/store/hit_log.h"
#include "tests/support/engine.h"

enum { STATEMENTS_MAX = 600 };

/* What may be: small for ever, bounded by the statement itself, or walked once and remembered. */
static const struct {
    const char *what, *of;
} ALLOWED[] = {
    {"SCAN fold_mark", ""},
    {"SCAN hit_months", ""},
    {"SCAN CONSTANT ROW", ""},
    {"SCAN counted", "LIMIT $2) AS counted"},                                             /* to ten thousand */
    {"SCAN counted", "LIMIT $5) AS counted"},                                             /* the same */
    {"SCAN webhooks USING INDEX webhooks_due", "SELECT COUNT(*), COALESCE(SUM(pending)"}, /* the operator's figures */
    {"SCAN webhooks", "SELECT COUNT(*) FROM webhooks WHERE removed_ms IS NULL"}, /* once a change of endpoints */
    {"SCAN webhooks", "SELECT owner_id, events FROM webhooks WHERE removed_ms IS NULL"}, /* the same */
    {"SCAN members", "SELECT 1 FROM members LIMIT 1"},                                   /* stops at the first row */
    {"SCAN schema_version", ""},
    {"SCAN sessions", "DELETE FROM sessions WHERE expires_ms"},           /* ten a member, once an hour */
    {"SCAN sign_in_links", "DELETE FROM sign_in_links WHERE expires_ms"}, /* a few a member, once an hour */
    {"SCAN lead_search VIRTUAL TABLE", ""},                               /* an index of its own */
    {"SCAN s VIRTUAL TABLE", ""},
    {"USE TEMP B-TREE FOR ORDER BY", "AND state = 0 AND queue IN (0, 1, 2) AND state = $5"}, /* ten thousand at most */
    {"SCAN l", "LIMIT $3) AS l LEFT JOIN lead_search"},                                      /* the newest 500 */
    {"USE TEMP B-TREE FOR GROUP BY",
     "SELECT tray, stage, COUNT(*) FROM leads"}, /* of one owner, from the index alone */
    {"USE TEMP B-TREE FOR RIGHT PART OF ORDER BY", "DELETE FROM sessions WHERE member_id"}, /* ten a member */

    {"Seq Scan on fold_mark", ""},
    {"Seq Scan on hit_months", ""},
    {"Index Only Scan Backward using hit_months_pkey", ""},
    {"Seq Scan on schema_version", ""},
    {"Seq Scan on hit_inbox", ""},                                /* a second's rows */
    {"Seq Scan on consent_texts", ""},                            /* one a version of the text */
    {"Seq Scan on change_marks", ""},                             /* one a kind */
    {"Seq Scan on day_salts", ""},                                /* one a day, of two */
    {"Seq Scan on changes", "DELETE FROM changes WHERE at_ms"},   /* of some minutes, once an hour */
    {"Seq Scan on tallies", "DELETE FROM tallies WHERE ends_ms"}, /* of an hour */
    {"Seq Scan on members", "SELECT 1 FROM members LIMIT 1"},
    {"Seq Scan on webhooks", "SELECT COUNT(*) FROM webhooks WHERE removed_ms IS NULL"},
    {"Seq Scan on webhooks", "SELECT owner_id, events FROM webhooks WHERE removed_ms IS NULL"},
    {"Sort", "SELECT owner_id, events FROM webhooks WHERE removed_ms IS NULL"},
    {"Index Scan using webhooks_due", "SELECT COUNT(*), COALESCE(SUM(pending)"},
    {"Index Only Scan using webhooks_waiting", "SELECT 1 FROM webhooks WHERE waits_for IS NOT NULL LIMIT 1"},
    {"Seq Scan on idempotency", "DELETE FROM idempotency WHERE created_ms"}, /* once an hour, of one day's */
    {"Seq Scan on throttles", "DELETE FROM throttles WHERE opened_ms"},      /* once an hour, of eight days' */
    {"Seq Scan on sessions", "DELETE FROM sessions WHERE expires_ms"},
    {"Seq Scan on sign_in_links", "DELETE FROM sign_in_links WHERE expires_ms"},
};

static struct {
    const struct db_driver *engine;
    struct db_driver driver;
    char *seen[STATEMENTS_MAX];
    int count, complaints;
    pthread_mutex_t lock; /* the fold has a thread of its own */
} watch = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void must(enum result result, const char *what)
{
    if (result == RESULT_OK)
        return;
    fprintf(stderr, "plans: %s answered %d\n", what, (int)result);
    abort();
}

static bool is_allowed(const char *what, const char *sql)
{
    for (size_t i = 0; i < sizeof ALLOWED / sizeof *ALLOWED; i++)
        if (!strncmp(what, ALLOWED[i].what, strlen(ALLOWED[i].what)) && strstr(sql, ALLOWED[i].of))
            return true;
    return false;
}

static void complain(const char *what, const char *sql)
{
    if (is_allowed(what, sql))
        return;
    fprintf(stderr, "%s\n    in %s\n", what, sql);
    watch.complaints++;
}

static bool is_new(const char *sql)
{
    for (int i = 0; i < watch.count; i++)
        if (!strcmp(watch.seen[i], sql))
            return false;
    if (watch.count == STATEMENTS_MAX)
        abort();
    watch.seen[watch.count++] = strdup(sql);
    return true;
}

/* Runs SQL and calls TELL with the text of COLUMN of each row. */
static void ask(struct db *db, const char *sql, const struct db_value *args, int arg_count, int column,
                void (*tell)(void *context, const char *text), void *context)
{
    struct db_rows *rows;
    struct arena arena;
    arena_init(&arena);
    must(watch.engine->query(db, sql, args, arg_count, &rows), sql);
    while (watch.engine->next(rows) == RESULT_OK)
        if (tell) {
            size_t len;
            const char *text = watch.engine->bytes(rows, column, &len);
            tell(context, arena_strndup(&arena, text, len));
        }
    watch.engine->finish(&rows);
    arena_free(&arena);
}

/* ---- SQLite ---- */

static void read_sqlite_line(void *context, const char *line)
{
    if (!strncmp(line, "SCAN ", 5) || !strncmp(line, "USE TEMP B-TREE", 15))
        complain(line, context);
}

static void explain_sqlite(struct db *db, const char *sql, const struct db_value *args, int arg_count)
{
    char *text;
    if (asprintf(&text, "EXPLAIN QUERY PLAN %s", sql) < 0)
        abort();
    ask(db, text, args, arg_count, 3, read_sqlite_line, (void *)sql);
    free(text);
}

/* ---- PostgreSQL ---- */

struct plan {
    const char *sql;
    char index_node[256]; /* that has shown no condition yet; "" for none */
};

static void end_node(struct plan *plan)
{
    if (*plan->index_node)
        complain(plan->index_node, plan->sql);
    *plan->index_node = '\0';
}

/* "  ->  Index Scan using leads_pkey on leads  (cost=0.29..8.31 rows=1 width=8)" and below it its "Index Cond: …". */
static void read_postgres_line(void *context, const char *line)
{
    enum { SORTED_MAX = 2000 };
    struct plan *plan = context;
    const char *cost = strstr(line, "  (cost=");
    const char *rows = cost ? strstr(cost, "rows=") : NULL, *arrow = strstr(line, "->  ");
    if (!cost) {
        if (strstr(line, "Index Cond: "))
            *plan->index_node = '\0';
        return;
    }
    end_node(plan);
    const char *node = arrow && arrow < cost ? arrow + strlen("->  ") : line + strspn(line, " ");
    char name[256];
    snprintf(name, sizeof name, "%.*s", (int)(cost - node), node);
    if (strstr(name, "Seq Scan"))
        complain(name, plan->sql);
    else if (strstr(name, "Index Scan") || strstr(name, "Index Only Scan"))
        snprintf(plan->index_node, sizeof plan->index_node, "%s", name);
    else if (strstr(name, "Sort") && rows && strtol(rows + strlen("rows="), NULL, 10) > SORTED_MAX)
        complain(name, plan->sql);
}

static void explain_one(struct db *db, const char *text, const char *sql, const struct db_value *args, int arg_count)
{
    struct plan plan = {.sql = sql};
    ask(db, text, args, arg_count, 0, read_postgres_line, &plan);
    end_node(&plan);
}

static const char *type_of(enum db_type type)
{
    return type == DB_INTEGER ? "bigint" : type == DB_TEXT ? "text" : type == DB_BLOB ? "bytea" : "unknown";
}

/* Twice: with these values, and as the kept statement that any values will be run with. */
static void explain_postgres(struct db *db, const char *sql, const struct db_value *args, int arg_count)
{
    struct arena arena;
    arena_init(&arena);
    explain_one(db, arena_printf(&arena, "EXPLAIN %s", sql), sql, args, arg_count);
    const char *types = "", *nothing = "";
    for (int i = 0; i < arg_count; i++) {
        types = arena_printf(&arena, "%s%s%s", types, i ? ", " : "(", type_of(args[i].type));
        nothing = arena_printf(&arena, "%s%sNULL", nothing, i ? ", " : "(");
    }
    const char *close = arg_count ? ")" : "";
    ask(db, "SET LOCAL plan_cache_mode = force_generic_plan", NULL, 0, 0, NULL, NULL);
    ask(db, arena_printf(&arena, "PREPARE looked_at%s%s AS %s", types, close, sql), NULL, 0, 0, NULL, NULL);
    explain_one(db, arena_printf(&arena, "EXPLAIN EXECUTE looked_at%s%s", nothing, close), sql, NULL, 0);
    ask(db, "DEALLOCATE looked_at", NULL, 0, 0, NULL, NULL);
    ask(db, "SET LOCAL plan_cache_mode = auto", NULL, 0, 0, NULL, NULL);
    arena_free(&arena);
}

/* ---- the driver ---- */

static enum result query(struct db *db, const char *sql, const struct db_value *args, int arg_count,
                         struct db_rows **out)
{
    static const char *const WORDS[] = {"SELECT", "UPDATE", "DELETE", "INSERT", "WITH"};
    bool has_plan = false;
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
        has_plan = has_plan || !strncmp(sql, WORDS[i], strlen(WORDS[i]));
    pthread_mutex_lock(&watch.lock);
    if (has_plan && is_new(sql))
        (engine_is_sqlite() ? explain_sqlite : explain_postgres)(db, sql, args, arg_count);
    pthread_mutex_unlock(&watch.lock);
    return watch.engine->query(db, sql, args, arg_count, out);
}

static enum result open_watched(const char *url, enum db_part part, enum db_mode mode, struct db **out)
{
    enum result result = watch.engine->open(url, part, mode, out);
    if (result == RESULT_OK)
        (*out)->driver = &watch.driver;
    return result;
}

void plans_watch(struct store *store)
{
    watch.engine = engine_driver();
    watch.driver = *watch.engine;
    watch.driver.query = query;
    watch.driver.open = open_watched;
    store->driver = &watch.driver;
    if (store->writer)
        store->writer->driver = &watch.driver;
    if (store->hits->inbox)
        store->hits->inbox->driver = &watch.driver;
    if (store->hits->fold_inbox)
        store->hits->fold_inbox->driver = &watch.driver;
    store->readers.driver = &watch.driver;
    for (int i = 0; i < store->readers.idle_count; i++)
        store->readers.idle[i]->driver = &watch.driver;
}

int plans_seen(void)
{
    return watch.count;
}

int plans_complaints(void)
{
    return watch.complaints;
}

void plans_forget(void)
{
    for (int i = 0; i < watch.count; i++)
        free(watch.seen[i]);
    watch.count = watch.complaints = 0;
}

/* ---- what others have ---- */

/* g counts to so many rows, o is the owner of the row: one of two hundred. Nothing is due. */
static const char *const OTHERS[] = {
    "members (id, handle, name, email, role, created_ms) SELECT 980 + g, 'm' || g, 'M', g || '@x.org', 0, 1",
    "sign_in_links (hash, member_id, created_ms, expires_ms) SELECT int8send(g), o, 1, 1",
    "sessions (hash, member_id, created_ms, seen_ms, expires_ms) SELECT int8send(g), o, g, 1, 1",
    "api_tokens (member_id, id, hash, name, scopes, created_ms) SELECT o, g, int8send(g), 'n', 'read', 1",
    "throttles (key, opened_ms, tries) SELECT 'k' || g, g, 1",
    "idempotency (member_id, key, request_hash, created_ms) SELECT o, 'k' || g, int8send(g), g",
    ("cards (owner_id, id, handle, revision, body, portrait_id, standing_share_id, created_ms, updated_ms) "
     "SELECT o, g, 'c' || g, 1, '{}', g, g, 1, 1"),
    "card_revisions (owner_id, card_id, revision, body, created_ms) SELECT o, g, 1, '{}', 1",
    "portraits (owner_id, card_id, id, jpeg) SELECT o, g, g, int8send(g)",
    ("shares (owner_id, id, card_id, sharer_member_id, sharer_hit_id, token, channel, standing, created_ms) "
     "SELECT o, g, g - g % 20, o, g, 't' || g, g % 8, 0, 1"),
    ("leads (owner_id, id, card_id, share_id, channel, visitor_hit_id, referral, stage, tray, name, email_key, created_ms, "
     "identified_ms, updated_ms, revision, change_seq) SELECT o, g, g - g % 20, g, g % 8, g, g % 2, g % 9, g % 5, 'Ada', "
     "'e' || g, g, g, g, 1, g"),
    ("receipts (hash, owner_id, lead_id, visitor_hit_id, moment_id, created_ms) SELECT int8send(g), o, g, g, g, 1"),
    "lead_moments (owner_id, lead_id, id, at_ms, kind) SELECT o, g, g, 1, 'note'",
    "INSERT INTO consent_texts (hash, words) VALUES ('\\x00', 'You agree.')",
    "consents (owner_id, lead_id, id, at_ms, contact, text_hash) SELECT o, g, g, 1, 1, '\\x00'",
    "erased (hash, erased_ms) SELECT int8send(g), g",
    "lead_search (owner_id, lead_id, words) SELECT o, g, 'visitor ' || md5(CAST(g AS TEXT))",
    "INSERT INTO lead_changes (owner_id, last) SELECT 1000 + g, 1 FROM generate_series(0, 199) AS g",
    "follow_ups (owner_id, id, lead_id, due_ms, created_ms) SELECT o, g, g, g + 4000000000000, 1",
    "leads_gone (owner_id, change_seq, lead_id) SELECT o, g, g",
    ("webhooks (owner_id, id, url, events, sealed_secret, created_ms, failures_in_a_row, turn_ms, lane, "
     "listener, asked_ms) SELECT o, g, 'https://x.example/', 1, int8send(g), 1, 0, 1, g % 4, g % 2, 4000000000000"),
    "events (owner_id, id, type, lead_id, body, created_ms) SELECT o, g, 1, g, '{}', 1",
    ("deliveries (owner_id, id, webhook_id, event_id, lead_id, type, state, created_ms, due_ms, finished_ms, attempts) "
     "SELECT o, g, g - g % 20, g, g, 1, g % 5, g, g, g, 1"),
    ("delivery_attempts (owner_id, delivery_id, id, at_ms, status, latency_ms, webhook_id) SELECT o, g, g, g, 200, 1, "
     "g - g % 20"),
    "share_counts SELECT o, g, 1, 1, 1, 1, 1, 1, 1",
    "day_counts SELECT o, g, g % 8, 1, 1, 1, 1, 1, 1, 1, 1, 1",
};

struct others {
    struct store *store;
    int rows_each;
};

static enum result put_others(struct db *db, void *context)
{
    const struct others *others = context;
    struct arena arena;
    arena_init(&arena);
    const struct month *month = months_get(hits_months(others->store), month_of(id_new()));
    enum result result = months_ensure(db, month);
    for (size_t i = 0; i < sizeof OTHERS / sizeof *OTHERS && result == RESULT_OK; i++) {
        const char *sql = OTHERS[i];
        if (strncmp(sql, "INSERT", 6))
            sql = arena_printf(&arena,
                               "INSERT INTO %s FROM (SELECT g, 1000 + g / 20 %% 200 AS o FROM generate_series(20, %d) "
                               "AS g) AS of_others",
                               sql, others->rows_each + 19);
        result = db_run(db, sql, NULL, 0);
    }
    if (result == RESULT_OK)
        result =
            db_run(db,
                   arena_printf(&arena,
                                "INSERT INTO hits_%06d SELECT 1000 + g / 20 %% 200, g - g %% 20, g, g, 0, 0, 0, 0, 0, "
                                "0, 'Safari on iOS', NULL, 1 FROM generate_series(20, %d) AS g",
                                month->month, others->rows_each + 19),
                   NULL, 0);
    arena_free(&arena);
    return result;
}

void plans_fill(struct store *store, int rows_each)
{
    struct others others = {store, rows_each};
    if (engine_is_sqlite())
        return;
    must(store_write(store, "others", put_others, &others), "filling");
    /* Of the whole database, in which other tests come and go: a table that was there a moment ago is an error. */
    enum result result = RESULT_FAILED;
    for (int tries = 0; tries < 20 && result != RESULT_OK; tries++)
        result = engine_driver()->script(store->writer, "ANALYZE");
    must(result, "ANALYZE");
}
