/* Whose turn it is: the four lines of endpoints, and the bounds of an endpoint, a member and a target, on a simulated clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include "server/store/endpoints.h"
#include "server/store/outbox.h"
#include "tests/support/fake_road.h"

enum { MINUTE_MS = 60 * 1000, HOUR_MS = 60 * MINUTE_MS };

static struct webhook endpoint_of(struct fresh *fresh, int64_t owner_id, const char *url)
{
    struct webhook webhook = {.owner_id = owner_id, .url = url, .events = 1u << EVENT_LEAD_CREATED};
    assert_int_equal(store_webhook_add(fresh->store, &webhook, fresh->now_ms), RESULT_OK);
    return webhook;
}

static void arrive(struct fresh *fresh, const struct claimed *claimed)
{
    for (size_t i = 0; i < claimed->count; i++)
        deliveries_record(fresh, claimed->list[i].id, DELIVERY_DELIVERED, 0);
}

/* One ping that arrives, so that the endpoint is known to be prompt. */
static void prove(struct fresh *fresh, const struct webhook *webhook)
{
    deliveries_ping(fresh, webhook);
    struct claimed claimed = deliveries_claim(fresh, 64);
    assert_true(claimed.count > 0);
    arrive(fresh, &claimed);
    fresh->now_ms += 1000;
}

/* ---- bounds ---- */

static void endpoint__gets_ten_attempts_a_second_at_most(void **state)
{
    struct fresh *fresh = *state;
    struct webhook webhook = fresh_webhook(fresh, "https://crm.example/hook");
    int64_t started_ms[60];
    size_t started = 0;
    for (int i = 0; i < 60; i++)
        deliveries_ping(fresh, &webhook);
    for (int tick = 0; started < 60; tick++, fresh->now_ms += 10) {
        assert_in_range(tick, 0, 700);
        struct claimed claimed = deliveries_claim(fresh, 64); /* each arrives within the tick */
        for (size_t i = 0; i < claimed.count; i++)
            started_ms[started++] = fresh->now_ms;
        arrive(fresh, &claimed);
    }
    for (size_t i = 10; i < started; i++)
        assert_true(started_ms[i] - started_ms[i - 10] >= 1000);
    assert_in_range(started_ms[59] - started_ms[0], 5000, 6200); /* and not much less */
}

static void member__has_at_most_eight_under_way_and_the_next_goes_when_one_is_back(void **state)
{
    struct fresh *fresh = *state;
    struct member bob = fresh_member(fresh, "bob");
    for (int i = 0; i < 10; i++) {
        struct webhook webhook =
            endpoint_of(fresh, fresh->jane.id, arena_printf(&fresh->arena, "https://hook%d.example/", i));
        deliveries_ping(fresh, &webhook);
    }
    struct claimed claimed = deliveries_claim(fresh, 64);
    assert_int_equal(claimed.count, 8);
    struct webhook other = endpoint_of(fresh, bob.id, "https://bob.example/");
    deliveries_ping(fresh, &other);
    assert_int_equal(deliveries_claim(fresh, 64).count, 1); /* it is nobody else's bound */
    fresh->now_ms += 5000;
    assert_int_equal(deliveries_claim(fresh, 64).count, 0);
    deliveries_record(fresh, claimed.list[0].id, DELIVERY_PENDING, fresh->now_ms + HOUR_MS);
    assert_int_equal(deliveries_claim(fresh, 64).count, 1);
    assert_int_equal(deliveries_claim(fresh, 64).count, 0);
    deliveries_record(fresh, claimed.list[1].id, DELIVERY_DELIVERED, 0);
    assert_int_equal(deliveries_claim(fresh, 64).count, 1);
}

static void target__has_at_most_four_under_way_however_it_is_spelt(void **state)
{
    static const char *const URLS[] = {
        "https://crm.example/a", "https://CRM.example:443/b?x", "https://crm.example./c", "https://crm.example:8443/",
        "https://crm.example/d", "https://crm.example/e",       "https://crm.example/f"};
    struct fresh *fresh = *state;
    for (int i = 0; i < 7; i++) {
        struct member member = fresh_member(fresh, arena_printf(&fresh->arena, "member%d", i));
        struct webhook webhook = endpoint_of(fresh, member.id, URLS[i]);
        deliveries_ping(fresh, &webhook);
    }
    struct claimed claimed = deliveries_claim(fresh, 64);
    int of_target = 0;
    int64_t one = 0;
    for (size_t i = 0; i < claimed.count; i++) {
        if (strstr(claimed.list[i].webhook.url, ":8443") || strstr(claimed.list[i].webhook.url, "./"))
            continue;
        of_target++;
        one = claimed.list[i].id;
    }
    assert_int_equal(of_target, 4);
    fresh->now_ms += 5000;
    assert_int_equal(deliveries_claim(fresh, 64).count, 0);
    deliveries_record(fresh, one, DELIVERY_DELIVERED, 0);
    assert_int_equal(deliveries_claim(fresh, 64).count, 1);
    assert_int_equal(deliveries_claim(fresh, 64).count, 0);
}

/* Whoever waits for a crowd is called by a lease's end too, if the sender died with all of it. */
static void target__that_was_full_when_the_sender_died_is_free_again(void **state)
{
    struct fresh *fresh = *state;
    for (int i = 0; i < 6; i++) {
        struct member member = fresh_member(fresh, arena_printf(&fresh->arena, "member%d", i));
        struct webhook webhook = endpoint_of(fresh, member.id, "https://crm.example/");
        deliveries_ping(fresh, &webhook);
    }
    assert_int_equal(deliveries_claim(fresh, 64).count, 4);
    fresh_reopen(fresh);
    fresh->now_ms += TEST_LEASE_MS - 1;
    assert_int_equal(deliveries_claim(fresh, 64).count, 0);
    fresh->now_ms += 1;
    struct claimed claimed = deliveries_claim(fresh, 64);
    assert_int_equal(claimed.count, 4);
    arrive(fresh, &claimed);
    fresh->now_ms += 1000;
    assert_int_equal(deliveries_claim(fresh, 64).count, 2);
}

/* ---- lines ---- */

static void fresh__goes_before_retries(void **state)
{
    struct fresh *fresh = *state;
    struct webhook tired = endpoint_of(fresh, fresh->jane.id, "https://tired.example/"),
                   young = endpoint_of(fresh, fresh->jane.id, "https://young.example/");
    int64_t tried = deliveries_ping(fresh, &tired);
    assert_int_equal(deliveries_claim(fresh, 1).count, 1);
    deliveries_record(fresh, tried, DELIVERY_PENDING, fresh->now_ms + 5000);
    fresh->now_ms += MINUTE_MS;
    int64_t new_one = deliveries_ping(fresh, &young), new_too = deliveries_ping(fresh, &tired);
    /* Those of two endpoints, and those of one. */
    const int64_t ORDER[] = {new_one, new_too, tried};
    int64_t first = 0, second = 0;
    for (int i = 0; i < 3; i++) {
        struct claimed claimed = deliveries_claim(fresh, 1);
        assert_int_equal(claimed.count, 1);
        *(i == 0 ? &first : &second) = i < 2 ? claimed.list[0].id : second;
        if (i == 2)
            assert_int_equal(claimed.list[0].id, ORDER[2]);
        deliveries_record(fresh, claimed.list[0].id, DELIVERY_PENDING, fresh->now_ms + HOUR_MS);
        fresh->now_ms += 200;
    }
    assert_true((first == new_one && second == new_too) || (first == new_too && second == new_one));
}

static void lines__leave_places_for_each_other(void **state)
{
    struct fresh *fresh = *state;
    struct webhook prompt = endpoint_of(fresh, fresh->jane.id, "https://prompt.example/"),
                   unknown = endpoint_of(fresh, fresh->jane.id, "https://unknown.example/"),
                   failing = endpoint_of(fresh, fresh->jane.id, "https://failing.example/");
    prove(fresh, &prompt);
    int64_t retried = deliveries_ping(fresh, &failing);
    assert_int_equal(deliveries_claim(fresh, 64).count, 1);
    deliveries_record(fresh, retried, DELIVERY_PENDING, fresh->now_ms + 5000);
    fresh->now_ms += MINUTE_MS;
    int64_t of_prompt = deliveries_ping(fresh, &prompt), of_unknown = deliveries_ping(fresh, &unknown);
    const struct {
        struct delivery_load load;
        int64_t gets;
    } CASES[] = {
        {{64, 0, 0, {56, 0, 0}}, of_unknown},   /* the prompt have their fill */
        {{64, 0, 0, {0, 48, 0}}, of_prompt},    /* the unknown have, so retries too */
        {{64, 0, 0, {56, 0, 8}}, 0},            /* no place at all */
        {{64, 64, 0, {56, 0, 8}}, of_prompt},   /* but ahead of time */
        {{64, 64, 0, {120, 0, 8}}, 0},          /* which has an end too */
        {{64, 64, 0, {112, 0, 0}}, of_unknown}, /* what the prompt have ahead takes no place */
        {{64, 0, 0, {56, 2, 0}}, retried},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct claimed claimed = deliveries_claim_beside(fresh, &CASES[i].load);
        bool found = !CASES[i].gets && !claimed.count;
        for (size_t k = 0; k < claimed.count; k++)
            found = found || claimed.list[k].id == CASES[i].gets;
        assert_true(found);
        if (i == 0)
            assert_int_equal(claimed.list[0].lane, LANE_UNPROVEN);
        fresh->now_ms += TEST_LEASE_MS; /* as if the sender had died */
    }
}

/* Of a claim that may be small only the prompt leave room too, or the others would wait as long as there is a crowd. */
static void lines__leave_an_eighth_of_a_small_claim_to_each_other(void **state)
{
    struct fresh *fresh = *state;
    const struct delivery_load load = {.places = 64, .ahead = 128, .most = 16};
    int of_lane[LANE_CHORES] = {0};
    struct webhook webhooks[24];
    for (int i = 0; i < 4; i++) {
        struct member member = fresh_member(fresh, arena_printf(&fresh->arena, "member%d", i));
        for (int k = 0; k < 6; k++) {
            const char *url = arena_printf(&fresh->arena, "https://hook%d-%d.example/", i, k);
            webhooks[i * 6 + k] = endpoint_of(fresh, member.id, url);
            if (k < 5)
                prove(fresh, &webhooks[i * 6 + k]);
        }
    }
    fresh->now_ms += MINUTE_MS;
    for (int i = 0; i < 24; i++)
        deliveries_ping(fresh, &webhooks[i]);
    struct claimed claimed = deliveries_claim_beside(fresh, &load);
    for (size_t i = 0; i < claimed.count; i++)
        of_lane[claimed.list[i].lane]++;
    assert_int_equal(of_lane[LANE_PROMPT], 14);
    assert_int_equal(of_lane[LANE_UNPROVEN], 2);
    assert_int_equal(of_lane[LANE_RETRIES], 0);
}

static void retries__fill_half_of_the_places_at_most(void **state)
{
    struct fresh *fresh = *state;
    for (int i = 0; i < 8; i++) {
        struct webhook webhook =
            endpoint_of(fresh, fresh->jane.id, arena_printf(&fresh->arena, "https://hook%d.example/", i));
        int64_t id = deliveries_ping(fresh, &webhook);
        assert_int_equal(deliveries_claim(fresh, 64).count, 1);
        deliveries_record(fresh, id, DELIVERY_PENDING, fresh->now_ms + 5000);
    }
    fresh->now_ms += MINUTE_MS;
    struct claimed claimed = deliveries_claim(fresh, 8);
    assert_int_equal(claimed.count, 4);
    assert_int_equal(claimed.list[0].lane, LANE_RETRIES);
}

static void listener__is_never_pushed_to(void **state)
{
    struct fresh *fresh = *state;
    struct webhook webhook = {
        .owner_id = fresh->jane.id, .url = "", .events = (1u << EVENT_COUNT) - 1, .listener = true};
    assert_int_equal(store_webhook_add(fresh->store, &webhook, fresh->now_ms), RESULT_OK);
    deliveries_ping(fresh, &webhook);
    struct claimed claimed = deliveries_claim(fresh, 64);
    assert_int_equal(claimed.count, 0);
    assert_int_equal(claimed.next_due_ms, 0);
    assert_int_equal(deliveries_webhook(fresh, &webhook).pending, 1);
    assert_true(deliveries_are_sound(fresh));
}

/* ---- rests ---- */

static void rest__lets_one_probe_through_and_then_everything(void **state)
{
    struct fresh *fresh = *state;
    struct webhook webhook = fresh_webhook(fresh, "https://crm.example/hook");
    for (int i = 0; i < 14; i++)
        deliveries_ping(fresh, &webhook);
    for (int failed = 0; failed < 10; fresh->now_ms += 200) {
        struct claimed claimed = deliveries_claim(fresh, 64);
        for (size_t i = 0; i < claimed.count; i++, failed++)
            deliveries_record(fresh, claimed.list[i].id, DELIVERY_PENDING, fresh->now_ms + 5000);
    }
    int64_t until_ms = deliveries_webhook(fresh, &webhook).health.breaker_until_ms;
    assert_in_range(until_ms, fresh->now_ms + 29000, fresh->now_ms + 30000);
    struct webhook_figures figures;
    assert_int_equal(store_webhook_figures(fresh->store, fresh->now_ms, &figures), RESULT_OK);
    assert_int_equal(figures.resting, 1);
    assert_int_equal(figures.pending, 14);
    fresh->now_ms = until_ms - 1;
    struct claimed claimed = deliveries_claim(fresh, 64);
    assert_int_equal(claimed.count, 0);
    assert_int_equal(claimed.next_due_ms, until_ms);
    fresh->now_ms = until_ms;
    claimed = deliveries_claim(fresh, 64);
    assert_int_equal(claimed.count, 1);
    fresh->now_ms += 1000;
    assert_int_equal(deliveries_claim(fresh, 64).count, 0); /* no second probe */
    arrive(fresh, &claimed);
    assert_int_equal(deliveries_claim(fresh, 64).count, 2);
}

static void rest__ends_when_somebody_asks_by_hand(void **state)
{
    struct fresh *fresh = *state;
    struct webhook webhook = fresh_webhook(fresh, "https://crm.example/hook");
    for (int i = 0; i < 10; i++) {
        int64_t id = deliveries_ping(fresh, &webhook);
        assert_int_equal(deliveries_claim(fresh, 64).count, 1);
        deliveries_record(fresh, id, DELIVERY_FAILED, 0);
        fresh->now_ms += 200;
    }
    struct webhook found = deliveries_webhook(fresh, &webhook);
    assert_true(endpoint_is_resting(&found.health, fresh->now_ms));
    int64_t asked = deliveries_ping(fresh, &webhook);
    struct claimed claimed = deliveries_claim(fresh, 64);
    assert_int_equal(claimed.count, 1);
    assert_int_equal(claimed.list[0].id, asked);
    deliveries_record(fresh, asked, DELIVERY_FAILED, 0);
    found = deliveries_webhook(fresh, &webhook);
    assert_int_equal(found.health.breaker_ms, 60000); /* it was the probe */
}

/* ---- a thousand poisoned endpoints ---- */

struct town {
    int64_t good_id, slowest_ms, asked_ms;
    int poisoned_tries, good_tries;
};

static struct fake_answer play_town(void *context, const struct delivery *delivery, int64_t now_ms)
{
    struct town *town = context;
    if (delivery->webhook_id != town->good_id) {
        town->poisoned_tries++;
        return (struct fake_answer){.latency_ms = 15000, .error = "timeout"};
    }
    town->good_tries++;
    if (now_ms - town->asked_ms > town->slowest_ms)
        town->slowest_ms = now_ms - town->asked_ms;
    return (struct fake_answer){.status = 200, .latency_ms = 40};
}

static void good_endpoint__never_waits_beside_a_thousand_poisoned_ones(void **state)
{
    enum { MEMBERS = 50 };
    struct fresh *fresh = *state;
    struct town town = {0};
    struct fake_road road = {.fresh = fresh, .answer = play_town, .context = &town};
    struct webhook good = fresh_webhook(fresh, "https://good.example/"), poisoned[MEMBERS * WEBHOOKS_MAX];
    town.good_id = good.id;
    town.asked_ms = fresh->now_ms;
    prove(fresh, &good);
    for (int i = 0; i < MEMBERS; i++) {
        struct member member = fresh_member(fresh, arena_printf(&fresh->arena, "member%d", i));
        for (int k = 0; k < WEBHOOKS_MAX; k++)
            poisoned[i * WEBHOOKS_MAX + k] = endpoint_of(
                fresh, member.id, arena_printf(&fresh->arena, "https://poison%d.example/", i * WEBHOOKS_MAX + k));
    }
    for (int round = 0; round < 90; round++) { /* a minute and a half */
        for (int i = round % 3 * 300; round < 6 && i < round % 3 * 300 + 300; i++)
            deliveries_ping(fresh, &poisoned[i]);
        town.asked_ms = fresh->now_ms;
        deliveries_ping(fresh, &good);
        fake_road_run(&road, fresh->now_ms + 1000);
    }
    assert_int_equal(town.good_tries, 90);
    assert_int_equal(town.slowest_ms, 0);           /* claimed at the very tick, each time */
    assert_in_range(town.poisoned_tries, 240, 400); /* and the others had their 48 places all the while */
    assert_true(deliveries_are_sound(fresh));
}

/* ---- clocks ---- */

static void clock__that_leaps_ahead_gives_one_burst(void **state)
{
    struct fresh *fresh = *state;
    struct webhook webhook = fresh_webhook(fresh, "https://crm.example/hook");
    size_t attempts;
    int64_t ids[4];
    for (int i = 0; i < 4; i++)
        ids[i] = deliveries_ping(fresh, &webhook);
    for (int leap = 0; leap < 2; leap++) {
        for (int tick = 0; tick < 20; tick++, fresh->now_ms += 200) {
            struct claimed claimed = deliveries_claim(fresh, 64);
            for (size_t i = 0; i < claimed.count; i++)
                deliveries_record(fresh, claimed.list[i].id, DELIVERY_PENDING,
                                  delivery_retry_at(claimed.list[i].attempts + 1, fresh->now_ms, 0, true, 0));
        }
        for (int i = 0; i < 4; i++)
            assert_int_equal(deliveries_find(fresh, ids[i], &attempts).attempts, leap + 1);
        fresh->now_ms += 400LL * 24 * HOUR_MS; /* a wrong year */
    }
}

static void clock__that_falls_back_holds_up_nothing_fresh(void **state)
{
    struct fresh *fresh = *state;
    struct webhook webhook = fresh_webhook(fresh, "https://crm.example/hook");
    int64_t old = deliveries_ping(fresh, &webhook);
    struct claimed claimed = deliveries_claim(fresh, 64);
    assert_int_equal(claimed.count, 1);
    deliveries_record(fresh, old, DELIVERY_PENDING, fresh->now_ms + 5000);
    fresh->now_ms -= 48 * HOUR_MS;
    int64_t young = deliveries_ping(fresh, &webhook);
    claimed = deliveries_claim(fresh, 64);
    assert_int_equal(claimed.count, 1);
    assert_int_equal(claimed.list[0].id, young);
    arrive(fresh, &claimed);
    young = deliveries_ping(fresh, &webhook);
    fresh->now_ms += 100;
    assert_int_equal(deliveries_claim(fresh, 64).count, 1);
}

/* ---- too many ---- */

static enum result flood(struct db *db, void *context)
{
    struct fresh *fresh = context;
    enum result result = RESULT_OK;
    for (int i = 0; i < 500 && result == RESULT_OK; i++)
        result = outbox_add(fresh->store, db, fresh->jane.id, EVENT_CARD_SCANNED, json_object(), 0, fresh->now_ms);
    return result;
}

static void pending__beyond_ten_thousand_pauses_the_oldest_retries(void **state)
{
    struct fresh *fresh = *state;
    struct webhook webhook = fresh_webhook(fresh, "https://crm.example/hook");
    int64_t oldest = deliveries_ping(fresh, &webhook);
    size_t attempts;
    assert_int_equal(deliveries_claim(fresh, 64).count, 1);
    deliveries_record(fresh, oldest, DELIVERY_PENDING, fresh->now_ms + HOUR_MS);
    for (int i = 0; i < 20; i++) /* one less than one too many */
        assert_int_equal(store_write(fresh->store, "test", flood, fresh), RESULT_OK);
    struct webhook found = deliveries_webhook(fresh, &webhook);
    assert_int_equal(found.pending, ENDPOINT_PENDING_MAX + 1);
    assert_int_equal(found.paused, 1);
    assert_true(deliveries_find(fresh, oldest, &attempts).paused);
    assert_true(deliveries_are_sound(fresh));
    fresh->now_ms += 2 * HOUR_MS;
    for (int i = 0; i < 2; i++, fresh->now_ms += 200) {
        struct claimed claimed = deliveries_claim(fresh, 64);
        assert_int_equal(claimed.count, 2);
        arrive(fresh, &claimed);
    }
    found = deliveries_webhook(fresh, &webhook);
    assert_int_equal(found.pending, ENDPOINT_PENDING_MAX - 3);
    assert_int_equal(found.paused, 0); /* there is room again */
    assert_false(deliveries_find(fresh, oldest, &attempts).paused);
    assert_true(deliveries_are_sound(fresh));
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fresh_setup, fresh_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(endpoint__gets_ten_attempts_a_second_at_most),
        WITH_STORE(member__has_at_most_eight_under_way_and_the_next_goes_when_one_is_back),
        WITH_STORE(target__has_at_most_four_under_way_however_it_is_spelt),
        WITH_STORE(target__that_was_full_when_the_sender_died_is_free_again),
        WITH_STORE(fresh__goes_before_retries),
        WITH_STORE(lines__leave_places_for_each_other),
        WITH_STORE(lines__leave_an_eighth_of_a_small_claim_to_each_other),
        WITH_STORE(retries__fill_half_of_the_places_at_most),
        WITH_STORE(listener__is_never_pushed_to),
        WITH_STORE(rest__lets_one_probe_through_and_then_everything),
        WITH_STORE(rest__ends_when_somebody_asks_by_hand),
        WITH_STORE(good_endpoint__never_waits_beside_a_thousand_poisoned_ones),
        WITH_STORE(clock__that_leaps_ahead_gives_one_burst),
        WITH_STORE(clock__that_falls_back_holds_up_nothing_fresh),
        WITH_STORE(pending__beyond_ten_thousand_pauses_the_oldest_retries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
