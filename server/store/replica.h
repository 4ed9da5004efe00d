/* The standby that lists may be read from, as the store holds it. */
#ifndef MEISHI_STORE_REPLICA_H
#define MEISHI_STORE_REPLICA_H

#include <stdatomic.h>
#include <stdbool.h>
#include "server/store/pool.h"

struct replica {
    bool is_there; /* MEISHI_STORE_READ names one */
    char *url;
    struct pool pool;
    atomic_llong rests_until_ms; /* on the monotonic clock: not asked before; 0 while it answers */
    atomic_llong reads, behind, failures;
};

/* URL NULL or "": there is none. */
void replica_open(struct replica *replica, const struct db_driver *driver, const char *url, int size);
void replica_close(struct replica *replica);
void replica_figures(struct replica *replica, struct store_figures *out);

#endif
