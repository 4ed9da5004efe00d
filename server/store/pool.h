/* A pool of connections that read: an idle one, or one more up to its size, or whichever comes back first. */
#ifndef MEISHI_STORE_POOL_H
#define MEISHI_STORE_POOL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "server/store/db.h"
#include "server/store/store.h"

struct pool {
    const struct db_driver *driver;
    const char *url;       /* not copied */
    bool patient, standby; /* of its connections: db.h */
    pthread_mutex_t lock;
    pthread_cond_t returned;
    struct db *idle[STORE_READERS_MAX];
    int idle_count, open_count, size;
    bool opening;                     /* one more is on its way, and counted as open */
    int64_t waits, wait_ms, timeouts; /* how often somebody waited, how long in all, and how often in vain */
};

void pool_init(struct pool *pool, const struct db_driver *driver, const char *url, int size, bool patient);
/* Closes its connections, which must all be back. */
void pool_destroy(struct pool *pool);
/* A connection that was opened elsewhere is one of the pool's from now on, and idle. */
void pool_adopt(struct pool *pool, struct db *db);
/* To be given back. FAILED: none came back in the driver's patience, or one more could not be opened. Only one is
 * opened at a time. */
enum result pool_borrow(struct pool *pool, struct db **out) MUST_CHECK;
void pool_give(struct pool *pool, struct db *db);
/* Another idle connection in place of DB, which was lost and is the last to be lent from now on; NULL, and DB is still the
 * caller's, when no other is idle. */
struct db *pool_swap(struct pool *pool, struct db *db);
void pool_figures(struct pool *pool, struct store_figures *out);

#endif
