/* Endpoints and deliveries in the store, on a clock that the tests move: what is claimed, by whose turn, for how long, and how
 * each delivery ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include "server/ids.h"
#include "server/store/internal.h"
#include "server/store/outbox.h"
#include "tests/support/deliveries.h"

/* ---- endpoints ---- */

static void webhook__keeps_its_secret_sealed(void **state)
{
    if (!engine_is_sqlite())
        skip(); /* a server has its own files */
    struct fresh *fresh = *state;
    struct webhook webhook = fresh_webhook(fresh, "https://crm.example/hook"), found;
    char path[128];
    snprintf(path, sizeof path, "%s/meishi.db", fresh->folder);
    assert_int_equal(store_webhook_find(fresh->store, &fresh->arena, fresh->jane.id, webhook.id, &found), RESULT_OK);
    unsigned char nothing[WEBHOOK_SECRET_SIZE] = {0};
    assert_memory_equal(found.secret, nothing, sizeof nothing);
    deliveries_ping(fresh, &webhook);
    struct claimed claimed = deliveries_claim(fresh, 10);
    assert_int_equal(claimed.count, 1);
    assert_memory_equal(claimed.list[0].keys.secret, webhook.secret, sizeof webhook.secret);
    store_tidy(fresh->store, true);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *bytes = arena_alloc(&fresh->arena, 8 << 20);
    size_t len = fread(bytes, 1, 8 << 20, file);
    fclose(file);
    assert_non_null(memmem(bytes, len, "crm.example", 11));
    assert_null(memmem(bytes, len, webhook.secret, sizeof webhook.secret));
}

static void webhook__are_at_most_twenty(void **state)
{
    struct fresh *fresh = *state;
    for (int i = 0; i < WEBHOOKS_MAX; i++)
        fresh_webhook(fresh, "https://crm.example/hook");
    struct webhook one_more = {.owner_id = fresh->jane.id, .url = "https://crm.example/hook", .events = 1}, *list;
    assert_int_equal(store_webhook_add(fresh->store, &one_more, fresh->now_ms), RESULT_LIMITED);
    size_t count;
    assert_int_equal(store_webhook_list(fresh->store, &fresh->arena, fresh->jane.id, &list, &count), RESULT_OK);
    assert_int_equal(count, WEBHOOKS_MAX);
    assert_int_equal(store_webhook_remove(fresh->store, fresh->jane.id, list[0].id, fresh->now_ms), RESULT_OK);
    assert_int_equal(store_webhook_add(fresh->store, &one_more, fresh->now_ms), RESULT_OK);
}

static void webhook__of_another_member_is_not_found(void **state)
{
    struct fresh *fresh = *state;
    struct member bob = fresh_member(fresh, "bob");
    struct webhook webhook = fresh_webhook(fresh, "https://crm.example/hook"), out;
    int64_t id;
    assert_int_equal(store_webhook_find(fresh->store, &fresh->arena, bob.id, webhook.id, &out), RESULT_NOT_FOUND);
    assert_int_equal(store_webhook_remove(fresh->store, bob.id, webhook.id, fresh->now_ms), RESULT_NOT_FOUND);
    assert_int_equal(store_webhook_ping(fresh->store, bob.id, webhook.id, fresh->now_ms, &id), RESULT_NOT_FOUND);
    webhook.owner_id = bob.id;
    assert_int_equal(store_webhook_change(fresh->store, &webhook, fresh->now_ms), RESULT_NOT_FOUND);
}

static void webhook__hears_only_what_it_asked_for(void **state)
{
    struct fresh *fresh = *state;
    struct webhook created = {
        .owner_id = fresh->jane.id, .url = "https://a.example/", .events = 1u << EVENT_LEAD_CREATED};
    struct webhook erased = {
        .owner_id = fresh->jane.id, .url = "https://b.example/", .events = 1u << EVENT_LEAD_ERASED};
    assert_int_equal(store_webhook_add(fresh->store, &created, fresh->now_ms), RESULT_OK);
    assert_int_equal(store_webhook_add(fresh->store, &erased, fresh->now_ms), RESULT_OK);
    struct lead lead;
    assert_int_equal(fresh_form(fresh, &fresh->share, id_new(), "Ada", "ada@example.org", &lead), RESULT_OK);
    struct claimed claimed = deliveries_claim(fresh, 10);
    assert_int_equal(claimed.count, 1);
    assert_int_equal(claimed.list[0].webhook_id, created.id);
    assert_int_equal(claimed.list[0].type, EVENT_LEAD_CREATED);
    assert_int_equal(claimed.list[0].lead_id, lead.id);
}

struct wants {
    struct fresh *fresh;
    bool created, erased;
};

static enum result wants_body(struct db *db, void *context)
{
    struct wants *wants = context;
    wants->created = outbox_wanted(wants->fresh->store, db, wants->fresh->jane.id, EVENT_LEAD_CREATED);
    wants->erased = outbox_wanted(wants->fresh->store, db, wants->fresh->jane.id, EVENT_LEAD_ERASED);
    return RESULT_OK;
}

static struct wants wants_of(struct fresh *fresh)
{
    struct wants wants = {.fresh = fresh};
    assert_int_equal(store_write(fresh->store, "test", wants_body, &wants), RESULT_OK);
    return wants;
}

static void outbox__knows_who_wants_what_after_every_change(void **state)
{
    struct fresh *fresh = *state;
    assert_false(wants_of(fresh).created);
    struct webhook webhook = {
        .owner_id = fresh->jane.id, .url = "https://a.example/", .events = 1u << EVENT_LEAD_CREATED};
    assert_int_equal(store_webhook_add(fresh->store, &webhook, fresh->now_ms), RESULT_OK);
    assert_true(wants_of(fresh).created);
    assert_false(wants_of(fresh).erased);
    webhook.events = 1u << EVENT_LEAD_ERASED;
    assert_int_equal(store_webhook_change(fresh->store, &webhook, fresh->now_ms), RESULT_OK);
    assert_false(wants_of(fresh).created);
    assert_true(wants_of(fresh).erased);
    webhook.disabled_ms = fresh->now_ms;
    assert_int_equal(store_webhook_change(fresh->store, &webhook, fresh->now_ms), RESULT_OK);
    assert_true(wants_of(fresh).erased); /* it is kept for when the endpoint is on again */
    assert_int_equal(store_webhook_remove(fresh->store, fresh->jane.id, webhook.id, fresh->now_ms), RESULT_OK);
    assert_false(wants_of(fresh).erased);
}

static enum result add_then_fail(struct db *db, void *context)
{
    struct fresh *fresh = context;
    enum result result =
        outbox_add(fresh->store, db, fresh->jane.id, EVENT_LEAD_CREATED, json_object(), 0, fresh->now_ms);
    return result == RESULT_OK ? RESULT_CONFLICT : result;
}

static void count_wakes(void *context)
{
    ++*(int *)context;
}

static void outbox__tells_nothing_that_was_rolled_back(void **state)
{
    struct fresh *fresh = *state;
    int wakes = 0;
    struct webhook webhook = fresh_webhook(fresh, "https://crm.example/hook");
    store_on_outbox(fresh->store, count_wakes, &wakes);
    assert_int_equal(store_write(fresh->store, "test", add_then_fail, fresh), RESULT_CONFLICT);
    assert_int_equal(wakes, 0);
    assert_int_equal(deliveries_claim(fresh, 10).count, 0);
    deliveries_ping(fresh, &webhook);
    assert_int_equal(wakes, 1);
}

/* ---- claiming ---- */

static void delivery__is_leased_to_one_and_comes_back_with_its_id(void **state)
{
    struct fresh *fresh = *state;
    struct webhook webhook = fresh_webhook(fresh, "https://crm.example/hook");
    int64_t id = deliveries_ping(fresh, &webhook);
    struct claimed first = deliveries_claim(fresh, 10);
    assert_int_equal(first.count, 1);
    assert_int_equal(first.list[0].id, id);
    assert_int_equal(first.next_due_ms, fresh->now_ms + TEST_LEASE_MS);
    assert_int_equal(deliveries_claim(fresh, 10).count, 0);
    fresh_reopen(fresh); /* the sender died after sending, before recording */
    assert_int_equal(deliveries_claim(fresh, 10).count, 0);
    fresh->now_ms += TEST_LEASE_MS;
    struct claimed again = deliveries_claim(fresh, 10);
    assert_int_equal(again.count, 1);
    assert_int_equal(again.list[0].id, id);
    assert_int_equal(again.list[0].event_id, first.list[0].event_id);
    assert_string_equal(again.list[0].body, first.list[0].body);
}

static void delivery__backlog_of_one_endpoint_holds_up_no_other(void **state)
{
    struct fresh *fresh = *state;
    struct webhook busy = fresh_webhook(fresh, "https://busy.example/"),
                   quiet = fresh_webhook(fresh, "https://quiet.example/");
    for (int i = 0; i < 200; i++)
        deliveries_ping(fresh, &busy);
    fresh->now_ms += 1000;
    int64_t waiting = deliveries_ping(fresh, &quiet);
    struct claimed claimed = deliveries_claim(fresh, 64);
    size_t of_busy = 0;
    bool found = false;
    for (size_t i = 0; i < claimed.count; i++) {
        of_busy += claimed.list[i].webhook_id == busy.id;
        found = found || claimed.list[i].id == waiting;
    }
    assert_true(found);
    assert_int_equal(of_busy, 2);
    assert_int_equal(deliveries_claim(fresh, 64).count, 0);
    fresh->now_ms += 1000;
    assert_int_equal(deliveries_claim(fresh, 64).count, 0);
    deliveries_record(fresh, claimed.list[0].id, DELIVERY_DELIVERED, 0);
    deliveries_record(fresh, claimed.list[1].id, DELIVERY_DELIVERED, 0);
    deliveries_record(fresh, claimed.list[2].id, DELIVERY_DELIVERED, 0);
    assert_int_equal(deliveries_claim(fresh, 64).count, 2);
}

static void delivery__endpoints_take_turns(void **state)
{
    struct fresh *fresh = *state;
    struct webhook one = fresh_webhook(fresh, "https://one.example/"),
                   other = fresh_webhook(fresh, "https://other.example/");
    int64_t last = 0;
    for (int i = 0; i < 6; i++) {
        deliveries_ping(fresh, &one);
        deliveries_ping(fresh, &other);
    }
    struct claimed both = deliveries_claim(fresh, 4); /* so that both are known to be prompt */
    for (size_t i = 0; i < both.count; i++)
        deliveries_record(fresh, both.list[i].id, DELIVERY_DELIVERED, 0);
    fresh->now_ms += 200;
    for (size_t i = both.count; i < 12; i++) {
        fresh->now_ms += 100;
        struct claimed claimed = deliveries_claim(fresh, 1);
        assert_int_equal(claimed.count, 1);
        assert_int_not_equal(claimed.list[0].webhook_id, last);
        last = claimed.list[0].webhook_id;
        deliveries_record(fresh, claimed.list[0].id, DELIVERY_DELIVERED, 0);
    }
    fresh->now_ms += 100;
    assert_int_equal(deliveries_claim(fresh, 1).count, 0);
    assert_int_equal(deliveries_claim(fresh, 1).next_due_ms, 0);
}

/* ---- ends ---- */

static void delivery__is_retried_on_schedule_and_then_fails(void **state)
{
    struct fresh *fresh = *state;
    struct webhook webhook = fresh_webhook(fresh, "https://crm.example/hook"), found;
    int64_t id = deliveries_ping(fresh, &webhook), started_ms = fresh->now_ms;
    size_t attempt_count;
    for (int attempts = 1;; attempts++) {
        struct claimed claimed = deliveries_claim(fresh, 10);
        assert_int_equal(claimed.count, 1);
        assert_int_equal(claimed.list[0].attempts, attempts - 1);
        int64_t retry_at_ms = delivery_retry_at(attempts, fresh->now_ms, random_u64(), false, 0);
        deliveries_record(fresh, id, retry_at_ms ? DELIVERY_PENDING : DELIVERY_FAILED, retry_at_ms);
        if (!retry_at_ms)
            break;
        assert_int_equal(deliveries_find(fresh, id, &attempt_count).due_ms, retry_at_ms);
        fresh->now_ms = retry_at_ms - 1;
        claimed = deliveries_claim(fresh, 10);
        assert_int_equal(claimed.count, 0);
        assert_int_equal(claimed.next_due_ms, retry_at_ms);
        fresh->now_ms = retry_at_ms;
    }
    struct delivery delivery = deliveries_find(fresh, id, &attempt_count);
    assert_int_equal(delivery.state, DELIVERY_FAILED);
    assert_int_equal(delivery.attempts, DELIVERY_ATTEMPTS_MAX);
    assert_int_equal(attempt_count, DELIVERY_ATTEMPTS_MAX);
    assert_int_equal(delivery.last_status, 500);
    assert_true(fresh->now_ms - started_ms > 75 * 3600 * 1000);
    assert_int_equal(store_webhook_find(fresh->store, &fresh->arena, fresh->jane.id, webhook.id, &found), RESULT_OK);
    assert_int_equal(found.health.failures_in_a_row, DELIVERY_ATTEMPTS_MAX);

    assert_int_equal(store_delivery_redeliver(fresh->store, fresh->jane.id, id, fresh->now_ms), RESULT_OK);
    assert_int_equal(store_delivery_redeliver(fresh->store, fresh->jane.id, id, fresh->now_ms), RESULT_CONFLICT);
    fresh->now_ms += 100;
    struct claimed claimed = deliveries_claim(fresh, 10);
    assert_int_equal(claimed.count, 1);
    assert_int_equal(claimed.list[0].event_id, delivery.event_id);
    deliveries_record(fresh, id, DELIVERY_DELIVERED, 0);
    assert_int_equal(deliveries_find(fresh, id, &attempt_count).state, DELIVERY_DELIVERED);
    assert_int_equal(store_webhook_find(fresh->store, &fresh->arena, fresh->jane.id, webhook.id, &found), RESULT_OK);
    assert_int_equal(found.health.failures_in_a_row, 0);
}

static void delivery__of_a_gone_endpoint_ends_disabled(void **state)
{
    struct fresh *fresh = *state;
    struct webhook webhook = fresh_webhook(fresh, "https://crm.example/hook"), found;
    int64_t first = deliveries_ping(fresh, &webhook), second = deliveries_ping(fresh, &webhook),
            third = deliveries_ping(fresh, &webhook), id;
    size_t attempts;
    assert_int_equal(deliveries_claim(fresh, 10).count, 2);
    deliveries_record(fresh, first, DELIVERY_DISABLED, 0);
    assert_int_equal(deliveries_find(fresh, first, &attempts).state, DELIVERY_DISABLED);
    assert_int_equal(attempts, 1);
    assert_int_equal(deliveries_find(fresh, second, &attempts).state, DELIVERY_DISABLED);
    assert_int_equal(deliveries_find(fresh, third, &attempts).state, DELIVERY_DISABLED);
    assert_int_equal(store_webhook_find(fresh->store, &fresh->arena, fresh->jane.id, webhook.id, &found), RESULT_OK);
    assert_string_equal(found.disabled_why, "the receiver answered 410 Gone");
    deliveries_record(fresh, second, DELIVERY_DELIVERED, 0); /* was under way: its end stands */
    assert_int_equal(deliveries_find(fresh, second, &attempts).state, DELIVERY_DISABLED);
    assert_int_equal(store_webhook_ping(fresh->store, fresh->jane.id, webhook.id, fresh->now_ms, &id), RESULT_CONFLICT);
    assert_int_equal(store_delivery_redeliver(fresh->store, fresh->jane.id, third, fresh->now_ms), RESULT_CONFLICT);
    found.disabled_ms = 0;
    assert_int_equal(store_webhook_change(fresh->store, &found, fresh->now_ms), RESULT_OK);
    assert_int_equal(store_delivery_redeliver(fresh->store, fresh->jane.id, third, fresh->now_ms), RESULT_OK);
    assert_int_equal(deliveries_claim(fresh, 10).count, 1);
}

static void delivery__of_a_removed_endpoint_ends_disabled(void **state)
{
    struct fresh *fresh = *state;
    struct webhook webhook = fresh_webhook(fresh, "https://crm.example/hook");
    int64_t id = deliveries_ping(fresh, &webhook);
    size_t attempts;
    assert_int_equal(store_webhook_remove(fresh->store, fresh->jane.id, webhook.id, fresh->now_ms), RESULT_OK);
    assert_int_equal(deliveries_find(fresh, id, &attempts).state, DELIVERY_DISABLED);
    assert_int_equal(deliveries_claim(fresh, 10).count, 0);
    assert_int_equal(store_webhook_remove(fresh->store, fresh->jane.id, webhook.id, fresh->now_ms), RESULT_NOT_FOUND);
}

static void delivery__without_the_key_is_not_sent_and_can_be_later(void **state)
{
    struct fresh *fresh = *state;
    struct webhook webhook = fresh_webhook(fresh, "https://crm.example/hook"), found;
    int64_t id = deliveries_ping(fresh, &webhook);
    size_t attempts;
    fresh->store->seal_key[0] ^= 1; /* the key file of another installation */
    assert_int_equal(deliveries_claim(fresh, 10).count, 0);
    assert_int_equal(deliveries_find(fresh, id, &attempts).state, DELIVERY_DISABLED);
    assert_int_equal(attempts, 0);
    assert_int_equal(store_webhook_find(fresh->store, &fresh->arena, fresh->jane.id, webhook.id, &found), RESULT_OK);
    assert_non_null(strstr(found.disabled_why, "another key file"));
    fresh->store->seal_key[0] ^= 1; /* put back */
    found.disabled_ms = 0;
    assert_int_equal(store_webhook_change(fresh->store, &found, fresh->now_ms), RESULT_OK);
    assert_int_equal(store_delivery_redeliver(fresh->store, fresh->jane.id, id, fresh->now_ms), RESULT_OK);
    struct claimed claimed = deliveries_claim(fresh, 10);
    assert_int_equal(claimed.count, 1);
    assert_memory_equal(claimed.list[0].keys.secret, webhook.secret, WEBHOOK_SECRET_SIZE);
}

static void delivery__erased_while_under_way_stays_erased(void **state)
{
    struct fresh *fresh = *state;
    fresh_webhook(fresh, "https://crm.example/hook");
    struct lead lead;
    size_t attempts;
    assert_int_equal(fresh_form(fresh, &fresh->share, id_new(), "Ada", "ada@example.org", &lead), RESULT_OK);
    struct claimed claimed = deliveries_claim(fresh, 10);
    assert_int_equal(claimed.count, 1);
    assert_int_equal(store_lead_erase(fresh->store, fresh->jane.id, lead.id, fresh->now_ms), RESULT_OK);
    deliveries_record(fresh, claimed.list[0].id, DELIVERY_PENDING, fresh->now_ms + 5000);
    struct delivery delivery = deliveries_find(fresh, claimed.list[0].id, &attempts);
    assert_int_equal(delivery.state, DELIVERY_ERASED);
    assert_string_equal(delivery.body, "");
}

static void delivery__of_a_lead_is_on_its_timeline(void **state)
{
    struct fresh *fresh = *state;
    fresh_webhook(fresh, "https://crm.example/hook?key=1");
    struct lead lead;
    struct lead_moment *moments;
    size_t count;
    assert_int_equal(fresh_form(fresh, &fresh->share, id_new(), "Ada", "ada@example.org", &lead), RESULT_OK);
    struct claimed claimed = deliveries_claim(fresh, 10);
    deliveries_record(fresh, claimed.list[0].id, DELIVERY_DELIVERED, 0);
    assert_int_equal(store_lead_timeline(fresh->store, &fresh->arena, fresh->jane.id, lead.id, &moments, &count),
                     RESULT_OK);
    assert_string_equal(moments[count - 1].kind, "told");
    assert_string_equal(moments[count - 1].words, "crm.example");
}

static void delivery__that_was_interrupted_by_us_is_due_again_and_counts_for_nothing(void **state)
{
    struct fresh *fresh = *state;
    struct webhook webhook = fresh_webhook(fresh, "https://crm.example/hook");
    int64_t id = deliveries_ping(fresh, &webhook);
    struct claimed first = deliveries_claim(fresh, 10);
    assert_int_equal(first.count, 1);
    struct outcome outcome = {.delivery_id = id,
                              .interrupted = true,
                              .state = DELIVERY_PENDING,
                              .retry_at_ms = fresh->now_ms + 1500,
                              .attempt = {.at_ms = fresh->now_ms, .error = "interrupted"}};
    assert_int_equal(store_delivery_record(fresh->store, &outcome, 1, fresh->now_ms), RESULT_OK);
    size_t attempts;
    assert_int_equal(deliveries_find(fresh, id, &attempts).attempts, 0);
    assert_int_equal(attempts, 0);
    struct webhook found;
    assert_int_equal(store_webhook_find(fresh->store, &fresh->arena, fresh->jane.id, webhook.id, &found), RESULT_OK);
    assert_int_equal(found.health.failures_in_a_row, 0);
    assert_int_equal(deliveries_claim(fresh, 10).count, 0);
    fresh->now_ms += 1500;
    struct claimed second = deliveries_claim(fresh, 10);
    assert_int_equal(second.count, 1);
    assert_int_equal(second.list[0].event_id, first.list[0].event_id);
}

static void delivery__of_a_sender_that_died_is_due_at_the_next_start(void **state)
{
    struct fresh *fresh = *state;
    struct webhook webhook = fresh_webhook(fresh, "https://crm.example/hook");
    for (int i = 0; i < 3; i++)
        deliveries_ping(fresh, &webhook);
    struct claimed first = deliveries_claim(fresh, 10), again;
    assert_int_equal(first.count, 2);
    fresh->now_ms += 1000;
    assert_int_equal(deliveries_claim(fresh, 10).count, 0); /* the endpoint has its fill */
    fresh_reopen(fresh);
    assert_int_equal(store_delivery_release(fresh->store, fresh->now_ms, TEST_LEASE_MS), RESULT_OK);
    again = deliveries_claim(fresh, 10);
    assert_int_equal(again.count, 2);
    fresh->now_ms += 1000;
    for (size_t i = 0; i < again.count; i++)
        deliveries_record(fresh, again.list[i].id, DELIVERY_DELIVERED, 0);
    fresh->now_ms += 1000;
    again = deliveries_claim(fresh, 10);
    assert_int_equal(again.count, 1);
    deliveries_record(fresh, again.list[0].id, DELIVERY_DELIVERED, 0);
    for (size_t i = 0; i < first.count; i++)
        assert_int_equal(deliveries_find(fresh, first.list[i].id, &(size_t){0}).state, DELIVERY_DELIVERED);
}

static void delivery__of_another_sender_is_left_to_it(void **state)
{
    if (engine_is_sqlite())
        skip(); /* where there is no other */
    struct fresh *fresh = *state;
    struct webhook webhook = fresh_webhook(fresh, "https://crm.example/hook");
    const struct store_options options = {.url = fresh->url, .readers = 1};
    const char *why;
    struct store *late;
    fresh->now_ms += 5000;
    deliveries_ping(fresh, &webhook);
    assert_int_equal(deliveries_claim(fresh, 10).count, 1);
    fresh->now_ms += 1000;
    assert_int_equal(store_open(&options, &fresh->arena, &late, &why), RESULT_OK);
    assert_int_equal(store_delivery_release(late, fresh->now_ms, TEST_LEASE_MS), RESULT_OK);
    assert_int_equal(deliveries_claim(fresh, 10).count, 0);
    store_close(late);
    /* Nor does one that was alone when it came take what was claimed later. */
    assert_int_equal(store_delivery_release(fresh->store, fresh->now_ms, TEST_LEASE_MS), RESULT_OK);
    assert_int_equal(deliveries_claim(fresh, 10).count, 0);
}

static void delivery__exchange_records_and_claims_what_that_makes_room_for(void **state)
{
    struct fresh *fresh = *state;
    struct webhook webhook = fresh_webhook(fresh, "https://crm.example/hook");
    for (int i = 0; i < 3; i++)
        deliveries_ping(fresh, &webhook);
    struct claimed first = deliveries_claim(fresh, 10), next;
    assert_int_equal(first.count, 2); /* the endpoint has its fill */
    fresh->now_ms += 1000;
    struct outcome outcome = {.delivery_id = first.list[0].id,
                              .state = DELIVERY_DELIVERED,
                              .attempt = {.at_ms = fresh->now_ms, .status = 204, .latency_ms = 7}};
    const struct delivery_load load = {.places = 10};
    assert_int_equal(store_delivery_exchange(fresh->store, &fresh->arena, &outcome, 1, fresh->now_ms, TEST_LEASE_MS,
                                             &load, &next.list, &next.count, &next.next_due_ms),
                     RESULT_OK);
    assert_int_equal(next.count, 1);
    assert_int_not_equal(next.list[0].id, first.list[1].id);
    assert_int_equal(deliveries_find(fresh, first.list[0].id, &(size_t){0}).state, DELIVERY_DELIVERED);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fresh_setup, fresh_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(webhook__keeps_its_secret_sealed),
        WITH_STORE(webhook__are_at_most_twenty),
        WITH_STORE(webhook__of_another_member_is_not_found),
        WITH_STORE(webhook__hears_only_what_it_asked_for),
        WITH_STORE(outbox__knows_who_wants_what_after_every_change),
        WITH_STORE(outbox__tells_nothing_that_was_rolled_back),
        WITH_STORE(delivery__is_leased_to_one_and_comes_back_with_its_id),
        WITH_STORE(delivery__backlog_of_one_endpoint_holds_up_no_other),
        WITH_STORE(delivery__endpoints_take_turns),
        WITH_STORE(delivery__is_retried_on_schedule_and_then_fails),
        WITH_STORE(delivery__of_a_gone_endpoint_ends_disabled),
        WITH_STORE(delivery__of_a_removed_endpoint_ends_disabled),
        WITH_STORE(delivery__without_the_key_is_not_sent_and_can_be_later),
        WITH_STORE(delivery__erased_while_under_way_stays_erased),
        WITH_STORE(delivery__of_a_lead_is_on_its_timeline),
        WITH_STORE(delivery__that_was_interrupted_by_us_is_due_again_and_counts_for_nothing),
        WITH_STORE(delivery__of_a_sender_that_died_is_due_at_the_next_start),
        WITH_STORE(delivery__of_another_sender_is_left_to_it),
        WITH_STORE(delivery__exchange_records_and_claims_what_that_makes_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
