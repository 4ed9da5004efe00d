/* Several senders on one outbox: whose each delivery is, and what is bounded for all of them together. On SQLite there is only
 * ever one, and nothing to test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "server/ids.h"
#include "tests/support/town.h"

enum { ENDPOINTS = 12, PINGS = 10, LEASE_MS = 60000 };

struct claimer {
    pthread_t thread;
    struct store *store;
    int64_t ids[ENDPOINTS * PINGS];
    size_t count;
};

/* Claims, sends at once and records, until nothing is due. */
static void *claim_all(void *context)
{
    struct claimer *claimer = context;
    int64_t until_ms = monotonic_ms() + TOWN_PATIENCE_MS;
    for (int idle = 0; idle < 5 && monotonic_ms() < until_ms;) {
        struct arena arena;
        struct delivery *list;
        struct outcome outcomes[64] = {0};
        const struct delivery_load load = {.places = 64};
        size_t count;
        int64_t next_ms, now = now_ms();
        arena_init(&arena);
        if (store_delivery_claim(claimer->store, &arena, now, LEASE_MS, &load, &list, &count, &next_ms) != RESULT_OK)
            count = 0;
        for (size_t i = 0; i < count; i++) {
            claimer->ids[claimer->count++] = list[i].id;
            outcomes[i] = (struct outcome){.delivery_id = list[i].id,
                                           .attempt = {.at_ms = now, .status = 204},
                                           .state = DELIVERY_DELIVERED,
                                           .leased_until_ms = list[i].leased_until_ms};
        }
        if (count && store_delivery_record(claimer->store, outcomes, count, now) != RESULT_OK)
            abort();
        idle = count || next_ms ? 0 : idle + 1;
        arena_free(&arena);
        usleep(count ? 1000 : 20000);
    }
    return NULL;
}

static int compare_numbers(const void *a, const void *b)
{
    int64_t one = *(const int64_t *)a, other = *(const int64_t *)b;
    return (one > other) - (one < other);
}

static void add_endpoints(struct town *town, struct webhook *webhooks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        webhooks[i] = (struct webhook){.owner_id = town->jane.id,
                                       .url = arena_printf(&town->arena, "https://crm%zu.example/", i),
                                       .events = 1u << EVENT_WEBHOOK_PING};
        assert_int_equal(store_webhook_add(town->servers[i % 2], &webhooks[i], now_ms()), RESULT_OK);
    }
}

static void deliveries__go_to_one_of_two_senders_each(void **state)
{
    struct town *town = *state;
    struct webhook webhooks[ENDPOINTS];
    struct claimer claimers[2] = {{.store = town->servers[0]}, {.store = town->servers[1]}};
    int64_t delivery_id, all[2 * ENDPOINTS * PINGS];
    add_endpoints(town, webhooks, ENDPOINTS);
    for (int i = 0; i < ENDPOINTS * PINGS; i++)
        assert_int_equal(
            store_webhook_ping(town->servers[i % 2], town->jane.id, webhooks[i % ENDPOINTS].id, now_ms(), &delivery_id),
            RESULT_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&claimers[i].thread, NULL, claim_all, &claimers[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(claimers[i].thread, NULL);
    size_t count = claimers[0].count + claimers[1].count;
    assert_int_equal(count, ENDPOINTS * PINGS);
    memcpy(all, claimers[0].ids, claimers[0].count * sizeof *all);
    memcpy(all + claimers[0].count, claimers[1].ids, claimers[1].count * sizeof *all);
    qsort(all, count, sizeof *all, compare_numbers);
    for (size_t i = 1; i < count; i++)
        assert_true(all[i] != all[i - 1]);
}

static size_t claim_some(struct town *town, int server, struct delivery **list)
{
    const struct delivery_load load = {.places = 64};
    size_t count;
    int64_t next_ms;
    assert_int_equal(
        store_delivery_claim(town->servers[server], &town->arena, now_ms(), LEASE_MS, &load, list, &count, &next_ms),
        RESULT_OK);
    return count;
}

static void deliveries__under_way_are_bounded_for_all_senders_together(void **state)
{
    struct town *town = *state;
    struct webhook webhooks[ENDPOINTS];
    struct delivery *list;
    int64_t delivery_id;
    add_endpoints(town, webhooks, ENDPOINTS);
    for (int i = 0; i < ENDPOINTS * 4; i++)
        assert_int_equal(
            store_webhook_ping(town->servers[0], town->jane.id, webhooks[i % ENDPOINTS].id, now_ms(), &delivery_id),
            RESULT_OK);
    size_t of_one = claim_some(town, 0, &list), of_other = claim_some(town, 1, &list);
    assert_int_equal(of_one + of_other, 8); /* a member's */
}

static void deliveries__on_probe_are_one_for_all_senders(void **state)
{
    struct town *town = *state;
    struct webhook webhook;
    struct delivery *list;
    int64_t delivery_id;
    add_endpoints(town, &webhook, 1);
    for (int i = 0; i < 4; i++)
        assert_int_equal(store_webhook_ping(town->servers[0], town->jane.id, webhook.id, now_ms(), &delivery_id),
                         RESULT_OK);
    town_run_sql(town, (const char *const[]){"UPDATE webhooks SET breaker_ms = 1000, breaker_until_ms = 1, lane = 2"},
                 1);
    assert_int_equal(claim_some(town, 0, &list), 1);
    assert_int_equal(claim_some(town, 1, &list), 0);
    assert_int_equal(claim_some(town, 0, &list), 0);
}

static void deliveries__of_a_sender_that_was_overtaken_are_for_the_other_to_judge(void **state)
{
    struct town *town = *state;
    struct webhook webhook;
    struct delivery *first, *second, found;
    struct attempt *attempts;
    size_t count;
    int64_t delivery_id;
    add_endpoints(town, &webhook, 1);
    assert_int_equal(store_webhook_ping(town->servers[0], town->jane.id, webhook.id, now_ms(), &delivery_id),
                     RESULT_OK);
    assert_int_equal(claim_some(town, 0, &first), 1);
    usleep(2000); /* another lease ends at another time */
    town_run_sql(town,
                 (const char *const[]){"UPDATE deliveries SET due_ms = 1, leased_until_ms = 1",
                                       "UPDATE webhooks SET next_due_ms = 1, turn_ms = 0"},
                 2);
    assert_int_equal(claim_some(town, 1, &second), 1);
    assert_true(second->id == first->id && second->event_id == first->event_id);
    struct outcome late = {.delivery_id = first->id,
                           .attempt = {.at_ms = now_ms(), .error = "timeout"},
                           .state = DELIVERY_PENDING,
                           .retry_at_ms = now_ms(),
                           .leased_until_ms = first->leased_until_ms};
    assert_int_equal(store_delivery_record(town->servers[0], &late, 1, now_ms()), RESULT_OK);
    assert_int_equal(claim_some(town, 0, &first), 0); /* it is still the other's */
    assert_int_equal(
        store_delivery_find(town->servers[0], &town->arena, town->jane.id, second->id, &found, &attempts, &count),
        RESULT_OK);
    assert_int_equal(count, 0);
    late.leased_until_ms = second->leased_until_ms;
    assert_int_equal(store_delivery_record(town->servers[1], &late, 1, now_ms()), RESULT_OK);
    assert_int_equal(
        store_delivery_find(town->servers[0], &town->arena, town->jane.id, second->id, &found, &attempts, &count),
        RESULT_OK);
    assert_int_equal(count, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, town_make, town_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(deliveries__go_to_one_of_two_senders_each),
        TEST(deliveries__under_way_are_bounded_for_all_senders_together),
        TEST(deliveries__on_probe_are_one_for_all_senders),
        TEST(deliveries__of_a_sender_that_was_overtaken_are_for_the_other_to_judge),
    };
    if (engine_is_sqlite()) {
        print_message("1..0\n");
        return 0;
    }
    return cmocka_run_group_tests_name("senders", tests, NULL, NULL);
}
