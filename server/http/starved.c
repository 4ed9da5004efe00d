/* Accepting again after descriptors ran out. When accept fails for want of one, the library stops listening until some
 * connection of its own ends, which with patient visitors may be a minute after descriptors are there again. So whenever
 * somebody waits on a listening socket that the library has just left alone, it is given one half of a socket pair whose
 * other half is closed: a connection that ends at once. Without descriptors for the pair nothing happens, and it is tried
 * again soon. */
#include "server/http/exchange.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static bool somebody_waits(const struct loop *loop)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(loop->daemon, MHD_DAEMON_INFO_LISTEN_FD);
    struct pollfd listening = {.fd = info->listen_fd, .events = POLLIN};
    return poll(&listening, 1, 0) == 1 && listening.revents == POLLIN;
}

bool starved_revive(struct loop *loop)
{
    const struct http *http = loop->http;
    int pair[2];
    if (loop->draining || loop->connection_count >= http->options.connections_max / http->loop_count)
        return false;
    if (!somebody_waits(loop))
        return false;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
        return true;
    close(pair[1]);
    const struct sockaddr nobody = {.sa_family = AF_UNIX};
    /* Closes the half, whether it takes it or not. */
    (void)!MHD_add_connection(loop->daemon, pair[0], &nobody, sizeof nobody.sa_family);
    return true;
}
