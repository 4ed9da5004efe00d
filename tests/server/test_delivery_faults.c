/* The verbs of deliveries with the n-th call to the engine failing, and what a sender that dies of it leaves behind: never a
 * lost event. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/ids.h"
#include "tests/support/fault_sweep.h"

static const unsigned char HASH[HASH_SIZE] = {1};

static void have_webhook(struct store_place *place)
{
    struct webhook webhook = {.owner_id = place->jane.id, .url = "https://example.org/hook", .events = ~0u};
    assert_int_equal(store_webhook_add(place->store, &webhook, 5), RESULT_OK);
}

static struct lead form_of(struct store_place *place)
{
    struct share share;
    assert_int_equal(store_share_find_by_handle(place->store, &place->arena, "jane", &share), RESULT_OK);
    return (struct lead){.owner_id = place->jane.id,
                         .card_id = place->card.id,
                         .share_id = share.id,
                         .visitor_hit_id = 77,
                         .stage = STAGE_NEW,
                         .name = "Tom",
                         .email = "tom@example.org",
                         .consent_text = "Yes.",
                         .consent_contact = true};
}

static void have_lead(struct store_place *place)
{
    struct lead lead = form_of(place), out;
    have_webhook(place);
    assert_int_equal(store_lead_add(place->store, &place->arena, &lead, HASH, 5, &out), RESULT_OK);
}

static struct webhook hook_of(struct store_place *place)
{
    struct webhook *list;
    size_t count;
    assert_int_equal(store_webhook_list(place->store, &place->arena, place->jane.id, &list, &count), RESULT_OK);
    assert_int_equal(count, 1);
    return list[0];
}

static enum result claim(struct store_place *place, struct delivery **out, size_t *count)
{
    int64_t next_due_ms;
    return store_delivery_claim(place->store, &place->arena, 1000, 60000, &(struct delivery_load){.places = 8}, out,
                                count, &next_due_ms);
}

static enum result delivery_claim(struct store_place *place)
{
    struct delivery *list;
    size_t count;
    enum result result = claim(place, &list, &count);
    assert_true(result != RESULT_OK || count == 1);
    return result;
}

/* What was missed is brought back first, and handed out by the claim after it. */
static enum result delivery_replay(struct store_place *place)
{
    struct delivery *list;
    size_t count;
    enum result result = claim(place, &list, &count);
    assert_true(result != RESULT_OK || count == 0);
    return result;
}

/* One that is under way to a webhook whose id the verbs look up before anything fails. */
static struct {
    int64_t webhook_id, delivery_id;
} known;

static void have_delivery(struct store_place *place)
{
    have_lead(place);
    known.webhook_id = hook_of(place).id;
}

static void have_flight(struct store_place *place)
{
    struct delivery *list;
    size_t count;
    have_delivery(place);
    assert_int_equal(claim(place, &list, &count), RESULT_OK);
    assert_int_equal(count, 1);
    known.delivery_id = list[0].id;
}

static void have_missed(struct store_place *place)
{
    have_flight(place);
    const struct outcome outcome = {
        .delivery_id = known.delivery_id, .state = DELIVERY_FAILED, .attempt = {.at_ms = 1000, .error = "timeout"}};
    assert_int_equal(store_delivery_record(place->store, &outcome, 1, 1000), RESULT_OK);
}

static void have_webhook_off(struct store_place *place)
{
    have_missed(place);
    struct webhook webhook = hook_of(place);
    webhook.disabled_ms = 1000;
    assert_int_equal(store_webhook_change(place->store, &webhook, 1000), RESULT_OK);
}

static void have_replay(struct store_place *place)
{
    have_webhook_off(place);
    assert_int_equal(store_webhook_enable(place->store, place->jane.id, known.webhook_id, true, 1000), RESULT_OK);
}

static enum result record(struct store_place *place, enum delivery_state state)
{
    const struct outcome outcome = {.delivery_id = known.delivery_id,
                                    .state = state,
                                    .retry_at_ms = 5000,
                                    .gone = state == DELIVERY_DISABLED,
                                    .attempt = {.at_ms = 1000, .status = state == DELIVERY_DELIVERED ? 200 : 410}};
    return store_delivery_record(place->store, &outcome, 1, 1000);
}

static enum result delivery_record_arrival(struct store_place *place)
{
    return record(place, DELIVERY_DELIVERED);
}

static enum result delivery_record_failure(struct store_place *place)
{
    return record(place, DELIVERY_PENDING);
}

static enum result delivery_record_end(struct store_place *place)
{
    return record(place, DELIVERY_DISABLED);
}

static enum result delivery_redeliver(struct store_place *place)
{
    return store_delivery_redeliver(place->store, place->jane.id, known.delivery_id, 2000);
}

static enum result webhook_rotate(struct store_place *place)
{
    unsigned char secret[WEBHOOK_SECRET_SIZE];
    return store_webhook_rotate(place->store, place->jane.id, known.webhook_id, 1000, 2000, secret);
}

static enum result webhook_replay(struct store_place *place)
{
    int64_t count;
    return store_webhook_replay(place->store, place->jane.id, known.webhook_id, 0, 2000, &count);
}

static enum result webhook_enable(struct store_place *place)
{
    return store_webhook_enable(place->store, place->jane.id, known.webhook_id, true, 2000);
}

static enum result webhook_remove(struct store_place *place)
{
    return store_webhook_remove(place->store, place->jane.id, known.webhook_id, 2000);
}

static const struct fault_verb verbs[] = {
    {"delivery_claim", have_delivery, delivery_claim, true},
    {"delivery_claim of a replay", have_replay, delivery_replay, true},
    {"delivery_record of an arrival", have_flight, delivery_record_arrival, true},
    {"delivery_record of a failure", have_flight, delivery_record_failure, true},
    {"delivery_record of an end", have_flight, delivery_record_end, true},
    {"delivery_redeliver", have_missed, delivery_redeliver, true},
    {"webhook_rotate", have_delivery, webhook_rotate, false},
    {"webhook_replay", have_missed, webhook_replay, true},
    {"webhook_enable", have_webhook_off, webhook_enable, true},
    {"webhook_remove", have_delivery, webhook_remove, true},
};

static void every_verb__undoes_all_when_one_call_fails(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        fault_sweep(&verbs[i], (struct fault_plan){0});
}

static void every_verb__undoes_all_when_the_engine_fails_for_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        fault_sweep(&verbs[i], (struct fault_plan){.sticky = true});
}

static void every_verb__tries_again_when_the_engine_is_busy(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        fault_sweep_busy(&verbs[i]);
}

/* Between send and record: whichever call fails, and with the commit's answer lost too, the delivery has either its end on
 * record or comes again under the same id once its lease is over. */
static void delivery__is_never_lost_between_send_and_record(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        int struck = 1, ended = 0, again = 0;
        for (int n = 1; struck && n < FAULTS_MAX; n++) {
            struct store_place *place = store_place_make(&db_faulty);
            struct delivery *list, found;
            struct attempt *attempts;
            size_t count;
            int64_t next_due_ms;
            have_flight(place);
            faults_plan(&(struct fault_plan){.fail_at = n, .too_late = late, .sticky = !late});
            enum result result = record(place, DELIVERY_DELIVERED);
            struck = faults_struck();
            faults_plan(&(struct fault_plan){0});
            assert_true(result == RESULT_OK || struck);
            store_close(place->store); /* the sender dies of it */
            store_place_open(place);
            assert_int_equal(store_delivery_find(place->store, &place->arena, place->jane.id, known.delivery_id, &found,
                                                 &attempts, &count),
                             RESULT_OK);
            const struct delivery_load load = {.places = 8};
            assert_int_equal(store_delivery_claim(place->store, &place->arena, 1000 + 60000, 60000, &load, &list,
                                                  &count, &next_due_ms),
                             RESULT_OK);
            if (found.state == DELIVERY_DELIVERED) {
                assert_int_equal(count, 0);
                ended++;
            } else {
                assert_int_equal(found.state, DELIVERY_PENDING);
                assert_int_equal(count, 1);
                assert_int_equal(list[0].event_id, found.event_id);
                assert_true(result != RESULT_OK);
                again++;
            }
            store_place_drop(place);
        }
        assert_true(ended > 0 && again > 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_verb__undoes_all_when_one_call_fails),
        cmocka_unit_test(every_verb__undoes_all_when_the_engine_fails_for_good),
        cmocka_unit_test(every_verb__tries_again_when_the_engine_is_busy),
        cmocka_unit_test(delivery__is_never_lost_between_send_and_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
