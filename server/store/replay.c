/* Sending again: one delivery by a member's hand, or all that an endpoint missed, which is a chore of many small steps. So
 * a million of them neither hold the writing connection nor fall upon a receiver that has just come back: they are due
 * five a second, oldest first, beside what is fresh. */
#include "server/ids.h"
#include "server/store/endpoints.h"
#include "server/store/guards.h"

enum { REPLAY_STEP = 50, REPLAY_PACE_MS = 200, BY_HAND_MAX = 10, MINUTE_MS = 60 * 1000 };

static const int64_t LOG_KEPT_MS = 30LL * 24 * 60 * 60 * 1000;

/* ---- all that was missed ---- */

void replay_begin(struct endpoint *endpoint, int64_t since_ms, int64_t now_ms)
{
    endpoint->replay_after_id = id_at_ms(since_ms);
    endpoint->replay_until_id = id_new();
    /* A replay that was going on has its last step before it, so that there are never two at once. */
    if (endpoint->replay_due_ms < now_ms)
        endpoint->replay_due_ms = now_ms;
}

/* Not what erasing a lead has emptied: that can be found but never sent. */
#define MISSED " FROM deliveries WHERE owner_id = $1 AND webhook_id = $2 AND id >= $3 AND id <= $4 AND state IN (2, 3) "

struct missed {
    int64_t ids[REPLAY_STEP];
    size_t count;
};

static enum result next_missed(struct db *db, const struct endpoint *endpoint, struct missed *out)
{
    struct db_rows *rows;
    out->count = 0;
    enum result result =
        db_query(db, "SELECT id" MISSED "ORDER BY id LIMIT $5",
                 DB_ARGS(DB_INT(endpoint->webhook.owner_id), DB_INT(endpoint->webhook.id),
                         DB_INT(endpoint->replay_after_id), DB_INT(endpoint->replay_until_id), DB_INT(REPLAY_STEP)),
                 &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK)
        out->ids[out->count++] = db_column_int(rows, 0);
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

/* CONFLICT: its body was emptied. The schedule starts anew; the log of attempts goes on, as far as logs are kept. */
static enum result revive(struct db *db, int64_t owner_id, int64_t id, int64_t due_ms)
{
    enum result result =
        db_run(db, "DELETE FROM delivery_attempts WHERE owner_id = $1 AND delivery_id = $2 AND at_ms < $3",
               DB_ARGS(DB_INT(owner_id), DB_INT(id), DB_INT(due_ms - LOG_KEPT_MS)));
    if (result != RESULT_OK)
        return result;
    result = db_run(db,
                    "UPDATE deliveries SET state = 0, queue = 1, due_ms = $3, attempts = 0, finished_ms = NULL, "
                    "leased_until_ms = NULL WHERE owner_id = $1 AND id = $2 AND EXISTS (SELECT 1 FROM events e WHERE "
                    "e.owner_id = $1 AND e.id = deliveries.event_id AND e.body <> '')",
                    DB_ARGS(DB_INT(owner_id), DB_INT(id), DB_INT(due_ms)));
    return result == RESULT_OK && !db_changes(db) ? RESULT_CONFLICT : result;
}

enum result replay_step(struct db *db, struct endpoint *endpoint, int64_t now_ms)
{
    struct missed missed;
    int64_t due_ms = now_ms;
    if (endpoint->webhook.pending - endpoint->webhook.paused >= ENDPOINT_PENDING_MAX) {
        endpoint->replay_due_ms = now_ms + (int64_t)REPLAY_STEP * REPLAY_PACE_MS;
        return RESULT_OK;
    }
    enum result result = next_missed(db, endpoint, &missed);
    for (size_t i = 0; i < missed.count && result == RESULT_OK; i++) {
        result = revive(db, endpoint->webhook.owner_id, missed.ids[i], due_ms);
        if (result == RESULT_OK) {
            endpoint->webhook.pending++;
            due_ms += REPLAY_PACE_MS;
        } else if (result == RESULT_CONFLICT) {
            result = RESULT_OK;
        }
        endpoint->replay_after_id = missed.ids[i] + 1;
    }
    endpoint->replay_due_ms = due_ms;
    if (!missed.count)
        endpoint->replay_after_id = endpoint->replay_until_id = endpoint->replay_due_ms = 0;
    return result;
}

static enum result count_missed(struct db *db, int64_t owner_id, int64_t webhook_id, int64_t since_ms, int64_t *out)
{
    struct db_rows *rows;
    enum result result = db_one(db, "SELECT COUNT(*) FROM (SELECT id" MISSED "LIMIT $5) AS counted",
                                DB_ARGS(DB_INT(owner_id), DB_INT(webhook_id), DB_INT(id_at_ms(since_ms)),
                                        DB_INT(INT64_MAX), DB_INT(MISSED_COUNTED_MAX)),
                                &rows);
    if (result != RESULT_OK)
        return result;
    *out = db_column_int(rows, 0);
    db_finish(&rows);
    return RESULT_OK;
}

struct again {
    struct store *store;
    int64_t owner_id, id, since_ms, now_ms, count;
};

static enum result replay_body(struct db *db, void *context)
{
    struct again *again = context;
    struct arena arena;
    struct endpoint endpoint;
    arena_init(&arena);
    enum result result = endpoint_read(db, &arena, again->owner_id, again->id, &endpoint);
    if (result == RESULT_OK && endpoint.removed_ms)
        result = RESULT_NOT_FOUND;
    if (result == RESULT_OK && endpoint.webhook.disabled_ms)
        result = RESULT_CONFLICT;
    if (result == RESULT_OK)
        result = count_missed(db, again->owner_id, again->id, again->since_ms, &again->count);
    if (result == RESULT_OK) {
        replay_begin(&endpoint, again->since_ms, again->now_ms);
        again->store->outbox_filled = true;
        result = endpoint_settle(db, &endpoint, again->now_ms);
    }
    arena_free(&arena);
    return result;
}

enum result store_webhook_replay(struct store *store, int64_t owner_id, int64_t id, int64_t since_ms, int64_t now_ms,
                                 int64_t *out_count)
{
    struct again again = {.store = store, .owner_id = owner_id, .id = id, .since_ms = since_ms, .now_ms = now_ms};
    enum result result = store_write(store, "webhook_replay", replay_body, &again);
    *out_count = again.count;
    return result;
}

static enum result missed_body(struct db *db, void *context)
{
    struct again *again = context;
    return count_missed(db, again->owner_id, again->id, again->since_ms, &again->count);
}

enum result store_webhook_missed(struct store *store, int64_t owner_id, int64_t id, int64_t since_ms,
                                 int64_t *out_count)
{
    struct again again = {.store = store, .owner_id = owner_id, .id = id, .since_ms = since_ms};
    enum result result = store_read(store, missed_body, &again);
    *out_count = again.count;
    return result;
}

/* ---- one, by hand ---- */

static enum result count_by_hand(struct db *db, const struct again *again)
{
    struct arena arena;
    int64_t tries;
    arena_init(&arena);
    enum result result = guard_count(db, arena_printf(&arena, "redeliver:%lld", (long long)again->owner_id), MINUTE_MS,
                                     again->now_ms, &tries);
    arena_free(&arena);
    return result == RESULT_OK && tries > BY_HAND_MAX ? RESULT_LIMITED : result;
}

static enum result redeliver(struct db *db, const struct again *again, int64_t webhook_id)
{
    struct arena arena;
    struct endpoint endpoint;
    arena_init(&arena);
    enum result result = endpoint_read(db, &arena, again->owner_id, webhook_id, &endpoint);
    if (result == RESULT_OK && (endpoint.webhook.disabled_ms || endpoint.removed_ms))
        result = RESULT_CONFLICT;
    if (result == RESULT_OK)
        result = count_by_hand(db, again);
    if (result == RESULT_OK)
        result = revive(db, again->owner_id, again->id, again->now_ms);
    if (result == RESULT_OK) {
        endpoint.webhook.pending++;
        endpoint_try_now(&endpoint, again->now_ms);
        again->store->outbox_filled = true;
        result = endpoint_settle(db, &endpoint, again->now_ms);
    }
    arena_free(&arena);
    return result;
}

static enum result redeliver_body(struct db *db, void *context)
{
    const struct again *again = context;
    struct db_rows *rows;
    enum result result = db_one(db, "SELECT webhook_id, state FROM deliveries WHERE owner_id = $1 AND id = $2",
                                DB_ARGS(DB_INT(again->owner_id), DB_INT(again->id)), &rows);
    if (result != RESULT_OK)
        return result;
    int64_t webhook_id = db_column_int(rows, 0), state = db_column_int(rows, 1);
    db_finish(&rows);
    if (state == DELIVERY_ERASED || state == DELIVERY_PENDING)
        return RESULT_CONFLICT;
    return redeliver(db, again, webhook_id);
}

enum result store_delivery_redeliver(struct store *store, int64_t owner_id, int64_t id, int64_t now_ms)
{
    struct again again = {.store = store, .owner_id = owner_id, .id = id, .now_ms = now_ms};
    return store_write(store, "delivery_redeliver", redeliver_body, &again);
}
