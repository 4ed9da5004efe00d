/* See pool.h. Connections are opened when they are first needed and stay; the driver looks after those that were lost. */
#include "server/store/pool.h"

#include <assert.h>
#include <errno.h>
#include <time.h>
#include "server/ids.h"

void pool_init(struct pool *pool, const struct db_driver *driver, const char *url, int size, bool patient)
{
    pthread_condattr_t monotonic;
    assert(size > 0 && size <= STORE_READERS_MAX);
    *pool = (struct pool){.driver = driver, .url = url, .size = size, .patient = patient};
    pthread_mutex_init(&pool->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&pool->returned, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

void pool_destroy(struct pool *pool)
{
    assert(pool->idle_count == pool->open_count); /* else a verb still runs */
    while (pool->idle_count > 0) {
        struct db *db = pool->idle[--pool->idle_count];
        db->driver->close(db);
    }
    pthread_cond_destroy(&pool->returned);
    pthread_mutex_destroy(&pool->lock);
}

void pool_adopt(struct pool *pool, struct db *db)
{
    pthread_mutex_lock(&pool->lock);
    pool->open_count++;
    pool->idle[pool->idle_count++] = db;
    pthread_mutex_unlock(&pool->lock);
}

static struct timespec at_ms(int64_t monotonic)
{
    return (struct timespec){.tv_sec = (time_t)(monotonic / 1000), .tv_nsec = (long)(monotonic % 1000 * 1000000)};
}

static bool is_full(const struct pool *pool)
{
    return pool->idle_count == 0 && pool->open_count == pool->size;
}

/* With the lock held. False when it took too long. */
static bool wait_for_one(struct pool *pool)
{
    int64_t start_ms = monotonic_ms(), patience_ms = pool->driver->patience_ms;
    struct timespec until = at_ms(start_ms + patience_ms);
    bool in_time = true;
    pool->waits++;
    while (in_time && is_full(pool)) {
        if (patience_ms)
            in_time = pthread_cond_timedwait(&pool->returned, &pool->lock, &until) != ETIMEDOUT;
        else
            pthread_cond_wait(&pool->returned, &pool->lock);
    }
    pool->wait_ms += monotonic_ms() - start_ms;
    return !is_full(pool);
}

enum result pool_borrow(struct pool *pool, struct db **out)
{
    *out = NULL;
    pthread_mutex_lock(&pool->lock);
    if (is_full(pool) && !wait_for_one(pool)) {
        pool->timeouts++;
        pthread_mutex_unlock(&pool->lock);
        return RESULT_FAILED;
    }
    *out = pool->idle_count > 0 ? pool->idle[--pool->idle_count] : NULL;
    if (!*out)
        pool->open_count++;
    pthread_mutex_unlock(&pool->lock);
    if (*out)
        return RESULT_OK;
    if (pool->driver->open(pool->url, DB_MAIN, DB_READ, out) == RESULT_OK) {
        (*out)->patient = pool->patient;
        (*out)->standby = pool->standby;
        return RESULT_OK;
    }
    pthread_mutex_lock(&pool->lock);
    pool->open_count--;
    pthread_cond_signal(&pool->returned);
    pthread_mutex_unlock(&pool->lock);
    return RESULT_FAILED;
}

void pool_give(struct pool *pool, struct db *db)
{
    pthread_mutex_lock(&pool->lock);
    pool->idle[pool->idle_count++] = db;
    pthread_cond_signal(&pool->returned);
    pthread_mutex_unlock(&pool->lock);
}

void pool_figures(struct pool *pool, struct store_figures *out)
{
    pthread_mutex_lock(&pool->lock);
    out->pool_size = pool->size;
    out->pool_in_use = pool->open_count - pool->idle_count;
    out->pool_waits = pool->waits;
    out->pool_wait_ms = pool->wait_ms;
    out->pool_timeouts = pool->timeouts;
    pthread_mutex_unlock(&pool->lock);
}
