/* A small site on a free port, and a client that says exactly the bytes it is told to. For the tests of server/http. */
#ifndef MEISHI_TESTS_HTTP_FIXTURE_H
#define MEISHI_TESTS_HTTP_FIXTURE_H

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "server/http/http.h"
#include "server/http/request.h"

enum { SITE_BODY_MAX = 1000, ANSWER_MAX = 1 << 20 };

/* Counts what handlers saw: a smuggled request would be seen. */
struct site {
    atomic_int dispatched, evil;
    struct ready_reply *ready;
    struct page_mould *mould, *longer; /* by as much as lets both have one place among the replies to HEAD */
    struct request *_Atomic waiting;
    atomic_int sleep_ms;
};

static const struct http_route SITE_PLAIN = {0, false, NULL};
static const struct http_route SITE_FORM = {SITE_BODY_MAX, false, "application/x-www-form-urlencoded text/plain"};
static const struct http_route SITE_PICTURE = {8 << 20, false, NULL};
static const struct http_route SITE_WORKER = {SITE_BODY_MAX, true, NULL};

static const struct http_route *site_match(void *app, struct request *request, int *status, const char **allow)
{
    (void)app;
    const char *path = request->path;
    bool get = request->method == HTTP_GET || request->method == HTTP_HEAD;
    if (strcmp(path, "/picture") == 0)
        return &SITE_PICTURE;
    if (strcmp(path, "/form") == 0 || strcmp(path, "/worker") == 0) {
        if (request->method == HTTP_POST || (get && path[1] == 'w'))
            return path[1] == 'f' ? &SITE_FORM : &SITE_WORKER;
        *status = 405;
        *allow = "POST";
        return NULL;
    }
    static const char *const PLAIN[] = {"/",      "/ready",  "/mould", "/wait", "/defer", "/client",
                                        "/owned", "/silent", "/evil",  "/see",  "/busy",  "/big"};
    for (size_t i = 0; i < sizeof PLAIN / sizeof *PLAIN; i++) {
        if (strcmp(path, PLAIN[i]) != 0)
            continue;
        if (get)
            return &SITE_PLAIN;
        *status = 405;
        *allow = "GET, HEAD";
        return NULL;
    }
    *status = 404;
    return NULL;
}

static void *site_finish_later(void *arg)
{
    struct request *request = arg;
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    reply_text(request, 200, "waited");
    request_finish(request);
    return NULL;
}

static void site_reply_client(struct request *request)
{
    char text[INET6_ADDRSTRLEN];
    inet_ntop(AF_INET6, request->client.bytes, text, sizeof text);
    reply_text(request, 200, arena_strdup(&request->arena, text));
}

static void site_dispatch(void *app, struct request *request)
{
    struct site *site = app;
    const char *path = request->path;
    atomic_fetch_add(&site->dispatched, 1);
    if (strcmp(path, "/evil") == 0)
        atomic_fetch_add(&site->evil, 1);
    if (strcmp(path, "/silent") == 0)
        return;
    if (strcmp(path, "/client") == 0) {
        site_reply_client(request);
    } else if (strcmp(path, "/ready") == 0) {
        reply_ready(request, site->ready);
    } else if (strcmp(path, "/mould") == 0) {
        const char *hole = request_query(request, "hole");
        struct page_mould *mould = request_query(request, "longer") ? site->longer : site->mould;
        reply_mould(request, mould_hold(mould), (const char *const[]){hole ? hole : "nobody"});
        if (request_query(request, "marked"))
            reply_header(request, "X-Hit", "unrecorded");
    } else if (strcmp(path, "/wait") == 0) {
        pthread_t thread;
        request_wait(request);
        assert(pthread_create(&thread, NULL, site_finish_later, request) == 0);
        pthread_detach(thread);
    } else if (strcmp(path, "/defer") == 0) {
        if (request_is_on_worker(request))
            reply_text(request, 200, "deferred");
        else
            request_defer(request);
    } else if (strcmp(path, "/see") == 0) {
        reply_cookie(request, "__Host-sid", "abc", 60, true);
        reply_see_other(request, "/form?x=1");
    } else if (strcmp(path, "/busy") == 0) {
        reply_text(request, 429, "later");
    } else if (strcmp(path, "/big") == 0) {
        size_t len = 8 << 20;
        reply_bytes(request, 200, "application/octet-stream", arena_alloc(&request->arena, len), len);
    } else if (strcmp(path, "/form") == 0) {
        const char *name = request_form(request, "name");
        reply_text(request, 200, name ? name : arena_printf(&request->arena, "%zu bytes", request->body_len));
    } else if (strcmp(path, "/worker") == 0) {
        int ms = atomic_load(&site->sleep_ms);
        nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL);
        reply_text(request, 200, "worked");
    } else {
        reply_text(request, 200, "hello");
    }
}

static void site_refuse(void *app, struct request *request, int status, const char *words)
{
    (void)app;
    reply_text(request, status, arena_printf(&request->arena, "refused: %s\n", words));
}

static struct http *site_start(struct site *site, const struct http_options *more)
{
    struct http_options options = more ? *more : (struct http_options){0};
    struct http *http;
    const char *why = "";
    *site = (struct site){0};
    site->ready =
        ready_new("ready bytes", 11, true, &(struct ready_options){.content_type = "text/plain", .cache = "no-cache"});
    static const struct ready_options plain = {.content_type = "text/plain"}, html = {.content_type = "text/html"};
    static const char *const holes[] = {"______", NULL};
    static const char longer[20 + 256] = "Dear ______, welcome";
    site->mould = mould_new(longer, 20, holes, &plain);
    site->longer = mould_new(longer, sizeof longer, holes, &html);
    if (!options.listen)
        options.listen = "127.0.0.1:0";
    options.handlers = (struct http_handlers){site, site_match, site_dispatch, site_refuse, NULL, NULL};
    if (http_open(&options, &http, &why) != RESULT_OK || http_run(http) != RESULT_OK) {
        fprintf(stderr, "the site does not start: %s\n", why);
        abort();
    }
    return http;
}

static void site_stop(struct site *site, struct http *http)
{
    http_stop(http, 2000);
    ready_drop(site->ready);
    mould_drop(site->mould);
    mould_drop(site->longer);
}

static int client_connect(int port)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof at) != 0) {
        perror("connect");
        abort();
    }
    return fd;
}

static void client_send(int fd, const void *bytes, size_t len)
{
    for (size_t sent = 0; sent < len;) {
        ssize_t n = send(fd, (const char *)bytes + sent, len - sent, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* the server may have hung up already: the test reads what it said */
        sent += (size_t)n;
    }
}

/* Reads until the server closes (true) or says nothing for QUIET_MS (false). */
__attribute__((unused)) static bool client_read(int fd, char *out, size_t room, int quiet_ms)
{
    size_t len = 0;
    for (;;) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        out[len] = '\0';
        if (poll(&wait, 1, quiet_ms) <= 0)
            return false;
        ssize_t n = recv(fd, out + len, room - 1 - len, 0);
        if (n <= 0 || (len += (size_t)n) >= room - 1) {
            out[len] = '\0';
            return n <= 0;
        }
    }
}

/* Reads one reply with a Content-Length, header and body. */
__attribute__((unused)) static void client_read_one(int fd, char *out, size_t room, bool head)
{
    size_t len = 0;
    for (;;) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        out[len] = '\0';
        const char *end = strstr(out, "\r\n\r\n");
        if (end) {
            const char *length = strstr(out, "Content-Length: ");
            size_t body = length && length < end && !head ? strtoul(length + 16, NULL, 10) : 0;
            if (strncmp(out, "HTTP/1.1 304", 12) == 0)
                body = 0;
            if (len >= (size_t)(end - out) + 4 + body)
                return;
        }
        ssize_t n = poll(&wait, 1, 3000) > 0 ? recv(fd, out + len, room - 1 - len, 0) : 0;
        if (n <= 0)
            return;
        len += (size_t)n;
    }
}

__attribute__((unused)) static int status_of(const char *reply)
{
    return strncmp(reply, "HTTP/1.", 7) == 0 ? (int)strtol(reply + 9, NULL, 10) : 0;
}

/* How many status lines are in what the server said. */
__attribute__((unused)) static int count_replies(const char *text)
{
    int count = 0;
    for (const char *at = text; (at = strstr(at, "HTTP/1.1 ")) != NULL; at++)
        count++;
    return count;
}

__attribute__((unused)) static const char *body_of(const char *reply)
{
    const char *end = strstr(reply, "\r\n\r\n");
    return end ? end + 4 : "";
}

#endif
