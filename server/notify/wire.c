/* See wire.h. */
#include "server/notify/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

void wire_open(struct wire *wire, int fd)
{
    wire->fd = fd;
    wire->ended = false;
    wire->in_from = wire->in_to = wire->out_from = wire->out_to = 0;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

/* Moves what is between FROM and TO to the buffer's beginning. */
static void close_up(unsigned char *buffer, size_t *from, size_t *to)
{
    if (*from)
        memmove(buffer, buffer + *from, *to - *from);
    *to -= *from;
    *from = 0;
}

bool wire_has_room(const struct wire *wire)
{
    return sizeof wire->out - (wire->out_to - wire->out_from) >= MESSAGE_BYTES_MAX;
}

enum result wire_put(struct wire *wire, const struct message *message)
{
    if (!wire_has_room(wire))
        return RESULT_LIMITED;
    close_up(wire->out, &wire->out_from, &wire->out_to);
    size_t len = message_write(message, wire->out + wire->out_to, sizeof wire->out - wire->out_to);
    wire->out_to += len;
    return len ? RESULT_OK : RESULT_INVALID;
}

enum result wire_flush(struct wire *wire)
{
    while (wire->out_from < wire->out_to) {
        ssize_t sent = send(wire->fd, wire->out + wire->out_from, wire->out_to - wire->out_from, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return errno == EAGAIN ? RESULT_OK : RESULT_FAILED;
        wire->out_from += (size_t)sent;
    }
    return RESULT_OK;
}

short wire_events(const struct wire *wire)
{
    return (short)((wire->ended ? 0 : POLLIN) | (wire->out_from < wire->out_to ? POLLOUT : 0));
}

void wire_fill(struct wire *wire)
{
    close_up(wire->in, &wire->in_from, &wire->in_to);
    while (!wire->ended && wire->in_to < sizeof wire->in) {
        ssize_t got = recv(wire->fd, wire->in + wire->in_to, sizeof wire->in - wire->in_to, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0)
            wire->ended = true;
        else
            wire->in_to += (size_t)got;
    }
}

enum result wire_take(struct wire *wire, struct arena *arena, struct message *out)
{
    const unsigned char *bytes = wire->in + wire->in_from;
    size_t len, have = wire->in_to - wire->in_from;
    enum result result = message_length(bytes, have, &len);
    if (result != RESULT_OK)
        return result;
    if (have < len)
        return RESULT_NOT_FOUND;
    wire->in_from += len;
    return message_read(bytes, len, arena, out);
}

void wire_close(struct wire *wire)
{
    if (wire->fd >= 0)
        close(wire->fd);
    wire->fd = -1;
}
