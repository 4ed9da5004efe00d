/* Webhook endpoints: what a member sets of them, turning them off and on. */
#include <sodium.h>
#include <string.h>
#include "server/ids.h"
#include "server/store/changes_inside.h"
#include "server/store/endpoints.h"
#include "server/store/outbox.h"
#include "server/store/seal.h"

static const unsigned char NO_SECRET[WEBHOOK_SECRET_SIZE];

struct request {
    struct store *store;
    struct arena *arena;
    int64_t owner_id, id, now_ms;
    struct webhook *webhook;      /* add, change, find */
    const struct webhook *wanted; /* change */
    struct webhook *list;
    size_t count;
    int64_t delivery_id;
    bool send_missed; /* enable */
};

void webhook_from_row(const struct db_rows *rows, struct arena *arena, struct webhook *out)
{
    *out = (struct webhook){
        .owner_id = db_column_int(rows, 0),
        .id = db_column_int(rows, 1),
        .url = db_column_text(rows, 2, arena),
        .events = (uint32_t)db_column_int(rows, 3),
        .created_ms = db_column_int(rows, 4),
        .disabled_ms = db_column_int(rows, 5),
        .disabled_why = db_column_text(rows, 6, arena),
        .format = (enum webhook_format)db_column_int(rows, 7),
        .thin = db_column_int(rows, 8),
        .listener = db_column_int(rows, 9),
        .old_until_ms = db_column_int(rows, 10),
        .pending = db_column_int(rows, 11),
        .paused = db_column_int(rows, 12),
        .sequence = db_column_int(rows, 13),
        .health = {.last_success_ms = db_column_int(rows, 15),
                   .last_failure_ms = db_column_int(rows, 16),
                   .last_latency_ms = db_column_int(rows, 17),
                   .failures_in_a_row = db_column_int(rows, 18),
                   .failing_since_ms = db_column_int(rows, 19),
                   .certificate_since_ms = db_column_int(rows, 20),
                   .refusals_in_a_row = db_column_int(rows, 21),
                   .window_ms = db_column_int(rows, 22),
                   .window_tries = db_column_int(rows, 23),
                   .window_failures = db_column_int(rows, 24),
                   .breaker_until_ms = db_column_int(rows, 25),
                   .breaker_ms = db_column_int(rows, 26)},
    };
    size_t len;
    const void *key = db_column_bytes(rows, 14, &len);
    out->asymmetric = key && len == sizeof out->public_key;
    if (out->asymmetric)
        memcpy(out->public_key, key, len);
    out->replaying = db_column_int(rows, 27);
}

static enum result insert(struct request *request, struct db *db)
{
    struct webhook *webhook = request->webhook;
    unsigned char sealed[SEALED_SIZE], sealed_seed[SEALED_SIZE];
    webhook_seal(request->store, webhook->secret, sealed);
    if (webhook->asymmetric)
        webhook_seal_new_seed(request->store, sealed_seed, webhook->public_key);
    return db_run(
        db,
        "INSERT INTO webhooks (owner_id, id, url, events, sealed_secret, created_ms, failures_in_a_row, turn_ms, "
        "format, thin, listener, sealed_seed, public_key) VALUES ($1, $2, $3, $4, $5, $6, 0, 0, $7, $8, $9, $10, $11)",
        DB_ARGS(DB_INT(webhook->owner_id), DB_INT(webhook->id), db_text(webhook->url), DB_INT(webhook->events),
                db_blob(sealed, sizeof sealed), DB_INT(request->now_ms), DB_INT(webhook->format), DB_INT(webhook->thin),
                DB_INT(webhook->listener),
                webhook->asymmetric ? db_blob(sealed_seed, sizeof sealed_seed) : db_text(NULL),
                webhook->asymmetric ? db_blob(webhook->public_key, sizeof webhook->public_key) : db_text(NULL)));
}

static enum result add_body(struct db *db, void *context)
{
    struct request *request = context;
    struct db_rows *rows;
    enum result result = db_one(db, "SELECT COUNT(*) FROM webhooks WHERE owner_id = $1 AND removed_ms IS NULL",
                                DB_ARGS(DB_INT(request->webhook->owner_id)), &rows);
    if (result != RESULT_OK)
        return result;
    int64_t have = db_column_int(rows, 0);
    db_finish(&rows);
    if (have >= WEBHOOKS_MAX)
        return RESULT_LIMITED;
    change_note(request->store, CHANGE_WEBHOOKS, request->webhook->owner_id);
    return insert(request, db);
}

enum result store_webhook_add(struct store *store, struct webhook *webhook, int64_t now_ms)
{
    struct request request = {.store = store, .webhook = webhook, .now_ms = now_ms};
    if (!memcmp(webhook->secret, NO_SECRET, sizeof NO_SECRET))
        random_bytes(webhook->secret, sizeof webhook->secret);
    webhook->id = id_new();
    webhook->created_ms = now_ms;
    return store_write(store, "webhook_add", add_body, &request);
}

static enum result list_body(struct db *db, void *context)
{
    struct request *request = context;
    struct db_rows *rows;
    request->list = arena_alloc(request->arena, sizeof *request->list * WEBHOOKS_MAX);
    enum result result =
        db_query(db, "SELECT " WEBHOOK_COLUMNS " FROM webhooks WHERE owner_id = $1 AND removed_ms IS NULL ORDER BY id",
                 DB_ARGS(DB_INT(request->owner_id)), &rows);
    while (result == RESULT_OK && request->count < WEBHOOKS_MAX && (result = db_next(rows)) == RESULT_OK)
        webhook_from_row(rows, request->arena, &request->list[request->count++]);
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

enum result store_webhook_list(struct store *store, struct arena *arena, int64_t owner_id, struct webhook **out,
                               size_t *count)
{
    struct request request = {.store = store, .arena = arena, .owner_id = owner_id};
    enum result result = store_read(store, list_body, &request);
    *out = request.list;
    *count = request.count;
    return result;
}

static enum result find_body(struct db *db, void *context)
{
    struct request *request = context;
    struct db_rows *rows;
    enum result result =
        db_one(db, "SELECT " WEBHOOK_COLUMNS " FROM webhooks WHERE owner_id = $1 AND id = $2 AND removed_ms IS NULL",
               DB_ARGS(DB_INT(request->owner_id), DB_INT(request->id)), &rows);
    if (result != RESULT_OK)
        return result;
    webhook_from_row(rows, request->arena, request->webhook);
    db_finish(&rows);
    return RESULT_OK;
}

enum result store_webhook_find(struct store *store, struct arena *arena, int64_t owner_id, int64_t id,
                               struct webhook *out)
{
    struct request request = {.store = store, .arena = arena, .owner_id = owner_id, .id = id, .webhook = out};
    return store_read(store, find_body, &request);
}

/* ---- changes ---- */

/* With the arena of the request, which must have one. */
static enum result find_endpoint(struct db *db, const struct request *request, struct endpoint *out)
{
    enum result result = endpoint_read(db, request->arena, request->owner_id, request->id, out);
    return result == RESULT_OK && out->removed_ms ? RESULT_NOT_FOUND : result;
}

static enum result set_asymmetric(const struct request *request, struct db *db, bool on)
{
    unsigned char sealed[SEALED_SIZE], public_key[WEBHOOK_PUBLIC_KEY_SIZE];
    if (!on)
        return db_run(db,
                      "UPDATE webhooks SET sealed_seed = NULL, old_sealed_seed = NULL, public_key = NULL "
                      "WHERE owner_id = $1 AND id = $2",
                      DB_ARGS(DB_INT(request->owner_id), DB_INT(request->id)));
    webhook_seal_new_seed(request->store, sealed, public_key);
    return db_run(db, "UPDATE webhooks SET sealed_seed = $3, public_key = $4 WHERE owner_id = $1 AND id = $2",
                  DB_ARGS(DB_INT(request->owner_id), DB_INT(request->id), db_blob(sealed, sizeof sealed),
                          db_blob(public_key, sizeof public_key)));
}

static enum result turn_on(struct store *store, struct db *db, struct endpoint *endpoint, int64_t now_ms)
{
    store->outbox_filled = true; /* what it missed, or what had not ended yet */
    endpoint->webhook.health = (struct endpoint_health){.last_success_ms = endpoint->webhook.health.last_success_ms};
    endpoint->webhook.disabled_ms = endpoint->turn_ms = 0;
    enum result result =
        db_run(db, "UPDATE webhooks SET disabled_ms = NULL, disabled_why = NULL WHERE owner_id = $1 AND id = $2",
               DB_ARGS(DB_INT(endpoint->webhook.owner_id), DB_INT(endpoint->webhook.id)));
    return result == RESULT_OK ? endpoint_settle(db, endpoint, now_ms) : result;
}

static enum result change_settings(struct request *request, struct db *db, struct endpoint *endpoint)
{
    const struct webhook *wanted = request->wanted;
    bool is_elsewhere = strcmp(wanted->url, endpoint->webhook.url) != 0;
    enum result result =
        db_run(db, "UPDATE webhooks SET url = $3, events = $4, format = $5, thin = $6 WHERE owner_id = $1 AND id = $2",
               DB_ARGS(DB_INT(wanted->owner_id), DB_INT(wanted->id), db_text(wanted->url), DB_INT(wanted->events),
                       DB_INT(wanted->format), DB_INT(wanted->thin)));
    if (result == RESULT_OK && wanted->asymmetric != endpoint->webhook.asymmetric)
        result = set_asymmetric(request, db, wanted->asymmetric);
    if (result != RESULT_OK || !is_elsewhere)
        return result;
    endpoint->webhook.health = (struct endpoint_health){0}; /* what another place did says nothing of this one */
    return endpoint_settle(db, endpoint, request->now_ms);
}

static enum result change_body(struct db *db, void *context)
{
    struct request *request = context;
    const struct webhook *wanted = request->wanted;
    struct endpoint endpoint;
    enum result result = find_endpoint(db, request, &endpoint);
    if (result != RESULT_OK)
        return result;
    change_note(request->store, CHANGE_WEBHOOKS, request->owner_id);
    result = change_settings(request, db, &endpoint);
    if (result != RESULT_OK || !wanted->disabled_ms == !endpoint.webhook.disabled_ms)
        return result;
    return wanted->disabled_ms
               ? endpoint_disable(request->store, db, &endpoint,
                                  wanted->disabled_why ? wanted->disabled_why : "turned off by hand", request->now_ms)
               : turn_on(request->store, db, &endpoint, request->now_ms);
}

/* Lends the request an arena for what the verb reads. */
static enum result write_with_arena(struct request *request, const char *name, db_body *body)
{
    struct arena arena;
    arena_init(&arena);
    request->arena = &arena;
    enum result result = store_write(request->store, name, body, request);
    request->arena = NULL;
    arena_free(&arena);
    return result;
}

enum result store_webhook_change(struct store *store, const struct webhook *webhook, int64_t now_ms)
{
    struct request request = {
        .store = store, .owner_id = webhook->owner_id, .id = webhook->id, .wanted = webhook, .now_ms = now_ms};
    return write_with_arena(&request, "webhook_change", change_body);
}

static enum result enable_body(struct db *db, void *context)
{
    struct request *request = context;
    struct endpoint endpoint;
    enum result result = find_endpoint(db, request, &endpoint);
    if (result != RESULT_OK)
        return result;
    if (!endpoint.webhook.disabled_ms)
        return RESULT_CONFLICT;
    if (request->send_missed)
        replay_begin(&endpoint, 0, request->now_ms);
    return turn_on(request->store, db, &endpoint, request->now_ms);
}

enum result store_webhook_enable(struct store *store, int64_t owner_id, int64_t id, bool send_missed, int64_t now_ms)
{
    struct request request = {
        .store = store, .owner_id = owner_id, .id = id, .send_missed = send_missed, .now_ms = now_ms};
    return write_with_arena(&request, "webhook_enable", enable_body);
}

/* The row stays for the deliveries that name it, without its secrets. */
static enum result remove_body(struct db *db, void *context)
{
    struct request *request = context;
    struct endpoint endpoint;
    enum result result = find_endpoint(db, request, &endpoint);
    if (result != RESULT_OK)
        return result;
    result = db_run(db,
                    "UPDATE webhooks SET removed_ms = $3, sealed_secret = $4, sealed_seed = NULL, "
                    "old_sealed_secret = NULL, old_sealed_seed = NULL WHERE owner_id = $1 AND id = $2",
                    DB_ARGS(DB_INT(request->owner_id), DB_INT(request->id), DB_INT(request->now_ms), db_blob("", 0)));
    if (result != RESULT_OK)
        return result;
    endpoint.removed_ms = request->now_ms;
    return endpoint_disable(request->store, db, &endpoint, "removed", request->now_ms);
}

enum result store_webhook_remove(struct store *store, int64_t owner_id, int64_t id, int64_t now_ms)
{
    struct request request = {.store = store, .owner_id = owner_id, .id = id, .now_ms = now_ms};
    return write_with_arena(&request, "webhook_remove", remove_body);
}

static enum result ping_body(struct db *db, void *context)
{
    struct request *request = context;
    struct endpoint endpoint;
    char id[ID_TEXT_SIZE];
    int64_t event_id;
    enum result result = find_endpoint(db, request, &endpoint);
    if (result != RESULT_OK)
        return result;
    if (endpoint.webhook.disabled_ms)
        return RESULT_CONFLICT;
    endpoint_try_now(&endpoint, request->now_ms);
    json_t *data = json_pack("{s:{s:s}}", "webhook", "id", id_format(id, "whk", request->id));
    result = outbox_add_event(db, request->owner_id, EVENT_WEBHOOK_PING, data, 0, request->now_ms, &event_id);
    if (result != RESULT_OK)
        return result;
    return outbox_add_delivery(request->store, db, &endpoint, event_id, EVENT_WEBHOOK_PING, 0, request->now_ms,
                               &request->delivery_id);
}

enum result store_webhook_ping(struct store *store, int64_t owner_id, int64_t id, int64_t now_ms,
                               int64_t *out_delivery_id)
{
    struct request request = {.store = store, .owner_id = owner_id, .id = id, .now_ms = now_ms};
    enum result result = write_with_arena(&request, "webhook_ping", ping_body);
    *out_delivery_id = request.delivery_id;
    return result;
}
