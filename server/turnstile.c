/* See turnstile.h. */
#include "server/turnstile.h"

#include <pthread.h>
#include <stdlib.h>

struct turnstile {
    pthread_mutex_t lock;
    pthread_cond_t free;
    int running, waiting, running_max, waiting_max;
};

struct turnstile *turnstile_open(int running_max, int waiting_max)
{
    struct turnstile *turnstile = calloc(1, sizeof *turnstile);
    if (!turnstile)
        abort();
    pthread_mutex_init(&turnstile->lock, NULL);
    pthread_cond_init(&turnstile->free, NULL);
    turnstile->running_max = running_max;
    turnstile->waiting_max = waiting_max;
    return turnstile;
}

void turnstile_close(struct turnstile *turnstile)
{
    if (!turnstile)
        return;
    pthread_cond_destroy(&turnstile->free);
    pthread_mutex_destroy(&turnstile->lock);
    free(turnstile);
}

enum result turnstile_enter(struct turnstile *turnstile)
{
    enum result result = RESULT_OK;
    pthread_mutex_lock(&turnstile->lock);
    if (turnstile->running >= turnstile->running_max && turnstile->waiting >= turnstile->waiting_max)
        result = RESULT_BUSY;
    else {
        turnstile->waiting++;
        while (turnstile->running >= turnstile->running_max)
            pthread_cond_wait(&turnstile->free, &turnstile->lock);
        turnstile->waiting--;
        turnstile->running++;
    }
    pthread_mutex_unlock(&turnstile->lock);
    return result;
}

void turnstile_leave(struct turnstile *turnstile)
{
    pthread_mutex_lock(&turnstile->lock);
    turnstile->running--;
    pthread_cond_signal(&turnstile->free);
    pthread_mutex_unlock(&turnstile->lock);
}
