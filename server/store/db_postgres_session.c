/* The PostgreSQL driver: what lasts longer than a transaction. A connection may hear what others say (LISTEN and NOTIFY on one
 * channel of the database, each word with the schema it is meant for), and hold locks as long as it lasts (advisory locks of
 * the session). When it is lost both are gone; what was held is taken again with the next connection, and what can be held by
 * one alone and was taken by another meanwhile makes it broken: nobody goes on under a claim that is not theirs any more. What
 * was claimed is not taken again: who claimed hears of it before anything more is sent, and may claim something else. */
#include "server/store/db_postgres.h"

#include <assert.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include "server/ids.h"
#include "server/log.h"

static PGconn *handle_of(const struct session *session)
{
    return (PGconn *)session->handle;
}

/* Text of our own whose first value, if it gives any, is put into OUT unless that is NULL. */
static enum result ask(struct session *session, const char *sql, char *out, size_t size)
{
    PGresult *result = PQexec(handle_of(session), sql);
    ExecStatusType status = PQresultStatus(result);
    enum result answer = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK
                             ? RESULT_OK
                             : db_postgres_fail(session, (const struct pg_result *)result, "session");
    if (out)
        snprintf(out, size, "%s", answer == RESULT_OK && PQntuples(result) == 1 ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    return answer;
}

/* ---- hearing ---- */

enum result db_postgres_notify(struct db *db, const char *word)
{
    struct session *session = (struct session *)db;
    char sql[96];
    assert(session->in_transaction && strlen(word) < DB_WORD_SIZE && !strpbrk(word, " '\\"));
    snprintf(sql, sizeof sql, "SELECT pg_notify('meishi', current_schema() || ' %s')", word);
    return ask(session, sql, NULL, 0);
}

enum result db_postgres_listen(struct db *db)
{
    struct session *session = (struct session *)db;
    if (db->broken || !db_postgres_is_there(session))
        return RESULT_FAILED;
    enum result result = ask(session, "LISTEN meishi", NULL, 0);
    return result == RESULT_OK ? ask(session, "SELECT current_schema()", session->schema, sizeof session->schema)
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
    for (;;) {
        if (!PQconsumeInput(handle_of(session)) || PQstatus(handle_of(session)) != CONNECTION_OK)
            return db_postgres_fail(session, NULL, "wait");
        if (take_word(session, out))
            return RESULT_OK;
        int64_t left_ms = until_ms - monotonic_ms();
        struct pollfd fds[2] = {{.fd = PQsocket(handle_of(session)), .events = POLLIN}, {.fd = fd, .events = POLLIN}};
        if (left_ms <= 0 || poll(fds, 2, (int)left_ms) == 0 || fds[1].revents)
            return RESULT_NOT_FOUND;
    }
}

/* ---- holding ---- */

static enum result try_lock(struct session *session, const struct held *held)
{
    char sql[200], got[4];
    snprintf(sql, sizeof sql,
             "SELECT pg_try_advisory_lock%s(hashtextextended('meishi ' || current_schema() || ' %d %d', 0))",
             held->shared ? "_shared" : "", (int)held->what, (int)held->number);
    enum result result = ask(session, sql, got, sizeof got);
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
    enum result result = try_lock(session, &held);
    if (result == RESULT_OK)
        session->held[session->held_count++] = held;
    return result;
}

void db_postgres_release(struct db *db, enum db_lock what, int32_t number)
{
    struct session *session = (struct session *)db;
    char sql[200];
    for (int i = 0; i < session->held_count; i++) {
        const struct held *held = &session->held[i];
        if (held->what != what || held->number != number)
            continue;
        snprintf(sql, sizeof sql,
                 "SELECT pg_advisory_unlock%s(hashtextextended('meishi ' || current_schema() || ' %d %d', 0))",
                 held->shared ? "_shared" : "", (int)what, (int)number);
        enum result result = ask(session, sql, NULL, 0);
        (void)result; /* lost: then it is not held */
        session->held[i] = session->held[--session->held_count];
        return;
    }
}

enum result db_postgres_hold_again(struct session *session)
{
    for (int i = 0; i < session->held_count; i++) {
        enum result result = try_lock(session, &session->held[i]);
        if (result == RESULT_BUSY) {
            log_error("postgres-hold", "words=\"another process took lock %d %d while the connection was lost\"",
                      (int)session->held[i].what, (int)session->held[i].number);
            session->db.broken = true;
        }
        if (result != RESULT_OK)
            return RESULT_FAILED;
    }
    return RESULT_OK;
}
