/* See listeners.h. The lease is a due time in the future, as for every delivery; no lane or target is taken by it, since
 * nothing of ours is under way. */
#include "server/store/listeners.h"

#include <stdlib.h>
#include "server/ids.h"
#include "server/store/deliveries.h"
#include "server/store/endpoints.h"
#include "server/store/lead_steps.h"
#include "server/store/seal.h"

enum {
    ASKED_STEP_MS = 60 * 1000, /* a live listener is written to no more often than this */
    RETRY_FIRST_MS = 2000,
    RETRY_MAX_MS = 5 * 60 * 1000,
    EXPIRE_MAX = 50
};

static const char NAME[] = "meishi listen"; /* who was told, on a lead's timeline */

/* ---- handing out ---- */

struct claim {
    struct store *store;
    struct arena *arena;
    int64_t owner_id, id, now_ms;
    size_t limit, count;
    struct delivery *deliveries;
    struct webhook_keys keys;
    int64_t asked_ms;
    bool is_due;
};

/* Whether there is something to hand out. NOT_FOUND: there is no such listener any more. */
static enum result look(struct db *db, int64_t owner_id, int64_t id, int64_t now_ms, bool *out)
{
    struct db_rows *rows;
    enum result result = db_one(
        db,
        "SELECT CASE WHEN EXISTS (SELECT 1 FROM deliveries WHERE owner_id = $1 AND webhook_id = $2 AND state = 0 "
        "AND queue IN (0, 1, 2) AND due_ms <= $3) THEN 1 ELSE 0 END FROM webhooks WHERE owner_id = $1 AND id = $2 "
        "AND listener = 1 AND removed_ms IS NULL",
        DB_ARGS(DB_INT(owner_id), DB_INT(id), DB_INT(now_ms)), &rows);
    if (result != RESULT_OK)
        return result;
    *out = db_column_int(rows, 0);
    db_finish(&rows);
    return RESULT_OK;
}

/* The listener, and whether there is anything to write. */
static enum result find_body(struct db *db, void *context)
{
    struct claim *claim = context;
    struct db_rows *rows;
    size_t len;
    enum result result = db_one(db,
                                "SELECT asked_ms, sealed_secret FROM webhooks WHERE owner_id = $1 AND id = $2 "
                                "AND listener = 1 AND removed_ms IS NULL",
                                DB_ARGS(DB_INT(claim->owner_id), DB_INT(claim->id)), &rows);
    if (result != RESULT_OK)
        return result;
    claim->asked_ms = db_column_int(rows, 0);
    const void *sealed = db_column_bytes(rows, 1, &len);
    /* With another key file nothing can be signed: the program makes itself a new listener, and this one expires. */
    if (webhook_unseal(claim->store, sealed, len, claim->keys.secret) != RESULT_OK)
        result = RESULT_NOT_FOUND;
    db_finish(&rows);
    return result == RESULT_OK ? look(db, claim->owner_id, claim->id, claim->now_ms, &claim->is_due) : result;
}

/* RETURNING promises no order, and engines differ. */
static int compare_ids(const void *a, const void *b)
{
    const struct delivery *one = a, *other = b;
    return (one->id > other->id) - (one->id < other->id);
}

static enum result lease(struct claim *claim, struct db *db)
{
    struct db_rows *rows;
    enum result result = db_query(
        db,
        "UPDATE deliveries SET due_ms = $4 WHERE owner_id = $1 AND id IN (SELECT id FROM deliveries WHERE owner_id = $1 "
        "AND webhook_id = $2 AND state = 0 AND queue IN (0, 1, 2) AND due_ms <= $3 ORDER BY id LIMIT $5) "
        "AND due_ms <= $3 RETURNING id, event_id, type, attempts, sequence",
        DB_ARGS(DB_INT(claim->owner_id), DB_INT(claim->id), DB_INT(claim->now_ms),
                DB_INT(claim->now_ms + LISTENER_LEASE_MS), DB_INT((int64_t)claim->limit)),
        &rows);
    while (result == RESULT_OK && claim->count < claim->limit && (result = db_next(rows)) == RESULT_OK)
        claim->deliveries[claim->count++] = (struct delivery){.owner_id = claim->owner_id,
                                                              .webhook_id = claim->id,
                                                              .id = db_column_int(rows, 0),
                                                              .event_id = db_column_int(rows, 1),
                                                              .type = (enum event_type)db_column_int(rows, 2),
                                                              .attempts = (int)db_column_int(rows, 3),
                                                              .sequence = db_column_int(rows, 4),
                                                              .keys = claim->keys};
    db_finish(&rows);
    if (claim->count)
        qsort(claim->deliveries, claim->count, sizeof *claim->deliveries, compare_ids);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

static enum result claim_body(struct db *db, void *context)
{
    struct claim *claim = context;
    claim->count = 0;
    enum result result = db_run(
        db, "UPDATE webhooks SET asked_ms = $3 WHERE owner_id = $1 AND id = $2 AND listener = 1 AND removed_ms IS NULL",
        DB_ARGS(DB_INT(claim->owner_id), DB_INT(claim->id), DB_INT(claim->now_ms)));
    if (result == RESULT_OK && !db_changes(db))
        return RESULT_NOT_FOUND;
    if (result == RESULT_OK)
        result = lease(claim, db);
    for (size_t i = 0; i < claim->count && result == RESULT_OK; i++)
        result = delivery_read_body(db, claim->arena, &claim->deliveries[i]);
    return result;
}

static int by_id(const void *one, const void *other)
{
    const struct delivery *a = one, *b = other;
    return (a->id > b->id) - (a->id < b->id);
}

enum result store_listener_claim(struct store *store, struct arena *arena, int64_t owner_id, int64_t id, int64_t now_ms,
                                 size_t limit, struct delivery **out, size_t *count)
{
    struct claim claim = {.store = store,
                          .arena = arena,
                          .owner_id = owner_id,
                          .id = id,
                          .now_ms = now_ms,
                          .limit = limit < LISTENER_CLAIM_MAX ? limit : LISTENER_CLAIM_MAX};
    enum result result = store_read(store, find_body, &claim);
    if (result == RESULT_OK && (claim.is_due || now_ms - claim.asked_ms >= ASKED_STEP_MS)) {
        claim.deliveries = arena_alloc(arena, sizeof *claim.deliveries * LISTENER_CLAIM_MAX);
        result = store_write(store, "listener_claim", claim_body, &claim);
    }
    *out = claim.deliveries;
    *count = result == RESULT_OK ? claim.count : 0;
    if (*count)
        qsort(claim.deliveries, *count, sizeof *claim.deliveries, by_id);
    return result;
}

struct looking {
    struct listener_place *places;
    size_t count;
    int64_t now_ms;
};

static enum result look_body(struct db *db, void *context)
{
    struct looking *looking = context;
    enum result result = RESULT_OK;
    for (size_t i = 0; i < looking->count && result == RESULT_OK; i++) {
        struct listener_place *place = &looking->places[i];
        result = look(db, place->owner_id, place->id, looking->now_ms, &place->is_due);
        if (result == RESULT_NOT_FOUND) {
            place->is_due = true;
            result = RESULT_OK;
        }
    }
    return result;
}

enum result store_listener_look(struct store *store, struct listener_place *places, size_t count, int64_t now_ms)
{
    struct looking looking = {.places = places, .count = count, .now_ms = now_ms};
    return store_read(store, look_body, &looking);
}

/* ---- reporting ---- */

struct reporting {
    const struct listener_outcome *outcome;
    int64_t now_ms, retry_at_ms;
};

static int64_t retry_at(int64_t attempts, int64_t now_ms)
{
    int64_t wait_ms = attempts < 8 ? (int64_t)RETRY_FIRST_MS << attempts : RETRY_MAX_MS;
    return now_ms + (wait_ms < RETRY_MAX_MS ? wait_ms : RETRY_MAX_MS);
}

static enum result note_attempt(struct reporting *reporting, struct db *db, int64_t lead_id, enum event_type type)
{
    const struct listener_outcome *outcome = reporting->outcome;
    const struct attempt *attempt = &outcome->attempt;
    bool arrived = !attempt->error;
    enum result result = db_run(
        db,
        "INSERT INTO delivery_attempts (owner_id, delivery_id, id, at_ms, status, latency_ms, error, webhook_id) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        DB_ARGS(DB_INT(outcome->owner_id), DB_INT(outcome->delivery_id), DB_INT(id_new()), DB_INT(attempt->at_ms),
                DB_INT(attempt->status), DB_INT(attempt->latency_ms), db_text(attempt->error),
                DB_INT(outcome->listener_id)));
    if (result == RESULT_OK)
        result =
            db_run(db,
                   arrived ? "UPDATE webhooks SET last_success_ms = $3, last_latency_ms = $4, failures_in_a_row = 0 "
                             "WHERE owner_id = $1 AND id = $2"
                           : "UPDATE webhooks SET last_failure_ms = $3, last_latency_ms = $4, "
                             "failures_in_a_row = failures_in_a_row + 1 WHERE owner_id = $1 AND id = $2",
                   DB_ARGS(DB_INT(outcome->owner_id), DB_INT(outcome->listener_id), DB_INT(attempt->at_ms),
                           DB_INT(attempt->latency_ms)));
    if (result == RESULT_OK && arrived && lead_id && type == EVENT_LEAD_CREATED)
        result = lead_moment_add(db, outcome->owner_id, lead_id, attempt->at_ms, "told", NAME);
    return result;
}

static enum result record_body(struct db *db, void *context)
{
    struct reporting *reporting = context;
    const struct listener_outcome *outcome = reporting->outcome;
    struct db_rows *rows;
    enum result result = db_one(
        db,
        "SELECT d.attempts, d.lead_id, d.type, d.queue FROM deliveries AS d JOIN webhooks AS w ON w.owner_id = d.owner_id "
        "AND w.id = d.webhook_id WHERE d.owner_id = $1 AND d.id = $2 AND d.webhook_id = $3 AND d.state = 0 "
        "AND w.listener = 1",
        DB_ARGS(DB_INT(outcome->owner_id), DB_INT(outcome->delivery_id), DB_INT(outcome->listener_id)), &rows);
    if (result != RESULT_OK)
        return result;
    int64_t attempts = db_column_int(rows, 0), lead_id = db_column_int(rows, 1);
    enum event_type type = (enum event_type)db_column_int(rows, 2);
    bool paused = db_column_int(rows, 3) == QUEUE_PAUSED;
    db_finish(&rows);
    bool arrived = !outcome->unreached && !outcome->attempt.error;
    reporting->retry_at_ms = arrived ? 0 : retry_at(outcome->unreached ? 0 : attempts, reporting->now_ms);
    if (!outcome->unreached)
        result = note_attempt(reporting, db, lead_id, type);
    if (result == RESULT_OK)
        result = db_run(
            db,
            "UPDATE deliveries SET state = $3, due_ms = $4, finished_ms = $5, last_status = $6, last_error = $7, "
            "attempts = $8 WHERE owner_id = $1 AND id = $2",
            DB_ARGS(DB_INT(outcome->owner_id), DB_INT(outcome->delivery_id),
                    DB_INT(arrived ? DELIVERY_DELIVERED : DELIVERY_PENDING),
                    DB_INT(arrived ? reporting->now_ms : reporting->retry_at_ms),
                    db_int_or_null(arrived ? reporting->now_ms : 0), db_int_or_null(outcome->attempt.status),
                    db_text(outcome->attempt.error), DB_INT(attempts + !outcome->unreached)));
    if (result == RESULT_OK && arrived)
        result = db_run(
            db,
            "UPDATE webhooks SET pending = pending - 1, paused = CASE WHEN $3 > 0 THEN paused - 1 ELSE paused END "
            "WHERE owner_id = $1 AND id = $2",
            DB_ARGS(DB_INT(outcome->owner_id), DB_INT(outcome->listener_id), DB_INT(paused)));
    return result;
}

enum result store_listener_record(struct store *store, const struct listener_outcome *outcome, int64_t now_ms,
                                  int64_t *out_retry_at_ms)
{
    struct reporting reporting = {.outcome = outcome, .now_ms = now_ms};
    enum result result = store_write(store, "listener_record", record_body, &reporting);
    *out_retry_at_ms = reporting.retry_at_ms;
    return result;
}

/* ---- the end ---- */

struct expiring {
    int64_t before_ms;
    size_t count;
    struct listener_place places[EXPIRE_MAX];
};

static enum result silent_body(struct db *db, void *context)
{
    struct expiring *expiring = context;
    struct db_rows *rows;
    enum result result = db_query(db,
                                  "SELECT owner_id, id FROM webhooks WHERE listener = 1 AND removed_ms IS NULL "
                                  "AND asked_ms < $1 AND created_ms < $1 ORDER BY asked_ms LIMIT $2",
                                  DB_ARGS(DB_INT(expiring->before_ms), DB_INT(EXPIRE_MAX)), &rows);
    while (result == RESULT_OK && expiring->count < EXPIRE_MAX && (result = db_next(rows)) == RESULT_OK)
        expiring->places[expiring->count++] =
            (struct listener_place){.owner_id = db_column_int(rows, 0), .id = db_column_int(rows, 1)};
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

enum result store_listener_expire(struct store *store, int64_t now_ms)
{
    struct expiring expiring = {.before_ms = now_ms - LISTENER_IDLE_MS};
    enum result result = store_read(store, silent_body, &expiring);
    for (size_t i = 0; i < expiring.count && result == RESULT_OK; i++) {
        result = store_webhook_remove(store, expiring.places[i].owner_id, expiring.places[i].id, now_ms);
        if (result == RESULT_NOT_FOUND) /* somebody was faster */
            result = RESULT_OK;
    }
    return result;
}
