/* Showing deliveries: lists of them, and one with its log of attempts. */
#include <string.h>
#include "server/store/deliveries.h"
#include "server/store/endpoints.h"

enum { LIST_MAX = 256, ATTEMPTS_SHOWN_MAX = 200 };

static const char *const STATES[] = {"pending", "delivered", "failed", "disabled", "erased"};

const char *delivery_state_name(enum delivery_state state)
{
    return STATES[state];
}

enum delivery_state delivery_state_parse(const char *name)
{
    int state = 0;
    while (state < DELIVERY_STATE_COUNT && (!name || strcmp(STATES[state], name)))
        state++;
    return (enum delivery_state)state;
}

void delivery_from_row(const struct db_rows *rows, struct arena *arena, struct delivery *out)
{
    *out = (struct delivery){
        .owner_id = db_column_int(rows, 0),
        .id = db_column_int(rows, 1),
        .webhook_id = db_column_int(rows, 2),
        .event_id = db_column_int(rows, 3),
        .lead_id = db_column_int(rows, 4),
        .type = (enum event_type)db_column_int(rows, 5),
        .state = (enum delivery_state)db_column_int(rows, 6),
        .created_ms = db_column_int(rows, 7),
        .due_ms = db_column_int(rows, 8),
        .finished_ms = db_column_int(rows, 9),
        .attempts = (int)db_column_int(rows, 10),
        .last_status = (int)db_column_int(rows, 11),
        .last_error = db_column_text(rows, 12, arena),
        .sequence = db_column_int(rows, 13),
        .paused = db_column_int(rows, 6) == DELIVERY_PENDING && db_column_int(rows, 14) == QUEUE_PAUSED,
    };
}

enum result delivery_read_body(struct db *db, struct arena *arena, struct delivery *delivery)
{
    struct db_rows *rows;
    enum result result = db_one(db, "SELECT body FROM events WHERE owner_id = $1 AND id = $2",
                                DB_ARGS(DB_INT(delivery->owner_id), DB_INT(delivery->event_id)), &rows);
    if (result != RESULT_OK)
        return result == RESULT_NOT_FOUND ? RESULT_FAILED : result;
    delivery->body = db_column_text(rows, 0, arena);
    db_finish(&rows);
    return RESULT_OK;
}

static enum result read_url(struct db *db, struct arena *arena, struct delivery *delivery)
{
    struct db_rows *rows;
    enum result result = db_one(db, "SELECT url FROM webhooks WHERE owner_id = $1 AND id = $2",
                                DB_ARGS(DB_INT(delivery->owner_id), DB_INT(delivery->webhook_id)), &rows);
    if (result != RESULT_OK)
        return result == RESULT_NOT_FOUND ? RESULT_FAILED : result;
    delivery->url = db_column_text(rows, 0, arena);
    db_finish(&rows);
    return RESULT_OK;
}

struct showing {
    struct arena *arena;
    int64_t owner_id, webhook_id, lead_id, before;
    int state;
    size_t limit, count;
    struct delivery *deliveries;
    struct delivery *one;
    struct attempt *attempts;
};

#define LISTED                                                                                   \
    "SELECT " DELIVERY_COLUMNS                                                                   \
    ", (SELECT a.latency_ms FROM delivery_attempts AS a WHERE a.owner_id = deliveries.owner_id " \
    "AND a.delivery_id = deliveries.id ORDER BY a.id DESC LIMIT 1) "

/* What never arrived has an index of its own, in which a month of what did is not in the way. */
static const char *list_sql(const struct showing *showing)
{
    if (showing->lead_id)
        return LISTED "FROM deliveries WHERE owner_id = $1 AND lead_id = $2 AND id < $3 ORDER BY id DESC LIMIT $4";
    switch (showing->state) {
    case -1:
        return LISTED "FROM deliveries WHERE owner_id = $1 AND webhook_id = $2 AND id < $3 ORDER BY id DESC LIMIT $4";
    case DELIVERY_FAILED:
    case DELIVERY_DISABLED:
        return LISTED "FROM deliveries WHERE owner_id = $1 AND webhook_id = $2 AND id < $3 "
                      "AND state IN (2, 3) AND state = $5 ORDER BY id DESC LIMIT $4";
    case DELIVERY_PENDING: /* ten thousand at most; the + keeps engines from walking all for the sake of order */
        return LISTED "FROM deliveries WHERE owner_id = $1 AND webhook_id = $2 AND +id < $3 "
                      "AND state = 0 AND queue IN (0, 1, 2) AND state = $5 ORDER BY +id DESC LIMIT $4";
    default:
        return LISTED "FROM deliveries WHERE owner_id = $1 AND webhook_id = $2 AND id < $3 "
                      "AND state = $5 ORDER BY id DESC LIMIT $4";
    }
}

static enum result list_body(struct db *db, void *context)
{
    struct showing *showing = context;
    struct db_rows *rows;
    const struct db_value args[] = {DB_INT(showing->owner_id),
                                    DB_INT(showing->lead_id ? showing->lead_id : showing->webhook_id),
                                    DB_INT(showing->before), DB_INT((int64_t)showing->limit), DB_INT(showing->state)};
    showing->deliveries = arena_alloc(showing->arena, sizeof *showing->deliveries * showing->limit);
    showing->count = 0;
    enum result result = db_query(db, list_sql(showing), args, showing->state < 0 ? 4 : 5, &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK) {
        struct delivery *delivery = &showing->deliveries[showing->count++];
        delivery_from_row(rows, showing->arena, delivery);
        delivery->last_latency_ms = db_column_int(rows, DELIVERY_COLUMN_COUNT);
    }
    db_finish(&rows);
    if (result != RESULT_NOT_FOUND)
        return result;
    result = RESULT_OK;
    for (size_t i = 0; showing->lead_id && i < showing->count && result == RESULT_OK; i++)
        result = read_url(db, showing->arena, &showing->deliveries[i]);
    return result;
}

enum result store_delivery_list(struct store *store, struct arena *arena, int64_t owner_id,
                                const struct delivery_filter *filter, struct delivery **out, size_t *count)
{
    struct showing showing = {.arena = arena,
                              .owner_id = owner_id,
                              .webhook_id = filter->webhook_id,
                              .state = filter->state,
                              .before = filter->before ? filter->before : INT64_MAX,
                              .limit = filter->limit && filter->limit < LIST_MAX ? filter->limit : LIST_MAX};
    enum result result = store_list(store, owner_id, list_body, &showing);
    *out = showing.deliveries;
    *count = showing.count;
    return result;
}

enum result store_delivery_list_of_lead(struct store *store, struct arena *arena, int64_t owner_id, int64_t lead_id,
                                        struct delivery **out, size_t *count)
{
    struct showing showing = {
        .arena = arena, .owner_id = owner_id, .lead_id = lead_id, .state = -1, .before = INT64_MAX, .limit = LIST_MAX};
    enum result result = store_list(store, owner_id, list_body, &showing);
    *out = showing.deliveries;
    *count = showing.count;
    return result;
}

static enum result find_body(struct db *db, void *context)
{
    struct showing *showing = context;
    struct db_rows *rows;
    enum result result = db_one(db, "SELECT " DELIVERY_COLUMNS " FROM deliveries WHERE owner_id = $1 AND id = $2",
                                DB_ARGS(DB_INT(showing->owner_id), DB_INT(showing->one->id)), &rows);
    if (result != RESULT_OK)
        return result;
    delivery_from_row(rows, showing->arena, showing->one);
    db_finish(&rows);
    result = delivery_read_body(db, showing->arena, showing->one);
    if (result == RESULT_OK)
        result = read_url(db, showing->arena, showing->one);
    if (result != RESULT_OK)
        return result;
    showing->attempts = arena_alloc(showing->arena, sizeof *showing->attempts * ATTEMPTS_SHOWN_MAX);
    result = db_query(
        db,
        "SELECT at_ms, status, latency_ms, error FROM delivery_attempts WHERE owner_id = $1 AND delivery_id = $2 "
        "ORDER BY id LIMIT $3",
        DB_ARGS(DB_INT(showing->owner_id), DB_INT(showing->one->id), DB_INT(ATTEMPTS_SHOWN_MAX)), &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK)
        showing->attempts[showing->count++] = (struct attempt){.at_ms = db_column_int(rows, 0),
                                                               .status = (int)db_column_int(rows, 1),
                                                               .latency_ms = db_column_int(rows, 2),
                                                               .error = db_column_text(rows, 3, showing->arena)};
    db_finish(&rows);
    if (showing->count)
        showing->one->last_latency_ms = showing->attempts[showing->count - 1].latency_ms;
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

enum result store_delivery_find(struct store *store, struct arena *arena, int64_t owner_id, int64_t id,
                                struct delivery *out, struct attempt **attempts, size_t *attempt_count)
{
    *out = (struct delivery){.id = id};
    struct showing showing = {.arena = arena, .owner_id = owner_id, .one = out};
    enum result result = store_read(store, find_body, &showing);
    *attempts = showing.attempts;
    *attempt_count = showing.count;
    return result;
}
