/* Reading leads: one, the newest of a list, how many there are, the timeline, the visitor's receipt. Changes nothing.
 *
 * Every list lies in one tray (leads.tray), so it is read from the newest end of one index; a list over several trays merges
 * their newest. A page of fifty reads each share once. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "server/store/internal.h"
#include "server/store/lead_steps.h"
#include "server/store/lead_trays.h"
#include "server/store/search.h"
#include "server/store/share_rows.h"

#define LEAD_COLUMNS                                                                                                              \
    "id, card_id, share_id, visitor_hit_id, referral, stage, endorser_member_id, endorser_lead_id, name, email, phone, company, " \
    "message, recipient, set_aside, created_ms, identified_ms, updated_ms, revision, change_seq"

enum { LIST_MAX = 256, FOUND_MAX = 64, POTENTIAL_COUNTED_MAX = 10000 };

static void lead_of_row(const struct db_rows *rows, struct arena *arena, int64_t owner_id, struct lead *out)
{
    *out = (struct lead){
        .owner_id = owner_id,
        .id = db_column_int(rows, 0),
        .card_id = db_column_int(rows, 1),
        .share_id = db_column_int(rows, 2),
        .visitor_hit_id = db_column_int(rows, 3),
        .referral = db_column_int(rows, 4),
        .stage = (enum stage)db_column_int(rows, 5),
        .endorser_member_id = db_column_int(rows, 6),
        .endorser_lead_id = db_column_int(rows, 7),
        .name = db_column_text(rows, 8, arena),
        .email = db_column_text(rows, 9, arena),
        .phone = db_column_text(rows, 10, arena),
        .company = db_column_text(rows, 11, arena),
        .message = db_column_text(rows, 12, arena),
        .recipient = db_column_text(rows, 13, arena),
        .set_aside = db_column_text(rows, 14, arena),
        .created_ms = db_column_int(rows, 15),
        .identified_ms = db_column_int(rows, 16),
        .updated_ms = db_column_int(rows, 17),
        .revision = db_column_int(rows, 18),
        .change = db_column_int(rows, 19),
    };
}

void lead_name_endorser(struct lead *lead)
{
    const struct share *share = lead->share;
    for (int i = share ? share->chain_len : 0; i-- > 0;) {
        const struct hand *hand = &share->chain[i];
        if ((!lead->endorser_member_id || hand->member_id != lead->endorser_member_id) &&
            (!lead->endorser_lead_id || hand->lead_id != lead->endorser_lead_id))
            continue;
        lead->endorser_name = hand->name;
        lead->endorser_handle = hand->handle;
        lead->endorser_vouch = hand->vouch;
        return;
    }
}

/* Gives each lead, all of one owner, its share. */
static enum result read_shares(struct db *db, struct arena *arena, struct lead *leads, size_t count)
{
    if (!count)
        return RESULT_OK;
    int64_t *ids = arena_alloc(arena, count * sizeof *ids);
    struct share **shares = arena_alloc(arena, count * sizeof(struct share *));
    for (size_t i = 0; i < count; i++)
        ids[i] = leads[i].share_id;
    enum result result = share_read_many(db, arena, leads[0].owner_id, ids, count, shares);
    if (result != RESULT_OK)
        return result == RESULT_NOT_FOUND ? RESULT_FAILED : result;
    for (size_t i = 0; i < count; i++) {
        leads[i].share = shares[i];
        lead_name_endorser(&leads[i]);
    }
    return RESULT_OK;
}

static enum result read_consent(struct db *db, struct arena *arena, struct lead *lead, int64_t moment_id)
{
    struct db_rows *rows;
    enum result result =
        db_one(db,
               "SELECT t.words, c.contact FROM consents c JOIN consent_texts t ON t.hash = c.text_hash "
               "WHERE c.owner_id = $1 AND c.lead_id = $2 AND (c.id = $3 OR $3 = 0) ORDER BY c.id LIMIT 1",
               DB_ARGS(DB_INT(lead->owner_id), DB_INT(lead->id), DB_INT(moment_id)), &rows);
    if (result != RESULT_OK)
        return result == RESULT_NOT_FOUND ? RESULT_OK : result;
    lead->consent_text = db_column_text(rows, 0, arena);
    lead->consent_contact = db_column_int(rows, 1);
    db_finish(&rows);
    return RESULT_OK;
}

static enum result read_row(struct db *db, struct arena *arena, int64_t owner_id, int64_t lead_id, struct lead *out)
{
    struct db_rows *rows;
    enum result result = db_one(db, "SELECT " LEAD_COLUMNS " FROM leads WHERE owner_id = $1 AND id = $2",
                                DB_ARGS(DB_INT(owner_id), DB_INT(lead_id)), &rows);
    if (result != RESULT_OK)
        return result;
    lead_of_row(rows, arena, owner_id, out);
    db_finish(&rows);
    return RESULT_OK;
}

enum result lead_read(struct db *db, struct arena *arena, int64_t owner_id, int64_t lead_id, struct lead *out)
{
    enum result result = read_row(db, arena, owner_id, lead_id, out);
    if (result == RESULT_OK)
        result = read_shares(db, arena, out, 1);
    return result == RESULT_OK ? read_consent(db, arena, out, 0) : result;
}

enum result store_lead_find(struct store *store, struct arena *arena, int64_t owner_id, int64_t lead_id,
                            struct lead *out)
{
    struct db *db;
    enum result result = store_read_begin(store, &db);
    if (result != RESULT_OK)
        return result;
    result = lead_read(db, arena, owner_id, lead_id, out);
    store_read_end(store, db);
    return result;
}

/* ---- lists ---- */

struct listing {
    struct db *db;
    struct arena *arena;
    int64_t owner_id;
    const struct lead_filter *filter;
    bool trays[TRAY_COUNT];
    int stage; /* or -1 */
    size_t limit, count;
    struct lead *leads;
};

static void choose_trays(struct listing *listing)
{
    const struct lead_filter *filter = listing->filter;
    bool *trays = listing->trays;
    listing->stage = filter->stage >= 0 ? filter->stage : -1;
    if (filter->set_aside == 1) {
        trays[TRAY_SET_ASIDE] = true;
        return;
    }
    if (filter->stage == STAGE_POTENTIAL || filter->stage == -2)
        trays[TRAY_POTENTIAL] = true;
    if (filter->stage == STAGE_JUNK || filter->stage == -2)
        trays[TRAY_JUNK] = true;
    if (filter->stage != STAGE_POTENTIAL && filter->stage != STAGE_JUNK)
        trays[TRAY_LEADS] = trays[TRAY_REFERRALS] = true;
    if (filter->kind == LEAD_KIND_LEAD)
        trays[TRAY_REFERRALS] = false;
    if (filter->kind == LEAD_KIND_REFERRAL)
        trays[TRAY_LEADS] = false;
}

/* What the index cannot say. The columns stand first in each comparison, so that engines which infer a parameter's type
 * take it from them. */
#define LIST_WHERE                                                                               \
    " AND id < $3 AND (stage = $4 OR $4 < 0) AND (channel = $5 OR $5 < 0) AND updated_ms >= $6 " \
    "AND (referral = $7 OR $7 < 0) "

static int kind_parameter(enum lead_kind kind)
{
    return kind == LEAD_KIND_ANY ? -1 : kind == LEAD_KIND_REFERRAL;
}

/* Adds a tray's newest, at most the limit. */
static enum result add_tray(struct listing *listing, enum tray tray, int64_t before)
{
    const struct lead_filter *filter = listing->filter;
    const struct db_value args[] = {
        DB_INT(listing->owner_id),
        DB_INT(tray),
        DB_INT(before),
        DB_INT(listing->stage),
        DB_INT(filter->channel),
        DB_INT(filter->since_ms),
        DB_INT(kind_parameter(filter->kind)),
        DB_INT((int64_t)listing->limit),
        DB_INT(filter->share_id),
    };
    struct db_rows *rows;
    enum result result =
        filter->share_id ? db_query(listing->db,
                                    "SELECT " LEAD_COLUMNS " FROM leads WHERE owner_id = $1 AND tray = $2" LIST_WHERE
                                    "AND share_id = $9 ORDER BY id DESC LIMIT $8",
                                    args, 9, &rows)
                         : db_query(listing->db,
                                    "SELECT " LEAD_COLUMNS " FROM leads WHERE owner_id = $1 AND tray = $2" LIST_WHERE
                                    "ORDER BY id DESC LIMIT $8",
                                    args, 8, &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK)
        lead_of_row(rows, listing->arena, listing->owner_id, &listing->leads[listing->count++]);
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

static int newest_first(const void *a, const void *b)
{
    const struct lead *one = a, *other = b;
    return one->id < other->id ? 1 : one->id > other->id ? -1 : 0;
}

static enum result list_trays(struct listing *listing, int64_t before)
{
    int chosen = 0;
    for (int tray = 0; tray < TRAY_COUNT; tray++)
        chosen += listing->trays[tray];
    listing->leads =
        arena_alloc(listing->arena, sizeof *listing->leads * listing->limit * (size_t)(chosen ? chosen : 1));
    for (int tray = 0; tray < TRAY_COUNT; tray++) {
        if (!listing->trays[tray])
            continue;
        enum result result = add_tray(listing, (enum tray)tray, before);
        if (result != RESULT_OK)
            return result;
    }
    if (chosen > 1)
        qsort(listing->leads, listing->count, sizeof *listing->leads, newest_first);
    if (listing->count > listing->limit)
        listing->count = listing->limit;
    return RESULT_OK;
}

static bool passes(const struct listing *listing, const struct lead *lead)
{
    const struct lead_filter *filter = listing->filter;
    return listing->trays[lead_tray(lead)] && (listing->stage < 0 || (int)lead->stage == listing->stage) &&
           (filter->kind == LEAD_KIND_ANY || lead->referral == (filter->kind == LEAD_KIND_REFERRAL)) &&
           (filter->channel < 0 || (int)lead->share->channel == filter->channel) &&
           (!filter->share_id || lead->share_id == filter->share_id) && lead->updated_ms >= filter->since_ms;
}

/* The leads of some ids with their shares, in order. */
static enum result read_found(const struct listing *listing, const int64_t *ids, size_t count, struct lead *out)
{
    for (size_t i = 0; i < count; i++) {
        enum result result = read_row(listing->db, listing->arena, listing->owner_id, ids[i], &out[i]);
        if (result != RESULT_OK)
            return result == RESULT_NOT_FOUND ? RESULT_FAILED : result;
    }
    return read_shares(listing->db, listing->arena, out, count);
}

/* Looks for words first and asks the rest of what was found, a batch at a time until the page is full. */
static enum result list_found(struct listing *listing, const char *q, int64_t before)
{
    int64_t ids[FOUND_MAX];
    struct lead found[FOUND_MAX];
    size_t count;
    listing->leads = arena_alloc(listing->arena, sizeof *listing->leads * listing->limit);
    do {
        enum result result =
            search_find(listing->db, listing->arena, listing->owner_id, q, before, FOUND_MAX, ids, &count);
        if (result == RESULT_OK)
            result = read_found(listing, ids, count, found);
        if (result != RESULT_OK)
            return result;
        for (size_t i = 0; i < count && listing->count < listing->limit; i++)
            if (passes(listing, &found[i]))
                listing->leads[listing->count++] = found[i];
        if (count)
            before = ids[count - 1];
    } while (count == FOUND_MAX && listing->count < listing->limit);
    return RESULT_OK;
}

static enum result list(struct db *db, void *context)
{
    struct listing *listing = context;
    const struct lead_filter *filter = listing->filter;
    int64_t before = filter->before ? filter->before : INT64_MAX;
    const char *q = filter->q ? search_fold(filter->q, listing->arena) : "";
    listing->db = db;
    listing->count = 0;
    if (q[strspn(q, " ")])
        return list_found(listing, q, before);
    enum result result = list_trays(listing, before);
    return result == RESULT_OK ? read_shares(db, listing->arena, listing->leads, listing->count) : result;
}

enum result store_lead_list(struct store *store, struct arena *arena, int64_t owner_id,
                            const struct lead_filter *filter, struct lead **out, size_t *count)
{
    struct listing listing = {.arena = arena,
                              .owner_id = owner_id,
                              .filter = filter,
                              .limit = filter->limit && filter->limit < LIST_MAX ? filter->limit : LIST_MAX};
    choose_trays(&listing);
    enum result result = store_list(store, owner_id, list, &listing);
    *out = listing.leads;
    *count = listing.count;
    return result;
}

/* ---- the feed ---- */

/* The filter without trays: who keeps a copy wants to hear of a lead wherever it lies now. */
static enum result query_changed(const struct listing *listing, int64_t after, struct db_rows **out)
{
    const struct lead_filter *filter = listing->filter;
    /* By itself, since most ask so: to PostgreSQL a statement with filters looks as if few rows passed them, and it sorts all. */
    if (filter->stage < 0 && filter->channel < 0 && filter->kind == LEAD_KIND_ANY && !filter->share_id &&
        filter->set_aside < 0)
        return db_query(listing->db,
                        "SELECT " LEAD_COLUMNS
                        " FROM leads WHERE owner_id = $1 AND change_seq > $2 ORDER BY change_seq LIMIT $3",
                        DB_ARGS(DB_INT(listing->owner_id), DB_INT(after), DB_INT((int64_t)listing->limit)), out);
    return db_query(listing->db,
                    "SELECT " LEAD_COLUMNS
                    " FROM leads WHERE owner_id = $1 AND change_seq > $2 AND (stage = $3 OR $3 < 0) "
                    "AND (channel = $4 OR $4 < 0) AND (referral = $5 OR $5 < 0) AND (share_id = $6 OR $6 = 0) "
                    "AND (CASE WHEN set_aside IS NULL THEN 0 ELSE 1 END = $7 OR $7 < 0) ORDER BY change_seq LIMIT $8",
                    DB_ARGS(DB_INT(listing->owner_id), DB_INT(after), DB_INT(filter->stage), DB_INT(filter->channel),
                            DB_INT(kind_parameter(filter->kind)), DB_INT(filter->share_id), DB_INT(filter->set_aside),
                            DB_INT((int64_t)listing->limit)),
                    out);
}

static enum result read_changed(struct listing *listing, int64_t after)
{
    struct db_rows *rows;
    enum result result = query_changed(listing, after, &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK)
        lead_of_row(rows, listing->arena, listing->owner_id, &listing->leads[listing->count++]);
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

static enum result read_gone(const struct listing *listing, int64_t after, struct gone *out, size_t *count)
{
    struct db_rows *rows;
    enum result result = db_query(
        listing->db,
        "SELECT change_seq, lead_id FROM leads_gone WHERE owner_id = $1 AND change_seq > $2 ORDER BY change_seq LIMIT $3",
        DB_ARGS(DB_INT(listing->owner_id), DB_INT(after), DB_INT((int64_t)listing->limit)), &rows);
    *count = 0;
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK)
        out[(*count)++] = (struct gone){.change = db_column_int(rows, 0), .id = db_column_int(rows, 1)};
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

/* The first of both, in their common order, up to the limit. */
static void merge(const struct listing *listing, const struct gone *gone, size_t gone_count, struct lead_feed *out)
{
    const struct lead *leads = listing->leads;
    size_t limit = listing->limit - 1;
    while (out->count + out->gone_count < limit && (out->count < listing->count || out->gone_count < gone_count)) {
        bool is_lead = out->gone_count == gone_count ||
                       (out->count < listing->count && leads[out->count].change < gone[out->gone_count].change);
        out->last = is_lead ? leads[out->count++].change : gone[out->gone_count++].change;
    }
    out->more = out->count < listing->count || out->gone_count < gone_count;
}

struct feeding {
    struct listing listing;
    int64_t after;
    struct gone *gone;
    struct lead_feed *out;
};

static enum result feed(struct db *db, void *context)
{
    struct feeding *feeding = context;
    struct listing *listing = &feeding->listing;
    struct lead_feed *out = feeding->out;
    size_t gone_count;
    *out = (struct lead_feed){.leads = listing->leads, .gone = feeding->gone, .last = feeding->after};
    listing->db = db;
    listing->count = 0;
    enum result result = read_changed(listing, feeding->after);
    if (result == RESULT_OK)
        result = read_gone(listing, feeding->after, feeding->gone, &gone_count);
    if (result != RESULT_OK)
        return result;
    merge(listing, feeding->gone, gone_count, out);
    return read_shares(db, listing->arena, out->leads, out->count);
}

enum result store_lead_feed(struct store *store, struct arena *arena, int64_t owner_id,
                            const struct lead_filter *filter, int64_t after, struct lead_feed *out)
{
    size_t limit = filter->limit + 1;
    struct feeding feeding = {.listing = {.arena = arena, .owner_id = owner_id, .filter = filter, .limit = limit},
                              .after = after,
                              .gone = arena_alloc(arena, limit * sizeof *feeding.gone),
                              .out = out};
    feeding.listing.leads = arena_alloc(arena, limit * sizeof *feeding.listing.leads);
    return store_list(store, owner_id, feed, &feeding);
}

/* ---- totals ---- */

struct totalling {
    int64_t owner_id;
    struct lead_totals *out;
};

static enum result total(struct db *db, void *context)
{
    const struct totalling *totalling = context;
    struct lead_totals *out = totalling->out;
    struct db_rows *rows;
    *out = (struct lead_totals){0};
    enum result result = db_query(
        db, "SELECT tray, stage, COUNT(*) FROM leads WHERE owner_id = $1 AND tray IN (0, 1, 4) GROUP BY tray, stage",
        DB_ARGS(DB_INT(totalling->owner_id)), &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK) {
        int64_t tray = db_column_int(rows, 0), stage = db_column_int(rows, 1), number = db_column_int(rows, 2);
        if (tray == TRAY_SET_ASIDE) {
            out->set_aside += number;
            continue;
        }
        *(tray == TRAY_REFERRALS ? &out->referrals : &out->leads) += number;
        if (stage == STAGE_NEW)
            *(tray == TRAY_REFERRALS ? &out->referrals_new : &out->leads_new) += number;
        if (stage == STAGE_WON)
            out->customers += number;
    }
    db_finish(&rows);
    /* By itself and not to the end, because there may be very many and every page asks. */
    if (result == RESULT_NOT_FOUND)
        result = db_one(
            db, "SELECT COUNT(*) FROM (SELECT 1 FROM leads WHERE owner_id = $1 AND tray = 2 LIMIT $2) AS counted",
            DB_ARGS(DB_INT(totalling->owner_id), DB_INT(POTENTIAL_COUNTED_MAX)), &rows);
    if (result == RESULT_OK) {
        out->potential = db_column_int(rows, 0);
        db_finish(&rows);
    }
    return result;
}

enum result store_lead_totals(struct store *store, int64_t owner_id, struct lead_totals *out)
{
    struct totalling totalling = {owner_id, out};
    return store_list(store, owner_id, total, &totalling);
}

/* ---- the timeline ---- */

enum { TIMELINE_MAX = 1000 };

static enum result read_timeline(struct db *db, struct arena *arena, const struct lead *lead,
                                 struct lead_moment *moments, size_t *count)
{
    struct db_rows *rows;
    *count = 0;
    /* The first scan is not kept as a row of its own: thousands a second are folded, and the hit's id says when it was. */
    if (lead->visitor_hit_id)
        moments[(*count)++] =
            (struct lead_moment){.id = lead->visitor_hit_id, .at_ms = id_time_ms(lead->visitor_hit_id), .kind = "scan"};
    enum result result = db_query(
        db, "SELECT id, at_ms, kind, words FROM lead_moments WHERE owner_id = $1 AND lead_id = $2 ORDER BY id LIMIT $3",
        DB_ARGS(DB_INT(lead->owner_id), DB_INT(lead->id), DB_INT(TIMELINE_MAX - 1)), &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK)
        moments[(*count)++] = (struct lead_moment){.id = db_column_int(rows, 0),
                                                   .at_ms = db_column_int(rows, 1),
                                                   .kind = db_column_text(rows, 2, arena),
                                                   .words = db_column_text(rows, 3, arena)};
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

struct telling {
    struct arena *arena;
    int64_t owner_id, lead_id;
    struct lead_moment *moments;
    size_t count;
};

static enum result tell(struct db *db, void *context)
{
    struct telling *telling = context;
    struct lead lead;
    enum result result = read_row(db, telling->arena, telling->owner_id, telling->lead_id, &lead);
    if (result != RESULT_OK)
        return result;
    telling->moments = arena_alloc(telling->arena, sizeof *telling->moments * TIMELINE_MAX);
    return read_timeline(db, telling->arena, &lead, telling->moments, &telling->count);
}

enum result store_lead_timeline(struct store *store, struct arena *arena, int64_t owner_id, int64_t lead_id,
                                struct lead_moment **out, size_t *count)
{
    struct telling telling = {.arena = arena, .owner_id = owner_id, .lead_id = lead_id};
    enum result result = store_list(store, owner_id, tell, &telling);
    *out = telling.moments;
    *count = telling.count;
    return result;
}

/* ---- the visitor's receipt ---- */

enum result receipt_read(struct db *db, struct arena *arena, const unsigned char hash[HASH_SIZE], struct receipt *out)
{
    struct db_rows *rows;
    enum result result = db_one(
        db, "SELECT owner_id, lead_id, moment_id, said, visitor_hit_id, created_ms FROM receipts WHERE hash = $1",
        DB_ARGS(db_blob(hash, HASH_SIZE)), &rows);
    if (result != RESULT_OK)
        return result;
    *out = (struct receipt){.owner_id = db_column_int(rows, 0),
                            .lead_id = db_column_int(rows, 1),
                            .moment_id = db_column_int(rows, 2),
                            .said = db_column_text(rows, 3, arena),
                            .visitor_hit_id = db_column_int(rows, 4),
                            .created_ms = db_column_int(rows, 5)};
    db_finish(&rows);
    return RESULT_OK;
}

void lead_of_form(const char *said, struct arena *arena, struct lead *out)
{
    json_t *json = json_loads(said, 0, NULL);
    *out = (struct lead){
        .share_id = json_integer_value(json_object_get(json, "share")),
        .name = arena_strdup(arena, json_string_value(json_object_get(json, "name"))),
        .email = arena_strdup(arena, json_string_value(json_object_get(json, "email"))),
        .phone = arena_strdup(arena, json_string_value(json_object_get(json, "phone"))),
        .company = arena_strdup(arena, json_string_value(json_object_get(json, "company"))),
        .message = arena_strdup(arena, json_string_value(json_object_get(json, "message"))),
    };
    json_decref(json);
}

/* Who joined a lead by its e-mail sees what their own form said, the way they came and when, and nothing of what stood there
 * before: an address alone proves nothing. */
static enum result read_form(struct db *db, struct arena *arena, const struct receipt *receipt, struct lead *lead)
{
    struct lead form;
    struct share *share = NULL;
    lead_of_form(receipt->said, arena, &form);
    form.owner_id = lead->owner_id;
    form.id = lead->id;
    form.card_id = lead->card_id;
    form.stage = lead->stage;
    form.set_aside = lead->set_aside;
    form.created_ms = form.identified_ms = form.updated_ms = receipt->created_ms;
    *lead = form;
    if (form.share_id) {
        enum result result = share_read_many(db, arena, form.owner_id, &form.share_id, 1, &share);
        if (result != RESULT_OK && result != RESULT_NOT_FOUND)
            return result;
    }
    if (share) {
        lead->share = share;
        lead->card_id = share->card_id;
    }
    return read_consent(db, arena, lead, receipt->moment_id);
}

enum result store_receipt_find(struct store *store, struct arena *arena, const unsigned char hash[HASH_SIZE],
                               struct lead *out)
{
    struct db *db;
    struct receipt receipt;
    enum result result = store_read_begin(store, &db);
    if (result != RESULT_OK)
        return result;
    result = receipt_read(db, arena, hash, &receipt);
    if (result == RESULT_OK)
        result = lead_read(db, arena, receipt.owner_id, receipt.lead_id, out);
    if (result == RESULT_OK && receipt.said)
        result = read_form(db, arena, &receipt, out);
    store_read_end(store, db);
    return result;
}
