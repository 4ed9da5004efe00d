/* See copy.h. The rows go in batches, each one transaction with the note of how far it goes, which need not be on disk at once:
 * what a crash takes away it takes away from the end, notes and all.
 *
 * The order of the tables does not matter, because foreign keys are off until all rows are there (copy_keys.c), and are proved
 * whole then. */
#include "server/store/copy.h"

#include <sodium.h>
#include <string.h>
#include "server/log.h"
#include "server/store/alone.h"
#include "server/store/copy_keys.h"
#include "server/store/copy_tables.h"
#include "server/store/internal.h"
#include "server/store/lock.h"
#include "server/store/migrate.h"
#include "server/store/months.h"

struct copying {
    const struct copy_options *options;
    const char *from_said, *to_said;
    struct arena *arena;
    struct copy_outcome *out;
    const char **why;
    struct store *source;    /* holds it, so that nothing writes there */
    struct db *from;         /* reads it, in one snapshot */
    struct store_lock *lock; /* on the target */
    struct db *to;
    struct copy_tables tables, targets;
    unsigned char identity[COPY_HASH_SIZE];
    struct copy_progress progress;
    bool again; /* it goes on with what an earlier one left */
};

static enum result say(struct copying *copying, enum result result, const char *words)
{
    *copying->why = words;
    return result;
}

static enum result say_source(struct copying *copying)
{
    return say(copying, RESULT_FAILED,
               arena_printf(copying->arena, "%s could not be read: %s.", copying->from_said,
                            copying->from->driver->error(copying->from)));
}

static enum result say_target(struct copying *copying, const char *table)
{
    return say(copying, RESULT_FAILED,
               arena_printf(copying->arena,
                            "%s could not be written%s%s: %s. What is there stays; run it again to go on.",
                            copying->to_said, table ? ", at the table " : "", table ? table : "",
                            copying->to->driver->error(copying->to)));
}

static void tell(struct copying *copying)
{
    if (copying->options->tell)
        copying->options->tell(copying->options->context, &copying->progress);
}

/* ---- the source ---- */

/* Of the very store, whatever it is called: when each of its migrations was applied, to the millisecond. */
static enum result identify(struct copying *copying)
{
    struct db_rows *rows;
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, COPY_HASH_SIZE);
    enum result result =
        db_query(copying->from, "SELECT number, applied_ms FROM schema_version ORDER BY number", NULL, 0, &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK) {
        const int64_t row[] = {db_column_int(rows, 0), db_column_int(rows, 1)};
        crypto_generichash_update(&state, (const unsigned char *)row, sizeof row);
    }
    db_finish(&rows);
    crypto_generichash_final(&state, copying->identity, sizeof copying->identity);
    return result == RESULT_NOT_FOUND ? RESULT_OK : say_source(copying);
}

/* One snapshot, for as long as it takes. */
static enum result begin_reading(struct copying *copying)
{
    if (copying->from->driver->begin(copying->from) != RESULT_OK || copy_keys_wait_long(copying->from) != RESULT_OK)
        return say_source(copying);
    return RESULT_OK;
}

static enum result fold_source(struct copying *copying)
{
    struct store_figures figures;
    enum result result = store_fold_now(copying->source);
    store_figures(copying->source, &figures);
    if (result == RESULT_OK && figures.unfolded == 0)
        return RESULT_OK;
    return say(
        copying, RESULT_FAILED,
        "The source has hits in its inbox that could not be folded, so a copy would miss them. The log says why.");
}

static enum result open_source(struct copying *copying)
{
    const char *url = copying->options->from;
    const struct db_driver *driver = db_driver_of(url);
    if (!driver)
        return say(copying, RESULT_NOT_FOUND,
                   arena_printf(copying->arena,
                                "%s is no store this program knows: write sqlite:FOLDER or "
                                "postgres://USER@HOST/DATABASE.",
                                copying->from_said));
    enum result result = driver->open(url, DB_MAIN, DB_READ, &copying->from);
    if (result != RESULT_OK)
        return say(copying, result == RESULT_NOT_FOUND ? RESULT_NOT_FOUND : RESULT_FAILED,
                   driver->explain(url, DB_MAIN, DB_READ, result, copying->arena));
    copying->from->patient = true;
    const struct store_options options = {.url = url, .base_url = copying->options->base_url, .patient = true};
    result = store_open(&options, copying->arena, &copying->source, copying->why);
    if (result == RESULT_OK)
        result = alone_take(copying->source->writer, copying->arena, copying->why);
    if (result == RESULT_OK)
        result = fold_source(copying);
    if (result == RESULT_OK)
        result = begin_reading(copying);
    if (result == RESULT_OK)
        result = copy_tables_read(copying->from, copying->arena, &copying->tables, copying->why);
    return result == RESULT_OK ? identify(copying) : result;
}

/* ---- the target ---- */

static enum result open_target(struct copying *copying)
{
    const char *url = copying->options->to;
    const struct db_driver *driver = db_driver_of(url);
    bool clean;
    if (!driver)
        return say(copying, RESULT_DENIED,
                   arena_printf(copying->arena,
                                "%s is no store this program knows: write sqlite:FOLDER or "
                                "postgres://USER@HOST/DATABASE.",
                                copying->to_said));
    enum result result = lock_take(url, copying->arena, &copying->lock, &clean, copying->why);
    if (result == RESULT_OK)
        result = driver->open(url, DB_MAIN, DB_WRITE, &copying->to);
    else
        return result;
    if (result != RESULT_OK)
        return say(copying, result == RESULT_CONFLICT ? result : RESULT_FAILED,
                   driver->explain(url, DB_MAIN, DB_WRITE, result, copying->arena));
    copying->to->patient = true;
    return alone_take(copying->to, copying->arena, copying->why);
}

/* A store that was made and never used knows its key file, and takes over the source's. */
static bool is_replaced(const struct copy_table *table)
{
    return strcmp(table->name, "store_key") == 0;
}

/* OK with whether it is what an earlier copy of this source left; DENIED when it is anything else that is not empty. */
static enum result look_at_target(struct copying *copying)
{
    struct copy_tables there;
    bool begun;
    enum result result = copy_tables_has(copying->to, "copy_progress", &begun);
    if (result != RESULT_OK)
        return say_target(copying, NULL);
    if (begun) {
        struct db_rows *rows;
        size_t len = 0;
        result = db_one(copying->to, "SELECT last_key FROM copy_progress WHERE table_name = ''", NULL, 0, &rows);
        const void *identity = result == RESULT_OK ? db_column_bytes(rows, 0, &len) : NULL;
        copying->again = len == sizeof copying->identity && memcmp(identity, copying->identity, len) == 0;
        db_finish(&rows);
        if (copying->again)
            return RESULT_OK;
        if (result == RESULT_OK)
            return say(
                copying, RESULT_DENIED,
                arena_printf(copying->arena,
                             "%s holds an unfinished copy of another store, or by another version of Meishi: empty "
                             "it, or name another.",
                             copying->to_said));
        if (result != RESULT_NOT_FOUND)
            return say_target(copying, NULL);
    }
    result = copy_tables_read(copying->to, copying->arena, &there, copying->why);
    if (result == RESULT_FAILED)
        return say_target(copying, NULL);
    for (size_t i = 0; i < there.count && result == RESULT_OK; i++) {
        struct copy_page page;
        if (is_replaced(&there.list[i]))
            continue;
        result = copy_page_read(copying->to, &there.list[i], NULL, 1, copying->arena, &page);
        if (result != RESULT_OK)
            return say_target(copying, there.list[i].name);
        if (page.rows)
            return say(copying, RESULT_DENIED,
                       arena_printf(copying->arena,
                                    "%s is not empty: its table %s has rows. A copy goes into an empty place only.",
                                    copying->to_said, there.list[i].name));
    }
    return result == RESULT_INVALID ? RESULT_DENIED : result;
}

/* Hits' tables are made as the fold would make them. */
static enum result make_months(struct copying *copying, struct db *db)
{
    struct month_list list;
    enum result result = months_list(copying->from, copying->arena, &list);
    if (result != RESULT_OK)
        return result;
    struct months *months = months_new();
    for (size_t i = 0; i < list.count && result == RESULT_OK; i++)
        result = months_ensure(db, months_get(months, list.months[i]));
    months_free(months);
    return result;
}

static enum result prepare(struct db *db, void *context)
{
    struct copying *copying = context;
    enum result result = copying->again ? RESULT_OK : db_run(db, "DELETE FROM store_key", NULL, 0);
    if (result != RESULT_OK)
        return result;
    result = db_run(db,
                    "INSERT INTO copy_progress (table_name, row_count, last_key) VALUES ('', 0, $1) "
                    "ON CONFLICT DO NOTHING",
                    DB_ARGS(db_blob(copying->identity, sizeof copying->identity)));
    if (result == RESULT_OK)
        result = make_months(copying, db);
    return result == RESULT_OK ? copy_keys_aside(db) : result;
}

static enum result prepare_target(struct copying *copying)
{
    enum result result = look_at_target(copying);
    if (result == RESULT_OK)
        result = migrate_part(copying->to, DB_MAIN, copying->arena, copying->why);
    if (result != RESULT_OK)
        return result;
    if (copy_keys_off(copying->to) != RESULT_OK || db_transaction(copying->to, "copy", prepare, copying) != RESULT_OK)
        return say_target(copying, NULL);
    result = copy_tables_read(copying->to, copying->arena, &copying->targets, copying->why);
    for (size_t i = 0; i < copying->tables.count && result == RESULT_OK; i++) {
        const struct copy_table *table = &copying->tables.list[i],
                                *target = copy_tables_find(&copying->targets, table->name);
        if (!target || !copy_tables_match(table, target))
            return say(copying, RESULT_INVALID,
                       arena_printf(copying->arena,
                                    "%s has a table %s, which this version of Meishi has not, or with other columns. "
                                    "Nothing was copied.",
                                    copying->from_said, table->name));
    }
    return result;
}

/* ---- rows ---- */

struct batch {
    struct copying *copying;
    const struct copy_table *table;
    const struct copy_page *page;
    struct db_value key;
    int64_t rows; /* with this one */
};

static enum result write_batch(struct db *db, void *context)
{
    const struct batch *batch = context;
    enum result result =
        db->driver->append(db, batch->table->insert, batch->page->values, batch->table->count, batch->page->rows);
    if (result != RESULT_OK)
        return result;
    return db_run(
        db,
        "INSERT INTO copy_progress (table_name, row_count, last_key) VALUES ($1, $2, $3) ON CONFLICT (table_name) "
        "DO UPDATE SET row_count = excluded.row_count, last_key = excluded.last_key",
        DB_ARGS(db_text(batch->table->name), DB_INT(batch->rows), batch->key));
}

static enum result write_page(struct copying *copying, struct batch *batch)
{
    copying->to->lazy = true;
    enum result result = db_transaction(copying->to, "copy", write_batch, batch);
    copying->to->lazy = false;
    if (result != RESULT_OK)
        return say_target(copying, batch->table->name);
    return copying->to->driver->tidy(copying->to, false) == RESULT_OK ? RESULT_OK
                                                                      : say_target(copying, batch->table->name);
}

/* Where an earlier copy stopped: how many rows, and behind which key. */
static enum result read_note(struct copying *copying, const struct copy_table *table, struct arena *arena,
                             struct batch *out)
{
    struct db_rows *rows;
    enum result result = db_one(copying->to, "SELECT row_count, last_key FROM copy_progress WHERE table_name = $1",
                                DB_ARGS(db_text(table->name)), &rows);
    if (result == RESULT_OK) {
        size_t len;
        const void *key = db_column_bytes(rows, 1, &len);
        out->rows = db_column_int(rows, 0);
        out->key = db_blob(arena_memdup(arena, key, len), len);
    }
    db_finish(&rows);
    return result == RESULT_OK || result == RESULT_NOT_FOUND ? RESULT_OK : say_target(copying, table->name);
}

static enum result copy_table(struct copying *copying, const struct copy_table *table)
{
    struct batch batch = {.copying = copying, .table = copy_tables_find(&copying->targets, table->name)};
    struct arena arenas[2]; /* a page, and the key of the one before it */
    int limit = COPY_LIMIT_FIRST;
    arena_init(&arenas[0]);
    arena_init(&arenas[1]);
    enum result result = read_note(copying, table, &arenas[1], &batch);
    copying->progress.table = table->name;
    copying->progress.done += batch.rows;
    copying->out->rows_before += batch.rows;
    for (int turn = 0; result == RESULT_OK; turn ^= 1) {
        struct copy_page page;
        result = copy_page_read(copying->from, table, batch.rows ? &batch.key : NULL, limit, &arenas[turn], &page);
        if (result != RESULT_OK)
            result = say_source(copying);
        if (result != RESULT_OK || !page.rows)
            break;
        batch.page = &page;
        batch.key = copy_page_key(table, &page, &arenas[turn]);
        batch.rows += page.rows;
        result = write_page(copying, &batch);
        copying->progress.done += page.rows;
        tell(copying);
        limit = copy_page_limit(&page, limit);
        arena_reset(&arenas[turn ^ 1]);
    }
    arena_free(&arenas[0]);
    arena_free(&arenas[1]);
    return result;
}

static enum result count_rows(struct copying *copying)
{
    copying->progress = (struct copy_progress){.phase = COPY_ROWS};
    for (size_t i = 0; i < copying->tables.count; i++) {
        struct db_rows *rows;
        if (db_one(copying->from, copying->tables.list[i].count_rows, NULL, 0, &rows) != RESULT_OK)
            return say_source(copying);
        copying->progress.all += db_column_int(rows, 0);
        db_finish(&rows);
    }
    return RESULT_OK;
}

/* What lies in it already: the table of months was filled with its tables. */
static bool is_filled(const struct copy_table *table)
{
    return strcmp(table->name, "hit_months") == 0;
}

static enum result copy_all(struct copying *copying)
{
    enum result result = count_rows(copying);
    for (size_t i = 0; i < copying->tables.count && result == RESULT_OK; i++)
        if (!is_filled(&copying->tables.list[i]))
            result = copy_table(copying, &copying->tables.list[i]);
    return result;
}

/* ---- the proof ---- */

static void tell_checked(void *context, int64_t rows)
{
    struct copying *copying = context;
    copying->progress.done += rows;
    tell(copying);
}

/* OK, or INVALID when the two differ. */
static enum result compare(struct copying *copying, const struct copy_table *table, int64_t *out_rows)
{
    unsigned char here[COPY_HASH_SIZE], there[COPY_HASH_SIZE];
    int64_t rows;
    copying->progress.table = table->name;
    if (copy_table_sum(copying->from, table, tell_checked, copying, &rows, here) != RESULT_OK)
        return say_source(copying);
    if (copy_table_sum(copying->to, copy_tables_find(&copying->targets, table->name), tell_checked, copying, out_rows,
                       there) != RESULT_OK)
        return say_target(copying, table->name);
    if (rows == *out_rows && memcmp(here, there, sizeof here) == 0)
        return RESULT_OK;
    return say(copying, RESULT_INVALID,
               arena_printf(copying->arena,
                            "The table %s is not the same on both sides (%lld rows here, %lld there): the source was "
                            "changed meanwhile, or the target. Stop all servers and run it again.",
                            table->name, (long long)rows, (long long)*out_rows));
}

static enum result clear_table(struct db *db, void *context)
{
    const struct copy_table *table = context;
    enum result result = db_run(db, table->clear, NULL, 0);
    return result == RESULT_OK
               ? db_run(db, "DELETE FROM copy_progress WHERE table_name = $1", DB_ARGS(db_text(table->name)))
               : result;
}

/* The source was used between a copy that was cut off and this one. */
static enum result copy_again(struct copying *copying, const struct copy_table *table, int64_t *out_rows)
{
    struct copy_table target = *copy_tables_find(&copying->targets, table->name);
    log_info("copy-again", "table=%s", table->name);
    if (db_transaction(copying->to, "copy", clear_table, &target) != RESULT_OK)
        return say_target(copying, table->name);
    copying->out->tables_again++;
    enum result result = copy_table(copying, table);
    return result == RESULT_OK ? compare(copying, table, out_rows) : result;
}

/* Reads the source as it is now, not as it was when the copy began: so what came in after that is told. */
static enum result compare_all(struct copying *copying)
{
    enum result result = fold_source(copying), ended = copying->from->driver->end(copying->from, false);
    (void)ended; /* it only read */
    if (result == RESULT_OK)
        result = begin_reading(copying);
    copying->progress = (struct copy_progress){.phase = COPY_CHECK, .all = 2 * copying->progress.all};
    for (size_t i = 0; i < copying->tables.count && result == RESULT_OK; i++) {
        const struct copy_table *table = &copying->tables.list[i];
        int64_t rows;
        result = compare(copying, table, &rows);
        if (result == RESULT_INVALID && copying->again && !is_filled(table))
            result = copy_again(copying, table, &rows);
        copying->out->rows += rows;
        copying->out->tables++;
    }
    return result;
}

static enum result finish(struct db *db, void *context)
{
    (void)context;
    enum result result = copy_keys_back(db);
    return result == RESULT_OK ? db_run(db, "DELETE FROM copy_progress", NULL, 0) : result;
}

static enum result finish_target(struct copying *copying)
{
    enum result result = db_transaction(copying->to, "copy", finish, NULL);
    if (result == RESULT_INVALID)
        return say(copying, RESULT_INVALID,
                   "Rows of the source refer to others that are not there. Run meishi doctor on it.");
    if (result != RESULT_OK)
        return say_target(copying, NULL);
    return copying->to->driver->tidy(copying->to, true) == RESULT_OK ? RESULT_OK : say_target(copying, NULL);
}

static void close_sides(struct copying *copying)
{
    if (copying->to) {
        alone_give(copying->to);
        copying->to->driver->close(copying->to);
    }
    lock_release(copying->lock, true);
    if (copying->from)
        copying->from->driver->close(copying->from);
    if (copying->source)
        alone_give(copying->source->writer);
    store_close(copying->source);
}

enum result copy_refuse_unfinished(struct db *db, struct arena *arena, const char **why)
{
    struct db_rows *rows = NULL;
    bool begun;
    enum result result = copy_tables_has(db, "copy_progress", &begun);
    if (result == RESULT_OK && begun)
        result = db_one(db, "SELECT 1 FROM copy_progress LIMIT 1", NULL, 0, &rows);
    else if (result == RESULT_OK)
        result = RESULT_NOT_FOUND;
    db_finish(&rows);
    if (result == RESULT_NOT_FOUND)
        return RESULT_OK;
    *why = result == RESULT_OK
               ? "The store is an unfinished copy: run the same meishi copy again, which goes on where it stopped."
               : arena_printf(arena, "The database could not be read: %s.", db->driver->error(db));
    return RESULT_FAILED;
}

enum result store_copy(const struct copy_options *options, struct arena *arena, struct copy_outcome *out,
                       const char **why)
{
    struct copying copying = {.options = options,
                              .from_said = options->from_said ? options->from_said : options->from,
                              .to_said = options->to_said ? options->to_said : options->to,
                              .arena = arena,
                              .out = out,
                              .why = why};
    *out = (struct copy_outcome){0};
    *why = NULL;
    if (strcmp(options->from, options->to) == 0)
        return say(&copying, RESULT_DENIED, "The two are one store: a copy goes to another.");
    enum result result = open_source(&copying);
    if (result == RESULT_OK)
        result = open_target(&copying);
    if (result == RESULT_OK)
        result = prepare_target(&copying);
    if (result == RESULT_OK)
        result = copy_all(&copying);
    if (result == RESULT_OK)
        result = compare_all(&copying);
    if (result == RESULT_OK)
        result = finish_target(&copying);
    close_sides(&copying);
    return result;
}
