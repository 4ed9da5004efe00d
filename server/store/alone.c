/* See alone.h. */
#include "server/store/alone.h"

#include <unistd.h>

/* The database notices only a moment later that a process has gone. */
enum { KNOCK_US = 50 * 1000, KNOCKS = 20 };

_Static_assert(DB_LOCK_PRESENCE == 1, "its number stands in the query");

/* Who holds the lock beside us, as far as the server tells. A lock of one number is shown as two halves. */
static const char WHO[] =
    "SELECT count(*), min(l.pid), min(host(a.client_addr)) FROM pg_locks AS l LEFT JOIN pg_stat_activity AS a "
    "ON a.pid = l.pid WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted AND l.pid <> pg_backend_pid() AND "
    "(CAST(l.classid AS BIGINT) << 32) + CAST(l.objid AS BIGINT) = "
    "hashtextextended('meishi ' || current_schema() || ' 1 0', 0)";

static const char *who(struct db *db, struct arena *arena)
{
    struct db_rows *rows;
    if (db_one(db, WHO, NULL, 0, &rows) != RESULT_OK)
        return "another process has it";
    int64_t count = db_column_int(rows, 0), pid = db_column_int(rows, 1);
    const char *host = db_column_text(rows, 2, arena);
    db_finish(&rows);
    if (!count)
        return "a process of Meishi was just leaving it: try again";
    return arena_printf(arena, "%lld process%s of Meishi %s there (one by the database's backend %lld%s%s)",
                        (long long)count, count == 1 ? "" : "es", count == 1 ? "is" : "are", (long long)pid,
                        host ? ", from " : "", host ? host : "");
}

enum result alone_take(struct db *db, struct arena *arena, const char **why)
{
    if (!db->driver->shared)
        return RESULT_OK;
    enum result result = db->driver->hold(db, DB_LOCK_PRESENCE, 0, false);
    for (int knocks = 1; result == RESULT_BUSY && knocks < KNOCKS; knocks++) {
        usleep(KNOCK_US);
        result = db->driver->hold(db, DB_LOCK_PRESENCE, 0, false);
    }
    if (result == RESULT_BUSY) {
        *why = arena_printf(
            arena, "The database is in use: %s. Stop every meishi serve and meishi worker of this store first.",
            who(db, arena));
        return RESULT_CONFLICT;
    }
    if (result != RESULT_OK)
        *why = arena_printf(arena, "The database could not be asked who else is there: %s.", db->driver->error(db));
    return result == RESULT_OK ? RESULT_OK : RESULT_FAILED;
}

void alone_give(struct db *db)
{
    if (db->driver->shared)
        db->driver->release(db, DB_LOCK_PRESENCE, 0);
}
