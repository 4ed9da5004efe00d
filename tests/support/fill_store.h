/* A store that has seen a year of use, made in minutes: members with a card each, shares, and hits in their months with
 * their counts. The hits' ways are the fold's own (months, counts), only without an inbox and without syncs. */
#ifndef MEISHI_TESTS_FILL_STORE_H
#define MEISHI_TESTS_FILL_STORE_H

#include <stddef.h>
#include <stdint.h>
#include "cards/base/id.h"

struct store;

struct filling {
    int64_t members, shares, hits;
    int64_t from_ms, to_ms; /* the hits' times */
};

int64_t filled_owner(const struct filling *filling, int64_t share); /* of the share with this number, 0 and up */
int64_t filled_share(const struct filling *filling, int64_t share);
void filled_token(int64_t share, char out[TOKEN_SIZE]);
/* Aborts when something fails: it serves tests and benches. The store must be open for writing and not started. */
void fill_store(struct store *store, const struct filling *filling);

#endif
