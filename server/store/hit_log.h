/* The insides of hit recording, shared by its two files: hits.c (the queue and the writer) and hit_log.c (the fold's thread,
 * opening, closing, and what readers ask). */
#ifndef MEISHI_STORE_HIT_LOG_H
#define MEISHI_STORE_HIT_LOG_H

#include <pthread.h>
#include <stdatomic.h>
#include "server/store/fold.h"
#include "server/store/hits.h"
#include "server/store/inbox.h"
#include "server/store/internal.h"
#include "server/store/repeats.h"

enum {
    FOLD_SOON_ROWS = 60000, /* so many wait: the fold does not sleep to its period's end */
    OWNER_SLOTS = 1024,     /* a power of two */
    NO_LANE = -1
};

struct hit_log {
    struct store *store;
    struct months *months;

    pthread_mutex_t queue_lock;
    pthread_cond_t queue_filled; /* as all its conditions, it waits by the monotonic clock */
    struct hit *first, **last;
    size_t queued;
    struct repeats *repeats;
    bool writer_waits, closed; /* closed: nothing is taken in any more */

    pthread_t writer;
    struct db *inbox;       /* the writer's */
    struct inbox_room room; /* given back when idle */
    int64_t last_seq, swept;
    bool entered;              /* the writer knows where its lane stands, as long as its connection holds it */
    _Atomic int64_t lane;      /* its number; NO_LANE as long as what follows is not of one lane */
    _Atomic int64_t committed; /* the last seq on disk */
    /* The last seq that an owner of this slot ever got: below the mark nothing of theirs waits in the lane, and readers
     * need not look. */
    _Atomic int64_t latest[OWNER_SLOTS];

    pthread_mutex_t fold_lock; /* one pass at a time; guards fold_inbox and what was seen last of others' folding */
    struct db *fold_inbox;
    int64_t marks_seen, progress_ms;
    _Atomic int64_t mark; /* of the lane */
    pthread_t folder;
    pthread_mutex_t folder_lock;
    pthread_cond_t folder_wanted;
    bool folder_stops;

    pthread_mutex_t reader_lock; /* guards reader, opened when first needed */
    struct db *reader;
    bool started; /* the two threads run */

    _Atomic int64_t hits_committed, unrecorded, folded, folds, fold_ms;
    _Atomic int64_t by_verdict[VERDICT_COUNT], confirmed;
    struct histogram commit_rows, commit_us;
};

/* Open is called last in store_open, close first in store_close; it commits and folds what is queued. */
enum result hits_open(struct store *store, struct hit_log **out) MUST_CHECK;
enum result hits_start(struct hit_log *log) MUST_CHECK;
void hits_close(struct hit_log *log); /* of NULL: nothing */
void hits_figures(struct hit_log *log, struct store_figures *out);

_Atomic int64_t *hit_log_slot(struct hit_log *log, int64_t owner_id);
/* From now on the lane that the writer holds, standing so. By the writer, or before it runs. */
void hit_log_enter(struct hit_log *log, const struct lane *lane);
/* The writer's thread: commits until the queue is closed and empty. */
void *hit_log_write(void *log);
/* Sweeps what is folded out of the inbox, or when nothing is left tidies up. True when there is more to do. For the
 * writer, and for closing after it. */
bool hit_log_keep_house(struct hit_log *log);

#endif
