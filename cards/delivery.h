/* The rules of delivering webhooks: when a failed delivery is tried again, what an endpoint's attempts say about its health,
 * when it rests (a circuit breaker), when its member is warned, and when it is turned off.
 *
 * Pure: the store keeps the numbers, the sender brings outcomes and the time. */
#ifndef MEISHI_DELIVERY_H
#define MEISHI_DELIVERY_H

#include <stdbool.h>
#include <stdint.h>

enum { DELIVERY_ATTEMPTS_MAX = 11 };
/* When to try again after ATTEMPTS failures (1 and up), milliseconds since 1970, or 0 for never: after 5 s, 1 min, 5 min,
 * 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h, plus jitter of at most max(2 s, 20 %) but no more than 1 h. RANDOM is any 64
 * random bits. SLOW (429, 502, 503, 504, a time-out) waits at least 60 s; RETRY_AFTER_MS (0 for none) counts between the
 * step and twice the step. */
int64_t delivery_retry_at(int attempts, int64_t now_ms, uint64_t random, bool slow, int64_t retry_after_ms);

/* How an endpoint fares. All times are milliseconds since 1970, 0 for never; zeroed is a new endpoint's. */
struct endpoint_health {
    int64_t last_success_ms, last_failure_ms, last_latency_ms;
    int64_t failures_in_a_row, failing_since_ms; /* the first of them; 0 after a success */
    int64_t certificate_since_ms;                /* since when its certificate is the trouble */
    int64_t refusals_in_a_row;                   /* its name led to an address that may not be called */
    int64_t window_ms, window_tries, window_failures;
    int64_t breaker_until_ms, breaker_ms; /* not called before; how long the last rest is, 0 when all is well */
};

/* What became of one attempt. */
struct attempt_facts {
    bool success;
    bool certificate; /* TLS failed for its certificate */
    bool refused;     /* the address was refused */
    bool gone;        /* 410 */
    bool answered;    /* it spoke HTTP, so its certificate was in order */
    int64_t latency_ms;
};

/* Takes an attempt into account. NULL, or a literal that says why the endpoint is to be turned off now. */
const char *endpoint_note_attempt(struct endpoint_health *health, const struct attempt_facts *facts, int64_t now_ms);
/* Whether it answered well and quickly the last time. */
bool endpoint_is_prompt(const struct endpoint_health *health);
/* Whether it rests; and whether it has rested and may be tried with one delivery, the probe. */
bool endpoint_is_resting(const struct endpoint_health *health, int64_t now_ms);
bool endpoint_is_on_probe(const struct endpoint_health *health, int64_t now_ms);
/* When it will be turned off if it goes on like this, 0 while that is not foreseen. */
int64_t endpoint_disabled_at(const struct endpoint_health *health);

enum endpoint_warning { WARNING_NONE, WARNING_FAILURES_5, WARNING_FAILURES_10, WARNING_LAST_DAY };
/* The gravest that holds. LAST_DAY: endpoint_disabled_at is within 24 hours. */
enum endpoint_warning endpoint_warning(const struct endpoint_health *health, int64_t now_ms);

#endif
