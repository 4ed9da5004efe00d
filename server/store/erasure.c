/* Forgetting a person: their rows, what was written of them into events, the words they are found by, and then the pages
 * of the file that held them (the engine overwrites what it deletes, and the log of writes is emptied). What stays is that
 * there was a scan, that something was delivered at some time, and a hash of the lead's id, so that a restored backup can
 * be made to forget the same person again. */
#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include "cards/base/id.h"
#include "server/store/changes_inside.h"
#include "server/store/guards.h"
#include "server/store/internal.h"
#include "server/store/lead_steps.h"
#include "server/store/lead_trays.h"
#include "server/store/outbox.h"
#include "server/store/search.h"

/* Of a lead, or of the form that joined one. */
static void hash_of(int64_t id, unsigned char out[HASH_SIZE])
{
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)((uint64_t)id >> (56 - 8 * i));
    crypto_hash_sha256(out, bytes, sizeof bytes);
}

/* Shares sent to the name by which the lead is known, unless another lead is who that one was sent to. */
#define SENT_TO_THEM                                                                                              \
    "recipient = (SELECT l.recipient FROM leads AS l WHERE l.owner_id = $1 AND l.id = $2) AND NOT EXISTS "        \
    "(SELECT 1 FROM leads AS o WHERE o.owner_id = $1 AND o.share_id = shares.id AND o.recipient IS NOT NULL AND " \
    "o.id <> $2)"

/* $1 owner, $2 lead, in this order because rows refer to one another. */
static const char *const STEPS[] = {
    "UPDATE events SET body = '' WHERE owner_id = $1 AND lead_id = $2",
    /* What they called themselves and said when passing the card on; the hand stays, without a name. */
    "UPDATE shares SET sharer_name = NULL, vouch = NULL WHERE owner_id = $1 AND sharer_hit_id IN (SELECT visitor_hit_id FROM leads "
    "WHERE owner_id = $1 AND id = $2)",
    "UPDATE shares SET sharer_name = NULL, vouch = NULL, sharer_lead_id = NULL, sharer_hit_id = (SELECT visitor_hit_id FROM leads "
    "WHERE owner_id = $1 AND id = $2) WHERE owner_id = $1 AND sharer_lead_id = $2",
    "DELETE FROM consents WHERE owner_id = $1 AND lead_id = $2",
    "DELETE FROM receipts WHERE owner_id = $1 AND lead_id = $2",
    "DELETE FROM follow_ups WHERE owner_id = $1 AND lead_id = $2",
    "DELETE FROM lead_moments WHERE owner_id = $1 AND lead_id = $2",
    /* Whom a share was sent to, if that is who they were. */
    "UPDATE shares SET recipient = NULL WHERE owner_id = $1 AND " SENT_TO_THEM,
    "DELETE FROM leads WHERE owner_id = $1 AND id = $2",
};

/* ---- what was written of them into events about others ---- */

/* They may have passed the card on: then their name stands in the chain of everyone who came that way. Or a share was sent to
 * them: then it stands wherever the share does. */
struct trace {
    char share_id[ID_TEXT_SIZE], lead_id[ID_TEXT_SIZE];
    bool sent; /* to them, not by them */
};

static bool says(const json_t *object, const char *member, const char *text)
{
    const char *value = json_string_value(json_object_get(object, member));
    return value && !strcmp(value, text);
}

static void blank(json_t *object, const char *member)
{
    if (json_is_object(object) && json_object_get(object, member))
        json_object_set_new(object, member, json_null());
}

/* Takes the name and the word of a person out of the shapes of cards/event.c. */
static void take_out(json_t *json, const struct trace *trace)
{
    const char *name;
    size_t index;
    json_t *value;
    json_array_foreach(json, index, value) take_out(value, trace);
    if (!json_is_object(json))
        return;
    if (trace->sent) {
        if (says(json, "id", trace->share_id))
            blank(json, "recipient");
        json_object_foreach(json, name, value) take_out(value, trace);
        return;
    }
    if (says(json, "id", trace->lead_id) || says(json, "share_id", trace->share_id)) {
        blank(json, "name");
        blank(json, "vouch");
    }
    if (says(json, "share_id", trace->share_id) || says(json, "id", trace->share_id) ||
        says(json_object_get(json, "share"), "id", trace->share_id))
        blank(json_object_get(json, "sharer"), "name");
    json_object_foreach(json, name, value) take_out(value, trace);
}

static enum result rewrite(struct db *db, int64_t owner_id, int64_t event_id, const char *body,
                           const struct trace *trace)
{
    json_t *json = json_loads(body, 0, NULL);
    if (!json)
        return RESULT_OK; /* emptied before */
    take_out(json, trace);
    char *text = json_dumps(json, JSON_COMPACT);
    enum result result = text ? db_run(db, "UPDATE events SET body = $3 WHERE owner_id = $1 AND id = $2",
                                       DB_ARGS(DB_INT(owner_id), DB_INT(event_id), db_text(text)))
                              : RESULT_FAILED;
    free(text);
    json_decref(json);
    return result;
}

/* Every event that names the share, one after the other by id; none is older than the share, whatever the clocks said. */
static enum result take_out_of_events(struct db *db, int64_t owner_id, int64_t share_id, const struct trace *trace)
{
    enum { HOUR_MS = 60 * 60 * 1000 };
    struct arena arena;
    enum result result = RESULT_OK;
    arena_init(&arena);
    const char *like = arena_printf(&arena, "%%%s%%", trace->share_id);
    for (int64_t event_id = id_at_ms(id_time_ms(share_id) - HOUR_MS); result == RESULT_OK;) {
        struct db_rows *rows;
        result = db_one(
            db, "SELECT id, body FROM events WHERE owner_id = $1 AND id > $2 AND body LIKE $3 ORDER BY id LIMIT 1",
            DB_ARGS(DB_INT(owner_id), DB_INT(event_id), db_text(like)), &rows);
        if (result != RESULT_OK)
            break;
        event_id = db_column_int(rows, 0);
        const char *body = db_column_text(rows, 1, &arena);
        db_finish(&rows);
        result = rewrite(db, owner_id, event_id, body, trace);
    }
    arena_free(&arena);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

/* STORE NULL: no answers are kept, as after a restore. */
static enum result take_out_of_others(struct store *store, struct db *db, int64_t owner_id, int64_t lead_id, bool sent)
{
    struct trace trace = {.sent = sent};
    enum result result = RESULT_OK;
    id_format(trace.lead_id, "led", lead_id);
    for (int64_t share_id = 0; result == RESULT_OK;) {
        struct db_rows *rows;
        result = db_one(db,
                        sent ? "SELECT id FROM shares WHERE owner_id = $1 AND id > $3 AND " SENT_TO_THEM
                               " ORDER BY id LIMIT 1"
                             : "SELECT id FROM shares WHERE owner_id = $1 AND id > $3 AND (sharer_lead_id = $2 OR "
                               "sharer_hit_id IN (SELECT visitor_hit_id FROM leads WHERE owner_id = $1 AND id = $2)) "
                               "ORDER BY id LIMIT 1",
                        DB_ARGS(DB_INT(owner_id), DB_INT(lead_id), DB_INT(share_id)), &rows);
        if (result != RESULT_OK)
            break;
        share_id = db_column_int(rows, 0);
        db_finish(&rows);
        id_format(trace.share_id, "shr", share_id);
        result = take_out_of_events(db, owner_id, share_id, &trace);
        if (result == RESULT_OK && store)
            result = answers_forget(store, db, owner_id, trace.share_id);
    }
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

/* ---- forgetting ---- */

static int compare_ids(const void *a, const void *b)
{
    int64_t one = *(const int64_t *)a, other = *(const int64_t *)b;
    return (one > other) - (one < other);
}

/* Those whom they recommended are told of without them from now on: that is a change. */
static enum result forget_endorser(struct db *db, int64_t owner_id, int64_t lead_id)
{
    struct arena arena;
    struct db_rows *rows;
    int64_t *ids = NULL;
    size_t count = 0, room = 0;
    arena_init(&arena);
    enum result result = db_query(
        db, "UPDATE leads SET endorser_lead_id = NULL WHERE owner_id = $1 AND endorser_lead_id = $2 RETURNING id",
        DB_ARGS(DB_INT(owner_id), DB_INT(lead_id)), &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK) {
        ids = db_rows_grow(&arena, ids, count, &room, sizeof *ids);
        ids[count++] = db_column_int(rows, 0);
    }
    db_finish(&rows);
    if (result == RESULT_NOT_FOUND)
        result = RESULT_OK;
    if (count) /* RETURNING promises no order, and the order of changes is told */
        qsort(ids, count, sizeof *ids, compare_ids);
    for (size_t i = 0; i < count && result == RESULT_OK; i++)
        result = lead_changed(db, owner_id, ids[i]);
    arena_free(&arena);
    return result;
}

static enum result forget(struct store *store, struct db *db, int64_t owner_id, int64_t lead_id, int64_t now_ms)
{
    enum result result = outbox_erase(store, db, owner_id, lead_id, now_ms);
    for (int sent = 0; sent < 2 && result == RESULT_OK; sent++)
        result = take_out_of_others(store, db, owner_id, lead_id, sent);
    if (result == RESULT_OK)
        result = forget_endorser(db, owner_id, lead_id);
    for (size_t i = 0; i < sizeof STEPS / sizeof *STEPS && result == RESULT_OK; i++)
        result = db_run(db, STEPS[i], DB_ARGS(DB_INT(owner_id), DB_INT(lead_id)));
    if (result == RESULT_OK)
        result = lead_gone(db, owner_id, lead_id);
    return result == RESULT_OK ? search_remove(db, owner_id, lead_id) : result;
}

static enum result note_erased(struct db *db, int64_t id, int64_t now_ms)
{
    unsigned char hash[HASH_SIZE];
    hash_of(id, hash);
    return db_run(db, "INSERT INTO erased (hash, erased_ms) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING",
                  DB_ARGS(db_blob(hash, sizeof hash), DB_INT(now_ms)));
}

struct erasure {
    struct store *store;
    int64_t owner_id, lead_id, now_ms;
    const unsigned char *receipt_hash; /* NULL: by the member */
};

/* Its card's pages may name this person as the hand that the card came from. */
static enum result note_pages(const struct erasure *erasure, struct db *db)
{
    struct db_rows *rows;
    enum result result = db_one(db, "SELECT card_id FROM leads WHERE owner_id = $1 AND id = $2",
                                DB_ARGS(DB_INT(erasure->owner_id), DB_INT(erasure->lead_id)), &rows);
    if (result == RESULT_OK)
        change_note(erasure->store, CHANGE_CARD, db_column_int(rows, 0));
    db_finish(&rows);
    return result;
}

static enum result tell_erased(const struct erasure *erasure, struct db *db)
{
    char id[ID_TEXT_SIZE];
    json_t *data = json_pack("{s:{s:s}}", "lead", "id", id_format(id, "led", erasure->lead_id));
    /* About no lead, so that this event outlives what is erased. */
    return outbox_add(erasure->store, db, erasure->owner_id, EVENT_LEAD_ERASED, data, 0, erasure->now_ms);
}

/* The next share after one that was passed on under the name of a form that joined, which is not the lead's own. */
static enum result next_passed_on(struct db *db, const struct receipt *receipt, const char *name, int64_t *share_id,
                                  int64_t *card_id)
{
    struct db_rows *rows;
    enum result result = db_one(
        db,
        "SELECT s.id, s.card_id FROM shares AS s JOIN leads AS l ON l.owner_id = s.owner_id AND l.id = s.sharer_lead_id "
        "WHERE s.owner_id = $1 AND s.sharer_lead_id = $2 AND s.id > $3 AND s.sharer_name = $4 AND l.name <> $4 "
        "ORDER BY s.id LIMIT 1",
        DB_ARGS(DB_INT(receipt->owner_id), DB_INT(receipt->lead_id), DB_INT(*share_id), db_text(name)), &rows);
    if (result != RESULT_OK)
        return result;
    *share_id = db_column_int(rows, 0);
    *card_id = db_column_int(rows, 1);
    db_finish(&rows);
    return RESULT_OK;
}

/* The hand stays, without a name, and is an unknown visitor's again. STORE NULL: after a restore, when nobody is told. */
static enum result take_back_hands(struct store *store, struct db *db, const struct receipt *receipt)
{
    struct arena arena;
    struct lead form;
    struct trace trace = {.sent = false};
    int64_t share_id = 0, card_id;
    enum result result;
    arena_init(&arena);
    lead_of_form(receipt->said, &arena, &form);
    id_format(trace.lead_id, "led", receipt->lead_id);
    while ((result = next_passed_on(db, receipt, form.name, &share_id, &card_id)) == RESULT_OK) {
        id_format(trace.share_id, "shr", share_id);
        result = take_out_of_events(db, receipt->owner_id, share_id, &trace);
        if (result == RESULT_OK && store) {
            change_note(store, CHANGE_CARD, card_id);
            result = answers_forget(store, db, receipt->owner_id, trace.share_id);
        }
        if (result == RESULT_OK)
            result =
                db_run(db,
                       "UPDATE shares SET sharer_name = NULL, vouch = NULL, sharer_lead_id = NULL, "
                       "sharer_hit_id = $3 WHERE owner_id = $1 AND id = $2",
                       DB_ARGS(DB_INT(receipt->owner_id), DB_INT(share_id), db_int_or_null(receipt->visitor_hit_id)));
        if (result != RESULT_OK)
            break;
    }
    arena_free(&arena);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

/* A form that joined somebody's lead by its e-mail takes back what it said, and no more. */
static enum result take_back(struct store *store, struct db *db, const struct receipt *receipt,
                             const unsigned char *hash)
{
    enum result result = take_back_hands(store, db, receipt);
    if (result == RESULT_OK)
        result = db_run(db, "DELETE FROM receipts WHERE hash = $1", DB_ARGS(db_blob(hash, HASH_SIZE)));
    if (result == RESULT_OK)
        result = db_run(db, "DELETE FROM consents WHERE owner_id = $1 AND lead_id = $2 AND id = $3",
                        DB_ARGS(DB_INT(receipt->owner_id), DB_INT(receipt->lead_id), DB_INT(receipt->moment_id)));
    if (result == RESULT_OK)
        result = db_run(db, "DELETE FROM lead_moments WHERE owner_id = $1 AND lead_id = $2 AND id = $3",
                        DB_ARGS(DB_INT(receipt->owner_id), DB_INT(receipt->lead_id), DB_INT(receipt->moment_id)));
    return result;
}

static enum result by_receipt(struct erasure *erasure, struct db *db, bool *done)
{
    struct arena arena;
    struct receipt receipt;
    arena_init(&arena);
    enum result result = receipt_read(db, &arena, erasure->receipt_hash, &receipt);
    if (result == RESULT_OK && receipt.said) {
        result = take_back(erasure->store, db, &receipt, erasure->receipt_hash);
        if (result == RESULT_OK)
            result = note_erased(db, receipt.moment_id, erasure->now_ms);
        *done = true;
    } else if (result == RESULT_OK) {
        erasure->owner_id = receipt.owner_id;
        erasure->lead_id = receipt.lead_id;
    }
    arena_free(&arena);
    return result;
}

static enum result erase_body(struct db *db, void *context)
{
    struct erasure *erasure = context;
    bool done = false;
    enum result result = erasure->receipt_hash ? by_receipt(erasure, db, &done) : RESULT_OK;
    if (result != RESULT_OK || done)
        return result;
    result = note_pages(erasure, db);
    if (result == RESULT_OK)
        result = forget(erasure->store, db, erasure->owner_id, erasure->lead_id, erasure->now_ms);
    if (result == RESULT_OK)
        result = note_erased(db, erasure->lead_id, erasure->now_ms);
    return result == RESULT_OK ? tell_erased(erasure, db) : result;
}

static enum result erase(struct erasure *erasure)
{
    enum result result = store_write(erasure->store, "lead_erase", erase_body, erasure);
    if (result == RESULT_OK)
        store_tidy(erasure->store, true); /* the log of writes still holds what was overwritten in the file */
    return result;
}

enum result store_lead_erase(struct store *store, int64_t owner_id, int64_t lead_id, int64_t now_ms)
{
    struct erasure erasure = {.store = store, .owner_id = owner_id, .lead_id = lead_id, .now_ms = now_ms};
    return erase(&erasure);
}

enum result store_lead_erase_by_receipt(struct store *store, const unsigned char hash[HASH_SIZE], int64_t now_ms)
{
    struct erasure erasure = {.store = store, .receipt_hash = hash, .now_ms = now_ms};
    return erase(&erasure);
}

/* ---- after a restore ---- */

static enum result is_erased(struct db *db, int64_t id)
{
    unsigned char hash[HASH_SIZE];
    struct db_rows *rows;
    hash_of(id, hash);
    enum result result =
        db_one(db, "SELECT erased_ms FROM erased WHERE hash = $1", DB_ARGS(db_blob(hash, sizeof hash)), &rows);
    db_finish(&rows);
    return result;
}

/* The next lead after one, by owner and id, that must be forgotten; NOT_FOUND when there is none. */
static enum result next_erased(struct db *db, int64_t *owner_id, int64_t *lead_id)
{
    struct db_rows *rows;
    enum result result = db_query(
        db, "SELECT owner_id, id FROM leads WHERE owner_id > $1 OR (owner_id = $1 AND id > $2) ORDER BY owner_id, id",
        DB_ARGS(DB_INT(*owner_id), DB_INT(*lead_id)), &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK) {
        *owner_id = db_column_int(rows, 0);
        *lead_id = db_column_int(rows, 1);
        result = is_erased(db, *lead_id);
        if (result == RESULT_OK)
            break;
        if (result == RESULT_NOT_FOUND)
            result = RESULT_OK;
    }
    db_finish(&rows);
    return result;
}

/* The next joined form after one, by its line of the timeline, that was taken back; NOT_FOUND when there is none. */
static enum result next_taken_back(struct db *db, struct arena *arena, struct receipt *receipt,
                                   unsigned char hash[HASH_SIZE])
{
    struct db_rows *rows;
    size_t len;
    enum result result = db_query(db,
                                  "SELECT moment_id, owner_id, lead_id, hash, said, visitor_hit_id FROM receipts "
                                  "WHERE said IS NOT NULL AND moment_id > $1 ORDER BY moment_id",
                                  DB_ARGS(DB_INT(receipt->moment_id)), &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK) {
        *receipt = (struct receipt){.moment_id = db_column_int(rows, 0),
                                    .owner_id = db_column_int(rows, 1),
                                    .lead_id = db_column_int(rows, 2),
                                    .said = db_column_text(rows, 4, arena),
                                    .visitor_hit_id = db_column_int(rows, 5)};
        const void *bytes = db_column_bytes(rows, 3, &len);
        memcpy(hash, bytes, len < HASH_SIZE ? len : HASH_SIZE);
        result = is_erased(db, receipt->moment_id);
        if (result == RESULT_OK)
            break;
        if (result == RESULT_NOT_FOUND)
            result = RESULT_OK;
    }
    db_finish(&rows);
    return result;
}

static enum result take_back_again(struct db *db)
{
    struct arena arena;
    struct receipt receipt = {0};
    unsigned char hash[HASH_SIZE] = {0};
    enum result result;
    arena_init(&arena);
    while ((result = next_taken_back(db, &arena, &receipt, hash)) == RESULT_OK)
        if ((result = take_back(NULL, db, &receipt, hash)) != RESULT_OK)
            break;
    arena_free(&arena);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

enum result lead_erase_again(struct store *store, struct db *db, int64_t now_ms)
{
    (void)store; /* nobody is told: they were when it was erased */
    int64_t owner_id = 0, lead_id = 0;
    enum result result;
    while ((result = next_erased(db, &owner_id, &lead_id)) == RESULT_OK) {
        result = forget(NULL, db, owner_id, lead_id, now_ms);
        if (result != RESULT_OK)
            return result;
    }
    return result == RESULT_NOT_FOUND ? take_back_again(db) : result;
}
