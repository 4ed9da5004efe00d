/* Deliveries: handing them out under a lease, recording what became of them, showing them.
 *
 * A lease is a due time in the future: who claims a delivery pushes its due_ms to the lease's end, so that if the sender
 * dies the delivery becomes due again by itself, with the same event id. Endpoints take turns (webhooks.turn_ms), and one
 * has at most ENDPOINT_MAX under way, so one backlog or one slow receiver holds up nobody else. */
#include <string.h>
#include "server/ids.h"
#include "server/store/internal.h"
#include "server/store/seal.h"

enum { ENDPOINT_MAX = 2, LIST_MAX = 256, ATTEMPTS_SHOWN_MAX = 200, CLAIM_MAX = 64 };

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

#define DELIVERY_COLUMNS                                                                                                   \
    "id, webhook_id, event_id, lead_id, type, state, created_ms, due_ms, finished_ms, attempts, last_status, last_error, " \
    "sequence, queue"

static void delivery_of_row(const struct db_rows *rows, struct arena *arena, int64_t owner_id, struct delivery *out)
{
    *out = (struct delivery){
        .owner_id = owner_id,
        .id = db_column_int(rows, 0),
        .webhook_id = db_column_int(rows, 1),
        .event_id = db_column_int(rows, 2),
        .lead_id = db_column_int(rows, 3),
        .type = (enum event_type)db_column_int(rows, 4),
        .state = (enum delivery_state)db_column_int(rows, 5),
        .created_ms = db_column_int(rows, 6),
        .due_ms = db_column_int(rows, 7),
        .finished_ms = db_column_int(rows, 8),
        .attempts = (int)db_column_int(rows, 9),
        .last_status = (int)db_column_int(rows, 10),
        .last_error = db_column_text(rows, 11, arena),
        .sequence = db_column_int(rows, 12),
        .paused = db_column_int(rows, 13) == QUEUE_PAUSED,
    };
}

/* ---- claiming ---- */

struct claim {
    struct store *store;
    struct arena *arena;
    int64_t now_ms, lease_ms;
    size_t limit, count;
    struct delivery *deliveries;
    int64_t next_due_ms;
};

static enum result next_due(struct db *db, int64_t *out)
{
    struct db_rows *rows;
    enum result result =
        db_one(db, "SELECT MIN(next_due_ms) FROM webhooks WHERE lane = 1 AND next_due_ms IS NOT NULL", NULL, 0, &rows);
    if (result != RESULT_OK)
        return result;
    *out = db_column_int(rows, 0);
    db_finish(&rows);
    return RESULT_OK;
}

static const char LOST_KEY[] =
    "its secret was sealed with another key file: put that one back, or make the webhook anew";

/* UNREADABLE[i] says that the secret of OUT[i] cannot be opened. */
static enum result due_webhooks(struct claim *claim, struct db *db, struct webhook *out, struct webhook_keys *keys,
                                bool *unreadable, size_t *count)
{
    struct db_rows *rows;
    size_t len;
    *count = 0;
    enum result result = db_query(
        db,
        "SELECT owner_id, id, url, sealed_secret, format, thin FROM webhooks WHERE lane = 1 AND next_due_ms <= $1 AND disabled_ms IS NULL "
        "AND removed_ms IS NULL ORDER BY turn_ms, id LIMIT $2",
        DB_ARGS(DB_INT(claim->now_ms), DB_INT((int64_t)claim->limit)), &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK) {
        struct webhook *webhook = &out[*count];
        *webhook = (struct webhook){.owner_id = db_column_int(rows, 0),
                                    .id = db_column_int(rows, 1),
                                    .url = db_column_text(rows, 2, claim->arena),
                                    .format = (enum webhook_format)db_column_int(rows, 4),
                                    .thin = db_column_int(rows, 5)};
        const void *sealed = db_column_bytes(rows, 3, &len);
        unreadable[*count] = webhook_unseal(claim->store, sealed, len, keys[*count].secret) != RESULT_OK;
        ++*count;
    }
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

/* How many of an endpoint's are under way, and when the first of those leases ends. */
static enum result under_way(struct db *db, const struct webhook *webhook, int64_t now_ms, int64_t *count,
                             int64_t *first_end_ms)
{
    struct db_rows *rows;
    enum result result =
        db_one(db,
               "SELECT COUNT(*), MIN(leased_until_ms) FROM deliveries WHERE owner_id = $1 AND webhook_id = $2 "
               "AND leased_until_ms > $3",
               DB_ARGS(DB_INT(webhook->owner_id), DB_INT(webhook->id), DB_INT(now_ms)), &rows);
    if (result != RESULT_OK)
        return result;
    *count = db_column_int(rows, 0);
    *first_end_ms = db_column_int(rows, 1);
    db_finish(&rows);
    return RESULT_OK;
}

static enum result lease(struct claim *claim, struct db *db, const struct webhook *webhook,
                         const struct webhook_keys *keys, int64_t most)
{
    struct db_rows *rows;
    if (most > (int64_t)(claim->limit - claim->count))
        most = (int64_t)(claim->limit - claim->count);
    enum result result = db_query(
        db,
        "UPDATE deliveries SET leased_until_ms = $4, due_ms = $4 WHERE owner_id = $1 AND id IN (SELECT id FROM "
        "deliveries WHERE owner_id = $1 AND webhook_id = $2 AND state = 0 AND due_ms <= $3 ORDER BY queue, due_ms, id "
        "LIMIT $5) RETURNING " DELIVERY_COLUMNS,
        DB_ARGS(DB_INT(webhook->owner_id), DB_INT(webhook->id), DB_INT(claim->now_ms),
                DB_INT(claim->now_ms + claim->lease_ms), DB_INT(most)),
        &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK) {
        struct delivery *delivery = &claim->deliveries[claim->count++];
        delivery_of_row(rows, claim->arena, webhook->owner_id, delivery);
        delivery->webhook = *webhook;
        delivery->keys = *keys;
    }
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

static enum result read_body(struct db *db, struct arena *arena, struct delivery *delivery)
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

/* Its turn is over: it stands last, and is next due when a delivery is or, if it has its fill, when a lease ends. */
static enum result end_turn(struct claim *claim, struct db *db, const struct webhook *webhook)
{
    int64_t count, first_end_ms;
    enum result result = under_way(db, webhook, claim->now_ms, &count, &first_end_ms);
    if (result != RESULT_OK)
        return result;
    if (count >= ENDPOINT_MAX)
        return db_run(
            db, "UPDATE webhooks SET turn_ms = $3, next_due_ms = $4 WHERE owner_id = $1 AND id = $2",
            DB_ARGS(DB_INT(webhook->owner_id), DB_INT(webhook->id), DB_INT(claim->now_ms), DB_INT(first_end_ms)));
    result = outbox_reschedule(db, webhook->owner_id, webhook->id);
    if (result != RESULT_OK)
        return result;
    return db_run(db, "UPDATE webhooks SET turn_ms = $3 WHERE owner_id = $1 AND id = $2",
                  DB_ARGS(DB_INT(webhook->owner_id), DB_INT(webhook->id), DB_INT(claim->now_ms)));
}

static enum result claim_body(struct db *db, void *context)
{
    struct claim *claim = context;
    struct webhook webhooks[CLAIM_MAX];
    struct webhook_keys keys[CLAIM_MAX] = {0};
    bool unreadable[CLAIM_MAX];
    size_t webhook_count;
    claim->count = 0;
    enum result result = due_webhooks(claim, db, webhooks, keys, unreadable, &webhook_count);
    for (size_t i = 0; i < webhook_count && claim->count < claim->limit && result == RESULT_OK; i++) {
        int64_t busy, first_end_ms;
        if (unreadable[i]) { /* nobody's data goes out unsigned, and nothing waits for ever unseen */
            result = outbox_disable(claim->store, db, webhooks[i].owner_id, webhooks[i].id, LOST_KEY, claim->now_ms);
            continue;
        }
        result = under_way(db, &webhooks[i], claim->now_ms, &busy, &first_end_ms);
        if (result == RESULT_OK && busy < ENDPOINT_MAX)
            result = lease(claim, db, &webhooks[i], &keys[i], ENDPOINT_MAX - busy);
        if (result == RESULT_OK)
            result = end_turn(claim, db, &webhooks[i]);
    }
    for (size_t i = 0; i < claim->count && result == RESULT_OK; i++)
        result = read_body(db, claim->arena, &claim->deliveries[i]);
    return result == RESULT_OK ? next_due(db, &claim->next_due_ms) : result;
}

static enum result look_body(struct db *db, void *context)
{
    struct claim *claim = context;
    return next_due(db, &claim->next_due_ms);
}

enum result store_delivery_claim(struct store *store, struct arena *arena, int64_t now_ms, int64_t lease_ms,
                                 size_t limit, struct delivery **out, size_t *count, int64_t *next_due_ms)
{
    struct claim claim = {.store = store,
                          .arena = arena,
                          .now_ms = now_ms,
                          .lease_ms = lease_ms,
                          .limit = limit < CLAIM_MAX ? limit : CLAIM_MAX};
    /* Mostly nothing is due: looking costs no turn at the writing connection and no sync. */
    enum result result = store_read(store, look_body, &claim);
    if (result == RESULT_OK && claim.limit && claim.next_due_ms && claim.next_due_ms <= now_ms) {
        claim.deliveries = arena_alloc(arena, sizeof *claim.deliveries * claim.limit);
        result = store_write(store, "delivery_claim", claim_body, &claim);
    }
    *out = claim.deliveries;
    *count = result == RESULT_OK ? claim.count : 0;
    *next_due_ms = claim.next_due_ms;
    return result;
}

/* ---- recording ---- */

struct recording {
    struct store *store;
    const struct outcome *outcomes;
    size_t count;
    int64_t now_ms;
};

/* The host of an endpoint's URL, for the lead's timeline. */
static const char *host_of(const char *url, struct arena *arena)
{
    const char *host = url ? strstr(url, "://") : NULL;
    return host ? arena_strndup(arena, host + 3, strcspn(host + 3, "/?")) : url;
}

static enum result note_told(struct db *db, const struct delivery *delivery, int64_t at_ms)
{
    struct arena arena;
    struct db_rows *rows;
    if (!delivery->lead_id || delivery->type != EVENT_LEAD_CREATED)
        return RESULT_OK;
    enum result result = db_one(db, "SELECT url FROM webhooks WHERE owner_id = $1 AND id = $2",
                                DB_ARGS(DB_INT(delivery->owner_id), DB_INT(delivery->webhook_id)), &rows);
    if (result != RESULT_OK)
        return result;
    arena_init(&arena);
    const char *words = host_of(db_column_text(rows, 0, &arena), &arena);
    db_finish(&rows);
    result = lead_moment_add(db, delivery->owner_id, delivery->lead_id, at_ms, "told", words);
    arena_free(&arena);
    return result;
}

static enum result note_health(struct db *db, const struct delivery *delivery, bool success, int64_t at_ms)
{
    const struct db_value args[] = {DB_INT(delivery->owner_id), DB_INT(delivery->webhook_id), DB_INT(at_ms)};
    return success
               ? db_run(
                     db,
                     "UPDATE webhooks SET last_success_ms = $3, failures_in_a_row = 0 WHERE owner_id = $1 AND id = $2",
                     args, 3)
               : db_run(db,
                        "UPDATE webhooks SET last_failure_ms = $3, failures_in_a_row = failures_in_a_row + 1 "
                        "WHERE owner_id = $1 AND id = $2",
                        args, 3);
}

static enum result record_one(struct recording *recording, struct db *db, const struct outcome *outcome,
                              const struct delivery *delivery)
{
    const struct attempt *attempt = &outcome->attempt;
    bool pending = outcome->state == DELIVERY_PENDING;
    if (outcome->interrupted) {
        enum result put_back =
            db_run(db, "UPDATE deliveries SET due_ms = $3, leased_until_ms = NULL WHERE owner_id = $1 AND id = $2",
                   DB_ARGS(DB_INT(delivery->owner_id), DB_INT(delivery->id), DB_INT(outcome->retry_at_ms)));
        return put_back == RESULT_OK ? outbox_reschedule(db, delivery->owner_id, delivery->webhook_id) : put_back;
    }
    enum result result =
        db_run(db,
               "INSERT INTO delivery_attempts (owner_id, delivery_id, id, at_ms, status, latency_ms, error) "
               "VALUES ($1, $2, $3, $4, $5, $6, $7)",
               DB_ARGS(DB_INT(delivery->owner_id), DB_INT(delivery->id), DB_INT(id_new()), DB_INT(attempt->at_ms),
                       DB_INT(attempt->status), DB_INT(attempt->latency_ms), db_text(attempt->error)));
    if (result == RESULT_OK)
        result = db_run(
            db,
            "UPDATE deliveries SET state = $3, due_ms = $4, finished_ms = $5, last_status = $6, last_error = $7, "
            "leased_until_ms = NULL, attempts = attempts + 1 WHERE owner_id = $1 AND id = $2",
            DB_ARGS(DB_INT(delivery->owner_id), DB_INT(delivery->id), DB_INT(outcome->state),
                    DB_INT(pending ? outcome->retry_at_ms : delivery->due_ms),
                    db_int_or_null(pending ? 0 : recording->now_ms), db_int_or_null(attempt->status),
                    db_text(attempt->error)));
    if (result == RESULT_OK)
        result = note_health(db, delivery, outcome->state == DELIVERY_DELIVERED, attempt->at_ms);
    if (result == RESULT_OK && outcome->state == DELIVERY_DELIVERED)
        result = note_told(db, delivery, attempt->at_ms);
    if (result == RESULT_OK && outcome->gone)
        result = outbox_disable(recording->store, db, delivery->owner_id, delivery->webhook_id,
                                "the receiver answered 410 Gone", recording->now_ms);
    return result == RESULT_OK ? outbox_reschedule(db, delivery->owner_id, delivery->webhook_id) : result;
}

static enum result record_body(struct db *db, void *context)
{
    struct recording *recording = context;
    struct arena arena;
    enum result result = RESULT_OK;
    arena_init(&arena);
    for (size_t i = 0; i < recording->count && result == RESULT_OK; i++) {
        struct db_rows *rows;
        struct delivery delivery;
        result = db_one(db, "SELECT " DELIVERY_COLUMNS ", owner_id FROM deliveries WHERE id = $1",
                        DB_ARGS(DB_INT(recording->outcomes[i].delivery_id)), &rows);
        if (result == RESULT_OK) {
            delivery_of_row(rows, &arena, db_column_int(rows, 14), &delivery);
            db_finish(&rows);
            /* Erased, disabled or recorded meanwhile: that end stands. */
            if (delivery.state == DELIVERY_PENDING)
                result = record_one(recording, db, &recording->outcomes[i], &delivery);
        } else if (result == RESULT_NOT_FOUND) {
            result = RESULT_OK;
        }
    }
    arena_free(&arena);
    return result;
}

enum result store_delivery_record(struct store *store, const struct outcome *outcomes, size_t count, int64_t now_ms)
{
    struct recording recording = {.store = store, .outcomes = outcomes, .count = count, .now_ms = now_ms};
    return store_write(store, "delivery_record", record_body, &recording);
}

/* ---- again ---- */

struct again {
    struct store *store;
    int64_t owner_id, id, now_ms;
};

static enum result redeliver_body(struct db *db, void *context)
{
    struct again *again = context;
    struct db_rows *rows;
    enum result result = db_one(db, "SELECT webhook_id, state FROM deliveries WHERE owner_id = $1 AND id = $2",
                                DB_ARGS(DB_INT(again->owner_id), DB_INT(again->id)), &rows);
    if (result != RESULT_OK)
        return result;
    int64_t webhook_id = db_column_int(rows, 0), state = db_column_int(rows, 1);
    db_finish(&rows);
    if (state == DELIVERY_ERASED || state == DELIVERY_PENDING)
        return RESULT_CONFLICT;
    /* Only to an endpoint that is there and on, and only while the body is: erasing a lead empties it. The schedule starts
     * anew; the log of attempts goes on. */
    result = db_run(
        db,
        "UPDATE deliveries SET state = 0, due_ms = $3, attempts = 0, finished_ms = NULL, leased_until_ms = NULL "
        "WHERE owner_id = $1 AND id = $2 AND EXISTS (SELECT 1 FROM webhooks w WHERE w.owner_id = $1 AND w.id = $4 "
        "AND w.disabled_ms IS NULL AND w.removed_ms IS NULL) AND EXISTS (SELECT 1 FROM events e WHERE e.owner_id = $1 "
        "AND e.id = deliveries.event_id AND e.body <> '')",
        DB_ARGS(DB_INT(again->owner_id), DB_INT(again->id), DB_INT(again->now_ms), DB_INT(webhook_id)));
    if (result != RESULT_OK)
        return result;
    if (!db_changes(db))
        return RESULT_CONFLICT;
    again->store->outbox_filled = true;
    return outbox_reschedule(db, again->owner_id, webhook_id);
}

enum result store_delivery_redeliver(struct store *store, int64_t owner_id, int64_t id, int64_t now_ms)
{
    struct again again = {.store = store, .owner_id = owner_id, .id = id, .now_ms = now_ms};
    return store_write(store, "delivery_redeliver", redeliver_body, &again);
}

/* ---- showing ---- */

struct showing {
    struct arena *arena;
    int64_t owner_id, webhook_id, lead_id, before;
    int state;
    size_t limit, count;
    struct delivery *deliveries;
    struct delivery *one;
    struct attempt *attempts;
};

/* What never arrived has an index of its own, in which a month of what did is not in the way. */
static const char *list_sql(const struct showing *showing)
{
    if (showing->lead_id)
        return "SELECT " DELIVERY_COLUMNS
               " FROM deliveries WHERE owner_id = $1 AND lead_id = $2 AND id < $3 ORDER BY id DESC LIMIT $4";
    switch (showing->state) {
    case -1:
        return "SELECT " DELIVERY_COLUMNS
               " FROM deliveries WHERE owner_id = $1 AND webhook_id = $2 AND id < $3 ORDER BY id DESC LIMIT $4";
    case DELIVERY_FAILED:
    case DELIVERY_DISABLED:
        return "SELECT " DELIVERY_COLUMNS " FROM deliveries WHERE owner_id = $1 AND webhook_id = $2 AND id < $3 "
               "AND state IN (2, 3) AND state = $5 ORDER BY id DESC LIMIT $4";
    default:
        return "SELECT " DELIVERY_COLUMNS " FROM deliveries WHERE owner_id = $1 AND webhook_id = $2 AND id < $3 "
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
    enum result result = db_query(db, list_sql(showing), args, showing->state < 0 ? 4 : 5, &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK)
        delivery_of_row(rows, showing->arena, showing->owner_id, &showing->deliveries[showing->count++]);
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
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
    enum result result = store_read(store, list_body, &showing);
    *out = showing.deliveries;
    *count = showing.count;
    return result;
}

enum result store_delivery_list_of_lead(struct store *store, struct arena *arena, int64_t owner_id, int64_t lead_id,
                                        struct delivery **out, size_t *count)
{
    struct showing showing = {
        .arena = arena, .owner_id = owner_id, .lead_id = lead_id, .state = -1, .before = INT64_MAX, .limit = LIST_MAX};
    enum result result = store_read(store, list_body, &showing);
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
    delivery_of_row(rows, showing->arena, showing->owner_id, showing->one);
    db_finish(&rows);
    result = read_body(db, showing->arena, showing->one);
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
