/* The throttle in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "server/auth/throttle.h"

enum { SHORT_MS = 10 * 60000, LONG_MS = 24 * 3600000, CROWD = 500000 };
static const int64_t NOON = 1790000000000 - 1790000000000 % LONG_MS + LONG_MS / 2;

static int start(void **state)
{
    *state = throttle_open();
    return 0;
}

static int stop(void **state)
{
    throttle_close(*state);
    return 0;
}

static void throttle__counts_in_a_sliding_window(void **state)
{
    for (int i = 1; i <= 20; i++)
        assert_int_equal(throttle_count(*state, "form", "a", 1, SHORT_MS, NOON, 1), i);
    assert_int_equal(throttle_count(*state, "form", "b", 1, SHORT_MS, NOON, 1), 1);
    assert_int_equal(throttle_count(*state, "other", "a", 1, SHORT_MS, NOON, 1), 1);
    assert_int_equal(throttle_count(*state, "form", "a", 1, SHORT_MS, NOON + SHORT_MS + SHORT_MS / 2, 0), 10);
    assert_int_equal(throttle_count(*state, "form", "a", 1, SHORT_MS, NOON + 2 * SHORT_MS, 0), 0);
}

static void throttle__forgets_no_long_window_for_a_crowd_of_short_ones(void **state)
{
    assert_int_equal(throttle_count(*state, "once", "a", 1, LONG_MS, NOON, 1), 1);
    for (int i = 0; i < CROWD; i++)
        throttle_count(*state, "form", &i, sizeof i, SHORT_MS, NOON, 1);
    assert_int_equal(throttle_count(*state, "once", "a", 1, LONG_MS, NOON, 1), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(throttle__counts_in_a_sliding_window, start, stop),
        cmocka_unit_test_setup_teardown(throttle__forgets_no_long_window_for_a_crowd_of_short_ones, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
