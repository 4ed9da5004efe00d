/* How webhooks are told of in the pages: a word and a sign for each state, sentences for each error, when a member is warned. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "server/notify/send_error.h"
#include "server/pages/hook_health.h"
#include "server/pages/hook_signs.h"
#include "server/pages/hook_words.h"
#include "server/pages/when.h"

enum { MINUTE = 60 * 1000, HOUR = 60 * MINUTE, DAY = 24 * HOUR };
static const int64_t NOON = 1795348800000; /* Sunday 22 November 2026, 12:00 UTC */

static int setup(void **state)
{
    static struct arena arena;
    arena_init(&arena);
    *state = &arena;
    return 0;
}

static int teardown(void **state)
{
    arena_free(*state);
    return 0;
}

static struct webhook webhook(void)
{
    return (struct webhook){.id = 1,
                            .url = "https://hooks.example.org/in",
                            .health = {.last_success_ms = NOON - MINUTE, .last_latency_ms = 80}};
}

static struct webhook failing(int failures, int64_t since_ms)
{
    struct webhook failing = webhook();
    failing.health.failures_in_a_row = failures;
    failing.health.failing_since_ms = since_ms;
    failing.health.last_failure_ms = NOON;
    return failing;
}

/* ---- errors ---- */

static void trouble__has_words_of_its_own_for_every_error(void **state)
{
    const char *seen[SEND_ERROR_COUNT] = {0};
    for (int error = 0; error < SEND_ERROR_COUNT; error++) {
        const char *name = send_error_name((enum send_error)error);
        if (!name || error == SEND_STATUS)
            continue; /* the status says it */
        struct trouble trouble = hook_trouble(name, 0, *state);
        assert_non_null(trouble.what);
        assert_non_null(trouble.means);
        for (int other = 0; other < error; other++)
            assert_true(!seen[other] || strcmp(seen[other], trouble.what));
        seen[error] = trouble.what;
    }
}

static void trouble__tells_answers_by_their_status(void **state)
{
    assert_string_equal(hook_trouble(NULL, 204, *state).what, "Answer 204");
    assert_null(hook_trouble(NULL, 204, *state).todo);
    for (int status = 300; status < 600; status++) {
        struct trouble trouble = hook_trouble("status", status, *state);
        assert_non_null(trouble.means);
        assert_non_null(trouble.todo);
    }
    assert_string_not_equal(hook_trouble("status", 404, *state).means, hook_trouble("status", 400, *state).means);
    /* A redirect has a status too, and is a redirect first. */
    assert_string_equal(hook_trouble("redirect", 302, *state).what, "Sent elsewhere");
}

static void trouble__that_nobody_knows_is_still_said(void **state)
{
    struct trouble trouble = hook_trouble("a class of next year", 0, *state);
    assert_non_null(trouble.what);
    assert_non_null(trouble.means);
}

/* ---- addresses ---- */

static void hook__shows_the_host_and_hides_the_middle_of_the_rest(void **state)
{
    const char *url = "https://hooks.slack.com/services/T0123/B4567/secretsecretXYZ9";
    assert_string_equal(hook_host(url, *state), "hooks.slack.com");
    assert_string_equal(hook_rest(url, *state), "/services/T0…XYZ9");
    assert_string_equal(hook_rest("https://a.example:8443/hook", *state), "/hook");
    assert_string_equal(hook_host("https://a.example:8443/hook", *state), "a.example:8443");
    assert_null(hook_rest("https://a.example/", *state));
    assert_string_equal(hook_host("https://a.example?key=1", *state), "a.example");
}

/* ---- health ---- */

static void assert_health(struct arena *arena, const struct webhook *webhook, const char *word, const char *words)
{
    struct hook_health health = hook_health(webhook, NOON, arena);
    assert_string_equal(health.sign.word, word);
    assert_string_equal(health.words, words);
}

static void health__is_a_word_and_a_shape_of_its_own(void **state)
{
    struct webhook fine = webhook(), slow = webhook(), fresh = webhook(), off = webhook();
    struct webhook bad = failing(3, NOON - 2 * HOUR);
    slow.health.last_latency_ms = 2400;
    fresh.health.last_success_ms = 0;
    off.disabled_ms = NOON - 3 * DAY;
    off.disabled_why = "nothing arrived for five days";
    assert_health(*state, &fine, "Fine", "The last message arrived 1 min ago.");
    assert_health(*state, &slow, "Slow", "The last message arrived 1 min ago; the answer took 2.4 s.");
    assert_health(*state, &bad, "Failing", "It failed 3 times in a row, first 2 h ago.");
    assert_health(*state, &off, "Off", "It was switched off 3 d ago: nothing arrived for five days.");
    assert_health(*state, &fresh, "New", "Nothing was sent yet.");
    const struct webhook *all[] = {&fine, &slow, &bad, &off, &fresh};
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < i; j++)
            assert_string_not_equal(hook_health(all[i], NOON, *state).sign.path,
                                    hook_health(all[j], NOON, *state).sign.path);
}

static void health__names_the_day_it_will_be_switched_off(void **state)
{
    struct webhook nine = failing(9, NOON - DAY), ten = failing(10, NOON - DAY);
    assert_null(hook_health(&nine, NOON, *state).warning);
    assert_string_equal(hook_health(&ten, NOON, *state).warning,
                        "It will be switched off on Thursday 26 November, 12:00 UTC, unless it answers.");
}

static void health__says_when_one_that_rests_is_tried_again(void **state)
{
    struct webhook resting = failing(12, NOON - HOUR);
    resting.health.breaker_ms = 30 * MINUTE;
    resting.health.breaker_until_ms = NOON + 12 * MINUTE;
    assert_string_equal(hook_health(&resting, NOON, *state).advice,
                        "It is left in peace for now; the next try is in 12 min.");
}

/* ---- the line above every page ---- */

static void alarm__rings_at_five_at_ten_a_day_before_and_when_off(void **state)
{
    struct webhook all[] = {webhook(), failing(4, NOON - HOUR)};
    assert_null(hook_worst(all, 2, NOON));
    all[0] = failing(5, NOON - HOUR);
    assert_ptr_equal(hook_worst(all, 2, NOON), &all[0]);
    assert_string_equal(hook_alarm_words(&all[0], NOON, *state), "hooks.example.org has failed 5 times");
    all[1] = failing(10, NOON - HOUR);
    assert_ptr_equal(hook_worst(all, 2, NOON), &all[1]);
    all[0] = failing(11, NOON - 100 * (int64_t)HOUR);
    assert_ptr_equal(hook_worst(all, 2, NOON), &all[0]);
    assert_string_equal(hook_alarm_words(&all[0], NOON, *state), "hooks.example.org fails and will be off in 20 h");
    all[1].disabled_ms = NOON;
    all[1].disabled_why = "the receiver answered 410 Gone";
    assert_ptr_equal(hook_worst(all, 2, NOON), &all[1]);
    assert_string_equal(hook_alarm_words(&all[1], NOON, *state), "hooks.example.org is switched off");
}

static void alarm__is_silent_of_what_was_meant(void **state)
{
    (void)state;
    struct webhook all[] = {webhook(), failing(20, NOON - HOUR)};
    all[0].disabled_ms = NOON;
    all[0].disabled_why = HOOK_OFF_BY_HAND;
    all[1].listener = true;
    assert_null(hook_worst(all, 2, NOON));
    assert_null(hook_worst(NULL, 0, NOON));
}

/* ---- a day as bars ---- */

static struct delivery message(int64_t age_ms, enum delivery_state state, int attempts)
{
    return (struct delivery){.created_ms = NOON - age_ms, .state = state, .attempts = attempts};
}

static void day__counts_what_arrived_and_what_did_not(void **state)
{
    struct delivery rows[] = {message(MINUTE, DELIVERY_PENDING, 0), message(MINUTE, DELIVERY_DELIVERED, 1),
                              message(2 * HOUR, DELIVERY_PENDING, 2), message(3 * HOUR, DELIVERY_FAILED, 11),
                              message(25 * HOUR, DELIVERY_FAILED, 11)};
    struct day_view day = hook_day(rows, 5, NOON, *state);
    assert_string_equal(day.words, "In the last 24 hours 1 of 3 messages arrived");
    assert_string_equal(day.arrived, "M92 12v-12h3v12z");
    assert_string_equal(day.missed, "M80 13v8h3v-8zM84 13v8h3v-8z");
    assert_null(hook_day(rows + 4, 1, NOON, *state).words);
    assert_null(hook_day(rows, 1, NOON, *state).words);
}

static void day__of_a_busy_one_is_the_time_of_its_latest(void **state)
{
    struct delivery rows[DAY_ROWS_MAX];
    for (int i = 0; i < DAY_ROWS_MAX; i++)
        rows[i] = message(i * 1000, DELIVERY_DELIVERED, 1);
    struct day_view day = hook_day(rows, DAY_ROWS_MAX, NOON, *state);
    assert_string_equal(day.words, "Of the latest 200 all 200 messages arrived");
    assert_memory_equal(day.arrived, "M0 12v", 6);
}

/* ---- times ---- */

static void when__looks_ahead_too(void **state)
{
    assert_string_equal(when_until(NOON - 1, NOON, *state), "now");
    assert_string_equal(when_until(NOON + 1, NOON, *state), "in 1 min");
    assert_string_equal(when_until(NOON + 90 * MINUTE, NOON, *state), "in 90 min");
    assert_string_equal(when_until(NOON + 2 * HOUR, NOON, *state), "in 2 h");
    assert_string_equal(when_until(NOON + 2 * DAY, NOON, *state), "in 2 d");
    assert_string_equal(when_weekday(NOON, *state), "Sunday 22 November, 12:00 UTC");
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(trouble__has_words_of_its_own_for_every_error),
        CASE(trouble__tells_answers_by_their_status),
        CASE(trouble__that_nobody_knows_is_still_said),
        CASE(hook__shows_the_host_and_hides_the_middle_of_the_rest),
        CASE(health__is_a_word_and_a_shape_of_its_own),
        CASE(health__names_the_day_it_will_be_switched_off),
        CASE(health__says_when_one_that_rests_is_tried_again),
        CASE(alarm__rings_at_five_at_ten_a_day_before_and_when_off),
        CASE(alarm__is_silent_of_what_was_meant),
        CASE(day__counts_what_arrived_and_what_did_not),
        CASE(day__of_a_busy_one_is_the_time_of_its_latest),
        CASE(when__looks_ahead_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
