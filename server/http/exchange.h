/* What the files of server/http share: an exchange is a request with the library's side of it, a loop is one thread that
 * drives one daemon of libmicrohttpd. Nothing outside this folder includes this file.
 *
 * A loop's fields belong to its thread, the atomic ones aside. Another thread holds an exchange only between its being
 * handed over (a worker's queue, request_wait) and request_finish. */
#ifndef MEISHI_HTTP_EXCHANGE_H
#define MEISHI_HTTP_EXCHANGE_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include "server/http/http.h"
#include "server/http/request.h"

enum {
    HEADERS_MAX = 64,         /* header lines of a request; more is 431 */
    CONNECTION_MEMORY = 6656, /* of the library for a connection, also an idle one: 10,000 of them stay below 100 MB */
    REPLY_HEADER_MAX = 1280,  /* what the request must leave of it for the reply's header */
    BODY_SMALL_MAX = 64 * 1024,           /* what any form may have; a larger body is a picture */
    SMALL_BODIES_MAX = 256 * 1024 * 1024, /* bytes that bodies under way may have together, a loop: */
    LARGE_BODIES_MAX = 64 * 1024 * 1024,  /* nobody knows yet who sends them */
    LOOPS_MAX = 64,
    BARE_REPLIES = 256 /* lengths of pages that HEAD asks for within a second, a loop */
};

enum stage {
    STAGE_LINE,     /* request line read, headers to come */
    STAGE_BODY,     /* let in; body, if any, to come */
    STAGE_REFUSED,  /* a refusal is ready and goes out when the request has been read */
    STAGE_WAITING,  /* suspended or held: somebody else has it */
    STAGE_FINISHED, /* the reply is filled in */
    STAGE_SENDING
};

struct header {
    const char *name, *value; /* in the library's buffer, which stays until the reply is out */
    uint32_t name_len, value_len;
};

/* What a connection waits for decides when it is cut off; see deadlines.c. */
struct connection {
    _Alignas(64) struct connection *previous; /* one line of the processor's cache, and one of thousands */
    struct connection *next;                  /* in the loop's list */
    struct exchange *exchange;                /* the request under way, or NULL */
    int fd;
    bool peer_is_unix;
    bool cut;            /* shut down already; the library has yet to notice */
    bool linger;         /* refused before its body was read: see deadlines.c */
    int64_t deadline_ms; /* monotonic; 0: none while a handler works */
    struct net_address peer;
};

struct exchange {
    struct request request; /* first: a request's address is its exchange's */
    struct MHD_Connection *mhd;
    struct connection *connection;
    struct loop *loop;
    struct exchange *next; /* in the one list it is in: spare, finished, or a worker's queue */
    enum stage stage;
    bool deferred, on_worker;
    bool held;           /* waits without being suspended: see exchange.c */
    bool tight;          /* the request's header leaves no room for more than a short one of ours */
    atomic_int holders;  /* who must still let go before the reply is complete: the dispatcher, and a waiter */
    uintptr_t target_at; /* where the library keeps the raw target; only compared, never read */
    size_t target_len;
    char *body; /* being collected */
    size_t body_expected;
    struct mould_copy *copy; /* given back when sent */
    int header_count;
    struct header headers[HEADERS_MAX];
};

/* A response to HEAD; see reply.c. */
struct bare_reply {
    struct MHD_Response *response; /* NULL: none yet */
    const struct ready_options *options;
    size_t len;
    time_t date_s; /* what its Date says */
};

struct loop {
    struct http *http;
    int index;
    struct MHD_Daemon *daemon;
    int epoll_fd, wake_fd;
    pthread_t thread;
    bool started;
    _Atomic(struct exchange *) finished; /* a stack: any thread pushes, the loop takes all */
    struct exchange *spare;
    int spare_count;
    int held_count;
    size_t small_bodies, large_bodies; /* bytes promised by requests that are not over */
    struct connection *connections;
    int connection_count; /* the loop's own count; figures have the public one */
    struct leaver *lingering;
    int linger_count;
    int64_t turn_ms; /* monotonic time of this turn */
    time_t date_s;   /* of the text of a Date header that was last needed */
    char date[sizeof "Sun, 06 Nov 1994 08:49:37 GMT"];
    struct bare_reply bare[BARE_REPLIES];
    int64_t sweep_ms;
    bool draining;
    _Atomic int64_t connections_now, requests, refused, deadlines_missed, by_status[6];
};

struct worker_pool;

struct http {
    struct http_options options; /* defaults filled in */
    struct http_handlers handlers;
    struct address_list trusted_proxies;
    struct worker_pool *workers;
    int loop_count;
    struct loop *loops;
    int port;
    char *address;
    char *unix_path; /* ours to remove at the end, or NULL */
    int sweep_every_ms;
    int watchdog_ms; /* 0: none */
    int64_t watchdog_due_ms;
    atomic_bool stopping; /* no new connections; close the idle ones */
    atomic_int finishing; /* threads inside request_finish */
    atomic_bool cut_all;  /* the time to drain is over */
};

/* Counts from one thread only, read by others. */
static inline void figure_add(_Atomic int64_t *figure, int64_t more)
{
    atomic_store_explicit(figure, atomic_load_explicit(figure, memory_order_relaxed) + more, memory_order_relaxed);
}

static inline struct exchange *exchange_of(struct request *request)
{
    return (struct exchange *)(void *)request;
}

/* listener.c: hands a complete exchange to its loop, from any thread. True: the loop must be woken (loop_wake). */
bool loop_push(struct loop *loop, struct exchange *exchange) MUST_CHECK;
void loop_wake(struct loop *loop);

/* exchange.c: what the library calls in the course of a request, its CLS the loop ... */
enum MHD_Result exchange_answer(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
                                const char *version, const char *upload, size_t *upload_len, void **context);
void *exchange_note_target(void *cls, const char *target, struct MHD_Connection *mhd);
void exchange_note_completed(void *cls, struct MHD_Connection *mhd, void **context,
                             enum MHD_RequestTerminationCode how);
size_t exchange_keep_escapes(void *cls, struct MHD_Connection *mhd, char *text);
/* ... and a worker; and the way back to the spare ones. */
void exchange_work(struct exchange *exchange);
void exchange_put(struct exchange *exchange);
/* Its connection is gone, perhaps while others hold it. */
void exchange_let_go(struct exchange *exchange);

/* gate.c: looks at a request's line and headers. 0: let in, with method, headers and body_expected filled in; else the
 * status to refuse with, and *WORDS. After any breach the two ends may disagree about where the request ends: close. */
int gate_check(struct exchange *exchange, const char *method, const char *version, const char **words);

/* reply.c: queues the reply on the connection; from the loop's thread. */
enum MHD_Result reply_send(struct exchange *exchange);
/* Gives back what the reply held. */
void reply_release(struct exchange *exchange);
/* Frees what the loop kept for replies; its daemon has stopped. */
void reply_close_loop(struct loop *loop);

/* request.c: who is asking, when the peer is a proxy that we trust. */
void request_find_client(struct exchange *exchange);
/* 0, or the status of a target that cannot be accepted (400, 414), cutting it into path and query. */
int request_parse_target(struct request *request, const char *target);
bool request_has_too_many_fields(const struct request *request);
/* A cookie's value in the text of one Cookie header (RFC 6265 4.2). */
const char *request_cookie_in(struct arena *arena, const char *cookies, const char *name);

/* starved.c: called after the library had its turn. True: somebody waits to be accepted; look again soon. */
bool starved_revive(struct loop *loop);

#endif
