/* See calls.h. Every setting that keeps libcurl from doing more than is asked is in set_refusals, one line each. */
#include "server/notify/calls.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "cards/base/str.h"
#include "cards/base/url.h"
#include "server/ids.h"
#include "server/log.h"

enum { STATUS_NONE = 0, OTHERS_MAX = 4, PINS_BYTES_MAX = 1024, AUTHORITIES_MS = 10000, NAME_BYTES = 108 };

enum step { STEP_FREE, STEP_CALLING, STEP_DONE };

struct transfer {
    enum step step;
    struct calls *calls;
    struct arena arena;
    int64_t started_ms;
    struct call call; /* its texts are in the arena */
    struct url url;
    bool plain;   /* http */
    bool refused; /* a callback met an address that may not be called */
    bool too_large;
    bool connected;
    bool answered; /* the final reply's headers are complete */
    size_t header_bytes, body_bytes;
    int status_seen;
    int socket; /* the latest, while it is open; -1 */
    CURL *easy;
    struct curl_slist *headers, *pins;
    struct send_outcome outcome;
};

struct calls {
    struct arena arena;
    struct call_settings settings;
    CURLM *multi;
    size_t busy;
    struct transfer transfers[COURIER_CALLS_MAX];
};

size_t calls_busy(const struct calls *calls)
{
    return calls->busy;
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
    if (is_connected(socket))
        transfer->connected = true;
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
    curl_easy_getinfo(transfer->easy, CURLINFO_APPCONNECT_TIME_T, &secured_us);
    curl_easy_getinfo(transfer->easy, CURLINFO_STARTTRANSFER_TIME_T, &first_byte_us);
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
    curl_easy_getinfo(transfer->easy, CURLINFO_SSL_VERIFYRESULT, &found);
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
    if (transfer->easy) {
        curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
        curl_multi_remove_handle(transfer->calls->multi, transfer->easy);
        curl_easy_cleanup(transfer->easy);
        transfer->easy = NULL;
    }
    curl_slist_free_all(transfer->headers);
    curl_slist_free_all(transfer->pins);
    transfer->headers = transfer->pins = NULL;
    transfer->outcome = (struct send_outcome){
        .id = transfer->call.ticket,
        .error = error,
        .status = transfer->answered ? transfer->status_seen : STATUS_NONE,
        .latency_ms = monotonic_ms() - transfer->started_ms,
        .retry_after_ms = retry_after_s > 0 && retry_after_s < 1000000 ? (int64_t)retry_after_s * 1000 : 0,
    };
    transfer->step = STEP_DONE;
}

/* ---- a call's settings ---- */

/* "+host:port:a,b" (CURLOPT_RESOLVE), so that libcurl has no name to ask for. The + lets its cache drop it in time. */
static bool pin(struct transfer *transfer)
{
    struct str text;
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
    if (transfer->url.host_is_address)
        return true; /* there is no name to pin */
    transfer->pins = curl_slist_append(NULL, text.data);
    return transfer->pins && !text.failed;
}

#define SET(option, value) (ok = ok && curl_easy_setopt(easy, option, value) == CURLE_OK)

static bool set_refusals(CURL *easy, struct transfer *transfer)
{
    bool ok = true;
    SET(CURLOPT_PROTOCOLS_STR, transfer->plain ? "http" : "https");
    SET(CURLOPT_REDIR_PROTOCOLS_STR, "https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_MAXREDIRS, 0L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NOPROXY, "*");
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
    SET(CURLOPT_OPENSOCKETDATA, transfer);
    SET(CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    SET(CURLOPT_CLOSESOCKETDATA, transfer);
    SET(CURLOPT_PREREQFUNCTION, before_request);
    SET(CURLOPT_PREREQDATA, transfer);
    SET(CURLOPT_RESOLVE, transfer->pins);
    SET(CURLOPT_FRESH_CONNECT, 1L);
    SET(CURLOPT_FORBID_REUSE, 1L);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_HTTP09_ALLOWED, 0L);
    SET(CURLOPT_CAPATH, NULL); /* a bundle alone can be kept */
    if (transfer->calls->settings.limits.authorities)
        SET(CURLOPT_CAINFO, transfer->calls->settings.limits.authorities);
    SET(CURLOPT_CA_CACHE_TIMEOUT, -1L); /* this process lives a day */
    SET(CURLOPT_ACCEPT_ENCODING, NULL);
    SET(CURLOPT_TRANSFER_ENCODING, 0L);
    SET(CURLOPT_BUFFERSIZE, 16384L);
    return ok;
}

static bool set_request(CURL *easy, struct transfer *transfer)
{
    const struct courier_limits *limits = &transfer->calls->settings.limits;
    bool ok = true;
    SET(CURLOPT_URL, transfer->url.text);
    SET(CURLOPT_PRIVATE, transfer);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDSIZE, (long)strlen(transfer->call.body));
    SET(CURLOPT_POSTFIELDS, transfer->call.body);
    SET(CURLOPT_HTTPHEADER, transfer->headers);
    SET(CURLOPT_HEADERFUNCTION, take_header);
    SET(CURLOPT_HEADERDATA, transfer);
    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_WRITEDATA, transfer);
    SET(CURLOPT_TIMEOUT_MS, (long)transfer->call.deadline_ms);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)limits->connect_ms);
    SET(CURLOPT_LOW_SPEED_LIMIT, 1L);
    SET(CURLOPT_LOW_SPEED_TIME, 8L);
    return ok;
}

static bool begin(struct transfer *transfer)
{
    for (int i = 0; i < COURIER_HEADERS_MAX && transfer->call.headers[i]; i++)
        transfer->headers = curl_slist_append(transfer->headers, transfer->call.headers[i]);
    /* Without this libcurl would wait for a "100 Continue" that few receivers send. */
    transfer->headers = curl_slist_append(transfer->headers, "Expect:");
    transfer->easy = curl_easy_init();
    return transfer->easy && pin(transfer) && set_refusals(transfer->easy, transfer) &&
           set_request(transfer->easy, transfer) &&
           curl_multi_add_handle(transfer->calls->multi, transfer->easy) == CURLM_OK;
}

static struct transfer *free_transfer(struct calls *calls)
{
    for (int i = 0; i < COURIER_CALLS_MAX; i++)
        if (calls->transfers[i].step == STEP_FREE)
            return &calls->transfers[i];
    return NULL;
}

enum result calls_add(struct calls *calls, const struct call *call)
{
    struct transfer *transfer = free_transfer(calls);
    if (!transfer)
        return RESULT_LIMITED;
    memset(transfer, 0, sizeof *transfer);
    arena_init(&transfer->arena);
    transfer->step = STEP_CALLING;
    transfer->calls = calls;
    transfer->socket = -1;
    transfer->started_ms = monotonic_ms();
    transfer->call = *call;
    transfer->call.body = arena_strdup(&transfer->arena, call->body);
    for (int i = 0; i < COURIER_HEADERS_MAX && call->headers[i]; i++)
        transfer->call.headers[i] = arena_strdup(&transfer->arena, call->headers[i]);
    calls->busy++;
    if (url_parse(call->url, URL_NO_FRAGMENT, &transfer->arena, &transfer->url) != RESULT_OK) {
        finish(transfer, SEND_BAD_URL);
        return RESULT_OK;
    }
    transfer->plain = !strcmp(transfer->url.scheme, "http");
    if (!begin(transfer)) {
        log_error("webhook-send", "why=\"libcurl refused a setting\"");
        finish(transfer, SEND_PROTOCOL);
    }
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
    for (int i = 0; i < COURIER_CALLS_MAX; i++) {
        struct transfer *transfer = &calls->transfers[i];
        if (transfer->step != STEP_CALLING)
            continue;
        int64_t left = deadline_of(transfer) - now;
        if (left <= 0)
            finish(transfer, error_of(transfer, CURLE_OPERATION_TIMEDOUT));
        else if (left < wait_ms)
            wait_ms = (int)left;
    }
    return wait_ms;
}

static bool any_done(const struct calls *calls)
{
    for (int i = 0; i < COURIER_CALLS_MAX; i++)
        if (calls->transfers[i].step == STEP_DONE)
            return true;
    return false;
}

static void move_on(struct calls *calls)
{
    int running;
    curl_multi_perform(calls->multi, &running);
    take_ends(calls);
}

void calls_run(struct calls *calls, struct pollfd *others, unsigned count, int wait_ms)
{
    struct curl_waitfd watched[OTHERS_MAX] = {0};
    for (unsigned i = 0; i < count; i++) {
        watched[i].fd = others[i].fd;
        watched[i].events = (short)((others[i].events & POLLIN ? CURL_WAIT_POLLIN : 0) |
                                    (others[i].events & POLLOUT ? CURL_WAIT_POLLOUT : 0));
    }
    move_on(calls);
    wait_ms = end_overdue(calls, wait_ms);
    curl_multi_poll(calls->multi, watched, count, any_done(calls) ? 0 : wait_ms, NULL);
    for (unsigned i = 0; i < count; i++)
        others[i].revents = watched[i].revents;
    move_on(calls);
    end_overdue(calls, 0);
}

enum result calls_take(struct calls *calls, struct send_outcome *out)
{
    for (int i = 0; i < COURIER_CALLS_MAX; i++) {
        struct transfer *transfer = &calls->transfers[i];
        if (transfer->step != STEP_DONE)
            continue;
        *out = transfer->outcome;
        arena_free(&transfer->arena);
        transfer->step = STEP_FREE;
        calls->busy--;
        return RESULT_OK;
    }
    return RESULT_NOT_FOUND;
}

/* ---- start and stop ---- */

/* Listens under a name that the kernel picks, which has no place in any folder; -1 when that fails. */
static int listen_to_self(char name[NAME_BYTES])
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t len = sizeof address;
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener < 0)
        return -1;
    if (bind(listener, (struct sockaddr *)&address, sizeof address.sun_family) || listen(listener, 1) ||
        getsockname(listener, (struct sockaddr *)&address, &len)) {
        close(listener);
        return -1;
    }
    size_t name_len = len - offsetof(struct sockaddr_un, sun_path) - 1; /* a zero byte leads it */
    snprintf(name, NAME_BYTES, "%.*s", (int)name_len, address.sun_path + 1);
    return listener;
}

/* Whether the hello of a handshake has come to the listener; *TALK is the connection it comes by, -1 at first. */
static bool heard_hello(int listener, int *talk)
{
    char byte;
    if (*talk < 0)
        *talk = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    return *talk >= 0 && recv(*talk, &byte, 1, MSG_PEEK) == 1;
}

/* libcurl reads the authorities when it first needs them and keeps them with the multi handle. It is made to need them here,
 * before files are out of reach, by a handshake with ourselves: when it says hello, it has read them. */
static enum result read_authorities(struct calls *calls)
{
    char name[NAME_BYTES];
    int listener = listen_to_self(name), talk = -1, running = 1;
    CURL *easy = curl_easy_init();
    bool ok = easy && listener >= 0, heard = false;
    struct transfer to_self = {.calls = calls, .socket = -1};
    ok = ok && set_refusals(easy, &to_self);
    SET(CURLOPT_OPENSOCKETFUNCTION, NULL);
    SET(CURLOPT_ABSTRACT_UNIX_SOCKET, name);
    SET(CURLOPT_URL, "https://nobody.invalid/");
    SET(CURLOPT_TIMEOUT_MS, (long)AUTHORITIES_MS);
    ok = ok && curl_multi_add_handle(calls->multi, easy) == CURLM_OK;
    while (ok && running && !heard) {
        ok = curl_multi_perform(calls->multi, &running) == CURLM_OK;
        heard = heard_hello(listener, &talk);
        if (running && !heard)
            curl_multi_poll(calls->multi, NULL, 0, 10, NULL);
    }
    if (easy) {
        curl_multi_remove_handle(calls->multi, easy);
        curl_easy_cleanup(easy);
    }
    if (talk >= 0)
        close(talk);
    if (listener >= 0)
        close(listener);
    return heard && running ? RESULT_OK : RESULT_FAILED; /* over already: they cannot be read */
}

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
    calls->multi = curl_multi_init();
    if (!calls->multi || read_authorities(calls) != RESULT_OK) {
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
    for (int i = 0; i < COURIER_CALLS_MAX; i++) {
        struct transfer *transfer = &calls->transfers[i];
        if (transfer->step == STEP_CALLING)
            finish(transfer, SEND_INTERRUPTED);
        if (transfer->step == STEP_DONE)
            arena_free(&transfer->arena);
    }
    curl_multi_cleanup(calls->multi);
    arena_free(&calls->arena);
    free(calls);
    curl_global_cleanup();
}
