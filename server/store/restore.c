/* Puts a backup in the place of an SQLite store. The copy is proved and made ready beside the old files first: whole, of a
 * known version, without anybody's session, with everything erased since it was made erased again, and whoever was shut
 * out since shut out. Only then do the
 * old files step aside, and they are kept. PostgreSQL's way is in
 * restore_postgres.c. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "server/ids.h"
#include "server/store/internal.h"
#include "server/store/lead_steps.h"
#include "server/store/lock.h"
#include "server/store/migrate.h"
#include "server/store/paths.h"
#include "server/store/restore.h"

struct restoring {
    struct arena *arena;
    const char *folder, *main, *inbox;
    const char *fresh;  /* the copy being made ready */
    const char *suffix; /* for the old files: ".before-MILLISECONDS" */
    const char **why;
    struct db *old; /* of what is being replaced, NULL when it cannot be read */
};

static enum result say(struct restoring *restoring, const char *words)
{
    *restoring->why = words;
    return RESULT_FAILED;
}

static enum result say_errno(struct restoring *restoring, const char *path)
{
    return say(restoring, arena_printf(restoring->arena, "%s: %s.", path, strerror(errno)));
}

static bool copy_bytes(int from, int to)
{
    char block[65536];
    ssize_t len;
    while ((len = read(from, block, sizeof block)) > 0)
        for (ssize_t done = 0, wrote; done < len; done += wrote)
            if ((wrote = write(to, block + done, (size_t)(len - done))) < 0)
                return false;
    return len == 0 && fsync(to) == 0;
}

static enum result copy_file(struct restoring *restoring, const char *path)
{
    int from = open(path, O_RDONLY | O_CLOEXEC);
    if (from < 0)
        return say_errno(restoring, path);
    int to = open(restoring->fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    enum result result = to >= 0 && copy_bytes(from, to) ? RESULT_OK : say_errno(restoring, restoring->fresh);
    if (to >= 0)
        close(to);
    close(from);
    return result;
}

/* ---- what the old store knows ---- */

/* A lost token was revoked, somebody left: a copy from before must not let them in again. */
static const struct {
    const char *read, *write;
} LOCKS[] = {
    {"SELECT id, disabled_ms, 0 FROM members WHERE disabled_ms IS NOT NULL",
     "UPDATE members SET disabled_ms = $2 WHERE id = $1 AND disabled_ms IS NULL"},
    {"SELECT member_id, revoked_ms, id FROM api_tokens WHERE revoked_ms IS NOT NULL",
     "UPDATE api_tokens SET revoked_ms = $2 WHERE member_id = $1 AND id = $3 AND revoked_ms IS NULL"},
};
enum { LOCK_COUNT = sizeof LOCKS / sizeof *LOCKS, ERASED = -1 };

static enum result carry(struct db *old, struct arena *arena, int lock, size_t *room, struct carried *out)
{
    struct db_rows *rows;
    const char *sql = lock == ERASED ? "SELECT hash, erased_ms FROM erased" : LOCKS[lock].read;
    enum result result = db_query(old, sql, NULL, 0, &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK) {
        out->rows = db_rows_grow(arena, out->rows, out->count, room, sizeof *out->rows);
        struct carried_row *row = &out->rows[out->count++];
        *row = (struct carried_row){.lock = lock};
        row->values[1] = DB_INT(db_column_int(rows, 1));
        if (lock == ERASED) {
            size_t len;
            const void *hash = db_column_bytes(rows, 0, &len);
            row->values[0] = db_blob(arena_memdup(arena, hash, len), len);
        } else {
            row->values[0] = DB_INT(db_column_int(rows, 0));
            row->values[2] = DB_INT(db_column_int(rows, 2));
        }
    }
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : RESULT_FAILED;
}

/* What was erased since the backup was made is known to the store that is being replaced. */
enum result restore_carry(struct db *old, struct arena *arena, struct carried *out)
{
    size_t room = 0;
    enum result result = RESULT_OK;
    *out = (struct carried){0};
    for (int lock = ERASED; lock < LOCK_COUNT && result == RESULT_OK; lock++)
        result = carry(old, arena, lock, &room, out);
    return result;
}

enum result restore_make_ready(struct db *db, const struct carried *carried)
{
    static const char *const forget[] = {
        "DELETE FROM sessions", "DELETE FROM sign_in_links", "DELETE FROM idempotency",
        "DELETE FROM day_salts" /* of days that are over */
    };
    enum result result = RESULT_OK;
    for (size_t i = 0; i < sizeof forget / sizeof *forget && result == RESULT_OK; i++)
        result = db_run(db, forget[i], NULL, 0);
    for (size_t i = 0; i < carried->count && result == RESULT_OK; i++) {
        const struct carried_row *row = &carried->rows[i];
        if (row->lock == ERASED)
            result = db_run(db, "INSERT INTO erased (hash, erased_ms) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                            row->values, 2);
        else
            result = db_run(db, LOCKS[row->lock].write, row->values, 3);
    }
    return result == RESULT_OK ? lead_erase_again(NULL, db, now_ms()) : result;
}

/* ---- the files of SQLite ---- */

static enum result make_ready(struct db *db, void *context)
{
    struct restoring *restoring = context;
    struct carried carried = {0};
    if (restoring->old) {
        /* Unreadable is what a restore is for: then the backup's own list must do. */
        enum result result = restore_carry(restoring->old, restoring->arena, &carried);
        if (result != RESULT_OK && !restoring->old->broken)
            return result;
    }
    enum result result = db_run(db, "DELETE FROM fold_mark", NULL, 0); /* of an inbox that will not be there */
    return result == RESULT_OK ? restore_make_ready(db, &carried) : result;
}

static enum result prove(struct restoring *restoring, struct db *db, const char *path)
{
    int64_t tables = 0;
    struct db_rows *rows;
    enum result result = db->driver->check(db, true);
    if (result == RESULT_OK)
        result =
            db_one(db, "SELECT count(*) FROM sqlite_master WHERE name IN ('schema_version', 'members', 'hit_months')",
                   NULL, 0, &rows);
    if (result == RESULT_OK) {
        tables = db_column_int(rows, 0);
        db_finish(&rows);
    }
    if (result != RESULT_OK)
        return say(restoring, arena_printf(restoring->arena, "%s is damaged (%s): nothing was changed.", path,
                                           db->driver->error(db)));
    if (tables != 3)
        return say(restoring, arena_printf(restoring->arena, "%s is no backup of Meishi: nothing was changed.", path));
    result = migrate_part(db, DB_MAIN, restoring->arena, restoring->why);
    if (result != RESULT_OK)
        return result;
    if (db_transaction(db, "restore", make_ready, restoring) != RESULT_OK)
        return say(restoring, "The copy could not be made ready. The log says why; nothing was changed.");
    return db->driver->tidy(db, true);
}

static void drop_beside(struct restoring *restoring, const char *path)
{
    unlink(arena_printf(restoring->arena, "%s-wal", path));
    unlink(arena_printf(restoring->arena, "%s-shm", path));
}

static enum result prepare_copy(struct restoring *restoring, const char *url, const char *path)
{
    enum result result = copy_file(restoring, path);
    if (result != RESULT_OK)
        return result;
    const struct db_driver *driver = db_driver_of(url);
    struct db *db;
    const char *fresh_url = arena_printf(restoring->arena, "sqlite:%s", restoring->fresh);
    result = driver->open(fresh_url, DB_MAIN, DB_WRITE, &db);
    if (result != RESULT_OK)
        return say(restoring,
                   arena_printf(restoring->arena, "%s is damaged or no database: nothing was changed.", path));
    if (driver->open(url, DB_MAIN, DB_READ, &restoring->old) != RESULT_OK)
        restoring->old = NULL;
    result = prove(restoring, db, path);
    if (restoring->old)
        driver->close(restoring->old);
    driver->close(db);
    drop_beside(restoring, restoring->fresh);
    return result;
}

static enum result step_aside(struct restoring *restoring, const char *path)
{
    const char *kept = arena_printf(restoring->arena, "%s%s", path, restoring->suffix);
    if (rename(path, kept) < 0 && errno != ENOENT)
        return say_errno(restoring, kept);
    return RESULT_OK;
}

/* The WAL goes first: with another main file it would be poison. A crash between these steps leaves either the old main
 * file, without what its WAL held, or none, or the new one; the old files are all there under their other names. */
static enum result swap(struct restoring *restoring)
{
    const char *const old[] = {
        arena_printf(restoring->arena, "%s-wal", restoring->main),
        arena_printf(restoring->arena, "%s-shm", restoring->main),
        arena_printf(restoring->arena, "%s-wal", restoring->inbox),
        arena_printf(restoring->arena, "%s-shm", restoring->inbox),
        restoring->inbox,
        restoring->main,
    };
    for (size_t i = 0; i < sizeof old / sizeof *old; i++) {
        enum result result = step_aside(restoring, old[i]);
        if (result != RESULT_OK)
            return result;
    }
    if (rename(restoring->fresh, restoring->main) < 0)
        return say_errno(restoring, restoring->main);
    int folder = open(restoring->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = folder >= 0 && fsync(folder) == 0;
    if (folder >= 0)
        close(folder);
    return synced ? RESULT_OK : say_errno(restoring, restoring->folder);
}

/* What the old store's WAL holds is moved into its files first, so that what is kept beside is whole. */
static void settle_old(const char *url, enum db_part part)
{
    struct db *db;
    if (db_driver_of(url)->open(url, part, DB_WRITE, &db) != RESULT_OK)
        return; /* damaged: kept as it is */
    enum result result = db->driver->tidy(db, true);
    (void)result;
    db->driver->close(db);
}

enum result store_restore(const char *url, const char *path, bool replace, struct arena *arena, const char **kept,
                          const char **why)
{
    struct restoring restoring = {.arena = arena, .why = why, .folder = paths_folder(url, arena)};
    *kept = *why = NULL;
    if (db_driver_of(url) == &db_postgres)
        return restore_postgres(url, path, replace, arena, kept, why);
    if (replace)
        return say(&restoring, "--replace is for PostgreSQL: here the old files are kept and are yours to remove.");
    if (!restoring.folder)
        return say(&restoring, "MEISHI_STORE is no store this program knows.");
    restoring.main = paths_file(url, DB_MAIN, arena);
    restoring.inbox = paths_file(url, DB_INBOX, arena);
    restoring.suffix = arena_printf(arena, ".before-%lld", (long long)now_ms());
    restoring.fresh =
        arena_printf(arena, "%.*s-restoring.db", (int)(strlen(restoring.main) - strlen(".db")), restoring.main);
    struct store_lock *lock;
    bool clean;
    enum result result = lock_take(url, arena, &lock, &clean, why);
    if (result != RESULT_OK)
        return result;
    if (access(restoring.main, F_OK) == 0) {
        *kept = arena_printf(arena, "%s%s", restoring.main, restoring.suffix);
        settle_old(url, DB_MAIN);
        settle_old(url, DB_INBOX);
    }
    result = prepare_copy(&restoring, url, path);
    if (result == RESULT_OK)
        result = swap(&restoring);
    else
        unlink(restoring.fresh);
    lock_release(lock, result == RESULT_OK || clean);
    return result == RESULT_OK ? RESULT_OK : RESULT_FAILED;
}
