/* Several servers that write hits to one database: whatever dies, nothing acknowledged is lost, kept twice, or stays unread.
 * On SQLite, which one server has to itself, there is nothing to see. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "server/ids.h"
#include "server/store/hit_log.h"
#include "tests/support/hit_store.h"

enum { PATIENCE_MS = 30000, LANES = 3 };

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

/* Where one server has the store to itself there is nothing to see. */
static void skip_on_sqlite(void)
{
    if (engine_is_sqlite())
        skip();
}

/* ---- servers ---- */

/* One more server of the same store. */
static struct place open_other(const struct place *place, bool start)
{
    struct place other = *place;
    other.store = NULL;
    arena_init(&other.arena);
    place_open(&other, start);
    return other;
}

static void close_other(struct place *other)
{
    place_close(other);
    arena_free(&other->arena);
}

struct entry {
    struct hit hit;     /* first */
    _Atomic int answer; /* 1 + the result */
};

static void note_done(struct hit *hit, enum result result)
{
    atomic_store(&((struct entry *)hit)->answer, 1 + (int)result);
}

static enum result record(struct place *place, const struct hit *hit)
{
    struct entry entry = {.hit = *hit};
    int64_t until_ms = monotonic_ms() + PATIENCE_MS;
    entry.hit.done = note_done;
    assert_int_equal(store_hit_submit(place->store, &entry.hit), RESULT_OK);
    store_hits_wake(place->store);
    while (!atomic_load(&entry.answer)) {
        assert_true(monotonic_ms() < until_ms);
        usleep(200);
    }
    return (enum result)(atomic_load(&entry.answer) - 1);
}

static struct hit must_record(struct place *place, int share)
{
    struct hit hit = hit_at(id_new(), share);
    assert_int_equal(record(place, &hit), RESULT_OK);
    return hit;
}

static int64_t unfolded(struct place *place)
{
    return place_number(place, "SELECT count(*) FROM hit_inbox AS i LEFT JOIN fold_mark AS m ON m.part = "
                               "i.last_seq / 281474976710656 WHERE m.seq IS NULL OR i.last_seq > m.seq");
}

static void wait_until_folded(struct place *place)
{
    int64_t until_ms = monotonic_ms() + PATIENCE_MS;
    while (unfolded(place)) {
        assert_true(monotonic_ms() < until_ms);
        usleep(20000);
    }
}

/* Nobody folds as long as this connection has the main part's turn. */
static struct db *keep_from_folding(struct place *place)
{
    struct db *db;
    assert_int_equal(engine_driver()->open(place->url, DB_MAIN, DB_WRITE, &db), RESULT_OK);
    assert_int_equal(engine_driver()->begin(db), RESULT_OK);
    return db;
}

static void let_fold(struct db *db)
{
    assert_int_equal(engine_driver()->end(db, true), RESULT_OK);
    engine_driver()->close(db);
}

static void servers__see_at_once_what_others_have_recorded(void **state)
{
    skip_on_sqlite();
    struct place *place = *state;
    place_open(place, true);
    struct place other = open_other(place, true);
    struct db *turn = keep_from_folding(place);
    struct hit here = must_record(place, 0), there = must_record(&other, 0);
    struct place *const servers[] = {place, &other};
    struct hit_row *rows;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(place_list(servers[i], 0, &rows), 2);
        assert_int_equal(rows[0].id, there.id);
        assert_int_equal(rows[1].verdict, VERDICT_UNCONFIRMED);
        assert_int_equal(place_counts(servers[i]).by_verdict[VERDICT_UNCONFIRMED], 2);
    }
    /* The visitor's next request reaches the other server. */
    struct hit seen = act_on(&here, ACT_SEEN, 0);
    assert_int_equal(record(&other, &seen), RESULT_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(place_list(servers[i], 0, &rows), 2);
        assert_int_equal(rows[1].verdict, VERDICT_PERSON);
    }
    let_fold(turn);
    wait_until_folded(place);
    assert_int_equal(place_list(place, 0, &rows), 2);
    assert_int_equal(rows[1].verdict, VERDICT_PERSON);
    assert_int_equal(place_number(place, "SELECT count(*) FROM leads"), 1);
    assert_int_equal(place_number(place, "SELECT count(*) FROM fold_mark WHERE seq > part * 281474976710656"), 2);
    place_check_counts(place);
    close_other(&other);
}

/* Ends all connections of this test's servers, as a server that lost sight of them would. */
static void cut_all(struct place *place)
{
    struct db *db;
    struct db_rows *rows;
    int64_t left = 1, until_ms = monotonic_ms() + PATIENCE_MS;
    assert_int_equal(engine_driver()->open(place->url, DB_MAIN, DB_READ, &db), RESULT_OK);
    while (left) {
        assert_true(monotonic_ms() < until_ms);
        assert_int_equal(
            db_one(db,
                   "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = "
                   "current_setting('application_name') AND pid <> pg_backend_pid()",
                   NULL, 0, &rows),
            RESULT_OK);
        left = db_column_int(rows, 0);
        db_finish(&rows);
    }
    engine_driver()->close(db);
}

static void server__that_was_cut_off_writes_to_no_lane_of_others(void **state)
{
    skip_on_sqlite();
    struct place *place = *state;
    place_open(place, true);
    must_record(place, 0);
    assert_int_equal(atomic_load(&place->store->hits->lane), 0);
    assert_int_equal(store_fold_now(place->store), RESULT_OK);
    place_close(place);
    place_open(place, true);
    must_record(place, 0);
    /* Cut off, and before it notices another has its lane, folds it and sweeps. */
    struct place other;
    for (int tries = 0;; tries++) {
        cut_all(place);
        other = open_other(place, true);
        must_record(&other, 1);
        if (atomic_load(&other.store->hits->lane) == 0)
            break;
        assert_true(tries < 20); /* the first one's folding thread was quicker to come back than the server to let go */
        close_other(&other);
    }
    assert_int_equal(store_fold_now(other.store), RESULT_OK);
    for (int i = 0; i < 5; i++)
        must_record(place, 0);
    assert_int_not_equal(atomic_load(&place->store->hits->lane), 0);
    must_record(&other, 1);
    assert_int_equal(store_fold_now(other.store), RESULT_OK);
    struct hit_row *rows;
    assert_int_equal(place_list(place, 0, &rows), 7);
    assert_true(place_list(&other, 1, &rows) >= 2);
    place_check_counts(place);
    close_other(&other);
}

static void lane__goes_on_above_what_was_folded_and_swept(void **state)
{
    skip_on_sqlite();
    struct place *place = *state;
    int64_t last = 0;
    for (int i = 0; i < 3; i++) {
        place_open(place, true);
        must_record(place, 0);
        assert_int_equal(store_fold_now(place->store), RESULT_OK);
        assert_int_equal(place_number(place, "SELECT count(*) FROM hit_inbox"), 0);
        int64_t mark = place_number(place, "SELECT seq FROM fold_mark"); /* of lane 0: it was given back each time */
        assert_true(mark > last);
        last = mark;
        place_close(place);
    }
    place_open(place, false);
    assert_int_equal(place_number(place, "SELECT sum(unconfirmed) FROM day_counts"), 3);
}

/* ---- acts in other lanes than their hits ---- */

struct row {
    struct hit hit;
    int64_t seq;
};

struct inbox {
    struct place *place;
    int64_t last[LANES];
};

/* One more commit in the lane, as its server would write it. */
static void bring(struct inbox *inbox, int lane, const struct hit *hit)
{
    struct db *db;
    struct inbox_room room = {0};
    struct hit alone = *hit;
    if (!inbox->last[lane]) {
        char sql[120];
        inbox->last[lane] = lane_first(lane);
        snprintf(sql, sizeof sql, "INSERT INTO fold_mark (part, seq) VALUES (%d, %lld)", lane,
                 (long long)lane_first(lane));
        place_run(inbox->place, sql);
    }
    assert_int_equal(engine_driver()->open(inbox->place->url, DB_INBOX, DB_WRITE, &db), RESULT_OK);
    assert_int_equal(inbox_append(db, &alone, 1, ++inbox->last[lane], &room), RESULT_OK);
    engine_driver()->close(db);
    free(room.bytes);
}

static struct db *open_inbox(struct place *place)
{
    struct db *db;
    assert_int_equal(engine_driver()->open(place->url, DB_INBOX, DB_READ, &db), RESULT_OK);
    return db;
}

/* Passes of a few rows each until all is folded. How many there were. */
static int fold_in_passes(struct place *place, int64_t (*limit)(void))
{
    struct db *inbox = open_inbox(place);
    struct folding folding = {.more = true};
    int passes = 0;
    while (folding.more || folding.rows) {
        folding = (struct folding){.limit = limit(), .lane = -1};
        assert_int_equal(fold_pass(place->store, inbox, &folding), RESULT_OK);
        assert_true(folding.rows || !folding.more); /* never stuck */
        passes++;
    }
    engine_driver()->close(inbox);
    return passes;
}

static int64_t six(void)
{
    return 6;
}

/* In a batch that is cut short, how many acts there are whose hit is in no batch before; and how many when it was held back. */
static void count_early_acts(struct place *place, int64_t id, int *early, int *held)
{
    struct db *inbox = open_inbox(place);
    struct batch batch;
    struct tail tail = {.limit = 6, .acts_max = 100};
    int *const counts[] = {early, held};
    batch_start(&batch);
    assert_int_equal(engine_driver()->begin(inbox), RESULT_OK);
    assert_int_equal(lanes_read(inbox, &batch.arena, &batch.lanes), RESULT_OK);
    assert_int_equal(batch_read(&batch, inbox, &tail), RESULT_OK);
    assert_true(batch_is_cut(&batch));
    for (int i = 0; i < 2; i++) {
        *counts[i] = 0;
        for (size_t j = 0; j < batch.act_count; j++)
            *counts[i] += batch.acts[j].id == id;
        for (size_t j = 0; j < batch.hit_count; j++)
            assert_int_not_equal(batch.hits[j]->id, id);
        assert_int_equal(batch_hold_back(&batch, inbox, hits_months(place->store)), RESULT_OK);
    }
    assert_int_equal(engine_driver()->end(inbox, true), RESULT_OK);
    batch_free(&batch);
    engine_driver()->close(inbox);
}

static void act__waits_for_its_hit_in_another_lane(void **state)
{
    skip_on_sqlite();
    enum { HITS = 30 };
    struct place *place = *state;
    struct inbox inbox = {.place = place};
    struct hit hits[HITS];
    place_open(place, false);
    for (int i = 0; i < HITS; i++) {
        hits[i] = hit_at(id_new(), 0);
        bring(&inbox, 0, &hits[i]);
    }
    struct hit never = hit_at(id_new(), 0), behind = hit_at(id_new(), 1);
    struct hit seen = act_on(&hits[HITS - 1], ACT_SEEN, 0), lost = act_on(&never, ACT_SEEN, 0),
               of_behind = act_on(&behind, ACT_SEEN, 0);
    bring(&inbox, 1, &lost); /* whose hit was never recorded, holds nothing up */
    bring(&inbox, 1, &seen);
    bring(&inbox, 1, &behind);
    bring(&inbox, 2, &of_behind);
    int early, held;
    count_early_acts(place, hits[HITS - 1].id, &early, &held);
    assert_int_equal(early, 1); /* it would find no hit, and be forgotten */
    assert_int_equal(held, 0);
    assert_true(fold_in_passes(place, six) > 5);
    assert_int_equal(unfolded(place), 0);
    struct day_count counts = place_counts(place);
    assert_int_equal(counts.by_verdict[VERDICT_PERSON], 2);
    assert_int_equal(counts.by_verdict[VERDICT_UNCONFIRMED], HITS - 1);
    assert_int_equal(place_number(place, "SELECT count(*) FROM leads"), 2);
    place_check_counts(place);
}

static int64_t few(void)
{
    return 1 + random() % 25;
}

/* Hits and acts in the order in which they happened, each by any server; what readers saw before is what folding in passes of
 * any size makes of it. */
static void lanes__fold_to_what_readers_saw_in_whatever_passes(void **state)
{
    skip_on_sqlite();
    enum { ROWS = 160, HITS = 60 };
    struct place *place = *state;
    struct inbox inbox = {.place = place};
    struct hit hits[HITS];
    int64_t acted[HITS] = {0}; /* when its first act came */
    size_t hit_count = 0;
    srandom(11);
    place_open(place, false);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < ROWS / 2; i++) {
            int lane = random() % 4 ? 0 : 1 + (int)(random() % (LANES - 1)); /* one is busier than the others */
            if (hit_count == 0 || (hit_count < HITS && random() % 3 == 0)) {
                hits[hit_count] = hit_at(id_new(), (int)(hit_count % 3));
                bring(&inbox, lane, &hits[hit_count++]);
                continue;
            }
            size_t which = (size_t)random() % hit_count;
            /* A page names the hit before of its share, if that one's page had told of itself when it was made. */
            bool again = which >= 3 && acted[which - 3] && hits[which].id > acted[which - 3];
            struct hit act =
                act_on(&hits[which], 1u << random() % 5 | (again ? ACT_AGAIN : 0), again ? hits[which - 3].id : 0);
            acted[which] = acted[which] ? acted[which] : id_new();
            bring(&inbox, lane, &act);
        }
        struct hit_row *before[3], *after[3];
        size_t lengths[3];
        struct day_count counted = place_counts(place);
        for (int i = 0; i < 3; i++)
            lengths[i] = place_list(place, i, &before[i]);
        assert_true(fold_in_passes(place, few) > 2);
        struct day_count folded = place_counts(place);
        assert_memory_equal(&counted, &folded, sizeof counted);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(place_list(place, i, &after[i]), lengths[i]);
            for (size_t j = 0; j < lengths[i]; j++) {
                assert_int_equal(after[i][j].id, before[i][j].id);
                assert_int_equal(after[i][j].verdict, before[i][j].verdict);
                assert_int_equal(after[i][j].acts, before[i][j].acts);
                assert_int_equal(after[i][j].visitor_id, before[i][j].visitor_id);
            }
        }
        place_check_counts(place);
    }
}

/* ---- servers that are killed ---- */

enum { SERVERS = 3, ACKED_MAX = 100000 };

struct ledger {
    int64_t *ids;
    size_t count;
};

static void tell_done(struct hit *hit, enum result result)
{
    int to = *(const int *)hit->owner;
    if (result == RESULT_OK && write(to, &hit->id, sizeof hit->id) != sizeof hit->id)
        _exit(3);
    free(hit);
}

/* NODE makes its ids other than those of the processes that were forked from the same. */
static void serve_until_killed(struct place *place, int to, int node)
{
    place_open(place, true);
    for (int i = 0;; i++) {
        struct hit *hit = calloc(1, sizeof *hit);
        *hit = hit_at(id_new() ^ (int64_t)node << 11, i % PLACE_SHARES);
        hit->done = tell_done;
        hit->owner = &to;
        if (store_hit_submit(place->store, hit) != RESULT_OK)
            free(hit);
        if (i % 8 == 7) {
            store_hits_wake(place->store);
            usleep(1000);
        }
    }
}

static int compare_ids(const void *a, const void *b)
{
    int64_t one = *(const int64_t *)a, other = *(const int64_t *)b;
    return (one > other) - (one < other);
}

/* How many of the ledger the store does not show; none is shown twice. */
static size_t count_lost(struct place *place, const struct ledger *ledger)
{
    size_t count = 0, lost = 0;
    int64_t *ids = calloc(2 * ACKED_MAX, sizeof *ids);
    for (int i = 0; i < PLACE_SHARES; i++) {
        struct arena arena;
        struct hit_row *rows;
        size_t found;
        arena_init(&arena);
        assert_int_equal(
            store_hit_list(place->store, &arena, PLACE_OWNER, PLACE_SHARE + i, 0, 2 * ACKED_MAX - count, &rows, &found),
            RESULT_OK);
        for (size_t j = 0; j < found; j++)
            ids[count++] = rows[j].id;
        arena_free(&arena);
    }
    qsort(ids, count, sizeof *ids, compare_ids);
    for (size_t i = 1; i < count; i++)
        assert_true(ids[i] != ids[i - 1]);
    for (size_t i = 0; i < ledger->count; i++)
        lost += !count || !bsearch(&ledger->ids[i], ids, count, sizeof *ids, compare_ids);
    free(ids);
    return lost;
}

/* Reads what was acknowledged until nobody holds the pipe's other end, or until TARGET were. */
static void listen_to(int from, struct ledger *ledger, size_t target)
{
    int64_t id;
    while (ledger->count < target && read(from, &id, sizeof id) == sizeof id) {
        assert_true(ledger->count < ACKED_MAX);
        ledger->ids[ledger->count++] = id;
    }
}

static void killed_servers__leave_no_acknowledged_hit_unfolded(void **state)
{
    skip_on_sqlite();
    struct place *place = *state;
    struct ledger ledger = {calloc(ACKED_MAX, sizeof(int64_t)), 0};
    pid_t children[SERVERS];
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    for (int i = 0; i < SERVERS; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            close(ends[0]);
            serve_until_killed(place, ends[1], 1 + i);
        }
    }
    close(ends[1]);
    /* One after the other is killed amid its writing, whichever of them folds; the others go on. */
    for (int i = 0; i < SERVERS; i++) {
        listen_to(ends[0], &ledger, ledger.count + 1500);
        int status;
        assert_int_equal(kill(children[i], SIGKILL), 0);
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFSIGNALED(status));
    }
    listen_to(ends[0], &ledger, SIZE_MAX);
    close(ends[0]);
    /* A server that was not there then shows them at once, and folds them without being asked. */
    place_open(place, true);
    assert_int_equal(count_lost(place, &ledger), 0);
    wait_until_folded(place);
    assert_int_equal(count_lost(place, &ledger), 0);
    assert_true(place_number(place, "SELECT sum(unconfirmed) FROM day_counts") >= (int64_t)ledger.count);
    place_check_counts(place);
    assert_true(ledger.count > (SERVERS - 1) * 1500);
    /* The control: of a hit in a lane's numbers below its mark the ledger would know. */
    struct hit low = hit_at(id_new(), 0);
    struct inbox inbox = {.place = place, .last = {1}};
    bring(&inbox, 0, &low);
    ledger.ids[ledger.count++] = low.id;
    assert_int_equal(count_lost(place, &ledger), 1);
    free(ledger.ids);
}

static void server__takes_over_the_folding_of_one_that_is_killed(void **state)
{
    skip_on_sqlite();
    struct place *place = *state;
    struct ledger ledger = {calloc(ACKED_MAX, sizeof(int64_t)), 0};
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        serve_until_killed(place, ends[1], 1);
    }
    close(ends[1]);
    listen_to(ends[0], &ledger, 100);
    place_open(place, true); /* while the other one folds */
    must_record(place, 0);
    listen_to(ends[0], &ledger, 2000);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    listen_to(ends[0], &ledger, SIZE_MAX);
    close(ends[0]);
    must_record(place, 1);
    wait_until_folded(place);
    assert_int_equal(count_lost(place, &ledger), 0);
    place_check_counts(place);
    free(ledger.ids);
}

/* Frozen, it keeps its connections and so its claim to fold. */
static void server__does_not_wait_for_a_frozen_one_to_fold(void **state)
{
    skip_on_sqlite();
    struct place *place = *state;
    struct ledger ledger = {calloc(ACKED_MAX, sizeof(int64_t)), 0};
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        serve_until_killed(place, ends[1], 1);
    }
    close(ends[1]);
    listen_to(ends[0], &ledger, 100);
    place_open(place, true);
    must_record(place, 0);
    wait_until_folded(place); /* by the child, which was there first */
    assert_int_equal(kill(child, SIGSTOP), 0);
    must_record(place, 0);
    wait_until_folded(place);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    listen_to(ends[0], &ledger, SIZE_MAX);
    close(ends[0]);
    assert_int_equal(count_lost(place, &ledger), 0);
    place_check_counts(place);
    free(ledger.ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(servers__see_at_once_what_others_have_recorded, make, drop),
        cmocka_unit_test_setup_teardown(server__that_was_cut_off_writes_to_no_lane_of_others, make, drop),
        cmocka_unit_test_setup_teardown(lane__goes_on_above_what_was_folded_and_swept, make, drop),
        cmocka_unit_test_setup_teardown(act__waits_for_its_hit_in_another_lane, make, drop),
        cmocka_unit_test_setup_teardown(lanes__fold_to_what_readers_saw_in_whatever_passes, make, drop),
        cmocka_unit_test_setup_teardown(killed_servers__leave_no_acknowledged_hit_unfolded, make, drop),
        cmocka_unit_test_setup_teardown(server__takes_over_the_folding_of_one_that_is_killed, make, drop),
        cmocka_unit_test_setup_teardown(server__does_not_wait_for_a_frozen_one_to_fold, make, drop),
    };
    return cmocka_run_group_tests_name("lanes", tests, NULL, NULL);
}
