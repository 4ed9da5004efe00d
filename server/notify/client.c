/* See client.h. */
#include "server/notify/client.h"

#include <curl/curl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include "cards/base/str.h"
#include "server/ids.h"

struct client {
    CURLM *multi;
    int stop_fd;
    bool stopped;
};

enum result client_open(int stop_fd, struct client **out)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT))
        return RESULT_FAILED;
    struct client *client = calloc(1, sizeof *client);
    if (client && (client->multi = curl_multi_init())) {
        client->stop_fd = stop_fd;
        *out = client;
        return RESULT_OK;
    }
    free(client);
    curl_global_cleanup();
    return RESULT_FAILED;
}

void client_close(struct client *client)
{
    if (!client)
        return;
    curl_multi_cleanup(client->multi);
    free(client);
    curl_global_cleanup();
}

void client_stop_by(struct client *client, int stop_fd)
{
    client->stop_fd = stop_fd;
    client->stopped = false;
}

bool client_is_stopped(const struct client *client)
{
    return client->stopped;
}

void client_nap(struct client *client, int ms)
{
    struct pollfd stop = {.fd = client->stop_fd, .events = POLLIN}; /* -1 is passed over */
    if (!client->stopped && poll(&stop, 1, ms) > 0)
        client->stopped = true;
}

/* ---- one request ---- */

struct exchange {
    struct str body;
    size_t seen;
    long status;   /* of the head that is being read */
    bool complete; /* that head has ended, and it is no 1xx */
    bool keeps_body;
};

static size_t take_header(char *line, size_t size, size_t count, void *context)
{
    struct exchange *exchange = context;
    size_t len = size * count;
    if (len > 9 && !strncmp(line, "HTTP/", 5)) {
        const char *space = memchr(line, ' ', len);
        exchange->status = space ? strtol(space, NULL, 10) : 0;
    } else if (len <= 2 && (line[0] == '\r' || line[0] == '\n') && exchange->status >= 200) {
        exchange->complete = true;
    }
    return len;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *context)
{
    struct exchange *exchange = context;
    size_t len = size * count;
    exchange->seen += len;
    if (exchange->keeps_body)
        str_add_n(&exchange->body, bytes, len);
    bool too_large = exchange->keeps_body ? exchange->body.failed : exchange->seen > COURIER_REPLY_MAX;
    return too_large ? 0 : len;
}

static enum send_error error_of(CURLcode code)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return SEND_NAME_NOT_FOUND;
    case CURLE_COULDNT_CONNECT:
        return SEND_CONNECT;
    case CURLE_OPERATION_TIMEDOUT:
        return SEND_TIMEOUT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        return SEND_TLS;
    case CURLE_WRITE_ERROR:
        return SEND_TOO_LARGE;
    default:
        return SEND_PROTOCOL;
    }
}

#define SET(option, value) (ok = ok && curl_easy_setopt(easy, option, value) == CURLE_OK)

static bool set_up(CURL *easy, const struct client_request *request, struct curl_slist *headers,
                   struct exchange *exchange, char *words)
{
    bool ok = true;
    SET(CURLOPT_URL, request->url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_HTTP09_ALLOWED, 0L);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_CUSTOMREQUEST, request->method);
    if (request->body) {
        SET(CURLOPT_POSTFIELDSIZE, (long)strlen(request->body));
        SET(CURLOPT_POSTFIELDS, request->body);
    }
    SET(CURLOPT_HTTPHEADER, headers);
    SET(CURLOPT_HEADERFUNCTION, take_header);
    SET(CURLOPT_HEADERDATA, exchange);
    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_WRITEDATA, exchange);
    SET(CURLOPT_ERRORBUFFER, words);
    SET(CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)COURIER_CONNECT_MS);
    if (request->as_courier) {
        SET(CURLOPT_PROXY, "");
        SET(CURLOPT_FRESH_CONNECT, 1L);
        SET(CURLOPT_FORBID_REUSE, 1L);
    }
    return ok;
}

/* Until the transfer has ended (true) or the client is stopped. */
static bool run(struct client *client, CURLcode *code)
{
    int running = 1, left;
    while (!client->stopped) {
        if (curl_multi_perform(client->multi, &running))
            break;
        CURLMsg *message = curl_multi_info_read(client->multi, &left);
        if (message && message->msg == CURLMSG_DONE) {
            *code = message->data.result;
            return true;
        }
        struct curl_waitfd stop = {.fd = client->stop_fd, .events = CURL_WAIT_POLLIN};
        curl_multi_poll(client->multi, &stop, client->stop_fd >= 0, 1000, NULL);
        client->stopped = stop.revents != 0;
    }
    return false;
}

enum result client_ask(struct client *client, const struct client_request *request, struct arena *arena,
                       struct client_answer *out)
{
    char words[CURL_ERROR_SIZE] = "";
    CURLcode code = CURLE_FAILED_INIT;
    struct exchange exchange = {.keeps_body = !request->as_courier};
    struct curl_slist *headers = NULL;
    int64_t started_ms = monotonic_ms();
    bool ended = false;
    str_init(&exchange.body, arena, CLIENT_ANSWER_MAX);
    for (int i = 0; i < CLIENT_HEADERS_MAX && request->headers[i]; i++)
        headers = curl_slist_append(headers, request->headers[i]);
    headers = curl_slist_append(headers, "Expect:");
    CURL *easy = curl_easy_init();
    if (easy && headers && set_up(easy, request, headers, &exchange, words) &&
        !curl_multi_add_handle(client->multi, easy)) {
        ended = run(client, &code);
        curl_multi_remove_handle(client->multi, easy);
    }
    curl_easy_cleanup(easy);
    curl_slist_free_all(headers);
    /* A status decides, as it does for the courier, even if a receiver's body never ends. */
    bool answered = ended && exchange.complete && (code == CURLE_OK || request->as_courier);
    *out = (struct client_answer){.status = answered ? (int)exchange.status : 0,
                                  .latency_ms = monotonic_ms() - started_ms,
                                  .body = exchange.body.data,
                                  .error = answered ? SEND_OK : error_of(code),
                                  .words = arena_strdup(arena, *words ? words : curl_easy_strerror(code))};
    return answered ? RESULT_OK : RESULT_FAILED;
}
