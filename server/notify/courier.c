/* See courier.h.
 *
 * A job goes through three steps. Its host is looked up by the resolver's threads; every answer is judged, one bad one
 * refuses the job, and the good ones are pinned, so the name is never asked again and cannot change its mind between the
 * judgement and the call. libcurl then makes the call, and the address is judged twice more: when the socket is opened and
 * when the connection stands. Our own clock ends whatever libcurl's time-outs let through.
 *
 * Once a reply's headers are complete its status decides; the body is read only to be polite. */
#include "server/notify/courier.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "cards/base/arena.h"
#include "cards/base/str.h"
#include "cards/base/url.h"
#include "server/ids.h"
#include "server/log.h"
#include "server/notify/resolver.h"

enum { PINNED_MAX = 4, STATUS_NONE = 0 };

enum step { STEP_FREE, STEP_NAMING, STEP_CALLING, STEP_DONE };

struct transfer {
    enum step step;
    struct courier *courier;
    struct arena arena;
    int64_t id, started_ms, ticket;
    struct url url;
    const char *body;
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

struct courier {
    struct address_policy policy;
    struct courier_limits limits;
    CURLM *multi;
    struct resolver *resolver;
    int64_t tickets;
    size_t busy;
    struct transfer transfers[COURIER_JOBS_MAX];
};

void courier_scrub_environment(void)
{
    static const char *const NAMES[] = {
        "http_proxy",  "https_proxy",    "all_proxy",        "no_proxy",      "ftp_proxy",     "HTTP_PROXY",
        "HTTPS_PROXY", "ALL_PROXY",      "NO_PROXY",         "FTP_PROXY",     "SSLKEYLOGFILE", "NETRC",
        "CURL_HOME",   "CURL_CA_BUNDLE", "CURL_SSL_BACKEND", "SSL_CERT_FILE", "SSL_CERT_DIR",
    };
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        unsetenv(NAMES[i]);
    setenv("RES_OPTIONS", "timeout:1 attempts:2", 1);
}

static void resolver_spoke(void *context)
{
    courier_wake(context);
}

static int or_default(int value, int fallback)
{
    return value ? value : fallback;
}

enum result courier_open(const struct address_policy *policy, const struct courier_limits *limits, struct courier **out)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT))
        return RESULT_FAILED;
    struct courier *courier = calloc(1, sizeof *courier);
    if (!courier) {
        curl_global_cleanup();
        return RESULT_FAILED;
    }
    courier->policy = *policy;
    if (limits)
        courier->limits = *limits;
    courier->limits.name_ms = or_default(courier->limits.name_ms, COURIER_NAME_MS);
    courier->limits.connect_ms = or_default(courier->limits.connect_ms, COURIER_CONNECT_MS);
    courier->limits.answer_ms = or_default(courier->limits.answer_ms, COURIER_ANSWER_MS);
    courier->limits.deadline_ms = or_default(courier->limits.deadline_ms, COURIER_DEADLINE_MS);
    courier->multi = curl_multi_init();
    if (!courier->multi || resolver_open(resolver_spoke, courier, &courier->resolver) != RESULT_OK) {
        courier_close(courier);
        return RESULT_FAILED;
    }
    *out = courier;
    return RESULT_OK;
}

void courier_wake(struct courier *courier)
{
    curl_multi_wakeup(courier->multi);
}

size_t courier_busy(const struct courier *courier)
{
    return courier->busy;
}

/* ---- what libcurl calls ---- */

static enum address_verdict judge_address(struct transfer *transfer, const struct sockaddr *address, socklen_t len)
{
    enum address_verdict verdict = address_judge(&transfer->courier->policy, address, len);
    if (verdict == ADDRESS_PUBLIC && transfer->plain)
        verdict = ADDRESS_REFUSED;
    if (verdict == ADDRESS_REFUSED)
        transfer->refused = true;
    return verdict;
}

static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    if (purpose != CURLSOCKTYPE_IPCXN || judge_address(context, &address->addr, address->addrlen) == ADDRESS_REFUSED)
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
    char port[8];
    snprintf(port, sizeof port, "%d", primary_port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV}, *found;
    if (getaddrinfo(primary_ip, port, &hints, &found))
        return CURL_PREREQFUNC_ABORT;
    enum address_verdict verdict = judge_address(context, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return verdict == ADDRESS_REFUSED ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
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

/* ---- the end of a job ---- */

/* Which limit it was, by how far the call had come. */
static enum send_error timeout_of(const struct transfer *transfer)
{
    curl_off_t secured_us = 0, first_byte_us = 0;
    if (transfer->step == STEP_NAMING)
        return SEND_NAME_TIMEOUT;
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
    struct courier *courier = transfer->courier;
    curl_off_t retry_after_s = 0;
    if (transfer->easy) {
        curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
        curl_multi_remove_handle(courier->multi, transfer->easy);
        curl_easy_cleanup(transfer->easy);
        transfer->easy = NULL;
    }
    curl_slist_free_all(transfer->headers);
    curl_slist_free_all(transfer->pins);
    transfer->headers = transfer->pins = NULL;
    if (transfer->step == STEP_NAMING)
        resolver_forget(courier->resolver, transfer->ticket);
    transfer->outcome = (struct send_outcome){
        .id = transfer->id,
        .error = error,
        .status = transfer->answered ? transfer->status_seen : STATUS_NONE,
        .latency_ms = monotonic_ms() - transfer->started_ms,
        .retry_after_ms = retry_after_s > 0 && retry_after_s < 1000000 ? (int64_t)retry_after_s * 1000 : 0,
    };
    transfer->step = STEP_DONE;
}

/* ---- a job's way ---- */

static struct transfer *free_transfer(struct courier *courier)
{
    for (int i = 0; i < COURIER_JOBS_MAX; i++)
        if (courier->transfers[i].step == STEP_FREE)
            return &courier->transfers[i];
    return NULL;
}

enum result courier_add(struct courier *courier, const struct send_job *job)
{
    struct transfer *transfer = free_transfer(courier);
    if (!transfer)
        return RESULT_LIMITED;
    memset(transfer, 0, sizeof *transfer);
    arena_init(&transfer->arena);
    transfer->step = STEP_NAMING;
    transfer->courier = courier;
    transfer->socket = -1;
    transfer->id = job->id;
    transfer->ticket = ++courier->tickets;
    transfer->started_ms = monotonic_ms();
    transfer->body = arena_strdup(&transfer->arena, job->body);
    for (int i = 0; i < COURIER_HEADERS_MAX && job->headers[i]; i++)
        transfer->headers = curl_slist_append(transfer->headers, job->headers[i]);
    /* Without this libcurl would wait for a "100 Continue" that few receivers send. */
    transfer->headers = curl_slist_append(transfer->headers, "Expect:");
    courier->busy++;

    if (url_parse(job->url, URL_NO_FRAGMENT, &transfer->arena, &transfer->url) != RESULT_OK) {
        finish(transfer, SEND_BAD_URL);
        return RESULT_OK;
    }
    transfer->plain = !strcmp(transfer->url.scheme, "http");
    if (resolver_ask(courier->resolver, transfer->ticket, job->group, transfer->url.host, transfer->url.port) !=
        RESULT_OK)
        finish(transfer, SEND_NAME_NOT_FOUND);
    return RESULT_OK;
}

/* Judges every answer and pins the first few: "+host:port:a,b" (CURLOPT_RESOLVE). False: one of them may not be called. */
static bool pin(struct transfer *transfer, const struct resolved *answer)
{
    struct str text;
    str_init(&text, &transfer->arena, 1024);
    /* + lets libcurl's cache drop it in time; the next job pins anew anyway. */
    str_addf(&text, "+%s:%d:", transfer->url.host, transfer->url.port);
    for (int i = 0; i < answer->count; i++) {
        const struct sockaddr *address = (const struct sockaddr *)&answer->addresses[i];
        if (judge_address(transfer, address, sizeof answer->addresses[i]) == ADDRESS_REFUSED)
            return false;
        if (i >= PINNED_MAX)
            continue;
        char numeric[INET6_ADDRSTRLEN];
        const void *bytes = address->sa_family == AF_INET
                                ? (const void *)&((const struct sockaddr_in *)address)->sin_addr
                                : (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr;
        inet_ntop(address->sa_family, bytes, numeric, sizeof numeric);
        str_addf(&text, address->sa_family == AF_INET6 ? "%s[%s]" : "%s%s", i ? "," : "", numeric);
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
    SET(CURLOPT_ACCEPT_ENCODING, NULL);
    SET(CURLOPT_TRANSFER_ENCODING, 0L);
    SET(CURLOPT_MAXFILESIZE_LARGE,
        (curl_off_t)INT64_MAX); /* the counting callback ends a long body, after the status */
    SET(CURLOPT_BUFFERSIZE, 16384L);
    return ok;
}

static bool set_request(CURL *easy, struct transfer *transfer)
{
    const struct courier_limits *limits = &transfer->courier->limits;
    long left = (long)(limits->deadline_ms - (monotonic_ms() - transfer->started_ms));
    bool ok = true;
    SET(CURLOPT_URL, transfer->url.text);
    SET(CURLOPT_PRIVATE, transfer);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDSIZE, (long)strlen(transfer->body));
    SET(CURLOPT_POSTFIELDS, transfer->body);
    SET(CURLOPT_HTTPHEADER, transfer->headers);
    SET(CURLOPT_HEADERFUNCTION, take_header);
    SET(CURLOPT_HEADERDATA, transfer);
    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_WRITEDATA, transfer);
    SET(CURLOPT_TIMEOUT_MS, left > 0 ? left : 1L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)limits->connect_ms);
    SET(CURLOPT_LOW_SPEED_LIMIT, 1L);
    SET(CURLOPT_LOW_SPEED_TIME, 8L);
    return ok;
}

static void call(struct transfer *transfer, const struct resolved *answer)
{
    if (!answer->count) {
        finish(transfer, answer->timed_out ? SEND_NAME_TIMEOUT
                         : answer->failed  ? SEND_NAME_FAILED
                                           : SEND_NAME_NOT_FOUND);
        return;
    }
    transfer->step = STEP_CALLING;
    if (!pin(transfer, answer)) {
        finish(transfer, SEND_REFUSED_ADDRESS);
        return;
    }
    transfer->easy = curl_easy_init();
    if (!transfer->easy || !set_refusals(transfer->easy, transfer) || !set_request(transfer->easy, transfer) ||
        curl_multi_add_handle(transfer->courier->multi, transfer->easy)) {
        log_error("webhook-send", "why=\"libcurl refused a setting\"");
        finish(transfer, SEND_PROTOCOL);
    }
}

static void take_names(struct courier *courier)
{
    struct resolved answer;
    while (resolver_take(courier->resolver, &answer) == RESULT_OK)
        for (int i = 0; i < COURIER_JOBS_MAX; i++)
            if (courier->transfers[i].step == STEP_NAMING && courier->transfers[i].ticket == answer.ticket)
                call(&courier->transfers[i], &answer);
}

static void take_ends(struct courier *courier)
{
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(courier->multi, &left))) {
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result;
        char *at = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &at);
        struct transfer *transfer = (struct transfer *)(void *)at;
        finish(transfer, error_of(transfer, code));
    }
}

/* When the job's patience ends, on the monotonic clock. */
static int64_t deadline_of(const struct transfer *transfer)
{
    const struct courier_limits *limits = &transfer->courier->limits;
    int64_t patience = limits->deadline_ms;
    /* A name waits its turn behind the same member's others, hence the whole of it and not name_ms alone. */
    if (transfer->step == STEP_NAMING && limits->name_ms + limits->connect_ms < patience)
        patience = limits->name_ms + limits->connect_ms;
    if (transfer->step == STEP_CALLING && !transfer->answered && limits->answer_ms < patience)
        patience = limits->answer_ms;
    return transfer->started_ms + patience;
}

/* Ends what is overdue; the milliseconds until the next may be, at most WAIT_MS. */
static int end_overdue(struct courier *courier, int wait_ms)
{
    int64_t now = monotonic_ms();
    for (int i = 0; i < COURIER_JOBS_MAX; i++) {
        struct transfer *transfer = &courier->transfers[i];
        if (transfer->step != STEP_NAMING && transfer->step != STEP_CALLING)
            continue;
        int64_t left = deadline_of(transfer) - now;
        if (left <= 0)
            finish(transfer, error_of(transfer, CURLE_OPERATION_TIMEDOUT));
        else if (left < wait_ms)
            wait_ms = (int)left;
    }
    return wait_ms;
}

static size_t collect(struct courier *courier, struct send_outcome *out, size_t max)
{
    size_t count = 0;
    for (int i = 0; i < COURIER_JOBS_MAX && count < max; i++) {
        struct transfer *transfer = &courier->transfers[i];
        if (transfer->step != STEP_DONE)
            continue;
        out[count++] = transfer->outcome;
        arena_free(&transfer->arena);
        transfer->step = STEP_FREE;
        courier->busy--;
    }
    return count;
}

static void move_on(struct courier *courier)
{
    int running;
    take_names(courier);
    curl_multi_perform(courier->multi, &running);
    take_ends(courier);
}

size_t courier_run(struct courier *courier, int wait_ms, struct send_outcome *out, size_t max)
{
    move_on(courier);
    wait_ms = end_overdue(courier, wait_ms);
    size_t count = collect(courier, out, max);
    if (count || wait_ms <= 0)
        return count;
    curl_multi_poll(courier->multi, NULL, 0, wait_ms, NULL);
    move_on(courier);
    end_overdue(courier, 0);
    return collect(courier, out, max);
}

void courier_close(struct courier *courier)
{
    if (!courier)
        return;
    resolver_close(courier->resolver);
    for (int i = 0; i < COURIER_JOBS_MAX; i++) {
        struct transfer *transfer = &courier->transfers[i];
        if (transfer->easy) {
            curl_multi_remove_handle(courier->multi, transfer->easy);
            curl_easy_cleanup(transfer->easy);
        }
        curl_slist_free_all(transfer->headers);
        curl_slist_free_all(transfer->pins);
        arena_free(&transfer->arena);
    }
    curl_multi_cleanup(courier->multi);
    free(courier);
    curl_global_cleanup();
}

const char *webhook_url_complaint(const char *text, const struct address_policy *policy)
{
    struct arena arena;
    struct url url;
    const char *why = NULL;
    if (!text || !*text)
        return "Please give the address to send to.";
    if (strlen(text) > COURIER_URL_MAX)
        return "This address is too long.";
    if (strchr(text, '#'))
        return "Please leave out the part after #.";
    arena_init(&arena);
    if (url_parse(text, URL_NO_FRAGMENT, &arena, &url) != RESULT_OK) {
        why = "This is not a web address that starts with https:// and holds no user name.";
        goto done;
    }
    bool plain = !strcmp(url.scheme, "http");
    if (plain && !policy->count) {
        why = "The address must start with https://.";
        goto done;
    }
    char port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV}, *found;
    snprintf(port, sizeof port, "%d", url.port);
    if (url.host_is_address && !getaddrinfo(url.host, port, &hints, &found)) {
        enum address_verdict verdict = address_judge(policy, found->ai_addr, found->ai_addrlen);
        if (verdict == ADDRESS_REFUSED || (verdict == ADDRESS_PUBLIC && plain))
            why = "This address may not be called from here.";
        freeaddrinfo(found);
    }
done:
    arena_free(&arena);
    return why;
}
