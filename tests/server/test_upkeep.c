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

static int setup(void **state)
{
    *state = fresh_open();
    return 0;
}

static int teardown(void **state)
{
    fresh_close(*state);
    return 0;
}

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
    str_addf(&words, "potential %d", (int)totals.potential);
    assert_false(words.failed);
    return words.data;
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
    assert_non_null(strstr(before, "potential 6"));
    MUST(store_clean(fresh->store, now)); /* not told to */
    assert_int_equal(count_visits(fresh), 12);
    fresh->store->keep_hits_months = 2;
    MUST(store_clean(fresh->store, now));
    assert_in_range(count_visits(fresh), 5, 6); /* an hour before may be the month before */
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
        cmocka_unit_test_setup_teardown(upkeep__ends_what_lets_in_and_what_was_answered, setup, teardown),
        cmocka_unit_test_setup_teardown(upkeep__ends_deliveries_a_month_after_they_ended, setup, teardown),
        cmocka_unit_test_setup_teardown(upkeep__forgets_visits_of_older_months_and_no_count, setup, teardown),
        cmocka_unit_test_setup_teardown(upkeep__does_not_wait_for_who_reads_a_month_at_length, setup, teardown),
        cmocka_unit_test_setup_teardown(upkeep__is_done_by_the_store_itself, setup, teardown),
    };
    return cmocka_run_group_tests_name("upkeep", tests, NULL, NULL);
}
