/* The outbox: what happened, and its deliveries to those who want to hear, written in the transaction of the cause. An
 * event that was committed is delivered or ends visibly; one that was rolled back was never told.
 *
 * For an endpoint that is off deliveries are born `disabled`: so its member can have what was missed sent, once it is on
 * again. After thirty days off nobody is thought to come back for them, and no more are made. */
#include <stdlib.h>
#include <string.h>
#include "server/ids.h"
#include "server/store/outbox.h"
#include "server/store/changes_inside.h"
#include "server/store/endpoints.h"

static const int64_t KEPT_WHILE_OFF_MS = 30LL * 24 * 60 * 60 * 1000;

/* Every owner with an endpoint, in order, and the union of what their endpoints want. The fold asks for each of
 * thousands of owners a batch, so it is kept in memory, below the lock of the one writing connection; check_wants tells
 * whether it still holds. */
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
    enum result result = db_one(db, "SELECT COUNT(*) FROM webhooks WHERE removed_ms IS NULL", NULL, 0, &rows);
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
    result = db_query(db, "SELECT owner_id, events FROM webhooks WHERE removed_ms IS NULL ORDER BY owner_id", NULL, 0,
                      &rows);
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

/* What is in memory holds unless another server changed an endpoint: once a transaction the database is asked, which answers
 * from the same moment in which the event happens. */
static enum result check_wants(struct store *store, struct db *db)
{
    int64_t mark;
    if (!store->driver->shared || store->wants_checked)
        return RESULT_OK;
    enum result result = changes_mark(db, CHANGE_WEBHOOKS, &mark);
    if (result != RESULT_OK)
        return result;
    if (mark != store->wants_mark)
        outbox_forget_wants(store);
    store->wants_mark = mark;
    store->wants_checked = true;
    return RESULT_OK;
}

bool outbox_wanted(struct store *store, struct db *db, int64_t owner_id, enum event_type type)
{
    /* When in doubt, yes: outbox_add looks at the endpoints themselves. */
    if (check_wants(store, db) != RESULT_OK || (!store->wants && read_wants(store, db) != RESULT_OK))
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

static enum result listeners(struct db *db, struct arena *arena, int64_t owner_id, enum event_type type, int64_t now_ms,
                             struct endpoint *out, size_t *count)
{
    struct db_rows *rows;
    *count = 0;
    enum result result =
        db_query(db, "SELECT " ENDPOINT_COLUMNS " FROM webhooks WHERE owner_id = $1 AND removed_ms IS NULL",
                 DB_ARGS(DB_INT(owner_id)), &rows);
    while (result == RESULT_OK && *count < WEBHOOKS_MAX && (result = db_next(rows)) == RESULT_OK) {
        struct endpoint *endpoint = &out[*count];
        endpoint_from_row(rows, arena, endpoint);
        const struct webhook *webhook = &endpoint->webhook;
        *count +=
            webhook->events >> type & 1 && (!webhook->disabled_ms || now_ms - webhook->disabled_ms < KEPT_WHILE_OFF_MS);
    }
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

/* ---- births ---- */

enum result outbox_add_delivery(struct store *store, struct db *db, struct endpoint *endpoint, int64_t event_id,
                                enum event_type type, int64_t lead_id, int64_t now_ms, int64_t *out_id)
{
    struct webhook *webhook = &endpoint->webhook;
    bool is_off = webhook->disabled_ms;
    int64_t id = id_new();
    webhook->sequence++;
    enum result result =
        db_run(db,
               "INSERT INTO deliveries (owner_id, id, webhook_id, event_id, lead_id, type, state, created_ms, due_ms, "
               "finished_ms, attempts, sequence) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9, 0, $10)",
               DB_ARGS(DB_INT(webhook->owner_id), DB_INT(id), DB_INT(webhook->id), DB_INT(event_id),
                       db_int_or_null(lead_id), DB_INT(type), DB_INT(is_off ? DELIVERY_DISABLED : DELIVERY_PENDING),
                       DB_INT(now_ms), db_int_or_null(is_off ? now_ms : 0), DB_INT(webhook->sequence)));
    if (result != RESULT_OK)
        return result;
    if (out_id)
        *out_id = id;
    if (is_off) {
        store->ended[DELIVERY_DISABLED]++;
        return endpoint_write(db, endpoint);
    }
    store->outbox_filled = true;
    webhook->pending++;
    if (webhook->pending - webhook->paused > ENDPOINT_PENDING_MAX)
        return endpoint_settle(db, endpoint, now_ms);
    endpoint_call(endpoint, now_ms);
    return endpoint_write(db, endpoint);
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
    struct endpoint endpoints[WEBHOOKS_MAX];
    struct arena arena;
    size_t count;
    int64_t event_id;
    arena_init(&arena);
    enum result result = listeners(db, &arena, owner_id, type, now_ms, endpoints, &count);
    if (result != RESULT_OK || !count) {
        json_decref(data);
        goto done;
    }
    result = outbox_add_event(db, owner_id, type, data, lead_id, now_ms, &event_id);
    for (size_t i = 0; i < count && result == RESULT_OK; i++)
        result = outbox_add_delivery(store, db, &endpoints[i], event_id, type, lead_id, now_ms, NULL);
done:
    arena_free(&arena);
    return result;
}

/* ---- an end before its time ---- */

struct ended {
    int64_t webhook_id;
    bool paused;
};

static enum result end_of_lead(struct db *db, struct arena *arena, int64_t owner_id, int64_t lead_id, int64_t now_ms,
                               struct ended **out, size_t *count)
{
    struct db_rows *rows;
    size_t room = 0;
    *out = NULL;
    *count = 0;
    enum result result = db_query(db,
                                  "UPDATE deliveries SET state = 4, finished_ms = $3, leased_until_ms = NULL "
                                  "WHERE owner_id = $1 AND lead_id = $2 AND state = 0 RETURNING webhook_id, queue",
                                  DB_ARGS(DB_INT(owner_id), DB_INT(lead_id), DB_INT(now_ms)), &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK) {
        *out = db_rows_grow(arena, *out, *count, &room, sizeof **out);
        (*out)[(*count)++] = (struct ended){db_column_int(rows, 0), db_column_int(rows, 1) == QUEUE_PAUSED};
    }
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

enum result outbox_erase(struct store *store, struct db *db, int64_t owner_id, int64_t lead_id, int64_t now_ms)
{
    struct arena arena;
    struct ended *ended;
    size_t count;
    arena_init(&arena);
    enum result result = end_of_lead(db, &arena, owner_id, lead_id, now_ms, &ended, &count);
    for (size_t i = 0; i < count && result == RESULT_OK; i++) {
        struct endpoint endpoint;
        result = endpoint_read(db, &arena, owner_id, ended[i].webhook_id, &endpoint);
        if (result != RESULT_OK)
            break;
        endpoint.webhook.pending--;
        endpoint.webhook.paused -= ended[i].paused;
        result = endpoint_settle(db, &endpoint, now_ms);
    }
    if (store)
        store->ended[DELIVERY_ERASED] += (int64_t)count;
    arena_free(&arena);
    return result == RESULT_NOT_FOUND ? RESULT_FAILED : result;
}
