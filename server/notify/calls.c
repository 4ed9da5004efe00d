/* See calls.h. Every setting that keeps libcurl from doing more than is asked is in set_refusals, one line each.
 *
 * A call stands in one of three lines: queued until fewer than COURIER_CALLS_MAX are made, being made, done until its outcome is
 * taken. libcurl's handles are kept from call to call with what is the same for all; they share no connection, no session
 * and no cookie. Nor names: libcurl looks through all that it keeps whenever a call ends, so each handle keeps its own,
 * and no longer than a call takes to find the addresses that were pinned for it. */
#include "server/notify/calls.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "cards/base/str.h"
#include "cards/base/url.h"
#include "server/ids.h"
#include "server/log.h"
#include "server/notify/authorities.h"

enum { STATUS_NONE = 0, OTHERS_MAX = 4, PINS_BYTES_MAX = 1024, QUEUE_LOOK_MS = 100, PINNED_S = 2 };

struct handle {
    CURL *easy;
    CURLSH *names;
    bool bound, plain; /* to one scheme, http */
};

struct transfer {
    struct transfer *next; /* in its line */
    struct calls *calls;
    struct arena arena;
    int64_t added_ms, started_ms;
    struct call call; /* its body is in the arena, its headers are below */
    struct url url;
    bool plain;   /* http */
    bool refused; /* a callback met an address that may not be called */
    bool too_large;
    bool connected;
    bool answered; /* the final reply's headers are complete */
    size_t header_bytes, body_bytes;
    int status_seen;
    int socket;           /* the latest, while it is open; -1 */
    int place;            /* among those that are made; -1 */
    struct handle handle; /* while it is made */
    struct curl_slist headers[COURIER_HEADERS_MAX + 1], pins;
    struct send_outcome outcome;
};

struct line {
    struct transfer *first, *last;
    size_t count;
};

struct calls {
    struct arena arena;
    struct call_settings settings;
    CURLM *multi;
    struct line unused, queued, done;
    int making, idle; /* how many */
    struct transfer *made[COURIER_CALLS_MAX];
    struct handle handles[COURIER_CALLS_MAX]; /* idle ones */
    struct transfer transfers[COURIER_JOBS_MAX];
};

static void line_up(struct line *line, struct transfer *transfer)
{
    transfer->next = NULL;
    if (line->last)
        line->last->next = transfer;
    else
        line->first = transfer;
    line->last = transfer;
    line->count++;
}

static struct transfer *first_of(struct line *line)
{
    struct transfer *first = line->first;
    if (!first)
        return NULL;
    line->first = first->next;
    if (!line->first)
        line->last = NULL;
    line->count--;
    return first;
}

size_t calls_busy(const struct calls *calls)
{
    return COURIER_JOBS_MAX - calls->unused.count;
}

size_t calls_queued(const struct calls *calls)
{
    return calls->queued.count;
}

int64_t calls_done_since(const struct calls *calls)
{
    const struct transfer *first = calls->done.first;
    return first ? first->started_ms + first->outcome.latency_ms : INT64_MAX;
}

/* ---- what libcurl calls ---- */

/* Whether it is one of the addresses that were handed over, and allowed by this process's own judgement too. */
static bool may_call(struct transfer *transfer, const struct sockaddr *address, socklen_t len)
{
    bool pinned = false;
    struct sockaddr_storage whole = {0};
    memcpy(&whole, address, len < sizeof whole ? len : sizeof whole);
    for (int i = 0; i < transfer->call.address_count; i++)
        pinned = pinned || address_is_same(&transfer->call.addresses[i], &whole);
    enum address_verdict verdict = address_judge(&transfer->calls->settings.policy, address, len);
    bool fine = pinned && (verdict == ADDRESS_ALLOWED || (verdict == ADDRESS_PUBLIC && !transfer->plain));
    if (!fine)
        transfer->refused = true;
    return fine;
}

static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    if (purpose != CURLSOCKTYPE_IPCXN || !may_call(context, &address->addr, address->addrlen))
        return CURL_SOCKET_BAD;
    struct transfer *transfer = context;
    transfer->socket = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    return transfer->socket < 0 ? CURL_SOCKET_BAD : transfer->socket;
}

/* libcurl tells when a connection was secured, but not that it stood before: the socket knows. */
static bool is_connected(int socket)
{
    struct sockaddr_storage peer;
    socklen_t len = sizeof peer;
    return getpeername(socket, (struct sockaddr *)&peer, &len) == 0;
}

static int close_socket(void *context, curl_socket_t socket)
{
    struct transfer *transfer = context;
    if (!transfer->connected)
        transfer->connected = is_connected(socket);
    if (transfer->socket == socket)
        transfer->socket = -1;
    return close(socket);
}

/* The connection stands and nothing has been sent: the last look at whom we are speaking to. */
static int before_request(void *context, char *primary_ip, char *local_ip, int primary_port, int local_port)
{
    (void)local_ip;
    (void)local_port;
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)primary_port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)primary_port)};
    bool fine = false;
    if (inet_pton(AF_INET, primary_ip, &v4.sin_addr) == 1)
        fine = may_call(context, (struct sockaddr *)&v4, sizeof v4);
    else if (inet_pton(AF_INET6, primary_ip, &v6.sin6_addr) == 1)
        fine = may_call(context, (struct sockaddr *)&v6, sizeof v6);
    ((struct transfer *)context)->connected = true;
    return fine ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

static size_t take_header(char *line, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    size_t len = size * count;
    transfer->header_bytes += len;
    if (transfer->answered)
        return len; /* trailers say nothing more */
    if (transfer->header_bytes > COURIER_REPLY_MAX) {
        transfer->too_large = true;
        return 0;
    }
    if (len > 9 && !strncmp(line, "HTTP/", 5)) {
        const char *space = memchr(line, ' ', len);
        transfer->status_seen = space ? (int)strtol(space, NULL, 10) : 0;
    }
    bool blank = len <= 2 && (line[0] == '\r' || line[0] == '\n');
    if (blank && transfer->status_seen >= 200)
        transfer->answered = true;
    return len;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *context)
{
    (void)bytes;
    struct transfer *transfer = context;
    transfer->body_bytes += size * count;
    return transfer->body_bytes > COURIER_REPLY_MAX ? 0 : size * count;
}

/* ---- the end of a call ---- */

/* Which limit it was, by how far the call had come. */
static enum send_error timeout_of(const struct transfer *transfer)
{
    curl_off_t secured_us = 0, first_byte_us = 0;
    curl_easy_getinfo(transfer->handle.easy, CURLINFO_APPCONNECT_TIME_T, &secured_us);
    curl_easy_getinfo(transfer->handle.easy, CURLINFO_STARTTRANSFER_TIME_T, &first_byte_us);
    if (!transfer->connected && !is_connected(transfer->socket))
        return SEND_CONNECT_TIMEOUT;
    if (!transfer->plain && !secured_us)
        return SEND_TLS_TIMEOUT;
    return first_byte_us ? SEND_TIMEOUT : SEND_ANSWER_TIMEOUT;
}

/* What OpenSSL found wrong (X509_V_ERR_…, openssl/x509_vfy.h); nothing, when the name was. */
static enum send_error certificate_error_of(const struct transfer *transfer)
{
    enum { FINE = 0, NOT_JUDGED = 1, NOT_YET_VALID = 9, HAS_EXPIRED = 10 };
    long found = NOT_JUDGED;
    curl_easy_getinfo(transfer->handle.easy, CURLINFO_SSL_VERIFYRESULT, &found);
    switch (found) {
    case FINE:
    case NOT_JUDGED:
        return SEND_CERTIFICATE_HOST;
    case NOT_YET_VALID:
    case HAS_EXPIRED:
        return SEND_CERTIFICATE_EXPIRED;
    default:
        return SEND_CERTIFICATE_UNTRUSTED;
    }
}

static enum send_error error_of(const struct transfer *transfer, CURLcode code)
{
    if (transfer->refused)
        return SEND_REFUSED_ADDRESS;
    if (transfer->answered) {
        int status = transfer->status_seen;
        return status < 300 ? SEND_OK : status < 400 ? SEND_REDIRECT : SEND_STATUS;
    }
    if (transfer->too_large)
        return SEND_TOO_LARGE;
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return SEND_NAME_NOT_FOUND;
    case CURLE_COULDNT_CONNECT:
        return SEND_CONNECT;
    case CURLE_OPERATION_TIMEDOUT:
        return timeout_of(transfer);
    case CURLE_PEER_FAILED_VERIFICATION:
        return certificate_error_of(transfer);
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return SEND_TLS;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
        return SEND_RESET;
    case CURLE_OK: /* libcurl minds less than we do where the headers end */
    case CURLE_GOT_NOTHING:
        return SEND_CLOSED;
    case CURLE_OUT_OF_MEMORY: /* how this libcurl names endless headers */
    case CURLE_FILESIZE_EXCEEDED:
        return SEND_TOO_LARGE;
    default:
        return SEND_PROTOCOL;
    }
}

static void finish(struct transfer *transfer, enum send_error error)
{
    curl_off_t retry_after_s = 0;
    struct calls *calls = transfer->calls;
    if (transfer->handle.easy) {
        if (transfer->answered && transfer->status_seen >= 300)
            curl_easy_getinfo(transfer->handle.easy, CURLINFO_RETRY_AFTER, &retry_after_s);
        curl_multi_remove_handle(calls->multi, transfer->handle.easy);
        calls->handles[calls->idle++] = transfer->handle;
        transfer->handle = (struct handle){0};
    }
    if (transfer->place >= 0) {
        struct transfer *last = calls->made[--calls->making];
        calls->made[last->place = transfer->place] = last;
        transfer->place = -1;
    }
    transfer->outcome = (struct send_outcome){
        .id = transfer->call.ticket,
        .error = error,
        .status = transfer->answered ? transfer->status_seen : STATUS_NONE,
        .latency_ms = monotonic_ms() - transfer->started_ms,
        .retry_after_ms = retry_after_s > 0 && retry_after_s < 1000000 ? (int64_t)retry_after_s * 1000 : 0,
    };
    line_up(&calls->done, transfer);
}

/* ---- a call's settings ---- */

/* "+host:port:a,b" (CURLOPT_RESOLVE), so that libcurl has no name to ask for. The + lets its cache drop it in time. */
static bool pin(struct transfer *transfer)
{
    struct str text;
    if (transfer->url.host_is_address)
        return true; /* there is no name to pin */
    str_init(&text, &transfer->arena, PINS_BYTES_MAX);
    str_addf(&text, "+%s:%d:", transfer->url.host, transfer->url.port);
    for (int i = 0; i < transfer->call.address_count; i++) {
        const struct sockaddr_storage *address = &transfer->call.addresses[i];
        char numeric[INET6_ADDRSTRLEN];
        const void *bytes = address->ss_family == AF_INET
                                ? (const void *)&((const struct sockaddr_in *)address)->sin_addr
                                : (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr;
        inet_ntop(address->ss_family, bytes, numeric, sizeof numeric);
        str_addf(&text, address->ss_family == AF_INET6 ? "%s[%s]" : "%s%s", i ? "," : "", numeric);
    }
    transfer->pins.data = text.data;
    return !text.failed;
}

/* Lists of libcurl's, which reads them where they are. */
static void list_headers(struct transfer *transfer, const struct call *call)
{
    /* Without this libcurl would wait for a "100 Continue" that few receivers send. */
    static char no_expect[] = "Expect:";
    int count = 0;
    for (; count < COURIER_HEADERS_MAX && call->headers[count]; count++)
        transfer->headers[count] =
            (struct curl_slist){arena_strdup(&transfer->arena, call->headers[count]), &transfer->headers[count + 1]};
    transfer->headers[count] = (struct curl_slist){no_expect, NULL};
}

#define SET(option, value) (ok = ok && curl_easy_setopt(easy, option, value) == CURLE_OK)

static bool set_refusals(CURL *easy, const struct calls *calls)
{
    bool ok = true;
    SET(CURLOPT_REDIR_PROTOCOLS_STR, "https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_MAXREDIRS, 0L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NOPROXY, "*");
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
    SET(CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    SET(CURLOPT_PREREQFUNCTION, before_request);
    SET(CURLOPT_FRESH_CONNECT, 1L);
    SET(CURLOPT_FORBID_REUSE, 1L);
    SET(CURLOPT_SSL_SESSIONID_CACHE, 0L);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_HTTP09_ALLOWED, 0L);
    SET(CURLOPT_CAPATH, NULL); /* a bundle alone can be kept */
    if (calls->settings.limits.authorities)
        SET(CURLOPT_CAINFO, calls->settings.limits.authorities);
    SET(CURLOPT_CA_CACHE_TIMEOUT, -1L); /* this process lives a day */
    SET(CURLOPT_ACCEPT_ENCODING, NULL);
    SET(CURLOPT_TRANSFER_ENCODING, 0L);
    SET(CURLOPT_BUFFERSIZE, 16384L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_HEADERFUNCTION, take_header);
    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)calls->settings.limits.connect_ms);
    SET(CURLOPT_LOW_SPEED_LIMIT, 1L);
    SET(CURLOPT_LOW_SPEED_TIME, 8L);
    return ok;
}

/* All of what one call sets, so that nothing of the call before is left in the handle. */
static bool set_request(struct handle *handle, struct transfer *transfer)
{
    CURL *easy = handle->easy;
    struct curl_slist *pins = transfer->pins.data ? &transfer->pins : NULL;
    bool ok = true;
    if (!handle->bound || handle->plain != transfer->plain)
        SET(CURLOPT_PROTOCOLS_STR, transfer->plain ? "http" : "https");
    handle->bound = ok;
    handle->plain = transfer->plain;
    SET(CURLOPT_OPENSOCKETDATA, transfer);
    SET(CURLOPT_CLOSESOCKETDATA, transfer);
    SET(CURLOPT_PREREQDATA, transfer);
    SET(CURLOPT_RESOLVE, pins);
    SET(CURLOPT_DNS_CACHE_TIMEOUT, pins ? (long)PINNED_S : 0L);
    SET(CURLOPT_URL, transfer->url.text);
    SET(CURLOPT_PRIVATE, transfer);
    SET(CURLOPT_POSTFIELDSIZE, (long)strlen(transfer->call.body));
    SET(CURLOPT_POSTFIELDS, transfer->call.body);
    SET(CURLOPT_HTTPHEADER, transfer->headers);
    SET(CURLOPT_HEADERDATA, transfer);
    SET(CURLOPT_WRITEDATA, transfer);
    SET(CURLOPT_TIMEOUT_MS, (long)transfer->call.deadline_ms);
    return ok;
}

static void handle_free(struct handle handle)
{
    curl_easy_cleanup(handle.easy); /* before what it uses */
    curl_share_cleanup(handle.names);
}

/* An idle handle, or a new one; none in it when libcurl refuses. */
static struct handle take_handle(struct calls *calls)
{
    if (calls->idle)
        return calls->handles[--calls->idle];
    struct handle handle = {.easy = curl_easy_init(), .names = curl_share_init()};
    if (handle.easy && handle.names &&
        curl_share_setopt(handle.names, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS) == CURLSHE_OK &&
        curl_easy_setopt(handle.easy, CURLOPT_SHARE, handle.names) == CURLE_OK && set_refusals(handle.easy, calls))
        return handle;
    handle_free(handle);
    return (struct handle){0};
}

static bool begin(struct transfer *transfer)
{
    struct calls *calls = transfer->calls;
    transfer->handle = take_handle(calls);
    return transfer->handle.easy && pin(transfer) && set_request(&transfer->handle, transfer) &&
           curl_multi_add_handle(calls->multi, transfer->handle.easy) == CURLM_OK;
}

/* Those that have waited too long are given back untried. */
static void begin_queued(struct calls *calls)
{
    struct transfer *transfer;
    int64_t now = calls->queued.first ? monotonic_ms() : 0, patience_ms = courier_turn_ms(&calls->settings.limits);
    while (calls->queued.first &&
           (calls->making < COURIER_CALLS_MAX || now - calls->queued.first->added_ms > patience_ms)) {
        transfer = first_of(&calls->queued);
        transfer->started_ms = now;
        if (now - transfer->added_ms > patience_ms) {
            finish(transfer, SEND_INTERRUPTED);
            continue;
        }
        calls->made[transfer->place = calls->making++] = transfer;
        if (!begin(transfer)) {
            log_error("webhook-send", "why=\"libcurl refused a setting\"");
            finish(transfer, SEND_PROTOCOL);
        }
    }
}

enum result calls_add(struct calls *calls, const struct call *call)
{
    struct transfer *transfer = first_of(&calls->unused);
    if (!transfer)
        return RESULT_LIMITED;
    struct arena arena = transfer->arena; /* its memory is kept */
    memset(transfer, 0, sizeof *transfer);
    transfer->arena = arena;
    arena_reset(&transfer->arena);
    transfer->calls = calls;
    transfer->socket = transfer->place = -1;
    transfer->added_ms = transfer->started_ms = monotonic_ms();
    transfer->call = *call;
    transfer->call.body = arena_strdup(&transfer->arena, call->body);
    list_headers(transfer, call);
    if (url_parse(call->url, URL_NO_FRAGMENT, &transfer->arena, &transfer->url) != RESULT_OK) {
        finish(transfer, SEND_BAD_URL);
        return RESULT_OK;
    }
    transfer->plain = !strcmp(transfer->url.scheme, "http");
    line_up(&calls->queued, transfer);
    return RESULT_OK;
}

/* ---- moving on ---- */

static void take_ends(struct calls *calls)
{
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(calls->multi, &left))) {
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result;
        char *at = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &at);
        struct transfer *transfer = (struct transfer *)(void *)at;
        finish(transfer, error_of(transfer, code));
    }
}

/* When the call's patience ends, on the monotonic clock. */
static int64_t deadline_of(const struct transfer *transfer)
{
    int patience = transfer->call.deadline_ms, answer_ms = transfer->calls->settings.limits.answer_ms;
    if (!transfer->answered && answer_ms < patience)
        patience = answer_ms;
    return transfer->started_ms + patience;
}

/* Ends what is overdue; the milliseconds until the next may be, at most WAIT_MS. */
static int end_overdue(struct calls *calls, int wait_ms)
{
    int64_t now = monotonic_ms();
    for (int i = calls->making - 1; i >= 0; i--) { /* one that ends leaves its place to the last */
        struct transfer *transfer = calls->made[i];
        int64_t left = deadline_of(transfer) - now;
        if (left <= 0)
            finish(transfer, error_of(transfer, CURLE_OPERATION_TIMEDOUT));
        else if (left < wait_ms)
            wait_ms = (int)left;
    }
    return wait_ms;
}

void calls_run(struct calls *calls, struct pollfd *others, unsigned count, int wait_ms)
{
    struct curl_waitfd watched[OTHERS_MAX] = {0};
    for (unsigned i = 0; i < count; i++) {
        watched[i].fd = others[i].fd;
        watched[i].events = (short)((others[i].events & POLLIN ? CURL_WAIT_POLLIN : 0) |
                                    (others[i].events & POLLOUT ? CURL_WAIT_POLLOUT : 0));
    }
    size_t done = calls->done.count;
    begin_queued(calls);
    if (calls->queued.first && wait_ms > QUEUE_LOOK_MS)
        wait_ms = QUEUE_LOOK_MS;
    wait_ms = end_overdue(calls, wait_ms);
    curl_multi_poll(calls->multi, watched, count, calls->done.count > done ? 0 : wait_ms, NULL);
    for (unsigned i = 0; i < count; i++)
        others[i].revents = watched[i].revents;
    int running;
    curl_multi_perform(calls->multi, &running);
    take_ends(calls);
    end_overdue(calls, 0);
    begin_queued(calls);
}

enum result calls_take(struct calls *calls, struct send_outcome *out)
{
    struct transfer *transfer = first_of(&calls->done);
    if (!transfer)
        return RESULT_NOT_FOUND;
    *out = transfer->outcome;
    transfer->next = calls->unused.first; /* the memory used last is used next */
    calls->unused.first = transfer;
    if (!transfer->next)
        calls->unused.last = transfer;
    calls->unused.count++;
    return RESULT_OK;
}

/* ---- start and stop ---- */

enum result calls_open(const struct call_settings *settings, struct calls **out)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT))
        return RESULT_FAILED;
    struct calls *calls = calloc(1, sizeof *calls);
    if (!calls) {
        curl_global_cleanup();
        return RESULT_FAILED;
    }
    arena_init(&calls->arena);
    calls->settings = *settings;
    calls->settings.limits.authorities = arena_strdup(&calls->arena, settings->limits.authorities);
    for (int i = 0; i < COURIER_JOBS_MAX; i++)
        line_up(&calls->unused, &calls->transfers[i]);
    calls->multi = curl_multi_init();
    struct handle handle = calls->multi ? take_handle(calls) : (struct handle){0};
    enum result result = handle.easy ? authorities_read(calls->multi, handle.easy) : RESULT_FAILED;
    handle_free(handle);
    if (result != RESULT_OK) {
        calls_close(calls);
        return RESULT_FAILED;
    }
    *out = calls;
    return RESULT_OK;
}

void calls_close(struct calls *calls)
{
    if (!calls)
        return;
    while (calls->making)
        finish(calls->made[calls->making - 1], SEND_INTERRUPTED);
    while (calls->idle)
        handle_free(calls->handles[--calls->idle]);
    for (int i = 0; i < COURIER_JOBS_MAX; i++)
        arena_free(&calls->transfers[i].arena);
    curl_multi_cleanup(calls->multi);
    arena_free(&calls->arena);
    free(calls);
    curl_global_cleanup();
}
