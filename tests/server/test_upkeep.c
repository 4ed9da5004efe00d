/* What ended long ago is taken away, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <unistd.h>
#include "server/ids.h"
#include "cards/base/str.h"
#include "server/store/internal.h"
#include "server/store/months.h"
#include "tests/support/fresh_store.h"

static const int64_t DAY_MS = 24 * 60 * 60 * 1000;

#define MUST(call) assert_int_equal(call, RESULT_OK)

static int64_t count_rows(struct fresh *fresh, const char *sql)
{
    struct db *db;
    struct db_rows *rows;
    MUST(store_read_begin(fresh->store, &db));
    MUST(db_one(db, sql, NULL, 0, &rows));
    int64_t count = db_column_int(rows, 0);
    db_finish(&rows);
    store_read_end(fresh->store, db);
    return count;
}

static void let_in(struct fresh *fresh, unsigned char mark, int64_t expires_ms)
{
    unsigned char hash[HASH_SIZE] = {mark};
    MUST(store_session_add(fresh->store, hash, fresh->jane.id, NULL, fresh->now_ms, expires_ms));
    MUST(store_sign_in_link_add(fresh->store, hash, fresh->jane.id, fresh->now_ms, expires_ms));
}

static void answer(struct fresh *fresh, const char *key, int64_t at_ms)
{
    static const unsigned char hash[HASH_SIZE] = {1};
    static const struct remembered given = {201, "application/json", "{}", NULL};
    struct remembered found;
    MUST(store_idempotency_begin(fresh->store, &fresh->arena, fresh->jane.id, key, hash, at_ms, &found));
    MUST(store_idempotency_finish(fresh->store, fresh->jane.id, key, &given));
}

static void upkeep__ends_what_lets_in_and_what_was_answered(void **state)
{
    struct fresh *fresh = *state;
    int64_t now = fresh->now_ms, tries;
    let_in(fresh, 1, now + 1000);
    let_in(fresh, 2, now + 2 * DAY_MS);
    answer(fresh, "old", now);
    MUST(store_throttle_count(fresh->store, "old", 1000, now - 8 * DAY_MS, &tries));
    MUST(store_throttle_count(fresh->store, "new", 1000, now - DAY_MS, &tries));
    MUST(store_clean(fresh->store, now + DAY_MS));
    assert_int_equal(count_rows(fresh, "SELECT count(*) FROM idempotency"), 1); /* a day old to the millisecond */
    MUST(store_clean(fresh->store, now + DAY_MS + 1));
    assert_int_equal(count_rows(fresh, "SELECT count(*) FROM idempotency"), 0);
    assert_int_equal(count_rows(fresh, "SELECT count(*) FROM sessions"), 1);
    assert_int_equal(count_rows(fresh, "SELECT count(*) FROM sign_in_links"), 1);
    assert_int_equal(count_rows(fresh, "SELECT count(*) FROM throttles"), 1);
}

/* Claims all there is and ends it. */
static void deliver(struct fresh *fresh, const struct webhook *only)
{
    struct delivery *list;
    size_t count;
    int64_t next;
    do {
        MUST(store_delivery_claim(fresh->store, &fresh->arena, fresh->now_ms, 1, &(struct delivery_load){.places = 64},
                                  &list, &count, &next));
        for (size_t i = 0; i < count; i++) {
            struct outcome outcome = {.delivery_id = list[i].id, .attempt = {.at_ms = fresh->now_ms, .status = 200}};
            outcome.state = list[i].webhook_id == only->id ? DELIVERY_DELIVERED : DELIVERY_PENDING;
            outcome.retry_at_ms = fresh->now_ms + 1000 * DAY_MS;
            MUST(store_delivery_record(fresh->store, &outcome, 1, fresh->now_ms));
        }
        fresh->now_ms += 200; /* an endpoint's next turn */
    } while (count);
}

static void upkeep__ends_deliveries_a_month_after_they_ended(void **state)
{
    enum { LEADS = 450 }; /* several steps */
    struct fresh *fresh = *state;
    struct webhook one = fresh_webhook(fresh, "https://one.example/hook");
    for (int i = 0; i < LEADS; i++) {
        struct lead lead;
        const char *email = arena_printf(&fresh->arena, "p%d@example.org", i);
        MUST(fresh_form(fresh, &fresh->share, id_new(), "Ada", email, &lead));
    }
    struct webhook two = fresh_webhook(fresh, "https://two.example/hook");
    struct lead last;
    MUST(fresh_form(fresh, &fresh->share, id_new(), "Ada", "last@example.org", &last));
    deliver(fresh, &one);
    int64_t events = count_rows(fresh, "SELECT count(*) FROM events");
    assert_int_equal(events, LEADS + 1);
    MUST(store_clean(fresh->store, now_ms() + 29 * DAY_MS));
    assert_int_equal(count_rows(fresh, "SELECT count(*) FROM events"), events);
    MUST(store_clean(fresh->store, now_ms() + 31 * DAY_MS));
    /* What the other endpoint waits for is there, with its body and what was tried. */
    assert_int_equal(count_rows(fresh, "SELECT count(*) FROM events"), 1);
    assert_int_equal(count_rows(fresh, "SELECT count(*) FROM deliveries"), 1);
    assert_int_equal(count_rows(fresh, "SELECT count(*) FROM delivery_attempts"), 1);
    struct delivery *list;
    size_t count;
    MUST(store_delivery_list(fresh->store, &fresh->arena, fresh->jane.id, &(struct delivery_filter){two.id, -1, 0, 50},
                             &list, &count));
    assert_int_equal(count, 1);
    assert_int_equal(list[0].state, DELIVERY_PENDING);
    assert_int_equal(count_rows(fresh, "SELECT count(*) FROM leads"), LEADS + 1);
}

static void upkeep__is_done_by_the_store_itself(void **state)
{
    struct fresh *fresh = *state;
    answer(fresh, "old", now_ms() - 2 * DAY_MS);
    assert_int_equal(count_rows(fresh, "SELECT count(*) FROM idempotency"), 1);
    MUST(store_start(fresh->store));
    int64_t until = monotonic_ms() + 5000;
    while (count_rows(fresh, "SELECT count(*) FROM idempotency") && monotonic_ms() < until)
        usleep(1000);
    assert_int_equal(count_rows(fresh, "SELECT count(*) FROM idempotency"), 0);
}

/* ---- hits beyond the months that are kept ---- */

static void ignore(struct hit *hit, enum result result)
{
    (void)hit;
    assert_int_equal(result, RESULT_OK);
}

static void visit(struct fresh *fresh, int64_t at_ms, uint32_t acts)
{
    static struct hit hit;
    struct store_figures figures;
    int64_t before;
    store_figures(fresh->store, &figures);
    before = figures.hits_committed;
    hit = (struct hit){.id = id_at_ms(at_ms) + 1,
                       .owner_id = fresh->jane.id,
                       .share_id = fresh->share.id,
                       .channel = CHANNEL_QR,
                       .acts = acts,
                       .act_at_ms = at_ms + 1000,
                       .family = "Safari on iOS",
                       .done = ignore};
    MUST(store_hit_submit(fresh->store, &hit));
    store_hits_wake(fresh->store);
    do
        store_figures(fresh->store, &figures);
    while (figures.hits_committed == before);
    MUST(store_fold_now(fresh->store));
}

/* Everything that a page or the API counts, as words. */
static const char *all_counts(struct fresh *fresh)
{
    struct share_row *shares;
    struct day_count *days;
    struct lead_totals totals;
    size_t share_count, day_count;
    struct str words;
    str_init(&words, &fresh->arena, 100000);
    MUST(store_share_list(fresh->store, &fresh->arena, fresh->jane.id, 0, 0, 50, &shares, &share_count));
    for (size_t i = 0; i < share_count; i++)
        str_addf(&words, "share %d: %d %d %d, ", (int)i, (int)shares[i].counts.person,
                 (int)shares[i].counts.unconfirmed, (int)shares[i].leads);
    MUST(store_day_counts(fresh->store, &fresh->arena, fresh->jane.id, 0, INT32_MAX, &days, &day_count));
    for (size_t i = 0; i < day_count; i++)
        str_addf(&words, "day %d: %d %d %d, ", days[i].day, (int)days[i].by_verdict[VERDICT_PERSON],
                 (int)days[i].by_verdict[VERDICT_UNCONFIRMED], (int)days[i].saves);
    MUST(store_lead_totals(fresh->store, fresh->jane.id, &totals));
    str_addf(&words, "named %d", (int)totals.leads);
    assert_false(words.failed);
    return words.data;
}

static int64_t potential(struct fresh *fresh)
{
    return count_rows(fresh, "SELECT count(*) FROM leads WHERE tray = 2");
}

static size_t count_visits(struct fresh *fresh)
{
    struct hit_row *rows;
    size_t count;
    MUST(store_hit_list(fresh->store, &fresh->arena, fresh->jane.id, fresh->share.id, 0, 50, &rows, &count));
    return count;
}

static void upkeep__forgets_visits_of_older_months_and_no_count(void **state)
{
    struct fresh *fresh = *state;
    int64_t now = now_ms();
    MUST(store_start(fresh->store));
    for (int months = 0; months < 6; months++) {
        visit(fresh, now - months * 31 * DAY_MS, 0);
        visit(fresh, now - months * 31 * DAY_MS, ACT_SEEN | ACT_SAVE);
        visit(fresh, now - months * 31 * DAY_MS - 3600000, 0);
    }
    const char *before = all_counts(fresh);
    assert_non_null(strstr(before, "share 0: 6 6 0"));
    assert_int_equal(potential(fresh), 6);
    MUST(store_clean(fresh->store, now)); /* not told to */
    assert_int_equal(count_visits(fresh), 12);
    assert_int_equal(potential(fresh), 6);
    fresh->store->keep_hits_months = 2;
    MUST(store_clean(fresh->store, now));
    assert_in_range(count_visits(fresh), 5, 6); /* an hour before may be the month before */
    assert_int_equal(potential(fresh), 3);
    assert_string_equal(all_counts(fresh), before);
    MUST(store_clean(fresh->store, now + 400 * DAY_MS));
    assert_int_equal(count_visits(fresh), 0);
    assert_string_equal(all_counts(fresh), before);
    /* What comes for a forgotten month is counted, and forgotten in its turn. */
    visit(fresh, now - 150 * DAY_MS, 0);
    assert_int_equal(count_visits(fresh), 1);
    assert_string_not_equal(all_counts(fresh), before);
    MUST(store_clean(fresh->store, now));
    assert_int_equal(count_visits(fresh), 0);
}

/* The potential lead of the visitor who came then. */
static struct lead lead_of_visit(struct fresh *fresh, int64_t at_ms)
{
    struct lead lead = {
        .id = count_rows(fresh, arena_printf(&fresh->arena, "SELECT id FROM leads WHERE visitor_hit_id = %lld",
                                             (long long)id_at_ms(at_ms) + 1))};
    assert_true(lead.id > 0);
    return lead;
}

static bool is_kept(struct fresh *fresh, const struct lead *lead)
{
    struct lead found;
    return store_lead_find(fresh->store, &fresh->arena, fresh->jane.id, lead->id, &found) == RESULT_OK;
}

static void come_again(struct fresh *fresh, int64_t at_ms, int64_t earlier_ms)
{
    static struct hit again;
    visit(fresh, at_ms, 0);
    again = (struct hit){.id = id_at_ms(at_ms) + 1,
                         .earlier_id = id_at_ms(earlier_ms) + 1,
                         .owner_id = fresh->jane.id,
                         .share_id = fresh->share.id,
                         .acts = ACT_SEEN | ACT_AGAIN,
                         .act_at_ms = at_ms + 1000,
                         .done = ignore};
    MUST(store_hit_submit(fresh->store, &again));
    store_hits_wake(fresh->store);
    visit(fresh, at_ms + 5000, 0); /* behind it, so it is folded too */
}

static void upkeep__keeps_a_potential_lead_that_somebody_made_more_of(void **state)
{
    enum { NOTED, PROMISED, PASSED_ON, AGAIN, FORGOTTEN, VISITS };
    struct fresh *fresh = *state;
    struct lead leads[VISITS], changed;
    const int64_t now = now_ms(), then = now - 200 * DAY_MS;
    struct complaints complaints = {0};
    struct lead_feed feed;
    MUST(store_start(fresh->store));
    fresh_webhook(fresh, "https://one.example/hook"); /* that they came is told, which is forgotten too */
    for (int i = 0; i < VISITS; i++) {
        visit(fresh, then + i * 10000, 0);
        visit(fresh, then + i * 10000, ACT_SEEN);
        leads[i] = lead_of_visit(fresh, then + i * 10000);
    }
    struct share sent = {.owner_id = fresh->jane.id,
                         .card_id = fresh->card.id,
                         .sharer_member_id = fresh->jane.id,
                         .channel = CHANNEL_EMAIL,
                         .recipient = "Barry Jones"};
    token_new(sent.token);
    MUST(store_share_add(fresh->store, &fresh->arena, &sent, then));
    MUST(store_lead_change(fresh->store, &fresh->arena, fresh->jane.id, leads[NOTED].id,
                           &(struct lead_change){.stage = -1, .note = "In the red hat", .set_aside = -1}, then,
                           &changed));
    struct followup promise = {
        .owner_id = fresh->jane.id, .lead_id = leads[PROMISED].id, .due_ms = then, .note = "Find out who"};
    MUST(store_followup_add(fresh->store, &promise, 1, then));
    fresh_share(fresh, fresh->share.id, 0, id_at_ms(then + PASSED_ON * 10000) + 1);
    come_again(fresh, now - 10000, then + AGAIN * 10000);
    int64_t named = count_rows(fresh, "SELECT count(*) FROM leads WHERE recipient IS NOT NULL");
    assert_int_equal(named, 1);
    fresh->store->keep_hits_months = 2;
    MUST(store_clean(fresh->store, now));
    for (int i = 0; i < VISITS; i++)
        if (is_kept(fresh, &leads[i]) != (i != FORGOTTEN))
            fail_msg("lead %d", i);
    assert_int_equal(count_rows(fresh, "SELECT count(*) FROM leads WHERE recipient IS NOT NULL"), named);
    const char *moments = arena_printf(&fresh->arena, "SELECT count(*) FROM events WHERE body <> '' AND lead_id = %lld",
                                       (long long)leads[FORGOTTEN].id);
    assert_int_equal(count_rows(fresh, moments), 0);
    MUST(store_lead_feed(fresh->store, &fresh->arena, fresh->jane.id,
                         &(struct lead_filter){.stage = -1, .channel = -1, .set_aside = -1, .limit = 50}, 0, &feed));
    assert_int_equal(feed.gone_count, 1);
    assert_int_equal(feed.gone[0].id, leads[FORGOTTEN].id);
    MUST(store_check(fresh->store, &fresh->arena, &complaints));
    assert_int_equal(complaints.count, 0);
}

enum { OLD_LEADS = 1120 /* several steps, the last not full */ };

/* As if they had come long ago. */
static enum result put_old_leads(struct db *db, void *context)
{
    const struct fresh *fresh = context;
    enum result result = RESULT_OK;
    for (int64_t i = 1; i <= OLD_LEADS && result == RESULT_OK; i++)
        result = db_run(db,
                        "INSERT INTO leads (owner_id, id, card_id, share_id, channel, visitor_hit_id, referral, stage, "
                        "tray, created_ms, updated_ms, revision) VALUES ($1, $2, $3, $4, 0, $5, 0, 0, 2, 1, 1, 1)",
                        DB_ARGS(DB_INT(fresh->jane.id), DB_INT(id_new()), DB_INT(fresh->card.id),
                                DB_INT(fresh->share.id), DB_INT(id_at_ms(fresh->now_ms - 300 * DAY_MS) + i)));
    return result;
}

static void upkeep__forgets_many_visitors_in_steps(void **state)
{
    struct fresh *fresh = *state;
    MUST(store_start(fresh->store));
    visit(fresh, fresh->now_ms - 300 * DAY_MS, 0);
    MUST(store_write(fresh->store, "test", put_old_leads, fresh));
    visit(fresh, fresh->now_ms, 0);
    visit(fresh, fresh->now_ms, ACT_SEEN);
    assert_int_equal(potential(fresh), OLD_LEADS + 1);
    /* Without time for all of them, the visits' month stays until they are gone. */
    MUST(hits_forget(fresh->store, 2, monotonic_ms(), fresh->now_ms));
    assert_int_equal(potential(fresh), OLD_LEADS + 1);
    assert_int_equal(count_visits(fresh), 2);
    fresh->store->keep_hits_months = 2;
    MUST(store_clean(fresh->store, fresh->now_ms));
    assert_int_equal(potential(fresh), 1);
    assert_int_equal(count_visits(fresh), 1);
    assert_int_equal(count_rows(fresh, "SELECT count(*) FROM leads_gone"), OLD_LEADS);
    assert_int_equal(count_rows(fresh, "SELECT count(DISTINCT lead_id) FROM leads_gone"), OLD_LEADS);
    assert_int_equal(count_rows(fresh, "SELECT max(change_seq) - (SELECT last FROM lead_changes) FROM leads_gone"), 0);
}

static enum result read_at_length(struct db *db, void *context)
{
    struct fresh *fresh = context;
    struct db_rows *rows;
    const char *sql = arena_printf(&fresh->arena, "SELECT count(*) FROM hits_%06d", month_of(id_at_ms(now_ms())));
    enum result result = db_one(db, sql, NULL, 0, &rows);
    db_finish(&rows);
    if (result != RESULT_OK)
        return result;
    fresh->store->keep_hits_months = 1;
    int64_t start_ms = monotonic_ms();
    result = store_clean(fresh->store, now_ms() + 400 * DAY_MS);
    assert_true(monotonic_ms() - start_ms < 20000); /* nobody behind it waits for the reader */
    assert_int_equal(result, engine_is_sqlite() ? RESULT_OK : RESULT_FAILED);
    return RESULT_OK;
}

static void upkeep__does_not_wait_for_who_reads_a_month_at_length(void **state)
{
    struct fresh *fresh = *state;
    MUST(store_start(fresh->store));
    visit(fresh, now_ms(), 0);
    MUST(store_read(fresh->store, read_at_length, fresh));
    MUST(store_clean(fresh->store, now_ms() + 400 * DAY_MS)); /* the next hour */
    assert_int_equal(count_visits(fresh), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(upkeep__ends_what_lets_in_and_what_was_answered, fresh_setup, fresh_teardown),
        cmocka_unit_test_setup_teardown(upkeep__ends_deliveries_a_month_after_they_ended, fresh_setup, fresh_teardown),
        cmocka_unit_test_setup_teardown(upkeep__forgets_visits_of_older_months_and_no_count, fresh_setup,
                                        fresh_teardown),
        cmocka_unit_test_setup_teardown(upkeep__does_not_wait_for_who_reads_a_month_at_length, fresh_setup,
                                        fresh_teardown),
        cmocka_unit_test_setup_teardown(upkeep__keeps_a_potential_lead_that_somebody_made_more_of, fresh_setup,
                                        fresh_teardown),
        cmocka_unit_test_setup_teardown(upkeep__forgets_many_visitors_in_steps, fresh_setup, fresh_teardown),
        cmocka_unit_test_setup_teardown(upkeep__is_done_by_the_store_itself, fresh_setup, fresh_teardown),
    };
    return cmocka_run_group_tests_name("upkeep", tests, NULL, NULL);
}
