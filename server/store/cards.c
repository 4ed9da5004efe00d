/* Cards, their revisions and portraits, see cards.h. A card is stored as the JSON that the API shows, so that a new field
 * needs no new column; what is looked for stands in columns beside it. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "server/ids.h"
#include "server/log.h"
#include "server/store/changes_inside.h"
#include "server/store/internal.h"
#include "server/store/share_rows.h"

enum { HANDLE_TRIES_MAX = 1000 };

#define COLUMNS "c.id, c.owner_id, c.revision, c.portrait_id, c.updated_ms, c.handle, c.body"

static enum result from_row(struct card *out, const struct db_rows *rows, struct arena *arena)
{
    *out = (struct card){
        .id = db_column_int(rows, 0),
        .owner_id = db_column_int(rows, 1),
        .revision = db_column_int(rows, 2),
        .portrait_id = db_column_int(rows, 3),
        .updated_ms = db_column_int(rows, 4),
        .handle = db_column_text(rows, 5, arena),
    };
    size_t len;
    const char *body = db_column_bytes(rows, 6, &len);
    json_t *json = json_loadb(body, len, 0, NULL);
    struct complaints *complaints = arena_alloc(arena, sizeof *complaints);
    enum result result = json ? card_from_json(out, json, arena, complaints) : RESULT_INVALID;
    json_decref(json);
    if (result == RESULT_OK)
        return RESULT_OK;
    log_error("card-unreadable", "card=%lld field=%s", (long long)out->id,
              complaints->count ? complaints->list[0].field : "json");
    return RESULT_FAILED;
}

/* The card's body, to be freed. */
static char *body_of(const struct card *card)
{
    json_t *json = card_to_json(card);
    char *body = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    if (!body)
        abort(); /* out of memory: the text was checked to be UTF-8 */
    return body;
}

struct card_change {
    struct store *store; /* unless the card is being added: nobody has it in memory */
    struct card *card;
    char *body;
    int64_t now_ms, new_id; /* the card's, also while it is being added */
    int64_t revision, portrait_id, new_portrait_id;
    const void *jpeg;
    size_t len;
    char handle[CARD_HANDLE_MAX + 1];
};

static enum result revision_add(struct db *db, const struct card_change *change)
{
    const struct card *card = change->card;
    return db_run(db,
                  "INSERT INTO card_revisions (owner_id, card_id, revision, body, portrait_id, created_ms) "
                  "VALUES ($1, $2, $3, $4, $5, $6)",
                  DB_ARGS(DB_INT(card->owner_id), DB_INT(change->new_id), DB_INT(change->revision),
                          db_text(change->body), db_int_or_null(change->portrait_id), DB_INT(change->now_ms)));
}

/* ---- handles ---- */

/* Members and cards share the names behind /@: OK when nobody else has this one. */
static enum result handle_is_free(struct db *db, const char *handle, int64_t owner_id, int64_t card_id)
{
    struct db_rows *rows;
    enum result result = db_one(db,
                                "SELECT 1 FROM members WHERE handle = $1 AND id <> $2 "
                                "UNION ALL SELECT 1 FROM cards WHERE handle = $1 AND id <> $3",
                                DB_ARGS(db_text(handle), DB_INT(owner_id), DB_INT(card_id)), &rows);
    db_finish(&rows);
    if (result == RESULT_NOT_FOUND)
        return RESULT_OK;
    return result == RESULT_OK ? RESULT_CONFLICT : result;
}

/* NUMBER 1: the member's own; then with -2, -3, …, cut so that it fits. */
static void number_handle(char out[CARD_HANDLE_MAX + 1], const char *own, int number)
{
    char suffix[16] = "";
    if (number > 1)
        snprintf(suffix, sizeof suffix, "-%d", number);
    int room = CARD_HANDLE_MAX - (int)strlen(suffix);
    snprintf(out, CARD_HANDLE_MAX + 1, "%.*s%s", room, own, suffix);
}

static enum result choose_handle(struct db *db, struct card_change *change)
{
    const struct card *card = change->card;
    struct db_rows *rows;
    enum result result = db_one(db, "SELECT handle FROM members WHERE id = $1 AND disabled_ms IS NULL",
                                DB_ARGS(DB_INT(card->owner_id)), &rows);
    if (result != RESULT_OK)
        return result;
    char own[CARD_HANDLE_MAX + 1];
    size_t len;
    const char *handle = db_column_bytes(rows, 0, &len);
    snprintf(own, sizeof own, "%.*s", (int)len, handle);
    db_finish(&rows);
    if (card->handle) {
        snprintf(change->handle, sizeof change->handle, "%s", card->handle);
        return handle_is_free(db, change->handle, card->owner_id, 0);
    }
    result = RESULT_CONFLICT;
    for (int number = 1; result == RESULT_CONFLICT && number < HANDLE_TRIES_MAX; number++) {
        number_handle(change->handle, own, number);
        result = handle_is_free(db, change->handle, card->owner_id, 0);
    }
    return result;
}

/* ---- adding and changing ---- */

static enum result add(struct db *db, void *context)
{
    struct card_change *change = context;
    const struct card *card = change->card;
    enum result result = choose_handle(db, change);
    if (result != RESULT_OK)
        return result;
    struct share standing = {
        .id = id_new(),
        .owner_id = card->owner_id,
        .card_id = change->new_id,
        .sharer_member_id = card->owner_id,
        .created_ms = change->now_ms,
        .channel = CHANNEL_LINK,
        .standing = true,
    };
    token_new(standing.token);
    result =
        db_run(db,
               "INSERT INTO cards (owner_id, id, handle, revision, body, standing_share_id, created_ms, updated_ms) "
               "VALUES ($1, $2, $3, $4, $5, $6, $7, $7)",
               DB_ARGS(DB_INT(card->owner_id), DB_INT(change->new_id), db_text(change->handle),
                       DB_INT(change->revision), db_text(change->body), DB_INT(standing.id), DB_INT(change->now_ms)));
    if (result == RESULT_OK)
        result = share_insert(db, &standing);
    if (result == RESULT_OK)
        result = revision_add(db, change);
    return result;
}

/* What a change that was committed means for the card in memory. */
static void take_over(struct card *card, const struct card_change *change)
{
    card->id = change->new_id;
    card->revision = change->revision;
    card->portrait_id = change->portrait_id;
    card->updated_ms = change->now_ms;
}

enum result store_card_add(struct store *store, struct arena *arena, struct card *card, int64_t now_ms)
{
    assert(!card->handle || strlen(card->handle) <= CARD_HANDLE_MAX);
    struct card_change change = {
        .card = card, .body = body_of(card), .now_ms = now_ms, .new_id = id_new(), .revision = 1};
    enum result result = store_write(store, "card-add", add, &change);
    if (result == RESULT_OK) {
        take_over(card, &change);
        card->handle = arena_strdup(arena, change.handle);
    }
    free(change.body);
    return result;
}

struct adding_many {
    struct card_change *changes;
    size_t count;
    bool dry_run;
    bool *taken;
};

/* LIMITED ends a dry run: all that was written is taken back. */
static enum result add_many(struct db *db, void *context)
{
    struct adding_many *many = context;
    bool conflict = false;
    for (size_t i = 0; i < many->count; i++) {
        enum result result = add(db, &many->changes[i]);
        many->taken[i] = result == RESULT_CONFLICT;
        conflict = conflict || many->taken[i];
        if (result != RESULT_OK && !many->taken[i])
            return result;
    }
    return conflict ? RESULT_CONFLICT : many->dry_run ? RESULT_LIMITED : RESULT_OK;
}

enum result store_card_add_many(struct store *store, struct arena *arena, struct card *cards, size_t count,
                                bool dry_run, int64_t now_ms, bool *taken)
{
    struct adding_many many = {arena_alloc(arena, count * sizeof *many.changes), count, dry_run, taken};
    for (size_t i = 0; i < count; i++)
        many.changes[i] = (struct card_change){
            .card = &cards[i], .body = body_of(&cards[i]), .now_ms = now_ms, .new_id = id_new(), .revision = 1};
    enum result result = store_write(store, "card-add-many", add_many, &many);
    if (result == RESULT_LIMITED)
        result = RESULT_OK;
    for (size_t i = 0; i < count; i++) {
        if (result == RESULT_OK) {
            take_over(&cards[i], &many.changes[i]);
            cards[i].handle = arena_strdup(arena, many.changes[i].handle);
        }
        free(many.changes[i].body);
    }
    return result;
}

/* The card at the revision it was read at; fills in what a change keeps. */
static enum result find_current(struct db *db, struct card_change *change)
{
    const struct card *card = change->card;
    struct db_rows *rows;
    enum result result = db_one(db,
                                "SELECT revision, portrait_id FROM cards WHERE owner_id = $1 AND id = $2 "
                                "AND retired_ms IS NULL",
                                DB_ARGS(DB_INT(card->owner_id), DB_INT(card->id)), &rows);
    if (result != RESULT_OK)
        return result;
    int64_t revision = db_column_int(rows, 0);
    change->portrait_id = db_column_int(rows, 1);
    db_finish(&rows);
    change->revision = revision + 1;
    return revision == card->revision ? RESULT_OK : RESULT_CONFLICT;
}

static enum result write_revision(struct db *db, const struct card_change *change)
{
    const struct card *card = change->card;
    change_note(change->store, CHANGE_CARD, card->id);
    enum result result =
        db_run(db,
               "UPDATE cards SET revision = $3, body = $4, portrait_id = $5, updated_ms = $6 "
               "WHERE owner_id = $1 AND id = $2",
               DB_ARGS(DB_INT(card->owner_id), DB_INT(card->id), DB_INT(change->revision), db_text(change->body),
                       db_int_or_null(change->portrait_id), DB_INT(change->now_ms)));
    return result == RESULT_OK ? revision_add(db, change) : result;
}

static enum result update(struct db *db, void *context)
{
    struct card_change *change = context;
    const struct card *card = change->card;
    enum result result = find_current(db, change);
    if (result == RESULT_OK && card->handle)
        result = handle_is_free(db, card->handle, card->owner_id, card->id);
    if (result == RESULT_OK && card->handle)
        result = db_run(db, "UPDATE cards SET handle = $3 WHERE owner_id = $1 AND id = $2",
                        DB_ARGS(DB_INT(card->owner_id), DB_INT(card->id), db_text(card->handle)));
    return result == RESULT_OK ? write_revision(db, change) : result;
}

enum result store_card_update(struct store *store, struct card *card, int64_t now_ms)
{
    struct card_change change = {
        .store = store, .card = card, .body = body_of(card), .now_ms = now_ms, .new_id = card->id};
    enum result result = store_write(store, "card-update", update, &change);
    if (result == RESULT_OK)
        take_over(card, &change);
    free(change.body);
    return result;
}

struct retiring {
    struct store *store;
    int64_t owner_id, card_id, now_ms;
};

static enum result retire(struct db *db, void *context)
{
    const struct retiring *retiring = context;
    change_note(retiring->store, CHANGE_CARD, retiring->card_id);
    enum result result =
        db_run(db,
               "UPDATE cards SET retired_ms = $3, handle = NULL WHERE owner_id = $1 AND id = $2 "
               "AND retired_ms IS NULL",
               DB_ARGS(DB_INT(retiring->owner_id), DB_INT(retiring->card_id), DB_INT(retiring->now_ms)));
    return result == RESULT_OK && db_changes(db) == 0 ? RESULT_NOT_FOUND : result;
}

enum result store_card_retire(struct store *store, int64_t owner_id, int64_t card_id, int64_t now_ms)
{
    struct retiring retiring = {store, owner_id, card_id, now_ms};
    return store_write(store, "card-retire", retire, &retiring);
}

/* ---- finding ---- */

struct finding {
    struct arena *arena;
    int64_t owner_id, card_id;
    struct card *cards;
    size_t count;
};

static enum result find(struct db *db, void *context)
{
    struct finding *finding = context;
    struct db_rows *rows;
    enum result result = db_one(db,
                                "SELECT " COLUMNS " FROM cards AS c WHERE c.owner_id = $1 AND c.id = $2 "
                                "AND c.retired_ms IS NULL",
                                DB_ARGS(DB_INT(finding->owner_id), DB_INT(finding->card_id)), &rows);
    if (result == RESULT_OK)
        result = from_row(finding->cards, rows, finding->arena);
    db_finish(&rows);
    return result;
}

enum result store_card_find(struct store *store, struct arena *arena, int64_t owner_id, int64_t card_id,
                            struct card *out)
{
    struct finding finding = {.arena = arena, .owner_id = owner_id, .card_id = card_id, .cards = out};
    return store_read(store, find, &finding);
}

static enum result open_card(struct db *db, void *context)
{
    struct finding *finding = context;
    struct db_rows *rows;
    enum result result = db_one(db,
                                "SELECT " COLUMNS " FROM cards AS c JOIN members AS m ON m.id = c.owner_id "
                                "WHERE c.id = $1 AND c.retired_ms IS NULL AND m.disabled_ms IS NULL",
                                DB_ARGS(DB_INT(finding->card_id)), &rows);
    if (result == RESULT_OK)
        result = from_row(finding->cards, rows, finding->arena);
    db_finish(&rows);
    return result;
}

enum result store_card_open(struct store *store, struct arena *arena, int64_t card_id, struct card *out)
{
    struct finding finding = {.arena = arena, .card_id = card_id, .cards = out};
    return store_read(store, open_card, &finding);
}

static enum result list(struct db *db, void *context)
{
    struct finding *finding = context;
    struct db_rows *rows;
    size_t room = 0;
    finding->count = 0;
    enum result result = db_query(db,
                                  "SELECT " COLUMNS " FROM cards AS c WHERE c.owner_id = $1 AND c.retired_ms IS NULL "
                                  "ORDER BY c.id",
                                  DB_ARGS(DB_INT(finding->owner_id)), &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK) {
        finding->cards = db_rows_grow(finding->arena, finding->cards, finding->count, &room, sizeof *finding->cards);
        result = from_row(&finding->cards[finding->count++], rows, finding->arena);
    }
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

enum result store_card_list(struct store *store, struct arena *arena, int64_t owner_id, struct card **out,
                            size_t *count)
{
    struct finding finding = {.arena = arena, .owner_id = owner_id};
    enum result result = store_read(store, list, &finding);
    *out = finding.cards;
    *count = finding.count;
    return result;
}

/* ---- portraits ---- */

/* The picture before goes at once: a member who takes theirs away means it. */
static enum result portrait_set(struct db *db, void *context)
{
    struct card_change *change = context;
    const struct card *card = change->card;
    enum result result = find_current(db, change);
    change->portrait_id = change->new_portrait_id;
    if (result == RESULT_OK)
        result = db_run(db, "DELETE FROM portraits WHERE owner_id = $1 AND card_id = $2",
                        DB_ARGS(DB_INT(card->owner_id), DB_INT(card->id)));
    if (result == RESULT_OK && change->jpeg)
        result = db_run(db, "INSERT INTO portraits (owner_id, card_id, id, jpeg) VALUES ($1, $2, $3, $4)",
                        DB_ARGS(DB_INT(card->owner_id), DB_INT(card->id), DB_INT(change->portrait_id),
                                db_blob(change->jpeg, change->len)));
    return result == RESULT_OK ? write_revision(db, change) : result;
}

enum result store_portrait_set(struct store *store, struct card *card, const void *jpeg, size_t len, int64_t now_ms)
{
    struct card_change change = {.store = store,
                                 .card = card,
                                 .body = body_of(card),
                                 .now_ms = now_ms,
                                 .new_id = card->id,
                                 .new_portrait_id = jpeg ? id_new() : 0,
                                 .jpeg = jpeg,
                                 .len = len};
    enum result result = store_write(store, "portrait-set", portrait_set, &change);
    if (result == RESULT_OK)
        take_over(card, &change);
    free(change.body);
    return result;
}

struct picture {
    struct arena *arena;
    int64_t id;
    const void *jpeg;
    size_t len;
};

static enum result portrait_find(struct db *db, void *context)
{
    struct picture *picture = context;
    struct db_rows *rows;
    enum result result = db_one(db, "SELECT jpeg FROM portraits WHERE id = $1", DB_ARGS(DB_INT(picture->id)), &rows);
    if (result == RESULT_OK) {
        const void *jpeg = db_column_bytes(rows, 0, &picture->len);
        picture->jpeg = arena_memdup(picture->arena, jpeg, picture->len);
    }
    db_finish(&rows);
    return result;
}

enum result store_portrait_find(struct store *store, struct arena *arena, int64_t portrait_id, const void **jpeg,
                                size_t *len)
{
    struct picture picture = {.arena = arena, .id = portrait_id};
    enum result result = store_read(store, portrait_find, &picture);
    *jpeg = picture.jpeg;
    *len = picture.len;
    return result;
}
