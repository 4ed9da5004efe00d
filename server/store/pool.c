/* See pool.h. Connections are opened when they are first needed and stay; the driver looks after those that were lost. After a
 * cut they come back one by one: who gets one that is still away waits for another that is well, and when none is, the database is
 * away, and nobody waits. */
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

/* One that is lost is no help to who has just given such a one back; without others that are well there is nothing to wait for. */
static bool must_seek(const struct pool *pool)
{
    bool one_is_well = pool->idle_count > 0 && !pool->idle[pool->idle_count - 1]->lost;
    return !one_is_well && pool->well_count > 0;
}

/* Until when who comes now waits: INT64_MAX is for as long as it takes. */
static int64_t deadline_of(const struct pool *pool)
{
    int64_t patience_ms = pool->driver->patience_ms;
    return patience_ms ? monotonic_ms() + patience_ms : INT64_MAX;
}

/* With the lock held, as long as MUST says, or until it took too long. */
static void wait_while(struct pool *pool, bool (*must)(const struct pool *pool), int64_t until_ms)
{
    int64_t start_ms = monotonic_ms();
    bool in_time = until_ms > start_ms, forever = until_ms == INT64_MAX;
    struct timespec until = monotonic_in(forever || !in_time ? 0 : until_ms - start_ms);
    pool->waits++;
    while (in_time && must(pool)) {
        if (!forever)
            in_time = pthread_cond_timedwait(&pool->returned, &pool->lock, &until) != ETIMEDOUT;
        else
            pthread_cond_wait(&pool->returned, &pool->lock);
    }
    pool->wait_ms += monotonic_ms() - start_ms;
    pool->timeouts += must(pool);
}

/* With the lock held: one of those who wait may go on, or, since the seekers look for something else, all look. */
static void tell(struct pool *pool)
{
    if (pool->seekers)
        pthread_cond_broadcast(&pool->returned);
    else
        pthread_cond_signal(&pool->returned);
}

/* With the lock held. */
static struct db *lend_idle(struct pool *pool)
{
    struct db *db = pool->idle[--pool->idle_count];
    pool->well_count += !db->lost;
    return db;
}

static void take_back(struct pool *pool, struct db *db)
{
    pool->well_count -= !db->lost;
    if (db->lost) {
        memmove(&pool->idle[1], &pool->idle[0], (size_t)pool->idle_count * sizeof *pool->idle);
        pool->idle[0] = db;
    } else
        pool->idle[pool->idle_count] = db;
    pool->idle_count++;
    tell(pool);
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
    pool->well_count += result == RESULT_OK;
    tell(pool); /* who waits may open the next */
    pthread_mutex_unlock(&pool->lock);
    return result == RESULT_OK ? RESULT_OK : RESULT_FAILED;
}

static enum result borrow(struct pool *pool, int64_t until_ms, struct db **out)
{
    *out = NULL;
    pthread_mutex_lock(&pool->lock);
    if (must_wait(pool))
        wait_while(pool, must_wait, until_ms);
    bool in_time = !must_wait(pool);
    if (in_time && pool->idle_count > 0)
        *out = lend_idle(pool);
    else if (in_time) {
        pool->open_count++;
        pool->opening = true;
    }
    pthread_mutex_unlock(&pool->lock);
    if (!in_time)
        return RESULT_FAILED;
    return *out ? RESULT_OK : open_one(pool, out);
}

enum result pool_borrow(struct pool *pool, struct db **out)
{
    return borrow(pool, deadline_of(pool), out);
}

void pool_give(struct pool *pool, struct db *db)
{
    pthread_mutex_lock(&pool->lock);
    take_back(pool, db);
    pthread_mutex_unlock(&pool->lock);
}

/* Of one that is lent. */
static void note_found(struct pool *pool, struct db *db)
{
    if (!db->lost)
        return;
    pthread_mutex_lock(&pool->lock);
    db->lost = false;
    pool->well_count++;
    pthread_mutex_unlock(&pool->lock);
}

/* One that is well for DB, which is lost; NULL when none is, or none came back in time. */
static struct db *swap(struct pool *pool, int64_t until_ms, struct db *db)
{
    struct db *other = NULL;
    pthread_mutex_lock(&pool->lock);
    pool->well_count -= !db->lost;
    db->lost = true;
    take_back(pool, db);
    if (must_seek(pool)) {
        pool->seekers++;
        wait_while(pool, must_seek, until_ms);
        pool->seekers--;
    }
    if (pool->idle_count > 0 && !pool->idle[pool->idle_count - 1]->lost)
        other = lend_idle(pool);
    pthread_mutex_unlock(&pool->lock);
    return other;
}

enum result pool_begin(struct pool *pool, struct db **out)
{
    int64_t until_ms = deadline_of(pool);
    enum result result = borrow(pool, until_ms, out);
    while (result == RESULT_OK && (*out)->driver->begin(*out) != RESULT_OK) {
        if ((*out)->broken)
            return RESULT_FAILED;
        *out = swap(pool, until_ms, *out);
        result = *out ? RESULT_OK : RESULT_FAILED;
    }
    if (result == RESULT_OK)
        note_found(pool, *out);
    return result;
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
