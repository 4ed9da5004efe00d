/* Sends HTTP requests to places that strangers chose: jobs in, outcomes out. It knows nothing of the store or of members. It looks
 * names up and judges addresses; the calls are made by a process of their own (sending.h), which it keeps alive.
 *
 * It refuses to speak to addresses the policy does not allow, to follow redirects, to use proxies, to keep cookies or
 * bodies, and to wait longer than COURIER_DEADLINE_MS for anything. One thread drives it; only courier_wake, courier_attach and
 * courier_figures may be called from others. */
#ifndef MEISHI_COURIER_H
#define MEISHI_COURIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cards/base/result.h"
#include "server/notify/address.h"
#include "server/notify/send_error.h"

struct courier;

enum {
    COURIER_CALLS_MAX = 64, /* under way at once */
    COURIER_JOBS_MAX = 192, /* with those that wait for their turn */
    COURIER_HEADERS_MAX = 8,
    COURIER_URL_MAX = 2048,
    COURIER_REPLY_MAX = 16384, /* bytes of headers, and of body, read from a receiver */
    COURIER_NAME_MS = 2000,
    COURIER_CONNECT_MS = 5000,
    COURIER_ANSWER_MS = 10000, /* to the reply's complete headers */
    COURIER_DEADLINE_MS = 15000,
    COURIER_TURN_MS = 5000 /* for a process to send by, for a turn at an address, and for one in the process */
};

struct send_job {
    int64_t id;                               /* the caller's, comes back in the outcome */
    int64_t group;                            /* the member: see resolver.h */
    int64_t place;                            /* the endpoint: see suspects.h; 0: not known */
    const char *url;                          /* https, or http to an allowed address */
    const char *headers[COURIER_HEADERS_MAX]; /* "name: value", NULL after the last */
    const char *body;                         /* sent by POST */
};

struct send_outcome {
    int64_t id;
    enum send_error error;
    int status; /* HTTP, 0 when no complete reply headers came */
    int64_t latency_ms;
    int64_t retry_after_ms; /* what the receiver asked for, 0 for nothing */
};

struct courier_limits { /* 0: the values above; tests shorten them */
    int name_ms, connect_ms, answer_ms, deadline_ms;
    const char *authorities; /* a file of certificates to trust; NULL: the system's. Outlives the courier */
};

/* How long anything may wait for its turn. */
int courier_turn_ms(const struct courier_limits *limits);
/* Takes every proxy, key log and curl setting out of this process's environment, and bounds the system's resolver. Before
 * any thread is started. */
void courier_scrub_environment(void);
/* POLICY and LIMITS (may be NULL) are copied. */
enum result courier_open(const struct address_policy *policy, const struct courier_limits *limits,
                         struct courier **out) MUST_CHECK;
/* Copies the job. LIMITED: there are COURIER_JOBS_MAX. */
enum result courier_add(struct courier *courier, const struct send_job *job) MUST_CHECK;
/* Moves everything on, sleeping at most WAIT_MS for something to happen; fills up to MAX outcomes and says how many. */
size_t courier_run(struct courier *courier, int wait_ms, struct send_outcome *out, size_t max);
/* How many jobs have no outcome yet. */
size_t courier_busy(const struct courier *courier);
/* Ends a sleep in courier_run, now or the next. From any thread. */
void courier_wake(struct courier *courier);
/* FD is a stream socket to a worker (sending.h) that shall make the calls from now on; it is the courier's then. CONFLICT:
 * another one does, FD stays the caller's. From any thread. */
enum result courier_attach(struct courier *courier, int fd) MUST_CHECK;

struct courier_figures {
    int64_t restarts; /* of our own sending process */
    int64_t process;  /* its id, 0 while none is ready */
    bool worker;      /* one is attached */
};
/* From any thread. */
void courier_figures(struct courier *courier, struct courier_figures *out);
/* Drops what is under way. */
void courier_close(struct courier *courier);

#endif
