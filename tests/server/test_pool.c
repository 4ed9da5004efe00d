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
static atomic_bool away[SIZE]; /* the connection has not found its way back */
static atomic_bool gated;      /* who begins next waits at the gate */
static sem_t gate;
static struct db_driver slow;

static enum result open_slowly(const char *url, enum db_part part, enum db_mode mode, struct db **out)
{
    (void)url, (void)part, (void)mode;
    int number = atomic_fetch_add(&knocks, 1);
    sem_wait(&door);
    connections[number].driver = &slow;
    connections[number].lost = false;
    *out = &connections[number];
    return RESULT_OK;
}

static void close_nothing(struct db *db)
{
    (void)db;
}

static enum result begin(struct db *db)
{
    if (atomic_exchange(&gated, false))
        sem_wait(&gate);
    return atomic_load(&away[db - connections]) ? RESULT_FAILED : RESULT_OK;
}

static struct db_driver slow = {
    .scheme = "slow", .patience_ms = 50, .open = open_slowly, .close = close_nothing, .begin = begin};
static struct db_driver patient = {.scheme = "patient", .open = open_slowly, .close = close_nothing, .begin = begin};

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

static struct db *lend(struct pool *pool)
{
    struct db *db;
    assert_int_equal(pool_begin(pool, &db), RESULT_OK);
    return db;
}

static void *begin_one(void *context)
{
    struct db *db;
    return pool_begin(context, &db) == RESULT_OK ? db : NULL;
}

/* A pool of COUNT open connections, all lent, in their order. */
static void fill(struct pool *pool, const struct db_driver *driver, int count, struct db *lent[])
{
    atomic_store(&knocks, 0);
    sem_init(&door, 0, (unsigned)count);
    pool_init(pool, driver, "slow:", count, false);
    for (int i = 0; i < count; i++) {
        atomic_store(&away[i], false);
        lent[i] = lend(pool);
    }
}

static void wait_for_waiters(struct pool *pool, int64_t count)
{
    struct store_figures figures;
    do {
        usleep(1000);
        pool_figures(pool, &figures);
    } while (figures.pool_waits < count);
}

static void pool__lends_a_lost_connection_last(void **state)
{
    (void)state;
    struct pool pool;
    struct db *lent[SIZE], *none;
    fill(&pool, &slow, SIZE, lent);
    pool_give(&pool, lent[1]);
    pool_give(&pool, lent[2]);
    pool_give(&pool, lent[0]);
    atomic_store(&away[0], true);
    assert_ptr_equal(lend(&pool), lent[2]);
    assert_ptr_equal(lend(&pool), lent[1]);
    assert_int_equal(pool_begin(&pool, &none), RESULT_FAILED); /* in the driver's patience */
    assert_null(none);
    atomic_store(&away[0], false);
    assert_ptr_equal(lend(&pool), lent[0]);
    for (int i = 0; i < SIZE; i++)
        pool_give(&pool, lent[i]);
    pool_destroy(&pool);
}

static void pool__waits_for_another_in_place_of_a_lost_one(void **state)
{
    (void)state;
    struct pool pool;
    struct db *lent[2];
    pthread_t other;
    void *got;
    fill(&pool, &patient, 2, lent);
    pool_give(&pool, lent[1]);
    atomic_store(&away[1], true);
    assert_int_equal(pthread_create(&other, NULL, begin_one, &pool), 0);
    wait_for_waiters(&pool, 1);
    pool_give(&pool, lent[0]);
    pthread_join(other, &got);
    assert_ptr_equal(got, lent[0]);
    pool_give(&pool, lent[0]);
    pool_destroy(&pool);
}

static void pool__waits_for_none_when_all_are_lost(void **state)
{
    (void)state;
    struct pool pool;
    struct db *lent[2];
    pthread_t one, other;
    void *got;
    fill(&pool, &patient, 2, lent);
    pool_give(&pool, lent[1]);
    pool_give(&pool, lent[0]);
    atomic_store(&away[0], true);
    atomic_store(&away[1], true);
    sem_init(&gate, 0, 0);
    atomic_store(&gated, true);
    assert_int_equal(pthread_create(&one, NULL, begin_one, &pool), 0);
    while (atomic_load(&gated)) /* until it stands there */
        usleep(1000);
    assert_int_equal(pthread_create(&other, NULL, begin_one, &pool), 0);
    wait_for_waiters(&pool, 1); /* the one may yet be well */
    sem_post(&gate);
    pthread_join(one, &got);
    assert_null(got);
    pthread_join(other, &got);
    assert_null(got);
    pool_destroy(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(pool__opens_one_connection_at_a_time),
                                       cmocka_unit_test(pool__lends_a_lost_connection_last),
                                       cmocka_unit_test(pool__waits_for_another_in_place_of_a_lost_one),
                                       cmocka_unit_test(pool__waits_for_none_when_all_are_lost)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
