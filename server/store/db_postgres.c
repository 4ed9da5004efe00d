/* The PostgreSQL driver: connecting, transactions, and what keeps a commit's promise.
 *
 * Both parts of a store lie in one database, in the first schema of the search path. Writers of a part take turns by an
 * advisory lock, as they do by the file's lock on SQLite, so that a verb may read and then write what follows from it. A lost
 * connection fails what was under way, since nobody knows whether its commit arrived; the next transaction connects anew.
 * A server that answers before its disk does is refused. Names nothing but what every role may do: no superuser, no
 * extension. */
#include "server/store/db_postgres.h"

#include <assert.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "server/ids.h"
#include "server/log.h"
#include "server/store/db_postgres_archive.h"

enum { LOG_PAUSE_MS = 1000 /* a server that is away fails a thousand times a second and is told once */ };

static PGconn *handle_of(const struct session *session)
{
    return (PGconn *)session->handle;
}

/* ---- errors ---- */

static bool is_conflict(const char *state)
{
    return strcmp(state, "23505") == 0 || strcmp(state, "23503") == 0; /* unique, foreign key */
}

static bool is_busy(const char *state)
{
    return strcmp(state, "40001") == 0 || strcmp(state, "40P01") == 0 || strcmp(state, "55P03") == 0;
}

void db_postgres_keep_words(struct session *session, const char *words)
{
    size_t len = 0;
    for (; words && *words && len < sizeof session->words - 1; words++)
        session->words[len++] = *words == '\n' || *words == '\t' ? ' ' : *words == '"' ? '\'' : *words;
    while (len && session->words[len - 1] == ' ')
        len--;
    session->words[len] = '\0';
}

static void add_words(struct session *session, const char *words)
{
    size_t len = strlen(session->words);
    snprintf(session->words + len, sizeof session->words - len, "%s", words);
}

enum result db_postgres_fail(struct session *session, const struct pg_result *result, const char *doing)
{
    const char *state = result ? PQresultErrorField((const PGresult *)result, PG_DIAG_SQLSTATE) : NULL;
    const char *words = result ? PQresultErrorField((const PGresult *)result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    state = state ? state : "";
    if (is_busy(state))
        return RESULT_BUSY;
    db_postgres_keep_words(session, words ? words : PQerrorMessage(handle_of(session)));
    if (is_conflict(state))
        return RESULT_CONFLICT;
    if (strcmp(state, "42501") == 0)
        add_words(
            session,
            ": GRANT USAGE, CREATE ON SCHEMA public TO the user of MEISHI_STORE, or make it the database's owner");
    /* Read-only, and in recovery: what took writes has become a standby, behind a pooler or an address that moved. */
    session->demoted |= session->mode == DB_WRITE && (strcmp(state, "25006") == 0 || strcmp(state, "0A000") == 0);
    int64_t now = monotonic_ms();
    if (strcmp(state, session->logged_state) != 0 || now - session->logged_ms >= LOG_PAUSE_MS) {
        log_error("postgres", "doing=%s part=%s state=%s words=\"%s\"", doing,
                  session->part == DB_MAIN ? "main" : "inbox", *state ? state : "none", session->words);
        snprintf(session->logged_state, sizeof session->logged_state, "%s", state);
        session->logged_ms = now;
    }
    return RESULT_FAILED;
}

/* ---- opening and closing ---- */

static enum result look_for_tables(struct session *session)
{
    char one[4];
    enum result result = db_postgres_tell(
        session, "SELECT 1 FROM pg_tables WHERE schemaname = current_schema() LIMIT 1", one, sizeof one);
    return result == RESULT_OK && !*one ? RESULT_NOT_FOUND : result;
}

static void close_session(struct db *db)
{
    struct session *session = (struct session *)db;
    if (db->claimed) { /* else it is free only when the server has noticed */
        enum result freed = db_postgres_tell(session, "SELECT pg_advisory_unlock_all()", NULL, 0);
        (void)freed;
    }
    db_postgres_hang_up(session);
    free(session->url);
    free(session);
}

static enum result open_by(const struct db_driver *driver, const char *url, enum db_part part, enum db_mode mode,
                           struct db **out)
{
    struct session *session = calloc(1, sizeof *session);
    char *own_url = strdup(url);
    if (!session || !own_url)
        abort();
    *session = (struct session){.db.driver = driver, .url = own_url, .part = part, .mode = mode};
    *out = NULL;
    enum result result = db_postgres_connect(session);
    if (result != RESULT_OK)
        log_error("postgres-open", "words=\"%s\"", session->words);
    else if (mode == DB_READ)
        result = look_for_tables(session);
    if (result == RESULT_OK)
        *out = &session->db;
    else
        close_session(&session->db);
    return result;
}

static enum result open_session(const char *url, enum db_part part, enum db_mode mode, struct db **out)
{
    return open_by(&db_postgres, url, part, mode, out);
}

static enum result open_unsafe(const char *url, enum db_part part, enum db_mode mode, struct db **out)
{
    return open_by(&db_postgres_unsafe, url, part, mode, out);
}

/* ---- transactions ---- */

enum result db_postgres_send_begin(struct session *session)
{
    /* Two numbers are one lock of the database: ours and the part's, of the schema. */
    static const char *const LOCK[] = {
        [DB_MAIN] = "SELECT pg_advisory_xact_lock(1299540840, hashtext(current_schema()))",
        [DB_INBOX] = "SELECT pg_advisory_xact_lock(1299540841, hashtext(current_schema()))",
    };
    bool writes = session->mode == DB_WRITE;
    if (!session->begins)
        return RESULT_OK;
    session->begins = false;
    enum result result = db_postgres_send(session,
                                          writes ? "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
                                                 : "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
                                          EXPECT_NOTHING);
    if (result == RESULT_OK && writes)
        result = db_postgres_send(session, LOCK[session->part], EXPECT_LOCK);
    if (result == RESULT_OK && writes && session->db.lazy)
        result = db_postgres_send(session, "SET LOCAL synchronous_commit = off", EXPECT_NOTHING);
    return result;
}

static enum result begin(struct db *db)
{
    struct session *session = (struct session *)db;
    if (db->broken || !db_postgres_is_there(session))
        return RESULT_FAILED;
    session->in_transaction = session->begins = true;
    return RESULT_OK;
}

static enum result end(struct db *db, bool commit)
{
    struct session *session = (struct session *)db;
    bool began = !session->begins, wanted = commit && !db->broken;
    session->in_transaction = session->begins = false;
    if (!began)
        return commit && !wanted ? RESULT_FAILED : RESULT_OK;
    if (!session->handle)
        return commit ? RESULT_FAILED : RESULT_OK; /* lost, and with it what was not committed */
    /* To an aborted transaction COMMIT means ROLLBACK, and succeeds. */
    bool commits = wanted && PQtransactionStatus(handle_of(session)) == PQTRANS_INTRANS;
    enum result result = db_postgres_send(session, commits ? "COMMIT" : "ROLLBACK", EXPECT_NOTHING);
    if (result == RESULT_OK)
        result = db_postgres_send_sync(session);
    if (result == RESULT_OK && session->mode == DB_READ)
        return PQflush(handle_of(session)) < 0 ? RESULT_FAILED : RESULT_OK; /* nobody need wait for it */
    if (result == RESULT_OK)
        result = db_postgres_collect(session, "end", NULL);
    return commit && !commits ? RESULT_FAILED : result;
}

static char *with(const char *sql, const char *portable, const char *own)
{
    size_t size = strlen(sql) + 1;
    for (const char *at = sql; (at = strstr(at, portable)); at += strlen(portable))
        size += strlen(own); /* and less what it takes the place of */
    char *text = calloc(1, size), *to = text;
    if (!text)
        abort();
    for (const char *found; (found = strstr(sql, portable)); sql = found + strlen(portable)) {
        to = mempcpy(to, sql, (size_t)(found - sql));
        to = mempcpy(to, own, strlen(own));
    }
    memcpy(to, sql, strlen(sql) + 1);
    return text;
}

/* What is for all engines, as this one is to read it: words are compared byte by byte, whatever the database's own order, and
 * what other engines take for a remark is meant for it. */
static char *in_own_words(const char *sql)
{
    char *plain = with(sql, "-- postgresql: ", ""), *text = with(plain, " TEXT", " TEXT COLLATE \"C\"");
    free(plain);
    return text;
}

/* A migration may rewrite a large table: it takes the time it takes. */
static enum result script(struct db *db, const char *sql)
{
    struct session *session = (struct session *)db;
    if (!db_postgres_is_there(session))
        return RESULT_FAILED;
    char *text = in_own_words(sql);
    bool patient = db->patient;
    db->patient = true;
    enum result result = db_postgres_tell(session, "SET statement_timeout = 0", NULL, 0);
    if (result == RESULT_OK)
        result = db_postgres_tell(session, text, NULL, 0);
    if (result == RESULT_OK && !patient)
        result = db_postgres_tell(session, "SET statement_timeout = '30s'", NULL, 0);
    db->patient = patient;
    free(text);
    return result;
}

/* ---- housekeeping ---- */

static int64_t changes(const struct db *db)
{
    return ((const struct session *)db)->changes;
}

/* The server keeps its own house. */
static enum result tidy(struct db *db, bool idle)
{
    (void)db, (void)idle;
    return RESULT_OK;
}

/* The server looks at each page as it reads it; what it has seen wrong, it counts. */
static enum result check(struct db *db, bool thorough)
{
    struct session *session = (struct session *)db;
    char failures[24];
    if (!db_postgres_is_there(session))
        return RESULT_FAILED;
    if (!thorough)
        return db_postgres_tell(session, "SELECT 1", failures, sizeof failures);
    enum result result = db_postgres_tell(
        session, "SELECT coalesce(sum(checksum_failures), 0) FROM pg_stat_database WHERE datname = current_database()",
        failures, sizeof failures);
    if (result != RESULT_OK || strcmp(failures, "0") == 0)
        return result;
    snprintf(session->words, sizeof session->words, "%s pages failed their checksum", failures);
    return RESULT_INVALID;
}

static const char *error(const struct db *db)
{
    return ((const struct session *)db)->words;
}

#define DRIVER(opens)                                                                                                 \
    {                                                                                                                 \
        .open = (opens), .scheme = "postgres", .patience_ms = 2000, .explain = db_postgres_explain,                   \
        .close = close_session, .begin = begin, .end = end, .script = script, .query = db_postgres_query,             \
        .next = db_postgres_next, .integer = db_postgres_integer, .bytes = db_postgres_bytes,                         \
        .finish = db_postgres_finish, .changes = changes, .append = db_postgres_append, .tidy = tidy,                 \
        .copy_to = db_postgres_dump, .check = check, .error = error, .shared = true, .notify = db_postgres_notify,    \
        .listen = db_postgres_listen, .wait = db_postgres_wait, .claim = db_postgres_claim, .hold = db_postgres_hold, \
        .release = db_postgres_release, .clock = db_postgres_clock,                                                   \
    }

const struct db_driver db_postgres = DRIVER(open_session);
const struct db_driver db_postgres_unsafe = DRIVER(open_unsafe);
