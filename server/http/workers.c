/* The pool that runs what waits: a hash, an image, the database. First come, first served: a stack would starve those at
 * its bottom as long as work keeps coming. The queue is bounded; what does not fit is refused at once, by the caller. */
#include "server/http/workers.h"
#include "server/http/exchange.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>

struct worker_pool {
    pthread_mutex_t lock;
    pthread_cond_t has_work;
    struct exchange *first, *last;
    atomic_int queued;
    int queue_max;
    bool stopping;
    void (*run)(struct exchange *exchange);
    int thread_count;
    pthread_t threads[];
};

static struct exchange *next_exchange(struct worker_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    while (!pool->first && !pool->stopping)
        pthread_cond_wait(&pool->has_work, &pool->lock);
    struct exchange *exchange = pool->first;
    if (exchange) {
        pool->first = exchange->next;
        if (!pool->first)
            pool->last = NULL;
        atomic_fetch_sub(&pool->queued, 1);
    }
    pthread_mutex_unlock(&pool->lock);
    return exchange;
}

static void *work(void *arg)
{
    struct worker_pool *pool = arg;
    for (struct exchange *exchange; (exchange = next_exchange(pool)) != NULL;)
        pool->run(exchange);
    return NULL;
}

struct worker_pool *workers_start(int threads, int queue_max, void (*run)(struct exchange *exchange))
{
    assert(threads > 0 && queue_max > 0);
    struct worker_pool *pool = calloc(1, sizeof *pool + (size_t)threads * sizeof *pool->threads);
    if (!pool)
        return NULL;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->has_work, NULL);
    pool->queue_max = queue_max;
    pool->run = run;
    while (pool->thread_count < threads) {
        if (pthread_create(&pool->threads[pool->thread_count], NULL, work, pool) != 0) {
            workers_stop(pool);
            return NULL;
        }
        pool->thread_count++;
    }
    return pool;
}

bool workers_take(struct worker_pool *pool, struct exchange *exchange)
{
    pthread_mutex_lock(&pool->lock);
    bool room = atomic_load(&pool->queued) < pool->queue_max;
    if (room) {
        exchange->next = NULL;
        if (pool->last)
            pool->last->next = exchange;
        else
            pool->first = exchange;
        pool->last = exchange;
        atomic_fetch_add(&pool->queued, 1);
        pthread_cond_signal(&pool->has_work);
    }
    pthread_mutex_unlock(&pool->lock);
    return room;
}

int workers_queue_len(const struct worker_pool *pool)
{
    return atomic_load(&pool->queued);
}

void workers_stop(struct worker_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->has_work);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->has_work);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}
