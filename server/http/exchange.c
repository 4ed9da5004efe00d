/* The life of one request, between the library's calls: its target is noted, its header passes the gate, a route is found, its
 * body collected, a handler run here or on a worker, its reply queued. Exchanges are used again, so none of this allocates.
 *
 * Two rules of the library's cost dear when broken. A reply queued in the first call of a request makes it close the
 * connection, so only refusals of requests whose end is in doubt, or whose body will not be read, go out there. And only the
 * loop's own thread resumes a connection, so a request may be finished before it has even been suspended.
 *
 * A suspension costs three system calls, which is a fifth of a card page. So a request that waits for the writer's next commit
 * is held instead: the handler answers "not yet" and the library asks again in each turn. That is cheap while few wait, so no
 * more than HELD_MAX are held and the rest suspended, as is what waits for a worker. While any is held the library would have
 * us spin; wait_ms in listener.c lets it ask every millisecond at most. A held connection can break under its request, a
 * suspended one cannot: the exchange then stays, without a connection, until whoever has it finishes it. */
#include "server/http/exchange.h"
#include "server/http/deadlines.h"
#include "server/http/workers.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "server/log.h"

enum {
    SPARE_MAX = 1024, /* exchanges kept for the next requests, a loop */
    HELD_MAX = 1024
};

static struct exchange *take_exchange(struct loop *loop)
{
    struct exchange *exchange = loop->spare;
    if (exchange) {
        loop->spare = exchange->next;
        loop->spare_count--;
        exchange->next = NULL;
        return exchange;
    }
    exchange = calloc(1, sizeof *exchange);
    if (!exchange)
        abort();
    exchange->loop = loop;
    arena_init(&exchange->request.arena);
    exchange->request.exchange = exchange;
    return exchange;
}

/* A body takes memory before anybody has looked at who sends it, so all of them together are bounded. */
static size_t *bodies_of(const struct exchange *exchange)
{
    struct loop *loop = exchange->loop;
    return exchange->body_expected > BODY_SMALL_MAX ? &loop->large_bodies : &loop->small_bodies;
}

static bool has_room_for_body(const struct exchange *exchange)
{
    size_t max = exchange->body_expected > BODY_SMALL_MAX ? LARGE_BODIES_MAX : SMALL_BODIES_MAX;
    return *bodies_of(exchange) + exchange->body_expected <= max;
}

/* Back to what calloc made of it, except the arena's first block. */
void exchange_put(struct exchange *exchange)
{
    struct loop *loop = exchange->loop;
    reply_release(exchange);
    if (exchange->body)
        *bodies_of(exchange) -= exchange->body_expected;
    if (loop->spare_count >= SPARE_MAX) {
        arena_free(&exchange->request.arena);
        free(exchange);
        return;
    }
    arena_reset(&exchange->request.arena);
    struct arena arena = exchange->request.arena;
    memset(exchange, 0, offsetof(struct exchange, headers));
    exchange->request.arena = arena;
    exchange->request.exchange = exchange;
    exchange->loop = loop;
    exchange->next = loop->spare;
    loop->spare = exchange;
    loop->spare_count++;
}

void exchange_let_go(struct exchange *exchange)
{
    exchange->connection->exchange = NULL;
    exchange->connection = NULL;
    if (exchange->stage != STAGE_WAITING)
        exchange_put(exchange);
}

static void refuse(struct exchange *exchange, int status, const char *words, const char *allow)
{
    struct request *request = &exchange->request;
    const struct http_handlers *handlers = &exchange->loop->http->handlers;
    reply_release(exchange);
    figure_add(&exchange->loop->refused, 1);
    handlers->refuse(handlers->app, request, status, words);
    if (!request->reply.status)
        reply_text(request, status, words);
    if (allow)
        reply_header(request, "Allow", allow);
}

/* A refusal sent before the request has been read whole: the library closes the connection behind it. */
static enum MHD_Result refuse_now(struct exchange *exchange, int status, const char *words, const char *allow)
{
    refuse(exchange, status, words, allow);
    reply_header(&exchange->request, "Connection", "close");
    exchange->connection->linger = true;
    return reply_send(exchange);
}

static enum MHD_Result send_reply(struct exchange *exchange)
{
    if (!exchange->request.reply.status) {
        log_error("handler-without-reply", "method=%d", exchange->request.method);
        refuse(exchange, 500, "Something went wrong here. Please try again.", NULL);
    }
    return reply_send(exchange);
}

static bool type_is_accepted(const char *types, const char *type)
{
    size_t len = type ? strcspn(type, "; \t") : 0;
    for (const char *at = types; len && *at; at += strspn(at, " ")) {
        size_t one = strcspn(at, " ");
        if (one == len && strncasecmp(at, type, len) == 0)
            return true;
        at += one;
    }
    return false;
}

/* The first call: the header is complete, the body still to come. */
static enum MHD_Result begin(struct exchange *exchange, const char *method, const char *version)
{
    struct request *request = &exchange->request;
    struct loop *loop = exchange->loop;
    const struct http_handlers *handlers = &loop->http->handlers;
    const char *words, *allow = NULL;
    figure_add(&loop->requests, 1);
    int target_status = request->reply.status;
    request->reply.status = 0;
    int status = gate_check(exchange, method, version, &words);
    if (target_status && (!status || status == 431)) {
        status = target_status;
        words = status == 414 ? "The address is too long." : "The address is not right.";
    }
    if (status)
        return refuse_now(exchange, status, words, NULL);
    request_find_client(exchange);
    exchange->stage = STAGE_BODY;
    request->route = handlers->match(handlers->app, request, &status, &allow);
    if (!request->route) {
        words = status == 405 ? "That cannot be done here." : "There is nothing here.";
        if (exchange->body_expected || request->method == HTTP_OTHER)
            return refuse_now(exchange, status, words, allow);
        refuse(exchange, status, words, allow);
        exchange->stage = STAGE_REFUSED;
        return MHD_YES;
    }
    if (exchange->body_expected > request->route->body_max)
        return refuse_now(exchange, 413, "That is too large.", NULL);
    if (exchange->body_expected && request->route->body_types &&
        !type_is_accepted(request->route->body_types, request_header(request, "Content-Type")))
        return refuse_now(exchange, 415, "That kind of content is not understood here.", NULL);
    if (exchange->body_expected && !has_room_for_body(exchange))
        return refuse_now(exchange, 503, "It is very busy here. Please try again in a moment.", NULL);
    if (exchange->body_expected) {
        exchange->body = arena_alloc_raw(&request->arena, exchange->body_expected + 1);
        *bodies_of(exchange) += exchange->body_expected;
    }
    deadline_set(exchange->connection, loop->http->options.body_ms, loop);
    return MHD_YES;
}

static enum MHD_Result take_body(struct exchange *exchange, const char *bytes, size_t *len)
{
    struct request *request = &exchange->request;
    if (*len > exchange->body_expected - request->body_len)
        return MHD_NO; /* the library has counted wrong */
    memcpy(exchange->body + request->body_len, bytes, *len);
    request->body_len += *len;
    *len = 0;
    return MHD_YES;
}

void exchange_work(struct exchange *exchange)
{
    struct request *request = &exchange->request;
    const struct http_handlers *handlers = &exchange->loop->http->handlers;
    handlers->dispatch(handlers->app, request);
    request_finish(request);
}

/* The exchange now belongs to others until it comes back by loop_push. The library is told first to leave it alone. */
static enum MHD_Result suspend(struct exchange *exchange)
{
    exchange->stage = STAGE_WAITING;
    deadline_set(exchange->connection, 0, exchange->loop);
    MHD_suspend_connection(exchange->mhd);
    return MHD_YES;
}

static enum MHD_Result hold(struct exchange *exchange)
{
    exchange->stage = STAGE_WAITING;
    exchange->held = true;
    exchange->loop->held_count++;
    deadline_set(exchange->connection, 0, exchange->loop);
    return MHD_YES;
}

static enum MHD_Result hand_to_worker(struct exchange *exchange)
{
    /* Suspended first: once it is in the queue it may be finished at any moment, though not resumed before we return. */
    suspend(exchange);
    exchange->on_worker = true;
    if (workers_take(exchange->loop->http->workers, exchange))
        return MHD_YES;
    refuse(exchange, 503, "It is very busy here. Please try again in a moment.", NULL);
    if (loop_push(exchange->loop, exchange))
        loop_wake(exchange->loop);
    return MHD_YES;
}

/* The second call: the request is complete. */
static enum MHD_Result dispatch(struct exchange *exchange)
{
    struct request *request = &exchange->request;
    const struct http_handlers *handlers = &exchange->loop->http->handlers;
    if (request->body_len < exchange->body_expected)
        return MHD_NO;
    request->body = exchange->body ? exchange->body : "";
    if (exchange->body) {
        exchange->body[request->body_len] = '\0';
        const char *type = request_header(request, "Content-Type");
        if (type_is_accepted("application/x-www-form-urlencoded", type) && request_has_too_many_fields(request)) {
            refuse(exchange, 413, "There are too many fields.", NULL);
            return reply_send(exchange);
        }
    }
    atomic_store_explicit(&exchange->holders, 1, memory_order_relaxed);
    if (request->route->worker)
        return hand_to_worker(exchange);
    handlers->dispatch(handlers->app, request);
    if (exchange->deferred)
        return hand_to_worker(exchange);
    if (atomic_load_explicit(&exchange->holders, memory_order_acquire) == 1 || /* mostly nobody else ever was */
        atomic_fetch_sub(&exchange->holders, 1) == 1)
        return send_reply(exchange);
    return exchange->loop->held_count < HELD_MAX ? hold(exchange) : suspend(exchange);
}

enum MHD_Result exchange_answer(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
                                const char *version, const char *upload, size_t *upload_len, void **context)
{
    struct exchange *exchange = *context;
    (void)cls;
    (void)mhd;
    (void)url;
    switch (exchange->stage) {
    case STAGE_LINE:
        return begin(exchange, method, version);
    case STAGE_BODY:
        return *upload_len ? take_body(exchange, upload, upload_len) : dispatch(exchange);
    case STAGE_REFUSED:
        return reply_send(exchange);
    case STAGE_FINISHED:
        return send_reply(exchange);
    case STAGE_WAITING:
    case STAGE_SENDING:
        return MHD_YES;
    }
    return MHD_NO;
}

/* ---- what the library calls ---- */

static struct connection *connection_of(struct MHD_Connection *mhd)
{
    return MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/* The request line has been read; what this returns is the request's context from now on. */
void *exchange_note_target(void *cls, const char *target, struct MHD_Connection *mhd)
{
    struct loop *loop = cls;
    const struct http_handlers *handlers = &loop->http->handlers;
    struct connection *connection = connection_of(mhd);
    struct exchange *exchange = take_exchange(loop);
    exchange->mhd = mhd;
    exchange->connection = connection;
    exchange->stage = STAGE_LINE;
    exchange->target_at = (uintptr_t)target;
    exchange->target_len = strlen(target);
    exchange->request.body = "";
    /* Too early to exchange_answer: begin does. */
    exchange->request.reply.status = request_parse_target(&exchange->request, target);
    connection->exchange = exchange;
    if (handlers->foresee && !exchange->request.reply.status)
        handlers->foresee(handlers->app, exchange->request.path);
    deadline_set(connection, loop->http->options.header_ms, loop);
    return exchange;
}

/* Leaves text alone: we decode, strictly and by segment. */
size_t exchange_keep_escapes(void *cls, struct MHD_Connection *mhd, char *text)
{
    (void)cls;
    (void)mhd;
    return strlen(text);
}

void exchange_note_completed(void *cls, struct MHD_Connection *mhd, void **context, enum MHD_RequestTerminationCode how)
{
    struct loop *loop = cls;
    struct exchange *exchange = *context;
    (void)mhd;
    (void)how;
    *context = NULL;
    if (!exchange)
        return;
    deadline_set(exchange->connection, loop->http->options.idle_ms, loop);
    exchange_let_go(exchange);
}
