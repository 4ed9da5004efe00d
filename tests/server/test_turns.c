/* Who writes takes turns: a form that came while a batch was folded is written before the next batch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>
#include "server/ids.h"
#include "server/store/internal.h"
#include "tests/support/fresh_store.h"

enum { PASS_MS = 20, FORMS = 12 };

struct busy {
    struct fresh *fresh;
    atomic_bool stop;
    atomic_int passes;
};

/* As the fold of a batch does: holds the one writing connection for a while, and comes again at once. */
static enum result long_body(struct db *db, void *context)
{
    (void)db;
    struct busy *busy = context;
    usleep(PASS_MS * 1000);
    atomic_fetch_add(&busy->passes, 1);
    return RESULT_OK;
}

static void *keep_folding(void *context)
{
    struct busy *busy = context;
    while (!atomic_load(&busy->stop))
        assert_int_equal(store_write(busy->fresh->store, "long", long_body, busy), RESULT_OK);
    return NULL;
}

static enum result short_body(struct db *db, void *context)
{
    (void)db;
    (void)context;
    return RESULT_OK;
}

static void *write_once(void *context)
{
    struct busy *busy = context;
    int before = atomic_load(&busy->passes);
    assert_int_equal(store_write(busy->fresh->store, "short", short_body, NULL), RESULT_OK);
    return (void *)(intptr_t)(atomic_load(&busy->passes) - before);
}

static void writers__wait_for_no_more_than_those_before_them(void **state)
{
    struct busy busy = {.fresh = *state};
    pthread_t folder, forms[FORMS];
    assert_int_equal(pthread_create(&folder, NULL, keep_folding, &busy), 0);
    while (!atomic_load(&busy.passes))
        usleep(1000);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < FORMS; i++)
            assert_int_equal(pthread_create(&forms[i], NULL, write_once, &busy), 0);
        for (int i = 0; i < FORMS; i++) {
            void *passes;
            pthread_join(forms[i], &passes);
            assert_true((intptr_t)passes <= 2); /* the one under way, and one that asked before */
        }
    }
    atomic_store(&busy.stop, true);
    pthread_join(folder, NULL);
}

/* Who has waited long enough leaves the line without holding up those behind them. */
static void *wait_long(void *context)
{
    return (void *)(intptr_t)turns_take(context, 0);
}

static void turn__that_takes_too_long_is_given_up(void **state)
{
    (void)state;
    struct turns turns;
    pthread_t patient;
    void *got;
    turns_init(&turns);
    assert_true(turns_take(&turns, 1));
    assert_false(turns_try(&turns));
    assert_false(turns_take(&turns, 1));
    assert_int_equal(pthread_create(&patient, NULL, wait_long, &turns), 0);
    for (bool waits = false; !waits; usleep(1000)) {
        pthread_mutex_lock(&turns.lock);
        waits = turns.first != NULL;
        pthread_mutex_unlock(&turns.lock);
    }
    assert_false(turns_take(&turns, 1)); /* behind the patient one */
    turns_give(&turns);
    pthread_join(patient, &got);
    assert_true((intptr_t)got);
    turns_give(&turns);
    assert_true(turns_try(&turns));
    turns_give(&turns);
    turns_destroy(&turns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(writers__wait_for_no_more_than_those_before_them, fresh_setup, fresh_teardown),
        cmocka_unit_test(turn__that_takes_too_long_is_given_up),
    };
    return cmocka_run_group_tests_name("turns", tests, NULL, NULL);
}
