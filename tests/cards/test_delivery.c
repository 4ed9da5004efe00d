/* The rules of delivering: the schedule of retries, rests, warnings and the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include "cards/delivery.h"

static const int64_t NOW_MS = 1795325596123;
enum { SECOND_MS = 1000, MINUTE_MS = 60000, HOUR_MS = 3600000 };

/* ---- the schedule ---- */

static const int64_t STEPS_MS[] = {5 * SECOND_MS, MINUTE_MS,    5 * MINUTE_MS, 30 * MINUTE_MS, 2 * HOUR_MS,
                                   5 * HOUR_MS,   10 * HOUR_MS, 14 * HOUR_MS,  20 * HOUR_MS,   24 * HOUR_MS};

static int64_t jitter_max(int64_t step)
{
    return step / 5 < 2000 ? 2000 : step / 5 > HOUR_MS ? HOUR_MS : step / 5;
}

static void retry__follows_the_schedule_and_ends(void **state)
{
    (void)state;
    int64_t sum = 0;
    for (int attempts = 1; attempts < DELIVERY_ATTEMPTS_MAX; attempts++) {
        assert_true(delivery_retry_at(attempts, NOW_MS, 0, false, 0) == NOW_MS + STEPS_MS[attempts - 1]);
        sum += STEPS_MS[attempts - 1];
    }
    assert_true(sum == 75 * HOUR_MS + 36 * MINUTE_MS + 5 * SECOND_MS);
    assert_true(delivery_retry_at(DELIVERY_ATTEMPTS_MAX, NOW_MS, 0, false, 0) == 0);
    assert_true(delivery_retry_at(DELIVERY_ATTEMPTS_MAX + 5, NOW_MS, 0, true, 1) == 0);
}

static void retry__jitter_is_only_added_and_bounded(void **state)
{
    (void)state;
    srandom(3);
    for (int attempts = 1; attempts < DELIVERY_ATTEMPTS_MAX; attempts++) {
        int64_t step = STEPS_MS[attempts - 1], most = 0;
        for (int i = 0; i < 5000; i++) {
            uint64_t bits = (uint64_t)random() << 33 ^ (uint64_t)random() << 11 ^ (uint64_t)random();
            int64_t extra = delivery_retry_at(attempts, NOW_MS, bits, false, 0) - NOW_MS - step;
            assert_in_range(extra, 0, jitter_max(step));
            most = extra > most ? extra : most;
        }
        assert_true(most > jitter_max(step) / 2);
    }
    assert_in_range(delivery_retry_at(1, NOW_MS, UINT64_MAX, false, 0) - NOW_MS, 5000, 7000);
}

static void retry__waits_a_minute_for_the_slow(void **state)
{
    (void)state;
    assert_true(delivery_retry_at(1, NOW_MS, 0, true, 0) == NOW_MS + MINUTE_MS);
    assert_true(delivery_retry_at(3, NOW_MS, 0, true, 0) == NOW_MS + 5 * MINUTE_MS);
}

static void retry__heeds_retry_after_within_bounds(void **state)
{
    (void)state;
    assert_true(delivery_retry_at(3, NOW_MS, 0, false, 1000) == NOW_MS + 5 * MINUTE_MS);
    assert_true(delivery_retry_at(3, NOW_MS, 0, false, 7 * MINUTE_MS) == NOW_MS + 7 * MINUTE_MS);
    assert_true(delivery_retry_at(3, NOW_MS, 0, false, 24LL * HOUR_MS) == NOW_MS + 10 * MINUTE_MS);
    assert_true(delivery_retry_at(3, NOW_MS, 0, false, INT64_MAX) == NOW_MS + 10 * MINUTE_MS);
    assert_true(delivery_retry_at(1, NOW_MS, 0, true, 90 * SECOND_MS) == NOW_MS + 90 * SECOND_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retry__follows_the_schedule_and_ends),
        cmocka_unit_test(retry__jitter_is_only_added_and_bounded),
        cmocka_unit_test(retry__waits_a_minute_for_the_slow),
        cmocka_unit_test(retry__heeds_retry_after_within_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
