/* Names to addresses, off the courier's thread. getaddrinfo cannot be given a deadline, so it runs on a few threads of its
 * own and whoever waits gives up on time. A name server that never answers costs one thread a while and never the others'
 * webhooks: one group's names hold one thread at most, groups whose last name did not come share half of the threads, and a
 * look-up that nobody waits for any more is left behind and its thread replaced. */
#ifndef MEISHI_RESOLVER_H
#define MEISHI_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include "cards/base/result.h"

struct resolver;

enum {
    RESOLVER_THREADS = 8,
    RESOLVER_UNPROVEN_MAX =
        RESOLVER_THREADS / 2,  /* for groups none of whose names has come yet, or whose last did not */
    RESOLVER_THREADS_MAX = 24, /* with those that hang in a look-up nobody waits for */
    RESOLVER_QUEUE_MAX = 192,
    RESOLVER_ADDRESSES_MAX = 16,
    RESOLVER_HOST_MAX = 254,
    RESOLVER_CLOSE_MS = 2500
};

struct resolved {
    int64_t ticket;                                            /* the caller's own */
    int count;                                                 /* 0: no such name, or none came */
    bool failed, timed_out;                                    /* why none came: an error, silence */
    struct sockaddr_storage addresses[RESOLVER_ADDRESSES_MAX]; /* with the port */
};

/* DONE is called from the resolver's threads. */
enum result resolver_open(void (*done)(void *context), void *context, struct resolver **out) MUST_CHECK;
/* GROUP: names of one group are looked up one after the other. An address is answered at once, without a call of DONE.
 * LIMITED: the queue is full. */
enum result resolver_ask(struct resolver *resolver, int64_t ticket, int64_t group, const char *host,
                         int port) MUST_CHECK;
/* Takes one answer. NOT_FOUND: none is ready. */
enum result resolver_take(struct resolver *resolver, struct resolved *out) MUST_CHECK;
/* Forgets a question; its answer, should it still come, is dropped. */
void resolver_forget(struct resolver *resolver, int64_t ticket);
/* Waits for look-ups under way, at most RESOLVER_CLOSE_MS; what still hangs then is left to end with the process. */
void resolver_close(struct resolver *resolver);

#endif
