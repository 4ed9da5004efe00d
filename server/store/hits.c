/* Recording hits: the queue, and the writer with its group commit.
 *
 * A page is answered after its hit is on disk, and a disk takes as long for one row as for a hundred: the time of a commit
 * is the time of its fdatasync. So nobody commits alone. Loop threads hang their hits on one list and go on to the next
 * request. One writer thread takes the whole list, appends it in one transaction, waits for the disk once, and then tells
 * every hit's owner. While it waits, the next list grows; so the slower the disk and the busier the loops, the larger the
 * batches become by themselves, and nothing is ever delayed on purpose: measured, a window in which more could arrive
 * loses at low load and gains nothing at high load.
 *
 * What is appended to is the inbox, a table of its own file without any index but its row number, and a commit is one row of
 * it (inbox.c): a fraction of a microsecond a hit where two indexes would cost 20. The number, SEQ, is given here and only
 * grows; a number whose commit failed is never used again, because a failed commit may still have reached the disk.
 * Everything up to the MARK has been moved on by the fold (fold.c), which writes the mark in the same transaction; the writer
 * deletes rows up to the mark, a bounded number with each commit, so that this too waits for no sync of its own. Deleting late
 * or never does no harm: whoever reads the inbox asks for rows beyond the mark.
 *
 * An engine that many servers share gives each writer a lane of numbers to itself (lanes.c), which it claims before its first
 * commit and again when the connection was lost. There the fold deletes, a commit is one statement, and one round trip.
 *
 * A crash needs no recovery. What was acknowledged is in the inbox or in the tables and the mark says in which; what was
 * queued but not committed was never acknowledged. Starting reads two numbers, however many hits there are.
 *
 * This file never delays a page for its own good: a full queue refuses, a failed commit is told as such, and the caller
 * serves the card in either case. */
#include "server/store/hits.h"

#include <assert.h>
#include <stdlib.h>
#include "server/ids.h"
#include "server/store/hit_log.h"

enum {
    QUEUE_MAX = 65536,
    COMMIT_ROWS_MAX = 4096,
    SWEEP_IDLE_ROWS = 8192,  /* deleted in a commit of its own when nothing is queued */
    SWEEP_LOADED_ROWS = 512, /* deleted beside new rows, and twice as many as those */
    HOUSEKEEPING_MS = 100    /* the queue has been empty that long: sweep, then tidy */
};

/* ---- the queue ---- */

enum result store_hit_submit(struct store *store, struct hit *hit)
{
    struct hit_log *log = store->hits;
    assert(hit->done);
    hit->next = NULL;
    pthread_mutex_lock(&log->queue_lock);
    bool full = log->queued >= QUEUE_MAX || log->closed;
    if (!full) {
        *log->last = hit;
        log->last = &hit->next;
        log->queued++;
    }
    pthread_mutex_unlock(&log->queue_lock);
    if (!full)
        return RESULT_OK;
    atomic_fetch_add(&log->unrecorded, 1);
    return RESULT_LIMITED;
}

void store_hit_foresee(struct store *store, int64_t share_id)
{
    repeats_foresee(store->hits->repeats, share_id);
}

bool store_hit_repeats(struct store *store, const struct hit *hit)
{
    struct hit_log *log = store->hits;
    bool first;
    if (!repeats_count(log->repeats, hit, &first))
        return false;
    if (first) { /* the writer must look at the clock */
        pthread_mutex_lock(&log->queue_lock);
        pthread_cond_signal(&log->queue_filled);
        pthread_mutex_unlock(&log->queue_lock);
    }
    return true;
}

void store_hits_wake(struct store *store)
{
    struct hit_log *log = store->hits;
    pthread_mutex_lock(&log->queue_lock);
    bool wake = log->writer_waits && log->first;
    pthread_mutex_unlock(&log->queue_lock);
    if (wake)
        pthread_cond_signal(&log->queue_filled);
}

/* Off the queue, at most COMMIT_ROWS_MAX. Called with the lock held. */
static struct hit *take_queued(struct hit_log *log, size_t *count)
{
    struct hit *first = log->first;
    if (log->queued <= COMMIT_ROWS_MAX) {
        *count = log->queued;
        log->first = NULL;
        log->last = &log->first;
        log->queued = 0;
        return first;
    }
    struct hit *end = first;
    for (size_t i = 1; i < COMMIT_ROWS_MAX; i++)
        end = end->next;
    log->first = end->next;
    end->next = NULL;
    log->queued -= COMMIT_ROWS_MAX;
    *count = COMMIT_ROWS_MAX;
    return first;
}

/* Waits for hits, or until it is time to take the repeats. NULL when it is time for housekeeping (HOUSEKEEPING: there is
 * some, but hits may come first), or when closing and all is done. */
static struct hit *wait_for_hits(struct hit_log *log, bool housekeeping, size_t *count, bool *closing)
{
    pthread_mutex_lock(&log->queue_lock);
    int64_t house_ms = housekeeping ? monotonic_ms() + HOUSEKEEPING_MS : INT64_MAX, now_ms = 0, until_ms = INT64_MAX;
    log->writer_waits = true;
    while (!log->first && !log->closed) {
        int64_t repeats_ms = repeats_due_ms(log->repeats);
        now_ms = monotonic_ms();
        until_ms = repeats_ms < house_ms ? repeats_ms : house_ms;
        if (until_ms <= now_ms || (!housekeeping && atomic_load(&log->mark) > log->swept))
            break;
        struct timespec until = monotonic_in(until_ms == INT64_MAX ? 0 : until_ms - now_ms);
        if (until_ms == INT64_MAX)
            pthread_cond_wait(&log->queue_filled, &log->queue_lock);
        else
            pthread_cond_timedwait(&log->queue_filled, &log->queue_lock, &until);
    }
    log->writer_waits = false;
    *closing = log->closed;
    struct hit *first = take_queued(log, count);
    pthread_mutex_unlock(&log->queue_lock);
    if (*closing || repeats_due_ms(log->repeats) <= monotonic_ms())
        first = repeats_take(log->repeats, first, count);
    return first;
}

/* ---- the writer ---- */

struct commit {
    struct hit_log *log;
    struct hit *first;
    size_t count;
    int64_t first_seq;
    int64_t sweep_to; /* rows up to this seq leave the inbox */
};

static enum result write_rows(struct db *db, void *context)
{
    struct commit *commit = context;
    struct hit_log *log = commit->log;
    enum result result =
        commit->count ? inbox_append(db, commit->first, commit->count, commit->first_seq, &log->room) : RESULT_OK;
    return result == RESULT_OK && commit->sweep_to > log->swept ? inbox_sweep(db, commit->sweep_to) : result;
}

static enum result hold_lane(struct hit_log *log)
{
    if (!log->store->driver->shared || (log->inbox->claimed && log->entered))
        return RESULT_OK;
    int64_t number = log->last_seq >> LANE_BITS; /* preferably the lane it had */
    struct lane lane;
    log->entered = false;
    atomic_store(&log->lane, NO_LANE);
    enum result result = log->inbox->claimed ? RESULT_OK : lane_claim(log->inbox, number, &number);
    if (result != RESULT_OK)
        return result;
    log->last_seq = lane_first(number) + 1;
    result = lane_enter(log->inbox, number, &lane);
    if (result == RESULT_OK)
        hit_log_enter(log, &lane);
    return result;
}

/* One group commit, or a sweep alone when COUNT is 0. */
static enum result commit_rows(struct hit_log *log, struct hit *first, size_t count)
{
    if (hold_lane(log) != RESULT_OK)
        return RESULT_FAILED;
    int64_t sweep = count ? SWEEP_LOADED_ROWS + 2 * (int64_t)count : SWEEP_IDLE_ROWS;
    int64_t mark = atomic_load(&log->mark);
    struct commit commit = {
        .log = log,
        .first = first,
        .count = count,
        .first_seq = log->last_seq + 1,
        .sweep_to = mark <= log->swept          ? log->swept
                    : mark - log->swept > sweep ? log->swept + sweep
                                                : mark,
    };
    log->last_seq += (int64_t)count;
    /* Before the commit: a reader that sees the row on disk must find its owner's slot saying so. */
    int64_t seq = commit.first_seq;
    for (const struct hit *hit = first; hit; hit = hit->next)
        atomic_store_explicit(hit_log_slot(log, hit->owner_id), seq++, memory_order_relaxed);
    enum result result = log->store->driver->shared ? write_rows(log->inbox, &commit)
                                                    : db_transaction(log->inbox, "hits", write_rows, &commit);
    if (result != RESULT_OK) {
        atomic_fetch_add(&log->store->write_failures, 1);
        if (log->inbox->broken)
            store_broken(log->store);
        return result;
    }
    log->swept = commit.sweep_to;
    return RESULT_OK;
}

/* Wakes the folder when it may be asleep for good, or should not sleep on: rows came after there were none, or many wait.
 * Both sides first say what they did and then look at what the other said, so one of them always sees the other. */
static void tell_folder(struct hit_log *log, int64_t committed)
{
    int64_t before = atomic_exchange(&log->committed, committed), mark = atomic_load(&log->mark);
    bool first = mark >= before, many = before - mark < FOLD_SOON_ROWS && committed - mark >= FOLD_SOON_ROWS;
    if (!first && !many)
        return;
    pthread_mutex_lock(&log->folder_lock);
    pthread_cond_signal(&log->folder_wanted);
    pthread_mutex_unlock(&log->folder_lock);
}

static void record(struct hit_log *log, struct hit *first, size_t count)
{
    int64_t start_us = monotonic_us();
    enum result result = commit_rows(log, first, count);
    if (result != RESULT_OK && log->entered && log->store->driver->shared && !log->inbox->claimed)
        result = commit_rows(log, first, count); /* the lane was lost before anything was sent */
    if (result == RESULT_OK) {
        histogram_add(&log->commit_us, monotonic_us() - start_us);
        histogram_add(&log->commit_rows, (int64_t)count);
        atomic_fetch_add(&log->hits_committed, (int64_t)count);
        tell_folder(log, log->last_seq);
    } else {
        atomic_fetch_add(&log->unrecorded, (int64_t)count);
        result = RESULT_FAILED;
    }
    for (struct hit *hit = first, *next; hit; hit = next) {
        next = hit->next; /* the owner may free it */
        hit->last = !next;
        hit->done(hit, result);
    }
}

/* The queue has been empty for a while. True when there is more to do. */
bool hit_log_keep_house(struct hit_log *log)
{
    if (atomic_load(&log->mark) > log->swept)
        return commit_rows(log, NULL, 0) == RESULT_OK;
    (void)log->inbox->driver->tidy(log->inbox, true);
    free(log->room.bytes);
    log->room = (struct inbox_room){0};
    return false;
}

void *hit_log_write(void *context)
{
    struct hit_log *log = context;
    bool housekeeping = false, closing = false;
    for (;;) {
        size_t count;
        struct hit *first = wait_for_hits(log, housekeeping, &count, &closing);
        if (first) {
            record(log, first, count);
            (void)log->inbox->driver->tidy(log->inbox, false);
            housekeeping = true;
            continue;
        }
        if (closing)
            return NULL;
        housekeeping = housekeeping ? hit_log_keep_house(log) : true;
    }
}
