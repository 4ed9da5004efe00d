/* See sender.h.
 *
 * A job goes through three steps. Its host is looked up by the resolver's threads; every answer is judged, one bad one
 * refuses the job, and the good ones are pinned, so the name is never asked again and cannot change its mind between the
 * judgement and the call. libcurl then makes the call, and the address is judged twice more: when the socket is opened and
 * when the connection stands. Our own clock ends whatever libcurl's time-outs let through.
 *
 * Once a reply's headers are complete its status decides; the body is read only to be polite. */
#include "server/notify/sender.h"

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
#include "server/ids.h"
#include "server/log.h"
#include "server/notify/resolver.h"

enum { PINNED_MAX = 4, STATUS_NONE = 0 };

enum step { STEP_FREE, STEP_NAMING, STEP_CALLING, STEP_DONE };

struct transfer {
    enum step step;
    struct sender *sender;
    struct arena arena;
    int64_t id, started_ms, ticket;
    const char *url, *host, *port, *body;
    bool plain;          /* http */
    bool refused;        /* a callback met an address that may not be called */
    bool too_large;
    bool answered;       /* the final reply's headers are complete */
    size_t header_bytes, body_bytes;
    int status_seen;
    CURL *easy;
    struct curl_slist *headers, *pins;
    struct send_outcome outcome;
};

struct sender {
    struct address_policy policy;
    struct sender_limits limits;
    CURLM *multi;
    struct resolver *resolver;
    int64_t tickets;
    size_t busy;
    struct transfer transfers[SENDER_JOBS_MAX];
};

const char *send_error_name(enum send_error error)
{
    static const char *const NAMES[] = {
        [SEND_OK] = NULL,           [SEND_REFUSED_ADDRESS] = "refused address",
        [SEND_NAME_NOT_FOUND] = "name not found", [SEND_CONNECT] = "connect",
        [SEND_TLS] = "tls",         [SEND_TIMEOUT] = "timeout",
        [SEND_STATUS] = "status",   [SEND_TOO_LARGE] = "too large",
        [SEND_PROTOCOL] = "protocol", [SEND_REDIRECT] = "redirect",
    };
    return NAMES[error];
}

void sender_scrub_environment(void)
{
    static const char *const NAMES[] = {
        "http_proxy", "https_proxy", "all_proxy", "no_proxy", "ftp_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
        "FTP_PROXY", "SSLKEYLOGFILE", "NETRC", "CURL_HOME", "CURL_CA_BUNDLE", "CURL_SSL_BACKEND", "SSL_CERT_FILE", "SSL_CERT_DIR",
    };
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        unsetenv(NAMES[i]);
    setenv("RES_OPTIONS", "timeout:1 attempts:2", 1);
}

static void resolver_spoke(void *context)
{
    sender_wake(context);
}

static int or_default(int value, int fallback)
{
    return value ? value : fallback;
}

enum result sender_open(const struct address_policy *policy, const struct sender_limits *limits, struct sender **out)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT))
        return RESULT_FAILED;
    struct sender *sender = calloc(1, sizeof *sender);
    if (!sender) {
        curl_global_cleanup();
        return RESULT_FAILED;
    }
    sender->policy = *policy;
    if (limits)
        sender->limits = *limits;
    sender->limits.name_ms = or_default(sender->limits.name_ms, SENDER_NAME_MS);
    sender->limits.connect_ms = or_default(sender->limits.connect_ms, SENDER_CONNECT_MS);
    sender->limits.answer_ms = or_default(sender->limits.answer_ms, SENDER_ANSWER_MS);
    sender->limits.deadline_ms = or_default(sender->limits.deadline_ms, SENDER_DEADLINE_MS);
    sender->multi = curl_multi_init();
    if (!sender->multi || resolver_open(resolver_spoke, sender, &sender->resolver) != RESULT_OK) {
        sender_close(sender);
        return RESULT_FAILED;
    }
    *out = sender;
    return RESULT_OK;
}

void sender_wake(struct sender *sender)
{
    curl_multi_wakeup(sender->multi);
}

size_t sender_busy(const struct sender *sender)
{
    return sender->busy;
}

/* ---- what libcurl calls ---- */

static enum address_verdict judge_address(struct transfer *transfer, const struct sockaddr *address, socklen_t len)
{
    enum address_verdict verdict = address_judge(&transfer->sender->policy, address, len);
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
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
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
    if (transfer->header_bytes > SENDER_REPLY_MAX) {
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
    return transfer->body_bytes > SENDER_REPLY_MAX ? 0 : size * count;
}

/* ---- the end of a job ---- */

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
        return SEND_TIMEOUT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return SEND_TLS;
    case CURLE_OUT_OF_MEMORY: /* how this libcurl names endless headers */
    case CURLE_FILESIZE_EXCEEDED:
        return SEND_TOO_LARGE;
    default:
        return SEND_PROTOCOL;
    }
}

static void finish(struct transfer *transfer, enum send_error error)
{
    struct sender *sender = transfer->sender;
    curl_off_t retry_after_s = 0;
    if (transfer->easy) {
        curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
        curl_multi_remove_handle(sender->multi, transfer->easy);
        curl_easy_cleanup(transfer->easy);
        transfer->easy = NULL;
    }
    curl_slist_free_all(transfer->headers);
    curl_slist_free_all(transfer->pins);
    transfer->headers = transfer->pins = NULL;
    if (transfer->step == STEP_NAMING)
        resolver_forget(sender->resolver, transfer->ticket);
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

/* One part of a URL into the arena, NULL when it has none. */
static const char *url_part(CURLU *url, CURLUPart part, unsigned flags, struct arena *arena)
{
    char *text;
    if (curl_url_get(url, part, &text, flags))
        return NULL;
    const char *copy = arena_strdup(arena, text);
    curl_free(text);
    return copy;
}

/* Takes a URL apart; a sentence when it is not one that could be called. */
static const char *take_apart(const char *text, struct arena *arena, bool *plain, const char **host, const char **port)
{
    if (!text || !*text)
        return "Please give the address to send to.";
    if (strlen(text) > SENDER_URL_MAX)
        return "This address is too long.";
    for (const char *at = text; *at; at++)
        if ((unsigned char)*at <= ' ' || *at == 0x7f)
            return "An address holds no spaces or control characters.";
    const char *why = "This is not a web address.";
    CURLU *url = curl_url();
    if (!url || curl_url_set(url, CURLUPART_URL, text, 0))
        goto done;
    const char *scheme = url_part(url, CURLUPART_SCHEME, 0, arena);
    *plain = scheme && !strcmp(scheme, "http");
    *host = url_part(url, CURLUPART_HOST, CURLU_PUNYCODE, arena); /* as libcurl will ask for it */
    *port = url_part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT, arena);
    if (!scheme || (!*plain && strcmp(scheme, "https")))
        why = "The address must start with https://.";
    else if (url_part(url, CURLUPART_USER, 0, arena) || url_part(url, CURLUPART_PASSWORD, 0, arena))
        why = "Please leave the user name and password out of the address.";
    else if (url_part(url, CURLUPART_FRAGMENT, 0, arena))
        why = "Please leave out the part after #.";
    else if (*host && **host && *port)
        why = NULL;
done:
    curl_url_cleanup(url);
    return why;
}

/* Brackets off an IPv6 host. */
static const char *bare_host(const char *host, struct arena *arena)
{
    size_t len = strlen(host);
    return host[0] == '[' && len > 2 && host[len - 1] == ']' ? arena_strndup(arena, host + 1, len - 2) : host;
}

static struct transfer *free_transfer(struct sender *sender)
{
    for (int i = 0; i < SENDER_JOBS_MAX; i++)
        if (sender->transfers[i].step == STEP_FREE)
            return &sender->transfers[i];
    return NULL;
}

enum result sender_add(struct sender *sender, const struct send_job *job)
{
    struct transfer *transfer = free_transfer(sender);
    if (!transfer)
        return RESULT_LIMITED;
    memset(transfer, 0, sizeof *transfer);
    arena_init(&transfer->arena);
    transfer->step = STEP_NAMING;
    transfer->sender = sender;
    transfer->id = job->id;
    transfer->ticket = ++sender->tickets;
    transfer->started_ms = monotonic_ms();
    transfer->url = arena_strdup(&transfer->arena, job->url);
    transfer->body = arena_strdup(&transfer->arena, job->body);
    for (int i = 0; i < SENDER_HEADERS_MAX && job->headers[i]; i++)
        transfer->headers = curl_slist_append(transfer->headers, job->headers[i]);
    /* Without this libcurl would wait for a "100 Continue" that few receivers send. */
    transfer->headers = curl_slist_append(transfer->headers, "Expect:");
    sender->busy++;

    if (take_apart(transfer->url, &transfer->arena, &transfer->plain, &transfer->host, &transfer->port))
        finish(transfer, SEND_PROTOCOL);
    else if (resolver_ask(sender->resolver, transfer->ticket, job->group, bare_host(transfer->host, &transfer->arena),
                          transfer->port) != RESULT_OK)
        finish(transfer, SEND_NAME_NOT_FOUND);
    return RESULT_OK;
}

/* Judges every answer and pins the first few: "+host:port:a,b" (CURLOPT_RESOLVE). False: one of them may not be called. */
static bool pin(struct transfer *transfer, const struct resolved *answer)
{
    struct str text;
    str_init(&text, &transfer->arena, 1024);
    /* + lets libcurl's cache drop it in time; the next job pins anew anyway. */
    str_addf(&text, "+%s:%s:", transfer->host, transfer->port);
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
    if (transfer->host[0] == '[')
        return true; /* an address already: there is no name to pin */
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
    SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)INT64_MAX); /* the counting callback ends a long body, after the status */
    SET(CURLOPT_BUFFERSIZE, 16384L);
    return ok;
}

static bool set_request(CURL *easy, struct transfer *transfer)
{
    const struct sender_limits *limits = &transfer->sender->limits;
    long left = (long)(limits->deadline_ms - (monotonic_ms() - transfer->started_ms));
    bool ok = true;
    SET(CURLOPT_URL, transfer->url);
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
        finish(transfer, SEND_NAME_NOT_FOUND);
        return;
    }
    transfer->step = STEP_CALLING;
    if (!pin(transfer, answer)) {
        finish(transfer, SEND_REFUSED_ADDRESS);
        return;
    }
    transfer->easy = curl_easy_init();
    if (!transfer->easy || !set_refusals(transfer->easy, transfer) || !set_request(transfer->easy, transfer) ||
        curl_multi_add_handle(transfer->sender->multi, transfer->easy)) {
        log_error("webhook-send", "why=\"libcurl refused a setting\"");
        finish(transfer, SEND_PROTOCOL);
    }
}

static void take_names(struct sender *sender)
{
    struct resolved answer;
    while (resolver_take(sender->resolver, &answer) == RESULT_OK)
        for (int i = 0; i < SENDER_JOBS_MAX; i++)
            if (sender->transfers[i].step == STEP_NAMING && sender->transfers[i].ticket == answer.ticket)
                call(&sender->transfers[i], &answer);
}

static void take_ends(struct sender *sender)
{
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(sender->multi, &left))) {
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
    const struct sender_limits *limits = &transfer->sender->limits;
    int64_t patience = limits->deadline_ms;
    /* A name waits its turn behind the same member's others, hence the whole of it and not name_ms alone. */
    if (transfer->step == STEP_NAMING && limits->name_ms + limits->connect_ms < patience)
        patience = limits->name_ms + limits->connect_ms;
    if (transfer->step == STEP_CALLING && !transfer->answered && limits->answer_ms < patience)
        patience = limits->answer_ms;
    return transfer->started_ms + patience;
}

/* Ends what is overdue; the milliseconds until the next may be, at most WAIT_MS. */
static int end_overdue(struct sender *sender, int wait_ms)
{
    int64_t now = monotonic_ms();
    for (int i = 0; i < SENDER_JOBS_MAX; i++) {
        struct transfer *transfer = &sender->transfers[i];
        if (transfer->step != STEP_NAMING && transfer->step != STEP_CALLING)
            continue;
        int64_t left = deadline_of(transfer) - now;
        if (left <= 0)
            finish(transfer, transfer->step == STEP_NAMING ? SEND_NAME_NOT_FOUND : error_of(transfer, CURLE_OPERATION_TIMEDOUT));
        else if (left < wait_ms)
            wait_ms = (int)left;
    }
    return wait_ms;
}

static size_t collect(struct sender *sender, struct send_outcome *out, size_t max)
{
    size_t count = 0;
    for (int i = 0; i < SENDER_JOBS_MAX && count < max; i++) {
        struct transfer *transfer = &sender->transfers[i];
        if (transfer->step != STEP_DONE)
            continue;
        out[count++] = transfer->outcome;
        arena_free(&transfer->arena);
        transfer->step = STEP_FREE;
        sender->busy--;
    }
    return count;
}

static void move_on(struct sender *sender)
{
    int running;
    take_names(sender);
    curl_multi_perform(sender->multi, &running);
    take_ends(sender);
}

size_t sender_run(struct sender *sender, int wait_ms, struct send_outcome *out, size_t max)
{
    move_on(sender);
    wait_ms = end_overdue(sender, wait_ms);
    size_t count = collect(sender, out, max);
    if (count || wait_ms <= 0)
        return count;
    curl_multi_poll(sender->multi, NULL, 0, wait_ms, NULL);
    move_on(sender);
    end_overdue(sender, 0);
    return collect(sender, out, max);
}

void sender_close(struct sender *sender)
{
    if (!sender)
        return;
    resolver_close(sender->resolver);
    for (int i = 0; i < SENDER_JOBS_MAX; i++) {
        struct transfer *transfer = &sender->transfers[i];
        if (transfer->easy) {
            curl_multi_remove_handle(sender->multi, transfer->easy);
            curl_easy_cleanup(transfer->easy);
        }
        curl_slist_free_all(transfer->headers);
        curl_slist_free_all(transfer->pins);
        arena_free(&transfer->arena);
    }
    curl_multi_cleanup(sender->multi);
    free(sender);
    curl_global_cleanup();
}

const char *sender_url_complaint(const char *url, const struct address_policy *policy)
{
    struct arena arena;
    arena_init(&arena);
    bool plain = false;
    const char *host = NULL, *port = NULL;
    const char *why = take_apart(url, &arena, &plain, &host, &port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV}, *found;
    if (!why && plain && !policy->count)
        why = "The address must start with https://.";
    if (!why && !getaddrinfo(bare_host(host, &arena), port, &hints, &found)) {
        enum address_verdict verdict = address_judge(policy, found->ai_addr, found->ai_addrlen);
        if (verdict == ADDRESS_REFUSED || (verdict == ADDRESS_PUBLIC && plain))
            why = "This address may not be called from here.";
        freeaddrinfo(found);
    }
    arena_free(&arena);
    return why;
}
