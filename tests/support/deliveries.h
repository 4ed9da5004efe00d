/* Endpoints and deliveries of a fresh store, for tests on a clock that they move: claiming, recording, looking. */
#ifndef MEISHI_TEST_DELIVERIES_H
#define MEISHI_TEST_DELIVERIES_H

#include "tests/support/fresh_store.h"

enum { TEST_LEASE_MS = 60000 };

struct claimed {
    struct delivery *list;
    size_t count;
    int64_t next_due_ms;
};
/* Aborts when a verb does not say OK. */
struct claimed deliveries_claim(struct fresh *fresh, int places);
struct claimed deliveries_claim_beside(struct fresh *fresh, const struct delivery_load *load);
/* DISABLED is a 410; what is not DELIVERED answered 500. */
void deliveries_record(struct fresh *fresh, int64_t id, enum delivery_state state, int64_t retry_at_ms);
/* A webhook.ping to an endpoint; the delivery's id. */
int64_t deliveries_ping(struct fresh *fresh, const struct webhook *webhook);
struct delivery deliveries_find(struct fresh *fresh, int64_t id, size_t *attempt_count);
struct webhook deliveries_webhook(struct fresh *fresh, const struct webhook *webhook);
/* How many of an endpoint's end as STATE, -1 for all; at most 256. */
size_t deliveries_count(struct fresh *fresh, const struct webhook *webhook, int state);
/* meishi doctor has nothing to say. */
bool deliveries_are_sound(struct fresh *fresh);

#endif
