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
enum { PLACE_URL_SIZE = 64 };
/* Where the receiver with this number listens: an address of 127/8 of its own. Returns OUT. */
const char *place_of(int64_t number, int port, char out[PLACE_URL_SIZE]);
/* Aborts when something fails: it serves tests and benches. The store must be open for writing and not started. */
void fill_store(struct store *store, const struct filling *filling);
/* ENDPOINTS of its members, at most 20 each, at places with PORT, and at least COUNT deliveries to them that are due at
 * DUE_MS: an event of a member goes to all its endpoints. */
void fill_deliveries(struct store *store, const struct filling *filling, int64_t endpoints, int64_t count, int port,
                     int64_t due_ms);

#endif
