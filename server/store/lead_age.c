/* How long a visitor without a name stays in a list. A potential lead of a visit is not much more than that visit: a moment and a
 * share. So where single visits are forgotten after some months, it goes with them, and the numbers of visits stay.
 *
 * Kept is what somebody made of it: a member who wrote a note, promised to follow up, moved it on or sent the share to a name; a
 * visitor who passed the card on, or came again within the months that are kept. Programs that keep a copy of the leads read in
 * the feed that it is gone; webhooks are not called, since thousands may go at once and nobody asked for it. */
#include "cards/base/id.h"
#include "server/store/internal.h"
#include "server/store/lead_steps.h"
#include "server/store/outbox.h"

enum { STEP_LEADS = 50, OWNERS_A_LOOK = 500 };

struct aging {
    struct store *store;
    int64_t before_id, now_ms; /* before_id: no hit from before it is kept */
    int64_t owner_id;          /* of whom there is something to forget; 0: of nobody */
    int64_t after_owner_id;    /* who were looked at */
    int64_t after_id, last_id; /* of the owner: the hits whose leads are forgotten, and of the running step the last */
    bool more;
};

struct old {
    int64_t hit_id, lead_id;
};

/* $1 owner, $2 and $3 between which hits, $4 since when visits are kept, $5 how many. */
static const char FORGOTTEN[] =
    "SELECT l.visitor_hit_id, l.id FROM leads AS l WHERE l.owner_id = $1 AND l.visitor_hit_id > $2 AND "
    "l.visitor_hit_id < $3 AND l.tray = 2 AND l.recipient IS NULL AND NOT EXISTS (SELECT 1 FROM lead_moments AS m "
    "WHERE m.owner_id = $1 AND m.lead_id = l.id AND (m.at_ms >= $4 OR m.kind NOT IN ('scan', 'seen', 'saved', 'told'))) "
    "AND NOT EXISTS (SELECT 1 FROM follow_ups AS f WHERE f.owner_id = $1 AND f.lead_id = l.id) AND NOT EXISTS (SELECT 1 "
    "FROM receipts AS r WHERE r.owner_id = $1 AND r.lead_id = l.id) AND NOT EXISTS (SELECT 1 FROM shares AS s WHERE "
    "s.owner_id = $1 AND s.sharer_hit_id = l.visitor_hit_id) ORDER BY l.visitor_hit_id LIMIT $5";

static enum result find_old(struct db *db, const struct aging *aging, int64_t owner_id, size_t max, struct old *out,
                            size_t *count)
{
    struct db_rows *rows;
    *count = 0;
    enum result result = db_query(db, FORGOTTEN,
                                  DB_ARGS(DB_INT(owner_id), DB_INT(aging->after_id), DB_INT(aging->before_id),
                                          DB_INT(id_time_ms(aging->before_id)), DB_INT((int64_t)max)),
                                  &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK)
        out[(*count)++] = (struct old){db_column_int(rows, 0), db_column_int(rows, 1)};
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

/* Looks at the next owners without a turn to write, which most of the time nobody needs. */
static enum result look_for_owner(struct db *db, void *context)
{
    struct aging *aging = context;
    int64_t owners[OWNERS_A_LOOK];
    struct old first;
    size_t count = 0, found = 0;
    struct db_rows *rows;
    enum result result = db_query(db, "SELECT id FROM members WHERE id > $1 ORDER BY id LIMIT $2",
                                  DB_ARGS(DB_INT(aging->after_owner_id), DB_INT(OWNERS_A_LOOK)), &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK)
        owners[count++] = db_column_int(rows, 0);
    db_finish(&rows);
    if (result == RESULT_NOT_FOUND)
        result = RESULT_OK;
    aging->owner_id = aging->after_id = 0;
    for (size_t i = 0; i < count && !found && result == RESULT_OK; i++) {
        result = find_old(db, aging, owners[i], 1, &first, &found);
        aging->after_owner_id = owners[i];
        aging->owner_id = found ? owners[i] : 0;
    }
    aging->more = count == OWNERS_A_LOOK || found;
    return result;
}

static enum result forget_lead(struct store *store, struct db *db, int64_t owner_id, int64_t lead_id, int64_t now_ms)
{
    const struct db_value args[] = {DB_INT(owner_id), DB_INT(lead_id)};
    enum result result = outbox_erase(store, db, owner_id, lead_id, now_ms);
    if (result == RESULT_OK)
        result = db_run(db, "UPDATE events SET body = '' WHERE owner_id = $1 AND lead_id = $2", args, 2);
    if (result == RESULT_OK)
        result = db_run(db, "DELETE FROM lead_moments WHERE owner_id = $1 AND lead_id = $2", args, 2);
    if (result == RESULT_OK)
        result = db_run(db, "DELETE FROM leads WHERE owner_id = $1 AND id = $2", args, 2);
    return result == RESULT_OK ? lead_gone(db, owner_id, lead_id) : result;
}

/* They are found once more: a form may have come meanwhile. */
static enum result forget_some(struct db *db, void *context)
{
    struct aging *aging = context;
    struct old old[STEP_LEADS];
    size_t count;
    enum result result = find_old(db, aging, aging->owner_id, STEP_LEADS, old, &count);
    for (size_t i = 0; i < count && result == RESULT_OK; i++)
        result = forget_lead(aging->store, db, aging->owner_id, old[i].lead_id, aging->now_ms);
    if (count)
        aging->last_id = old[count - 1].hit_id;
    aging->more = count == STEP_LEADS;
    return result;
}

enum result leads_forget_visits(struct store *store, int64_t before_id, int64_t now_ms)
{
    struct aging aging = {.store = store, .before_id = before_id, .now_ms = now_ms};
    enum result result;
    bool any = false, more;
    do {
        result = store_read(store, look_for_owner, &aging);
        more = aging.more;
        any |= aging.owner_id != 0;
        for (aging.more = aging.owner_id != 0; result == RESULT_OK && aging.more; aging.after_id = aging.last_id) {
            result = store_write(store, "forget-visits", forget_some, &aging);
            store_tidy(store, false);
        }
    } while (result == RESULT_OK && more);
    if (any)
        store_tidy(store, true); /* the log of writes still holds what was overwritten in the file */
    return result;
}
