/* Where the server listens: TCP over IPv4 and IPv6, a unix socket, or what systemd passes (sd_listen_fds(3): LISTEN_PID,
 * LISTEN_FDS, descriptors from 3). All sockets are non-blocking and close on exec. A unix socket that nobody answers at is
 * left over from a crash and is replaced; a live one, or another kind of file, never. */
#include "server/http/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 4096, FIRST_PASSED_FD = 3, UNIX_MODE = 0660 };

static const char *text_of(int error)
{
    switch (error) {
    case EACCES:
    case EPERM:
        return "this user may not listen there";
    case EADDRINUSE:
        return "the address is taken";
    case EADDRNOTAVAIL:
        return "this machine does not have that address";
    case ENOENT:
    case ENOTDIR:
        return "the folder does not exist";
    case EMFILE:
    case ENFILE:
        return "too many files are open";
    case EAFNOSUPPORT:
        return "this machine does not speak that kind of address";
    default:
        return "the socket cannot be opened";
    }
}

static enum result failure(int fd, const char **why)
{
    int error = errno;
    if (fd >= 0)
        close(fd);
    *why = text_of(error);
    return error == EADDRINUSE ? RESULT_CONFLICT : RESULT_FAILED;
}

/* "http://ADDRESS:PORT" of a bound socket. */
static void name_socket(int fd, struct sockets *out)
{
    struct sockaddr_storage bound = {0};
    socklen_t len = sizeof bound;
    char host[NI_MAXHOST], port[NI_MAXSERV];
    if (getsockname(fd, (struct sockaddr *)&bound, &len) != 0)
        return;
    free(out->address);
    out->address = NULL;
    if (bound.ss_family == AF_UNIX) {
        const struct sockaddr_un *name = (const struct sockaddr_un *)(const void *)&bound;
        if (asprintf(&out->address, "unix:%s", name->sun_path) < 0)
            out->address = NULL;
        return;
    }
    if (getnameinfo((struct sockaddr *)&bound, len, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return;
    out->port = (int)strtol(port, NULL, 10);
    if (asprintf(&out->address, bound.ss_family == AF_INET6 ? "http://[%s]:%s" : "http://%s:%s", host, port) < 0)
        out->address = NULL;
}

static int passed_fds(void)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    if (!pid || !count || strtol(pid, NULL, 10) != (long)getpid())
        return 0;
    long fds = strtol(count, NULL, 10);
    return fds < 0 ? 0 : fds > LISTENERS_MAX ? LISTENERS_MAX : (int)fds;
}

static enum result open_passed(int count, struct sockets *out, const char **why)
{
    for (int i = 0; i < count; i++) {
        int fd = FIRST_PASSED_FD + i, listening = 0;
        socklen_t len = sizeof listening;
        if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) != 0 || !listening) {
            *why = "what systemd passed is not a listening stream socket";
            return RESULT_FAILED;
        }
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
        out->fds[out->count++] = fd;
    }
    unsetenv("LISTEN_PID"); /* not for our children */
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    out->from_systemd = true;
    name_socket(out->fds[0], out);
    return RESULT_OK;
}

/* Removes the socket that a dead server left; CONFLICT when somebody answers. */
static enum result clear_stale(const struct sockaddr_un *name, const char **why)
{
    struct stat there;
    if (lstat(name->sun_path, &there) != 0)
        return RESULT_OK;
    if (!S_ISSOCK(there.st_mode)) {
        *why = "a file that is not a socket is in the way";
        return RESULT_FAILED;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return failure(fd, why);
    bool dead = connect(fd, (const struct sockaddr *)name, sizeof *name) != 0 && errno == ECONNREFUSED;
    close(fd);
    if (!dead) {
        *why = "the address is taken";
        return RESULT_CONFLICT;
    }
    unlink(name->sun_path);
    return RESULT_OK;
}

static enum result open_unix(const char *path, struct sockets *out, const char **why)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (!len || len >= sizeof name.sun_path) {
        *why = "the path of a unix socket has 1 to 107 bytes";
        return RESULT_FAILED;
    }
    memcpy(name.sun_path, path, len);
    enum result result = clear_stale(&name, why);
    if (result)
        return result;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&name, sizeof name) != 0)
        return failure(fd, why);
    /* Before listen, so nobody can connect while the mode is still that of the umask. */
    if (chmod(path, UNIX_MODE) != 0 || listen(fd, BACKLOG) != 0)
        return failure(fd, why);
    out->fds[out->count++] = fd;
    out->unix_path = strdup(path);
    name_socket(fd, out);
    return RESULT_OK;
}

static enum result open_one(const struct addrinfo *at, bool shared, struct sockets *out, const char **why)
{
    const int on = 1;
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return failure(fd, why);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (shared)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (bind(fd, at->ai_addr, at->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0)
        return failure(fd, why);
    out->fds[out->count++] = fd;
    name_socket(fd, out);
    return RESULT_OK;
}

static enum result open_tcp(const char *listen, int want, struct sockets *out, const char **why)
{
    char host[256];
    const char *colon = strrchr(listen, ':');
    size_t len = colon ? (size_t)(colon - listen) : 0;
    const char *start = listen;
    if (len >= 2 && listen[0] == '[' && listen[len - 1] == ']') {
        start++;
        len -= 2;
    }
    char *end;
    long port = colon ? strtol(colon + 1, &end, 10) : -1;
    if (!len || len >= sizeof host || port < 0 || port > 65535 || colon[1] < '0' || colon[1] > '9' || *end) {
        *why = "expected ADDRESS:PORT, [ADDRESS]:PORT or unix:PATH";
        return RESULT_INVALID;
    }
    memcpy(host, start, len);
    host[len] = '\0';
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found;
    if (getaddrinfo(host, colon + 1, &hints, &found) != 0) {
        *why = "no such address on this machine";
        return RESULT_FAILED;
    }
    enum result result = RESULT_OK;
    for (int i = 0; i < want && !result; i++) {
        if (i) { /* the port that the first one got */
            in_port_t same = htons((uint16_t)out->port);
            if (found->ai_family == AF_INET6)
                ((struct sockaddr_in6 *)(void *)found->ai_addr)->sin6_port = same;
            else
                ((struct sockaddr_in *)(void *)found->ai_addr)->sin_port = same;
        }
        result = open_one(found, want > 1, out, why);
    }
    freeaddrinfo(found);
    return result;
}

/* A loop needs a listening socket of its own: TCP ones share the port by SO_REUSEPORT, others are duplicated. */
static enum result spread(int want, struct sockets *out, const char **why)
{
    for (int have = out->count; out->count < want; out->count++) {
        int fd = fcntl(out->fds[out->count % have], F_DUPFD_CLOEXEC, 0);
        if (fd < 0)
            return failure(-1, why);
        out->fds[out->count] = fd;
    }
    return RESULT_OK;
}

enum result sockets_open(const char *listen, int want, struct sockets *out, const char **why)
{
    *out = (struct sockets){0};
    want = want > LISTENERS_MAX ? LISTENERS_MAX : want;
    int passed = passed_fds();
    enum result result = passed                             ? open_passed(passed, out, why)
                         : strncmp(listen, "unix:", 5) == 0 ? open_unix(listen + 5, out, why)
                                                            : open_tcp(listen, want, out, why);
    if (!result)
        result = spread(want, out, why);
    if (!result && !out->address) {
        *why = "the socket has no name";
        result = RESULT_FAILED;
    }
    if (!result)
        return RESULT_OK;
    for (int i = 0; i < out->count; i++)
        close(out->fds[i]);
    free(out->address);
    free(out->unix_path);
    return result;
}
