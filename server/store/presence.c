/* How a process comes to a database that several share. They come in one at a time: who is at the door holds a lock while it
 * brings the tables up to date, then notes that it is there, and opens the door to the next. So whoever finds somebody there
 * when a step is still to be applied knows that they are of a version before that step.
 *
 * All of it is held as long as the connection lasts, so a process that dies leaves nothing behind. It also takes a number that
 * nobody else has: what it makes its ids of (server/ids.h). */
#include <unistd.h>
#include "server/ids.h"
#include "server/log.h"
#include "server/store/presence.h"
#include "server/store/internal.h"

enum { KNOCK_US = 50 * 1000, KNOCKS_UNTIL_TOLD = 40 };

enum result presence_come(struct db *db)
{
    if (!db->driver->shared)
        return RESULT_OK;
    for (int knocks = 1;; knocks++) {
        enum result result = db->driver->hold(db, DB_LOCK_MIGRATION, 0, false);
        if (result != RESULT_BUSY)
            return result;
        if (knocks == KNOCKS_UNTIL_TOLD)
            log_info("migrate-wait", "words=\"another process is bringing the database up to date\"");
        usleep(KNOCK_US);
    }
}

/* From a random one on, so that few are asked for in vain. */
static enum result take_node(struct db *db)
{
    int32_t first = (int32_t)(random_u64() % ID_NODES);
    for (int32_t i = 0; i < ID_NODES; i++) {
        int32_t node = (first + i) % ID_NODES;
        enum result result = db->driver->hold(db, DB_LOCK_NODE, node, false);
        if (result == RESULT_OK)
            id_set_node(node);
        if (result != RESULT_BUSY)
            return result;
    }
    return RESULT_LIMITED;
}

enum result presence_stay(struct db *db)
{
    if (!db->driver->shared)
        return RESULT_OK;
    enum result result = take_node(db);
    if (result == RESULT_OK)
        result = db->driver->hold(db, DB_LOCK_PRESENCE, 0, true);
    db->driver->release(db, DB_LOCK_MIGRATION, 0);
    return result;
}

enum result presence_alone(struct db *db)
{
    return db->driver->shared ? db->driver->hold(db, DB_LOCK_PRESENCE, 0, false) : RESULT_OK;
}

void presence_not_alone(struct db *db)
{
    if (db->driver->shared)
        db->driver->release(db, DB_LOCK_PRESENCE, 0);
}
