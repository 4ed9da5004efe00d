/* Nothing acknowledged is lost and nothing is kept twice: many threads, a full queue, kill -9, and a database that fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "server/ids.h"
#include "server/store/hit_log.h"
#include "tests/support/faulty.h"
#include "tests/support/hit_store.h"

static int make(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    place_make(place);
    *state = place;
    return 0;
}

static int drop(void **state)
{
    place_drop(*state);
    free(*state);
    return 0;
}

/* A hit with what became of it. */
struct entry {
    struct hit hit; /* first */
    _Atomic int calls;
    _Atomic int result;
};

static void note_done(struct hit *hit, enum result result)
{
    struct entry *entry = (struct entry *)hit;
    atomic_store(&entry->result, (int)result);
    atomic_fetch_add(&entry->calls, 1);
}

static void submit(struct place *place, struct entry *entry)
{
    entry->hit.done = note_done;
    assert_int_equal(store_hit_submit(place->store, &entry->hit), RESULT_OK);
}

static void wait_for(struct entry *entry)
{
    for (int i = 0; atomic_load(&entry->calls) == 0; i++) {
        if (i > 20000)
            fail_msg("no answer within seconds");
        usleep(500);
    }
}

static int compare_ids(const void *a, const void *b)
{
    int64_t one = *(const int64_t *)a, other = *(const int64_t *)b;
    return (one > other) - (one < other);
}

/* The ids of all shares' hits, sorted. */
static size_t all_ids(struct place *place, int64_t **out)
{
    size_t count = 0;
    struct hit_row *rows[PLACE_SHARES];
    size_t lengths[PLACE_SHARES];
    for (int i = 0; i < PLACE_SHARES; i++)
        count += lengths[i] = place_list(place, i, &rows[i]);
    *out = arena_alloc_raw(&place->arena, (count + 1) * sizeof **out);
    count = 0;
    for (int i = 0; i < PLACE_SHARES; i++)
        for (size_t j = 0; j < lengths[i]; j++)
            (*out)[count++] = rows[i][j].id;
    qsort(*out, count, sizeof **out, compare_ids);
    for (size_t i = 1; i < count; i++)
        assert_true((*out)[i] != (*out)[i - 1]);
    return count;
}

static bool is_among(int64_t id, const int64_t *ids, size_t count)
{
    return count && bsearch(&id, ids, count, sizeof id, compare_ids);
}

/* ---- many at once ---- */

enum { THREADS = 6, EACH = 400 };

struct crowd {
    struct place *place;
    struct entry entries[EACH];
    int unseen;
};

/* Each hit, once acknowledged, must be in the list, whether the fold is before, at or past it. */
static void *submit_and_look(void *context)
{
    struct crowd *crowd = context;
    for (int i = 0; i < EACH; i++) {
        struct entry *entry = &crowd->entries[i];
        entry->hit = hit_at(id_new(), i % PLACE_SHARES);
        submit(crowd->place, entry);
        store_hits_wake(crowd->place->store);
        if (i % 4)
            continue;
        wait_for(entry);
        struct arena arena;
        struct hit_row *rows;
        size_t count, found = 0;
        arena_init(&arena);
        assert_int_equal(
            store_hit_list(crowd->place->store, &arena, PLACE_OWNER, entry->hit.share_id, 0, 3000, &rows, &count),
            RESULT_OK);
        for (size_t j = 0; j < count; j++)
            found += rows[j].id == entry->hit.id;
        crowd->unseen += found != 1;
        arena_free(&arena);
    }
    return NULL;
}

static void every_acknowledged_hit_is_listed_once_at_any_time(void **state)
{
    struct place *place = *state;
    struct crowd *crowds = calloc(THREADS, sizeof *crowds);
    pthread_t threads[THREADS];
    place_open(place, true);
    for (int i = 0; i < THREADS; i++) {
        crowds[i].place = place;
        pthread_create(&threads[i], NULL, submit_and_look, &crowds[i]);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(crowds[i].unseen, 0);
        for (int j = 0; j < EACH; j++)
            wait_for(&crowds[i].entries[j]);
    }
    assert_int_equal(store_fold_now(place->store), RESULT_OK);
    int64_t *ids;
    size_t count = all_ids(place, &ids);
    assert_int_equal(count, THREADS * EACH);
    for (int i = 0; i < THREADS; i++) {
        for (int j = 0; j < EACH; j++) {
            assert_int_equal(crowds[i].entries[j].result, RESULT_OK);
            assert_int_equal(crowds[i].entries[j].calls, 1);
            assert_true(is_among(crowds[i].entries[j].hit.id, ids, count));
        }
    }
    place_check_counts(place);
    struct store_figures figures;
    store_figures(place->store, &figures);
    assert_int_equal(figures.hits_committed, THREADS * EACH);
    assert_int_equal(figures.hits_folded, THREADS * EACH);
    assert_int_equal(figures.unfolded, 0);
    free(crowds);
}

/* Until the writer waits for somebody to wake it. */
static void wait_until_idle(struct place *place)
{
    struct hit_log *log = place->store->hits;
    for (bool waits = false; !waits; usleep(1000)) {
        pthread_mutex_lock(&log->queue_lock);
        waits = log->writer_waits;
        pthread_mutex_unlock(&log->queue_lock);
    }
}

static void queue__refuses_when_it_is_full_and_recovers(void **state)
{
    enum { MORE = 70000 };
    struct place *place = *state;
    struct entry *entries = calloc(MORE, sizeof *entries);
    place_open(place, true);
    wait_until_idle(place);
    int refused = 0;
    for (int i = 0; i < MORE; i++) { /* nobody wakes the writer */
        entries[i].hit = hit_at(id_new(), 0);
        entries[i].hit.done = note_done;
        refused += store_hit_submit(place->store, &entries[i].hit) == RESULT_LIMITED;
    }
    assert_int_equal(refused, MORE - 65536);
    struct store_figures figures;
    store_figures(place->store, &figures);
    assert_int_equal(figures.hits_unrecorded, refused);
    assert_int_equal(figures.queue_length, 65536);
    store_hits_wake(place->store);
    wait_for(&entries[65535]);
    struct entry late = {.hit = hit_at(id_new(), 0)};
    submit(place, &late);
    store_hits_wake(place->store);
    wait_for(&late);
    store_figures(place->store, &figures);
    assert_int_equal(figures.hits_committed, 65537);
    assert_int_equal(figures.commit_rows.counts[figures.commit_rows.bound_count], 0); /* none of more than 4096 */
    assert_int_equal(store_fold_now(place->store), RESULT_OK);
    assert_int_equal(place_counts(place).by_verdict[VERDICT_UNCONFIRMED], 65537);
    int answered = 0;
    for (int i = 0; i < MORE; i++)
        answered += entries[i].calls;
    assert_int_equal(answered, 65536);
    free(entries);
}

static void close__commits_and_folds_what_is_queued(void **state)
{
    struct place *place = *state;
    struct entry entries[100] = {0};
    place_open(place, true);
    for (int i = 0; i < 100; i++) {
        entries[i].hit = hit_at(id_new(), 0);
        submit(place, &entries[i]);
    }
    place_close(place);
    for (int i = 0; i < 100; i++)
        assert_int_equal(entries[i].calls, 1);
    place_open(place, false);
    assert_int_equal(place_number(place, "SELECT sum(unconfirmed) FROM day_counts"), 100);
}

static void inbox__is_emptied_behind_the_fold(void **state)
{
    struct place *place = *state;
    struct entry entry = {0};
    place_open(place, true);
    entry.hit = hit_at(id_new(), 0);
    submit(place, &entry);
    store_hits_wake(place->store);
    wait_for(&entry);
    assert_int_equal(store_fold_now(place->store), RESULT_OK);
    struct db *db;
    assert_int_equal(engine_driver()->open(place->url, DB_INBOX, DB_READ, &db), RESULT_OK);
    int64_t left = 1;
    for (int i = 0; i < 100 && left; i++) {
        struct db_rows *rows;
        usleep(30000);
        assert_int_equal(db_one(db, "SELECT count(*) FROM hit_inbox", NULL, 0, &rows), RESULT_OK);
        left = db_column_int(rows, 0);
        db_finish(&rows);
    }
    engine_driver()->close(db);
    assert_int_equal(left, 0);
    /* Numbers are not given again although the inbox is empty. */
    place_close(place);
    place_open(place, true);
    struct entry next = {.hit = hit_at(id_new(), 0)};
    submit(place, &next);
    store_hits_wake(place->store);
    wait_for(&next);
    assert_int_equal(store_fold_now(place->store), RESULT_OK);
    assert_int_equal(place_number(place, "SELECT seq FROM fold_mark"), 2);
}

static void inbox__gives_back_a_long_commit_in_rows_that_the_engine_takes_whole(void **state)
{
    enum { COUNT = 4096 };
    struct place *place = *state;
    struct hit *hits = calloc(COUNT, sizeof *hits), read;
    struct inbox_room room = {0};
    struct inbox_reader reader;
    struct db *db;
    int64_t seq;
    for (int i = 0; i < COUNT; i++) {
        hits[i] = hit_at(id_new(), i % PLACE_SHARES);
        hits[i].next = i + 1 < COUNT ? &hits[i + 1] : NULL;
        if (i % 7 == 0) /* as long as they come */
            memset(hits[i].referrer, 'r', sizeof hits[i].referrer - 1);
    }
    assert_int_equal(engine_driver()->open(place->url, DB_INBOX, DB_WRITE, &db), RESULT_OK);
    assert_int_equal(inbox_append(db, hits, COUNT, 1, &room), RESULT_OK);
    assert_int_equal(inbox_append(db, &hits[COUNT - 1], 1, COUNT + 1, &room), RESULT_OK);
    assert_int_equal(inbox_begin(db, 0, &reader), RESULT_OK);
    for (int i = 0; i <= COUNT; i++) {
        const struct hit *hit = &hits[i < COUNT ? i : COUNT - 1];
        assert_int_equal(inbox_next(&reader, &read, &seq), RESULT_OK);
        assert_int_equal(seq, i + 1);
        assert_true(read.id == hit->id && read.share_id == hit->share_id && read.visitor_hash == hit->visitor_hash);
        assert_string_equal(read.referrer, hit->referrer);
    }
    assert_int_equal(inbox_next(&reader, &read, &seq), RESULT_NOT_FOUND);
    inbox_end(&reader);
    if (!engine_is_sqlite()) {
        struct db_rows *rows;
        assert_int_equal(db_one(db,
                                "SELECT max(pg_column_size(i.*)), min(pg_column_size(i.*)) FROM hit_inbox AS i "
                                "WHERE last_seq < 4096",
                                NULL, 0, &rows),
                         RESULT_OK);
        assert_true(db_column_int(rows, 0) <= 2032 && db_column_int(rows, 1) > 1000);
        db_finish(&rows);
    }
    engine_driver()->close(db);
    free(room.bytes);
    free(hits);
}

/* ---- kill -9 ---- */

struct load {
    struct place *place;
    int pipe;
    bool too_early; /* the negative control: acknowledges when the hit is queued */
};

static void acknowledge(int to, int64_t id)
{
    if (write(to, &id, sizeof id) != sizeof id)
        _exit(3);
}

static void tell_done(struct hit *hit, enum result result)
{
    const struct load *load = hit->owner;
    if (result == RESULT_OK && !load->too_early)
        acknowledge(load->pipe, hit->id);
    free(hit);
}

static void *keep_submitting(void *context)
{
    const struct load *load = context;
    for (int i = 0;; i++) {
        struct hit *hit = calloc(1, sizeof *hit);
        *hit = hit_at(id_new(), i % PLACE_SHARES);
        hit->done = tell_done;
        hit->owner = context;
        int64_t id = hit->id;
        if (store_hit_submit(load->place->store, hit) != RESULT_OK) {
            free(hit);
            continue;
        }
        if (load->too_early)
            acknowledge(load->pipe, id);
        if (i % 8 == 7) {
            store_hits_wake(load->place->store);
            usleep(200);
        }
    }
    return NULL;
}

static void serve_until_killed(struct place *place, int to, bool too_early)
{
    struct load load = {place, to, too_early};
    pthread_t threads[3];
    place_open(place, true);
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, keep_submitting, &load);
    pthread_join(threads[0], NULL);
    _exit(4);
}

/* How many acknowledged hits are missing after a kill in the midst of load. */
static size_t kill_once(struct place *place, bool too_early, int after_ms, int64_t *acked, size_t *acked_count,
                        size_t acked_max)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        serve_until_killed(place, ends[1], too_early);
    }
    close(ends[1]);
    int64_t id, until = 0;
    bool killed = false;
    while (read(ends[0], &id, sizeof id) == sizeof id) {
        assert_true(*acked_count < acked_max);
        acked[(*acked_count)++] = id;
        until = until ? until : monotonic_ms() + after_ms;
        if (!killed && monotonic_ms() >= until)
            killed = kill(child, SIGKILL) == 0;
    }
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(killed && WIFSIGNALED(status));
    place_open(place, false);
    assert_int_equal(store_fold_now(place->store), RESULT_OK);
    place_check_counts(place);
    char sql[100];
    size_t lost = 0;
    int64_t *ids = calloc(2 * acked_max, sizeof *ids);
    size_t count = 0;
    struct arena arena;
    arena_init(&arena);
    for (int i = 0; i < PLACE_SHARES; i++) {
        struct hit_row *rows;
        size_t found;
        assert_int_equal(
            store_hit_list(place->store, &arena, PLACE_OWNER, PLACE_SHARE + i, 0, 2 * acked_max - count, &rows, &found),
            RESULT_OK);
        for (size_t j = 0; j < found; j++)
            ids[count++] = rows[j].id;
    }
    arena_free(&arena);
    qsort(ids, count, sizeof *ids, compare_ids);
    for (size_t i = 1; i < count; i++)
        assert_true(ids[i] != ids[i - 1]);
    for (size_t i = 0; i < *acked_count; i++)
        lost += !is_among(acked[i], ids, count);
    free(ids);
    snprintf(sql, sizeof sql, "SELECT sum(unconfirmed) FROM day_counts");
    assert_int_equal(place_number(place, sql), (int64_t)count);
    place_close(place);
    return lost;
}

enum { ACKED_MAX = 400000 };

static void kill__loses_no_acknowledged_hit_and_keeps_none_twice(void **state)
{
    struct place *place = *state;
    int64_t *acked = calloc(ACKED_MAX, sizeof *acked);
    size_t count = 0;
    int kills = getenv("FAULTS") ? 40 : 5;
    for (int i = 0; i < kills; i++)
        assert_int_equal(kill_once(place, false, 20 + 47 * i % 300, acked, &count, ACKED_MAX), 0);
    assert_true(count > 500);
    free(acked);
}

static void kill__would_lose_hits_if_they_were_acknowledged_too_early(void **state)
{
    struct place *place = *state;
    int64_t *acked = calloc(ACKED_MAX, sizeof *acked);
    size_t count = 0, lost = 0;
    for (int i = 0; i < 20 && !lost; i++)
        lost = kill_once(place, true, 60 + 13 * i, acked, &count, ACKED_MAX);
    assert_true(lost > 0);
    free(acked);
}

/* ---- a database that fails ---- */

enum { ROUND_ROWS = 24 };

/* Hits, half of them with an act, in two batches, while the n-th call fails. */
static bool survive_fault(struct place *place, enum faulty_kind kind, int nth, int64_t *kept_before)
{
    struct entry entries[ROUND_ROWS] = {0};
    place_open(place, false);
    faulty_arm(kind, 0);
    faulty_put(place->store->hits->inbox);
    faulty_put(place->store->hits->fold_inbox);
    faulty_put(place->store->writer);
    assert_int_equal(store_start(place->store), RESULT_OK);
    faulty_arm(kind, nth);
    for (int i = 0; i < ROUND_ROWS; i++) {
        bool is_act = i % 4 == 3;
        entries[i].hit = is_act ? act_on(&entries[i - (i % 8 == 3 ? 1 : 2)].hit, ACT_SEEN, 0) : hit_at(id_new(), i % 2);
        submit(place, &entries[i]);
        if (i % 12 != 11)
            continue;
        store_hits_wake(place->store);
        wait_for(&entries[i]);
        enum result folded = store_fold_now(place->store);
        (void)folded; /* it may well fail */
    }
    bool fired = faulty_disarm();
    struct entry late = {.hit = hit_at(id_new(), 2)}; /* what failed once stands in nobody's way */
    submit(place, &late);
    store_hits_wake(place->store);
    wait_for(&late);
    assert_int_equal(late.result, RESULT_OK);
    assert_int_equal(store_fold_now(place->store), RESULT_OK);
    place_check_counts(place);
    int64_t *ids;
    size_t count = all_ids(place, &ids);
    int acknowledged = 1, hits = 1;
    assert_true(is_among(late.hit.id, ids, count));
    for (int i = 0; i < ROUND_ROWS; i++) {
        assert_int_equal(entries[i].calls, 1);
        if (entries[i].hit.acts)
            continue;
        hits++;
        if (entries[i].result != RESULT_OK)
            continue;
        acknowledged++;
        assert_true(is_among(entries[i].hit.id, ids, count));
    }
    assert_true((int64_t)count >= *kept_before + acknowledged && (int64_t)count <= *kept_before + hits);
    *kept_before = (int64_t)count;
    /* Nobody became two leads, and no acknowledged act was forgotten: each person has one. */
    assert_int_equal(place_number(place, "SELECT count(*) FROM leads"),
                     place_number(place, "SELECT sum(person) FROM day_counts"));
    for (int i = 3; i < ROUND_ROWS; i += 4) {
        if (entries[i].result != RESULT_OK || !is_among(entries[i].hit.id, ids, count))
            continue;
        char sql[120];
        snprintf(sql, sizeof sql, "SELECT count(*) FROM leads WHERE visitor_hit_id = %lld",
                 (long long)entries[i].hit.id);
        assert_int_equal(place_number(place, sql), 1);
    }
    place_close(place);
    return fired;
}

static void fault__at_any_call_folds_nothing_twice_and_loses_nothing(void **state)
{
    struct place *place = *state;
    int64_t kept = 0;
    int nth = 1, quiet = 0;
    for (; quiet < 3 && nth < 2000;
         nth += nth < 60 ? 1 : 7) /* every call of the first commit and fold, then a sample */
        quiet = survive_fault(place, FAULTY_CALL, nth, &kept) ? 0 : quiet + 1;
    assert_true(nth > 60);
}

static void fault__of_a_commit_that_happened_all_the_same_folds_nothing_twice(void **state)
{
    struct place *place = *state;
    int64_t kept = 0;
    int nth = 1;
    while (survive_fault(place, FAULTY_COMMIT, nth, &kept))
        nth++;
    assert_true(nth > 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_acknowledged_hit_is_listed_once_at_any_time, make, drop),
        cmocka_unit_test_setup_teardown(queue__refuses_when_it_is_full_and_recovers, make, drop),
        cmocka_unit_test_setup_teardown(close__commits_and_folds_what_is_queued, make, drop),
        cmocka_unit_test_setup_teardown(inbox__is_emptied_behind_the_fold, make, drop),
        cmocka_unit_test_setup_teardown(inbox__gives_back_a_long_commit_in_rows_that_the_engine_takes_whole, make,
                                        drop),
        cmocka_unit_test_setup_teardown(kill__loses_no_acknowledged_hit_and_keeps_none_twice, make, drop),
        cmocka_unit_test_setup_teardown(kill__would_lose_hits_if_they_were_acknowledged_too_early, make, drop),
        cmocka_unit_test_setup_teardown(fault__at_any_call_folds_nothing_twice_and_loses_nothing, make, drop),
        cmocka_unit_test_setup_teardown(fault__of_a_commit_that_happened_all_the_same_folds_nothing_twice, make, drop),
    };
    return cmocka_run_group_tests_name("hit log", tests, NULL, NULL);
}
