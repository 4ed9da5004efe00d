/* See endpoints.h: the row of an endpoint, which line it stands in and when it is looked at, and turning it off. */
#include "server/store/endpoints.h"
#include "server/store/changes_inside.h"

enum { BALANCE_STEP = 16, TURN_AHEAD_MAX_MS = 1000 };

/* ---- the row ---- */

void endpoint_from_row(const struct db_rows *rows, struct arena *arena, struct endpoint *out)
{
    enum { FIRST = WEBHOOK_COLUMN_COUNT };
    webhook_from_row(rows, arena, &out->webhook);
    out->replay_due_ms = db_column_int(rows, FIRST - 1);
    out->lane = (enum endpoint_lane)db_column_int(rows, FIRST);
    out->removed_ms = db_column_int(rows, FIRST + 1);
    out->next_due_ms = db_column_int(rows, FIRST + 2);
    out->turn_ms = db_column_int(rows, FIRST + 3);
    out->waits_for = db_column_int(rows, FIRST + 4);
    out->replay_after_id = db_column_int(rows, FIRST + 5);
    out->replay_until_id = db_column_int(rows, FIRST + 6);
}

enum result endpoint_read(struct db *db, struct arena *arena, int64_t owner_id, int64_t id, struct endpoint *out)
{
    struct db_rows *rows;
    enum result result = db_one(db, "SELECT " ENDPOINT_COLUMNS " FROM webhooks WHERE owner_id = $1 AND id = $2",
                                DB_ARGS(DB_INT(owner_id), DB_INT(id)), &rows);
    if (result != RESULT_OK)
        return result;
    endpoint_from_row(rows, arena, out);
    db_finish(&rows);
    return RESULT_OK;
}

enum result endpoint_write(struct db *db, const struct endpoint *endpoint)
{
    const struct webhook *webhook = &endpoint->webhook;
    const struct endpoint_health *health = &webhook->health;
    return db_run(
        db,
        "UPDATE webhooks SET lane = $3, next_due_ms = $4, turn_ms = $5, waits_for = $6, pending = $7, paused = $8, "
        "sequence = $9, last_success_ms = $10, last_failure_ms = $11, last_latency_ms = $12, failures_in_a_row = $13, "
        "failing_since_ms = $14, certificate_since_ms = $15, refusals_in_a_row = $16, window_ms = $17, "
        "window_tries = $18, window_failures = $19, breaker_until_ms = $20, breaker_ms = $21, replay_after_id = $22, "
        "replay_until_id = $23, replay_due_ms = $24 WHERE owner_id = $1 AND id = $2",
        DB_ARGS(DB_INT(webhook->owner_id), DB_INT(webhook->id), DB_INT(endpoint->lane),
                db_int_or_null(endpoint->next_due_ms), DB_INT(endpoint->turn_ms), db_int_or_null(endpoint->waits_for),
                DB_INT(webhook->pending), DB_INT(webhook->paused), DB_INT(webhook->sequence),
                db_int_or_null(health->last_success_ms), db_int_or_null(health->last_failure_ms),
                DB_INT(health->last_latency_ms), DB_INT(health->failures_in_a_row),
                db_int_or_null(health->failing_since_ms), db_int_or_null(health->certificate_since_ms),
                DB_INT(health->refusals_in_a_row), db_int_or_null(health->window_ms), DB_INT(health->window_tries),
                DB_INT(health->window_failures), db_int_or_null(health->breaker_until_ms), DB_INT(health->breaker_ms),
                db_int_or_null(endpoint->replay_after_id), db_int_or_null(endpoint->replay_until_id),
                db_int_or_null(endpoint->replay_due_ms)));
}

/* ---- in line ---- */

static int64_t later_of(int64_t one_ms, int64_t other_ms)
{
    return one_ms > other_ms ? one_ms : other_ms;
}

/* A turn that lies far ahead was given by a clock that was wrong then. */
static int64_t turn_of(const struct endpoint *endpoint, int64_t now_ms)
{
    return endpoint->turn_ms > now_ms + TURN_AHEAD_MAX_MS ? now_ms : endpoint->turn_ms;
}

static enum endpoint_lane fresh_lane(const struct endpoint *endpoint)
{
    if (endpoint->webhook.health.breaker_ms)
        return LANE_RETRIES; /* resting, or on probe */
    return endpoint_is_prompt(&endpoint->webhook.health) ? LANE_PROMPT : LANE_UNPROVEN;
}

static bool is_pushed_to(const struct endpoint *endpoint)
{
    return !endpoint->webhook.disabled_ms && !endpoint->removed_ms && !endpoint->webhook.listener;
}

static void stand(struct endpoint *endpoint, enum endpoint_lane lane, int64_t due_ms)
{
    endpoint->lane = lane;
    endpoint->next_due_ms = due_ms;
    endpoint->waits_for = 0;
}

void endpoint_call(struct endpoint *endpoint, int64_t now_ms)
{
    /* Who waits for a crowd would only meet it again. */
    if (!is_pushed_to(endpoint) || endpoint->waits_for)
        return;
    enum endpoint_lane lane = fresh_lane(endpoint);
    int64_t due_ms = later_of(now_ms, turn_of(endpoint, now_ms));
    if (endpoint->webhook.health.breaker_ms)
        due_ms = later_of(due_ms, endpoint->webhook.health.breaker_until_ms);
    if (!endpoint->next_due_ms || due_ms < endpoint->next_due_ms || lane < endpoint->lane)
        stand(endpoint, lane, due_ms);
}

void endpoint_try_now(struct endpoint *endpoint, int64_t now_ms)
{
    if (endpoint_is_resting(&endpoint->webhook.health, now_ms))
        endpoint->webhook.health.breaker_until_ms = now_ms;
}

/* When the first of a queue is due; what is under way counts as due when its lease ends. 0: there is none. */
static enum result first_due(struct db *db, const struct endpoint *endpoint, enum delivery_queue queue, int64_t *out)
{
    struct db_rows *rows;
    enum result result = db_one(
        db, "SELECT MIN(due_ms) FROM deliveries WHERE owner_id = $1 AND webhook_id = $2 AND state = 0 AND queue = $3",
        DB_ARGS(DB_INT(endpoint->webhook.owner_id), DB_INT(endpoint->webhook.id), DB_INT(queue)), &rows);
    if (result != RESULT_OK)
        return result;
    *out = db_column_int(rows, 0);
    db_finish(&rows);
    return RESULT_OK;
}

static enum result find_place(struct db *db, struct endpoint *endpoint, int64_t now_ms)
{
    const struct endpoint_health *health = &endpoint->webhook.health;
    int64_t fresh_ms = 0, again_ms = 0;
    stand(endpoint, LANE_UNPROVEN, 0);
    if ((endpoint->webhook.disabled_ms || endpoint->removed_ms) && endpoint->webhook.pending > 0)
        stand(endpoint, LANE_CHORES, now_ms);
    if (endpoint->webhook.disabled_ms || endpoint->removed_ms)
        return RESULT_OK;
    if (is_pushed_to(endpoint)) {
        enum result result = first_due(db, endpoint, QUEUE_FRESH, &fresh_ms);
        if (result == RESULT_OK)
            result = first_due(db, endpoint, QUEUE_AGAIN, &again_ms);
        if (result != RESULT_OK)
            return result;
    }
    bool is_fresh = fresh_ms && (!again_ms || fresh_ms <= now_ms || fresh_ms <= again_ms);
    int64_t rested_ms = health->breaker_ms ? health->breaker_until_ms : 0;
    int64_t due_ms = later_of(is_fresh ? fresh_ms : again_ms, later_of(turn_of(endpoint, now_ms), rested_ms));
    int64_t chore_ms = endpoint->replay_due_ms ? later_of(endpoint->replay_due_ms, rested_ms) : 0;
    if (fresh_ms || again_ms)
        stand(endpoint, is_fresh ? fresh_lane(endpoint) : LANE_RETRIES, due_ms);
    if (chore_ms && (!endpoint->next_due_ms || chore_ms <= endpoint->next_due_ms))
        stand(endpoint, LANE_CHORES, chore_ms);
    return RESULT_OK;
}

/* ---- too many ---- */

/* Those whose next attempt lies furthest ahead pause: they were tried most often and lose least by it. */
static enum result pause_some(struct db *db, struct endpoint *endpoint, int64_t count)
{
    enum result result =
        db_run(db,
               "UPDATE deliveries SET queue = 2 WHERE owner_id = $1 AND id IN (SELECT id FROM deliveries WHERE "
               "owner_id = $1 AND webhook_id = $2 AND state = 0 AND queue = 1 AND leased_until_ms IS NULL "
               "ORDER BY due_ms DESC, id DESC LIMIT $3)",
               DB_ARGS(DB_INT(endpoint->webhook.owner_id), DB_INT(endpoint->webhook.id), DB_INT(count)));
    if (result == RESULT_OK)
        endpoint->webhook.paused += db_changes(db);
    return result;
}

static enum result resume_some(struct db *db, struct endpoint *endpoint, int64_t count)
{
    enum result result = db_run(
        db,
        "UPDATE deliveries SET queue = 1 WHERE owner_id = $1 AND id IN (SELECT id FROM deliveries WHERE owner_id = $1 "
        "AND webhook_id = $2 AND state = 0 AND queue = 2 ORDER BY due_ms, id LIMIT $3)",
        DB_ARGS(DB_INT(endpoint->webhook.owner_id), DB_INT(endpoint->webhook.id), DB_INT(count)));
    if (result == RESULT_OK)
        endpoint->webhook.paused -= db_changes(db);
    return result;
}

static enum result balance(struct db *db, struct endpoint *endpoint)
{
    int64_t over = endpoint->webhook.pending - endpoint->webhook.paused - ENDPOINT_PENDING_MAX;
    if (over > 0)
        return pause_some(db, endpoint, over < BALANCE_STEP ? over : BALANCE_STEP);
    if (over < 0 && endpoint->webhook.paused > 0)
        return resume_some(db, endpoint, -over < BALANCE_STEP ? -over : BALANCE_STEP);
    return RESULT_OK;
}

enum result endpoint_settle(struct db *db, struct endpoint *endpoint, int64_t now_ms)
{
    enum result result = balance(db, endpoint);
    if (result == RESULT_OK)
        result = find_place(db, endpoint, now_ms);
    return result == RESULT_OK ? endpoint_write(db, endpoint) : result;
}

/* ---- off, and chores ---- */

static enum result end_some(struct store *store, struct db *db, struct endpoint *endpoint, int64_t now_ms)
{
    struct db_rows *rows;
    int64_t ended = 0;
    enum result result = db_query(
        db,
        "UPDATE deliveries SET state = 3, finished_ms = $3, leased_until_ms = NULL WHERE owner_id = $1 AND id IN "
        "(SELECT id FROM deliveries WHERE owner_id = $1 AND webhook_id = $2 AND state = 0 LIMIT $4) RETURNING queue",
        DB_ARGS(DB_INT(endpoint->webhook.owner_id), DB_INT(endpoint->webhook.id), DB_INT(now_ms),
                DB_INT(ENDPOINT_STEP_ROWS)),
        &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK) {
        endpoint->webhook.pending--;
        endpoint->webhook.paused -= db_column_int(rows, 0) == QUEUE_PAUSED;
        ended++;
    }
    db_finish(&rows);
    if (result != RESULT_NOT_FOUND)
        return result;
    if (ended < ENDPOINT_STEP_ROWS) /* that was all */
        endpoint->webhook.pending = endpoint->webhook.paused = 0;
    store->ended[DELIVERY_DISABLED] += ended;
    return RESULT_OK;
}

enum result endpoint_disable(struct store *store, struct db *db, struct endpoint *endpoint, const char *why,
                             int64_t now_ms)
{
    struct webhook *webhook = &endpoint->webhook;
    change_note(store, CHANGE_WEBHOOKS, webhook->owner_id);
    enum result result = end_some(store, db, endpoint, now_ms);
    if (result == RESULT_OK && !webhook->disabled_ms)
        result = db_run(db, "UPDATE webhooks SET disabled_ms = $3, disabled_why = $4 WHERE owner_id = $1 AND id = $2",
                        DB_ARGS(DB_INT(webhook->owner_id), DB_INT(webhook->id), DB_INT(now_ms), db_text(why)));
    if (result != RESULT_OK)
        return result;
    if (!webhook->disabled_ms)
        webhook->disabled_ms = now_ms;
    endpoint->replay_after_id = endpoint->replay_until_id = endpoint->replay_due_ms = 0;
    return endpoint_settle(db, endpoint, now_ms);
}

enum result endpoint_do_chore(struct store *store, struct db *db, struct endpoint *endpoint, int64_t now_ms)
{
    enum result result = RESULT_OK;
    if (endpoint->webhook.disabled_ms || endpoint->removed_ms)
        result = end_some(store, db, endpoint, now_ms);
    else if (endpoint->replay_due_ms && endpoint->replay_due_ms <= now_ms)
        result = replay_step(db, endpoint, now_ms);
    return result == RESULT_OK ? endpoint_settle(db, endpoint, now_ms) : result;
}
