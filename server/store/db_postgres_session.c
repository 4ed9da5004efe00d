/* The PostgreSQL driver: what lasts longer than a transaction. A connection may hear what others say (LISTEN and NOTIFY on one
 * channel of the database, each word with the schema it is meant for), and hold locks as long as it lasts (advisory locks of
 * the session). When it is lost both are gone; what was held is taken again with the next connection, and what can be held by
 * one alone and was taken by another meanwhile makes it broken: nobody goes on under a claim that is not theirs any more. What
 * was claimed is not taken again: who claimed hears of it before anything more is sent, and may claim something else.
 *
 * A link that was cut leaves the server a session that it thinks alive for some seconds, with all that we held. So a session
 * that holds something knows its own name, and the next one ends it first, which every role may do to its own. */
#include "server/store/db_postgres.h"

#include <assert.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "server/ids.h"
#include "server/log.h"

static PGconn *handle_of(const struct session *session)
{
    return (PGconn *)session->handle;
}

/* ---- hearing ---- */

enum result db_postgres_notify(struct db *db, const char *word)
{
    assert(((struct session *)db)->in_transaction && strlen(word) < DB_WORD_SIZE && !strpbrk(word, " '\\"));
    return db_run(db, "SELECT pg_notify('meishi', current_schema() || ' ' || $1)", DB_ARGS(db_text(word)));
}

enum result db_postgres_listen(struct db *db)
{
    struct session *session = (struct session *)db;
    session->schema[0] = '\0';
    if (db->broken || !db_postgres_is_there(session))
        return RESULT_FAILED;
    enum result result = db_postgres_tell(session, "LISTEN meishi", NULL, 0);
    return result == RESULT_OK
               ? db_postgres_tell(session, "SELECT current_schema()", session->schema, sizeof session->schema)
               : result;
}

/* The next word for this schema among those that have arrived. */
static bool take_word(struct session *session, char out[DB_WORD_SIZE])
{
    PGnotify *heard;
    bool found = false;
    while (!found && (heard = PQnotifies(handle_of(session)))) {
        const char *space = strrchr(heard->extra, ' ');
        size_t len = space ? (size_t)(space - heard->extra) : 0;
        found = len && len == strlen(session->schema) && !memcmp(heard->extra, session->schema, len) &&
                strlen(space + 1) < DB_WORD_SIZE;
        if (found)
            snprintf(out, DB_WORD_SIZE, "%s", space + 1);
        PQfreemem(heard);
    }
    return found;
}

enum result db_postgres_wait(struct db *db, int fd, int wait_ms, char out[DB_WORD_SIZE])
{
    struct session *session = (struct session *)db;
    int64_t until_ms = monotonic_ms() + wait_ms;
    /* libpq reads no further than to an answer that nobody took: words behind it would never be heard. */
    if (db_postgres_settle(session) != RESULT_OK)
        return RESULT_FAILED;
    for (;;) {
        if (!session->handle)
            return RESULT_FAILED;
        if (!PQconsumeInput(handle_of(session)) || PQstatus(handle_of(session)) != CONNECTION_OK) {
            enum result result = db_postgres_fail(session, NULL, "wait");
            db_postgres_hang_up(session);
            return result;
        }
        if (take_word(session, out))
            return RESULT_OK;
        int64_t left_ms = until_ms - monotonic_ms();
        struct pollfd fds[2] = {{.fd = PQsocket(handle_of(session)), .events = POLLIN}, {.fd = fd, .events = POLLIN}};
        if (left_ms <= 0 || poll(fds, 2, (int)left_ms) == 0 || fds[1].revents)
            return RESULT_NOT_FOUND;
    }
}

enum result db_postgres_clock(struct db *db, int64_t *out_ms)
{
    struct session *session = (struct session *)db;
    char told[24];
    if (db->broken || !db_postgres_is_there(session))
        return RESULT_FAILED;
    enum result result = db_postgres_tell(session, "SELECT trunc(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
                                          told, sizeof told);
    *out_ms = result == RESULT_OK ? strtoll(told, NULL, 10) : 0;
    return result;
}

/* ---- holding ---- */

enum { GHOST_TRIES = 40, GHOST_PAUSE_US = 25 * 1000 };

/* Which session this is: a process number of the server, and since when, as that may be another's later. */
static enum result learn_name(struct session *session)
{
    return db_postgres_tell(
        session,
        "SELECT 'pid = ' || pid || ' AND backend_start = ''' || backend_start || '''' FROM pg_stat_activity "
        "WHERE pid = pg_backend_pid()",
        session->name, sizeof session->name);
}

static enum result end_ghost(struct session *session)
{
    char sql[220];
    if (!*session->name)
        return RESULT_OK;
    snprintf(sql, sizeof sql, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE %s", session->name);
    return db_postgres_tell(session, sql, NULL, 0);
}

static enum result try_lock(struct session *session, const struct held *held)
{
    char sql[200], got[4];
    snprintf(sql, sizeof sql,
             "SELECT pg_try_advisory_lock%s(hashtextextended('meishi ' || current_schema() || ' %d %d', 0))",
             held->shared ? "_shared" : "", (int)held->what, (int)held->number);
    enum result result = db_postgres_tell(session, sql, got, sizeof got);
    return result == RESULT_OK && strcmp(got, "t") != 0 ? RESULT_BUSY : result;
}

enum result db_postgres_claim(struct db *db, enum db_lock what, int32_t number)
{
    struct session *session = (struct session *)db;
    const struct held claim = {what, number, false};
    assert(!session->in_transaction && !db->claimed);
    if (db->broken || !db_postgres_is_there(session))
        return RESULT_FAILED;
    enum result result = try_lock(session, &claim);
    db->claimed = result == RESULT_OK;
    return result;
}

enum result db_postgres_hold(struct db *db, enum db_lock what, int32_t number, bool shared)
{
    struct session *session = (struct session *)db;
    const struct held held = {what, number, shared};
    assert(!session->in_transaction && session->held_count < HELD_MAX);
    if (db->broken || !db_postgres_is_there(session))
        return RESULT_FAILED;
    enum result result = *session->name ? RESULT_OK : learn_name(session);
    if (result == RESULT_OK)
        result = try_lock(session, &held);
    if (result == RESULT_OK)
        session->held[session->held_count++] = held;
    return result;
}

void db_postgres_release(struct db *db, enum db_lock what, int32_t number)
{
    struct session *session = (struct session *)db;
    char sql[200];
    for (int i = session->held_count - 1; i >= 0; i--) { /* what was taken last goes first */
        const struct held *held = &session->held[i];
        if (held->what != what || held->number != number)
            continue;
        snprintf(sql, sizeof sql,
                 "SELECT pg_advisory_unlock%s(hashtextextended('meishi ' || current_schema() || ' %d %d', 0))",
                 held->shared ? "_shared" : "", (int)what, (int)number);
        enum result result = db_postgres_tell(session, sql, NULL, 0);
        (void)result; /* lost: then it is not held */
        session->held[i] = session->held[--session->held_count];
        return;
    }
}

/* What the lost session held is free a moment after its end. */
static enum result take_again(struct session *session, const struct held *held)
{
    enum result result = try_lock(session, held);
    for (int i = 0; i < GHOST_TRIES && result == RESULT_BUSY; i++) {
        usleep(GHOST_PAUSE_US);
        result = try_lock(session, held);
    }
    if (result == RESULT_BUSY) {
        log_error("postgres-hold", "words=\"another process took lock %d %d while the connection was lost\"",
                  (int)held->what, (int)held->number);
        session->db.broken = true;
    }
    return result;
}

enum result db_postgres_hold_again(struct session *session)
{
    if (!session->held_count)
        return RESULT_OK;
    enum result result = end_ghost(session);
    if (result == RESULT_OK)
        result = learn_name(session);
    for (int i = 0; i < session->held_count && result == RESULT_OK; i++)
        result = take_again(session, &session->held[i]);
    return result == RESULT_OK ? RESULT_OK : RESULT_FAILED;
}
