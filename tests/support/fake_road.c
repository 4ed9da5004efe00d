/* See fake_road.h. */
#include "tests/support/fake_road.h"

#include <stdio.h>
#include <stdlib.h>

int fake_road_busy(const struct fake_road *road)
{
    int busy = 0;
    for (int i = 0; i < FAKE_PLACES; i++)
        busy += road->flights[i].id != 0;
    return busy;
}

static uint64_t next_random(struct fake_road *road)
{
    road->random = road->random * 6364136223846793005u + 1442695040888963407u;
    return road->random >> 16;
}

/* As server/notify/deliver.c judges. */
static struct outcome outcome_of(struct fake_road *road, int place)
{
    const struct fake_answer *answer = &road->flights[place].answer;
    struct outcome outcome = {.delivery_id = road->flights[place].id,
                              .state = DELIVERY_DELIVERED,
                              .attempt = {.at_ms = road->flights[place].at_ms,
                                          .status = answer->status,
                                          .latency_ms = answer->latency_ms,
                                          .error = answer->error}};
    if (!answer->error)
        return outcome;
    outcome.gone = answer->status == 410;
    outcome.retry_at_ms = outcome.gone ? 0
                                       : delivery_retry_at(road->flights[place].attempts + 1, road->fresh->now_ms,
                                                           next_random(road), !answer->status, 0);
    outcome.state = outcome.gone ? DELIVERY_DISABLED : outcome.retry_at_ms ? DELIVERY_PENDING : DELIVERY_FAILED;
    return outcome;
}

static size_t take_ended(struct fake_road *road, struct outcome outcomes[FAKE_PLACES])
{
    size_t count = 0;
    for (int i = 0; i < FAKE_PLACES; i++) {
        if (!road->flights[i].id || road->flights[i].end_ms > road->fresh->now_ms)
            continue;
        outcomes[count++] = outcome_of(road, i);
        road->flights[i].id = 0;
    }
    return count;
}

static void put_on_road(struct fake_road *road, const struct delivery *delivery)
{
    struct fake_answer answer = road->answer(road->context, delivery, road->fresh->now_ms);
    for (int i = 0; i < FAKE_PLACES; i++) {
        if (road->flights[i].id)
            continue;
        road->flights[i].id = delivery->id;
        road->flights[i].at_ms = road->fresh->now_ms;
        road->flights[i].end_ms = road->fresh->now_ms + answer.latency_ms;
        road->flights[i].attempts = delivery->attempts;
        road->flights[i].lane = delivery->lane;
        road->flights[i].answer = answer;
        return;
    }
    fprintf(stderr, "fake_road: more was claimed than there are places\n");
    abort();
}

/* Records what ended and claims what is due; when something is next due on the side of the store. */
static int64_t exchange(struct fake_road *road)
{
    struct fresh *fresh = road->fresh;
    struct outcome outcomes[FAKE_PLACES];
    size_t ended = take_ended(road, outcomes);
    struct claimed claimed;
    do {
        struct delivery_load load = {.places = FAKE_PLACES};
        for (int i = 0; i < FAKE_PLACES; i++)
            if (road->flights[i].id)
                load.in_hand[road->flights[i].lane]++;
        if (!ended)
            claimed = deliveries_claim_beside(fresh, &load);
        else if (store_delivery_exchange(fresh->store, &fresh->arena, outcomes, ended, fresh->now_ms, TEST_LEASE_MS,
                                         &load, &claimed.list, &claimed.count, &claimed.next_due_ms) != RESULT_OK)
            abort();
        ended = 0;
        for (size_t i = 0; i < claimed.count; i++)
            put_on_road(road, &claimed.list[i]);
        arena_reset(&fresh->arena);
    } while (claimed.next_due_ms && claimed.next_due_ms <= fresh->now_ms);
    return claimed.next_due_ms;
}

void fake_road_run(struct fake_road *road, int64_t until_ms)
{
    for (;;) {
        int64_t next_ms = exchange(road);
        for (int i = 0; i < FAKE_PLACES; i++)
            if (road->flights[i].id && (!next_ms || road->flights[i].end_ms < next_ms))
                next_ms = road->flights[i].end_ms;
        if (!next_ms || next_ms > until_ms)
            break;
        if (next_ms > road->fresh->now_ms)
            road->fresh->now_ms = next_ms;
    }
    road->fresh->now_ms = until_ms;
}
