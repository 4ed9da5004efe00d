/* Absolute deadlines. The library's own time-out starts anew with every byte, so a patient attacker holds a connection for
 * ever with one byte in two seconds. Here each phase has an end that no byte moves: header, body, reply, idle. Past it the
 * socket is shut down, not closed: the library still owns the descriptor, sees the end and closes it itself. All this runs
 * in the loop that drives the connection's daemon, so a descriptor cannot be closed, and its number given to another, between
 * the look and the act.
 *
 * Lingering is for a refusal sent before its body was read. Closing at once would make the kernel send a reset, which can
 * throw the refusal away before the client has read it; so a second descriptor of the same socket is kept for a moment and
 * what still comes is thrown away (as RFC 9112 9.6 advises). */
#include "server/http/deadlines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "server/ids.h"

enum { LINGER_MS = 2000, LINGER_MAX = 64, LINGER_READS = 16 };

struct leaver {
    struct leaver *next;
    int fd; /* -1: over */
    int64_t end_ms;
};

void deadline_set(struct connection *connection, int64_t in_ms, const struct loop *loop)
{
    connection->deadline_ms = in_ms ? loop->turn_ms + in_ms : 0;
}

static void cut(struct connection *connection)
{
    if (connection->cut)
        return;
    connection->cut = true;
    shutdown(connection->fd, SHUT_RDWR);
}

void deadlines_sweep(struct loop *loop)
{
    bool cut_all = atomic_load(&loop->http->cut_all);
    for (struct connection *c = loop->connections; c; c = c->next) {
        if (cut_all && c->deadline_ms) {
            cut(c);
        } else if (c->deadline_ms && c->deadline_ms <= loop->turn_ms && !c->cut) {
            figure_add(&loop->deadlines_missed, 1); /* before its end can be seen */
            cut(c);
        }
    }
}

void deadlines_close_idle(struct loop *loop)
{
    for (struct connection *c = loop->connections; c; c = c->next)
        if (!c->exchange)
            cut(c);
}

void linger_start(struct loop *loop, const struct connection *connection)
{
    if (loop->linger_count >= LINGER_MAX || loop->draining)
        return;
    int fd = fcntl(connection->fd, F_DUPFD_CLOEXEC, 0);
    struct leaver *linger = fd < 0 ? NULL : calloc(1, sizeof *linger);
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = linger};
    if (!linger || epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        free(linger);
        if (fd >= 0)
            close(fd);
        return;
    }
    *linger = (struct leaver){loop->lingering, fd, loop->turn_ms + LINGER_MS};
    loop->lingering = linger;
    loop->linger_count++;
}

static void end(struct loop *loop, struct leaver *linger)
{
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, linger->fd, NULL);
    close(linger->fd);
    linger->fd = -1;
}

/* Only marks the end: the event list of this turn may name the same one again. */
void linger_read(struct loop *loop, struct leaver *linger)
{
    char sink[16384];
    for (int i = 0; i < LINGER_READS && linger->fd >= 0; i++) {
        ssize_t len = recv(linger->fd, sink, sizeof sink, MSG_DONTWAIT);
        if (len < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (len <= 0)
            end(loop, linger);
    }
}

void linger_sweep(struct loop *loop, bool all)
{
    for (struct leaver **at = &loop->lingering; *at;) {
        struct leaver *linger = *at;
        if (linger->fd >= 0 && !all && linger->end_ms > loop->turn_ms) {
            at = &linger->next;
            continue;
        }
        if (linger->fd >= 0)
            end(loop, linger);
        *at = linger->next;
        loop->linger_count--;
        free(linger);
    }
}
