/* Taking turns, in the order in which they were asked for. A plain mutex goes to whoever is quickest, and that is the thread
 * which just gave it back: the fold, or a rejudgement step by step, would keep everybody else waiting to its end. */
#ifndef MEISHI_STORE_TURNS_H
#define MEISHI_STORE_TURNS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct turns {
    pthread_mutex_t lock;
    pthread_cond_t next;
    uint64_t asked, served; /* equal when it is nobody's turn */
};

void turns_init(struct turns *turns);
void turns_destroy(struct turns *turns);
void turns_take(struct turns *turns); /* waits for those who asked before */
bool turns_try(struct turns *turns);  /* only if it is nobody's turn; never waits */
void turns_give(struct turns *turns);

#endif
