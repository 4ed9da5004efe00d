/* Robots that come again at once are counted, each kind for itself, and none is missing in the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "server/ids.h"
#include "tests/support/hit_store.h"

static int make(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    place_make(place);
    place_open(place, true);
    *state = place;
    return 0;
}

static int drop(void **state)
{
    place_drop(*state);
    free(*state);
    return 0;
}

static struct hit robot(int share)
{
    struct hit hit = hit_at(id_new(), share);
    hit.facts = FACT_CRAWLER | FACT_CRAWLER_PREVIEW;
    strcpy(hit.family, "WhatsApp");
    return hit;
}

static void note_done(struct hit *hit, enum result result)
{
    assert_int_equal(result, RESULT_OK);
    atomic_store((atomic_bool *)hit->owner, true);
}

/* As the page does: counted, or kept and waited for. True: counted. */
static bool come(struct place *place, struct hit hit)
{
    if (store_hit_repeats(place->store, &hit))
        return true;
    atomic_bool done = false;
    hit.done = note_done;
    hit.owner = &done;
    assert_int_equal(store_hit_submit(place->store, &hit), RESULT_OK);
    store_hits_wake(place->store);
    while (!atomic_load(&done))
        usleep(200);
    return false;
}

static void repeats__become_one_hit_that_stands_for_them(void **state)
{
    struct place *place = *state;
    assert_false(come(place, robot(0)));
    for (int i = 0; i < 5; i++)
        assert_true(come(place, robot(0)));
    place_close(place); /* at once: what is counted is not lost by stopping */
    place_open(place, true);
    struct hit_row *rows;
    assert_int_equal(place_list(place, 0, &rows), 2);
    assert_int_equal(rows[0].times, 5);
    assert_int_equal(rows[1].times, 1);
    assert_int_equal(rows[0].verdict, VERDICT_PREVIEW);
    assert_int_equal(place_counts(place).by_verdict[VERDICT_PREVIEW], 6);
    assert_int_equal(place_number(place, "SELECT preview FROM share_counts"), 6);
    place_check_counts(place);
}

static void repeats__are_readable_while_more_may_come(void **state)
{
    struct place *place = *state;
    int64_t end_ms = monotonic_ms() + 20000;
    come(place, robot(0));
    assert_true(come(place, robot(0)));
    while (place_counts(place).by_verdict[VERDICT_PREVIEW] < 2) {
        assert_true(monotonic_ms() < end_ms);
        usleep(20000);
    }
}

static void repeats__are_of_one_share_and_one_kind(void **state)
{
    struct place *place = *state;
    struct hit head = robot(0), other = robot(0);
    head.facts |= FACT_HEAD;
    strcpy(other.family, "Slackbot");
    assert_false(come(place, robot(0)));
    assert_false(come(place, robot(1)));
    assert_false(come(place, head));
    assert_false(come(place, other));
    assert_true(come(place, robot(1)));
    assert_true(come(place, other));
}

static void repeats__keep_their_number_when_rejudged(void **state)
{
    struct place *place = *state;
    come(place, robot(0));
    for (int i = 0; i < 3; i++)
        assert_true(come(place, robot(0)));
    place_close(place);
    place_open(place, false);
    char sql[64];
    int64_t month = place_number(place, "SELECT month FROM hit_months");
    snprintf(sql, sizeof sql, "UPDATE hits_%06lld SET verdict = %d", (long long)month,
             VERDICT_BOT); /* as older rules had it */
    place_run(place, sql);
    place_run(place, "UPDATE share_counts SET bot = preview, preview = 0");
    place_run(place, "UPDATE day_counts SET bot = preview, preview = 0");
    struct rejudged rejudged;
    assert_int_equal(store_rejudge(place->store, &rejudged), RESULT_OK);
    assert_int_equal(rejudged.changed, 2);
    assert_int_equal(place_counts(place).by_verdict[VERDICT_PREVIEW], 4);
    assert_int_equal(place_counts(place).by_verdict[VERDICT_BOT], 0);
    place_check_counts(place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(repeats__become_one_hit_that_stands_for_them, make, drop),
        cmocka_unit_test_setup_teardown(repeats__are_readable_while_more_may_come, make, drop),
        cmocka_unit_test_setup_teardown(repeats__are_of_one_share_and_one_kind, make, drop),
        cmocka_unit_test_setup_teardown(repeats__keep_their_number_when_rejudged, make, drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
