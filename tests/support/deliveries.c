/* See deliveries.h. */
#include "tests/support/deliveries.h"

#include <stdio.h>
#include <stdlib.h>

static void must(enum result result, const char *what)
{
    if (result == RESULT_OK)
        return;
    fprintf(stderr, "deliveries: %s answered %d\n", what, result);
    abort();
}

struct claimed deliveries_claim_beside(struct fresh *fresh, const struct delivery_load *load)
{
    struct claimed claimed;
    must(store_delivery_claim(fresh->store, &fresh->arena, fresh->now_ms, TEST_LEASE_MS, load, &claimed.list,
                              &claimed.count, &claimed.next_due_ms),
         "store_delivery_claim");
    return claimed;
}

struct claimed deliveries_claim(struct fresh *fresh, int places)
{
    return deliveries_claim_beside(fresh, &(struct delivery_load){.places = places});
}

void deliveries_record(struct fresh *fresh, int64_t id, enum delivery_state state, int64_t retry_at_ms)
{
    struct outcome outcome = {.delivery_id = id,
                              .state = state,
                              .retry_at_ms = retry_at_ms,
                              .gone = state == DELIVERY_DISABLED,
                              .attempt = {.at_ms = fresh->now_ms,
                                          .status = state == DELIVERY_DELIVERED ? 200 : 500,
                                          .latency_ms = 7,
                                          .error = state == DELIVERY_DELIVERED ? NULL : "status"}};
    must(store_delivery_record(fresh->store, &outcome, 1, fresh->now_ms), "store_delivery_record");
}

int64_t deliveries_ping(struct fresh *fresh, const struct webhook *webhook)
{
    int64_t id;
    must(store_webhook_ping(fresh->store, webhook->owner_id, webhook->id, fresh->now_ms, &id), "store_webhook_ping");
    return id;
}

struct delivery deliveries_find(struct fresh *fresh, int64_t id, size_t *attempt_count)
{
    struct delivery delivery;
    struct attempt *attempts;
    must(store_delivery_find(fresh->store, &fresh->arena, fresh->jane.id, id, &delivery, &attempts, attempt_count),
         "store_delivery_find");
    return delivery;
}

struct webhook deliveries_webhook(struct fresh *fresh, const struct webhook *webhook)
{
    struct webhook found;
    must(store_webhook_find(fresh->store, &fresh->arena, webhook->owner_id, webhook->id, &found), "store_webhook_find");
    return found;
}

size_t deliveries_count(struct fresh *fresh, const struct webhook *webhook, int state)
{
    struct delivery *list;
    size_t count;
    must(store_delivery_list(fresh->store, &fresh->arena, webhook->owner_id,
                             &(struct delivery_filter){webhook->id, state, 0, 256}, &list, &count),
         "store_delivery_list");
    return count;
}

bool deliveries_are_sound(struct fresh *fresh)
{
    struct complaints complaints = {0};
    enum result result = store_check(fresh->store, &fresh->arena, &complaints);
    for (int i = 0; i < complaints.count; i++)
        fprintf(stderr, "%s\n", complaints.list[i].words);
    return result == RESULT_OK;
}
