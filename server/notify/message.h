/* What the server and a process that sends webhooks say to each other: settings once, then calls to make; outcomes back, and
 * that it is leaving. A message is its length in four bytes, a version, a kind, and fields in a fixed order: numbers with
 * the high byte first, texts behind their length.
 *
 * Each side reads the other as it would read a stranger: what is cut, too long, out of range or followed by more is INVALID,
 * and whoever sent it is not listened to again. */
#ifndef MEISHI_MESSAGE_H
#define MEISHI_MESSAGE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include "cards/base/arena.h"
#include "server/notify/address.h"
#include "server/notify/courier.h"

enum { MESSAGE_VERSION = 1, MESSAGE_BYTES_MAX = 64 * 1024, CALL_ADDRESSES_MAX = 4 };

enum message_kind {
    MESSAGE_SETTINGS = 1, /* to the sender, once, first */
    MESSAGE_CALL,         /* to the sender */
    MESSAGE_READY,        /* from the sender, once: it is locked up and takes calls */
    MESSAGE_OUTCOME,      /* from the sender: one for each call */
    MESSAGE_LEAVING       /* from the sender: no more calls, please; close your end when all are written */
};

struct call_settings {
    struct address_policy policy;
    struct courier_limits limits; /* none of them 0 */
};

/* One request to make. The name in the URL was looked up already and every address judged. */
struct call {
    int64_t ticket; /* comes back as the outcome's id */
    int deadline_ms;
    const char *url;
    struct sockaddr_storage addresses[CALL_ADDRESSES_MAX]; /* at least one, with the port */
    int address_count;
    const char *headers[COURIER_HEADERS_MAX]; /* "name: value", NULL after the last */
    const char *body;
};

struct message {
    enum message_kind kind;
    union {
        struct call_settings settings;
        struct call call;
        struct send_outcome outcome;
    };
};

/* Writes the message and says how many bytes it took; 0: more than SIZE or MESSAGE_BYTES_MAX, or not to be written (a header
 * with a line break in it). */
size_t message_write(const struct message *message, unsigned char *out, size_t size);
/* The whole length of the message that BYTES begin with, into *out. NOT_FOUND: too few to say. INVALID: none of ours. */
enum result message_length(const unsigned char *bytes, size_t len, size_t *out) MUST_CHECK;
/* Reads one whole message; its texts are copies in ARENA. INVALID: OUT must not be used. */
enum result message_read(const unsigned char *bytes, size_t len, struct arena *arena, struct message *out) MUST_CHECK;

#endif
