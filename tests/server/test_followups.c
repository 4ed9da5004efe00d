/* Promises on leads: kept by owner, told once when they come due, gone with the person. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include "server/store/internal.h"
#include "tests/support/deliveries.h"

static const int64_t DAY_MS = 24 * 60 * 60 * 1000;

#define MUST(call) assert_int_equal(call, RESULT_OK)

static struct lead lead_of(struct fresh *fresh, const char *name, const char *email)
{
    struct lead lead;
    MUST(fresh_form(fresh, &fresh->share, 0, name, email, &lead));
    return lead;
}

static int64_t promise(struct fresh *fresh, const struct lead *lead, int64_t due_ms, const char *note)
{
    struct followup followup = {.owner_id = lead->owner_id, .lead_id = lead->id, .due_ms = due_ms, .note = note};
    MUST(store_followup_add(fresh->store, &followup, 1, fresh->now_ms));
    return followup.id;
}

static struct followup find(struct fresh *fresh, int64_t id)
{
    struct followup followup;
    MUST(store_followup_find(fresh->store, &fresh->arena, fresh->jane.id, id, &followup));
    return followup;
}

static size_t count_due(struct fresh *fresh, int64_t before_ms)
{
    struct followup *list;
    size_t count;
    MUST(store_followup_due(fresh->store, &fresh->arena, fresh->jane.id, before_ms, 100, &list, &count));
    return count;
}

/* How many events the outbox was told by the call. */
static int64_t events(struct fresh *fresh)
{
    struct db *db;
    struct db_rows *rows;
    MUST(store_read_begin(fresh->store, &db));
    MUST(db_one(db, "SELECT COUNT(*) FROM events WHERE type = $1", DB_ARGS(DB_INT(EVENT_FOLLOW_UP_DUE)), &rows));
    int64_t count = db_column_int(rows, 0);
    db_finish(&rows);
    store_read_end(fresh->store, db);
    return count;
}

static int64_t tell(struct fresh *fresh, int64_t now_ms, int64_t *next_ms)
{
    int64_t before = events(fresh);
    MUST(store_followup_tell(fresh->store, now_ms, next_ms));
    return events(fresh) - before;
}

static void promise__is_found_where_it_is_looked_for(void **state)
{
    struct fresh *fresh = *state;
    struct lead barry = lead_of(fresh, "Barry", "barry@example.com"), ann = lead_of(fresh, "Ann", "ann@example.com");
    int64_t soon = promise(fresh, &barry, fresh->now_ms + DAY_MS, "Ring"),
            late = promise(fresh, &barry, fresh->now_ms + 7 * DAY_MS, NULL);
    promise(fresh, &ann, fresh->now_ms + 2 * DAY_MS, NULL);
    struct followup *list;
    size_t count;
    struct followup_filter filter = {.lead_id = barry.id, .open = 1, .due_before_ms = INT64_MAX, .limit = 10};
    MUST(store_followup_list(fresh->store, &fresh->arena, fresh->jane.id, &filter, &list, &count));
    assert_int_equal(count, 2);
    assert_int_equal(list[0].id, late);
    assert_int_equal(list[1].id, soon);
    assert_string_equal(list[1].note, "Ring");
    assert_string_equal(list[1].lead_name, "Barry");
    filter = (struct followup_filter){.open = -1, .due_before_ms = fresh->now_ms + 3 * DAY_MS, .limit = 10};
    MUST(store_followup_list(fresh->store, &fresh->arena, fresh->jane.id, &filter, &list, &count));
    assert_int_equal(count, 2);
    assert_int_equal(count_due(fresh, fresh->now_ms + DAY_MS), 1);
    struct member mallory = fresh_member(fresh, "mallory");
    struct followup other;
    assert_int_equal(store_followup_find(fresh->store, &fresh->arena, mallory.id, soon, &other), RESULT_NOT_FOUND);
    assert_int_equal(store_followup_remove(fresh->store, mallory.id, soon), RESULT_NOT_FOUND);
    other = (struct followup){.owner_id = mallory.id, .lead_id = barry.id, .due_ms = fresh->now_ms};
    assert_int_equal(store_followup_add(fresh->store, &other, 1, fresh->now_ms), RESULT_NOT_FOUND);
}

static void due__is_told_once(void **state)
{
    struct fresh *fresh = *state;
    int64_t next_ms, due_ms = fresh->now_ms + DAY_MS;
    fresh_webhook(fresh, "https://hooks.example.org/");
    struct lead barry = lead_of(fresh, "Barry", "barry@example.com");
    int64_t id = promise(fresh, &barry, due_ms, "Ring");
    assert_int_equal(tell(fresh, due_ms - 1, &next_ms), 0);
    assert_int_equal(next_ms, due_ms);
    assert_int_equal(tell(fresh, due_ms, &next_ms), 1);
    assert_int_equal(next_ms, 0);
    assert_int_equal(tell(fresh, due_ms + DAY_MS, &next_ms), 0);
    struct followup now;
    const struct followup_change later = {.due_ms = due_ms + 2 * DAY_MS, .done = -1};
    MUST(store_followup_change(fresh->store, &fresh->arena, fresh->jane.id, id, &later, due_ms, &now));
    assert_int_equal(tell(fresh, due_ms + DAY_MS, &next_ms), 0);
    assert_int_equal(tell(fresh, due_ms + 2 * DAY_MS, &next_ms), 1);
}

static void many__are_all_told(void **state)
{
    enum { MANY = 230 };
    struct fresh *fresh = *state;
    int64_t next_ms;
    struct lead lead = {0};
    fresh_webhook(fresh, "https://hooks.example.org/");
    for (int i = 0; i < MANY; i++) {
        char email[32];
        snprintf(email, sizeof email, "p%d@example.com", i / 46);
        if (i % 46 == 0)
            lead = lead_of(fresh, "Somebody", email);
        promise(fresh, &lead, fresh->now_ms + 1, NULL);
    }
    assert_int_equal(tell(fresh, fresh->now_ms + DAY_MS, &next_ms), MANY);
    assert_int_equal(next_ms, 0);
}

static void done__is_neither_due_nor_told(void **state)
{
    struct fresh *fresh = *state;
    int64_t next_ms;
    struct followup now;
    fresh_webhook(fresh, "https://hooks.example.org/");
    struct lead barry = lead_of(fresh, "Barry", "barry@example.com");
    int64_t id = promise(fresh, &barry, fresh->now_ms + 1, NULL);
    const struct followup_change done = {.done = 1}, again = {.done = 0, .note = "Once more"};
    MUST(store_followup_change(fresh->store, &fresh->arena, fresh->jane.id, id, &done, fresh->now_ms + 5, &now));
    assert_int_equal(now.done_ms, fresh->now_ms + 5);
    assert_int_equal(count_due(fresh, fresh->now_ms + DAY_MS), 0);
    assert_int_equal(tell(fresh, fresh->now_ms + DAY_MS, &next_ms), 0);
    MUST(store_followup_change(fresh->store, &fresh->arena, fresh->jane.id, id, &again, fresh->now_ms + 6, &now));
    assert_string_equal(find(fresh, id).note, "Once more");
    assert_int_equal(find(fresh, id).done_ms, 0);
    assert_int_equal(tell(fresh, fresh->now_ms + DAY_MS, &next_ms), 1);
}

static void too_many__are_refused_whole(void **state)
{
    struct fresh *fresh = *state;
    struct lead barry = lead_of(fresh, "Barry", "barry@example.com");
    for (int i = 0; i < FOLLOWUP_OPEN_MAX - 1; i++)
        promise(fresh, &barry, fresh->now_ms + DAY_MS, NULL);
    struct followup two[2] = {{.owner_id = barry.owner_id, .lead_id = barry.id, .due_ms = fresh->now_ms}};
    two[1] = two[0];
    assert_int_equal(store_followup_add(fresh->store, two, 2, fresh->now_ms), RESULT_LIMITED);
    assert_int_equal(count_due(fresh, fresh->now_ms), 0);
    assert_int_equal(count_due(fresh, fresh->now_ms + DAY_MS), FOLLOWUP_OPEN_MAX - 1);
}

static void erasing__takes_promises_along(void **state)
{
    struct fresh *fresh = *state;
    struct lead barry = lead_of(fresh, "Barry", "barry@example.com");
    struct followup gone;
    int64_t id = promise(fresh, &barry, fresh->now_ms + DAY_MS, "Barry likes tea"), next_ms;
    MUST(store_lead_erase(fresh->store, fresh->jane.id, barry.id, fresh->now_ms));
    assert_int_equal(store_followup_find(fresh->store, &fresh->arena, fresh->jane.id, id, &gone), RESULT_NOT_FOUND);
    assert_int_equal(tell(fresh, fresh->now_ms + 2 * DAY_MS, &next_ms), 0);
    assert_true(deliveries_are_sound(fresh));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh_setup, fresh_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(promise__is_found_where_it_is_looked_for),
        TEST(due__is_told_once),
        TEST(many__are_all_told),
        TEST(done__is_neither_due_nor_told),
        TEST(too_many__are_refused_whole),
        TEST(erasing__takes_promises_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
