/* The one place that makes responses. Handlers only describe a reply; here it gets the security headers, its length, an
 * ETag, 304, Allow and Retry-After, and goes to the library.
 *
 * Building a response object costs as much as sending a small page, most of it for the headers, each of which the library
 * checks and copies. So what is sent often is built once: a ready reply is one object for all, and a mould keeps a few
 * objects, each with its own copy of the page, of which a reply borrows one while it is sent and writes only the holes. HEAD
 * gets one for its page's length. */
#include "server/http/deadlines.h"
#include "server/http/exchange.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "server/log.h"

const char CSP_DEFAULT[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; worker-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
    "object-src 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";
static const char CSP_FILE[] = "default-src 'none'; frame-ancestors 'none'; sandbox";

static const struct {
    const char *name, *value;
} ON_EVERY_REPLY[] = {
    {"X-Content-Type-Options", "nosniff"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Permissions-Policy", "camera=(), microphone=(), geolocation=(), browsing-topics=()"},
    {"Referrer-Policy", "same-origin"}, /* no-referrer would make our own forms' Origin "null" */
};

struct head {
    const char *content_type, *csp, *cache, *etag, *encoding, *disposition;
    bool varies, cross_origin;
};

static void add(struct MHD_Response *response, const char *name, const char *value)
{
    /* The library refuses line breaks and empty values: such a header is left out, never let through. */
    if (value && MHD_add_response_header(response, name, value) != MHD_YES)
        log_error("reply-header-refused", "name=\"%s\"", name);
}

/* BYTES stay ours. */
static struct MHD_Response *make(const struct http *http, const void *bytes, size_t len, const struct head *head)
{
    /* The library takes a pointer to what it may not write. */
    void *body = (void *)(uintptr_t)(bytes ? bytes : "");
    struct MHD_Response *response = MHD_create_response_from_buffer(len, body, MHD_RESPMEM_PERSISTENT);
    if (!response)
        abort(); /* out of memory */
    add(response, "Content-Type", head->content_type);
    add(response, "Content-Encoding", head->encoding);
    if (head->varies)
        add(response, "Vary", "Accept-Encoding");
    add(response, "Content-Disposition", head->disposition);
    add(response, "Cache-Control", head->cache ? head->cache : "no-store");
    add(response, "ETag", head->etag);
    add(response, "Content-Security-Policy", head->csp);
    add(response, "Cross-Origin-Resource-Policy", head->cross_origin ? "cross-origin" : "same-origin");
    for (size_t i = 0; i < sizeof ON_EVERY_REPLY / sizeof *ON_EVERY_REPLY; i++)
        add(response, ON_EVERY_REPLY[i].name, ON_EVERY_REPLY[i].value);
    if (http->options.is_https)
        add(response, "Strict-Transport-Security", "max-age=63072000; includeSubDomains"); /* RFC 6797 7.1 */
    return response;
}

/* ---- what handlers call ---- */

static void fill(struct request *request, int status, const char *content_type, const void *body, size_t len)
{
    struct reply *reply = &request->reply;
    assert(!reply->ready && !reply->mould);
    reply->status = status;
    reply->content_type = content_type;
    reply->body = body;
    reply->len = len;
}

void reply_bytes(struct request *request, int status, const char *content_type, const void *body, size_t len)
{
    fill(request, status, content_type, body, len);
}

void reply_text(struct request *request, int status, const char *text)
{
    fill(request, status, "text/plain; charset=utf-8", text, strlen(text));
}

void reply_html(struct request *request, int status, const char *html, size_t len)
{
    fill(request, status, "text/html; charset=utf-8", html, len);
}

void reply_json(struct request *request, int status, const char *json, size_t len)
{
    fill(request, status, "application/json", json, len);
}

void reply_see_other(struct request *request, const char *location)
{
    fill(request, 303, NULL, "", 0);
    reply_header(request, "Location", arena_strdup(&request->arena, location));
}

void reply_header(struct request *request, const char *name, const char *value)
{
    struct reply *reply = &request->reply;
    assert(reply->header_count < REPLY_HEADERS_MAX);
    reply->headers[reply->header_count].name = name;
    reply->headers[reply->header_count].value = arena_strdup(&request->arena, value);
    reply->header_count++;
}

void reply_cookie(struct request *request, const char *name, const char *value, int64_t max_age_s, bool secure)
{
    char age[40] = "";
    if (max_age_s >= 0)
        snprintf(age, sizeof age, "; Max-Age=%lld", (long long)max_age_s);
    reply_header(request, "Set-Cookie",
                 arena_printf(&request->arena, "%s=%s; Path=/; HttpOnly; SameSite=Lax%s%s", name, value,
                              secure ? "; Secure" : "", age));
}

void reply_cache(struct request *request, const char *cache_control)
{
    request->reply.cache = cache_control;
}

void reply_csp(struct request *request, const char *policy)
{
    request->reply.csp = policy;
}

/* ---- ready replies ---- */

struct ready_reply {
    atomic_int references;
    _Atomic(struct MHD_Response *) response; /* made when it is first sent: its headers depend on who sends it */
    struct head head;                        /* its texts are ours */
    const void *bytes;
    void *owned;
    size_t len;
};

static char *copy_text(const char *text)
{
    char *copy = text ? strdup(text) : NULL;
    if (text && !copy)
        abort();
    return copy;
}

/* Without an ETag; the texts stay the options'. */
static struct head head_of(const struct ready_options *options)
{
    return (struct head){.content_type = options->content_type,
                         .cache = options->cache,
                         .encoding = options->encoding,
                         .disposition = options->disposition,
                         .csp = options->csp ? options->csp : CSP_FILE,
                         .varies = options->varies || options->encoding,
                         .cross_origin = options->cross_origin};
}

static struct head copy_head(const struct ready_options *options)
{
    struct head head = head_of(options);
    head.content_type = copy_text(head.content_type);
    head.cache = copy_text(head.cache);
    head.encoding = copy_text(head.encoding);
    head.disposition = copy_text(head.disposition);
    head.csp = copy_text(head.csp);
    return head;
}

static void free_head(struct head *head)
{
    free((void *)(uintptr_t)head->content_type);
    free((void *)(uintptr_t)head->cache);
    free((void *)(uintptr_t)head->encoding);
    free((void *)(uintptr_t)head->disposition);
    free((void *)(uintptr_t)head->csp);
    free((void *)(uintptr_t)head->etag);
}

static void *copy_bytes(const void *bytes, size_t len)
{
    void *copy = malloc(len + 1);
    if (!copy)
        abort();
    return memcpy(copy, bytes, len);
}

static char *etag_of(const void *bytes, size_t len)
{
    unsigned char hash[16];
    char etag[2 + 2 * sizeof hash + 1] = "\"";
    crypto_generichash(hash, sizeof hash, bytes, len, NULL, 0);
    sodium_bin2hex(etag + 1, sizeof etag - 1, hash, sizeof hash);
    memcpy(etag + 1 + 2 * sizeof hash, "\"", 2);
    return copy_text(etag);
}

struct ready_reply *ready_new(const void *bytes, size_t len, bool is_static, const struct ready_options *options)
{
    struct ready_reply *ready = calloc(1, sizeof *ready);
    if (!ready)
        abort();
    atomic_init(&ready->references, 1);
    ready->owned = is_static ? NULL : copy_bytes(bytes, len);
    ready->bytes = is_static ? bytes : ready->owned;
    ready->len = len;
    ready->head = copy_head(options);
    ready->head.etag = options->etag ? copy_text(options->etag) : etag_of(bytes, len);
    return ready;
}

struct ready_reply *ready_hold(struct ready_reply *ready)
{
    atomic_fetch_add(&ready->references, 1);
    return ready;
}

void ready_drop(struct ready_reply *ready)
{
    if (!ready || atomic_fetch_sub(&ready->references, 1) != 1)
        return;
    struct MHD_Response *response = atomic_load(&ready->response);
    if (response)
        MHD_destroy_response(response);
    free_head(&ready->head);
    free(ready->owned);
    free(ready);
}

size_t ready_size(const struct ready_reply *ready)
{
    return sizeof *ready + ready->len;
}

void reply_ready(struct request *request, struct ready_reply *ready)
{
    fill(request, 200, NULL, NULL, 0);
    request->reply.ready = ready_hold(ready);
}

/* ---- moulds ---- */

/* A copy is taken when it is sent and is back when it has been handed to the kernel, at once for the most part, but not
 * before the loop comes by again when a whole hall opens one card. So some copies serve any number of waiting requests, and
 * the one last used, which the processor still has at hand, is next. Each loop has its own, so nobody waits for a lock, and
 * Date is written into one once a second, where the library would work it out for each reply. */
enum { MOULD_SPARES_MAX = 64, MOULD_PLACES_MAX = 48, MOULD_HEADERS_SIZE = 2048 };

struct mould_copy {
    struct mould_copy *next;
    struct page_mould *mould;
    struct MHD_Response *response;
    time_t date_s; /* what its Date says */
    char bytes[];
};

struct spares {
    struct mould_copy *first;
    int count;
};

struct place {
    uint32_t at;
    uint16_t len;
    uint16_t hole;
};

struct page_mould {
    atomic_int references; /* the owner's and one for each reply */
    int hole_count, place_count;
    size_t len;
    const struct ready_options *options; /* its owner's, for ever: moulds with the same pointer have the same headers */
    struct spares spares[LOOPS_MAX];     /* by the loop's index, for its thread alone */
    struct place places[MOULD_PLACES_MAX];
    char bytes[];
};

static void find_places(struct page_mould *mould, const char *hole, uint16_t number)
{
    size_t hole_len = strlen(hole);
    for (const char *at = mould->bytes, *end = at + mould->len; (at = memmem(at, (size_t)(end - at), hole, hole_len));
         at += hole_len) {
        assert(mould->place_count < MOULD_PLACES_MAX); /* the templates are ours */
        mould->places[mould->place_count++] = (struct place){(uint32_t)(at - mould->bytes), (uint16_t)hole_len, number};
    }
}

struct page_mould *mould_new(const void *bytes, size_t len, const char *const *holes,
                             const struct ready_options *options)
{
    struct page_mould *mould = calloc(1, sizeof *mould + len);
    if (!mould)
        abort();
    atomic_init(&mould->references, 1);
    mould->options = options;
    mould->len = len;
    memcpy(mould->bytes, bytes, len);
    for (uint16_t i = 0; holes[i]; i++) {
        assert(i < MOULD_HOLES_MAX);
        find_places(mould, holes[i], i);
        mould->hole_count++;
    }
    return mould;
}

struct page_mould *mould_hold(struct page_mould *mould)
{
    atomic_fetch_add(&mould->references, 1);
    return mould;
}

static void free_copy(struct mould_copy *copy)
{
    MHD_destroy_response(copy->response);
    free(copy);
}

void mould_drop(struct page_mould *mould)
{
    if (!mould || atomic_fetch_sub(&mould->references, 1) != 1)
        return;
    for (int i = 0; i < LOOPS_MAX; i++)
        for (struct mould_copy *copy = mould->spares[i].first, *next; copy; copy = next) {
            next = copy->next;
            free_copy(copy);
        }
    free(mould);
}

size_t mould_size(const struct page_mould *mould)
{
    /* Itself, one copy that is spare in quiet times, and that one's headers. */
    return sizeof *mould + sizeof(struct mould_copy) + 2 * mould->len + MOULD_HEADERS_SIZE;
}

void reply_mould(struct request *request, struct page_mould *mould, const char *const *values)
{
    fill(request, 200, NULL, NULL, 0);
    request->reply.mould = mould;
    for (int i = 0; i < mould->hole_count; i++)
        request->reply.mould_values[i] = values[i];
}

static struct mould_copy *new_copy(struct page_mould *mould, const struct http *http)
{
    struct mould_copy *copy = malloc(sizeof *copy + mould->len);
    if (!copy)
        abort();
    memcpy(copy->bytes, mould->bytes, mould->len);
    copy->mould = mould;
    copy->date_s = 0;
    struct head head = head_of(mould->options);
    copy->response = make(http, copy->bytes, mould->len, &head);
    return copy;
}

/* Date, which every reply has (RFC 9110 6.6.1), in the one form of 5.6.7. */
static void date_response(struct MHD_Response *response, time_t *date_s, struct loop *loop)
{
    time_t now = time(NULL);
    if (*date_s == now)
        return;
    if (loop->date_s != now) {
        struct tm utc;
        strftime(loop->date, sizeof loop->date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &utc));
        loop->date_s = now;
    }
    add(response, "Date", loop->date); /* the library lets it take the older one's place */
    *date_s = now;
}

/* The page of this reply, put together. */
static struct mould_copy *take_copy(const struct reply *reply, struct loop *loop)
{
    struct page_mould *mould = reply->mould;
    struct spares *spares = &mould->spares[loop->index];
    struct mould_copy *copy = spares->first;
    if (copy) {
        spares->first = copy->next;
        spares->count--;
    } else
        copy = new_copy(mould, loop->http);
    date_response(copy->response, &copy->date_s, loop);
    for (int i = 0; i < mould->place_count; i++) {
        const struct place *place = &mould->places[i];
        memcpy(copy->bytes + place->at, reply->mould_values[place->hole], place->len);
    }
    return copy;
}

static void give_back(struct mould_copy *copy, const struct loop *loop)
{
    struct spares *spares = &copy->mould->spares[loop->index];
    if (spares->count == MOULD_SPARES_MAX) {
        free_copy(copy);
        return;
    }
    copy->next = spares->first;
    spares->first = copy;
    spares->count++;
}

/* ---- bare replies ---- */

/* Stands for the page that is not sent. Nobody writes or reads it, so it takes no memory. */
static char no_page[256 * 1024];

/* What HEAD gets of a mould's page is the same for all pages of that length, so one object serves them all, and of a thousand
 * cards nothing but their length need be at hand. A place is another length's when nobody asked for its own for a second.
 * NULL: somebody did, or the page is too long. */
static struct MHD_Response *bare_response(const struct page_mould *mould, struct loop *loop)
{
    struct bare_reply *bare = &loop->bare[mould->len % BARE_REPLIES];
    if (bare->len != mould->len || bare->options != mould->options) {
        if (mould->len > sizeof no_page || (bare->response && bare->date_s + 1 >= time(NULL)))
            return NULL;
        if (bare->response)
            MHD_destroy_response(bare->response);
        struct head head = head_of(mould->options);
        *bare = (struct bare_reply){.options = mould->options, .len = mould->len};
        bare->response = make(loop->http, no_page, mould->len, &head);
    }
    date_response(bare->response, &bare->date_s, loop);
    return bare->response;
}

void reply_close_loop(struct loop *loop)
{
    for (int i = 0; i < BARE_REPLIES; i++)
        if (loop->bare[i].response)
            MHD_destroy_response(loop->bare[i].response);
}

/* ---- sending ---- */

/* Whether a list of entity tags has ours, by weak comparison (RFC 9110 13.1.2, 8.8.3.2). */
static bool list_has_etag(const char *list, const char *etag)
{
    size_t len = strlen(etag);
    for (const char *at = list; *at;) {
        at += strspn(at, " \t,");
        if (*at == '*')
            return true;
        if (strncmp(at, "W/", 2) == 0)
            at += 2;
        if (strncmp(at, etag, len) == 0)
            return true;
        const char *close = *at == '"' ? strchr(at + 1, '"') : NULL;
        at = close ? close + 1 : at + strcspn(at, ",");
    }
    return false;
}

static bool is_unchanged(const struct request *request, const char *etag)
{
    const char *list =
        request->method == HTTP_GET || request->method == HTTP_HEAD ? request_header(request, "If-None-Match") : NULL;
    return list && list_has_etag(list, etag);
}

static bool has_header(const struct reply *reply, const char *name)
{
    for (int i = 0; i < reply->header_count; i++)
        if (strcasecmp(reply->headers[i].name, name) == 0)
            return true;
    return false;
}

/* A refusal for which there is little room: the least that keeps its page harmless. */
static struct MHD_Response *build_short(const struct reply *reply)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(reply->len, (void *)(uintptr_t)reply->body, MHD_RESPMEM_PERSISTENT);
    if (!response)
        abort();
    add(response, "Content-Type", reply->content_type);
    add(response, "Content-Security-Policy", "default-src 'none'; style-src 'self'");
    add(response, "X-Content-Type-Options", "nosniff");
    add(response, "Connection", "close");
    return response;
}

/* A response of this reply's own. */
static struct MHD_Response *build(const struct exchange *exchange)
{
    const struct reply *reply = &exchange->request.reply;
    if (exchange->tight && !reply->ready && !reply->mould)
        return build_short(reply);
    struct head head = {.content_type = reply->content_type, .csp = CSP_DEFAULT};
    const void *body = reply->body;
    size_t len = reply->len;
    if (reply->ready) {
        head = reply->ready->head;
        body = reply->ready->bytes;
        len = reply->ready->len;
    } else if (reply->mould) {
        head = head_of(reply->mould->options);
        body = exchange->copy->bytes;
        len = reply->mould->len;
    }
    if (reply->csp)
        head.csp = reply->csp;
    if (reply->cache)
        head.cache = reply->cache;
    struct MHD_Response *response = make(exchange->loop->http, body, len, &head);
    for (int i = 0; i < reply->header_count; i++)
        add(response, reply->headers[i].name, reply->headers[i].value);
    if ((reply->status == 429 || reply->status == 503) && !has_header(reply, "Retry-After"))
        add(response, "Retry-After", "10");
    return response;
}

/* The object of a ready reply, made now if it is the first time. */
static struct MHD_Response *ready_response(struct ready_reply *ready, const struct http *http)
{
    struct MHD_Response *there = atomic_load_explicit(&ready->response, memory_order_acquire);
    if (there)
        return there;
    struct MHD_Response *made = make(http, ready->bytes, ready->len, &ready->head);
    if (atomic_compare_exchange_strong(&ready->response, &there, made))
        return made;
    MHD_destroy_response(made); /* another loop was first */
    return there;
}

/* An object that serves this reply and others; NULL: it needs one of its own. Takes the copy of a mould that either is made of. */
static struct MHD_Response *find_shared(struct exchange *exchange)
{
    const struct reply *reply = &exchange->request.reply;
    bool is_usual = !reply->header_count && !reply->csp && !reply->cache;
    if (reply->ready)
        return is_usual ? ready_response(reply->ready, exchange->loop->http) : NULL;
    if (!reply->mould)
        return NULL;
    bool is_bare = is_usual && exchange->request.method == HTTP_HEAD;
    struct MHD_Response *bare = is_bare ? bare_response(reply->mould, exchange->loop) : NULL;
    if (bare)
        return bare;
    exchange->copy = take_copy(reply, exchange->loop);
    return is_usual ? exchange->copy->response : NULL;
}

enum MHD_Result reply_send(struct exchange *exchange)
{
    struct reply *reply = &exchange->request.reply;
    struct loop *loop = exchange->loop;
    /* The full object with status 304: the library then sends no body and the right headers. */
    int status = reply->ready && is_unchanged(&exchange->request, reply->ready->head.etag) ? 304 : reply->status;
    struct MHD_Response *shared = find_shared(exchange);
    struct MHD_Response *response = shared ? shared : build(exchange);
    exchange->stage = STAGE_SENDING;
    deadline_set(exchange->connection, loop->http->options.reply_ms, loop);
    if (status >= 100 && status < 600)
        figure_add(&loop->by_status[status / 100], 1);
    enum MHD_Result queued = MHD_queue_response(exchange->mhd, (unsigned)status, response);
    if (!shared)
        MHD_destroy_response(response);
    return queued;
}

void reply_release(struct exchange *exchange)
{
    struct reply *reply = &exchange->request.reply;
    if (reply->ready)
        ready_drop(reply->ready);
    if (exchange->copy)
        give_back(exchange->copy, exchange->loop);
    mould_drop(reply->mould);
    exchange->copy = NULL;
    *reply = (struct reply){0};
}
