/* Listeners: endpoints that nothing is pushed to. A program under development asks for their deliveries (`meishi listen`, the
 * API's /listeners), hands them to a receiver that only it can reach, and says what became of each.
 *
 * They are made by store_webhook_add and removed by store_webhook_remove, and their deliveries are rows like any other, so
 * pings, redelivery and the log are those of every endpoint. */
#ifndef MEISHI_STORE_LISTENERS_H
#define MEISHI_STORE_LISTENERS_H

#include "server/store/webhooks.h"

enum {
    LISTENER_IDLE_MS = 10 * 60 * 1000, /* nobody asked for so long: it is removed */
    LISTENER_LEASE_MS = 90 * 1000,     /* handed out and no outcome: handed out again */
    LISTENER_CLAIM_MAX = 20
};

/* Hands out up to LIMIT deliveries that are due, oldest first, with body and secret, and notes that the listener was asked.
 * NOT_FOUND: there is no such listener. */
enum result store_listener_claim(struct store *store, struct arena *arena, int64_t owner_id, int64_t id, int64_t now_ms,
                                 size_t limit, struct delivery **out, size_t *count) MUST_CHECK;

struct listener_place {
    int64_t owner_id, id;
    bool is_due; /* something can be handed out, or the listener is gone */
};
/* Fills is_due of each, cheaply: no commit. */
enum result store_listener_look(struct store *store, struct listener_place *places, size_t count,
                                int64_t now_ms) MUST_CHECK;

struct listener_outcome {
    int64_t owner_id, listener_id, delivery_id;
    struct attempt attempt; /* no error: it arrived */
    bool unreached;         /* there was no receiver: no attempt, and again soon */
};
/* Records it: delivered, or pending again. *out_retry_at_ms is 0 or when it will be handed out again: 2 s, 4 s and so on up to
 * 5 minutes, for as long as the listener lives. NOT_FOUND: it has no such pending delivery. */
enum result store_listener_record(struct store *store, const struct listener_outcome *outcome, int64_t now_ms,
                                  int64_t *out_retry_at_ms) MUST_CHECK;

/* Removes those that nobody has asked for LISTENER_IDLE_MS. */
enum result store_listener_expire(struct store *store, int64_t now_ms) MUST_CHECK;

#endif
