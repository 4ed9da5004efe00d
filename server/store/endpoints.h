/* An endpoint as its deliveries see it, shared by the files that bring them forth, hand them out and record them.
 *
 * THE SCHEDULE. Places on the road are few, endpoints may be thousands, and most that are slow are slow all the time. So
 * endpoints stand in line, never deliveries: each knows the moment at which it is next worth looking at (next_due_ms), and
 * whoever was served goes to the end of its line by that moment alone. Handing out therefore reads as many endpoints as
 * there are places, from the front of an index, however long any backlog is.
 *
 * There are four lines. The prompt, who answered well within a second the last time, are served first and may fill seven
 * eighths of a sender's places, which they soon give back. Those that are slow, failing or not known yet may fill three
 * quarters, and those that have nothing but retries due half: so beside a thousand poisoned endpoints a good one always finds a
 * place free, fresh events go before retries, and nobody is left out for ever. The last line is of chores, one endpoint at a
 * time and some hundreds of rows at most: ending what waits for an endpoint that was turned off, and bringing back what it
 * missed.
 *
 * A turn is worth two deliveries at most, less what is under way, and a tenth of a second of rest for each: that is the
 * deficit which makes the lines fair by attempts, and bounds an endpoint to ten attempts a second. When its member has
 * eight under way or its target four, an endpoint waits for that crowd (waits_for) outside its line, and whoever comes
 * back from there calls the one that has waited longest.
 *
 * Every moment is one of the wall clock. If that leaps ahead, everything becomes due at once and drains by these rules,
 * an attempt each; if it falls back, fresh events go out as ever, and retries wait for their hour. */
#ifndef MEISHI_STORE_ENDPOINTS_H
#define MEISHI_STORE_ENDPOINTS_H

#include "server/store/internal.h"

/* Kept in deliveries.queue, while a delivery is pending. */
enum delivery_queue { QUEUE_FRESH, QUEUE_AGAIN, QUEUE_PAUSED };

enum {
    ENDPOINT_PENDING_MAX = 10000, /* beyond that the oldest retries pause */
    ENDPOINT_PACE_MS = 100,       /* ten attempts a second */
    ENDPOINT_STEP_ROWS = 500      /* what is ended in one go */
};

struct endpoint {
    struct webhook webhook;
    enum endpoint_lane lane;
    int64_t removed_ms;
    int64_t next_due_ms; /* 0: nothing waits */
    int64_t turn_ms;     /* not served before */
    int64_t waits_for;   /* a member's id or a target; 0: for none */
    int64_t replay_after_id, replay_until_id, replay_due_ms /* 0: none goes on */;
};

/* replay.c: what did not arrive since SINCE_MS is to be sent again. Does not write the endpoint. */
void replay_begin(struct endpoint *endpoint, int64_t since_ms, int64_t now_ms);
/* replay.c: brings the next of what it missed back, five a second. Does not write the endpoint. */
enum result replay_step(struct db *db, struct endpoint *endpoint, int64_t now_ms) MUST_CHECK;

/* webhooks.c: an endpoint from row columns selected as WEBHOOK_COLUMNS from webhooks. */
#define WEBHOOK_COLUMNS                                                                                             \
    "owner_id, id, url, events, created_ms, disabled_ms, disabled_why, format, thin, listener, old_until_ms, "      \
    "pending, paused, sequence, public_key, last_success_ms, last_failure_ms, last_latency_ms, failures_in_a_row, " \
    "failing_since_ms, certificate_since_ms, refusals_in_a_row, window_ms, window_tries, window_failures, "         \
    "breaker_until_ms, breaker_ms, replay_due_ms"
enum { WEBHOOK_COLUMN_COUNT = 28 };
void webhook_from_row(const struct db_rows *rows, struct arena *arena, struct webhook *out);

#define ENDPOINT_COLUMNS \
    WEBHOOK_COLUMNS ", lane, removed_ms, next_due_ms, turn_ms, waits_for, replay_after_id, replay_until_id"
enum { ENDPOINT_COLUMN_COUNT = WEBHOOK_COLUMN_COUNT + 7 };
void endpoint_from_row(const struct db_rows *rows, struct arena *arena, struct endpoint *out);
/* Removed ones too. */
enum result endpoint_read(struct db *db, struct arena *arena, int64_t owner_id, int64_t id,
                          struct endpoint *out) MUST_CHECK;
/* Health, counts and schedule; what a member set is left alone. */
enum result endpoint_write(struct db *db, const struct endpoint *endpoint) MUST_CHECK;

/* Something fresh waits, due now: moves the endpoint forward if that is sooner than what it waited for. */
void endpoint_call(struct endpoint *endpoint, int64_t now_ms);
/* Somebody asks for it by hand: a rest ends, and what is asked for is the probe. */
void endpoint_try_now(struct endpoint *endpoint, int64_t now_ms);
/* After its deliveries, its health or its settings were changed: pauses or resumes retries, finds its line and its moment,
 * and writes it. */
enum result endpoint_settle(struct db *db, struct endpoint *endpoint, int64_t now_ms) MUST_CHECK;
/* Turns it off and ends ENDPOINT_STEP_ROWS of what waits; the rest is a chore. Writes it. */
enum result endpoint_disable(struct store *store, struct db *db, struct endpoint *endpoint, const char *why,
                             int64_t now_ms) MUST_CHECK;
/* Does the next step of what it stands in the line of chores for, and settles it. */
enum result endpoint_do_chore(struct store *store, struct db *db, struct endpoint *endpoint, int64_t now_ms) MUST_CHECK;

#endif
