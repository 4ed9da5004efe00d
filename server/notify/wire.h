/* Messages over a stream socket that never makes its owner wait: what does not fit stays with whoever wanted to say it. Used
 * by both sides, the server's and the sender's. */
#ifndef MEISHI_WIRE_H
#define MEISHI_WIRE_H

#include <stdbool.h>
#include "server/notify/message.h"

struct wire {
    int fd;     /* -1: closed */
    bool ended; /* the other side will say no more; what came before can still be taken */
    size_t in_from, in_to, out_from, out_to;
    unsigned char in[2 * MESSAGE_BYTES_MAX], out[2 * MESSAGE_BYTES_MAX];
};

/* Takes FD over and makes it non-blocking. */
void wire_open(struct wire *wire, int fd);
/* Queues a message. LIMITED: no room now, flush and try again. INVALID: it cannot be written at all. */
enum result wire_put(struct wire *wire, const struct message *message) MUST_CHECK;
/* Writes what the socket takes. FAILED: nobody reads any more. */
enum result wire_flush(struct wire *wire) MUST_CHECK;
/* Whether the next wire_put will not be LIMITED. */
bool wire_has_room(const struct wire *wire);
/* The poll events that would move it on. */
short wire_events(const struct wire *wire);
/* Reads what is there, and sees the end. */
void wire_fill(struct wire *wire);
/* Takes one message, its texts in ARENA. NOT_FOUND: none is whole yet. INVALID: close it. */
enum result wire_take(struct wire *wire, struct arena *arena, struct message *out) MUST_CHECK;
void wire_close(struct wire *wire);

#endif
