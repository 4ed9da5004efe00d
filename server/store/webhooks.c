/* Webhook endpoints. Their secrets are sealed with the installation's key (XSalsa20-Poly1305, libsodium's secretbox), which
 * is not in the database: a copy of the database alone signs nothing. */
#include <sodium.h>
#include <string.h>
#include "server/ids.h"
#include "server/log.h"
#include "server/store/internal.h"
#include "server/store/seal.h"

enum { SEALED_SIZE = crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES + WEBHOOK_SECRET_SIZE };

static void seal(const struct store *store, const unsigned char secret[WEBHOOK_SECRET_SIZE],
                 unsigned char out[SEALED_SIZE])
{
    random_bytes(out, crypto_secretbox_NONCEBYTES);
    crypto_secretbox_easy(out + crypto_secretbox_NONCEBYTES, secret, WEBHOOK_SECRET_SIZE, out, store->seal_key);
}

enum result webhook_unseal(const struct store *store, const void *sealed, size_t len,
                           unsigned char out[WEBHOOK_SECRET_SIZE])
{
    const unsigned char *nonce = sealed;
    if (!sealed || len != SEALED_SIZE ||
        crypto_secretbox_open_easy(out, nonce + crypto_secretbox_NONCEBYTES, SEALED_SIZE - crypto_secretbox_NONCEBYTES,
                                   nonce, store->seal_key)) {
        log_error("webhook-secret", "why=\"sealed with another key\"");
        return RESULT_FAILED;
    }
    return RESULT_OK;
}

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

static enum result add_body(struct db *db, void *context)
{
    struct request *request = context;
    struct webhook *webhook = request->webhook;
    struct db_rows *rows;
    enum result result = db_one(db, "SELECT COUNT(*) FROM webhooks WHERE owner_id = $1 AND removed_ms IS NULL",
                                DB_ARGS(DB_INT(webhook->owner_id)), &rows);
    if (result != RESULT_OK)
        return result;
    int64_t have = db_column_int(rows, 0);
    db_finish(&rows);
    if (have >= WEBHOOKS_MAX)
        return RESULT_LIMITED;
    unsigned char sealed[SEALED_SIZE];
    seal(request->store, webhook->secret, sealed);
    outbox_forget_wants(request->store);
    return db_run(
        db,
        "INSERT INTO webhooks (owner_id, id, url, events, sealed_secret, created_ms, failures_in_a_row, turn_ms, "
        "format, thin, listener) VALUES ($1, $2, $3, $4, $5, $6, 0, 0, $7, $8, $9)",
        DB_ARGS(DB_INT(webhook->owner_id), DB_INT(webhook->id), db_text(webhook->url), DB_INT(webhook->events),
                db_blob(sealed, sizeof sealed), DB_INT(request->now_ms), DB_INT(webhook->format), DB_INT(webhook->thin),
                DB_INT(webhook->listener)));
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

static enum result change_body(struct db *db, void *context)
{
    struct request *request = context;
    const struct webhook *wanted = request->wanted;
    outbox_forget_wants(request->store);
    enum result result =
        db_run(db,
               "UPDATE webhooks SET url = $3, events = $4, format = $5, thin = $6 WHERE owner_id = $1 AND id = $2 "
               "AND removed_ms IS NULL",
               DB_ARGS(DB_INT(wanted->owner_id), DB_INT(wanted->id), db_text(wanted->url), DB_INT(wanted->events),
                       DB_INT(wanted->format), DB_INT(wanted->thin)));
    if (result != RESULT_OK)
        return result;
    if (!db_changes(db))
        return RESULT_NOT_FOUND;
    if (wanted->disabled_ms)
        return outbox_disable(request->store, db, wanted->owner_id, wanted->id,
                              wanted->disabled_why ? wanted->disabled_why : "turned off by hand", request->now_ms);
    return db_run(db,
                  "UPDATE webhooks SET disabled_ms = NULL, disabled_why = NULL, failures_in_a_row = 0 "
                  "WHERE owner_id = $1 AND id = $2 AND disabled_ms IS NOT NULL",
                  DB_ARGS(DB_INT(wanted->owner_id), DB_INT(wanted->id)));
}

enum result store_webhook_change(struct store *store, const struct webhook *webhook, int64_t now_ms)
{
    struct request request = {.store = store, .wanted = webhook, .now_ms = now_ms};
    return store_write(store, "webhook_change", change_body, &request);
}

/* The row stays for the deliveries that name it, without its secret. */
static enum result remove_body(struct db *db, void *context)
{
    struct request *request = context;
    enum result result =
        db_run(db,
               "UPDATE webhooks SET removed_ms = $3, sealed_secret = $4 WHERE owner_id = $1 AND id = $2 "
               "AND removed_ms IS NULL",
               DB_ARGS(DB_INT(request->owner_id), DB_INT(request->id), DB_INT(request->now_ms), db_blob("", 0)));
    if (result == RESULT_OK && !db_changes(db))
        return RESULT_NOT_FOUND;
    return result == RESULT_OK
               ? outbox_disable(request->store, db, request->owner_id, request->id, "removed", request->now_ms)
               : result;
}

enum result store_webhook_remove(struct store *store, int64_t owner_id, int64_t id, int64_t now_ms)
{
    struct request request = {.store = store, .owner_id = owner_id, .id = id, .now_ms = now_ms};
    return store_write(store, "webhook_remove", remove_body, &request);
}

static enum result ping_body(struct db *db, void *context)
{
    struct request *request = context;
    struct arena arena;
    struct webhook webhook = {0};
    char id[ID_TEXT_SIZE];
    int64_t event_id;
    arena_init(&arena);
    request->arena = &arena;
    request->webhook = &webhook;
    enum result result = find_body(db, request);
    if (result == RESULT_OK && webhook.disabled_ms)
        result = RESULT_CONFLICT;
    arena_free(&arena);
    if (result != RESULT_OK)
        return result;
    json_t *data = json_pack("{s:{s:s}}", "webhook", "id", id_format(id, "whk", request->id));
    result = outbox_add_event(db, request->owner_id, EVENT_WEBHOOK_PING, data, 0, request->now_ms, &event_id);
    if (result != RESULT_OK)
        return result;
    return outbox_add_delivery(request->store, db, request->owner_id, request->id, event_id, EVENT_WEBHOOK_PING, 0,
                               request->now_ms, &request->delivery_id);
}

enum result store_webhook_ping(struct store *store, int64_t owner_id, int64_t id, int64_t now_ms,
                               int64_t *out_delivery_id)
{
    struct request request = {.store = store, .owner_id = owner_id, .id = id, .now_ms = now_ms};
    enum result result = store_write(store, "webhook_ping", ping_body, &request);
    *out_delivery_id = request.delivery_id;
    return result;
}
