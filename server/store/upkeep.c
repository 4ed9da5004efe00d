/* What is not needed any more and nobody else takes away: answers kept for a day, tries, sessions and links that ended,
 * deliveries with their attempts and events a month after they ended, and the months of hits beyond those that the operator
 * keeps (all, unless told), with the potential leads that are no more than such a hit (lead_age.c). In small steps, each a
 * transaction of its own, so that no form waits for it. Counts outlive their hits, and leads who said who they are are never
 * touched here: how long those stay is for people to say. */
#include "server/ids.h"
#include "server/store/internal.h"

enum {
    STEP_ROWS = 200,
    HOUR_MS = 60 * 60 * 1000,
    ANSWERS_KEPT_HOURS = 24,
    TRIES_KEPT_DAYS = 8,
    CHANGES_KEPT_MS = 10 * 60 * 1000, /* read within seconds; the clocks of servers may differ */
    DELIVERIES_KEPT_DAYS = 30,
    FORGETTING_MS = 10 * 1000 /* the fold waits meanwhile; the rest is for the next hour */
};

struct cleaning {
    int64_t now_ms;
    bool more;
};

static int64_t days_before(int64_t now_ms, int days)
{
    return now_ms - (int64_t)days * 24 * HOUR_MS;
}

static enum result clean_keys(struct db *db, void *context)
{
    const struct cleaning *cleaning = context;
    const struct {
        const char *sql;
        int64_t before_ms;
    } steps[] = {
        {"DELETE FROM idempotency WHERE created_ms < $1", cleaning->now_ms - (int64_t)ANSWERS_KEPT_HOURS * HOUR_MS},
        {"DELETE FROM changes WHERE at_ms < $1", cleaning->now_ms - CHANGES_KEPT_MS},
        {"DELETE FROM tallies WHERE ends_ms < $1", cleaning->now_ms},
        {"DELETE FROM day_salts WHERE day < $1", cleaning->now_ms / (24LL * HOUR_MS)},
        {"DELETE FROM throttles WHERE opened_ms < $1", days_before(cleaning->now_ms, TRIES_KEPT_DAYS)},
        {"DELETE FROM sign_in_links WHERE expires_ms <= $1", cleaning->now_ms},
        {"DELETE FROM sessions WHERE expires_ms <= $1", cleaning->now_ms},
    };
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        enum result result = db_run(db, steps[i].sql, DB_ARGS(DB_INT(steps[i].before_ms)));
        if (result != RESULT_OK)
            return result;
    }
    return RESULT_OK;
}

struct ended {
    int64_t owner_id, id, event_id;
};

/* Ids hold the time, so the oldest stand first in the index; what still waits is passed over. */
static enum result find_ended(struct db *db, int64_t before_ms, struct ended *out, size_t *count)
{
    struct db_rows *rows;
    *count = 0;
    enum result result = db_query(db,
                                  "SELECT owner_id, id, event_id FROM deliveries WHERE id < $1 AND state <> 0 "
                                  "AND finished_ms < $2 ORDER BY id LIMIT $3",
                                  DB_ARGS(DB_INT(id_at_ms(before_ms)), DB_INT(before_ms), DB_INT(STEP_ROWS)), &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK)
        out[(*count)++] = (struct ended){db_column_int(rows, 0), db_column_int(rows, 1), db_column_int(rows, 2)};
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

static enum result drop_ended(struct db *db, const struct ended *ended)
{
    const struct db_value args[] = {DB_INT(ended->owner_id), DB_INT(ended->id)};
    enum result result = db_run(db, "DELETE FROM delivery_attempts WHERE owner_id = $1 AND delivery_id = $2", args, 2);
    if (result == RESULT_OK)
        result = db_run(db, "DELETE FROM deliveries WHERE owner_id = $1 AND id = $2", args, 2);
    if (result != RESULT_OK)
        return result;
    return db_run(db,
                  "DELETE FROM events WHERE owner_id = $1 AND id = $2 AND NOT EXISTS "
                  "(SELECT 1 FROM deliveries WHERE owner_id = $1 AND event_id = $2)",
                  DB_ARGS(DB_INT(ended->owner_id), DB_INT(ended->event_id)));
}

static enum result clean_deliveries(struct db *db, void *context)
{
    struct cleaning *cleaning = context;
    struct ended ended[STEP_ROWS];
    size_t count;
    int64_t before_ms = days_before(cleaning->now_ms, DELIVERIES_KEPT_DAYS);
    enum result result = before_ms > 0 ? find_ended(db, before_ms, ended, &count) : RESULT_NOT_FOUND;
    if (result != RESULT_OK)
        return result;
    for (size_t i = 0; i < count && result == RESULT_OK; i++)
        result = drop_ended(db, &ended[i]);
    cleaning->more = count == STEP_ROWS;
    return result;
}

enum result store_clean(struct store *store, int64_t now_ms)
{
    struct cleaning cleaning = {.now_ms = now_ms};
    enum result result = store_write(store, "clean-keys", clean_keys, &cleaning);
    for (cleaning.more = true; result == RESULT_OK && cleaning.more; store_tidy(store, false))
        result = store_write(store, "clean-deliveries", clean_deliveries, &cleaning);
    if (result != RESULT_OK && result != RESULT_NOT_FOUND)
        return result;
    if (!store->keep_hits_months)
        return RESULT_OK;
    return hits_forget(store, store->keep_hits_months, monotonic_ms() + FORGETTING_MS, now_ms);
}
