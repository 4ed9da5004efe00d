/* Waiting for the PostgreSQL server, and for no longer than one may.
 *
 * libpq's own calls wait for ever, or for what the kernel thinks of the line; a server that hangs, or a link that swallows what is
 * sent, would hold a page for minutes. So everything is sent without waiting, and an answer has a deadline. What comes after it
 * nobody wants: the caller closes the connection, since an answer on it could be taken for that to the next question. */
#include "server/store/db_postgres.h"

#include <libpq-fe.h>
#include <poll.h>
#include "server/ids.h"

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

struct pg_result *db_postgres_answer(struct session *session, int64_t until_ms)
{
    PGconn *handle = (PGconn *)session->handle;
    PGresult *last = NULL;
    bool there = send_out(handle, until_ms);
    while (there) {
        while (there && PQisBusy(handle))
            there = db_postgres_wait_for(PQsocket(handle), false, until_ms) && PQconsumeInput(handle);
        PGresult *next = there ? PQgetResult(handle) : NULL;
        if (!next)
            break;
        PQclear(last);
        last = next;
    }
    if (there && PQstatus(handle) == CONNECTION_OK)
        return (struct pg_result *)last;
    PQclear(last);
    return NULL;
}
