/* The turnstile: who is let in, who waits, who is turned away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include "server/turnstile.h"

enum { CROWD = 16 };

struct crowd {
    struct turnstile *turnstile;
    atomic_int inside, most, served, turned_away;
};

static void *come(void *arg)
{
    struct crowd *crowd = arg;
    if (turnstile_enter(crowd->turnstile) != RESULT_OK) {
        atomic_fetch_add(&crowd->turned_away, 1);
        return NULL;
    }
    int inside = atomic_fetch_add(&crowd->inside, 1) + 1;
    for (int most = crowd->most; inside > most && !atomic_compare_exchange_weak(&crowd->most, &most, inside);)
        continue;
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    atomic_fetch_sub(&crowd->inside, 1);
    turnstile_leave(crowd->turnstile);
    atomic_fetch_add(&crowd->served, 1);
    return NULL;
}

static void turnstile__lets_few_in_few_wait_and_turns_the_rest_away(void **state)
{
    (void)state;
    struct crowd crowd = {.turnstile = turnstile_open(2, 3)};
    pthread_t threads[CROWD];
    for (int i = 0; i < CROWD; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, come, &crowd), 0);
    for (int i = 0; i < CROWD; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(crowd.most, 2);
    assert_int_equal(crowd.served + crowd.turned_away, CROWD);
    assert_true(crowd.served >= 5);
    assert_true(crowd.turned_away > 0);
    turnstile_close(crowd.turnstile);
}

static void turnstile__lets_in_again_who_finds_it_free(void **state)
{
    (void)state;
    struct turnstile *turnstile = turnstile_open(1, 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(turnstile_enter(turnstile), RESULT_OK);
        assert_int_equal(turnstile_enter(turnstile), RESULT_BUSY);
        turnstile_leave(turnstile);
    }
    turnstile_close(turnstile);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turnstile__lets_few_in_few_wait_and_turns_the_rest_away),
        cmocka_unit_test(turnstile__lets_in_again_who_finds_it_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
