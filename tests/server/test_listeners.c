/* Listeners in the store, on a clock that the tests move: who is handed what, for how long, and when one ends by itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include "server/store/internal.h"
#include "tests/support/fresh_store.h"

static struct webhook listener(struct fresh *fresh)
{
    struct webhook made = {
        .owner_id = fresh->jane.id, .url = "meishi listen", .events = 1u << EVENT_LEAD_CREATED, .listener = true};
    assert_int_equal(store_webhook_add(fresh->store, &made, fresh->now_ms), RESULT_OK);
    return made;
}

static int64_t ping(struct fresh *fresh, const struct webhook *webhook)
{
    int64_t id;
    assert_int_equal(store_webhook_ping(fresh->store, fresh->jane.id, webhook->id, fresh->now_ms, &id), RESULT_OK);
    return id;
}

static size_t claim(struct fresh *fresh, const struct webhook *webhook, struct delivery **out)
{
    size_t count;
    assert_int_equal(store_listener_claim(fresh->store, &fresh->arena, fresh->jane.id, webhook->id, fresh->now_ms,
                                          LISTENER_CLAIM_MAX, out, &count),
                     RESULT_OK);
    return count;
}

static bool is_due(struct fresh *fresh, const struct webhook *webhook)
{
    struct listener_place place = {.owner_id = fresh->jane.id, .id = webhook->id};
    assert_int_equal(store_listener_look(fresh->store, &place, 1, fresh->now_ms), RESULT_OK);
    return place.is_due;
}

/* STATUS 0: nobody was there. When it will be handed out again, from now; 0: never. */
static int64_t record(struct fresh *fresh, const struct webhook *webhook, int64_t id, int status)
{
    int64_t retry_at_ms;
    struct listener_outcome outcome = {.owner_id = fresh->jane.id,
                                       .listener_id = webhook->id,
                                       .delivery_id = id,
                                       .attempt = {.at_ms = fresh->now_ms,
                                                   .status = status,
                                                   .error = status == 200 ? NULL
                                                            : status      ? "status"
                                                                          : "connect"},
                                       .unreached = !status};
    assert_int_equal(store_listener_record(fresh->store, &outcome, fresh->now_ms, &retry_at_ms), RESULT_OK);
    return retry_at_ms ? retry_at_ms - fresh->now_ms : 0;
}

static bool is_there(struct fresh *fresh, const struct webhook *webhook)
{
    struct webhook found;
    return store_webhook_find(fresh->store, &fresh->arena, fresh->jane.id, webhook->id, &found) == RESULT_OK;
}

static void listener__is_handed_signed_requests(void **state)
{
    struct fresh *fresh = *state;
    struct webhook made = listener(fresh), found;
    struct delivery *claimed;
    ping(fresh, &made);
    assert_true(is_due(fresh, &made));
    assert_int_equal(store_webhook_find(fresh->store, &fresh->arena, fresh->jane.id, made.id, &found), RESULT_OK);
    assert_true(found.listener);
    assert_int_equal(claim(fresh, &made, &claimed), 1);
    assert_memory_equal(claimed[0].keys.secret, made.secret, sizeof made.secret);
    assert_non_null(strstr(claimed[0].body, "webhook.ping"));
}

static void listener__is_handed_each_once_and_again_when_the_lease_ends(void **state)
{
    struct fresh *fresh = *state;
    struct webhook made = listener(fresh);
    struct delivery *first, *second;
    int64_t id = ping(fresh, &made);
    assert_int_equal(claim(fresh, &made, &first), 1);
    assert_int_equal(claim(fresh, &made, &second), 0);
    assert_false(is_due(fresh, &made));
    fresh->now_ms += LISTENER_LEASE_MS;
    assert_int_equal(claim(fresh, &made, &second), 1);
    assert_true(second[0].id == id && second[0].event_id == first[0].event_id);
    fresh_reopen(fresh); /* a server that was started again knows of the lease */
    assert_int_equal(claim(fresh, &made, &second), 0);
}

static void listener__waits_longer_after_each_refusal(void **state)
{
    struct fresh *fresh = *state;
    struct webhook made = listener(fresh);
    struct delivery *claimed;
    int64_t id = ping(fresh, &made), waits[] = {2000, 4000, 8000, 16000, 32000, 64000, 128000, 256000, 300000, 300000};
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        assert_int_equal(claim(fresh, &made, &claimed), 1);
        assert_int_equal(claimed[0].attempts, i);
        int64_t unreached = record(fresh, &made, id, 0); /* is no attempt */
        fresh->now_ms += unreached;
        assert_int_equal(unreached, 2000);
        assert_int_equal(claim(fresh, &made, &claimed), 1);
        assert_int_equal(record(fresh, &made, id, 500), waits[i]);
        fresh->now_ms += waits[i];
    }
    assert_int_equal(claim(fresh, &made, &claimed), 1);
    assert_int_equal(record(fresh, &made, id, 200), 0);
    assert_int_equal(claim(fresh, &made, &claimed), 0);
}

static void listener__records_only_what_is_its_own_and_waits(void **state)
{
    struct fresh *fresh = *state;
    struct webhook made = listener(fresh), other = listener(fresh),
                   endpoint = fresh_webhook(fresh, "https://crm.example/hook");
    int64_t id = ping(fresh, &made), pushed = ping(fresh, &endpoint), retry_at_ms;
    struct listener_outcome outcome = {.owner_id = fresh->jane.id, .listener_id = other.id, .delivery_id = id};
    assert_int_equal(store_listener_record(fresh->store, &outcome, fresh->now_ms, &retry_at_ms), RESULT_NOT_FOUND);
    outcome.listener_id = endpoint.id;
    outcome.delivery_id = pushed;
    assert_int_equal(store_listener_record(fresh->store, &outcome, fresh->now_ms, &retry_at_ms), RESULT_NOT_FOUND);
    record(fresh, &made, id, 200);
    outcome.listener_id = made.id;
    outcome.delivery_id = id;
    assert_int_equal(store_listener_record(fresh->store, &outcome, fresh->now_ms, &retry_at_ms), RESULT_NOT_FOUND);
}

static void listener__ends_when_nobody_has_asked_for_ten_minutes(void **state)
{
    struct fresh *fresh = *state;
    struct webhook quiet = listener(fresh), busy = listener(fresh),
                   endpoint = fresh_webhook(fresh, "https://crm.example/hook");
    struct delivery *none;
    size_t count;
    for (int minute = 0; minute <= 10; minute++) {
        claim(fresh, &busy, &none);
        assert_int_equal(store_listener_expire(fresh->store, fresh->now_ms), RESULT_OK);
        assert_true(is_there(fresh, &quiet));
        fresh->now_ms += 60000;
    }
    assert_int_equal(store_listener_expire(fresh->store, fresh->now_ms), RESULT_OK);
    assert_false(is_there(fresh, &quiet));
    assert_true(is_there(fresh, &busy));
    assert_true(is_there(fresh, &endpoint));
    assert_int_equal(
        store_listener_claim(fresh->store, &fresh->arena, fresh->jane.id, quiet.id, fresh->now_ms, 1, &none, &count),
        RESULT_NOT_FOUND);
    assert_true(is_due(fresh, &quiet)); /* so that whoever waits for it hears of it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(listener__is_handed_signed_requests, fresh_setup, fresh_teardown),
        cmocka_unit_test_setup_teardown(listener__is_handed_each_once_and_again_when_the_lease_ends, fresh_setup,
                                        fresh_teardown),
        cmocka_unit_test_setup_teardown(listener__waits_longer_after_each_refusal, fresh_setup, fresh_teardown),
        cmocka_unit_test_setup_teardown(listener__records_only_what_is_its_own_and_waits, fresh_setup, fresh_teardown),
        cmocka_unit_test_setup_teardown(listener__ends_when_nobody_has_asked_for_ten_minutes, fresh_setup,
                                        fresh_teardown),
    };
    return cmocka_run_group_tests_name("listeners", tests, NULL, NULL);
}
