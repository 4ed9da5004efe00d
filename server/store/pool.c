/* See pool.h. Connections are opened when they are first needed and stay; the driver looks after those that were lost. */
#include "server/store/pool.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
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

/* A database that lets nobody in holds up the one who knocks: the others wait for what comes back, and no longer than they would
 * for that. */
static bool must_wait(const struct pool *pool)
{
    return pool->idle_count == 0 && (pool->open_count == pool->size || pool->opening);
}

/* With the lock held. False when it took too long. */
static bool wait_for_one(struct pool *pool)
{
    int64_t start_ms = monotonic_ms(), patience_ms = pool->driver->patience_ms;
    struct timespec until = monotonic_in(patience_ms);
    bool in_time = true;
    pool->waits++;
    while (in_time && must_wait(pool)) {
        if (patience_ms)
            in_time = pthread_cond_timedwait(&pool->returned, &pool->lock, &until) != ETIMEDOUT;
        else
            pthread_cond_wait(&pool->returned, &pool->lock);
    }
    pool->wait_ms += monotonic_ms() - start_ms;
    return !must_wait(pool);
}

/* One more, for which there is room in the count. */
static enum result open_one(struct pool *pool, struct db **out)
{
    enum result result = pool->driver->open(pool->url, DB_MAIN, DB_READ, out);
    if (result == RESULT_OK) {
        (*out)->patient = pool->patient;
        (*out)->standby = pool->standby;
    }
    pthread_mutex_lock(&pool->lock);
    pool->opening = false;
    pool->open_count -= result != RESULT_OK;
    pthread_cond_signal(&pool->returned); /* who waits may open the next */
    pthread_mutex_unlock(&pool->lock);
    return result == RESULT_OK ? RESULT_OK : RESULT_FAILED;
}

enum result pool_borrow(struct pool *pool, struct db **out)
{
    *out = NULL;
    pthread_mutex_lock(&pool->lock);
    if (must_wait(pool) && !wait_for_one(pool)) {
        pool->timeouts++;
        pthread_mutex_unlock(&pool->lock);
        return RESULT_FAILED;
    }
    *out = pool->idle_count > 0 ? pool->idle[--pool->idle_count] : NULL;
    if (!*out) {
        pool->open_count++;
        pool->opening = true;
    }
    pthread_mutex_unlock(&pool->lock);
    return *out ? RESULT_OK : open_one(pool, out);
}

void pool_give(struct pool *pool, struct db *db)
{
    pthread_mutex_lock(&pool->lock);
    pool->idle[pool->idle_count++] = db;
    pthread_cond_signal(&pool->returned);
    pthread_mutex_unlock(&pool->lock);
}

struct db *pool_swap(struct pool *pool, struct db *db)
{
    struct db *other = NULL;
    pthread_mutex_lock(&pool->lock);
    if (pool->idle_count > 0) {
        other = pool->idle[pool->idle_count - 1];
        memmove(&pool->idle[1], &pool->idle[0], (size_t)(pool->idle_count - 1) * sizeof *pool->idle);
        pool->idle[0] = db;
    }
    pthread_mutex_unlock(&pool->lock);
    return other;
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
