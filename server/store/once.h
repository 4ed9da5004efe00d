/* Which Idempotency-Key the calling thread's request has, so that what it writes says in the same transaction that it was done. */
#ifndef MEISHI_STORE_ONCE_H
#define MEISHI_STORE_ONCE_H

#include <pthread.h>
#include <stdint.h>
#include "server/store/db.h"

enum { ONCE_MAX = 64 }; /* requests under way with a key: more than there are workers */

struct once {
    int64_t member_id;
    const char *key; /* NULL: there is none */
};
struct onces {
    pthread_mutex_t lock;
    pthread_t thread[ONCE_MAX];
    struct once once[ONCE_MAX];
    int count;
};

void once_init(struct onces *onces);
void once_destroy(struct onces *onces);
/* From now on, in place of an earlier key, until once_end. KEY is borrowed till then. */
void once_begin(struct onces *onces, int64_t member_id, const char *key);
void once_end(struct onces *onces);
struct once once_of_thread(struct onces *onces);
/* In the transaction of the work: from its commit on nobody does it again. */
enum result once_mark(struct db *db, const struct once *once) MUST_CHECK;

/* What stands where an answer's status will be: it was done, and nobody knows what was answered. */
enum { ONCE_DONE = -1 };

#endif
