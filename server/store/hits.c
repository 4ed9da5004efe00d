/* Recording hits: the queue, the writer and its group commit, and the thread that keeps folding.
 *
 * A page is answered after its hit is on disk, and a disk takes as long for one row as for a hundred: the time of a commit
 * is the time of its fdatasync. So nobody commits alone. Loop threads hang their hits on one list and go on to the next
 * request. One writer thread takes the whole list, appends it in one transaction, waits for the disk once, and then tells
 * every hit's owner. While it waits, the next list grows; so the slower the disk and the busier the loops, the larger the
 * batches become by themselves, and nothing is ever delayed on purpose: measured, a window in which more could arrive
 * loses at low load and gains nothing at high load.
 *
 * What is appended to is the inbox, a table of its own file without any index but its row number: 3 microseconds a row
 * where two indexes would cost 20. The number, SEQ, is given here and only grows; a number whose commit failed is never
 * used again, because a failed commit may still have reached the disk. Everything up to the MARK has been moved on by the
 * fold (fold.c), which writes the mark in the same transaction; the writer deletes rows up to the mark, a bounded number
 * with each commit, so that this too waits for no sync of its own. Deleting late or never does no harm: whoever reads the
 * inbox asks for rows beyond the mark.
 *
 * A crash needs no recovery. What was acknowledged is in the inbox or in the tables and the mark says in which; what was
 * queued but not committed was never acknowledged. Starting reads two numbers, however many hits there are.
 *
 * This file never delays a page for its own good: a full queue refuses, a failed commit is told as such, and the caller
 * serves the card in either case. */
#include "server/store/hits.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "server/ids.h"
#include "server/log.h"
#include "server/store/db.h"
#include "server/store/fold.h"
#include "server/store/internal.h"

enum {
    QUEUE_MAX = 65536,
    COMMIT_ROWS_MAX = 4096,
    SWEEP_IDLE_ROWS = 8192,   /* deleted in a commit of its own when nothing is queued */
    SWEEP_LOADED_ROWS = 512,  /* deleted beside new rows, and twice as many as those */
    HOUSEKEEPING_MS = 100,    /* the queue has been empty that long: sweep, then tidy */
    FOLD_PERIOD_MS = 500,
    FOLD_SOON_ROWS = 20000,   /* do not wait for the period's end */
    FOLD_ROWS_MAX = 40000,    /* a pass; holds the main writer for less than half a second */
    FOLD_RETRY_MS = 500,
    OWNER_SLOTS = 1024,       /* a power of two */
    INBOX_COLUMNS = 12
};

struct hit_log {
    struct store *store;
    struct months *months;

    pthread_mutex_t queue_lock;
    pthread_cond_t queue_filled;
    struct hit *first, **last;
    size_t queued;
    bool writer_waits, closed; /* closed: nothing is taken in any more */

    pthread_t writer;
    struct db *inbox;        /* the writer's */
    struct db_value *values; /* of a batch; given back when idle */
    size_t value_rows;
    int64_t last_seq, swept;
    _Atomic int64_t committed; /* the last seq on disk */
    /* The last seq that an owner of this slot ever got: below the mark nothing of theirs waits in the inbox, and readers
     * need not look. */
    _Atomic int64_t latest[OWNER_SLOTS];

    pthread_mutex_t fold_lock; /* one pass at a time; guards fold_inbox */
    struct db *fold_inbox;
    _Atomic int64_t mark;
    pthread_t folder;
    pthread_mutex_t folder_lock;
    pthread_cond_t folder_wanted;
    bool folder_stops;

    pthread_mutex_t reader_lock; /* guards reader, opened when first needed */
    struct db *reader;
    bool started; /* the two threads run */

    _Atomic int64_t hits_committed, unrecorded, batches, batch_rows_max, folded, folds, fold_ms;
};

static _Atomic int64_t *slot_of(struct hit_log *log, int64_t owner_id)
{
    return &log->latest[((uint64_t)owner_id * 0x9e3779b97f4a7c15u) >> 54 & (OWNER_SLOTS - 1)];
}

static struct timespec from_now(int64_t ms)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    int64_t ns = at.tv_nsec + ms % 1000 * 1000000;
    at.tv_sec += (time_t)(ms / 1000 + ns / 1000000000);
    at.tv_nsec = (long)(ns % 1000000000);
    return at;
}

/* Conditions that wait by the monotonic clock: a step of the wall clock must not stop the fold. */
static void cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attributes);
    pthread_condattr_destroy(&attributes);
}

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

/* Waits for hits. NULL when it is time for housekeeping (HOUSEKEEPING: there is some, but hits may come first), or when
 * closing and all is done. */
static struct hit *wait_for_hits(struct hit_log *log, bool housekeeping, size_t *count, bool *closing)
{
    pthread_mutex_lock(&log->queue_lock);
    struct timespec until = from_now(HOUSEKEEPING_MS);
    int error = 0;
    log->writer_waits = true;
    while (!log->first && !log->closed && error != ETIMEDOUT) {
        if (housekeeping)
            error = pthread_cond_timedwait(&log->queue_filled, &log->queue_lock, &until);
        else if (atomic_load(&log->mark) > log->swept)
            break;
        else
            pthread_cond_wait(&log->queue_filled, &log->queue_lock);
    }
    log->writer_waits = false;
    *closing = log->closed;
    struct hit *first = take_queued(log, count);
    pthread_mutex_unlock(&log->queue_lock);
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

static void put_values(struct db_value *at, const struct hit *hit, int64_t seq)
{
    at[0] = DB_INT(seq);
    at[1] = DB_INT((int64_t)hit->acts);
    at[2] = DB_INT(hit->id);
    at[3] = DB_INT(hit->act_at_ms);
    at[4] = DB_INT(hit->owner_id);
    at[5] = DB_INT(hit->share_id);
    at[6] = DB_INT(hit->earlier_id);
    at[7] = DB_INT((int64_t)hit->facts);
    at[8] = DB_INT((int64_t)hit->channel);
    at[9] = DB_INT((int64_t)hit->visitor_hash);
    at[10] = db_text(hit->acts || !hit->family[0] ? NULL : hit->family);
    at[11] = db_text(hit->acts || !hit->referrer[0] ? NULL : hit->referrer);
}

static enum result write_rows(struct db *db, void *context)
{
    struct commit *commit = context;
    struct hit_log *log = commit->log;
    enum result result = RESULT_OK;
    if (commit->count) {
        size_t row = 0;
        for (const struct hit *hit = commit->first; hit; hit = hit->next, row++)
            put_values(&log->values[row * INBOX_COLUMNS], hit, commit->first_seq + (int64_t)row);
        result = db->driver->append(db,
                                    "INSERT INTO hit_inbox (seq, acts, id, act_at_ms, owner_id, share_id, earlier_id, facts, "
                                    "channel, visitor_hash, family, referrer)",
                                    log->values, INBOX_COLUMNS, (int)row);
    }
    if (result == RESULT_OK && commit->sweep_to > log->swept)
        result = db_run(db, "DELETE FROM hit_inbox WHERE seq <= $1", DB_ARGS(DB_INT(commit->sweep_to)));
    return result;
}

static void make_room(struct hit_log *log, size_t rows)
{
    if (rows <= log->value_rows)
        return;
    size_t room = 128;
    while (room < rows)
        room *= 2;
    free(log->values);
    log->values = calloc(room * INBOX_COLUMNS, sizeof *log->values);
    if (!log->values)
        abort();
    log->value_rows = room;
}

/* One group commit, or a sweep alone when COUNT is 0. */
static enum result commit_rows(struct hit_log *log, struct hit *first, size_t count)
{
    int64_t sweep = count ? SWEEP_LOADED_ROWS + 2 * (int64_t)count : SWEEP_IDLE_ROWS;
    int64_t mark = atomic_load(&log->mark);
    struct commit commit = {
        .log = log,
        .first = first,
        .count = count,
        .first_seq = log->last_seq + 1,
        .sweep_to = mark - log->swept > sweep ? log->swept + sweep : mark,
    };
    make_room(log, count);
    log->last_seq += (int64_t)count;
    /* Before the commit: a reader that sees the row on disk must find its owner's slot saying so. */
    int64_t seq = commit.first_seq;
    for (const struct hit *hit = first; hit; hit = hit->next)
        atomic_store_explicit(slot_of(log, hit->owner_id), seq++, memory_order_relaxed);
    enum result result = db_transaction(log->inbox, "hits", write_rows, &commit);
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
    enum result result = commit_rows(log, first, count);
    if (result == RESULT_OK) {
        atomic_fetch_add(&log->hits_committed, (int64_t)count);
        atomic_fetch_add(&log->batches, 1);
        if ((int64_t)count > atomic_load(&log->batch_rows_max))
            atomic_store(&log->batch_rows_max, (int64_t)count);
        tell_folder(log, log->last_seq);
    } else {
        atomic_fetch_add(&log->unrecorded, (int64_t)count);
        result = RESULT_FAILED;
    }
    for (struct hit *hit = first, *next; hit; hit = next) {
        next = hit->next; /* the owner may free it */
        hit->done(hit, result);
    }
}

/* The queue has been empty for a while. True when there is more to do. */
static bool keep_house(struct hit_log *log)
{
    if (atomic_load(&log->mark) > log->swept)
        return commit_rows(log, NULL, 0) == RESULT_OK;
    (void)log->inbox->driver->tidy(log->inbox, true);
    free(log->values);
    log->values = NULL;
    log->value_rows = 0;
    return false;
}

static void *write_hits(void *context)
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
        housekeeping = housekeeping ? keep_house(log) : true;
    }
}

/* ---- folding ---- */

/* One pass over what waits. */
static enum result fold_some(struct hit_log *log, int64_t *rows)
{
    pthread_mutex_lock(&log->fold_lock);
    int64_t start_ms = monotonic_ms(), mark = atomic_load(&log->mark);
    enum result result = fold_pass(log->store, log->fold_inbox, FOLD_ROWS_MAX, rows, &mark);
    if (result == RESULT_OK) {
        atomic_store(&log->mark, mark);
        if (*rows) {
            atomic_fetch_add(&log->folded, *rows);
            atomic_fetch_add(&log->folds, 1);
            atomic_fetch_add(&log->fold_ms, monotonic_ms() - start_ms);
        }
    }
    pthread_mutex_unlock(&log->fold_lock);
    store_tidy(log->store, false);
    if (result != RESULT_OK || !*rows)
        return result;
    pthread_mutex_lock(&log->queue_lock); /* the writer sweeps when it has nothing better to do */
    pthread_cond_signal(&log->queue_filled);
    pthread_mutex_unlock(&log->queue_lock);
    return RESULT_OK;
}

enum result store_fold_now(struct store *store)
{
    struct hit_log *log = store->hits;
    int64_t target = atomic_load(&log->committed), rows;
    while (atomic_load(&log->mark) < target) {
        enum result result = fold_some(log, &rows);
        if (result != RESULT_OK)
            return result;
        if (!rows)
            break;
    }
    return RESULT_OK;
}

/* Sleeps until there is something to fold and it is time. */
static bool wait_to_fold(struct hit_log *log, int64_t not_before_ms)
{
    pthread_mutex_lock(&log->folder_lock);
    while (!log->folder_stops) {
        int64_t waiting = atomic_load(&log->committed) - atomic_load(&log->mark);
        int64_t rest_ms = not_before_ms - monotonic_ms();
        if (waiting >= FOLD_SOON_ROWS || (waiting > 0 && rest_ms <= 0))
            break;
        if (waiting > 0) {
            struct timespec until = from_now(rest_ms);
            pthread_cond_timedwait(&log->folder_wanted, &log->folder_lock, &until);
        } else {
            pthread_cond_wait(&log->folder_wanted, &log->folder_lock);
        }
    }
    bool go_on = !log->folder_stops;
    pthread_mutex_unlock(&log->folder_lock);
    return go_on;
}

static void *fold_hits(void *context)
{
    struct hit_log *log = context;
    int64_t not_before_ms = 0, rows;
    while (wait_to_fold(log, not_before_ms)) {
        not_before_ms = monotonic_ms() + FOLD_PERIOD_MS;
        if (fold_some(log, &rows) == RESULT_OK)
            continue;
        struct timespec pause = {.tv_nsec = FOLD_RETRY_MS * 1000000L}; /* also when so many wait that it would not sleep */
        nanosleep(&pause, NULL);
    }
    return NULL;
}

/* ---- for readers of the tail ---- */

int64_t hits_mark(struct store *store)
{
    return atomic_load(&store->hits->mark);
}

struct months *hits_months(struct store *store)
{
    return store->hits->months;
}

bool hits_may_wait(struct store *store, int64_t owner_id, int64_t mark)
{
    struct hit_log *log = store->hits;
    return store->read_only || atomic_load(slot_of(log, owner_id)) > mark;
}

struct db *hits_reader_take(struct store *store)
{
    struct hit_log *log = store->hits;
    pthread_mutex_lock(&log->reader_lock);
    if (!log->reader && store->driver->open(store->url, DB_INBOX, DB_READ, &log->reader) != RESULT_OK)
        log->reader = NULL;
    return log->reader;
}

void hits_reader_give(struct store *store)
{
    pthread_mutex_unlock(&store->hits->reader_lock);
}

/* ---- opening and closing ---- */

/* Everything queued is committed before the writer ends. */
static void stop_writer(struct hit_log *log)
{
    pthread_mutex_lock(&log->queue_lock);
    log->closed = true;
    pthread_cond_signal(&log->queue_filled);
    pthread_mutex_unlock(&log->queue_lock);
    pthread_join(log->writer, NULL);
}

static void stop_folder(struct hit_log *log)
{
    pthread_mutex_lock(&log->folder_lock);
    log->folder_stops = true;
    pthread_cond_signal(&log->folder_wanted);
    pthread_mutex_unlock(&log->folder_lock);
    pthread_join(log->folder, NULL);
}

static enum result first_number(struct db *db, const char *sql, int64_t *out)
{
    struct db_rows *rows;
    enum result result = db_one(db, sql, NULL, 0, &rows);
    *out = 0;
    if (result == RESULT_NOT_FOUND)
        return RESULT_OK;
    if (result != RESULT_OK)
        return result;
    *out = db->driver->integer(rows, 0);
    db->driver->finish(&rows);
    return RESULT_OK;
}

static enum result read_mark(struct hit_log *log)
{
    struct db *main;
    enum result result = store_read_begin(log->store, &main);
    if (result != RESULT_OK)
        return result;
    int64_t mark;
    result = fold_mark(main, &mark);
    if (result == RESULT_OK)
        atomic_store(&log->mark, mark);
    store_read_end(log->store, main);
    return result;
}

static enum result read_inbox_ends(struct hit_log *log)
{
    int64_t last, first, mark = atomic_load(&log->mark);
    enum result result = first_number(log->fold_inbox, "SELECT seq FROM hit_inbox ORDER BY seq DESC LIMIT 1", &last);
    if (result == RESULT_OK)
        result = first_number(log->fold_inbox, "SELECT seq FROM hit_inbox ORDER BY seq LIMIT 1", &first);
    if (result != RESULT_OK)
        return result;
    log->last_seq = last > mark ? last : mark;
    atomic_store(&log->committed, log->last_seq);
    log->swept = last && first <= mark ? first - 1 : mark;
    if (last > mark) /* whose they are is not worth reading them all */
        for (int i = 0; i < OWNER_SLOTS; i++)
            atomic_store(&log->latest[i], last);
    return RESULT_OK;
}

enum result hits_start(struct hit_log *log)
{
    if (log->store->read_only)
        return RESULT_FAILED;
    assert(!log->started);
    log->closed = false;
    if (pthread_create(&log->writer, NULL, write_hits, log) != 0) {
        log->closed = true;
        return RESULT_FAILED;
    }
    if (pthread_create(&log->folder, NULL, fold_hits, log) != 0) {
        stop_writer(log);
        return RESULT_FAILED;
    }
    log->started = true;
    return RESULT_OK;
}

static void close_connection(struct db *db)
{
    if (db)
        db->driver->close(db);
}

void hits_close(struct hit_log *log)
{
    if (!log)
        return;
    if (log->started) {
        stop_writer(log);
        stop_folder(log);
        if (store_fold_now(log->store) != RESULT_OK)
            log_warning("fold-at-close", "unfolded=%lld", (long long)(log->committed - log->mark));
        while (keep_house(log))
            continue;
    }
    close_connection(log->reader);
    close_connection(log->fold_inbox);
    close_connection(log->inbox);
    months_free(log->months);
    free(log->values);
    pthread_cond_destroy(&log->queue_filled);
    pthread_cond_destroy(&log->folder_wanted);
    pthread_mutex_destroy(&log->queue_lock);
    pthread_mutex_destroy(&log->fold_lock);
    pthread_mutex_destroy(&log->folder_lock);
    pthread_mutex_destroy(&log->reader_lock);
    free(log);
}

enum result hits_open(struct store *store, struct hit_log **out)
{
    struct hit_log *log = calloc(1, sizeof *log);
    if (!log)
        abort();
    log->store = store;
    log->months = months_new();
    log->last = &log->first;
    log->closed = true;
    pthread_mutex_init(&log->queue_lock, NULL);
    pthread_mutex_init(&log->fold_lock, NULL);
    pthread_mutex_init(&log->folder_lock, NULL);
    pthread_mutex_init(&log->reader_lock, NULL);
    cond_init(&log->queue_filled);
    cond_init(&log->folder_wanted);
    enum result result = read_mark(log);
    if (result == RESULT_OK && !store->read_only)
        result = store->driver->open(store->url, DB_INBOX, DB_WRITE, &log->inbox);
    if (result == RESULT_OK && !store->read_only)
        result = store->driver->open(store->url, DB_INBOX, DB_READ, &log->fold_inbox);
    if (result == RESULT_OK && !store->read_only)
        result = read_inbox_ends(log);
    *out = result == RESULT_OK ? log : NULL;
    if (result == RESULT_OK)
        return RESULT_OK;
    hits_close(log);
    return RESULT_FAILED;
}

void hits_figures(struct hit_log *log, struct store_figures *out)
{
    pthread_mutex_lock(&log->queue_lock);
    out->queue_length = (int64_t)log->queued;
    pthread_mutex_unlock(&log->queue_lock);
    out->hits_committed = log->hits_committed;
    out->hits_unrecorded = log->unrecorded;
    out->batches = log->batches;
    out->batch_rows_max = log->batch_rows_max;
    out->hits_folded = log->folded;
    out->folds = log->folds;
    out->fold_ms = log->fold_ms;
    out->unfolded = log->committed - log->mark;
}
