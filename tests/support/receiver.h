/* A webhook receiver that misbehaves on purpose: a thread on a free port of 127.0.0.1 that answers each request as its path
 * says and remembers what came.
 *
 * "/ok" 204 · "/slow-ok" 200 after a second · "/status/N" · "/retry-after" 503 asking for 120 s · "/gone" 410 · "/flaky" 500,
 * then 200 · "/redirect" 302 to "/ok" · "/silence" reads and never answers · "/drip-header" one byte a tenth of a second ·
 * "/drip-body" the same after complete headers · "/endless-header" · "/endless-body" after a 200 · "/endless-continue" 100 for
 * ever · "/reset" · "/short" ends before its Content-Length · "/garbage" no HTTP · "/old" HTTP/0.9 */
#ifndef MEISHI_TEST_RECEIVER_H
#define MEISHI_TEST_RECEIVER_H

#include <stddef.h>

struct receiver;

struct received {
    char path[128];
    char id[64], timestamp[32], signature[128], type[64]; /* the webhook- headers and Content-Type */
    char body[24000];
};

struct receiver *receiver_open(void);
int receiver_port(const struct receiver *receiver);
/* How many complete requests came to PATH (NULL: to any). */
int receiver_count(struct receiver *receiver, const char *path);
/* The Nth request to PATH, from 0; returns 0, or -1 when there is none. */
int receiver_get(struct receiver *receiver, const char *path, int n, struct received *out);
/* Most connections to PATH open at one moment. */
int receiver_most_at_once(struct receiver *receiver, const char *path);
void receiver_close(struct receiver *receiver);

#endif
