/* Shares and the chain of hands, see shares.h. A share is never deleted: it is what leads are attributed to. */
#include <assert.h>
#include <string.h>
#include "cards/event.h"
#include "server/ids.h"
#include "server/store/changes_inside.h"
#include "server/store/internal.h"
#include "server/store/lead_steps.h"
#include "server/store/outbox.h"
#include "server/store/share_rows.h"

#define SHARE_COLUMNS                                                                                                         \
    "s.id, s.owner_id, s.card_id, s.parent_id, s.sharer_member_id, s.sharer_lead_id, s.sharer_hit_id, s.created_ms, "         \
    "s.expires_ms, s.revoked_ms, s.token, s.channel, s.standing, s.label, s.recipient, s.print_run, s.sharer_name, s.vouch, " \
    "m.handle, m.name, l.name"
#define SHARE_TABLES                                                         \
    " FROM shares AS s LEFT JOIN members AS m ON m.id = s.sharer_member_id " \
    "LEFT JOIN leads AS l ON l.owner_id = s.owner_id AND l.id = s.sharer_lead_id "
enum { COLUMN_MEMBER_HANDLE = 18, COLUMN_MEMBER_NAME, COLUMN_LEAD_NAME, SHARE_COLUMN_COUNT };

static void copy_token(char out[TOKEN_SIZE], const struct db_rows *rows, int column)
{
    size_t len;
    const void *token = db_column_bytes(rows, column, &len);
    assert(token && len == TOKEN_LEN);
    memcpy(out, token, TOKEN_LEN);
    out[TOKEN_LEN] = '\0';
}

static void from_row(struct share *out, const struct db_rows *rows, struct arena *arena)
{
    *out = (struct share){
        .id = db_column_int(rows, 0),
        .owner_id = db_column_int(rows, 1),
        .card_id = db_column_int(rows, 2),
        .parent_id = db_column_int(rows, 3),
        .sharer_member_id = db_column_int(rows, 4),
        .sharer_lead_id = db_column_int(rows, 5),
        .sharer_hit_id = db_column_int(rows, 6),
        .created_ms = db_column_int(rows, 7),
        .expires_ms = db_column_int(rows, 8),
        .revoked_ms = db_column_int(rows, 9),
        .channel = (enum channel)db_column_int(rows, 11),
        .standing = db_column_int(rows, 12) != 0,
        .label = db_column_text(rows, 13, arena),
        .recipient = db_column_text(rows, 14, arena),
        .print_run = db_column_text(rows, 15, arena),
        .sharer_name = db_column_text(rows, 16, arena),
        .vouch = db_column_text(rows, 17, arena),
    };
    copy_token(out->token, rows, 10);
}

/* The hand that this share's row is. */
static void hand_from_row(struct hand *out, const struct share *share, const struct db_rows *rows, struct arena *arena)
{
    *out = (struct hand){
        .share_id = share->id,
        .member_id = share->sharer_member_id,
        .lead_id = share->sharer_lead_id,
        .handle = db_column_text(rows, COLUMN_MEMBER_HANDLE, arena),
        .name = db_column_text(rows, COLUMN_MEMBER_NAME, arena),
        .vouch = share->vouch,
        .channel = share->channel,
    };
    if (!out->name) /* what they called themselves, who may have joined a lead of another name by its e-mail */
        out->name = share->sharer_name;
    if (!out->name)
        out->name = db_column_text(rows, COLUMN_LEAD_NAME, arena);
    memcpy(out->token, share->token, TOKEN_SIZE);
}

/* Takes the share and its own hand from ROWS, then walks up: most chains are one hand long and cost nothing more. */
static enum result read_chain(struct db *db, struct arena *arena, const struct db_rows *rows, struct share *out)
{
    struct hand hands[SHARE_CHAIN_MAX]; /* from the last to the first */
    from_row(out, rows, arena);
    hand_from_row(&hands[0], out, rows, arena);
    int count = 1;
    int64_t parent_id = out->parent_id;
    enum result result = RESULT_OK;
    while (parent_id && result == RESULT_OK && count < SHARE_CHAIN_MAX) {
        struct db_rows *parent;
        struct share share;
        result = db_one(db, "SELECT " SHARE_COLUMNS SHARE_TABLES "WHERE s.owner_id = $1 AND s.id = $2",
                        DB_ARGS(DB_INT(out->owner_id), DB_INT(parent_id)), &parent);
        if (result == RESULT_OK) {
            from_row(&share, parent, arena);
            hand_from_row(&hands[count++], &share, parent, arena);
            parent_id = share.parent_id;
        }
        db_finish(&parent);
    }
    if (result != RESULT_OK)
        return result == RESULT_NOT_FOUND ? RESULT_FAILED : result;
    out->chain = arena_alloc(arena, (size_t)count * sizeof *out->chain);
    out->chain_len = count;
    for (int i = 0; i < count; i++)
        out->chain[i] = hands[count - 1 - i];
    return RESULT_OK;
}

static enum result read_one(struct db *db, struct arena *arena, const char *sql, const struct db_value *args,
                            int arg_count, struct share *out)
{
    struct db_rows *rows;
    enum result result = db_one(db, sql, args, arg_count, &rows);
    if (result == RESULT_OK)
        result = read_chain(db, arena, rows, out);
    db_finish(&rows);
    return result;
}

enum result share_read(struct db *db, struct arena *arena, int64_t owner_id, int64_t share_id, struct share *out)
{
    return read_one(db, arena, "SELECT " SHARE_COLUMNS SHARE_TABLES "WHERE s.owner_id = $1 AND s.id = $2",
                    DB_ARGS(DB_INT(owner_id), DB_INT(share_id)), out);
}

/* ---- many at once ---- */

/* A list shows fifty leads, each with its chain. Walking each chain by itself would ask the engine for every hand; here the
 * shares are asked for together, then the parents nobody has seen yet, and so on up: a query for each BATCH of shares and
 * level, and most parents are the same few. */
enum { BATCH = 32 };
#define BATCH_PLACES                                                                                                        \
    "$2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, " \
    "$27, $28, $29, $30, $31, $32, $33"

struct known {
    struct share share;
    struct hand hand;
};

struct gathering {
    struct db *db;
    struct arena *arena;
    int64_t owner_id;
    struct known *known;
    size_t count, room;
};

static struct known *find_known(const struct gathering *gathering, int64_t id)
{
    for (size_t i = 0; i < gathering->count; i++)
        if (gathering->known[i].share.id == id)
            return &gathering->known[i];
    return NULL;
}

static enum result gather(struct gathering *gathering, const int64_t *ids, size_t count)
{
    struct db_value args[1 + BATCH] = {DB_INT(gathering->owner_id)};
    struct db_rows *rows;
    for (size_t i = 0; i < BATCH; i++)
        args[1 + i] = DB_INT(i < count ? ids[i] : 0); /* no share has the id 0 */
    enum result result = db_query(
        gathering->db, "SELECT " SHARE_COLUMNS SHARE_TABLES "WHERE s.owner_id = $1 AND s.id IN (" BATCH_PLACES ")",
        args, 1 + BATCH, &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK) {
        gathering->known = db_rows_grow(gathering->arena, gathering->known, gathering->count, &gathering->room,
                                        sizeof *gathering->known);
        struct known *known = &gathering->known[gathering->count++];
        from_row(&known->share, rows, gathering->arena);
        hand_from_row(&known->hand, &known->share, rows, gathering->arena);
    }
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

/* Of the ids, or with IDS NULL of the parents of what is known, those that are not known, each once. */
static size_t unknown_ones(const struct gathering *gathering, const int64_t *ids, size_t count, int64_t *out)
{
    size_t wanted = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t id = ids ? ids[i] : gathering->known[i].share.parent_id;
        bool seen = !id || find_known(gathering, id);
        for (size_t j = 0; j < wanted && !seen; j++)
            seen = out[j] == id;
        if (!seen)
            out[wanted++] = id;
    }
    return wanted;
}

static void chain_known(const struct gathering *gathering, struct share *share)
{
    const struct known *hands[SHARE_CHAIN_MAX]; /* from the last to the first */
    int count = 0;
    for (const struct known *at = find_known(gathering, share->id); at && count < SHARE_CHAIN_MAX;
         at = find_known(gathering, at->share.parent_id))
        hands[count++] = at;
    share->chain = arena_alloc(gathering->arena, (size_t)count * sizeof *share->chain);
    share->chain_len = count;
    for (int i = 0; i < count; i++)
        share->chain[i] = hands[count - 1 - i]->hand;
}

enum result share_read_many(struct db *db, struct arena *arena, int64_t owner_id, const int64_t *ids, size_t count,
                            struct share **out)
{
    struct gathering gathering = {.db = db, .arena = arena, .owner_id = owner_id};
    int64_t *wanted = arena_alloc(arena, (count ? count : 1) * sizeof *wanted);
    size_t wanted_count = unknown_ones(&gathering, ids, count, wanted);
    for (int level = 0; wanted_count && level < SHARE_CHAIN_MAX; level++) {
        for (size_t i = 0; i < wanted_count; i += BATCH) {
            enum result result = gather(&gathering, wanted + i, wanted_count - i < BATCH ? wanted_count - i : BATCH);
            if (result != RESULT_OK)
                return result;
        }
        wanted = arena_alloc(arena, (gathering.count ? gathering.count : 1) * sizeof *wanted);
        wanted_count = unknown_ones(&gathering, NULL, gathering.count, wanted);
    }
    /* Only now: the table does not move any more. */
    for (size_t i = 0; i < gathering.count; i++)
        chain_known(&gathering, &gathering.known[i].share);
    for (size_t i = 0; i < count; i++) {
        struct known *known = find_known(&gathering, ids[i]);
        if (!known)
            return RESULT_NOT_FOUND;
        out[i] = &known->share;
    }
    return RESULT_OK;
}

/* ---- minting ---- */

enum result share_insert(struct db *db, const struct share *share)
{
    return db_run(
        db,
        "INSERT INTO shares (id, owner_id, card_id, parent_id, sharer_member_id, sharer_lead_id, sharer_hit_id, "
        "sharer_name, token, channel, standing, label, recipient, print_run, vouch, created_ms, expires_ms) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
        DB_ARGS(DB_INT(share->id), DB_INT(share->owner_id), DB_INT(share->card_id), db_int_or_null(share->parent_id),
                db_int_or_null(share->sharer_member_id), db_int_or_null(share->sharer_lead_id),
                db_int_or_null(share->sharer_hit_id), db_text(share->sharer_name), db_text(share->token),
                DB_INT(share->channel), DB_INT(share->standing), db_text(share->label), db_text(share->recipient),
                db_text(share->print_run), db_text(share->vouch), DB_INT(share->created_ms),
                db_int_or_null(share->expires_ms)));
}

struct minting {
    struct store *store;
    struct arena *arena;
    const struct share *wish;
    int64_t now_ms;
    struct share minted;
};

static enum result check_parent(struct db *db, const struct minting *minting)
{
    if (!minting->wish->parent_id)
        return RESULT_OK;
    struct share parent;
    enum result result = share_read(db, minting->arena, minting->wish->owner_id, minting->wish->parent_id, &parent);
    if (result != RESULT_OK)
        return result;
    if (parent.card_id != minting->wish->card_id)
        return RESULT_NOT_FOUND;
    return parent.chain_len < SHARE_CHAIN_MAX ? RESULT_OK : RESULT_LIMITED;
}

static enum result tell(struct db *db, const struct minting *minting)
{
    const struct share *share = &minting->minted;
    json_t *data = json_object();
    if (!data || json_object_set_new(data, "share", share_to_json(share, minting->store->base_url)) < 0)
        abort(); /* out of memory */
    return outbox_add(minting->store, db, share->owner_id,
                      share->parent_id ? EVENT_SHARE_PASSED_ON : EVENT_SHARE_CREATED, data, 0, minting->now_ms);
}

static enum result mint(struct db *db, void *context)
{
    struct minting *minting = context;
    const struct share *wish = minting->wish;
    struct db_rows *rows;
    enum result result = db_one(db, "SELECT 1 FROM cards WHERE owner_id = $1 AND id = $2 AND retired_ms IS NULL",
                                DB_ARGS(DB_INT(wish->owner_id), DB_INT(wish->card_id)), &rows);
    db_finish(&rows);
    if (result == RESULT_OK)
        result = check_parent(db, minting);
    if (result == RESULT_OK)
        result = share_insert(db, wish);
    if (result == RESULT_OK && wish->sharer_hit_id)
        result = lead_claim_shares(minting->store, db, wish->owner_id, wish->parent_id, wish->sharer_hit_id);
    if (result == RESULT_OK)
        result = share_read(db, minting->arena, wish->owner_id, wish->id, &minting->minted);
    if (result == RESULT_OK)
        result = tell(db, minting);
    if (result == RESULT_OK && wish->recipient)
        result = lead_add_potential(minting->store, db, minting->arena, &minting->minted, 0, minting->now_ms);
    return result;
}

enum result store_share_add(struct store *store, struct arena *arena, struct share *share, int64_t now_ms)
{
    struct share wish = *share;
    wish.id = id_new();
    wish.created_ms = now_ms;
    wish.revoked_ms = 0;
    wish.standing = false;
    struct minting minting = {.store = store, .arena = arena, .wish = &wish, .now_ms = now_ms};
    enum result result = store_write(store, "share-add", mint, &minting);
    if (result == RESULT_OK)
        *share = minting.minted;
    return result;
}

/* ---- finding ---- */

struct finding {
    struct arena *arena;
    const char *sql;
    const struct db_value *args;
    int arg_count;
    struct share *out;
};

static enum result find(struct db *db, void *context)
{
    const struct finding *finding = context;
    return read_one(db, finding->arena, finding->sql, finding->args, finding->arg_count, finding->out);
}

enum result store_share_find(struct store *store, struct arena *arena, int64_t owner_id, int64_t share_id,
                             struct share *out)
{
    const struct db_value args[] = {DB_INT(owner_id), DB_INT(share_id)};
    struct finding finding = {arena, "SELECT " SHARE_COLUMNS SHARE_TABLES "WHERE s.owner_id = $1 AND s.id = $2", args,
                              2, out};
    return store_read(store, find, &finding);
}

enum result store_share_find_by_token(struct store *store, struct arena *arena, const char *token, struct share *out)
{
    const struct db_value args[] = {db_text(token)};
    struct finding finding = {arena, "SELECT " SHARE_COLUMNS SHARE_TABLES "WHERE s.token = $1", args, 1, out};
    return store_read(store, find, &finding);
}

enum result store_share_find_by_handle(struct store *store, struct arena *arena, const char *handle, struct share *out)
{
    const struct db_value args[] = {db_text(handle)};
    struct finding finding = {arena,
                              "SELECT " SHARE_COLUMNS SHARE_TABLES
                              "JOIN cards AS c ON c.owner_id = s.owner_id AND c.standing_share_id = s.id "
                              "WHERE c.handle = $1 AND c.retired_ms IS NULL",
                              args, 1, out};
    return store_read(store, find, &finding);
}

struct revoking {
    struct store *store;
    int64_t owner_id, share_id, now_ms;
};

static enum result revoke(struct db *db, void *context)
{
    const struct revoking *revoking = context;
    struct db_rows *rows;
    enum result result = db_one(db, "SELECT standing FROM shares WHERE owner_id = $1 AND id = $2",
                                DB_ARGS(DB_INT(revoking->owner_id), DB_INT(revoking->share_id)), &rows);
    if (result != RESULT_OK)
        return result;
    bool standing = db_column_int(rows, 0) != 0;
    db_finish(&rows);
    if (standing)
        return RESULT_DENIED;
    change_note(revoking->store, CHANGE_SHARE, revoking->share_id);
    return db_run(db, "UPDATE shares SET revoked_ms = $3 WHERE owner_id = $1 AND id = $2 AND revoked_ms IS NULL",
                  DB_ARGS(DB_INT(revoking->owner_id), DB_INT(revoking->share_id), DB_INT(revoking->now_ms)));
}

enum result store_share_revoke(struct store *store, int64_t owner_id, int64_t share_id, int64_t now_ms)
{
    struct revoking revoking = {store, owner_id, share_id, now_ms};
    return store_write(store, "share-revoke", revoke, &revoking);
}

/* ---- listing ---- */

/* Trays 0 and 1 are leads and referrals (migrations/001_first.sql): the count is read from the index alone. */
#define LIST_SELECT                                                                                                     \
    "SELECT " SHARE_COLUMNS ", n.person, n.unconfirmed, n.preview, n.scanner, n.prefetch, n.bot, n.self, "              \
    "(SELECT count(*) FROM leads AS k WHERE k.owner_id = s.owner_id AND k.share_id = s.id AND k.tray < 2)" SHARE_TABLES \
    "LEFT JOIN share_counts AS n ON n.owner_id = s.owner_id AND n.share_id = s.id WHERE s.owner_id = $1 AND s.id < $2 "

struct listing {
    struct arena *arena;
    int64_t owner_id, card_id, before;
    size_t limit;
    struct share_row *rows;
    size_t count;
};

static void row_from_row(struct share_row *out, const struct db_rows *rows, struct arena *arena)
{
    from_row(&out->share, rows, arena);
    out->counts = (struct share_counts){
        .person = db_column_int(rows, SHARE_COLUMN_COUNT),
        .unconfirmed = db_column_int(rows, SHARE_COLUMN_COUNT + 1),
        .preview = db_column_int(rows, SHARE_COLUMN_COUNT + 2),
        .scanner = db_column_int(rows, SHARE_COLUMN_COUNT + 3),
        .prefetch = db_column_int(rows, SHARE_COLUMN_COUNT + 4),
        .bot = db_column_int(rows, SHARE_COLUMN_COUNT + 5),
        .self = db_column_int(rows, SHARE_COLUMN_COUNT + 6),
    };
    out->leads = db_column_int(rows, SHARE_COLUMN_COUNT + 7);
}

/* Most were not passed on and cost nothing. */
static enum result read_chains(struct db *db, struct listing *listing)
{
    int64_t *ids = arena_alloc(listing->arena, (listing->count + 1) * sizeof *ids);
    struct share **shares = arena_alloc(listing->arena, (listing->count + 1) * sizeof(struct share *));
    size_t count = 0;
    for (size_t i = 0; i < listing->count; i++)
        if (listing->rows[i].share.parent_id)
            ids[count++] = listing->rows[i].share.id;
    enum result result = count ? share_read_many(db, listing->arena, listing->owner_id, ids, count, shares) : RESULT_OK;
    for (size_t i = 0, j = 0; i < listing->count && result == RESULT_OK; i++)
        if (listing->rows[i].share.parent_id)
            listing->rows[i].share = *shares[j++];
    return result == RESULT_NOT_FOUND ? RESULT_FAILED : result;
}

static enum result list(struct db *db, void *context)
{
    struct listing *listing = context;
    const struct db_value args[] = {DB_INT(listing->owner_id), DB_INT(listing->before), DB_INT((int64_t)listing->limit),
                                    DB_INT(listing->card_id)};
    const char *sql = listing->card_id ? LIST_SELECT "AND s.card_id = $4 ORDER BY s.id DESC LIMIT $3"
                                       : LIST_SELECT "ORDER BY s.id DESC LIMIT $3";
    struct db_rows *rows;
    size_t room = 0;
    listing->count = 0;
    enum result result = db_query(db, sql, args, listing->card_id ? 4 : 3, &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK) {
        listing->rows = db_rows_grow(listing->arena, listing->rows, listing->count, &room, sizeof *listing->rows);
        row_from_row(&listing->rows[listing->count++], rows, listing->arena);
    }
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? read_chains(db, listing) : result;
}

enum result store_share_list(struct store *store, struct arena *arena, int64_t owner_id, int64_t card_id,
                             int64_t before, size_t limit, struct share_row **out, size_t *count)
{
    struct listing listing = {.arena = arena,
                              .owner_id = owner_id,
                              .card_id = card_id,
                              .limit = limit,
                              .before = before ? before : INT64_MAX};
    enum result result = store_list(store, owner_id, list, &listing);
    *out = listing.rows;
    *count = listing.count;
    return result;
}
