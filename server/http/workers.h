/* A bounded queue, first in first out, and the threads that take exchanges from it. */
#ifndef MEISHI_HTTP_WORKERS_H
#define MEISHI_HTTP_WORKERS_H

#include <stdbool.h>
#include "cards/base/result.h"

struct exchange;
struct worker_pool;

struct worker_pool *workers_start(int threads, int queue_max, void (*run)(struct exchange *exchange));
bool workers_take(struct worker_pool *pool, struct exchange *exchange); /* false: the queue is full */
int workers_queue_len(const struct worker_pool *pool);
void workers_stop(struct worker_pool *pool); /* finishes what is queued */

#endif
