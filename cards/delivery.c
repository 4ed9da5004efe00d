/* See delivery.h. */
#include "cards/delivery.h"

#include <assert.h>
#include <stddef.h>

enum {
    SECOND_MS = 1000,
    MINUTE_MS = 60 * SECOND_MS,
    HOUR_MS = 60 * MINUTE_MS,
    DAY_MS = 24 * HOUR_MS,

    PROMPT_MS = 1000,
    WINDOW_MS = 5 * MINUTE_MS,
    WINDOW_TRIES = 10,
    WINDOW_FAILURES_PERCENT = 70,
    BREAKER_FAILURES = 10,
    BREAKER_FIRST_MS = 30 * SECOND_MS,
    BREAKER_LONGEST_MS = 30 * MINUTE_MS,

    FAILING_MAX_MS = 120 * HOUR_MS,
    FAILING_TRIES_MIN = 10,
    CERTIFICATE_MAX_MS = 72 * HOUR_MS,
    REFUSALS_MAX = 3,
    SILENCE_MS = 2 * DAY_MS /* longer than any step of the schedule with its jitter */
};

/* ---- the schedule ---- */

static const int64_t STEPS_MS[DELIVERY_ATTEMPTS_MAX - 1] = {
    5 * SECOND_MS, 1 * MINUTE_MS, 5 * MINUTE_MS, 30 * MINUTE_MS, 2 * HOUR_MS,
    5 * HOUR_MS,   10 * HOUR_MS,  14 * HOUR_MS,  20 * HOUR_MS,   24 * HOUR_MS,
};

int64_t delivery_retry_at(int attempts, int64_t now_ms, uint64_t random, bool slow, int64_t retry_after_ms)
{
    assert(attempts >= 1);
    if (attempts >= DELIVERY_ATTEMPTS_MAX)
        return 0;
    int64_t step = STEPS_MS[attempts - 1];
    if (slow && step < MINUTE_MS)
        step = MINUTE_MS;
    int64_t wait = retry_after_ms < step ? step : retry_after_ms > 2 * step ? 2 * step : retry_after_ms;
    int64_t spread = step / 5;
    if (spread < 2 * SECOND_MS)
        spread = 2 * SECOND_MS;
    if (spread > HOUR_MS)
        spread = HOUR_MS;
    return now_ms + wait + (int64_t)(random % ((uint64_t)spread + 1));
}

/* ---- health ---- */

/* The breaker opens for half a minute, and for twice as long each time the probe after it fails. Retries that are due
 * meanwhile just wait: an attempt that was not made is none of the eleven. */
static void open_breaker(struct endpoint_health *health, int64_t now_ms)
{
    int64_t longer = health->breaker_ms ? 2 * health->breaker_ms : BREAKER_FIRST_MS;
    health->breaker_ms = longer < BREAKER_LONGEST_MS ? longer : BREAKER_LONGEST_MS;
    health->breaker_until_ms = now_ms + health->breaker_ms;
}

static void note_window(struct endpoint_health *health, bool success, int64_t now_ms)
{
    if (now_ms < health->window_ms || now_ms - health->window_ms >= WINDOW_MS) {
        health->window_ms = now_ms;
        health->window_tries = health->window_failures = 0;
    }
    health->window_tries++;
    health->window_failures += !success;
}

static void note_success(struct endpoint_health *health, int64_t now_ms)
{
    health->last_success_ms = now_ms;
    health->failures_in_a_row = health->failing_since_ms = 0;
    health->certificate_since_ms = health->refusals_in_a_row = 0;
    if (health->breaker_ms) { /* the probe: what came before it says nothing more */
        health->breaker_ms = health->breaker_until_ms = 0;
        health->window_ms = health->window_tries = health->window_failures = 0;
    }
}

static void note_failure(struct endpoint_health *health, const struct attempt_facts *facts, int64_t now_ms)
{
    /* After a long silence, ours or the world's, nobody knows how it fared meanwhile: the days are counted anew. */
    if (now_ms - health->last_failure_ms > SILENCE_MS)
        health->failing_since_ms = health->certificate_since_ms = 0;
    health->last_failure_ms = now_ms;
    health->failures_in_a_row++;
    if (!health->failing_since_ms)
        health->failing_since_ms = now_ms;
    if (facts->answered)
        health->certificate_since_ms = 0;
    else if (facts->certificate && !health->certificate_since_ms)
        health->certificate_since_ms = now_ms;
    health->refusals_in_a_row = facts->refused ? health->refusals_in_a_row + 1 : 0;
}

static bool is_failing_too_much(const struct endpoint_health *health)
{
    return health->failures_in_a_row >= BREAKER_FAILURES ||
           (health->window_tries >= WINDOW_TRIES &&
            health->window_failures * 100 >= health->window_tries * WINDOW_FAILURES_PERCENT);
}

const char *endpoint_note_attempt(struct endpoint_health *health, const struct attempt_facts *facts, int64_t now_ms)
{
    bool on_probe = endpoint_is_on_probe(health, now_ms);
    health->last_latency_ms = facts->latency_ms;
    note_window(health, facts->success, now_ms);
    if (facts->success) {
        note_success(health, now_ms);
        return NULL;
    }
    note_failure(health, facts, now_ms);
    if (facts->gone)
        return "the receiver answered 410 Gone";
    if (health->refusals_in_a_row >= REFUSALS_MAX)
        return "three times its name led to an address that may not be called";
    if (health->certificate_since_ms && now_ms - health->certificate_since_ms >= CERTIFICATE_MAX_MS)
        return "its certificate was not valid for three days";
    if (health->failures_in_a_row >= FAILING_TRIES_MIN && now_ms - health->failing_since_ms >= FAILING_MAX_MS)
        return "nothing arrived for five days";
    /* A second one that was under way when it opened does not open it again. */
    if (on_probe || (!health->breaker_ms && is_failing_too_much(health)))
        open_breaker(health, now_ms);
    return NULL;
}

bool endpoint_is_prompt(const struct endpoint_health *health)
{
    return health->last_success_ms && !health->failures_in_a_row && health->last_latency_ms <= PROMPT_MS;
}

bool endpoint_is_resting(const struct endpoint_health *health, int64_t now_ms)
{
    return health->breaker_ms && now_ms < health->breaker_until_ms;
}

bool endpoint_is_on_probe(const struct endpoint_health *health, int64_t now_ms)
{
    return health->breaker_ms && now_ms >= health->breaker_until_ms;
}

/* ---- what its member should know ---- */

int64_t endpoint_disabled_at(const struct endpoint_health *health)
{
    int64_t failing = health->failing_since_ms && health->failures_in_a_row >= FAILING_TRIES_MIN
                          ? health->failing_since_ms + FAILING_MAX_MS
                          : 0;
    int64_t certificate = health->certificate_since_ms ? health->certificate_since_ms + CERTIFICATE_MAX_MS : 0;
    return !failing || (certificate && certificate < failing) ? certificate : failing;
}

enum endpoint_warning endpoint_warning(const struct endpoint_health *health, int64_t now_ms)
{
    int64_t disabled_at_ms = endpoint_disabled_at(health);
    if (disabled_at_ms && disabled_at_ms - now_ms <= DAY_MS)
        return WARNING_LAST_DAY;
    if (health->failures_in_a_row >= 10)
        return WARNING_FAILURES_10;
    return health->failures_in_a_row >= 5 ? WARNING_FAILURES_5 : WARNING_NONE;
}
