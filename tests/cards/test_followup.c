/* When promises come due, and what is no day for one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <time.h>
#include "cards/event.h"
#include "cards/followup.h"

static const char *after(const char *from, enum followup_after wish, struct arena *arena)
{
    struct tm at = {0};
    assert_non_null(strptime(from, "%Y-%m-%dT%H:%M:%S", &at));
    return time_text(followup_due((int64_t)timegm(&at) * 1000 + 7, wish), arena);
}

static void due__is_the_same_time_of_day_later(void **state)
{
    struct arena arena;
    (void)state;
    arena_init(&arena);
    assert_string_equal(after("2026-11-22T09:30:00", FOLLOWUP_DAY, &arena), "2026-11-23T09:30:00.007Z");
    assert_string_equal(after("2026-12-29T09:30:00", FOLLOWUP_WEEK, &arena), "2027-01-05T09:30:00.007Z");
    assert_string_equal(after("2026-11-22T23:59:59", FOLLOWUP_MONTH, &arena), "2026-12-22T23:59:59.007Z");
    assert_string_equal(after("2026-12-31T00:00:00", FOLLOWUP_MONTH, &arena), "2027-01-31T00:00:00.007Z");
    arena_free(&arena);
}

static void due__is_the_last_day_of_a_shorter_month(void **state)
{
    struct arena arena;
    (void)state;
    arena_init(&arena);
    assert_string_equal(after("2027-01-31T08:00:00", FOLLOWUP_MONTH, &arena), "2027-02-28T08:00:00.007Z");
    assert_string_equal(after("2028-01-30T08:00:00", FOLLOWUP_MONTH, &arena), "2028-02-29T08:00:00.007Z");
    assert_string_equal(after("2026-10-31T08:00:00", FOLLOWUP_MONTH, &arena), "2026-11-30T08:00:00.007Z");
    arena_free(&arena);
}

static void day__is_refused_when_it_is_over_or_far(void **state)
{
    const int64_t now = 1795000000000, day = 24 * 60 * 60 * 1000;
    (void)state;
    struct complaints complaints = {0};
    followup_check_due(now - day + 1, now, "due_at", &complaints);
    followup_check_due(now + 3650 * day, now, "due_at", &complaints);
    assert_int_equal(complaints.count, 0);
    followup_check_due(now - day - 1, now, "due_at", &complaints);
    assert_non_null(complaints_about(&complaints, "due_at"));
    followup_check_due(now + 4000 * day, now, "day", &complaints);
    assert_non_null(complaints_about(&complaints, "day"));
}

static void after__is_known_by_its_name_alone(void **state)
{
    (void)state;
    for (int each = 0; each < FOLLOWUP_AFTER_COUNT; each++)
        assert_int_equal(followup_after_parse(followup_after_name((enum followup_after)each)), each);
    assert_int_equal(followup_after_parse("year"), FOLLOWUP_AFTER_COUNT);
    assert_int_equal(followup_after_parse(NULL), FOLLOWUP_AFTER_COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(due__is_the_same_time_of_day_later),
        cmocka_unit_test(due__is_the_last_day_of_a_shorter_month),
        cmocka_unit_test(day__is_refused_when_it_is_over_or_far),
        cmocka_unit_test(after__is_known_by_its_name_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
