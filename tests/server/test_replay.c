/* What was missed, and sending again: by hand, all since a time, after an endpoint was off; and a receiver that is out for a
 * week. On a simulated clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include "server/ids.h"
#include "server/store/endpoints.h"
#include "server/store/outbox.h"
#include "tests/support/fake_road.h"

enum { MINUTE_MS = 60 * 1000, HOUR_MS = 60 * MINUTE_MS };
static const int64_t DAY_MS = 24LL * HOUR_MS;

/* ---- by hand ---- */

static void by_hand__is_ten_a_minute_a_member(void **state)
{
    struct fresh *fresh = *state;
    struct webhook webhook = fresh_webhook(fresh, "https://crm.example/hook");
    int64_t ids[11];
    for (int i = 0; i < 11; i++)
        ids[i] = deliveries_ping(fresh, &webhook);
    for (int done = 0; done < 11; fresh->now_ms += 200) {
        struct claimed claimed = deliveries_claim(fresh, 64);
        for (size_t i = 0; i < claimed.count; i++, done++)
            deliveries_record(fresh, claimed.list[i].id, DELIVERY_DELIVERED, 0);
    }
    for (int i = 0; i < 10; i++)
        assert_int_equal(store_delivery_redeliver(fresh->store, fresh->jane.id, ids[i], fresh->now_ms), RESULT_OK);
    assert_int_equal(store_delivery_redeliver(fresh->store, fresh->jane.id, ids[10], fresh->now_ms), RESULT_LIMITED);
    assert_int_equal(deliveries_count(fresh, &webhook, DELIVERY_PENDING), 10);
    fresh->now_ms += MINUTE_MS;
    assert_int_equal(store_delivery_redeliver(fresh->store, fresh->jane.id, ids[10], fresh->now_ms), RESULT_OK);
    assert_true(deliveries_are_sound(fresh));
}

static enum result count_old_attempts(struct db *db, void *context)
{
    struct db_rows *rows;
    enum result result = db_one(db, "SELECT COUNT(*) FROM delivery_attempts", NULL, 0, &rows);
    *(int64_t *)context = db_column_int(rows, 0);
    db_finish(&rows);
    return result;
}

static void by_hand__forgets_attempts_of_more_than_thirty_days_ago(void **state)
{
    struct fresh *fresh = *state;
    struct webhook webhook = fresh_webhook(fresh, "https://crm.example/hook");
    int64_t id = deliveries_ping(fresh, &webhook), logged;
    deliveries_claim(fresh, 64);
    deliveries_record(fresh, id, DELIVERY_DELIVERED, 0);
    fresh->now_ms += 31 * DAY_MS;
    assert_int_equal(store_delivery_redeliver(fresh->store, fresh->jane.id, id, fresh->now_ms), RESULT_OK);
    assert_int_equal(store_read(fresh->store, count_old_attempts, &logged), RESULT_OK);
    assert_int_equal(logged, 0);
}

/* ---- all that was missed ---- */

/* N deliveries that failed. */
static void fail_some(struct fresh *fresh, const struct webhook *webhook, int n)
{
    for (int i = 0; i < n; i++)
        deliveries_ping(fresh, webhook);
    for (int done = 0; done < n; fresh->now_ms += 31 * MINUTE_MS) { /* longer than any rest */
        struct claimed claimed = deliveries_claim(fresh, 64);
        for (size_t i = 0; i < claimed.count; i++, done++)
            deliveries_record(fresh, claimed.list[i].id, DELIVERY_FAILED, 0);
    }
}

struct arrivals {
    int64_t at_ms[1000], event_ids[1000], sequences[1000];
    size_t count;
    int64_t out_from_ms, out_until_ms; /* the receiver answers 503 then */
};

static struct fake_answer receive(void *context, const struct delivery *delivery, int64_t now_ms)
{
    struct arrivals *arrivals = context;
    if (now_ms >= arrivals->out_from_ms && now_ms < arrivals->out_until_ms)
        return (struct fake_answer){.status = 503, .latency_ms = 30, .error = "status"};
    assert_true(arrivals->count < 1000);
    arrivals->at_ms[arrivals->count] = now_ms;
    arrivals->event_ids[arrivals->count] = delivery->event_id;
    arrivals->sequences[arrivals->count++] = delivery->sequence;
    return (struct fake_answer){.status = 200, .latency_ms = 30};
}

static void assert_calm(const struct arrivals *arrivals, size_t from, size_t a_second)
{
    for (size_t i = from + a_second; i < arrivals->count; i++)
        assert_true(arrivals->at_ms[i] - arrivals->at_ms[i - a_second] >= 1000);
}

static void replay__sends_all_that_failed_in_order_five_a_second(void **state)
{
    enum { MISSED = 120 };
    struct fresh *fresh = *state;
    struct arrivals arrivals = {0};
    struct fake_road road = {.fresh = fresh, .answer = receive, .context = &arrivals};
    struct webhook webhook = fresh_webhook(fresh, "https://crm.example/hook");
    int64_t count;
    fail_some(fresh, &webhook, MISSED);
    assert_int_equal(store_webhook_missed(fresh->store, fresh->jane.id, webhook.id, 0, &count), RESULT_OK);
    assert_int_equal(count, MISSED);
    webhook.url = "https://crm.example/mended"; /* so that it does not rest any more */
    assert_int_equal(store_webhook_change(fresh->store, &webhook, fresh->now_ms), RESULT_OK);
    assert_int_equal(store_webhook_replay(fresh->store, fresh->jane.id, webhook.id, 0, fresh->now_ms, &count),
                     RESULT_OK);
    assert_int_equal(count, MISSED);
    assert_true(deliveries_webhook(fresh, &webhook).replaying);
    int64_t begun_ms = fresh->now_ms;
    fake_road_run(&road, fresh->now_ms + 12 * 1000);
    /* Asking again goes on at the same pace, and what is on its way is not sent twice. */
    assert_int_equal(store_webhook_replay(fresh->store, fresh->jane.id, webhook.id, 0, fresh->now_ms, &count),
                     RESULT_OK);
    fake_road_run(&road, fresh->now_ms + MINUTE_MS);
    assert_int_equal(arrivals.count, MISSED);
    for (size_t i = 0; i < MISSED; i++)
        assert_int_equal(arrivals.sequences[i], i + 1);
    assert_calm(&arrivals, 0, 5);
    assert_in_range(arrivals.at_ms[MISSED - 1] - begun_ms, 23000, 36000);
    assert_false(deliveries_webhook(fresh, &webhook).replaying);
    assert_true(deliveries_are_sound(fresh));
}

static void replay__of_an_endpoint_that_is_off_or_anothers_is_refused(void **state)
{
    struct fresh *fresh = *state;
    struct member bob = fresh_member(fresh, "bob");
    struct webhook webhook = fresh_webhook(fresh, "https://crm.example/hook");
    int64_t count;
    assert_int_equal(store_webhook_replay(fresh->store, bob.id, webhook.id, 0, fresh->now_ms, &count),
                     RESULT_NOT_FOUND);
    webhook.disabled_ms = fresh->now_ms;
    assert_int_equal(store_webhook_change(fresh->store, &webhook, fresh->now_ms), RESULT_OK);
    assert_int_equal(store_webhook_replay(fresh->store, fresh->jane.id, webhook.id, 0, fresh->now_ms, &count),
                     RESULT_CONFLICT);
    assert_int_equal(store_webhook_enable(fresh->store, bob.id, webhook.id, true, fresh->now_ms), RESULT_NOT_FOUND);
}

static void replay__never_sends_what_was_erased(void **state)
{
    struct fresh *fresh = *state;
    struct arrivals arrivals = {0};
    struct fake_road road = {.fresh = fresh, .answer = receive, .context = &arrivals};
    struct webhook webhook = {
        .owner_id = fresh->jane.id, .url = "https://a.example/", .events = 1 << EVENT_LEAD_CREATED};
    struct lead ada, bob;
    assert_int_equal(store_webhook_add(fresh->store, &webhook, fresh->now_ms), RESULT_OK);
    webhook.disabled_ms = fresh->now_ms;
    assert_int_equal(store_webhook_change(fresh->store, &webhook, fresh->now_ms), RESULT_OK);
    assert_int_equal(fresh_form(fresh, &fresh->share, id_new(), "Ada", "ada@example.org", &ada), RESULT_OK);
    assert_int_equal(fresh_form(fresh, &fresh->share, id_new(), "Bob", "bob@example.org", &bob), RESULT_OK);
    assert_int_equal(store_lead_erase(fresh->store, fresh->jane.id, ada.id, fresh->now_ms), RESULT_OK);
    assert_int_equal(store_webhook_enable(fresh->store, fresh->jane.id, webhook.id, true, fresh->now_ms), RESULT_OK);
    fake_road_run(&road, fresh->now_ms + MINUTE_MS);
    assert_int_equal(arrivals.count, 1);
    assert_int_equal(arrivals.sequences[0], 2);
}

/* ---- off, and on again ---- */

static void off__keeps_events_for_thirty_days_and_asks_whether_to_send_them(void **state)
{
    struct fresh *fresh = *state;
    struct arrivals arrivals = {0};
    struct fake_road road = {.fresh = fresh, .answer = receive, .context = &arrivals};
    struct webhook kept = fresh_webhook(fresh, "https://kept.example/"),
                   left = fresh_webhook(fresh, "https://left.example/");
    struct lead lead;
    kept.disabled_ms = left.disabled_ms = fresh->now_ms;
    assert_int_equal(store_webhook_change(fresh->store, &kept, fresh->now_ms), RESULT_OK);
    assert_int_equal(store_webhook_change(fresh->store, &left, fresh->now_ms), RESULT_OK);
    fresh->now_ms += 29 * DAY_MS;
    assert_int_equal(fresh_form(fresh, &fresh->share, id_new(), "Ada", "ada@example.org", &lead), RESULT_OK);
    assert_int_equal(deliveries_count(fresh, &kept, DELIVERY_DISABLED), 1);
    assert_int_equal(store_webhook_enable(fresh->store, fresh->jane.id, kept.id, true, fresh->now_ms), RESULT_OK);
    assert_int_equal(store_webhook_enable(fresh->store, fresh->jane.id, kept.id, true, fresh->now_ms), RESULT_CONFLICT);
    fake_road_run(&road, fresh->now_ms + MINUTE_MS);
    assert_int_equal(arrivals.count, 1);
    fresh->now_ms += 2 * DAY_MS;
    assert_int_equal(fresh_form(fresh, &fresh->share, id_new(), "Bob", "bob@example.org", &lead), RESULT_OK);
    assert_int_equal(deliveries_count(fresh, &left, DELIVERY_DISABLED), 1); /* nobody comes back for more */
    assert_int_equal(store_webhook_enable(fresh->store, fresh->jane.id, left.id, false, fresh->now_ms), RESULT_OK);
    fake_road_run(&road, fresh->now_ms + MINUTE_MS);
    assert_int_equal(deliveries_count(fresh, &left, DELIVERY_DISABLED), 1); /* not asked for, not sent */
    assert_true(deliveries_are_sound(fresh));
}

static enum result flood(struct db *db, void *context)
{
    struct fresh *fresh = context;
    enum result result = RESULT_OK;
    for (int i = 0; i < 1200 && result == RESULT_OK; i++)
        result = outbox_add(fresh->store, db, fresh->jane.id, EVENT_CARD_SCANNED, json_object(), 0, fresh->now_ms);
    return result;
}

static void off__ends_what_waits_some_at_a_time(void **state)
{
    struct fresh *fresh = *state;
    struct webhook webhook = fresh_webhook(fresh, "https://crm.example/hook");
    assert_int_equal(store_write(fresh->store, "test", flood, fresh), RESULT_OK);
    assert_int_equal(store_webhook_remove(fresh->store, fresh->jane.id, webhook.id, fresh->now_ms), RESULT_OK);
    struct claimed claimed = deliveries_claim(fresh, 64);
    assert_int_equal(claimed.count, 0);
    assert_int_equal(claimed.next_due_ms, fresh->now_ms); /* 700 were left, 200 are */
    claimed = deliveries_claim(fresh, 64);
    assert_int_equal(claimed.next_due_ms, 0);
    assert_int_equal(deliveries_count(fresh, &webhook, DELIVERY_PENDING), 0);
    struct webhook_figures figures;
    assert_int_equal(store_webhook_figures(fresh->store, fresh->now_ms, &figures), RESULT_OK);
    assert_int_equal(figures.ended[DELIVERY_DISABLED], 1200);
    assert_true(deliveries_are_sound(fresh));
}

static void off__and_on_at_once_loses_nothing_that_had_not_ended(void **state)
{
    struct fresh *fresh = *state;
    struct webhook webhook = fresh_webhook(fresh, "https://crm.example/hook");
    assert_int_equal(store_write(fresh->store, "test", flood, fresh), RESULT_OK);
    webhook.disabled_ms = fresh->now_ms;
    assert_int_equal(store_webhook_change(fresh->store, &webhook, fresh->now_ms), RESULT_OK);
    assert_int_equal(deliveries_claim(fresh, 64).count, 0);
    assert_int_equal(store_webhook_enable(fresh->store, fresh->jane.id, webhook.id, false, fresh->now_ms), RESULT_OK);
    assert_int_equal(deliveries_webhook(fresh, &webhook).pending, 200);
    assert_int_equal(deliveries_claim(fresh, 64).count, 2);
    assert_true(deliveries_are_sound(fresh));
}

/* ---- a week ---- */

static enum result add_one(struct db *db, void *context)
{
    struct fresh *fresh = context;
    return outbox_add(fresh->store, db, fresh->jane.id, EVENT_LEAD_CREATED, json_object(), 0, fresh->now_ms);
}

struct letters {
    struct fresh *fresh;
    int count;
    enum endpoint_warning of[8];
    bool off[8];
};

static void note_trouble(void *context, int64_t owner_id, int64_t webhook_id)
{
    struct letters *letters = context;
    struct webhook webhook;
    assert_int_equal(store_webhook_find(letters->fresh->store, &letters->fresh->arena, owner_id, webhook_id, &webhook),
                     RESULT_OK);
    assert_in_range(letters->count, 0, 7);
    letters->of[letters->count] = endpoint_warning(&webhook.health, letters->fresh->now_ms);
    letters->off[letters->count++] = webhook.disabled_ms;
}

/* A lead an hour. The receiver is out from the second day on, for a week: retries, rests, the warning, the end after five
 * days; then it is mended, its member turns it on and asks for what was missed. */
static void week__out_and_back_brings_every_event_in_a_calm_order(void **state)
{
    enum { HOURS = 10 * 24 };
    struct fresh *fresh = *state;
    struct arrivals arrivals = {.out_from_ms = fresh->now_ms + DAY_MS, .out_until_ms = fresh->now_ms + 8 * DAY_MS};
    struct fake_road road = {.fresh = fresh, .answer = receive, .context = &arrivals};
    struct webhook webhook = fresh_webhook(fresh, "https://crm.example/hook"), found;
    struct letters letters = {.fresh = fresh};
    enum endpoint_warning warned = WARNING_NONE;
    int64_t disabled_ms = 0;
    size_t before = 0;
    store_on_trouble(fresh->store, note_trouble, &letters);
    for (int hour = 0; hour < HOURS; hour++) {
        found = deliveries_webhook(fresh, &webhook);
        if (!found.disabled_ms) {
            enum endpoint_warning warning = endpoint_warning(&found.health, fresh->now_ms);
            assert_true(warning >= warned || fresh->now_ms < arrivals.out_from_ms ||
                        fresh->now_ms >= arrivals.out_until_ms);
            warned = warning;
        } else if (!disabled_ms) {
            disabled_ms = found.disabled_ms;
            assert_string_equal(found.disabled_why, "nothing arrived for five days");
            assert_int_equal(warned, WARNING_LAST_DAY);
        }
        if (fresh->now_ms >= arrivals.out_until_ms && found.disabled_ms) {
            before = arrivals.count;
            assert_int_equal(store_webhook_enable(fresh->store, fresh->jane.id, webhook.id, true, fresh->now_ms),
                             RESULT_OK);
        }
        assert_int_equal(store_write(fresh->store, "test", add_one, fresh), RESULT_OK);
        fake_road_run(&road, fresh->now_ms + HOUR_MS);
        arena_reset(&fresh->arena);
    }
    assert_in_range(disabled_ms - arrivals.out_from_ms, 120LL * HOUR_MS, 122LL * HOUR_MS);
    static const enum endpoint_warning TOLD[] = {WARNING_FAILURES_5, WARNING_FAILURES_10, WARNING_LAST_DAY};
    assert_int_equal(letters.count, 4); /* three warnings, and that it was turned off */
    assert_memory_equal(letters.of, TOLD, sizeof TOLD);
    assert_true(!letters.off[2] && letters.off[3]);
    assert_int_equal(arrivals.count, HOURS); /* each once: the receiver said no to all the others */
    bool told[HOURS + 1] = {false};
    for (size_t i = 0; i < arrivals.count; i++) {
        assert_in_range(arrivals.sequences[i], 1, HOURS);
        assert_false(told[arrivals.sequences[i]]);
        told[arrivals.sequences[i]] = true;
    }
    assert_calm(&arrivals, before, 6); /* five a second, and the fresh one of the hour */
    /* What was missed comes in the order in which it happened. */
    int64_t last = 0;
    for (size_t i = before; i < arrivals.count; i++)
        if (arrivals.sequences[i] <= 8 * 24) {
            assert_true(arrivals.sequences[i] > last);
            last = arrivals.sequences[i];
        }
    assert_int_equal(deliveries_count(fresh, &webhook, DELIVERY_DELIVERED), HOURS);
    found = deliveries_webhook(fresh, &webhook);
    assert_int_equal(found.pending, 0);
    assert_int_equal(endpoint_warning(&found.health, fresh->now_ms), WARNING_NONE);
    assert_true(deliveries_are_sound(fresh));
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fresh_setup, fresh_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(by_hand__is_ten_a_minute_a_member),
        WITH_STORE(by_hand__forgets_attempts_of_more_than_thirty_days_ago),
        WITH_STORE(replay__sends_all_that_failed_in_order_five_a_second),
        WITH_STORE(replay__of_an_endpoint_that_is_off_or_anothers_is_refused),
        WITH_STORE(replay__never_sends_what_was_erased),
        WITH_STORE(off__keeps_events_for_thirty_days_and_asks_whether_to_send_them),
        WITH_STORE(off__ends_what_waits_some_at_a_time),
        WITH_STORE(off__and_on_at_once_loses_nothing_that_had_not_ended),
        WITH_STORE(week__out_and_back_brings_every_event_in_a_calm_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
