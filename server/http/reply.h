/* Answers. Handlers fill the request's reply by these functions; reply.c alone builds responses: security headers, lengths,
 * HEAD, 304, ETag. */
#ifndef MEISHI_REPLY_H
#define MEISHI_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cards/base/result.h"

struct request;

enum { REPLY_HEADERS_MAX = 16, MOULD_HOLES_MAX = 4 };

/* A complete 200 response kept ready: rendered once, shared by all requests and threads, counted by references. */
struct ready_reply;
/* A complete 200 page kept ready, in which only holes of fixed length differ from request to request (a token, a stamp). */
struct page_mould;

struct reply {
    int status; /* 0: no reply yet */
    const char *content_type;
    const void *body; /* the arena's, or static */
    size_t len;
    const char *csp;   /* NULL: the default policy */
    const char *cache; /* Cache-Control; NULL: no-store */
    struct ready_reply *ready;
    struct page_mould *mould;
    const char *mould_values[MOULD_HOLES_MAX];
    struct {
        const char *name, *value;
    } headers[REPLY_HEADERS_MAX]; /* beyond the usual ones */
    int header_count;
};

/* BODY lives in the request's arena or is static. */
void reply_bytes(struct request *request, int status, const char *content_type, const void *body, size_t len);
void reply_text(struct request *request, int status, const char *text); /* text/plain; charset=utf-8 */
void reply_html(struct request *request, int status, const char *html, size_t len);
void reply_json(struct request *request, int status, const char *json, size_t len);
/* 303 See Other to a path of ours or an absolute URL; LOCATION without CR or LF. */
void reply_see_other(struct request *request, const char *location);
void reply_header(struct request *request, const char *name, const char *value);
void reply_cookie(struct request *request, const char *name, const char *value, int64_t max_age_s,
                  bool secure); /* HttpOnly, Lax, Path=/ */
void reply_cache(struct request *request, const char *cache_control);
void reply_csp(struct request *request, const char *policy);

struct ready_options {
    const char *content_type, *cache;
    const char *etag;        /* with quotes; NULL: of the bytes' hash */
    const char *encoding;    /* Content-Encoding or NULL */
    const char *disposition; /* Content-Disposition or NULL */
    const char *csp;         /* NULL: that of images and downloads */
    bool varies;             /* Vary: Accept-Encoding, on every form of what also has a compressed one */
    bool cross_origin;       /* Cross-Origin-Resource-Policy: cross-origin (previews, QR codes) */
};
/* Copies BYTES unless IS_STATIC. One reference, the caller's. */
struct ready_reply *ready_new(const void *bytes, size_t len, bool is_static, const struct ready_options *options);
struct ready_reply *ready_hold(struct ready_reply *ready);
void ready_drop(struct ready_reply *ready);
size_t ready_size(const struct ready_reply *ready);
/* 200, or 304 when If-None-Match names its ETag. Takes a reference of its own. */
void reply_ready(struct request *request, struct ready_reply *ready);

/* As ready_new; BYTES are copied and get no ETag, OPTIONS are not: they and their texts stay as they are for ever. HOLES, up to
 * MOULD_HOLES_MAX and then NULL, are texts that stand in BYTES, each any number of times, where something of the same length goes. */
struct page_mould *mould_new(const void *bytes, size_t len, const char *const *holes,
                             const struct ready_options *options);
struct page_mould *mould_hold(struct page_mould *mould);
void mould_drop(struct page_mould *mould);
size_t mould_size(const struct page_mould *mould); /* bytes of memory, its copies in quiet times included */
/* Answers with the mould's bytes, the I-th of VALUES wherever the I-th hole is; they live as long as the request. Takes over
 * the caller's reference. The cheapest page there is: it is put together when it is sent, in a copy that was sent before and
 * has its headers. */
void reply_mould(struct request *request, struct page_mould *mould, const char *const *values);

extern const char CSP_DEFAULT[]; /* pages: nothing inline, nothing foreign */

#endif
