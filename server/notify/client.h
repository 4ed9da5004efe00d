/* The HTTP client of our own commands: one request at a time, to places that whoever runs the command typed. That is why it
 * speaks to any address, loopback included, which the courier never would.
 *
 * It follows no redirect, so that a token goes nowhere but where it was meant to go, and reads bounded answers. A descriptor that
 * becomes readable ends whatever it waits for: a signalfd makes Ctrl-C prompt. */
#ifndef MEISHI_CLIENT_H
#define MEISHI_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cards/base/arena.h"
#include "server/notify/courier.h"

struct client;

enum { CLIENT_ANSWER_MAX = 4 * 1024 * 1024, CLIENT_HEADERS_MAX = 16 };

struct client_request {
    const char *method, *url;                /* http or https */
    const char *headers[CLIENT_HEADERS_MAX]; /* "Name: value", NULL after the last */
    const char *body;                        /* NULL: none */
    int timeout_ms;
    bool as_courier; /* a connection of its own, no proxy, of the answer only the status: as webhooks are sent */
};

struct client_answer {
    int status;
    int64_t latency_ms;
    const char *body;      /* "" when as_courier */
    enum send_error error; /* why there was no answer: SEND_CONNECT, SEND_TIMEOUT, … */
    const char *words;     /* the same in libcurl's words */
};

/* STOP_FD ends what it waits for as soon as it can be read; -1: nothing does. */
enum result client_open(int stop_fd, struct client **out) MUST_CHECK;
/* From now on STOP_FD, or nothing for -1: for what must still be said at the end. */
void client_stop_by(struct client *client, int stop_fd);
bool client_is_stopped(const struct client *client);
/* OK: an answer came, of whatever status. FAILED: none did; see error and words, or client_is_stopped. Texts are in ARENA. */
enum result client_ask(struct client *client, const struct client_request *request, struct arena *arena,
                       struct client_answer *out) MUST_CHECK;
/* Waits, unless it is stopped. */
void client_nap(struct client *client, int ms);
void client_close(struct client *client);

#endif
