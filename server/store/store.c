/* Opening and closing the store, and lending its connections: one that writes, in turns, and a pool that reads. Knows of
 * no subject; those are in the files named after them. */
#include "server/store/store.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include "server/ids.h"
#include "server/log.h"
#include "server/store/changes_inside.h"
#include "server/store/copy.h"
#include "server/store/guards.h"
#include "server/store/hit_log.h"
#include "server/store/internal.h"
#include "server/store/lock.h"
#include "server/store/migrate.h"
#include "server/store/outbox.h"
#include "server/store/paths.h"
#include "server/store/presence.h"
#include "server/store/replica.h"
#include "server/store/store_key.h"

enum {
    READERS_DEFAULT = 4,
    TURN_PATIENCE = 2, /* one waits so much longer for a turn to write than for a connection: a fold takes its time */
    /* After a crash a main file up to this size is looked over before it is served, within some tens of milliseconds;
     * a larger one would make visitors wait, so it is left to meishi doctor and to the engine's own checks as it reads. */
    CHECK_AT_START_MAX = 8 << 20
};

/* ---- lending connections ---- */

void store_broken(struct store *store)
{
    if (atomic_exchange(&store->broken, true))
        return;
    log_error("store-broken", "words=\"nothing more is acknowledged until the next start\"");
    if (store->on_broken)
        store->on_broken(store->broken_context);
}

static void note_write(struct store *store, enum result result)
{
    if (result == RESULT_FAILED)
        atomic_fetch_add(&store->write_failures, 1);
    if (result == RESULT_FAILED || result == RESULT_OK)
        atomic_store(&store->last_write_failed, result == RESULT_FAILED);
}

static enum result write_so(struct store *store, const char *name, db_body *body, void *context, bool lazy)
{
    if (!store->writer || atomic_load(&store->broken))
        return RESULT_FAILED;
    struct writing writing = {store, body, context, once_of_thread(&store->onces)};
    if (!turns_take(&store->writing, TURN_PATIENCE * store->driver->patience_ms)) {
        log_warning("store-busy", "verb=%s words=\"others were writing for too long\"", name);
        return RESULT_FAILED;
    }
    store->writer->lazy = lazy;
    enum result result = db_transaction(store->writer, name, changes_write, &writing);
    store->writer->lazy = false;
    if (result == RESULT_OK)
        changes_tell(store, store->noted, store->noted_count, store->outbox_filled);
    for (int state = 0; state < DELIVERY_STATE_COUNT && result == RESULT_OK; state++)
        atomic_fetch_add(&store->ended_so[state], store->ended[state]);
    bool broken = store->writer->broken;
    atomic_store(&store->forgets, store->writer->forgets);
    turns_give(&store->writing);
    note_write(store, result);
    if (broken)
        store_broken(store);
    return result;
}

enum result store_write(struct store *store, const char *name, db_body *body, void *context)
{
    return write_so(store, name, body, context, false);
}

enum result store_write_lazily(struct store *store, const char *name, db_body *body, void *context)
{
    return write_so(store, name, body, context, true);
}

/* In its turn, which it gives back. */
static void tidy(struct store *store, bool idle)
{
    enum result result = store->writer->driver->tidy(store->writer, idle);
    bool broken = store->writer->broken;
    if (idle) /* still in its turn, or the word of an earlier one might come last */
        atomic_store(&store->tidy_again, result == RESULT_BUSY);
    turns_give(&store->writing);
    if (result == RESULT_FAILED) /* an OK may mean that there was nothing to do */
        note_write(store, result);
    if (broken)
        store_broken(store);
}

void store_tidy(struct store *store, bool idle)
{
    if (!store->writer || atomic_load(&store->broken))
        return;
    if (turns_take(&store->writing, TURN_PATIENCE * store->driver->patience_ms))
        tidy(store, idle);
}

static void give_back(struct store *store, struct db *db)
{
    bool broken = db->broken;
    pool_give(&store->readers, db);
    if (broken)
        store_broken(store);
    /* What was erased must leave the log too; but no reader waits for a writer's turn on that account. */
    if (atomic_load(&store->tidy_again) && !atomic_load(&store->broken) && turns_try(&store->writing))
        tidy(store, true);
}

enum result store_read_begin(struct store *store, struct db **out)
{
    enum result result = pool_begin(&store->readers, out);
    if (result != RESULT_OK && *out) {
        give_back(store, *out);
        *out = NULL;
    }
    return result;
}

void store_read_end(struct store *store, struct db *db)
{
    enum result result = db->driver->end(db, false);
    (void)result; /* a snapshot that could not be ended well was read all the same */
    if (db->standby)
        pool_give(&store->replica.pool, db);
    else
        give_back(store, db);
}

enum result store_read(struct store *store, db_body *body, void *context)
{
    struct db *db;
    enum result result = store_read_begin(store, &db);
    if (result != RESULT_OK)
        return result;
    result = body(db, context);
    store_read_end(store, db);
    return result == RESULT_BUSY ? RESULT_FAILED : result;
}

/* ---- opening ---- */

static char *copy_text(const char *text)
{
    char *copy = strdup(text ? text : "");
    if (!copy)
        abort();
    return copy;
}

static struct store *store_new(const struct store_options *options, const struct db_driver *driver)
{
    struct store *store = calloc(1, sizeof *store);
    if (!store)
        abort();
    store->driver = driver;
    store->url = copy_text(options->url);
    store->base_url = copy_text(options->base_url);
    if (options->seal_key)
        memcpy(store->seal_key, options->seal_key, sizeof store->seal_key);
    store->read_only = options->read_only;
    store->patient = options->patient;
    store->keep_hits_months = options->keep_hits_months;
    store->on_broken = options->on_broken;
    store->broken_context = options->broken_context;
    turns_init(&store->writing);
    pthread_mutex_init(&store->tell_lock, NULL);
    once_init(&store->onces);
    int readers = options->readers > 0 ? options->readers : READERS_DEFAULT;
    if (readers > STORE_READERS_MAX)
        readers = STORE_READERS_MAX;
    pool_init(&store->readers, driver, store->url, readers, store->patient);
    replica_open(&store->replica, driver, options->read_url, readers);
    return store;
}

static const char *place_of(const struct store *store, enum db_part part, struct arena *arena)
{
    const char *file = paths_file(store->url, part, arena);
    return file ? file : "The database";
}

static enum result open_part(struct store *store, enum db_part part, enum db_mode mode, struct arena *arena,
                             struct db **out, const char **why)
{
    enum result result = store->driver->open(store->url, part, mode, out);
    if (result == RESULT_OK) {
        (*out)->patient = store->patient;
        atomic_store(&store->forgets, (*out)->forgets);
        return RESULT_OK;
    }
    *why = store->driver->explain(store->url, part, mode, result, arena);
    return RESULT_FAILED;
}

static bool is_small(const struct store *store, struct arena *arena)
{
    const char *file = paths_file(store->url, DB_MAIN, arena);
    struct stat info;
    return file && stat(file, &info) == 0 && info.st_size <= CHECK_AT_START_MAX;
}

static enum result open_to_read(struct store *store, const struct store_options *options, struct arena *arena,
                                const char **why)
{
    struct db *db;
    if (open_part(store, DB_MAIN, DB_READ, arena, &db, why) != RESULT_OK)
        return RESULT_FAILED;
    pool_adopt(&store->readers, db);
    enum result result = copy_refuse_unfinished(db, arena, why);
    if (result == RESULT_OK)
        result = migrate_check(db, DB_MAIN, arena, why);
    if (result == RESULT_OK && options->seal_key)
        result = store_key_check(db, options->seal_key, false, false, why);
    if (result != RESULT_OK || hits_open(store, &store->hits) == RESULT_OK)
        return result;
    *why = "The hits that wait in the inbox could not be read. The log says why.";
    return RESULT_FAILED;
}

static enum result migrate_inbox(struct store *store, struct arena *arena, const char **why)
{
    struct db *inbox;
    if (open_part(store, DB_INBOX, DB_WRITE, arena, &inbox, why) != RESULT_OK)
        return RESULT_FAILED;
    enum result result = migrate_part(inbox, DB_INBOX, arena, why);
    inbox->driver->close(inbox);
    return result;
}

static enum result open_to_write(struct store *store, const struct store_options *options, struct arena *arena,
                                 const char **why)
{
    enum result result = lock_take(store->url, arena, &store->lock, &store->clean, why);
    if (result != RESULT_OK)
        return result;
    if (open_part(store, DB_MAIN, DB_WRITE, arena, &store->writer, why) != RESULT_OK)
        return RESULT_FAILED;
    if (!store->clean && is_small(store, arena) && store->driver->check(store->writer, false) != RESULT_OK) {
        *why = arena_printf(arena,
                            "%s was not closed well and is damaged (%s). Put a backup in its place with "
                            "meishi restore FILE.",
                            place_of(store, DB_MAIN, arena), store->driver->error(store->writer));
        return RESULT_FAILED;
    }
    store->clean = true;
    if (presence_come(store->writer) != RESULT_OK) {
        *why = "The database could not be locked for this version's tables. The log says why.";
        return RESULT_FAILED;
    }
    if (copy_refuse_unfinished(store->writer, arena, why) != RESULT_OK)
        return RESULT_FAILED;
    if (migrate_part(store->writer, DB_MAIN, arena, why) != RESULT_OK || migrate_inbox(store, arena, why) != RESULT_OK)
        return RESULT_FAILED;
    if (options->seal_key &&
        store_key_check(store->writer, options->seal_key, true, options->accepts_key, why) != RESULT_OK)
        return RESULT_FAILED;
    store->alone_ms = presence_alone(store->writer) == RESULT_OK ? now_ms() : 0;
    if (store->alone_ms && db_transaction(store->writer, "idempotency-release", answers_let_go, NULL) != RESULT_OK) {
        *why = "What was under way when the last process ended could not be let go. The log says why.";
        return RESULT_FAILED;
    }
    presence_not_alone(store->writer);
    result = presence_stay(store->writer);
    if (result != RESULT_OK) {
        *why =
            result == RESULT_LIMITED ? "As many processes use this database as there may be."
            : result == RESULT_BUSY
                ? "The database is being copied, restored or brought to a new version: start again when that is done."
                : "The database did not note that this process is there. The log says why.";
        return RESULT_FAILED;
    }
    if (hits_open(store, &store->hits) == RESULT_OK)
        return RESULT_OK;
    *why =
        "The hits that wait in the inbox could not be read or folded. The log says why; see to the space on the disk.";
    return RESULT_FAILED;
}

static void give_up(struct store *store)
{
    replica_close(&store->replica);
    pool_destroy(&store->readers);
    if (store->writer)
        store->writer->driver->close(store->writer);
    lock_release(store->lock, store->clean && !atomic_load(&store->broken));
    pthread_mutex_destroy(&store->tell_lock);
    once_destroy(&store->onces);
    turns_destroy(&store->writing);
    free(store->url);
    free(store->base_url);
    explicit_bzero(store->seal_key, sizeof store->seal_key);
    outbox_forget_wants(store);
    free(store);
}

bool store_is_shared(const struct store *store)
{
    return store->driver->shared;
}

const char *store_base_url(const struct store *store)
{
    return store->base_url;
}

enum result store_open(const struct store_options *options, struct arena *arena, struct store **out, const char **why)
{
    *out = NULL;
    *why = NULL;
    const struct db_driver *driver = options->driver ? options->driver : db_driver_of(options->url);
    if (!driver) {
        *why = "MEISHI_STORE is no store this program knows: write sqlite:FOLDER, sqlite:FILE.db or "
               "postgres://USER@HOST/DATABASE.";
        return RESULT_FAILED;
    }
    if (db_driver_of(options->url) == &db_sqlite && !paths_folder(options->url, arena)) {
        *why = "There is no home folder to keep the store in: set MEISHI_STORE to sqlite:FOLDER.";
        return RESULT_FAILED;
    }
    if (driver == &db_postgres && options->unsafe)
        driver = &db_postgres_unsafe;
    struct store *store = store_new(options, driver);
    enum result result =
        store->read_only ? open_to_read(store, options, arena, why) : open_to_write(store, options, arena, why);
    if (result == RESULT_OK) {
        *out = store;
        return RESULT_OK;
    }
    give_up(store);
    return result == RESULT_CONFLICT ? RESULT_CONFLICT : RESULT_FAILED;
}

enum result store_start(struct store *store)
{
    return store->hits ? hits_start(store->hits) : RESULT_FAILED;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    watch_close(store->watch);
    hits_close(store->hits);
    store->hits = NULL;
    store_tidy(store, true);
    give_up(store);
}

/* ---- health ---- */

static enum result read_something(struct db *db, void *context)
{
    (void)context;
    struct db_rows *rows;
    enum result result = db_one(db, "SELECT max(number) FROM schema_version", NULL, 0, &rows);
    db_finish(&rows);
    return result;
}

static enum result write_something(struct db *db, void *context)
{
    const int64_t *now = context;
    return db_run(db,
                  "INSERT INTO throttles (key, opened_ms, tries) VALUES ('ping', $1, 1) "
                  "ON CONFLICT (key) DO UPDATE SET opened_ms = excluded.opened_ms",
                  DB_ARGS(DB_INT(*now)));
}

enum result store_ping(struct store *store)
{
    if (atomic_load(&store->broken))
        return RESULT_FAILED;
    enum result result = store_read(store, read_something, NULL);
    if (result != RESULT_OK || store->read_only)
        return result;
    /* Writing for the sake of an answer is dear: only while the last write failed, to see whether space is back. */
    if (!atomic_load(&store->last_write_failed))
        return RESULT_OK;
    int64_t now = now_ms();
    return store_write(store, "ping", write_something, &now);
}

const char *store_forgets(struct store *store)
{
    return atomic_load(&store->forgets);
}

enum result store_sync(struct store *store)
{
    int64_t now = now_ms();
    return store_write(store, "sync", write_something, &now);
}

void store_figures(struct store *store, struct store_figures *out)
{
    *out = (struct store_figures){0};
    if (store->hits)
        hits_figures(store->hits, out);
    out->write_failures += atomic_load(&store->write_failures);
    pool_figures(&store->readers, out);
    replica_figures(&store->replica, out);
    out->clock_ahead_ms = atomic_load(&store->clock_ahead_ms);
}

const char *store_folder(const char *url, struct arena *arena)
{
    return paths_folder(url, arena);
}

const char *store_key_folder(const char *url, struct arena *arena)
{
    const struct db_driver *driver = db_driver_of(url);
    return driver == &db_sqlite ? paths_folder(url, arena) : driver ? paths_data_folder(arena) : NULL;
}

enum result store_is_made(const char *url, struct arena *arena, const char **why)
{
    struct stat about;
    struct db *db;
    const struct db_driver *driver = db_driver_of(url);
    const char *path = paths_file(url, DB_MAIN, arena);
    if (path || !driver)
        return path && stat(path, &about) == 0 && about.st_size > 0 ? RESULT_OK : RESULT_NOT_FOUND;
    enum result result = driver->open(url, DB_MAIN, DB_READ, &db);
    if (result == RESULT_OK)
        db->driver->close(db);
    else if (result != RESULT_NOT_FOUND) {
        *why = driver->explain(url, DB_MAIN, DB_READ, result, arena);
        return RESULT_FAILED;
    }
    return result;
}

/* ---- a copy ---- */

enum result store_backup(struct store *store, const char *path, struct arena *arena, const char **why)
{
    *why = NULL;
    if (store->read_only) {
        *why = "A backup needs the store open for writing, because hits in the inbox are folded first.";
        return RESULT_FAILED;
    }
    if (store_fold_now(store) != RESULT_OK) {
        *why = "The hits in the inbox could not be folded, so a copy would miss them. The log says why.";
        return RESULT_FAILED;
    }
    struct db *db;
    if (pool_borrow(&store->readers, &db) != RESULT_OK) {
        *why = "The database could not be opened once more for reading. The log says why.";
        return RESULT_FAILED;
    }
    enum result result = db->driver->copy_to(db, path);
    if (result == RESULT_CONFLICT)
        *why = "There is a file of that name already, and a backup never overwrites one.";
    else if (result != RESULT_OK)
        *why = arena_printf(arena, "The copy could not be written (%s): see to the folder and the space on its disk.%s",
                            db->driver->error(db),
                            db->driver->shared ? "" : " A server that runs writes it itself, as its own user.");
    give_back(store, db);
    return result == RESULT_OK || result == RESULT_CONFLICT ? result : RESULT_FAILED;
}
