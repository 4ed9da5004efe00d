/* Counts of what visitors and networks did lately, in memory, bounded, keyed by a random key of this process so that no
 * address is kept. Several servers of one store count together what guards accounts and forms: by the store, under a hash with a
 * key that all of them have and the database has not. For an account's own tries see store_throttle_count. */
#ifndef MEISHI_THROTTLE_H
#define MEISHI_THROTTLE_H

#include <stddef.h>
#include <stdint.h>
#include "cards/base/result.h"

struct store;
struct throttle;

enum { THROTTLE_KEY_SIZE = 32 };

struct throttle *throttle_open(void);
void throttle_close(struct throttle *throttle);
/* Adds AMOUNT (0 only looks) to the events of KIND under KEY in a sliding window of WINDOW_MS and says how many there are
 * now. Two windows a key are kept: the count is exact within the current one and weighted over the last. */
int64_t throttle_count(struct throttle *throttle, const char *kind, const void *key, size_t key_len, int64_t window_ms,
                       int64_t now_ms, int64_t amount);
/* From now on throttle_count_together counts in STORE, if others may serve that too, under hashes with KEY. */
void throttle_share(struct throttle *throttle, struct store *store, const unsigned char key[THROTTLE_KEY_SIZE]);
/* The same for all servers of the store together, for posted forms: it writes, so on a worker, but no more for whoever is beyond
 * MAX with this one alone. Then, and without an answer of the store, it says what this process counted. */
int64_t throttle_count_together(struct throttle *throttle, const char *kind, const void *key, size_t key_len,
                                int64_t window_ms, int64_t now_ms, int64_t amount, int64_t max);

#endif
