/* A database that takes its time to let one in holds up who asked first, and not everybody who comes after. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <unistd.h>
#include "server/store/pool.h"

enum { SIZE = 3 };

static sem_t door;
static atomic_int knocks;
static struct db connections[SIZE];
static struct db_driver slow;

static enum result open_slowly(const char *url, enum db_part part, enum db_mode mode, struct db **out)
{
    (void)url, (void)part, (void)mode;
    int number = atomic_fetch_add(&knocks, 1);
    sem_wait(&door);
    connections[number].driver = &slow;
    *out = &connections[number];
    return RESULT_OK;
}

static void close_nothing(struct db *db)
{
    (void)db;
}

static struct db_driver slow = {.scheme = "slow", .patience_ms = 50, .open = open_slowly, .close = close_nothing};

static void *borrow(void *context)
{
    struct db *db;
    return pool_borrow(context, &db) == RESULT_OK ? db : NULL;
}

static void pool__opens_one_connection_at_a_time(void **state)
{
    (void)state;
    struct pool pool;
    pthread_t first;
    void *lent;
    struct db *second;
    sem_init(&door, 0, 0);
    pool_init(&pool, &slow, "slow:", SIZE, false);
    assert_int_equal(pthread_create(&first, NULL, borrow, &pool), 0);
    while (!atomic_load(&knocks))
        usleep(1000);
    sem_post(&door);
    pthread_join(first, &lent);
    assert_non_null(lent);
    assert_int_equal(pthread_create(&first, NULL, borrow, &pool), 0);
    while (atomic_load(&knocks) < 2)
        usleep(1000);
    assert_int_equal(pool_borrow(&pool, &second), RESULT_FAILED); /* in the driver's patience */
    assert_int_equal(atomic_load(&knocks), 2);
    pool_give(&pool, lent);
    assert_int_equal(pool_borrow(&pool, &second), RESULT_OK); /* what came back is lent meanwhile */
    assert_ptr_equal(second, lent);
    sem_post(&door);
    pthread_join(first, &lent);
    assert_non_null(lent);
    pool_give(&pool, lent);
    pool_give(&pool, second);
    pool_destroy(&pool);
}

static void pool__lends_a_lost_connection_last(void **state)
{
    (void)state;
    struct pool pool;
    struct db *lent[SIZE], *again;
    atomic_store(&knocks, 0);
    sem_init(&door, 0, SIZE);
    pool_init(&pool, &slow, "slow:", SIZE, false);
    for (int i = 0; i < SIZE; i++)
        assert_int_equal(pool_borrow(&pool, &lent[i]), RESULT_OK);
    assert_null(pool_swap(&pool, lent[0])); /* no other is idle, and it stays the borrower's */
    pool_give(&pool, lent[1]);
    pool_give(&pool, lent[2]);
    assert_ptr_equal(pool_swap(&pool, lent[0]), lent[2]);
    assert_int_equal(pool_borrow(&pool, &again), RESULT_OK);
    assert_ptr_equal(again, lent[1]);
    assert_int_equal(pool_borrow(&pool, &again), RESULT_OK);
    assert_ptr_equal(again, lent[0]);
    for (int i = 0; i < SIZE; i++)
        pool_give(&pool, lent[i]);
    pool_destroy(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(pool__opens_one_connection_at_a_time),
                                       cmocka_unit_test(pool__lends_a_lost_connection_last)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
