/* See turns.h. Who waits stands in a line, each with a place on their own stack; the few who wait all wake to look. */
#include "server/store/turns.h"

#include <errno.h>
#include "server/ids.h"

struct place {
    struct place *next;
    bool called;
};

void turns_init(struct turns *turns)
{
    pthread_condattr_t monotonic;
    *turns = (struct turns){.taken = false};
    pthread_mutex_init(&turns->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&turns->called, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

void turns_destroy(struct turns *turns)
{
    pthread_cond_destroy(&turns->called);
    pthread_mutex_destroy(&turns->lock);
}

static void join(struct turns *turns, struct place *own)
{
    if (turns->last)
        turns->last->next = own;
    else
        turns->first = own;
    turns->last = own;
}

/* Out of the line again, somewhere in which it is. */
static void leave(struct turns *turns, const struct place *own)
{
    struct place **at = &turns->first, *before = NULL;
    for (; *at != own; at = &(*at)->next)
        before = *at;
    *at = own->next;
    if (turns->last == own)
        turns->last = before;
}

bool turns_take(struct turns *turns, int64_t patience_ms)
{
    struct place own = {0};
    struct timespec until = monotonic_in(patience_ms);
    bool in_time = true;
    pthread_mutex_lock(&turns->lock);
    if (!turns->taken) {
        turns->taken = true;
        own.called = true;
    } else
        join(turns, &own);
    while (!own.called && in_time) {
        if (patience_ms)
            in_time = pthread_cond_timedwait(&turns->called, &turns->lock, &until) != ETIMEDOUT;
        else
            pthread_cond_wait(&turns->called, &turns->lock);
    }
    if (!own.called)
        leave(turns, &own);
    pthread_mutex_unlock(&turns->lock);
    return own.called;
}

bool turns_try(struct turns *turns)
{
    pthread_mutex_lock(&turns->lock);
    bool nobodys = !turns->taken;
    turns->taken = true;
    pthread_mutex_unlock(&turns->lock);
    return nobodys;
}

void turns_give(struct turns *turns)
{
    pthread_mutex_lock(&turns->lock);
    struct place *next = turns->first;
    turns->taken = next;
    if (next) {
        turns->first = next->next;
        if (!turns->first)
            turns->last = NULL;
        next->called = true;
    }
    pthread_cond_broadcast(&turns->called);
    pthread_mutex_unlock(&turns->lock);
}
