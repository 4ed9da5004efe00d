/* Robots that come again at once: counted, not kept one by one. A link that is posted in a busy chat is fetched by the
 * same preview robot hundreds of times a second, and a thousand rows say no more than one row and a thousand.
 *
 * The first hit of a kind (share, facts, family, channel, referrer) is kept and waited for like any other. Those that
 * follow while the kind does not fall silent for a moment are counted here, and within a second the writer puts what was
 * counted on disk as one hit with TIMES. So a crash can lose a second of repeated robots' counts; it never loses a
 * kind, and nothing else is ever counted this way. Safe from any thread. */
#ifndef MEISHI_STORE_REPEATS_H
#define MEISHI_STORE_REPEATS_H

#include "server/store/hits.h"

struct repeats;

struct repeats *repeats_new(void);
void repeats_free(struct repeats *repeats);
/* A hit of this share is about to be judged: fetches from memory what counting it would look at. */
void repeats_foresee(struct repeats *repeats, int64_t share_id);
/* Whether HIT was counted; *FIRST then says that nothing was waiting to be taken before it. False: it is to be kept. */
bool repeats_count(struct repeats *repeats, const struct hit *hit, bool *first);
/* When what was counted is to be taken, monotonic; INT64_MAX when there is nothing. */
int64_t repeats_due_ms(const struct repeats *repeats);
/* Hits for what was counted, before the list FIRST, whose last stays the last; *COUNT grows by their number. They free
 * themselves when done. */
struct hit *repeats_take(struct repeats *repeats, struct hit *first, size_t *count);

#endif
