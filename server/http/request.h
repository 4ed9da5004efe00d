/* A request as handlers see it. Every accessor is bounded, decodes strictly (RFC 3986, UTF-8, no NUL) and answers NULL for
 * what is absent or malformed; text lives as long as the request. */
#ifndef MEISHI_REQUEST_H
#define MEISHI_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "cards/base/arena.h"
#include "server/http/address.h"
#include "server/http/http.h"
#include "server/http/reply.h"

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_PATCH, HTTP_DELETE, HTTP_OTHER };
/* Bytes of the target (more is 414) and of all cookies (431), as far as they fit with the rest of the header: see gate.c. */
enum {
    PARAMS_MAX = 4,
    TARGET_MAX = 3072,
    COOKIES_MAX = 1536,
    FORM_FIELDS_MAX = 128 /* a card with every row filled has 100 */
};

struct request {
    struct arena arena;
    enum http_method method;
    const char *path;  /* origin-form, still percent-encoded: starts with /, no dot segments, no encoded slash or NUL */
    const char *query; /* still encoded, "" if none */
    const struct http_route *route;
    const char *params[PARAMS_MAX]; /* what the pattern's {…} matched, decoded; set by match */
    struct net_address client;      /* after trusted proxies */
    uint64_t header_lengths;        /* http's own: bit N, a header has a name of N bytes (63: or more) */
    const char *body;               /* NUL-terminated, may hold NULs; "" if none */
    size_t body_len;
    struct reply reply;
    void *session;             /* the dispatcher's: who is calling */
    struct exchange *exchange; /* http's own */
};

/* The value of a header, any case; the first of several. Borrowed; valid for the life of the request. */
static inline const char *request_header(const struct request *request, const char *name);
/* A query parameter, decoded (+ is a space); "" when it has no value. */
const char *request_query(struct request *request, const char *name);
const char *request_cookie(struct request *request, const char *name);
/* A field of an application/x-www-form-urlencoded body, decoded. */
const char *request_form(struct request *request, const char *name);
/* The I-th field of that name, NULL past the last: "phones" lists. */
const char *request_form_nth(struct request *request, const char *name, int nth);
/* Whether a state-changing request comes from our own pages: Sec-Fetch-Site is same-origin; or, when absent, Origin is
 * BASE_URL's; or, when both are, Referer is. STRICT wants one of the first two; otherwise the lack of all three will do. */
bool request_is_same_origin(const struct request *request, const char *base_url, bool strict);

/* The handler returns; somebody calls request_finish from any thread, once, when the reply is complete. Until then the one who
 * will finish may use the arena and the reply, but the headers no more: the client may have gone, and they with it. */
void request_wait(struct request *request);
void request_finish(struct request *request);
/* The same for many: a loop is woken once, not once a request. */
void request_finish_all(struct request *const *requests, size_t count);
/* From an inline handler: dispatch the request once more, on a worker, where request_is_on_worker answers true. */
void request_defer(struct request *request);
bool request_is_on_worker(const struct request *request);
/* The app pointer of http_handlers. */
void *request_app(const struct request *request);

static inline uint64_t header_length_bit(size_t name_len)
{
    return (uint64_t)1 << (name_len < 63 ? name_len : 63);
}
const char *request_find_header(const struct request *request, const char *name, size_t name_len);
/* Most headers that are asked for are not there, and mostly their length tells. */
static inline const char *request_header(const struct request *request, const char *name)
{
    size_t len = strlen(name);
    return request->header_lengths & header_length_bit(len) ? request_find_header(request, name, len) : NULL;
}

#endif
