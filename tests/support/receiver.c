/* See receiver.h. A thread a connection: it is a test's, and what it is for is to be rude. */
#include "tests/support/receiver.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { KEPT_MAX = 512, PATHS_MAX = 32 };

struct open_count {
    char path[128];
    int now, most;
};

struct receiver {
    int socket, port;
    pthread_t thread;
    pthread_mutex_t lock;
    atomic_bool closing;
    atomic_int conversations;
    int count;
    struct received kept[KEPT_MAX];
    struct open_count open[PATHS_MAX];
};

struct conversation {
    struct receiver *receiver;
    int socket;
};

static void say(int socket, const char *text)
{
    for (size_t len = strlen(text); len;) {
        ssize_t sent = send(socket, text, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        text += sent;
        len -= (size_t)sent;
    }
}

/* Waits, but not longer than the receiver or the other side lives; false when it is over. */
static bool pause_ms(struct conversation *talk, int ms)
{
    for (int waited = 0; waited < ms; waited += 20) {
        if (atomic_load(&talk->receiver->closing))
            return false;
        struct pollfd end = {.fd = talk->socket, .events = POLLRDHUP};
        if (poll(&end, 1, 20) > 0)
            return false;
    }
    return true;
}

static void header_value(const char *request, const char *name, char *out, size_t size)
{
    out[0] = '\0';
    for (const char *line = strstr(request, "\r\n"); line && line[2] != '\r'; line = strstr(line + 2, "\r\n")) {
        const char *at = line + 2;
        size_t len = strlen(name);
        if (strncasecmp(at, name, len) || at[len] != ':')
            continue;
        at += len + 1;
        at += strspn(at, " ");
        size_t value = strcspn(at, "\r\n");
        snprintf(out, size, "%.*s", (int)value, at);
        return;
    }
}

/* Reads one whole request; false when the other side went away first. */
static bool read_request(struct conversation *talk, struct received *out)
{
    static const size_t SIZE = 65536;
    char *text = calloc(1, SIZE);
    size_t have = 0, body_len = 0;
    char *body = NULL, length[16];
    bool whole = false;
    while (text && have < SIZE - 1) {
        ssize_t got = recv(talk->socket, text + have, SIZE - 1 - have, 0);
        if (got <= 0)
            break;
        have += (size_t)got;
        if (text[0] == '\x16') { /* a TLS hello: this receiver speaks plain HTTP only */
            say(talk->socket, "HTTP/1.1 400 Bad Request\r\n\r\n");
            break;
        }
        if (!body && (body = strstr(text, "\r\n\r\n"))) {
            body += 4;
            header_value(text, "Content-Length", length, sizeof length);
            body_len = strtoul(length, NULL, 10);
        }
        if (body && have >= (size_t)(body - text) + body_len) {
            whole = true;
            break;
        }
    }
    if (whole) {
        memset(out, 0, sizeof *out);
        sscanf(text, "%*s %127s", out->path);
        header_value(text, "webhook-id", out->id, sizeof out->id);
        header_value(text, "webhook-timestamp", out->timestamp, sizeof out->timestamp);
        header_value(text, "webhook-signature", out->signature, sizeof out->signature);
        header_value(text, "Content-Type", out->type, sizeof out->type);
        snprintf(out->body, sizeof out->body, "%s", body);
    }
    free(text);
    return whole;
}

static struct open_count *open_count_of(struct receiver *receiver, const char *path)
{
    for (int i = 0; i < PATHS_MAX; i++) {
        struct open_count *at = &receiver->open[i];
        if (!at->path[0])
            snprintf(at->path, sizeof at->path, "%s", path);
        if (!strcmp(at->path, path))
            return at;
    }
    abort();
}

static int keep(struct receiver *receiver, const struct received *request)
{
    pthread_mutex_lock(&receiver->lock);
    int earlier = 0;
    for (int i = 0; i < receiver->count; i++)
        earlier += !strcmp(receiver->kept[i].path, request->path);
    if (receiver->count < KEPT_MAX)
        receiver->kept[receiver->count++] = *request;
    struct open_count *open = open_count_of(receiver, request->path);
    if (++open->now > open->most)
        open->most = open->now;
    pthread_mutex_unlock(&receiver->lock);
    return earlier;
}

static void reset(int socket)
{
    struct linger at_once = {.l_onoff = 1};
    setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

static void answer(struct conversation *talk, const char *path, int earlier)
{
    int to = talk->socket;
    char text[128];
    if (!strcmp(path, "/ok")) {
        say(to, "HTTP/1.1 204 No Content\r\n\r\n");
    } else if (!strcmp(path, "/slow-ok")) {
        pause_ms(talk, 1000);
        say(to, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    } else if (!strncmp(path, "/status/", 8)) {
        snprintf(text, sizeof text, "HTTP/1.1 %.3s Word\r\nContent-Length: 2\r\n\r\nno", path + 8);
        say(to, text);
    } else if (!strcmp(path, "/retry-after")) {
        say(to, "HTTP/1.1 503 Busy\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n");
    } else if (!strcmp(path, "/gone")) {
        say(to, "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n");
    } else if (!strcmp(path, "/flaky")) {
        say(to,
            earlier ? "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" : "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
    } else if (!strcmp(path, "/redirect")) {
        snprintf(text, sizeof text,
                 "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%d/ok\r\nContent-Length: 0\r\n\r\n",
                 talk->receiver->port);
        say(to, text);
    } else if (!strcmp(path, "/silence")) {
        pause_ms(talk, 60000);
    } else if (!strcmp(path, "/drip-header")) {
        const char *drip = "HTTP/1.1 200 OK\r\nX-A: ";
        while (*drip && pause_ms(talk, 100))
            say(to, (char[]){*drip++, '\0'});
        while (pause_ms(talk, 100))
            say(to, "a");
    } else if (!strcmp(path, "/drip-body")) {
        say(to, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
        while (pause_ms(talk, 100))
            say(to, "a");
    } else if (!strcmp(path, "/endless-header")) {
        say(to, "HTTP/1.1 200 OK\r\n");
        for (int i = 0; i < 100000 && !atomic_load(&talk->receiver->closing); i++)
            say(to, "X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n");
    } else if (!strcmp(path, "/endless-continue")) {
        for (int i = 0; i < 100000 && !atomic_load(&talk->receiver->closing); i++)
            say(to, "HTTP/1.1 100 Continue\r\n\r\n");
    } else if (!strcmp(path, "/endless-body")) {
        say(to, "HTTP/1.1 200 OK\r\n\r\n");
        for (int i = 0; i < 100000 && !atomic_load(&talk->receiver->closing); i++)
            say(to, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    } else if (!strcmp(path, "/reset")) {
        reset(to);
    } else if (!strcmp(path, "/short")) {
        say(to, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort");
    } else if (!strcmp(path, "/garbage")) {
        say(to, "\x16\x03\x01 this is not what you asked for\r\n\r\n");
    } else if (!strcmp(path, "/old")) {
        say(to, "<h1>Hello from 1991</h1>");
    } else {
        say(to, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    }
}

static void *converse(void *context)
{
    struct conversation *talk = context;
    struct receiver *receiver = talk->receiver;
    struct received *request = malloc(sizeof *request);
    if (request && read_request(talk, request)) {
        int earlier = keep(receiver, request);
        answer(talk, request->path, earlier);
        pthread_mutex_lock(&receiver->lock);
        open_count_of(receiver, request->path)->now--;
        pthread_mutex_unlock(&receiver->lock);
    }
    free(request);
    close(talk->socket);
    free(talk);
    atomic_fetch_sub(&receiver->conversations, 1);
    return NULL;
}

static void *listen_on(void *context)
{
    struct receiver *receiver = context;
    while (!atomic_load(&receiver->closing)) {
        struct pollfd ready = {.fd = receiver->socket, .events = POLLIN};
        if (poll(&ready, 1, 50) <= 0)
            continue;
        struct conversation *talk = malloc(sizeof *talk);
        if (!talk)
            abort();
        *talk = (struct conversation){.receiver = receiver, .socket = accept(receiver->socket, NULL, NULL)};
        pthread_t thread;
        atomic_fetch_add(&receiver->conversations, 1);
        if (talk->socket < 0 || pthread_create(&thread, NULL, converse, talk))
            abort();
        pthread_detach(thread);
    }
    return NULL;
}

struct receiver *receiver_open(void)
{
    struct receiver *receiver = calloc(1, sizeof *receiver);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    if (!receiver)
        abort();
    pthread_mutex_init(&receiver->lock, NULL);
    receiver->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(receiver->socket, (struct sockaddr *)&address, len) || listen(receiver->socket, 128) ||
        getsockname(receiver->socket, (struct sockaddr *)&address, &len))
        abort();
    receiver->port = ntohs(address.sin_port);
    if (pthread_create(&receiver->thread, NULL, listen_on, receiver))
        abort();
    return receiver;
}

int receiver_port(const struct receiver *receiver)
{
    return receiver->port;
}

int receiver_count(struct receiver *receiver, const char *path)
{
    int count = 0;
    pthread_mutex_lock(&receiver->lock);
    for (int i = 0; i < receiver->count; i++)
        count += !path || !strcmp(receiver->kept[i].path, path);
    pthread_mutex_unlock(&receiver->lock);
    return count;
}

int receiver_get(struct receiver *receiver, const char *path, int n, struct received *out)
{
    int found = -1;
    pthread_mutex_lock(&receiver->lock);
    for (int i = 0; i < receiver->count && found; i++)
        if (!strcmp(receiver->kept[i].path, path) && n-- == 0) {
            *out = receiver->kept[i];
            found = 0;
        }
    pthread_mutex_unlock(&receiver->lock);
    return found;
}

int receiver_most_at_once(struct receiver *receiver, const char *path)
{
    pthread_mutex_lock(&receiver->lock);
    int most = open_count_of(receiver, path)->most;
    pthread_mutex_unlock(&receiver->lock);
    return most;
}

void receiver_close(struct receiver *receiver)
{
    atomic_store(&receiver->closing, true);
    pthread_join(receiver->thread, NULL);
    while (atomic_load(&receiver->conversations))
        usleep(5000);
    close(receiver->socket);
    pthread_mutex_destroy(&receiver->lock);
    free(receiver);
}
