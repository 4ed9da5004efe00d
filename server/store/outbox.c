/* The outbox: what happened, and its deliveries to those who want to hear, written in the transaction of the cause. An
 * event that was committed is delivered or ends visibly; one that was rolled back was never told.
 *
 * Endpoints take turns: each knows when its next delivery may start (webhooks.next_due_ms), so claiming reads endpoints, a
 * handful, and never the backlog of one. */
#include <stdlib.h>
#include <string.h>
#include "server/ids.h"
#include "server/store/internal.h"

/* Every owner with an enabled endpoint, in order, and the union of what their endpoints want. The fold asks for each of
 * thousands of owners a batch, so it is kept in memory, below the lock of the one writing connection. */
struct outbox_wants {
    size_t count;
    struct {
        int64_t owner_id;
        uint32_t events;
    } owners[];
};

void outbox_forget_wants(struct store *store)
{
    free(store->wants);
    store->wants = NULL;
}

static enum result count_owners(struct db *db, int64_t *out)
{
    struct db_rows *rows;
    enum result result =
        db_one(db, "SELECT COUNT(*) FROM webhooks WHERE disabled_ms IS NULL AND removed_ms IS NULL", NULL, 0, &rows);
    if (result == RESULT_OK) {
        *out = db_column_int(rows, 0);
        db_finish(&rows);
    }
    return result;
}

static enum result read_wants(struct store *store, struct db *db)
{
    int64_t most = 0;
    struct db_rows *rows;
    enum result result = count_owners(db, &most);
    if (result != RESULT_OK)
        return result;
    struct outbox_wants *wants = calloc(1, sizeof *wants + (size_t)most * sizeof *wants->owners);
    if (!wants)
        return RESULT_FAILED;
    result = db_query(
        db, "SELECT owner_id, events FROM webhooks WHERE disabled_ms IS NULL AND removed_ms IS NULL ORDER BY owner_id",
        NULL, 0, &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK) {
        int64_t owner_id = db_column_int(rows, 0);
        if (!wants->count || wants->owners[wants->count - 1].owner_id != owner_id)
            wants->owners[wants->count++].owner_id = owner_id;
        wants->owners[wants->count - 1].events |= (uint32_t)db_column_int(rows, 1);
    }
    db_finish(&rows);
    if (result != RESULT_NOT_FOUND) {
        free(wants);
        return result;
    }
    store->wants = wants;
    return RESULT_OK;
}

bool outbox_wanted(struct store *store, struct db *db, int64_t owner_id, enum event_type type)
{
    /* When in doubt, yes: outbox_add looks at the endpoints themselves. */
    if (!store->wants && read_wants(store, db) != RESULT_OK)
        return true;
    size_t low = 0, high = store->wants->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (store->wants->owners[middle].owner_id < owner_id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < store->wants->count && store->wants->owners[low].owner_id == owner_id &&
           store->wants->owners[low].events >> type & 1;
}

static enum result listeners(struct db *db, int64_t owner_id, enum event_type type, int64_t *ids, size_t *count)
{
    struct db_rows *rows;
    enum result result = db_query(
        db, "SELECT id, events FROM webhooks WHERE owner_id = $1 AND disabled_ms IS NULL AND removed_ms IS NULL",
        DB_ARGS(DB_INT(owner_id)), &rows);
    *count = 0;
    while (result == RESULT_OK && *count < WEBHOOKS_MAX && (result = db_next(rows)) == RESULT_OK)
        if (db_column_int(rows, 1) >> type & 1)
            ids[(*count)++] = db_column_int(rows, 0);
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

enum result outbox_add_delivery(struct store *store, struct db *db, int64_t owner_id, int64_t webhook_id,
                                int64_t event_id, enum event_type type, int64_t lead_id, int64_t now_ms,
                                int64_t *out_id)
{
    int64_t id = id_new();
    enum result result =
        db_run(db,
               "INSERT INTO deliveries (owner_id, id, webhook_id, event_id, lead_id, type, state, created_ms, "
               "due_ms, attempts) VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $7, 0)",
               DB_ARGS(DB_INT(owner_id), DB_INT(id), DB_INT(webhook_id), DB_INT(event_id), db_int_or_null(lead_id),
                       DB_INT(type), DB_INT(now_ms)));
    if (result == RESULT_OK)
        result = db_run(db,
                        "UPDATE webhooks SET next_due_ms = $3 WHERE owner_id = $1 AND id = $2 "
                        "AND (next_due_ms IS NULL OR next_due_ms > $3)",
                        DB_ARGS(DB_INT(owner_id), DB_INT(webhook_id), DB_INT(now_ms)));
    store->outbox_filled = true;
    if (out_id)
        *out_id = id;
    return result;
}

enum result outbox_add_event(struct db *db, int64_t owner_id, enum event_type type, json_t *data, int64_t lead_id,
                             int64_t now_ms, int64_t *out_id)
{
    struct arena arena;
    arena_init(&arena);
    *out_id = id_new();
    enum result result =
        db_run(db, "INSERT INTO events (owner_id, id, type, lead_id, body, created_ms) VALUES ($1, $2, $3, $4, $5, $6)",
               DB_ARGS(DB_INT(owner_id), DB_INT(*out_id), DB_INT(type), db_int_or_null(lead_id),
                       db_text(event_body(type, now_ms, data, &arena)), DB_INT(now_ms)));
    arena_free(&arena);
    return result;
}

enum result outbox_add(struct store *store, struct db *db, int64_t owner_id, enum event_type type, json_t *data,
                       int64_t lead_id, int64_t now_ms)
{
    int64_t ids[WEBHOOKS_MAX], event_id;
    size_t count;
    enum result result = listeners(db, owner_id, type, ids, &count);
    if (result != RESULT_OK || !count) {
        json_decref(data);
        return result;
    }
    result = outbox_add_event(db, owner_id, type, data, lead_id, now_ms, &event_id);
    for (size_t i = 0; i < count && result == RESULT_OK; i++)
        result = outbox_add_delivery(store, db, owner_id, ids[i], event_id, type, lead_id, now_ms, NULL);
    return result;
}

enum result outbox_reschedule(struct db *db, int64_t owner_id, int64_t webhook_id)
{
    return db_run(
        db,
        "UPDATE webhooks SET next_due_ms = (SELECT MIN(due_ms) FROM deliveries WHERE owner_id = $1 AND webhook_id = $2 "
        "AND state = 0) WHERE owner_id = $1 AND id = $2",
        DB_ARGS(DB_INT(owner_id), DB_INT(webhook_id)));
}

enum result outbox_disable(struct store *store, struct db *db, int64_t owner_id, int64_t webhook_id, const char *why,
                           int64_t now_ms)
{
    outbox_forget_wants(store);
    enum result result = db_run(db,
                                "UPDATE deliveries SET state = 3, finished_ms = $3, leased_until_ms = NULL "
                                "WHERE owner_id = $1 AND webhook_id = $2 AND state = 0",
                                DB_ARGS(DB_INT(owner_id), DB_INT(webhook_id), DB_INT(now_ms)));
    if (result != RESULT_OK)
        return result;
    return db_run(db,
                  "UPDATE webhooks SET disabled_ms = $3, disabled_why = $4, next_due_ms = NULL "
                  "WHERE owner_id = $1 AND id = $2 AND disabled_ms IS NULL",
                  DB_ARGS(DB_INT(owner_id), DB_INT(webhook_id), DB_INT(now_ms), db_text(why)));
}
