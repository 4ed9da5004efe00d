/* The HTTP front: libmicrohttpd in, struct request out. Nothing else in the program knows the library.
 *
 * One event loop a two cores drives the library (DESIGN part 5). A request is let through the hygiene gate, matched to a
 * route, its body collected up to the route's limit, and dispatched: inline in the loop, or on a bounded FIFO pool of
 * workers while its connection is suspended. A handler may also leave its request waiting (request_wait) until another
 * thread finishes it (request_finish). The answer is always queued by the loop's own thread. */
#ifndef MEISHI_HTTP_H
#define MEISHI_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cards/base/result.h"
#include "server/http/address.h"

struct http;
struct request;

/* What http needs to know of a route before the body is read. A route table entry starts with it. */
struct http_route {
    size_t body_max;        /* bytes; more is 413 */
    bool worker;            /* waits for the database, a hash, an image: not in the loop */
    const char *body_types; /* acceptable Content-Types, space-separated ("application/x-www-form-urlencoded"); NULL: no
                               body is looked at. Others are 415 */
};

struct http_handlers {
    void *app;
    /* Finds the route of request->method and request->path and fills request->params. NULL with *status 404, or 405 with
     * *allow set to the value of the Allow header. HEAD matches GET. */
    const struct http_route *(*match)(void *app, struct request *request, int *status, const char **allow);
    /* Answers a request, by any reply_ function, or calls request_wait. */
    void (*dispatch)(void *app, struct request *request);
    /* Makes the page or problem for what http itself refuses (400 404 405 408 411 413 414 415 417 431 503 505): a reply
     * with the status. */
    void (*refuse)(void *app, struct request *request, int status, const char *words);
    /* Optional. The request line has been read, so PATH is known: what its answer will look up can be fetched from memory
     * while the header is read. Changes nothing and waits for nothing. */
    void (*foresee)(void *app, const char *path);
    /* Optional. At the end of each turn of a loop. */
    void (*turn_end)(void *app);
};

struct http_options {
    const char *listen; /* "127.0.0.1:8080", "[::1]:0", "unix:/run/x.sock"; ignored when systemd passes sockets */
    const struct address_list *trusted_proxies; /* whose X-Forwarded-For counts */
    bool is_https;        /* the public address is: browsers are told to keep to it (HSTS, RFC 6797) */
    bool unix_is_trusted; /* a proxy on the unix socket may say X-Forwarded-For */
    int loops, workers;   /* 0: one loop for two cores and one more a further core; 4 workers */
    int connections_max;  /* 0: as RLIMIT_NOFILE allows, at most 16000 */
    int worker_queue_max; /* 0: 1024; full is 503 with Retry-After */
    int header_ms, body_ms, reply_ms, idle_ms; /* absolute deadlines; 0: 10 s, 20 s, 30 s, 60 s */
    struct http_handlers handlers;
};

/* Binds, so that the address is known; whoever connects already waits until http_run. CONFLICT: the address is taken;
 * INVALID: it is none; FAILED: see *WHY. */
enum result http_open(const struct http_options *options, struct http **out, const char **why) MUST_CHECK;
/* Starts to answer. */
enum result http_run(struct http *http) MUST_CHECK;
/* The port that was bound, 0 for a unix socket. */
int http_port(const struct http *http);
/* "http://127.0.0.1:8080" or "unix:/run/x.sock"; owned by http. */
const char *http_address(const struct http *http);
/* Stops accepting, finishes what is under way within DRAIN_MS, then closes every connection and frees all, running or only
 * open. Requests that others still hold (request_wait) are waited for beyond that. */
void http_stop(struct http *http, int drain_ms);

struct http_figures {
    int64_t connections /* now */, requests, refused, deadlines_missed, worker_queue /* now */, by_status[6];
};
void http_figures(const struct http *http, struct http_figures *out);

#endif
