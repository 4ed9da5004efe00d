/* What recording and folding cost, beside bare SQLite loops that insert the same rows in the same run on the same disk.
 *
 *   bench_fold FOLDER [HITS [MONTHS]]
 *
 * fills a store with HITS hits of MONTHS months, unless FOLDER holds one already, then measures the inbox's append, the
 * fold, and the two reads that pages wait for. */
#include <glob.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "server/ids.h"
#include "server/store/fold.h"
#include "server/store/inbox.h"
#include "server/store/internal.h"
#include "tests/support/fill_store.h"

enum {
    ROUNDS = 5,
    COMMIT_ROWS = 64,
    APPEND_COMMITS = 1500,
    FOLD_ROWS = 200000,
    PASS_ROWS = 100000,
    READS = 2000,
    ROW_COLUMNS = 12
};

static double wall_s(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec * 1e-9;
}

static double cpu_s(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "bench_fold: %s failed\n", what);
    exit(1);
}

static int compare_doubles(const void *a, const void *b)
{
    double one = *(const double *)a, other = *(const double *)b;
    return (one > other) - (one < other);
}

static double median(double *list, size_t count)
{
    qsort(list, count, sizeof *list, compare_doubles);
    return list[count / 2];
}

static uint64_t random_state = 2463534242u;
static uint64_t draw(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    return random_state ^= random_state << 17;
}

/* ---- the bare loops ---- */

struct bare {
    sqlite3 *db;
    sqlite3_stmt *begin, *commit, *insert;
};

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement;
    must(sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) == SQLITE_OK, sql);
    return statement;
}

static void step(sqlite3_stmt *statement)
{
    must(sqlite3_step(statement) == SQLITE_DONE, sqlite3_sql(statement));
    sqlite3_reset(statement);
}

static struct bare bare_open(const char *path, const char *create, const char *insert)
{
    struct bare bare;
    must(sqlite3_open_v2(path, &bare.db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) ==
             SQLITE_OK,
         path);
    must(sqlite3_exec(bare.db,
                      "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-65536; "
                      "PRAGMA wal_autocheckpoint=4000; PRAGMA secure_delete=OFF",
                      NULL, NULL, NULL) == SQLITE_OK,
         "pragma");
    if (create)
        must(sqlite3_exec(bare.db, create, NULL, NULL, NULL) == SQLITE_OK, create);
    bare.begin = prepare(bare.db, "BEGIN IMMEDIATE");
    bare.commit = prepare(bare.db, "COMMIT");
    bare.insert = prepare(bare.db, insert);
    return bare;
}

static void bare_close(struct bare *bare)
{
    sqlite3_finalize(bare->begin);
    sqlite3_finalize(bare->commit);
    sqlite3_finalize(bare->insert);
    sqlite3_close(bare->db);
}

static void bare_insert(const struct bare *bare, const struct db_value *values, int columns, int rows)
{
    step(bare->begin);
    for (int row = 0; row < rows; row++, values += columns) {
        for (int i = 0; i < columns; i++) {
            if (values[i].type == DB_INTEGER)
                sqlite3_bind_int64(bare->insert, i + 1, values[i].integer);
            else if (values[i].type == DB_TEXT)
                sqlite3_bind_text(bare->insert, i + 1, values[i].bytes, (int)values[i].len, SQLITE_STATIC);
            else
                sqlite3_bind_null(bare->insert, i + 1);
        }
        step(bare->insert);
    }
    step(bare->commit);
}

/* ---- the inbox ---- */

struct waiting {
    pthread_mutex_t lock;
    pthread_cond_t all;
    int left;
};

static void one_done(struct hit *hit, enum result result)
{
    struct waiting *waiting = hit->owner;
    must(result == RESULT_OK, "a hit");
    pthread_mutex_lock(&waiting->lock);
    if (--waiting->left == 0)
        pthread_cond_signal(&waiting->all);
    pthread_mutex_unlock(&waiting->lock);
}

static void fill_hit(struct hit *hit, const struct filling *filling)
{
    int64_t share = (int64_t)(draw() % (uint64_t)filling->shares);
    *hit = (struct hit){.done = one_done,
                        .id = id_new(),
                        .owner_id = filled_owner(filling, share),
                        .share_id = filled_share(filling, share),
                        .visitor_hash = draw() >> 1,
                        .channel = CHANNEL_QR,
                        .family = "Safari on iOS"};
}

static void submit_all(struct store *store, struct hit *hits, int count, struct waiting *waiting)
{
    waiting->left = count;
    for (int i = 0; i < count; i++) {
        hits[i].owner = waiting;
        must(store_hit_submit(store, &hits[i]) == RESULT_OK, "submit");
    }
    store_hits_wake(store);
    pthread_mutex_lock(&waiting->lock);
    while (waiting->left)
        pthread_cond_wait(&waiting->all, &waiting->lock);
    pthread_mutex_unlock(&waiting->lock);
}

/* CPU seconds of this process's thread of that name. */
static double thread_cpu_s(const char *name)
{
    glob_t tasks;
    double seconds = -1;
    must(glob("/proc/self/task/*", 0, NULL, &tasks) == 0, "tasks");
    for (size_t i = 0; i < tasks.gl_pathc; i++) {
        char path[128], comm[32] = "";
        long long ns = 0;
        snprintf(path, sizeof path, "%s/comm", tasks.gl_pathv[i]);
        FILE *file = fopen(path, "r");
        if (!file || !fgets(comm, sizeof comm, file) || strncmp(comm, name, strlen(name)) != 0) {
            if (file)
                fclose(file);
            continue;
        }
        fclose(file);
        snprintf(path, sizeof path, "%s/schedstat", tasks.gl_pathv[i]);
        file = fopen(path, "r");
        must(file && fscanf(file, "%lld", &ns) == 1, path);
        fclose(file);
        seconds = (double)ns * 1e-9;
    }
    globfree(&tasks);
    must(seconds >= 0, name);
    return seconds;
}

/* A row of the bare loop, which keeps one a hit. */
static void values_of(struct db_value *at, const struct hit *hit, int64_t seq)
{
    const int64_t numbers[] = {seq,           hit->acts,       hit->id,    hit->act_at_ms, hit->owner_id,
                               hit->share_id, hit->earlier_id, hit->facts, hit->channel,   (int64_t)hit->visitor_hash};
    for (int i = 0; i < 10; i++)
        at[i] = DB_INT(numbers[i]);
    at[10] = db_text(hit->family);
    at[11] = db_text(NULL);
}

/* COMMIT_ROWS at a time are handed over and waited for; what the writer's thread uses meanwhile is compared, sweeping and
 * checkpoints included, with a bare loop that only inserts. */
static void bench_append(struct store *store, const struct filling *filling, const char *folder)
{
    char path[512];
    snprintf(path, sizeof path, "%s/bare.db", folder);
    struct bare bare =
        bare_open(path,
                  "CREATE TABLE IF NOT EXISTS t (seq INTEGER PRIMARY KEY, acts, id, act_at_ms, owner_id, share_id, "
                  "earlier_id, facts, channel, visitor_hash, family, referrer); DELETE FROM t",
                  "INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    struct hit *hits = calloc(COMMIT_ROWS, sizeof *hits);
    struct db_value *values = calloc((size_t)APPEND_COMMITS * COMMIT_ROWS * ROW_COLUMNS, sizeof *values);
    must(hits && values, "memory");
    double ours[ROUNDS], theirs[ROUNDS], ratios[ROUNDS];
    struct waiting waiting = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
    int64_t seq = 1;
    const double rows = (double)APPEND_COMMITS * COMMIT_ROWS;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < APPEND_COMMITS * COMMIT_ROWS; i++) {
            fill_hit(&hits[0], filling);
            values_of(&values[i * ROW_COLUMNS], &hits[0], seq++);
            values[i * ROW_COLUMNS + 10] = db_text("Safari on iOS");
        }
        double start = cpu_s();
        for (int i = 0; i < APPEND_COMMITS; i++)
            bare_insert(&bare, &values[i * COMMIT_ROWS * ROW_COLUMNS], ROW_COLUMNS, COMMIT_ROWS);
        theirs[round] = (cpu_s() - start) / rows * 1e6;
        start = thread_cpu_s("hit-writer");
        for (int i = 0; i < APPEND_COMMITS; i++) {
            for (int j = 0; j < COMMIT_ROWS; j++)
                fill_hit(&hits[j], filling);
            submit_all(store, hits, COMMIT_ROWS, &waiting);
        }
        ours[round] = (thread_cpu_s("hit-writer") - start) / rows * 1e6;
        ratios[round] = ours[round] / theirs[round];
        must(store_fold_now(store) == RESULT_OK, "fold");
    }
    double bare_us = median(theirs, ROUNDS), us = median(ours, ROUNDS);
    printf("inbox append, %d rows a commit: %.1f us of CPU a row with sweeping; bare SQLite %.1f (%.2f x)\n",
           COMMIT_ROWS, us, bare_us, median(ratios, ROUNDS));
    free(hits);
    free(values);
    bare_close(&bare);
}

/* ---- the fold ---- */

static int compare_values(const void *a, const void *b)
{
    const struct db_value *one = a, *other = b;
    for (int i = 0; i < 3; i++)
        if (one[i].integer != other[i].integer)
            return one[i].integer < other[i].integer ? -1 : 1;
    return 0;
}

/* The same number of rows of the same shape, sorted alike, PASS_ROWS a commit, into the same table: no counts, no mark, no
 * reading of an inbox. This is what SQLite itself takes. */
static double bare_fold(const char *main_path, const struct filling *filling)
{
    char sql[512];
    int32_t month = month_of(id_new());
    snprintf(sql, sizeof sql, "INSERT INTO hits_%06d VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", month);
    struct bare bare = bare_open(main_path, NULL, sql);
    struct db_value *values = calloc((size_t)PASS_ROWS * MONTH_COLUMNS, sizeof *values);
    must(values, "memory");
    double took = 0;
    for (int pass = 0; pass < FOLD_ROWS / PASS_ROWS; pass++) {
        for (int i = 0; i < PASS_ROWS; i++) {
            int64_t share = (int64_t)(draw() % (uint64_t)filling->shares), id = id_new();
            struct kept hit = {.owner_id = filled_owner(filling, share),
                               .share_id = filled_share(filling, share),
                               .id = id,
                               .visitor_id = id,
                               .visitor_hash = draw() >> 1,
                               .times = 1,
                               .family = "Safari on iOS",
                               .referrer = ""};
            kept_values(&values[i * MONTH_COLUMNS], &hit);
        }
        double start = wall_s();
        qsort(values, PASS_ROWS, sizeof *values * MONTH_COLUMNS, compare_values);
        bare_insert(&bare, values, MONTH_COLUMNS, PASS_ROWS);
        took += wall_s() - start;
    }
    free(values);
    bare_close(&bare);
    return FOLD_ROWS / took;
}

/* Rows are put into the inbox through a store that does not fold by itself: not started, by its own connection. */
static void queue_rows(struct store *store, const struct filling *filling)
{
    struct db *inbox;
    struct hit hits[COMMIT_ROWS];
    struct inbox_room room = {0};
    int64_t first, seq;
    must(store->driver->open(store->url, DB_INBOX, DB_WRITE, &inbox) == RESULT_OK, "inbox");
    must(inbox_ends(inbox, &first, &seq) == RESULT_OK, "seq");
    if (seq < hits_mark(store))
        seq = hits_mark(store);
    must(inbox->driver->begin(inbox) == RESULT_OK, "begin");
    for (int i = 0; i < FOLD_ROWS; i += COMMIT_ROWS, seq += COMMIT_ROWS) {
        for (int j = 0; j < COMMIT_ROWS; j++) {
            fill_hit(&hits[j], filling);
            hits[j].next = j + 1 < COMMIT_ROWS ? &hits[j + 1] : NULL;
        }
        must(inbox_append(inbox, hits, COMMIT_ROWS, seq + 1, &room) == RESULT_OK, "append");
    }
    must(inbox->driver->end(inbox, true) == RESULT_OK, "commit");
    inbox->driver->close(inbox);
    free(room.bytes);
}

static struct store *open_store(const char *folder)
{
    char url[512];
    struct arena arena;
    struct store *store;
    const char *why;
    arena_init(&arena);
    snprintf(url, sizeof url, "sqlite:%s/store", folder);
    struct store_options options = {.url = url, .base_url = "http://localhost", .readers = 2};
    must(store_open(&options, &arena, &store, &why) == RESULT_OK, why ? why : "store");
    arena_free(&arena);
    return store;
}

static double our_fold(const char *folder, const struct filling *filling, double *cpu_us)
{
    struct store *store = open_store(folder);
    queue_rows(store, filling);
    store_close(store);
    store = open_store(folder);
    double start = wall_s(), cpu = cpu_s();
    must(store_fold_now(store) == RESULT_OK, "fold");
    double took = wall_s() - start;
    *cpu_us = (cpu_s() - cpu) / FOLD_ROWS * 1e6;
    store_close(store);
    return FOLD_ROWS / took;
}

static void bench_fold(const char *folder, const struct filling *filling)
{
    char path[512];
    snprintf(path, sizeof path, "%s/store/meishi.db", folder);
    double ours[ROUNDS], theirs[ROUNDS], ratios[ROUNDS], cpus[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        ours[round] = our_fold(folder, filling, &cpus[round]);
        theirs[round] = bare_fold(path, filling);
        ratios[round] = ours[round] / theirs[round];
    }
    double least = ours[0], most = ours[0];
    for (int i = 1; i < ROUNDS; i++) {
        least = ours[i] < least ? ours[i] : least;
        most = ours[i] > most ? ours[i] : most;
    }
    double bare_rate = median(theirs, ROUNDS), cpu_us = median(cpus, ROUNDS);
    printf(
        "fold at %lld hits: %.0f rows/s (%.0f to %.0f), %.1f us of CPU a row; bare SQLite, sorted, without counts: %.0f (%.2f x)\n",
        (long long)filling->hits, median(ours, ROUNDS), least, most, cpu_us, bare_rate, median(ratios, ROUNDS));
}

/* ---- reads ---- */

static void bench_reads(struct store *store, const struct filling *filling)
{
    double *lists = calloc(READS, sizeof *lists), *counts = calloc(READS, sizeof *counts);
    struct arena arena;
    arena_init(&arena);
    must(lists && counts, "memory");
    int32_t today = day_of(id_new());
    for (int i = 0; i < READS; i++) {
        int64_t share = (int64_t)(draw() % (uint64_t)filling->shares);
        struct hit_row *rows;
        struct day_count *days;
        size_t count;
        double start = wall_s();
        must(store_hit_list(store, &arena, filled_owner(filling, share), filled_share(filling, share), 0, 50, &rows,
                            &count) == RESULT_OK,
             "list");
        lists[i] = wall_s() - start;
        start = wall_s();
        must(store_day_counts(store, &arena, filled_owner(filling, share), today - 30, today, &days, &count) ==
                 RESULT_OK,
             "counts");
        counts[i] = wall_s() - start;
        arena_reset(&arena);
    }
    qsort(lists, READS, sizeof *lists, compare_doubles);
    qsort(counts, READS, sizeof *counts, compare_doubles);
    printf("latest 50 hits of a share: p50 %.0f us, p99 %.0f us; 30 days of counts: p50 %.0f us, p99 %.0f us\n",
           lists[READS / 2] * 1e6, lists[READS * 99 / 100] * 1e6, counts[READS / 2] * 1e6,
           counts[READS * 99 / 100] * 1e6);
    arena_free(&arena);
    free(lists);
    free(counts);
}

static long resident_kb(void)
{
    long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    must(file && fscanf(file, "%ld %ld", &pages, &resident) == 2, "statm");
    fclose(file);
    return resident * 4;
}

/* In a process of its own, so that the memory it took does not count. */
static void fill_apart(const char *folder, const struct filling *filling)
{
    char path[512];
    struct stat info;
    snprintf(path, sizeof path, "%s/store/meishi.db", folder);
    if (stat(path, &info) == 0)
        return;
    double start = wall_s();
    pid_t child = fork();
    if (child == 0) {
        struct store *store = open_store(folder);
        fill_store(store, filling);
        store_close(store);
        _exit(0);
    }
    int status;
    must(child > 0 && waitpid(child, &status, 0) == child && status == 0, "filling");
    printf("%lld hits of %lld shares filled in %.0f s\n", (long long)filling->hits, (long long)filling->shares,
           wall_s() - start);
}

int main(int argc, char **argv)
{
    must(argc >= 2, "bench_fold FOLDER [HITS [MONTHS]]: the folder");
    setvbuf(stdout, NULL, _IOLBF, 0);
    int64_t months = argc > 3 ? strtoll(argv[3], NULL, 10) : 12;
    struct filling filling = {
        .members = 10000, .shares = 100000, .hits = argc > 2 ? strtoll(argv[2], NULL, 10) : 1000000};
    filling.to_ms = now_ms() - 1000;
    filling.from_ms = filling.to_ms - months * 30 * 86400000;
    fill_apart(argv[1], &filling);
    double start = wall_s();
    struct store *store = open_store(argv[1]);
    must(store_start(store) == RESULT_OK, "start");
    printf("opened in %.1f ms, %ld KiB resident\n", (wall_s() - start) * 1e3, resident_kb());
    bench_reads(store, &filling);
    bench_append(store, &filling, argv[1]);
    store_close(store);
    bench_fold(argv[1], &filling);
    return 0;
}
