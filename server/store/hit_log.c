/* The thread that keeps folding, and the beginning and end of hit recording. What is written and why stands in hits.c and
 * fold.c; here is only when. */
#include "server/store/hit_log.h"

#include <assert.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include "server/ids.h"
#include "server/log.h"

/* A pass takes what waits, at most FOLD_ROWS_MAX, and holds the main writer meanwhile, at that size for a second. It comes
 * to that only when hits outrun the fold, and then larger passes catch up sooner: a quarter less CPU a row than 40,000. */
enum {
    FOLD_PERIOD_MS = 500,
    FOLD_ROWS_MAX = 100000,
    FOLD_SHARED_ROWS_MAX = 40000, /* other servers wait for the main part meanwhile, and for two seconds at most */
    FOLD_NICE = 4,
    CLEAN_PERIOD_MS = 60 * 60 * 1000,
    PATIENCE_MS = 5000 /* with the process whose turn it is to fold, while hits wait and no mark moves */
};

/* The ranges that commits are counted in: rows, and microseconds. */
static const int64_t COMMIT_ROWS[] = {1, 4, 16, 64, 256, 1024, 4096};
static const int64_t COMMIT_US[] = {250,   500,    1000,   2500,   5000,    10000,  25000,
                                    50000, 100000, 250000, 500000, 1000000, 2500000};

_Atomic int64_t *hit_log_slot(struct hit_log *log, int64_t owner_id)
{
    return &log->latest[((uint64_t)owner_id * 0x9e3779b97f4a7c15u) >> 54 & (OWNER_SLOTS - 1)];
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

/* ---- folding ---- */

void hits_note_fold(struct store *store, const struct batch *batch)
{
    struct hit_log *log = store->hits;
    int64_t by_verdict[VERDICT_COUNT] = {0}, confirmed = 0;
    for (size_t i = 0; i < batch->hit_count; i++)
        by_verdict[batch->hits[i]->verdict] += batch->hits[i]->times;
    for (size_t i = 0; i < batch->older_count; i++)
        confirmed += batch->older[i]->verdict == VERDICT_PERSON && batch->older[i]->old_verdict != VERDICT_PERSON;
    for (int verdict = 0; verdict < VERDICT_COUNT; verdict++)
        atomic_fetch_add(&log->by_verdict[verdict], by_verdict[verdict]);
    atomic_fetch_add(&log->confirmed, confirmed);
}

/* The mark of LANE is known. It may be the writer's no more. */
static void see_mark(struct hit_log *log, int64_t lane, int64_t mark)
{
    pthread_mutex_lock(&log->folder_lock);
    if (atomic_load(&log->lane) == lane)
        atomic_store(&log->mark, mark);
    pthread_mutex_unlock(&log->folder_lock);
}

/* One pass over what waits. */
static enum result fold_some(struct hit_log *log, struct folding *out)
{
    pthread_mutex_lock(&log->fold_lock);
    int64_t start_ms = monotonic_ms();
    *out = (struct folding){.lane = atomic_load(&log->lane),
                            .mark = atomic_load(&log->mark),
                            .limit = log->store->driver->shared ? FOLD_SHARED_ROWS_MAX : FOLD_ROWS_MAX};
    enum result result = fold_pass(log->store, log->fold_inbox, out);
    if (result == RESULT_OK) {
        see_mark(log, out->lane, out->mark);
        if (out->rows) {
            atomic_fetch_add(&log->folded, out->rows);
            atomic_fetch_add(&log->folds, 1);
            atomic_fetch_add(&log->fold_ms, monotonic_ms() - start_ms);
        }
    }
    pthread_mutex_unlock(&log->fold_lock);
    store_tidy(log->store, false);
    if (result != RESULT_OK || !out->rows)
        return result;
    pthread_mutex_lock(&log->queue_lock); /* the writer sweeps when it has nothing better to do */
    pthread_cond_signal(&log->queue_filled);
    pthread_mutex_unlock(&log->queue_lock);
    return RESULT_OK;
}

static enum result fold_lane(struct hit_log *log)
{
    struct folding folding;
    int64_t target = atomic_load(&log->committed);
    while (atomic_load(&log->mark) < target) {
        enum result result = fold_some(log, &folding);
        if (result != RESULT_OK)
            return result;
        if (!folding.rows)
            break;
    }
    return RESULT_OK;
}

static enum result look_at_lanes(struct hit_log *log, struct arena *arena, struct lanes *out)
{
    pthread_mutex_lock(&log->fold_lock);
    enum result result = lanes_read(log->fold_inbox, arena, out);
    pthread_mutex_unlock(&log->fold_lock);
    return result;
}

/* Whether every lane of TARGET is folded as far as it went then. */
static bool are_folded(const struct lanes *target, const struct lanes *now)
{
    for (size_t i = 0; i < target->count; i++) {
        const struct lane *lane = lanes_find(now, lane_first(target->list[i].number));
        if (lane && lane->after < target->list[i].end)
            return false;
    }
    return true;
}

/* By whomever: another server may fold meanwhile. */
static enum result fold_all_lanes(struct hit_log *log)
{
    struct arena arena;
    struct lanes target, now;
    struct folding folding = {.rows = 1};
    arena_init(&arena);
    enum result result = look_at_lanes(log, &arena, &target);
    now = target;
    while (result == RESULT_OK && folding.rows && !are_folded(&target, &now)) {
        result = fold_some(log, &folding);
        if (result == RESULT_OK)
            result = look_at_lanes(log, &arena, &now);
    }
    arena_free(&arena);
    return result;
}

enum result store_fold_now(struct store *store)
{
    return store->driver->shared ? fold_all_lanes(store->hits) : fold_lane(store->hits);
}

/* Whether it is for this process to fold. */
static bool has_turn(struct hit_log *log)
{
    if (!log->store->driver->shared)
        return true;
    pthread_mutex_lock(&log->fold_lock);
    bool has =
        log->fold_inbox->claimed || log->fold_inbox->driver->claim(log->fold_inbox, DB_LOCK_FOLD, 0) == RESULT_OK;
    pthread_mutex_unlock(&log->fold_lock);
    return has;
}

/* While another process folds: what it has done of ours; and when hits wait and it does nothing, which may be frozen or cut
 * off, that is no reason to wait. */
static enum result look_on(struct hit_log *log, struct folding *out)
{
    struct arena arena;
    struct lanes lanes;
    int64_t marks = 0, now = monotonic_ms();
    bool waits = false;
    arena_init(&arena);
    enum result result = look_at_lanes(log, &arena, &lanes);
    for (size_t i = 0; i < lanes.count && result == RESULT_OK; i++) {
        const struct lane *lane = &lanes.list[i];
        see_mark(log, lane->number, lane->after);
        marks += lane->after - lane_first(lane->number);
        waits = waits || lane->end > lane->after;
    }
    arena_free(&arena);
    *out = (struct folding){0};
    if (result != RESULT_OK)
        return result;
    if (!waits || marks != log->marks_seen)
        log->progress_ms = now;
    log->marks_seen = marks;
    return now - log->progress_ms < PATIENCE_MS ? RESULT_OK : fold_some(log, out);
}

/* Sleeps until there is something to fold and it is time, or so much that it is worth it at once (SOON); or until it is time
 * to clean. Of what others commit nobody tells us: on an engine that is shared it is always time to look. */
static bool wait_to_fold(struct hit_log *log, int64_t not_before_ms, bool soon, int64_t clean_ms)
{
    pthread_mutex_lock(&log->folder_lock);
    while (!log->folder_stops) {
        int64_t waiting = atomic_load(&log->committed) - atomic_load(&log->mark);
        bool look = waiting > 0 || log->store->driver->shared;
        int64_t now = monotonic_ms(), rest_ms = (look ? not_before_ms : clean_ms) - now;
        if ((soon && waiting >= FOLD_SOON_ROWS) || rest_ms <= 0 || now >= clean_ms)
            break;
        struct timespec until = monotonic_in(rest_ms);
        pthread_cond_timedwait(&log->folder_wanted, &log->folder_lock, &until);
    }
    bool go_on = !log->folder_stops;
    pthread_mutex_unlock(&log->folder_lock);
    return go_on;
}

/* Somebody waits for a page, and nobody for the fold before a second is over: when the loops want the processor it yields. It
 * needs a third of what they do to keep up, and this leaves it as much. */
static void stand_back(void)
{
    const struct sched_param none = {0};
    (void)pthread_setschedparam(pthread_self(), SCHED_BATCH, &none);
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), FOLD_NICE);
}

static void *fold_hits(void *context)
{
    struct hit_log *log = context;
    stand_back();
    int64_t not_before_ms = 0, clean_ms = 0;
    bool well = true, turn = true;
    while (wait_to_fold(log, not_before_ms, well && turn, clean_ms)) {
        if (monotonic_ms() >= clean_ms) {
            clean_ms = monotonic_ms() + CLEAN_PERIOD_MS;
            if (store_clean(log->store, now_ms()) != RESULT_OK)
                log_warning("clean", "words=\"what ended long ago stays until the next hour\"");
        }
        not_before_ms = monotonic_ms() + FOLD_PERIOD_MS;
        bool was_well = well;
        struct folding folding;
        turn = has_turn(log);
        /* If it fails the next try waits for the period's end, whatever has come. */
        well = (turn ? fold_some(log, &folding) : look_on(log, &folding)) == RESULT_OK;
        if (well && folding.more)
            not_before_ms = 0;
        if (was_well != well)
            log_warning("fold", "well=%d unfolded=%lld", well, (long long)(log->committed - log->mark));
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

bool hits_may_wait(struct store *store, int64_t owner_id, int64_t lane, int64_t mark)
{
    struct hit_log *log = store->hits;
    if (store->read_only || atomic_load(&log->lane) != lane)
        return true;
    bool waits = atomic_load(hit_log_slot(log, owner_id)) > mark;
    return waits || atomic_load(&log->lane) != lane; /* or it was another lane's number */
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

void hit_log_enter(struct hit_log *log, const struct lane *lane)
{
    pthread_mutex_lock(&log->folder_lock);
    atomic_store(&log->lane, NO_LANE);
    log->last_seq = lane->end > lane->after ? lane->end : lane->after;
    for (int i = 0; i < OWNER_SLOTS; i++) /* whose they are is not worth reading them all */
        atomic_store(&log->latest[i], log->last_seq);
    atomic_store(&log->committed, log->last_seq);
    atomic_store(&log->mark, lane->after);
    atomic_store(&log->lane, lane->number);
    log->entered = true;
    pthread_mutex_unlock(&log->folder_lock);
}

/* The one lane of an engine that nobody else writes to. */
static enum result enter_alone(struct hit_log *log)
{
    struct db *main;
    struct lane lane = {0};
    struct lanes lanes = {&lane, 1};
    int64_t first = 0;
    enum result result = store_read_begin(log->store, &main);
    if (result != RESULT_OK)
        return result;
    result = lanes_see_marks(main, &lanes);
    store_read_end(log->store, main);
    if (result == RESULT_OK && !log->store->read_only)
        result = inbox_ends(log->fold_inbox, &first, &lane.end);
    if (result != RESULT_OK)
        return result;
    hit_log_enter(log, &lane);
    log->swept = lane.end && first <= lane.after ? first - 1 : lane.after;
    return RESULT_OK;
}

enum result hits_start(struct hit_log *log)
{
    if (log->store->read_only)
        return RESULT_FAILED;
    assert(!log->started);
    log->closed = false;
    if (pthread_create(&log->writer, NULL, hit_log_write, log) != 0) {
        log->closed = true;
        return RESULT_FAILED;
    }
    if (pthread_create(&log->folder, NULL, fold_hits, log) != 0) {
        stop_writer(log);
        return RESULT_FAILED;
    }
    pthread_setname_np(log->writer, "hit-writer");
    pthread_setname_np(log->folder, "hit-fold");
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
        while (hit_log_keep_house(log))
            continue;
    }
    close_connection(log->reader);
    close_connection(log->fold_inbox);
    close_connection(log->inbox);
    months_free(log->months);
    repeats_free(log->repeats);
    free(log->room.bytes);
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
    log->repeats = repeats_new();
    log->last = &log->first;
    log->closed = true;
    histogram_init(&log->commit_rows, COMMIT_ROWS, sizeof COMMIT_ROWS / sizeof *COMMIT_ROWS);
    histogram_init(&log->commit_us, COMMIT_US, sizeof COMMIT_US / sizeof *COMMIT_US);
    pthread_mutex_init(&log->queue_lock, NULL);
    pthread_mutex_init(&log->fold_lock, NULL);
    pthread_mutex_init(&log->folder_lock, NULL);
    pthread_mutex_init(&log->reader_lock, NULL);
    cond_init(&log->queue_filled);
    cond_init(&log->folder_wanted);
    atomic_store(&log->lane, NO_LANE);
    enum result result = RESULT_OK;
    if (!store->read_only)
        result = store->driver->open(store->url, DB_INBOX, DB_WRITE, &log->inbox);
    if (result == RESULT_OK && !store->read_only)
        result = store->driver->open(store->url, DB_INBOX, DB_READ, &log->fold_inbox);
    if (store->driver->shared)
        log->swept = INT64_MAX; /* the fold sweeps; and a lane is claimed when there is something to write */
    else if (result == RESULT_OK)
        result = enter_alone(log);
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
    out->hits_folded = log->folded;
    out->folds = log->folds;
    out->fold_ms = log->fold_ms;
    for (int verdict = 0; verdict < VERDICT_COUNT; verdict++)
        out->hits_by_verdict[verdict] = log->by_verdict[verdict];
    out->hits_confirmed = log->confirmed;
    histogram_read(&log->commit_rows, &out->commit_rows);
    histogram_read(&log->commit_us, &out->commit_us);
    out->unfolded = log->committed - log->mark;
}
