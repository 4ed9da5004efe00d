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
    int idle_count, open_count, size; /* those that are lost are the first of the idle, and lent when no other is */
    int well_count;                   /* lent, and not lost as far as is known */
    int seekers;                      /* who wait for one of those */
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
/* Borrows and begins. A connection that was lost is given back for another that is well, which is waited for as long as one
 * waits to borrow. FAILED: none began, or none came in time; *OUT is to be given back all the same unless it is NULL. */
enum result pool_begin(struct pool *pool, struct db **out) MUST_CHECK;
void pool_figures(struct pool *pool, struct store_figures *out);

#endif
