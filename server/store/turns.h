/* Taking turns, in the order in which they were asked for. A plain mutex goes to whoever is quickest, and that is the thread
 * which just gave it back: the fold, or a rejudgement step by step, would keep everybody else waiting to its end. */
#ifndef MEISHI_STORE_TURNS_H
#define MEISHI_STORE_TURNS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "cards/base/result.h"

struct place;
struct turns {
    pthread_mutex_t lock;
    pthread_cond_t called;
    bool taken;                 /* it is somebody's turn */
    struct place *first, *last; /* who waits, in their order */
};

void turns_init(struct turns *turns);
void turns_destroy(struct turns *turns);
/* Waits for those who asked before, at most PATIENCE_MS, or as long as it takes when that is 0. False: it took longer. */
bool turns_take(struct turns *turns, int64_t patience_ms) MUST_CHECK;
bool turns_try(struct turns *turns) MUST_CHECK; /* only if it is nobody's turn; never waits */
void turns_give(struct turns *turns);

#endif
