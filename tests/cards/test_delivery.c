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

/* ---- rests ---- */

static const char *note(struct endpoint_health *health, bool success, int64_t now_ms)
{
    const struct attempt_facts facts = {.success = success, .answered = true, .latency_ms = 20};
    return endpoint_note_attempt(health, &facts, now_ms);
}

static void rest__begins_with_ten_failures_in_a_row(void **state)
{
    (void)state;
    struct endpoint_health health = {0};
    for (int i = 0; i < 9; i++) {
        assert_null(note(&health, false, NOW_MS + i * HOUR_MS));
        assert_false(endpoint_is_resting(&health, NOW_MS + i * HOUR_MS));
    }
    int64_t tenth_ms = NOW_MS + 9 * HOUR_MS;
    assert_null(note(&health, false, tenth_ms));
    assert_true(endpoint_is_resting(&health, tenth_ms));
    assert_true(endpoint_is_resting(&health, tenth_ms + 30 * SECOND_MS - 1));
    assert_false(endpoint_is_resting(&health, tenth_ms + 30 * SECOND_MS));
    assert_false(endpoint_is_on_probe(&health, tenth_ms + 30 * SECOND_MS - 1));
    assert_true(endpoint_is_on_probe(&health, tenth_ms + 30 * SECOND_MS));
}

static void rest__begins_when_most_of_ten_fail_within_five_minutes(void **state)
{
    (void)state;
    static const bool SEVEN_OF_TEN[] = {true, false, false, true, false, false, true, false, false, false};
    static const bool SIX_OF_TEN[] = {true, false, false, true, false, false, true, false, false, true};
    struct endpoint_health bad = {0}, fair = {0}, slow = {0};
    for (int i = 0; i < 10; i++) {
        note(&bad, SEVEN_OF_TEN[i], NOW_MS + i * SECOND_MS);
        note(&fair, SIX_OF_TEN[i], NOW_MS + i * SECOND_MS);
        note(&slow, SEVEN_OF_TEN[i], NOW_MS + i * MINUTE_MS); /* never ten of them in five minutes */
        assert_int_equal(endpoint_is_resting(&bad, NOW_MS + i * SECOND_MS), i == 9);
    }
    assert_false(endpoint_is_resting(&fair, NOW_MS + 9 * SECOND_MS));
    assert_false(endpoint_is_resting(&slow, NOW_MS + 9 * MINUTE_MS));
}

static void rest__doubles_with_each_probe_that_fails_and_ends_with_one_that_arrives(void **state)
{
    (void)state;
    static const int64_t RESTS_S[] = {30, 60, 120, 240, 480, 960, 1800, 1800, 1800};
    struct endpoint_health health = {0};
    int64_t now_ms = NOW_MS;
    for (int i = 0; i < 9; i++)
        note(&health, false, now_ms);
    for (size_t i = 0; i < sizeof RESTS_S / sizeof *RESTS_S; i++) {
        assert_null(note(&health, false, now_ms));
        assert_true(health.breaker_until_ms == now_ms + RESTS_S[i] * SECOND_MS);
        assert_null(note(&health, false, now_ms + 1)); /* was under way when it began: prolongs nothing */
        assert_true(health.breaker_until_ms == now_ms + RESTS_S[i] * SECOND_MS);
        now_ms = health.breaker_until_ms;
    }
    assert_null(note(&health, true, now_ms));
    assert_false(endpoint_is_resting(&health, now_ms));
    assert_false(endpoint_is_on_probe(&health, now_ms));
    for (int i = 0; i < 9; i++) /* and the next ten count from nothing */
        note(&health, false, now_ms + i);
    assert_false(endpoint_is_resting(&health, now_ms + 8));
    note(&health, false, now_ms + 9);
    assert_true(health.breaker_until_ms == now_ms + 9 + 30 * SECOND_MS);
}

static void prompt__is_who_answered_well_and_quickly_the_last_time(void **state)
{
    (void)state;
    struct endpoint_health health = {0};
    assert_false(endpoint_is_prompt(&health));
    note(&health, true, NOW_MS);
    assert_true(endpoint_is_prompt(&health));
    note(&health, false, NOW_MS);
    assert_false(endpoint_is_prompt(&health));
    const struct attempt_facts slow = {.success = true, .latency_ms = 1001};
    endpoint_note_attempt(&health, &slow, NOW_MS);
    assert_false(endpoint_is_prompt(&health));
}

/* ---- warnings, and the end ---- */

static void warning__comes_at_five_at_ten_and_on_the_last_day(void **state)
{
    (void)state;
    struct endpoint_health health = {0};
    assert_int_equal(endpoint_warning(&health, NOW_MS), WARNING_NONE);
    for (int failures = 1; failures <= 12; failures++) {
        note(&health, false, NOW_MS + failures * HOUR_MS);
        assert_int_equal(endpoint_warning(&health, NOW_MS + failures * HOUR_MS), failures < 5    ? WARNING_NONE
                                                                                 : failures < 10 ? WARNING_FAILURES_5
                                                                                                 : WARNING_FAILURES_10);
    }
    int64_t end_ms = NOW_MS + 121LL * HOUR_MS; /* the first failure was at one hour */
    assert_true(endpoint_disabled_at(&health) == end_ms);
    assert_int_equal(endpoint_warning(&health, end_ms - 24 * HOUR_MS - 1), WARNING_FAILURES_10);
    assert_int_equal(endpoint_warning(&health, end_ms - 24 * HOUR_MS), WARNING_LAST_DAY);
    note(&health, true, end_ms - HOUR_MS);
    assert_int_equal(endpoint_warning(&health, end_ms - HOUR_MS), WARNING_NONE);
    assert_true(endpoint_disabled_at(&health) == 0);
}

static void end__comes_after_five_days_of_nothing_but_failures(void **state)
{
    (void)state;
    struct endpoint_health health = {0}, recovered = {0};
    for (int hour = 0; hour < 120; hour += 10) {
        assert_null(note(&health, false, NOW_MS + hour * (int64_t)HOUR_MS));
        assert_null(note(&recovered, hour == 60, NOW_MS + hour * (int64_t)HOUR_MS));
    }
    assert_null(note(&health, false, NOW_MS + 120LL * HOUR_MS - 1));
    assert_non_null(note(&health, false, NOW_MS + 120LL * HOUR_MS));
    assert_null(note(&recovered, false, NOW_MS + 120LL * HOUR_MS));
}

static void end__needs_ten_attempts(void **state)
{
    (void)state;
    struct endpoint_health health = {0};
    for (int attempt = 0; attempt < 9; attempt++)
        assert_null(note(&health, false, NOW_MS + attempt * 20LL * HOUR_MS));
    assert_true(endpoint_disabled_at(&health) == 0);
    assert_non_null(note(&health, false, NOW_MS + 180LL * HOUR_MS));
}

static void end__is_not_hastened_by_a_server_that_was_away_itself(void **state)
{
    (void)state;
    struct endpoint_health health = {0};
    for (int attempt = 0; attempt < 20; attempt++)
        note(&health, false, NOW_MS + attempt);
    int64_t back_ms = NOW_MS + 240LL * HOUR_MS;
    assert_null(note(&health, false, back_ms));
    assert_true(endpoint_disabled_at(&health) == back_ms + 120LL * HOUR_MS);
}

static void end__comes_at_once_for_410(void **state)
{
    (void)state;
    struct endpoint_health health = {.last_success_ms = NOW_MS};
    const struct attempt_facts gone = {.gone = true, .answered = true};
    assert_string_equal(endpoint_note_attempt(&health, &gone, NOW_MS), "the receiver answered 410 Gone");
}

static void end__comes_with_the_third_refused_address_in_a_row(void **state)
{
    (void)state;
    struct endpoint_health health = {0};
    const struct attempt_facts refused = {.refused = true};
    assert_null(endpoint_note_attempt(&health, &refused, NOW_MS));
    assert_null(endpoint_note_attempt(&health, &refused, NOW_MS + 1));
    assert_null(note(&health, false, NOW_MS + 2));
    assert_null(endpoint_note_attempt(&health, &refused, NOW_MS + 3));
    assert_null(endpoint_note_attempt(&health, &refused, NOW_MS + 4));
    assert_non_null(endpoint_note_attempt(&health, &refused, NOW_MS + 5));
}

static void end__comes_after_three_days_of_a_bad_certificate(void **state)
{
    (void)state;
    struct endpoint_health health = {0}, mended = {0};
    const struct attempt_facts bad = {.certificate = true}, mute = {0};
    for (int hour = 0; hour < 72; hour += 12) {
        int64_t at_ms = NOW_MS + hour * (int64_t)HOUR_MS;
        /* A time-out says nothing of the certificate; an answer says that it was in order. */
        assert_null(endpoint_note_attempt(&health, hour == 36 ? &mute : &bad, at_ms));
        assert_null(hour == 36 ? note(&mended, false, at_ms) : endpoint_note_attempt(&mended, &bad, at_ms));
    }
    assert_true(endpoint_disabled_at(&health) == NOW_MS + 72LL * HOUR_MS);
    assert_int_equal(endpoint_warning(&health, NOW_MS + 48LL * HOUR_MS), WARNING_LAST_DAY);
    assert_non_null(endpoint_note_attempt(&health, &bad, NOW_MS + 72LL * HOUR_MS));
    assert_null(endpoint_note_attempt(&mended, &bad, NOW_MS + 72LL * HOUR_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retry__follows_the_schedule_and_ends),
        cmocka_unit_test(retry__jitter_is_only_added_and_bounded),
        cmocka_unit_test(retry__waits_a_minute_for_the_slow),
        cmocka_unit_test(retry__heeds_retry_after_within_bounds),
        cmocka_unit_test(rest__begins_with_ten_failures_in_a_row),
        cmocka_unit_test(rest__begins_when_most_of_ten_fail_within_five_minutes),
        cmocka_unit_test(rest__doubles_with_each_probe_that_fails_and_ends_with_one_that_arrives),
        cmocka_unit_test(prompt__is_who_answered_well_and_quickly_the_last_time),
        cmocka_unit_test(warning__comes_at_five_at_ten_and_on_the_last_day),
        cmocka_unit_test(end__comes_after_five_days_of_nothing_but_failures),
        cmocka_unit_test(end__needs_ten_attempts),
        cmocka_unit_test(end__is_not_hastened_by_a_server_that_was_away_itself),
        cmocka_unit_test(end__comes_at_once_for_410),
        cmocka_unit_test(end__comes_with_the_third_refused_address_in_a_row),
        cmocka_unit_test(end__comes_after_three_days_of_a_bad_certificate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
