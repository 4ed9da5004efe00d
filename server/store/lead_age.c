/* How long a visitor without a name stays in a list. A potential lead of a visit is not much more than that visit: a moment and a
 * share. So where single visits are forgotten after some months, it goes with them, and the numbers of visits stay.
 *
 * Kept is what somebody made of it: a member who wrote a note, promised to follow up, moved it on or sent the share to a name; a
 * visitor who passed the card on, or came again within the months that are kept. Programs that keep a copy of the leads read in
 * the feed that it is gone; webhooks are not called, since thousands may go at once and nobody asked for it. */
#include "cards/base/id.h"
#include "server/ids.h"
#include "server/store/internal.h"
#include "server/store/lead_steps.h"
#include "server/store/outbox.h"

enum { STEP_LEADS = 500, OWNERS_A_LOOK = 500 };

struct aging {
    struct store *store;
    int64_t before_id, now_ms;     /* before_id: no hit from before it is kept */
    int64_t owners[OWNERS_A_LOOK]; /* of whom there is something to forget, */
    size_t owner_count, looked_at; /* of so many, */
    int64_t after_owner_id;        /* the last of whom this is */
    int64_t owner_id;              /* whose turn it is */
    int64_t after_id, last_id; /* of theirs: the last hit whose lead is forgotten, and the last of the running step */
    bool more;
};

#define OLD_LEADS(owner, after, before, since)                                                                          \
    "FROM leads AS l WHERE l.owner_id = " owner " AND l.visitor_hit_id > " after " AND l.visitor_hit_id < " before      \
    " AND l.tray = 2 AND l.recipient IS NULL AND NOT EXISTS (SELECT 1 FROM lead_moments AS m WHERE m.owner_id = " owner \
    " AND m.lead_id = l.id AND (m.at_ms >= " since " OR m.kind NOT IN ('scan', 'seen', 'saved', 'told'))) AND NOT "     \
    "EXISTS (SELECT 1 FROM follow_ups AS f WHERE f.owner_id = " owner " AND f.lead_id = l.id) AND NOT EXISTS (SELECT "  \
    "1 FROM receipts AS r WHERE r.owner_id = " owner " AND r.lead_id = l.id) AND NOT EXISTS (SELECT 1 FROM shares AS "  \
    "s WHERE s.owner_id = " owner " AND s.sharer_hit_id = l.visitor_hit_id) "

/* Many owners a look, without a turn to write: there may be a million, and most of the time nobody has any. */
static enum result look_for_owners(struct db *db, void *context)
{
    struct aging *aging = context;
    struct db_rows *rows;
    aging->owner_count = aging->looked_at = 0;
    enum result result = db_query(db,
                                  "SELECT c.id, (SELECT 1 " OLD_LEADS(
                                      "c.id", "0", "$2", "$3") "LIMIT 1) FROM (SELECT id FROM members "
                                                               "WHERE id > $1 ORDER BY id LIMIT $4) AS c ORDER BY c.id",
                                  DB_ARGS(DB_INT(aging->after_owner_id), DB_INT(aging->before_id),
                                          DB_INT(id_time_ms(aging->before_id)), DB_INT(OWNERS_A_LOOK)),
                                  &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK) {
        aging->looked_at++;
        aging->after_owner_id = db_column_int(rows, 0);
        if (db_column_int(rows, 1))
            aging->owners[aging->owner_count++] = aging->after_owner_id;
    }
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

/* ---- forgetting them ---- */

/* As many as a statement names; where there are fewer, the last again. */
enum { GROUP = 50 };
#define TEN(n) "$" #n "0, $" #n "1, $" #n "2, $" #n "3, $" #n "4, $" #n "5, $" #n "6, $" #n "7, $" #n "8, $" #n "9"
#define OF_GROUP                                                                                              \
    "owner_id = $1 AND lead_id IN ($2, $3, $4, $5, $6, $7, $8, $9, " TEN(1) ", " TEN(2) ", " TEN(3) ", " TEN( \
        4) ", $50, $51)"
#define IS_OF_GROUP \
    "owner_id = $1 AND id IN ($2, $3, $4, $5, $6, $7, $8, $9, " TEN(1) ", " TEN(2) ", " TEN(3) ", " TEN(4) ", $50, $51)"

/* What was to be told of them and was not; after months hardly ever anything. */
static enum result end_deliveries(struct store *store, struct db *db, const struct db_value *args, int64_t now_ms)
{
    int64_t waiting[GROUP];
    size_t count = 0;
    struct db_rows *rows;
    enum result result =
        db_query(db, "SELECT DISTINCT lead_id FROM deliveries WHERE state = 0 AND " OF_GROUP, args, 1 + GROUP, &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK)
        waiting[count++] = db_column_int(rows, 0);
    db_finish(&rows);
    if (result == RESULT_NOT_FOUND)
        result = RESULT_OK;
    for (size_t i = 0; i < count && result == RESULT_OK; i++)
        result = outbox_erase(store, db, args[0].integer, waiting[i], now_ms);
    return result;
}

static enum result forget_group(struct store *store, struct db *db, int64_t owner_id, const int64_t *leads,
                                size_t count, int64_t now_ms)
{
    static const char *const STEPS[] = {"UPDATE events SET body = '' WHERE " OF_GROUP,
                                        "DELETE FROM lead_moments WHERE " OF_GROUP,
                                        "DELETE FROM leads WHERE " IS_OF_GROUP};
    struct db_value args[1 + GROUP] = {DB_INT(owner_id)};
    for (size_t i = 0; i < GROUP; i++)
        args[1 + i] = DB_INT(leads[i < count ? i : count - 1]);
    enum result result = end_deliveries(store, db, args, now_ms);
    for (size_t i = 0; i < sizeof STEPS / sizeof *STEPS && result == RESULT_OK; i++)
        result = db_run(db, STEPS[i], args, 1 + GROUP);
    return result == RESULT_OK ? leads_gone(db, owner_id, leads, count) : result;
}

static enum result find_some(struct db *db, struct aging *aging, int64_t leads[STEP_LEADS], size_t *count)
{
    struct db_rows *rows;
    *count = 0;
    enum result result = db_query(
        db, "SELECT l.visitor_hit_id, l.id " OLD_LEADS("$1", "$2", "$3", "$4") "ORDER BY l.visitor_hit_id LIMIT $5",
        DB_ARGS(DB_INT(aging->owner_id), DB_INT(aging->after_id), DB_INT(aging->before_id),
                DB_INT(id_time_ms(aging->before_id)), DB_INT(STEP_LEADS)),
        &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK) {
        aging->last_id = db_column_int(rows, 0);
        leads[(*count)++] = db_column_int(rows, 1);
    }
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

/* They are found in the transaction that forgets them: a form may have come since they were looked for. */
static enum result forget_some(struct db *db, void *context)
{
    struct aging *aging = context;
    int64_t leads[STEP_LEADS];
    size_t count;
    enum result result = find_some(db, aging, leads, &count);
    for (size_t i = 0; i < count && result == RESULT_OK; i += GROUP)
        result = forget_group(aging->store, db, aging->owner_id, &leads[i], count - i < GROUP ? count - i : GROUP,
                              aging->now_ms);
    aging->more = count == STEP_LEADS;
    return result;
}

static enum result forget_of_owner(struct aging *aging, int64_t owner_id, int64_t until_ms)
{
    aging->owner_id = owner_id;
    aging->after_id = 0;
    for (aging->more = true; aging->more; aging->after_id = aging->last_id) {
        enum result result = monotonic_ms() < until_ms ? RESULT_OK : RESULT_LIMITED;
        if (result == RESULT_OK)
            result = store_write(aging->store, "forget-visits", forget_some, aging);
        if (result != RESULT_OK)
            return result;
        store_tidy(aging->store, false);
    }
    return RESULT_OK;
}

enum result leads_forget_visits(struct store *store, int64_t before_id, int64_t until_ms, int64_t now_ms)
{
    struct aging aging = {.store = store, .before_id = before_id, .now_ms = now_ms};
    enum result result;
    bool any = false;
    do {
        result = store_read(store, look_for_owners, &aging);
        for (size_t i = 0; i < aging.owner_count && result == RESULT_OK; i++, any = true)
            result = forget_of_owner(&aging, aging.owners[i], until_ms);
    } while (result == RESULT_OK && aging.looked_at == OWNERS_A_LOOK);
    if (any)
        store_tidy(store, true); /* the log of writes still holds what was overwritten in the file */
    return result;
}
