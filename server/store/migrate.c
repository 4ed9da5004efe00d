/* Brings a database to today's tables by the numbered files of migrations/, each in a transaction of its own together with
 * the row that says so: a crash leaves the old or the new shape, never one between. Goes forwards only.
 *
 * Where several processes share a database they come in one at a time (presence.c), so a step is applied once. Each step says
 * whether programs from before it can go on beside it (migrations.h). If not, it is refused while such a one is there; if it
 * can, that is noted in schema_beside, so that an older program which is started once more knows that it may. Steps that it
 * does not know and that are not in there it refuses. */
#include "server/store/migrate.h"
#include "server/store/migrations.h"

#include <string.h>
#include "server/ids.h"
#include "server/log.h"
#include "server/store/internal.h"
#include "server/store/presence.h"
#include "server/store/search.h"

/* Steps whose name begins so belong to the inbox. */
#define INBOX_PREFIX "inbox"

struct step {
    const struct migration *migration;
    enum db_part part;
};

static enum db_part part_of(const struct migration *migration)
{
    return strncmp(migration->name, INBOX_PREFIX, strlen(INBOX_PREFIX)) == 0 ? DB_INBOX : DB_MAIN;
}

static enum result prepare(struct db *db, void *context)
{
    (void)context;
    enum result result = db_run(db,
                                "CREATE TABLE IF NOT EXISTS schema_version "
                                "(number BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, applied_ms BIGINT NOT NULL)",
                                NULL, 0);
    if (result != RESULT_OK)
        return result;
    return db_run(db, "CREATE TABLE IF NOT EXISTS schema_beside (number BIGINT NOT NULL PRIMARY KEY)", NULL, 0);
}

/* OK when it stands in the database, NOT_FOUND when it is to be applied. */
static enum result find_step(struct db *db, int number)
{
    struct db_rows *rows;
    enum result result = db_one(db, "SELECT 1 FROM schema_version WHERE number = $1", DB_ARGS(DB_INT(number)), &rows);
    db_finish(&rows);
    return result;
}

static enum result apply(struct db *db, void *context)
{
    const struct step *step = context;
    enum result result = find_step(db, step->migration->number); /* another server may have had the lock before */
    if (result == RESULT_NOT_FOUND)
        result = db->driver->script(db, step->migration->sql);
    else
        return result;
    if (result != RESULT_OK)
        return result;
    result = db_run(db, "INSERT INTO schema_version (number, name, applied_ms) VALUES ($1, $2, $3)",
                    DB_ARGS(DB_INT(step->migration->number), db_text(step->migration->name), DB_INT(now_ms())));
    if (result == RESULT_OK && step->migration->beside_old)
        result = db_run(db, "INSERT INTO schema_beside (number) VALUES ($1)", DB_ARGS(DB_INT(step->migration->number)));
    if (result != RESULT_OK || step->part != DB_MAIN)
        return result;
    return search_prepare(db);
}

static enum result newest(struct db *db, int64_t *out)
{
    struct db_rows *rows;
    *out = 0;
    enum result result = db_one(db, "SELECT max(number) FROM schema_version", NULL, 0, &rows);
    if (result == RESULT_OK)
        *out = db_column_int(rows, 0);
    db_finish(&rows);
    return result;
}

static const char *failed_words(struct db *db, struct arena *arena)
{
    return arena_printf(arena,
                        "The database could not be brought up to date: %s. Nothing was changed; see to that and start "
                        "again.",
                        db->driver->error(db));
}

enum result migrate_find_newer(struct db *db, int64_t *out)
{
    struct db_rows *rows;
    int64_t number;
    *out = 0;
    enum result result = newest(db, &number);
    if (result != RESULT_OK || number <= migrations_count)
        return result;
    result = db_one(db,
                    "SELECT max(number) FROM schema_version WHERE number > $1 AND number NOT IN (SELECT number FROM "
                    "schema_beside)",
                    DB_ARGS(DB_INT(migrations_count)), &rows);
    if (result == RESULT_OK)
        *out = db_column_int(rows, 0);
    db_finish(&rows);
    return result;
}

static const char *unread_words(struct db *db, struct arena *arena)
{
    return arena_printf(arena,
                        "The database could not be read: %s. If it is damaged, put a backup in its place with "
                        "meishi restore FILE.",
                        db->driver->error(db));
}

static enum result refuse_newer(struct db *db, struct arena *arena, const char **why)
{
    int64_t number;
    if (migrate_find_newer(db, &number) != RESULT_OK) {
        *why = unread_words(db, arena);
        return RESULT_FAILED;
    }
    if (!number)
        return RESULT_OK;
    *why =
        arena_printf(arena,
                     "The database was written by a newer Meishi (its tables are at step %d, this program knows %d). "
                     "Install that version again, or put an older backup in its place with meishi restore FILE.",
                     (int)number, migrations_count);
    return RESULT_FAILED;
}

/* A step that older programs cannot go on beside waits for nobody: it says what to do. */
static enum result apply_step(struct db *db, struct step *step, struct arena *arena, const char **why)
{
    bool alone = step->migration->beside_old;
    enum result result = alone ? RESULT_OK : presence_alone(db);
    if (result == RESULT_BUSY) {
        *why =
            arena_printf(arena,
                         "This version changes the database (step %d, %s) in a way that servers of the version before "
                         "cannot work with, and such a one is running. Stop every meishi serve and meishi worker of "
                         "this database, then start this one.",
                         step->migration->number, step->migration->name);
        return RESULT_FAILED;
    }
    if (result == RESULT_OK)
        result = db_transaction(db, "migrate", apply, step);
    if (!alone)
        presence_not_alone(db);
    if (result != RESULT_OK)
        *why = failed_words(db, arena);
    return result;
}

enum result migrate_part(struct db *db, enum db_part part, struct arena *arena, const char **why)
{
    if (db_transaction(db, "migrate", prepare, NULL) != RESULT_OK) {
        *why = failed_words(db, arena);
        return RESULT_FAILED;
    }
    if (refuse_newer(db, arena, why) != RESULT_OK)
        return RESULT_FAILED;
    for (int i = 0; i < migrations_count; i++) {
        struct step step = {&migrations[i], part};
        if (part_of(step.migration) != part)
            continue;
        enum result result = find_step(db, step.migration->number);
        if (result == RESULT_OK)
            continue;
        if (result != RESULT_NOT_FOUND) {
            *why = failed_words(db, arena);
            return RESULT_FAILED;
        }
        if (apply_step(db, &step, arena, why) != RESULT_OK)
            return RESULT_FAILED;
        log_info("migrated", "number=%d name=%s", step.migration->number, step.migration->name);
    }
    return RESULT_OK;
}

enum result migrate_within(struct db *db, struct arena *arena, const char **why)
{
    enum result result = prepare(db, NULL);
    if (result == RESULT_OK && refuse_newer(db, arena, why) != RESULT_OK)
        return RESULT_FAILED;
    for (int i = 0; i < migrations_count && result == RESULT_OK; i++) {
        struct step step = {&migrations[i], part_of(&migrations[i])};
        result = apply(db, &step);
    }
    if (result == RESULT_OK)
        result = search_prepare(db);
    if (result != RESULT_OK)
        *why = failed_words(db, arena);
    return result == RESULT_OK ? RESULT_OK : RESULT_FAILED;
}

enum result migrate_check(struct db *db, enum db_part part, struct arena *arena, const char **why)
{
    if (refuse_newer(db, arena, why) != RESULT_OK)
        return RESULT_FAILED;
    for (int i = 0; i < migrations_count; i++) {
        enum result result = part_of(&migrations[i]) == part ? find_step(db, migrations[i].number) : RESULT_OK;
        if (result == RESULT_OK)
            continue;
        *why = result == RESULT_NOT_FOUND ? "The database is older than this program: start meishi serve or meishi "
                                            "migrate once, which bring it up to date."
                                          : unread_words(db, arena);
        return RESULT_FAILED;
    }
    return RESULT_OK;
}
