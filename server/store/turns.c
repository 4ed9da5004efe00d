/* See turns.h. Each takes a number and waits until it is called; the few who wait all wake to look. */
#include "server/store/turns.h"

void turns_init(struct turns *turns)
{
    *turns = (struct turns){.asked = 0};
    pthread_mutex_init(&turns->lock, NULL);
    pthread_cond_init(&turns->next, NULL);
}

void turns_destroy(struct turns *turns)
{
    pthread_cond_destroy(&turns->next);
    pthread_mutex_destroy(&turns->lock);
}

void turns_take(struct turns *turns)
{
    pthread_mutex_lock(&turns->lock);
    uint64_t own = turns->asked++;
    while (own != turns->served)
        pthread_cond_wait(&turns->next, &turns->lock);
    pthread_mutex_unlock(&turns->lock);
}

bool turns_try(struct turns *turns)
{
    pthread_mutex_lock(&turns->lock);
    bool nobodys = turns->asked == turns->served;
    if (nobodys)
        turns->asked++;
    pthread_mutex_unlock(&turns->lock);
    return nobodys;
}

void turns_give(struct turns *turns)
{
    pthread_mutex_lock(&turns->lock);
    turns->served++;
    pthread_cond_broadcast(&turns->next);
    pthread_mutex_unlock(&turns->lock);
}
