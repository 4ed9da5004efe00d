/* Forgetting a person: their rows, what was written of them into events, the words they are found by, and then the pages
 * of the file that held them (the engine overwrites what it deletes, and the log of writes is emptied). What stays is that
 * there was a scan, that something was delivered at some time, and a hash of the lead's id, so that a restored backup can
 * be made to forget the same person again. */
#include <sodium.h>
#include <stdlib.h>
#include "cards/base/id.h"
#include "server/store/internal.h"
#include "server/store/lead_trays.h"

static void hash_of(int64_t lead_id, unsigned char out[HASH_SIZE])
{
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)((uint64_t)lead_id >> (56 - 8 * i));
    crypto_hash_sha256(out, bytes, sizeof bytes);
}

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
    "DELETE FROM lead_moments WHERE owner_id = $1 AND lead_id = $2",
    /* Whom the share was sent to, if that is who they were. */
    "UPDATE shares SET recipient = NULL WHERE owner_id = $1 AND id = (SELECT share_id FROM leads WHERE owner_id = $1 AND id = $2 "
    "AND recipient IS NOT NULL)",
    "UPDATE leads SET endorser_lead_id = NULL WHERE owner_id = $1 AND endorser_lead_id = $2",
    "DELETE FROM leads WHERE owner_id = $1 AND id = $2",
};

static enum result forget(struct db *db, int64_t owner_id, int64_t lead_id, int64_t now_ms)
{
    enum result result = db_run(db,
                                "UPDATE deliveries SET state = 4, finished_ms = $3, leased_until_ms = NULL "
                                "WHERE owner_id = $1 AND lead_id = $2 AND state = 0",
                                DB_ARGS(DB_INT(owner_id), DB_INT(lead_id), DB_INT(now_ms)));
    for (size_t i = 0; i < sizeof STEPS / sizeof *STEPS && result == RESULT_OK; i++)
        result = db_run(db, STEPS[i], DB_ARGS(DB_INT(owner_id), DB_INT(lead_id)));
    return result == RESULT_OK ? search_remove(db, owner_id, lead_id) : result;
}

static enum result note_erased(struct db *db, int64_t lead_id, int64_t now_ms)
{
    unsigned char hash[HASH_SIZE];
    hash_of(lead_id, hash);
    return db_run(db, "INSERT INTO erased (hash, erased_ms) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING",
                  DB_ARGS(db_blob(hash, sizeof hash), DB_INT(now_ms)));
}

struct erasure {
    struct store *store;
    int64_t owner_id, lead_id, now_ms;
    const unsigned char *receipt_hash; /* NULL: by the member */
};

static enum result exists(struct db *db, int64_t owner_id, int64_t lead_id)
{
    struct db_rows *rows;
    enum result result = db_one(db, "SELECT id FROM leads WHERE owner_id = $1 AND id = $2", DB_ARGS(DB_INT(owner_id), DB_INT(lead_id)), &rows);
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

/* A form that joined somebody's lead by its e-mail takes back what it said, and no more. */
static enum result take_back(struct db *db, const struct receipt *receipt, const unsigned char *hash)
{
    enum result result = db_run(db, "DELETE FROM receipts WHERE hash = $1", DB_ARGS(db_blob(hash, HASH_SIZE)));
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
        result = take_back(db, &receipt, erasure->receipt_hash);
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
    result = exists(db, erasure->owner_id, erasure->lead_id);
    if (result == RESULT_OK)
        result = forget(db, erasure->owner_id, erasure->lead_id, erasure->now_ms);
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

static enum result is_erased(struct db *db, int64_t lead_id)
{
    unsigned char hash[HASH_SIZE];
    struct db_rows *rows;
    hash_of(lead_id, hash);
    enum result result = db_one(db, "SELECT erased_ms FROM erased WHERE hash = $1", DB_ARGS(db_blob(hash, sizeof hash)), &rows);
    db_finish(&rows);
    return result;
}

/* The next lead after one, by owner and id, that must be forgotten; NOT_FOUND when there is none. */
static enum result next_erased(struct db *db, int64_t *owner_id, int64_t *lead_id)
{
    struct db_rows *rows;
    enum result result = db_query(db,
                                  "SELECT owner_id, id FROM leads WHERE owner_id > $1 OR (owner_id = $1 AND id > $2) ORDER BY owner_id, id",
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

enum result lead_erase_again(struct store *store, struct db *db, int64_t now_ms)
{
    (void)store; /* nobody is told: they were when it was erased */
    int64_t owner_id = 0, lead_id = 0;
    enum result result;
    while ((result = next_erased(db, &owner_id, &lead_id)) == RESULT_OK) {
        result = forget(db, owner_id, lead_id, now_ms);
        if (result != RESULT_OK)
            return result;
    }
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}
