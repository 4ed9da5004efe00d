/* What goes to the PostgreSQL server and what comes back, and for how long one waits for it.
 *
 * libpq's own calls wait for ever, or for what the kernel thinks of the line; a server that hangs, or a link that swallows what is
 * sent, would hold a page for minutes. So everything is sent without waiting, and an answer has a deadline. What comes after it
 * nobody wants: the connection is closed, since an answer on it could be taken for that to the next question, and whether a
 * commit that was asked for so has happened nobody knows.
 *
 * Each journey to the server and back costs as much as most statements do. So statements are put into a pipeline, one behind the
 * other, and one journey brings them all: a transaction's BEGIN and its lock go with its first statement, and the end of one that
 * only read is not waited for at all. What is expected back is kept in a list, in the order of the sending. */
#include "server/store/db_postgres.h"

#include <assert.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include "server/ids.h"

enum {
    HIT_MS = 2000,   /* a page waits for it */
    READ_MS = 5000,  /* a member's page does */
    WRITE_MS = 5000, /* a form does, and a fold commits much at once */
    LATE_LOOKS_MAX = 4
};

static PGconn *handle_of(const struct session *session)
{
    return (PGconn *)session->handle;
}

static int rest_ms(int64_t until_ms)
{
    int64_t rest = until_ms - monotonic_ms();
    return rest <= 0 ? 0 : rest > INT32_MAX ? INT32_MAX : (int)rest;
}

bool db_postgres_wait_for(int descriptor, bool write, int64_t until_ms)
{
    struct pollfd ready = {.fd = descriptor, .events = write ? POLLOUT : POLLIN};
    int count;
    do
        count = poll(&ready, 1, rest_ms(until_ms));
    while (count < 0 && rest_ms(until_ms) > 0);
    return count > 0;
}

static int64_t deadline_of(const struct session *session)
{
    if (session->db.patient)
        return INT64_MAX;
    int64_t limit_ms = session->mode == DB_READ ? READ_MS : session->part == DB_INBOX ? HIT_MS : WRITE_MS;
    return monotonic_ms() + limit_ms;
}

bool db_postgres_is_lost(struct session *session)
{
    PGconn *handle = handle_of(session);
    for (int i = 0; i < LATE_LOOKS_MAX && db_postgres_wait_for(PQsocket(handle), false, 0); i++)
        if (!PQconsumeInput(handle))
            return true;
    return PQstatus(handle) != CONNECTION_OK;
}

/* All of it, reading what comes meanwhile: a server whose own words nobody takes does not listen either. */
static bool send_out(PGconn *handle, int64_t until_ms)
{
    for (int left; (left = PQflush(handle)) != 0;) {
        struct pollfd ready = {.fd = PQsocket(handle), .events = POLLIN | POLLOUT};
        if (left < 0 || poll(&ready, 1, rest_ms(until_ms)) == 0)
            return false;
        if (ready.revents & POLLIN && !PQconsumeInput(handle))
            return false;
    }
    return true;
}

/* The next result, or NULL where there is none: IN_TIME says whether that is an answer. */
static PGresult *next_result(PGconn *handle, int64_t until_ms, bool *in_time)
{
    while (*in_time && PQisBusy(handle))
        *in_time = db_postgres_wait_for(PQsocket(handle), false, until_ms) && PQconsumeInput(handle);
    return *in_time ? PQgetResult(handle) : NULL;
}

static bool is_good(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

/* What came too late, or never. */
static enum result give_up(struct session *session, int64_t until_ms, const char *doing)
{
    bool late = rest_ms(until_ms) == 0 && PQstatus(handle_of(session)) == CONNECTION_OK;
    enum result result = late ? RESULT_FAILED : db_postgres_fail(session, NULL, doing);
    db_postgres_hang_up(session);
    if (late)
        db_postgres_note_away(session, "the server did not answer in time");
    return result;
}

/* ---- text of our own: statements without parameters, outside the pipeline ---- */

static enum result say(struct session *session, const char *sql, int64_t until_ms, bool *in_time)
{
    PGconn *handle = handle_of(session);
    if (session->begins &&
        (db_postgres_send_begin(session) != RESULT_OK || db_postgres_send_sync(session) != RESULT_OK))
        return RESULT_FAILED;
    enum result result = db_postgres_settle(session);
    *in_time = result == RESULT_OK && (PQpipelineStatus(handle) == PQ_PIPELINE_OFF || PQexitPipelineMode(handle)) &&
               PQsendQuery(handle, sql) && send_out(handle, until_ms);
    return result;
}

/* The last of the answers to what was said, after LAST, into OUT, for PQclear. */
static enum result hear(struct session *session, PGresult *last, int64_t until_ms, bool in_time, PGresult **out)
{
    PGconn *handle = handle_of(session);
    *out = NULL;
    for (PGresult *next; (next = next_result(handle, until_ms, &in_time)); last = next)
        PQclear(last);
    if (!in_time || PQstatus(handle) != CONNECTION_OK) {
        PQclear(last);
        return give_up(session, until_ms, "run");
    }
    *out = last;
    return is_good(last) ? RESULT_OK : db_postgres_fail(session, (const struct pg_result *)last, "run");
}

enum result db_postgres_tell(struct session *session, const char *sql, char *out, size_t size)
{
    int64_t until_ms = deadline_of(session);
    PGresult *last;
    bool in_time;
    if (out)
        *out = '\0';
    enum result result = say(session, sql, until_ms, &in_time);
    if (result != RESULT_OK)
        return result;
    result = hear(session, NULL, until_ms, in_time, &last);
    if (out && result == RESULT_OK && PQntuples(last) == 1)
        snprintf(out, size, "%s", PQgetvalue(last, 0, 0));
    PQclear(last);
    return result;
}

enum result db_postgres_pour(struct session *session, const char *copy, const void *bytes, size_t len)
{
    int64_t until_ms = deadline_of(session);
    PGconn *handle = handle_of(session);
    PGresult *last;
    bool in_time;
    enum result result = say(session, copy, until_ms, &in_time);
    if (result != RESULT_OK)
        return result;
    last = next_result(handle, until_ms, &in_time);
    if (PQresultStatus(last) == PGRES_COPY_IN)
        in_time = PQputCopyData(handle, bytes, (int)len) == 1 && PQputCopyEnd(handle, NULL) == 1 &&
                  send_out(handle, until_ms);
    result = hear(session, last, until_ms, in_time, &last);
    PQclear(last);
    if (session->demoted)
        db_postgres_hang_up(session);
    return result;
}

/* ---- the pipeline ---- */

void db_postgres_expect(struct session *session, enum expected what, struct prepared *prepared)
{
    assert(session->awaited_count < AWAITED_MAX);
    session->awaited[session->awaited_count++] = (struct awaited){what, prepared};
}

/* What one of those that were sent came to; NOT_FOUND when it was passed over because one before it failed. */
static enum result take(struct session *session, const struct awaited *awaited, PGresult *got, const char *doing)
{
    if (awaited->what == EXPECT_PREPARED && !is_good(got))
        db_postgres_forget(awaited->prepared);
    if (awaited->what == EXPECT_SYNC || is_good(got))
        return RESULT_OK;
    if (PQresultStatus(got) == PGRES_PIPELINE_ABORTED)
        return RESULT_NOT_FOUND;
    enum result result = db_postgres_fail(session, (const struct pg_result *)got, doing);
    if (result != RESULT_BUSY || awaited->what != EXPECT_LOCK)
        return result;
    db_postgres_keep_words(session, "others have held the store for too long");
    return RESULT_FAILED;
}

enum result db_postgres_collect(struct session *session, const char *doing, struct pg_result **out)
{
    PGconn *handle = handle_of(session);
    int64_t until_ms = deadline_of(session);
    PGresult *wanted = NULL;
    enum result result = RESULT_OK;
    bool in_time = send_out(handle, until_ms);
    for (int i = 0; i < session->awaited_count && in_time; i++) {
        const struct awaited *awaited = &session->awaited[i];
        PGresult *got = next_result(handle, until_ms, &in_time);
        if (!got || (PQresultStatus(got) == PGRES_PIPELINE_SYNC) != (awaited->what == EXPECT_SYNC)) {
            PQclear(got);
            in_time = false;
            break;
        }
        enum result taken = PQstatus(handle) == CONNECTION_OK ? take(session, awaited, got, doing) : RESULT_FAILED;
        if (result == RESULT_OK && taken != RESULT_NOT_FOUND)
            result = taken;
        if (awaited->what == EXPECT_ANSWER && taken == RESULT_OK && !wanted)
            wanted = got;
        else
            PQclear(got);
        if (awaited->what != EXPECT_SYNC) /* each ends with nothing */
            PQclear(next_result(handle, until_ms, &in_time));
    }
    session->awaited_count = 0;
    if (!in_time || PQstatus(handle) != CONNECTION_OK)
        result = give_up(session, until_ms, doing);
    else if (session->demoted)
        db_postgres_hang_up(session);
    if (result != RESULT_OK || !out) {
        PQclear(wanted);
        wanted = NULL;
    }
    if (out)
        *out = (struct pg_result *)wanted;
    return result;
}

enum result db_postgres_settle(struct session *session)
{
    return session->awaited_count ? db_postgres_collect(session, "settle", NULL) : RESULT_OK;
}
