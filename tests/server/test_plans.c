/* Every statement that a page, the API, the fold or the sender runs, as the engine would run it: none may walk a whole table
 * that grows. A store is used by all its verbs with a driver below it that asks for the plan of each statement first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "server/ids.h"
#include "server/store/hit_log.h"
#include "server/store/endpoints.h"
#include "server/store/outbox.h"
#include "tests/support/fresh_store.h"
#include "tests/support/plans.h"

/* ---- a day in the life ---- */

#define MUST(call) assert_int_equal(call, RESULT_OK)

static void use_accounts(struct fresh *fresh)
{
    static const unsigned char link[HASH_SIZE] = {1}, session[HASH_SIZE] = {2}, token_hash[HASH_SIZE] = {3};
    struct store *store = fresh->store;
    struct arena *arena = &fresh->arena;
    int64_t now = fresh->now_ms, id, jane = fresh->jane.id;
    struct session found;
    struct member member;
    struct api_token token = {.member_id = jane, .name = "crm", .scopes = "read write"}, *tokens;
    size_t count;
    MUST(store_member_find(store, arena, jane, &member));
    MUST(store_member_find_by_handle(store, arena, "jane", &member));
    MUST(store_member_find_by_email(store, arena, "jane@example.org", &member));
    MUST(store_sign_in_link_add(store, link, jane, now, now + 1000));
    MUST(store_sign_in_link_find(store, link, now, &id));
    MUST(store_sign_in_link_use(store, link, now, &id));
    MUST(store_session_add(store, session, jane, "Firefox", now, now + 1000000));
    MUST(store_session_find(store, arena, session, now + 100000, &found));
    MUST(store_member_set_password(store, jane, "hash", session));
    MUST(store_session_end(store, session));
    MUST(store_token_add(store, &token, token_hash, now));
    MUST(store_token_find(store, arena, token_hash, now + 100000, &token));
    MUST(store_token_list(store, arena, jane, &tokens, &count));
    MUST(store_token_revoke(store, jane, token.id, now));
    MUST(store_throttle_count(store, "key", 1000, now, &id));
    MUST(store_throttle_clear(store, "key"));
    fresh_member(fresh, "kate");
}

static void use_cards(struct fresh *fresh)
{
    struct store *store = fresh->store;
    struct arena *arena = &fresh->arena;
    struct card card, *cards,
        second = {.owner_id = fresh->jane.id, .name = "Jane", .accent = "indigo", .theme = "auto"};
    struct share share;
    struct share_row *rows;
    const void *jpeg;
    size_t count, len;
    int64_t jane = fresh->jane.id, now = fresh->now_ms;
    MUST(store_card_add(store, arena, &second, now));
    MUST(store_portrait_set(store, &second, "jpeg", 4, now));
    MUST(store_portrait_find(store, arena, second.portrait_id, &jpeg, &len));
    MUST(store_card_update(store, &second, now));
    MUST(store_card_find(store, arena, jane, second.id, &card));
    MUST(store_card_open(store, arena, second.id, &card));
    MUST(store_card_list(store, arena, jane, &cards, &count));
    MUST(store_card_retire(store, jane, second.id, now));
    MUST(store_share_find(store, arena, jane, fresh->share.id, &share));
    MUST(store_share_find_by_token(store, arena, fresh->share.token, &share));
    MUST(store_share_find_by_handle(store, arena, "jane", &share));
    MUST(store_share_list(store, arena, jane, 0, 0, 50, &rows, &count));
    MUST(store_share_list(store, arena, jane, fresh->card.id, 0, 50, &rows, &count));
    share = fresh_share(fresh, fresh->share.id, jane, 0);
    MUST(store_share_revoke(store, jane, share.id, now));
}

static void use_leads(struct fresh *fresh)
{
    struct store *store = fresh->store;
    struct arena *arena = &fresh->arena;
    int64_t jane = fresh->jane.id, now = fresh->now_ms, hit = id_new();
    struct share sent = {.owner_id = jane, .card_id = fresh->card.id, .sharer_member_id = jane, .recipient = "Bob"};
    struct lead ada, joined, bob, *leads;
    struct lead_moment *moments;
    struct lead_totals totals;
    size_t count;
    token_new(sent.token);
    MUST(store_share_add(store, arena, &sent, now));
    MUST(fresh_form(fresh, &fresh->share, hit, "Ada", "ada@example.org", &ada));
    fresh_share(fresh, fresh->share.id, 0, hit);
    MUST(fresh_form(fresh, &sent, id_new(), "Bob", "bob@example.org", &bob));
    MUST(fresh_form(fresh, &fresh->share, id_new(), "Ada", "ada@example.org", &joined));
    MUST(store_receipt_find(store, arena, fresh_receipt(fresh), &joined));
    MUST(store_lead_erase_by_receipt(store, fresh_receipt(fresh), now));
    static const char *const words[] = {NULL, "ada", "ad"};
    for (int with = 0; with < 6; with++) {
        struct lead_filter filter = {
            .stage = -2, .channel = -1, .limit = 50, .q = words[with / 2], .share_id = with % 2 ? sent.id : 0};
        MUST(store_lead_list(store, arena, jane, &filter, &leads, &count));
        struct lead_feed feed;
        MUST(store_lead_feed(store, arena, jane, &filter, 0, &feed));
    }
    MUST(store_lead_totals(store, jane, &totals));
    MUST(store_lead_find(store, arena, jane, ada.id, &ada));
    MUST(store_lead_timeline(store, arena, jane, ada.id, &moments, &count));
    struct lead_change change = {.stage = STAGE_CONTACTED, .set_aside = 1, .note = "tea"};
    MUST(store_lead_change(store, arena, jane, ada.id, &change, now, &ada));
    change = (struct lead_change){.stage = -1, .set_aside = 0};
    MUST(store_lead_change(store, arena, jane, ada.id, &change, now, &ada));
    MUST(store_lead_erase(store, jane, ada.id, now));
    MUST(store_lead_erase(store, jane, bob.id, now));
}

enum { FLOOD = 300 };

static enum result pretend(struct db *db, const struct fresh *fresh, int64_t more)
{
    return db_run(db, "UPDATE webhooks SET pending = pending + $1 WHERE owner_id = $2 AND events = $3",
                  DB_ARGS(DB_INT(more), DB_INT(fresh->jane.id), DB_INT(1u << EVENT_CARD_SCANNED)));
}

/* Most of what may wait is only said to be there, for a while: putting it there takes a server its time. */
static enum result flood(struct db *db, void *context)
{
    struct fresh *fresh = context;
    enum result result = pretend(db, fresh, ENDPOINT_PENDING_MAX - FLOOD);
    for (int i = 0; i < FLOOD && result == RESULT_OK; i++)
        result = outbox_add(fresh->store, db, fresh->jane.id, EVENT_CARD_SCANNED, json_object(), 0, fresh->now_ms);
    return result;
}

static enum result ebb(struct db *db, void *context)
{
    return pretend(db, context, FLOOD - ENDPOINT_PENDING_MAX);
}

/* More than may wait, what was missed, and the chores of both. */
static void use_long_queues(struct fresh *fresh)
{
    struct store *store = fresh->store;
    int64_t jane = fresh->jane.id, now = fresh->now_ms, count, next;
    unsigned char secret[WEBHOOK_SECRET_SIZE];
    struct webhook busy = {
        .owner_id = jane, .url = "https://busy.example/", .events = 1u << EVENT_CARD_SCANNED, .asymmetric = true};
    struct webhook_stats stats;
    struct webhook_figures figures;
    struct delivery *list;
    size_t claimed;
    MUST(store_webhook_add(store, &busy, now));
    MUST(store_webhook_ping(store, jane, busy.id, now, &count));
    MUST(store_delivery_claim(store, &fresh->arena, now, 60000, &(struct delivery_load){.places = 8}, &list, &claimed,
                              &next));
    for (size_t i = 0; i < claimed; i++) {
        struct outcome outcome = {.delivery_id = list[i].id, .retry_at_ms = now + 1000000};
        MUST(store_delivery_record(store, &outcome, 1, now));
    }
    MUST(store_write(store, "flood", flood, fresh));
    struct webhook found;
    MUST(store_webhook_find(store, &fresh->arena, jane, busy.id, &found));
    assert_int_equal(found.paused, 1);
    MUST(store_write(store, "ebb", ebb, fresh));
    MUST(store_webhook_rotate(store, jane, busy.id, 1000, now, secret));
    MUST(store_webhook_rotate(store, jane, busy.id, 0, now, secret));
    MUST(store_webhook_stats(store, jane, busy.id, now, &stats));
    MUST(store_webhook_figures(store, now, &figures));
    busy.disabled_ms = now;
    MUST(store_webhook_change(store, &busy, now));
    MUST(store_webhook_missed(store, jane, busy.id, 0, &count));
    MUST(store_webhook_enable(store, jane, busy.id, true, now));
    for (int i = 0; i < 4; i++)
        MUST(store_delivery_claim(store, &fresh->arena, now + i * 20000, 60000, &(struct delivery_load){.places = 8},
                                  &list, &claimed, &next));
    MUST(store_webhook_replay(store, jane, busy.id, 0, now, &count));
    assert_true(count > 0);
    MUST(store_webhook_remove(store, jane, busy.id, now));
    fresh->now_ms += 200 * 1000; /* what was claimed here is under way no more */
}

static void use_webhooks(struct fresh *fresh, struct webhook *webhook)
{
    struct store *store = fresh->store;
    struct arena *arena = &fresh->arena;
    int64_t jane = fresh->jane.id, now = fresh->now_ms + 1000, id, next;
    struct webhook *webhooks, found;
    struct delivery *deliveries, one;
    struct attempt *attempts;
    struct lead lead;
    size_t count, attempt_count;
    MUST(store_webhook_list(store, arena, jane, &webhooks, &count));
    MUST(store_webhook_find(store, arena, jane, webhook->id, &found));
    MUST(store_webhook_ping(store, jane, webhook->id, now, &id));
    MUST(fresh_form(fresh, &fresh->share, id_new(), "Carl", "carl@example.org", &lead));
    MUST(store_delivery_release(store, now, 60000));
    MUST(store_delivery_claim(store, arena, now, 60000, &(struct delivery_load){.places = 10}, &deliveries, &count,
                              &next));
    assert_true(count > 0);
    for (size_t i = 0; i < count; i++) {
        struct outcome outcome = {.delivery_id = deliveries[i].id,
                                  .attempt = {.at_ms = now, .status = 200},
                                  .state = i ? DELIVERY_FAILED : DELIVERY_DELIVERED};
        MUST(store_delivery_record(store, &outcome, 1, now));
    }
    for (int state = -1; state < DELIVERY_STATE_COUNT; state++) {
        const struct delivery_filter filter = {webhook->id, state, 0, 50};
        MUST(store_delivery_list(store, arena, jane, &filter, &deliveries, &count));
    }
    MUST(store_delivery_list_of_lead(store, arena, jane, lead.id, &deliveries, &count));
    MUST(store_delivery_find(store, arena, jane, id, &one, &attempts, &attempt_count));
    enum result result = store_delivery_redeliver(store, jane, id, now);
    assert_true(result == RESULT_OK || result == RESULT_CONFLICT);
    MUST(store_webhook_change(store, webhook, now));
    MUST(store_webhook_remove(store, jane, webhook->id, now));
}

static void use_listeners(struct fresh *fresh)
{
    struct store *store = fresh->store;
    struct webhook made = {.owner_id = fresh->jane.id, .url = "meishi listen", .listener = true};
    int64_t now = fresh->now_ms + 1000, id, retry_at_ms;
    struct delivery *deliveries;
    size_t count;
    MUST(store_webhook_add(store, &made, now));
    MUST(store_webhook_ping(store, made.owner_id, made.id, now, &id));
    struct listener_place place = {.owner_id = made.owner_id, .id = made.id};
    MUST(store_listener_look(store, &place, 1, now));
    MUST(store_listener_claim(store, &fresh->arena, made.owner_id, made.id, now, 5, &deliveries, &count));
    assert_int_equal(count, 1);
    for (int status = 500; status >= 200; status -= 300) {
        struct listener_outcome outcome = {
            .owner_id = made.owner_id,
            .listener_id = made.id,
            .delivery_id = id,
            .attempt = {.at_ms = now, .status = status, .error = status == 200 ? NULL : "status"}};
        MUST(store_listener_record(store, &outcome, now, &retry_at_ms));
    }
    MUST(store_listener_expire(store, now + LISTENER_IDLE_MS + 1000));
}

static void use_answers(struct fresh *fresh)
{
    static const unsigned char hash[HASH_SIZE] = {1};
    struct remembered answer = {201, "application/json", "{}", NULL}, found;
    int64_t jane = fresh->jane.id;
    MUST(store_idempotency_begin(fresh->store, &fresh->arena, jane, "k", hash, fresh->now_ms, &found));
    MUST(store_idempotency_finish(fresh->store, jane, "k", &answer));
    assert_int_equal(store_idempotency_begin(fresh->store, &fresh->arena, jane, "k", hash, fresh->now_ms, &found),
                     RESULT_LIMITED);
}

static void ignore(struct hit *hit, enum result result)
{
    (void)hit;
    assert_int_equal(result, RESULT_OK);
}

static void wait_for_hits(struct store *store, int64_t count)
{
    struct store_figures figures;
    do
        store_figures(store, &figures);
    while (figures.hits_committed < count);
}

static void use_hits(struct fresh *fresh)
{
    struct store *store = fresh->store;
    struct hit page = {.id = id_new(), .owner_id = fresh->jane.id, .share_id = fresh->share.id, .done = ignore};
    struct hit seen = page, again = page, reload = page;
    seen.acts = ACT_SEEN | ACT_SAVE;
    again.id = reload.id = id_new();
    reload.acts = ACT_SEEN | ACT_AGAIN;
    reload.earlier_id = page.id;
    struct hit_row *rows;
    struct day_count *days;
    size_t count;
    MUST(store_start(store));
    struct hit *const hits[] = {&page, &seen, &again, &reload};
    for (size_t i = 0; i < sizeof hits / sizeof *hits; i++) {
        MUST(store_hit_submit(store, hits[i]));
        store_hits_wake(store);
        wait_for_hits(store, (int64_t)i + 1);
        MUST(store_hit_list(store, &fresh->arena, fresh->jane.id, fresh->share.id, 0, 50, &rows, &count));
        MUST(store_fold_now(store)); /* a page and its act in two batches, so that the act finds it in its month */
    }
    MUST(store_hit_list(store, &fresh->arena, fresh->jane.id, fresh->share.id, 0, 50, &rows, &count));
    MUST(store_day_counts(store, &fresh->arena, fresh->jane.id, 0, INT32_MAX, &days, &count));
    MUST(store_rejudge(store, &(struct rejudged){0}));
    MUST(store_ping(store));
}

static void plans__walk_no_table_that_grows(void **state)
{
    struct fresh *fresh = *state;
    plans_fill(fresh->store, 4000);
    plans_watch(fresh->store);
    struct webhook webhook = fresh_webhook(fresh, "https://crm.example/hook");
    use_accounts(fresh);
    use_cards(fresh);
    use_leads(fresh);
    use_answers(fresh);
    use_hits(fresh);
    use_long_queues(fresh);
    use_webhooks(fresh, &webhook);
    use_listeners(fresh);
    assert_true(plans_seen() > 120);
    assert_int_equal(plans_complaints(), 0);
}

static enum result walk(struct db *db, void *context)
{
    (void)context;
    return db_run(db, "SELECT count(*) FROM leads WHERE name = $1", DB_ARGS(db_text("Ada")));
}

static void plans__would_tell_of_a_walk(void **state)
{
    struct fresh *fresh = *state;
    plans_fill(fresh->store, 1000);
    plans_watch(fresh->store);
    MUST(store_read(fresh->store, walk, NULL));
    assert_true(plans_complaints() > 0);
}

static int setup(void **state)
{
    *state = fresh_open();
    return 0;
}

static int teardown(void **state)
{
    fresh_close(*state);
    plans_forget();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(plans__walk_no_table_that_grows, setup, teardown),
        cmocka_unit_test_setup_teardown(plans__would_tell_of_a_walk, setup, teardown),
    };
    return cmocka_run_group_tests_name("plans", tests, NULL, NULL);
}
