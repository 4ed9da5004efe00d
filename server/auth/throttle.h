/* Counts of what visitors and networks did lately, in memory, bounded, keyed by a random key of this process so that no
 * address is kept. For what guards accounts the store counts instead (store_throttle_count). */
#ifndef MEISHI_THROTTLE_H
#define MEISHI_THROTTLE_H

#include <stddef.h>
#include <stdint.h>
#include "cards/base/result.h"

struct throttle;

struct throttle *throttle_open(void);
void throttle_close(struct throttle *throttle);
/* Adds AMOUNT (0 only looks) to the events of KIND under KEY in a sliding window of WINDOW_MS and says how many there are
 * now. Two windows a key are kept: the count is exact within the current one and weighted over the last. */
int64_t throttle_count(struct throttle *throttle, const char *kind, const void *key, size_t key_len, int64_t window_ms,
                       int64_t now_ms, int64_t amount);

#endif
