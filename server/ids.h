/* Time and randomness: the only caller of getrandom and the clocks, besides the tests. */
#ifndef MEISHI_IDS_H
#define MEISHI_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include "cards/base/id.h"

int64_t now_ms(void);              /* wall clock, milliseconds since 1970 */
int64_t monotonic_ms(void);        /* never steps back: deadlines and intervals */
int64_t monotonic_coarse_ms(void); /* the same to a few milliseconds, and cheaper: no clock of the hardware's is read */
int64_t monotonic_us(void);        /* the same in microseconds, for figures */
/* In so many milliseconds, by the monotonic clock: for conditions that wait by it. */
struct timespec monotonic_in(int64_t ms);
/* Random bytes from the kernel; a machine without them cannot go on: aborts. */
void random_bytes(void *out, size_t len);
uint64_t random_u64(void);
/* A new id, unique on this store: time, this process's node, a counter. Lock-free, safe from any thread. */
int64_t id_new(void);
/* The node, below ID_NODES, that no other process of the store has: before the first id. Without it a random one is drawn. */
enum { ID_NODES = 1024 };
void id_set_node(int32_t node);
/* Whether this process made the id, or one that had its node before: then its time is by this machine's clock. */
bool id_is_own(int64_t id);
/* A share token: 80 random bits. */
void token_new(char out[TOKEN_SIZE]);

#endif
