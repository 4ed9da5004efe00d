/* Asks for the heads of many addresses over keep-alive connections, since wrk waits for a body that HEAD has not:
 *
 *   heads PORT CONNECTIONS SECONDS FILE-OF-PATHS USER-AGENT
 *
 * One request under way a connection. Prints what shares.lua prints. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PATHS_MAX = 4096, REQUEST_MAX = 768, ANSWER_MAX = 4096, EVENTS_MAX = 256, TIMES_MAX = 1 << 22 };

struct client {
    int fd;
    size_t len;
    double asked_s;
    char answer[ANSWER_MAX];
};

static char requests[PATHS_MAX][REQUEST_MAX];
static size_t path_count, next_path;
static float times_ms[TIMES_MAX];
static size_t answered, errors, bytes;

static double now_s(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec * 1e-9;
}

static void must(int ok, const char *what)
{
    if (ok)
        return;
    perror(what);
    exit(1);
}

static void read_paths(const char *name, const char *agent)
{
    char line[256];
    FILE *file = fopen(name, "r");
    must(file != NULL, name);
    while (path_count < PATHS_MAX && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        snprintf(requests[path_count++], REQUEST_MAX,
                 "HEAD %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: %s\r\nAccept: text/html,*/*;q=0.8\r\n"
                 "Accept-Language: en-GB,en;q=0.9\r\nAccept-Encoding: gzip, deflate\r\n\r\n",
                 line, agent);
    }
    fclose(file);
    must(path_count > 0, "no paths");
}

static void ask(struct client *client)
{
    const char *request = requests[next_path++ % path_count];
    size_t len = strlen(request);
    client->len = 0;
    client->asked_s = now_s();
    must(send(client->fd, request, len, 0) == (ssize_t)len, "send");
}

static void hear(struct client *client)
{
    ssize_t got = recv(client->fd, client->answer + client->len, ANSWER_MAX - 1 - client->len, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    must(got > 0, "recv");
    client->len += (size_t)got;
    client->answer[client->len] = '\0';
    if (!strstr(client->answer, "\r\n\r\n"))
        return;
    errors += strncmp(client->answer, "HTTP/1.1 200", 12) != 0;
    bytes += client->len;
    if (answered < TIMES_MAX)
        times_ms[answered] = (float)((now_s() - client->asked_s) * 1e3);
    answered++;
    ask(client);
}

static int compare(const void *a, const void *b)
{
    float one = *(const float *)a, other = *(const float *)b;
    return (one > other) - (one < other);
}

int main(int argc, char **argv)
{
    must(argc == 6, "usage: heads PORT CONNECTIONS SECONDS FILE-OF-PATHS USER-AGENT");
    int count = (int)strtol(argv[2], NULL, 10), epoll_fd = epoll_create1(0);
    double seconds = strtod(argv[3], NULL);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)strtol(argv[1], NULL, 10))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    read_paths(argv[4], argv[5]);
    struct client *clients = calloc((size_t)count, sizeof *clients);
    must(clients != NULL, "memory");
    for (int i = 0; i < count; i++) {
        struct client *client = &clients[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
        client->fd = socket(AF_INET, SOCK_STREAM, 0);
        must(client->fd >= 0 && connect(client->fd, (struct sockaddr *)&to, sizeof to) == 0, "connect");
        must(fcntl(client->fd, F_SETFL, O_NONBLOCK) == 0, "fcntl");
        must(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, client->fd, &event) == 0, "epoll_ctl");
    }
    double start_s = now_s();
    for (int i = 0; i < count; i++)
        ask(&clients[i]);
    while (now_s() - start_s < seconds) {
        struct epoll_event events[EVENTS_MAX];
        int ready = epoll_wait(epoll_fd, events, EVENTS_MAX, 100);
        for (int i = 0; i < ready; i++)
            hear(events[i].data.ptr);
    }
    double took_s = now_s() - start_s;
    size_t timed = answered < TIMES_MAX ? answered : TIMES_MAX;
    must(timed > 0, "no answers");
    qsort(times_ms, timed, sizeof *times_ms, compare);
    printf(
        "{\"answered\": %zu, \"seconds\": %.6f, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"errors\": %zu, \"bytes\": %zu}\n",
        answered, took_s, (double)times_ms[timed / 2], (double)times_ms[timed * 99 / 100], errors, bytes);
    return 0;
}
