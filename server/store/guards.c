/* What must be remembered between requests for their own sake: tries that guard accounts, and answers to requests that
 * carried an Idempotency-Key. Both sweep out what is too old as they go. */
#include <assert.h>
#include <sodium.h>
#include <string.h>
#include "server/ids.h"
#include "server/store/guards.h"
#include "server/store/internal.h"

enum {
    DAY_MS = 24 * 60 * 60 * 1000,
    THROTTLE_KEPT_DAYS = 8,
    IDEMPOTENCY_STALE_MS = 2 * 60 * 1000, /* no request runs so long: its process died */
    STATUS_CONFLICT = 409,
    STATUS_GONE = 410
};

struct trying {
    const char *key;
    int64_t window_ms, now_ms, tries;
};

enum result guard_count(struct db *db, const char *key, int64_t window_ms, int64_t now_ms, int64_t *out)
{
    enum result result = db_run(db, "DELETE FROM throttles WHERE opened_ms < $1",
                                DB_ARGS(DB_INT(now_ms - (int64_t)THROTTLE_KEPT_DAYS * DAY_MS)));
    if (result != RESULT_OK)
        return result;
    struct db_rows *rows;
    /* A window opened in the future, by a clock that was wrong then, is opened anew. */
    result = db_one(db,
                    "INSERT INTO throttles (key, opened_ms, tries) VALUES ($1, $2, 1) ON CONFLICT (key) DO UPDATE SET "
                    "tries = CASE WHEN throttles.opened_ms > $3 AND throttles.opened_ms <= excluded.opened_ms "
                    "THEN throttles.tries + 1 ELSE 1 END, "
                    "opened_ms = CASE WHEN throttles.opened_ms > $3 AND throttles.opened_ms <= excluded.opened_ms "
                    "THEN throttles.opened_ms ELSE excluded.opened_ms END RETURNING tries",
                    DB_ARGS(db_text(key), DB_INT(now_ms), DB_INT(now_ms - window_ms)), &rows);
    if (result == RESULT_OK)
        *out = db_column_int(rows, 0);
    db_finish(&rows);
    return result;
}

static enum result count_try(struct db *db, void *context)
{
    struct trying *trying = context;
    return guard_count(db, trying->key, trying->window_ms, trying->now_ms, &trying->tries);
}

enum result store_throttle_count(struct store *store, const char *key, int64_t window_ms, int64_t now_ms, int64_t *out)
{
    assert(window_ms < (int64_t)THROTTLE_KEPT_DAYS * DAY_MS);
    struct trying trying = {key, window_ms, now_ms, 0};
    enum result result = store_write(store, "throttle-count", count_try, &trying);
    *out = trying.tries;
    return result;
}

static enum result clear_tries(struct db *db, void *context)
{
    return db_run(db, "DELETE FROM throttles WHERE key = $1", DB_ARGS(db_text(context)));
}

enum result store_throttle_clear(struct store *store, const char *key)
{
    return store_write(store, "throttle-clear", clear_tries, (void *)(uintptr_t)key);
}

/* ---- what all servers count together ---- */

struct tally {
    const unsigned char *key;
    int64_t window_ms, began_ms, now_ms, amount, count;
};

/* Exact within the window and weighted over the last. One that a server whose clock is a little ahead began already counts as
 * this one. */
static void take_count(struct tally *tally, const struct db_rows *rows)
{
    int64_t began_ms = db_column_int(rows, 0), now = db_column_int(rows, 1), before = db_column_int(rows, 2);
    int64_t left_ms = tally->window_ms - (tally->now_ms - tally->began_ms);
    if (began_ms == tally->began_ms - tally->window_ms) {
        before = now;
        now = 0;
    } else if (began_ms < tally->began_ms)
        now = before = 0;
    else if (began_ms > tally->began_ms)
        left_ms = tally->window_ms;
    tally->count = now + before * left_ms / tally->window_ms;
}

static enum result look_at_tally(struct db *db, void *context)
{
    struct tally *tally = context;
    struct db_rows *rows;
    enum result result = db_one(db, "SELECT began_ms, now_count, before_count FROM tallies WHERE key = $1",
                                DB_ARGS(db_blob(tally->key, TALLY_KEY_SIZE)), &rows);
    if (result == RESULT_OK)
        take_count(tally, rows);
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

static enum result add_to_tally(struct db *db, void *context)
{
    struct tally *tally = context;
    struct db_rows *rows;
    enum result result = db_one(
        db,
        "INSERT INTO tallies (key, began_ms, now_count, before_count, ends_ms) VALUES ($1, $2, $3, 0, $4) "
        "ON CONFLICT (key) DO UPDATE SET "
        "before_count = CASE WHEN tallies.began_ms IN ($2, $6) THEN tallies.before_count "
        "WHEN tallies.began_ms = $5 THEN tallies.now_count ELSE 0 END, "
        "now_count = CASE WHEN tallies.began_ms IN ($2, $6) THEN tallies.now_count ELSE 0 END + excluded.now_count, "
        "began_ms = CASE WHEN tallies.began_ms = $6 THEN tallies.began_ms ELSE excluded.began_ms END, "
        "ends_ms = CASE WHEN tallies.began_ms = $6 THEN tallies.ends_ms ELSE excluded.ends_ms END "
        "RETURNING began_ms, now_count, before_count",
        DB_ARGS(db_blob(tally->key, TALLY_KEY_SIZE), DB_INT(tally->began_ms), DB_INT(tally->amount),
                DB_INT(tally->began_ms + 2 * tally->window_ms), DB_INT(tally->began_ms - tally->window_ms),
                DB_INT(tally->began_ms + tally->window_ms)),
        &rows);
    if (result == RESULT_OK)
        take_count(tally, rows);
    db_finish(&rows);
    return result;
}

enum result store_tally(struct store *store, const unsigned char key[TALLY_KEY_SIZE], int64_t window_ms, int64_t now_ms,
                        int64_t amount, int64_t *out)
{
    struct tally tally = {.key = key,
                          .window_ms = window_ms,
                          .began_ms = now_ms - now_ms % window_ms,
                          .now_ms = now_ms,
                          .amount = amount};
    /* A count that a power failure takes back was of a form that may have been lost too. */
    enum result result =
        amount ? store_write_lazily(store, "tally", add_to_tally, &tally) : store_read(store, look_at_tally, &tally);
    *out = tally.count;
    return result;
}

struct salting {
    int64_t day, today;
    unsigned char *salt;
};

static enum result draw_salt(struct db *db, void *context)
{
    const struct salting *salting = context;
    struct db_rows *rows;
    unsigned char drawn[DAY_SALT_SIZE];
    size_t len = 0;
    random_bytes(drawn, sizeof drawn);
    enum result result = db_run(db, "DELETE FROM day_salts WHERE day < $1", DB_ARGS(DB_INT(salting->today)));
    if (result == RESULT_OK)
        result = db_run(db, "INSERT INTO day_salts (day, salt) VALUES ($1, $2) ON CONFLICT (day) DO NOTHING",
                        DB_ARGS(DB_INT(salting->day), db_blob(drawn, sizeof drawn)));
    if (result == RESULT_OK)
        result = db_one(db, "SELECT salt FROM day_salts WHERE day = $1", DB_ARGS(DB_INT(salting->day)), &rows);
    if (result != RESULT_OK)
        return result;
    const void *bytes = db_column_bytes(rows, 0, &len);
    if (len == DAY_SALT_SIZE)
        memcpy(salting->salt, bytes, len);
    db_finish(&rows);
    return len == DAY_SALT_SIZE ? RESULT_OK : RESULT_FAILED;
}

enum result day_salt(struct store *store, int64_t day, int64_t today, unsigned char out[DAY_SALT_SIZE])
{
    struct salting salting = {day, today, out};
    return store_write(store, "day-salt", draw_salt, &salting);
}

/* ---- Idempotency-Key ---- */

/* An answer may be the only place where a secret was ever said, so it is sealed like the secret itself, as base64. */
static const char *seal_text(const struct store *store, const char *text, struct arena *arena)
{
    enum { NONCE = crypto_secretbox_NONCEBYTES };
    size_t len = strlen(text), sealed_len = NONCE + crypto_secretbox_MACBYTES + len;
    size_t size = sodium_base64_ENCODED_LEN(sealed_len, sodium_base64_VARIANT_ORIGINAL);
    unsigned char *sealed = arena_alloc_raw(arena, sealed_len);
    random_bytes(sealed, NONCE);
    crypto_secretbox_easy(sealed + NONCE, (const unsigned char *)text, len, sealed, store->seal_key);
    return sodium_bin2base64(arena_alloc_raw(arena, size), size, sealed, sealed_len, sodium_base64_VARIANT_ORIGINAL);
}

/* NULL: sealed with another key. */
static const char *open_text(const struct store *store, const char *text, struct arena *arena)
{
    enum { NONCE = crypto_secretbox_NONCEBYTES };
    size_t size = strlen(text), len;
    unsigned char *sealed = arena_alloc_raw(arena, size + 1);
    if (sodium_base642bin(sealed, size, text, size, NULL, &len, NULL, sodium_base64_VARIANT_ORIGINAL) != 0 ||
        len < NONCE + crypto_secretbox_MACBYTES)
        return NULL;
    unsigned char *opened = arena_alloc(arena, len - NONCE - crypto_secretbox_MACBYTES + 1);
    return crypto_secretbox_open_easy(opened, sealed + NONCE, len - NONCE, sealed, store->seal_key) == 0
               ? (char *)opened
               : NULL;
}

struct answering {
    const struct store *store;
    struct arena *arena;
    int64_t member_id, now_ms;
    const char *key;
    const unsigned char *request_hash;
    struct remembered *out;
    const struct remembered *answer;
};

/* What is known of a key that was there before. */
static enum result recall(struct db *db, struct answering *answering)
{
    struct db_rows *rows;
    enum result result = db_one(db,
                                "SELECT request_hash, status, content_type, body, location FROM idempotency "
                                "WHERE member_id = $1 AND key = $2",
                                DB_ARGS(DB_INT(answering->member_id), db_text(answering->key)), &rows);
    if (result != RESULT_OK)
        return result == RESULT_NOT_FOUND ? RESULT_FAILED : result;
    size_t len;
    const void *hash = db_column_bytes(rows, 0, &len);
    if (len != HASH_SIZE || memcmp(hash, answering->request_hash, HASH_SIZE) != 0) {
        result = RESULT_INVALID;
    } else if (db_column_int(rows, 1) == 0) {
        result = RESULT_CONFLICT;
    } else if (db_column_int(rows, 1) == ONCE_DONE) {
        *answering->out = (struct remembered){.status = STATUS_CONFLICT};
        result = RESULT_LIMITED;
    } else {
        const char *sealed = db_column_text(rows, 3, answering->arena);
        if (!sealed) {
            *answering->out = (struct remembered){.status = STATUS_GONE};
            db_finish(&rows);
            return RESULT_LIMITED;
        }
        *answering->out = (struct remembered){
            .status = (int)db_column_int(rows, 1),
            .content_type = db_column_text(rows, 2, answering->arena),
            .body = open_text(answering->store, sealed, answering->arena),
            .location = db_column_text(rows, 4, answering->arena),
        };
        result = answering->out->body ? RESULT_LIMITED : RESULT_FAILED;
    }
    db_finish(&rows);
    return result;
}

static enum result begin_answer(struct db *db, void *context)
{
    struct answering *answering = context;
    enum result result =
        db_run(db, "DELETE FROM idempotency WHERE created_ms < $1", DB_ARGS(DB_INT(answering->now_ms - DAY_MS)));
    if (result == RESULT_OK)
        result = db_run(
            db, "DELETE FROM idempotency WHERE member_id = $1 AND key = $2 AND status IS NULL AND created_ms < $3",
            DB_ARGS(DB_INT(answering->member_id), db_text(answering->key),
                    DB_INT(answering->now_ms - IDEMPOTENCY_STALE_MS)));
    if (result == RESULT_OK)
        result = db_run(db,
                        "INSERT INTO idempotency (member_id, key, request_hash, created_ms) VALUES ($1, $2, $3, $4) "
                        "ON CONFLICT DO NOTHING",
                        DB_ARGS(DB_INT(answering->member_id), db_text(answering->key),
                                db_blob(answering->request_hash, HASH_SIZE), DB_INT(answering->now_ms)));
    if (result != RESULT_OK || db_changes(db) == 1)
        return result;
    return recall(db, answering);
}

enum result answers_let_go(struct db *db, void *context)
{
    (void)context;
    return db_run(db, "DELETE FROM idempotency WHERE status IS NULL", NULL, 0);
}

enum result store_idempotency_begin(struct store *store, struct arena *arena, int64_t member_id, const char *key,
                                    const unsigned char request_hash[HASH_SIZE], int64_t now_ms, struct remembered *out)
{
    struct answering answering = {.store = store,
                                  .arena = arena,
                                  .member_id = member_id,
                                  .key = key,
                                  .request_hash = request_hash,
                                  .now_ms = now_ms,
                                  .out = out};
    *out = (struct remembered){0};
    once_end(&store->onces);
    enum result result = store_write(store, "idempotency-begin", begin_answer, &answering);
    if (result == RESULT_OK)
        once_begin(&store->onces, member_id, key);
    return result;
}

static enum result finish_answer(struct db *db, void *context)
{
    const struct answering *answering = context;
    const struct remembered *answer = answering->answer;
    if (answer->status >= 500)
        return db_run(db, "DELETE FROM idempotency WHERE member_id = $1 AND key = $2 AND status IS NULL",
                      DB_ARGS(DB_INT(answering->member_id), db_text(answering->key)));
    return db_run(db,
                  "UPDATE idempotency SET status = $3, content_type = $4, body = $5, location = $6 "
                  "WHERE member_id = $1 AND key = $2",
                  DB_ARGS(DB_INT(answering->member_id), db_text(answering->key), DB_INT(answer->status),
                          db_text(answer->content_type),
                          db_text(seal_text(answering->store, answer->body, answering->arena)),
                          db_text(answer->location)));
}

enum result store_idempotency_finish(struct store *store, int64_t member_id, const char *key,
                                     const struct remembered *answer)
{
    struct arena arena;
    arena_init(&arena);
    struct answering answering = {
        .store = store, .arena = &arena, .member_id = member_id, .key = key, .answer = answer};
    once_end(&store->onces);
    enum result result = store_write(store, "idempotency-finish", finish_answer, &answering);
    arena_free(&arena);
    return result;
}

/* The next answered key after KEY, "" at first, which it replaces; whether its answer holds TEXT. */
static enum result next_answer(const struct store *store, struct db *db, struct arena *arena, int64_t member_id,
                               const char *text, const char **key, bool *holds)
{
    struct db_rows *rows;
    enum result result = db_one(db,
                                "SELECT key, body FROM idempotency WHERE member_id = $1 AND key > $2 "
                                "AND body IS NOT NULL ORDER BY key LIMIT 1",
                                DB_ARGS(DB_INT(member_id), db_text(*key)), &rows);
    if (result != RESULT_OK)
        return result;
    *key = db_column_text(rows, 0, arena);
    const char *body = open_text(store, db_column_text(rows, 1, arena), arena);
    *holds = body && strstr(body, text);
    db_finish(&rows);
    return RESULT_OK;
}

enum result answers_forget(const struct store *store, struct db *db, int64_t member_id, const char *text)
{
    struct arena arena;
    enum result result = RESULT_OK;
    const char *key = "";
    bool holds;
    arena_init(&arena);
    while (result == RESULT_OK && (result = next_answer(store, db, &arena, member_id, text, &key, &holds)) == RESULT_OK)
        if (holds)
            result = db_run(db,
                            "UPDATE idempotency SET content_type = NULL, body = NULL, location = NULL "
                            "WHERE member_id = $1 AND key = $2",
                            DB_ARGS(DB_INT(member_id), db_text(key)));
    arena_free(&arena);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}
