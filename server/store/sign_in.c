/* What lets a member in: sign-in links, sessions, API tokens. Only hashes of secrets come here. Each write sweeps out what
 * has expired of the same member, so nothing else must. */
#include "server/ids.h"
#include "server/store/internal.h"
#include "server/store/member_rows.h"

enum {
    SESSIONS_KEPT = 9, /* beside a new one */
    SESSION_IDLE_MS = 12 * 60 * 60 * 1000,
    SEEN_EVERY_MS = 60 * 1000
};

struct key {
    struct arena *arena;
    const unsigned char *hash;
    int64_t member_id, id, now_ms, expires_ms;
    const char *agent;
    struct session *session;
    struct api_token *token;
};

/* ---- sign-in links ---- */

enum result sign_in_link_insert(struct db *db, const unsigned char hash[HASH_SIZE], int64_t member_id, int64_t now_ms,
                                int64_t expires_ms)
{
    return db_run(db, "INSERT INTO sign_in_links (hash, member_id, created_ms, expires_ms) VALUES ($1, $2, $3, $4)",
                  DB_ARGS(db_blob(hash, HASH_SIZE), DB_INT(member_id), DB_INT(now_ms), DB_INT(expires_ms)));
}

static enum result link_add(struct db *db, void *context)
{
    const struct key *key = context;
    enum result result = member_is_active(db, key->member_id);
    if (result == RESULT_OK)
        result = db_run(db, "DELETE FROM sign_in_links WHERE member_id = $1 AND expires_ms <= $2",
                        DB_ARGS(DB_INT(key->member_id), DB_INT(key->now_ms)));
    return result == RESULT_OK ? sign_in_link_insert(db, key->hash, key->member_id, key->now_ms, key->expires_ms)
                               : result;
}

enum result store_sign_in_link_add(struct store *store, const unsigned char hash[HASH_SIZE], int64_t member_id,
                                   int64_t now_ms, int64_t expires_ms)
{
    struct key key = {.hash = hash, .member_id = member_id, .now_ms = now_ms, .expires_ms = expires_ms};
    return store_write(store, "sign-in-link-add", link_add, &key);
}

static enum result link_find(struct db *db, void *context)
{
    struct key *key = context;
    struct db_rows *rows;
    enum result result = db_one(db, "SELECT member_id FROM sign_in_links WHERE hash = $1 AND expires_ms > $2",
                                DB_ARGS(db_blob(key->hash, HASH_SIZE), DB_INT(key->now_ms)), &rows);
    if (result != RESULT_OK)
        return result;
    key->member_id = db_column_int(rows, 0);
    db_finish(&rows);
    return member_is_active(db, key->member_id);
}

enum result store_sign_in_link_find(struct store *store, const unsigned char hash[HASH_SIZE], int64_t now_ms,
                                    int64_t *out_member_id)
{
    struct key key = {.hash = hash, .now_ms = now_ms};
    enum result result = store_read(store, link_find, &key);
    *out_member_id = result == RESULT_OK ? key.member_id : 0;
    return result;
}

static enum result link_use(struct db *db, void *context)
{
    struct key *key = context;
    struct db_rows *rows;
    enum result result = db_one(db, "DELETE FROM sign_in_links WHERE hash = $1 AND expires_ms > $2 RETURNING member_id",
                                DB_ARGS(db_blob(key->hash, HASH_SIZE), DB_INT(key->now_ms)), &rows);
    if (result != RESULT_OK)
        return result;
    key->member_id = db_column_int(rows, 0);
    db_finish(&rows);
    return member_is_active(db, key->member_id);
}

enum result store_sign_in_link_use(struct store *store, const unsigned char hash[HASH_SIZE], int64_t now_ms,
                                   int64_t *out_member_id)
{
    struct key key = {.hash = hash, .now_ms = now_ms};
    enum result result = store_write(store, "sign-in-link-use", link_use, &key);
    *out_member_id = result == RESULT_OK ? key.member_id : 0;
    return result;
}

/* ---- sessions ---- */

static enum result session_add(struct db *db, void *context)
{
    const struct key *key = context;
    enum result result = member_is_active(db, key->member_id);
    if (result == RESULT_OK)
        result = db_run(db,
                        "DELETE FROM sessions WHERE member_id = $1 AND (expires_ms <= $2 OR hash NOT IN "
                        "(SELECT hash FROM sessions WHERE member_id = $1 ORDER BY created_ms DESC, hash LIMIT $3))",
                        DB_ARGS(DB_INT(key->member_id), DB_INT(key->now_ms), DB_INT(SESSIONS_KEPT)));
    if (result == RESULT_OK)
        result = db_run(db,
                        "INSERT INTO sessions (hash, member_id, agent, created_ms, seen_ms, expires_ms) "
                        "VALUES ($1, $2, $3, $4, $4, $5)",
                        DB_ARGS(db_blob(key->hash, HASH_SIZE), DB_INT(key->member_id), db_text(key->agent),
                                DB_INT(key->now_ms), DB_INT(key->expires_ms)));
    return result;
}

enum result store_session_add(struct store *store, const unsigned char hash[HASH_SIZE], int64_t member_id,
                              const char *agent, int64_t now_ms, int64_t expires_ms)
{
    struct key key = {.hash = hash, .member_id = member_id, .agent = agent, .now_ms = now_ms, .expires_ms = expires_ms};
    return store_write(store, "session-add", session_add, &key);
}

static enum result session_find(struct db *db, void *context)
{
    const struct key *key = context;
    struct db_rows *rows;
    enum result result = db_one(
        db,
        "SELECT s.member_id, s.created_ms, s.seen_ms, s.expires_ms, s.agent, " MEMBER_COLUMNS
        " FROM sessions AS s JOIN members AS m ON m.id = s.member_id "
        "WHERE s.hash = $1 AND s.expires_ms > $2 AND s.seen_ms > $3 AND m.disabled_ms IS NULL",
        DB_ARGS(db_blob(key->hash, HASH_SIZE), DB_INT(key->now_ms), DB_INT(key->now_ms - SESSION_IDLE_MS)), &rows);
    if (result != RESULT_OK)
        return result;
    *key->session = (struct session){
        .member_id = db_column_int(rows, 0),
        .created_ms = db_column_int(rows, 1),
        .seen_ms = db_column_int(rows, 2),
        .expires_ms = db_column_int(rows, 3),
        .agent = db_column_text(rows, 4, key->arena),
    };
    member_from_row(&key->session->member, rows, 5, key->arena);
    db_finish(&rows);
    return RESULT_OK;
}

static enum result session_seen(struct db *db, void *context)
{
    const struct key *key = context;
    return db_run(db, "UPDATE sessions SET seen_ms = $2 WHERE hash = $1",
                  DB_ARGS(db_blob(key->hash, HASH_SIZE), DB_INT(key->now_ms)));
}

enum result store_session_find(struct store *store, struct arena *arena, const unsigned char hash[HASH_SIZE],
                               int64_t now_ms, struct session *out)
{
    struct key key = {.arena = arena, .hash = hash, .now_ms = now_ms, .session = out};
    enum result result = store_read(store, session_find, &key);
    if (result != RESULT_OK || now_ms - out->seen_ms < SEEN_EVERY_MS || store->read_only)
        return result;
    /* A full disk signs nobody out: the session was found, and the failure is logged where it happened. */
    if (store_write(store, "session-seen", session_seen, &key) == RESULT_OK)
        out->seen_ms = now_ms;
    return RESULT_OK;
}

static enum result session_end(struct db *db, void *context)
{
    const struct key *key = context;
    enum result result = db_run(db, "DELETE FROM sessions WHERE hash = $1", DB_ARGS(db_blob(key->hash, HASH_SIZE)));
    return result == RESULT_OK && db_changes(db) == 0 ? RESULT_NOT_FOUND : result;
}

enum result store_session_end(struct store *store, const unsigned char hash[HASH_SIZE])
{
    struct key key = {.hash = hash};
    return store_write(store, "session-end", session_end, &key);
}

/* ---- API tokens ---- */

#define TOKEN_COLUMNS "t.id, t.member_id, t.created_ms, t.used_ms, t.revoked_ms, t.name, t.scopes"
enum { TOKEN_COLUMN_COUNT = 7 };

static void token_from_row(struct api_token *out, const struct db_rows *rows, struct arena *arena)
{
    *out = (struct api_token){
        .id = db_column_int(rows, 0),
        .member_id = db_column_int(rows, 1),
        .created_ms = db_column_int(rows, 2),
        .used_ms = db_column_int(rows, 3),
        .revoked_ms = db_column_int(rows, 4),
        .name = db_column_text(rows, 5, arena),
        .scopes = db_column_text(rows, 6, arena),
    };
    member_from_row(&out->member, rows, TOKEN_COLUMN_COUNT, arena);
}

static enum result token_add(struct db *db, void *context)
{
    const struct key *key = context;
    const struct api_token *token = key->token;
    enum result result = member_is_active(db, token->member_id);
    if (result == RESULT_OK)
        result = db_run(db,
                        "INSERT INTO api_tokens (member_id, id, hash, name, scopes, created_ms) "
                        "VALUES ($1, $2, $3, $4, $5, $6)",
                        DB_ARGS(DB_INT(token->member_id), DB_INT(token->id), db_blob(key->hash, HASH_SIZE),
                                db_text(token->name), db_text(token->scopes), DB_INT(key->now_ms)));
    return result;
}

enum result store_token_add(struct store *store, struct api_token *token, const unsigned char hash[HASH_SIZE],
                            int64_t now_ms)
{
    struct key key = {.token = token, .hash = hash, .now_ms = now_ms};
    token->id = id_new();
    token->created_ms = now_ms;
    token->used_ms = token->revoked_ms = 0;
    return store_write(store, "token-add", token_add, &key);
}

static enum result token_find(struct db *db, void *context)
{
    const struct key *key = context;
    struct db_rows *rows;
    enum result result = db_one(db,
                                "SELECT " TOKEN_COLUMNS ", " MEMBER_COLUMNS
                                " FROM api_tokens AS t JOIN members AS m ON m.id = t.member_id "
                                "WHERE t.hash = $1 AND t.revoked_ms IS NULL AND m.disabled_ms IS NULL",
                                DB_ARGS(db_blob(key->hash, HASH_SIZE)), &rows);
    if (result == RESULT_OK)
        token_from_row(key->token, rows, key->arena);
    db_finish(&rows);
    return result;
}

static enum result token_used(struct db *db, void *context)
{
    const struct key *key = context;
    return db_run(db, "UPDATE api_tokens SET used_ms = $2 WHERE hash = $1",
                  DB_ARGS(db_blob(key->hash, HASH_SIZE), DB_INT(key->now_ms)));
}

enum result store_token_find(struct store *store, struct arena *arena, const unsigned char hash[HASH_SIZE],
                             int64_t now_ms, struct api_token *out)
{
    struct key key = {.arena = arena, .hash = hash, .now_ms = now_ms, .token = out};
    enum result result = store_read(store, token_find, &key);
    if (result != RESULT_OK || now_ms - out->used_ms < SEEN_EVERY_MS || store->read_only)
        return result;
    /* As with sessions: not being able to note it is no reason to refuse. */
    if (store_write(store, "token-used", token_used, &key) == RESULT_OK)
        out->used_ms = now_ms;
    return RESULT_OK;
}

struct token_list {
    struct arena *arena;
    int64_t member_id;
    struct api_token *tokens;
    size_t count;
};

static enum result token_list(struct db *db, void *context)
{
    struct token_list *list = context;
    struct db_rows *rows;
    size_t room = 0;
    list->count = 0;
    enum result result = db_query(db,
                                  "SELECT " TOKEN_COLUMNS ", " MEMBER_COLUMNS
                                  " FROM api_tokens AS t JOIN members AS m ON m.id = t.member_id "
                                  "WHERE t.member_id = $1 ORDER BY t.id",
                                  DB_ARGS(DB_INT(list->member_id)), &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK) {
        list->tokens = db_rows_grow(list->arena, list->tokens, list->count, &room, sizeof *list->tokens);
        token_from_row(&list->tokens[list->count++], rows, list->arena);
    }
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

enum result store_token_list(struct store *store, struct arena *arena, int64_t member_id, struct api_token **out,
                             size_t *count)
{
    struct token_list list = {.arena = arena, .member_id = member_id};
    enum result result = store_read(store, token_list, &list);
    *out = list.tokens;
    *count = list.count;
    return result;
}

static enum result token_revoke(struct db *db, void *context)
{
    const struct key *key = context;
    enum result result = db_run(db,
                                "UPDATE api_tokens SET revoked_ms = $3 WHERE member_id = $1 AND id = $2 "
                                "AND revoked_ms IS NULL",
                                DB_ARGS(DB_INT(key->member_id), DB_INT(key->id), DB_INT(key->now_ms)));
    return result == RESULT_OK && db_changes(db) == 0 ? RESULT_NOT_FOUND : result;
}

enum result store_token_revoke(struct store *store, int64_t member_id, int64_t token_id, int64_t now_ms)
{
    struct key key = {.member_id = member_id, .id = token_id, .now_ms = now_ms};
    return store_write(store, "token-revoke", token_revoke, &key);
}
