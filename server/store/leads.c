/* Writing leads: potential ones, the visitor's form, the member's changes. Each in one transaction with its timeline, its
 * search words and its events, so that nobody hears of a lead that is not there, and of none that is there nobody.
 *
 * The same visitor is known by the hit their page carried (unique in leads and in receipts): fifty identical forms at once make
 * one lead; and a page that was loaded anew by the hit it named, once that is folded, seconds before anybody types. The same
 * person is known by their e-mail among the leads of one member; a telephone number is shared by too many to say anything. */
#include <assert.h>
#include <sodium.h>
#include <string.h>
#include "cards/base/str.h"
#include "cards/consent.h"
#include "server/ids.h"
#include "server/store/fold.h"
#include "server/store/internal.h"
#include "server/store/lead_steps.h"
#include "server/store/lead_trays.h"
#include "server/store/outbox.h"
#include "server/store/search.h"
#include "server/store/share_rows.h"

json_t *lead_event_data(const struct lead *lead)
{
    json_t *data = json_object();
    json_object_set_new(data, "lead", lead_to_json(lead));
    return data;
}

/* The first column of the first row, 0 when there is none. */
static enum result one_id(struct db *db, const char *sql, const struct db_value *args, int arg_count, int64_t *out)
{
    struct db_rows *rows;
    *out = 0;
    enum result result = db_one(db, sql, args, arg_count, &rows);
    if (result != RESULT_OK)
        return result == RESULT_NOT_FOUND ? RESULT_OK : result;
    *out = db_column_int(rows, 0);
    db_finish(&rows);
    return RESULT_OK;
}

enum result lead_moment_add(struct db *db, int64_t owner_id, int64_t lead_id, int64_t at_ms, const char *kind,
                            const char *words)
{
    return db_run(
        db, "INSERT INTO lead_moments (owner_id, lead_id, id, at_ms, kind, words) VALUES ($1, $2, $3, $4, $5, $6)",
        DB_ARGS(DB_INT(owner_id), DB_INT(lead_id), DB_INT(id_new()), DB_INT(at_ms), db_text(kind), db_text(words)));
}

/* Lead or referral, as the share's chain says now. */
static void decide_kind(struct lead *lead, const struct share *share)
{
    const struct hand *endorser = share_endorser(share);
    lead->referral = endorser != NULL;
    lead->endorser_member_id = endorser ? endorser->member_id : 0;
    lead->endorser_lead_id = endorser && !endorser->member_id ? endorser->lead_id : 0;
}

/* OK, or CONFLICT when the visitor has a lead already. */
static enum result insert_lead(struct db *db, const struct lead *lead, const char *key)
{
    int64_t change;
    enum result result = lead_change_next(db, lead->owner_id, &change);
    if (result != RESULT_OK)
        return result;
    result = db_run(
        db,
        "INSERT INTO leads (owner_id, id, card_id, share_id, channel, visitor_hit_id, referral, stage, tray, endorser_member_id, "
        "endorser_lead_id, name, email, email_key, phone, company, message, recipient, set_aside, created_ms, identified_ms, updated_ms, "
        "revision, change_seq) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $20, 1, $22) "
        "ON CONFLICT (owner_id, visitor_hit_id) DO NOTHING",
        DB_ARGS(DB_INT(lead->owner_id), DB_INT(lead->id), DB_INT(lead->card_id), DB_INT(lead->share_id),
                DB_INT(lead->share->channel), db_int_or_null(lead->visitor_hit_id), DB_INT(lead->referral),
                DB_INT(lead->stage), DB_INT(lead_tray(lead)), db_int_or_null(lead->endorser_member_id),
                db_int_or_null(lead->endorser_lead_id), db_text(lead->name), db_text(lead->email), db_text(key),
                db_text(lead->phone), db_text(lead->company), db_text(lead->message), db_text(lead->recipient),
                db_text(lead->set_aside), DB_INT(lead->created_ms), db_int_or_null(lead->identified_ms),
                DB_INT(change)));
    return result == RESULT_OK && !db_changes(db) ? RESULT_CONFLICT : result;
}

/* Under the name that the visitor gave: whoever joined a lead by its e-mail may be somebody else, and says nobody else's. */
static enum result give_shares(struct db *db, int64_t owner_id, int64_t visitor_hit_id, int64_t lead_id,
                               const char *name)
{
    return db_run(db,
                  "UPDATE shares SET sharer_lead_id = $3, sharer_name = $4, sharer_hit_id = NULL "
                  "WHERE owner_id = $1 AND sharer_hit_id = $2",
                  DB_ARGS(DB_INT(owner_id), DB_INT(visitor_hit_id), DB_INT(lead_id), db_text(name)));
}

/* The lead that somebody became by a form on the page of this hit, or whose first page it was, and the name they gave there.
 * 0 when there is none. */
static enum result lead_of_hit(struct db *db, struct arena *arena, int64_t owner_id, int64_t hit_id, int64_t *out,
                               const char **name)
{
    static const char *const QUERIES[] = {
        "SELECT l.id, l.name, r.said FROM receipts r JOIN leads l ON l.owner_id = r.owner_id AND l.id = r.lead_id "
        "WHERE r.owner_id = $1 AND r.visitor_hit_id = $2 AND l.set_aside IS NULL",
        "SELECT id, name, NULL FROM leads WHERE owner_id = $1 AND visitor_hit_id = $2 AND identified_ms IS NOT NULL "
        "AND set_aside IS NULL",
    };
    enum result result = RESULT_NOT_FOUND;
    *out = 0;
    for (size_t i = 0; i < sizeof QUERIES / sizeof *QUERIES && result == RESULT_NOT_FOUND; i++) {
        struct db_rows *rows;
        result = db_one(db, QUERIES[i], DB_ARGS(DB_INT(owner_id), DB_INT(hit_id)), &rows);
        if (result != RESULT_OK)
            continue;
        struct lead said = {.name = db_column_text(rows, 1, arena)};
        const char *form = db_column_text(rows, 2, arena);
        *out = db_column_int(rows, 0);
        db_finish(&rows);
        if (form)
            lead_of_form(form, arena, &said);
        *name = said.name;
    }
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

enum result lead_claim_shares(struct store *store, struct db *db, int64_t owner_id, int64_t share_id,
                              int64_t visitor_hit_id)
{
    struct arena arena;
    const char *name = NULL;
    int64_t lead_id, visitor_id = visitor_hit_id;
    arena_init(&arena);
    enum result result = lead_of_hit(db, &arena, owner_id, visitor_hit_id, &lead_id, &name);
    if (result == RESULT_OK && !lead_id)
        result = months_visitor(db, hits_months(store), owner_id, share_id, visitor_hit_id, &visitor_id);
    if (result == RESULT_OK && visitor_id != visitor_hit_id)
        result = lead_of_hit(db, &arena, owner_id, visitor_id, &lead_id, &name);
    if (result == RESULT_OK && lead_id)
        result = give_shares(db, owner_id, visitor_hit_id, lead_id, name);
    arena_free(&arena);
    return result;
}

/* ---- potential leads ---- */

/* The first visitor of a share that was sent to somebody by name is that somebody. */
static enum result meet_recipient(struct db *db, const struct share *share, int64_t hit_id, int64_t now_ms)
{
    int64_t change;
    enum result result = lead_change_next(db, share->owner_id, &change);
    if (result != RESULT_OK)
        return result;
    result = db_run(
        db,
        "UPDATE leads SET visitor_hit_id = $3, updated_ms = $4, revision = revision + 1, change_seq = $5 "
        "WHERE owner_id = $1 AND share_id = $2 AND recipient IS NOT NULL AND visitor_hit_id IS NULL AND tray = 2 "
        "AND NOT EXISTS (SELECT 1 FROM leads AS known WHERE known.owner_id = $1 AND known.visitor_hit_id = $3)",
        DB_ARGS(DB_INT(share->owner_id), DB_INT(share->id), DB_INT(hit_id), DB_INT(now_ms), DB_INT(change)));
    return result == RESULT_OK && !db_changes(db) ? RESULT_NOT_FOUND : result;
}

enum result lead_add_potential(struct store *store, struct db *db, struct arena *arena, const struct share *share,
                               int64_t hit_id, int64_t now_ms)
{
    struct share borrowed = *share;
    struct lead lead = {.id = id_new(),
                        .owner_id = share->owner_id,
                        .card_id = share->card_id,
                        .share_id = share->id,
                        .visitor_hit_id = hit_id,
                        .stage = STAGE_POTENTIAL,
                        .recipient = hit_id ? NULL : share->recipient,
                        .created_ms = now_ms,
                        .updated_ms = now_ms,
                        .revision = 1,
                        .share = &borrowed};
    enum result result;
    if (hit_id && share->recipient && (result = meet_recipient(db, share, hit_id, now_ms)) != RESULT_NOT_FOUND)
        return result;
    /* A form of theirs may have joined another lead already. */
    int64_t joined = 0;
    result = hit_id ? one_id(db, "SELECT lead_id FROM receipts WHERE owner_id = $1 AND visitor_hit_id = $2",
                             DB_ARGS(DB_INT(share->owner_id), DB_INT(hit_id)), &joined)
                    : RESULT_OK;
    if (result != RESULT_OK || joined)
        return result;
    decide_kind(&lead, share);
    result = insert_lead(db, &lead, NULL);
    if (result != RESULT_OK)
        return result == RESULT_CONFLICT ? RESULT_OK : result;
    if (lead.recipient)
        result = search_put(db, lead.owner_id, lead.id, lead_search_text(&lead, arena));
    if (result != RESULT_OK || !outbox_wanted(store, db, lead.owner_id, EVENT_LEAD_POTENTIAL))
        return result;
    lead_name_endorser(&lead);
    return outbox_add(store, db, lead.owner_id, EVENT_LEAD_POTENTIAL, lead_event_data(&lead), lead.id, now_ms);
}

/* ---- the visitor's form ---- */

struct addition {
    struct store *store;
    struct arena *arena;
    const struct lead *form;
    const unsigned char *receipt_hash;
    int64_t now_ms;
    struct share share;
    int64_t visitor_id; /* the visitor's first hit */
    bool is_another;    /* the page's hit stands for a lead that left details on a later page of the same tab */
    const char *key;    /* by which the e-mail is the same one; NULL for none, and for what is set aside */
    struct lead *out;
    bool known; /* this very form was taken before: *out is its lead */
};

static enum result keep_consent(struct db *db, const struct lead *form, int64_t lead_id, int64_t moment_id,
                                int64_t now_ms)
{
    unsigned char hash[crypto_hash_sha256_BYTES];
    if (!form->consent_text)
        return RESULT_OK;
    crypto_hash_sha256(hash, (const unsigned char *)form->consent_text, strlen(form->consent_text));
    enum result result =
        db_run(db, "INSERT INTO consent_texts (hash, words) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING",
               DB_ARGS(db_blob(hash, sizeof hash), db_text(form->consent_text)));
    if (result != RESULT_OK)
        return result;
    return db_run(
        db, "INSERT INTO consents (owner_id, lead_id, id, at_ms, contact, text_hash) VALUES ($1, $2, $3, $4, $5, $6)",
        DB_ARGS(DB_INT(form->owner_id), DB_INT(lead_id), DB_INT(moment_id), DB_INT(now_ms),
                DB_INT(form->consent_contact), db_blob(hash, sizeof hash)));
}

/* What a form that joined said and by which share it came, for its own receipt. */
static const char *said_of(const struct lead *form, struct arena *arena)
{
    json_t *json =
        json_pack("{s:s?, s:s?, s:s?, s:s?, s:s?, s:I}", "name", form->name, "email", form->email, "phone", form->phone,
                  "company", form->company, "message", form->message, "share", (json_int_t)form->share_id);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    assert(text); /* checked UTF-8 always packs */
    const char *copy = arena_strdup(arena, text);
    free(text);
    json_decref(json);
    return copy;
}

/* The form's line of the timeline: what it said and, when it joined, how it came and what else it named and agreed to. */
static const char *form_words(const struct addition *addition, bool joined)
{
    const struct lead *form = addition->form;
    struct str words;
    if (!joined)
        return form->message;
    str_init(&words, addition->arena, 4 * LEAD_MESSAGE_MAX + 4096);
    str_addf(&words, "%s%s%s", channel_words(addition->share.channel), addition->share.label ? ", " : "",
             addition->share.label ? addition->share.label : "");
    const char *const more[] = {form->name, form->phone, form->company, form->message,
                                consent_ticked(form->consent_text)};
    for (size_t i = 0; i < sizeof more / sizeof *more; i++)
        if (more[i])
            str_addf(&words, "\n%s", more[i]);
    return words.data;
}

static enum result keep_form(struct db *db, const struct addition *addition, int64_t lead_id, bool joined)
{
    const struct lead *form = addition->form;
    int64_t moment_id = id_new();
    enum result result = db_run(
        db, "INSERT INTO lead_moments (owner_id, lead_id, id, at_ms, kind, words) VALUES ($1, $2, $3, $4, 'form', $5)",
        DB_ARGS(DB_INT(form->owner_id), DB_INT(lead_id), DB_INT(moment_id), DB_INT(addition->now_ms),
                db_text(form_words(addition, joined))));
    if (result == RESULT_OK)
        result = keep_consent(db, form, lead_id, moment_id, addition->now_ms);
    if (result != RESULT_OK)
        return result;
    result = db_run(db,
                    "INSERT INTO receipts (hash, owner_id, lead_id, visitor_hit_id, moment_id, said, created_ms) "
                    "VALUES ($1, $2, $3, $4, $5, $6, $7)",
                    DB_ARGS(db_blob(addition->receipt_hash, HASH_SIZE), DB_INT(form->owner_id), DB_INT(lead_id),
                            db_int_or_null(form->visitor_hit_id), DB_INT(moment_id),
                            db_text(joined ? said_of(form, addition->arena) : NULL), DB_INT(addition->now_ms)));
    if (result != RESULT_OK || !form->visitor_hit_id)
        return result;
    result = lead_claim_shares(addition->store, db, form->owner_id, form->share_id, form->visitor_hit_id);
    if (result != RESULT_OK || addition->visitor_id == form->visitor_hit_id || form->set_aside)
        return result;
    return give_shares(db, form->owner_id, addition->visitor_id, lead_id, form->name);
}

/* The visitor's potential lead was the person of LEAD_ID all along: its story moves there, and so does the name it was sent
 * to, by which erasing finds it. */
static enum result absorb(struct db *db, int64_t owner_id, int64_t potential_id, int64_t lead_id)
{
    static const char *const STEPS[] = {
        "UPDATE lead_moments SET lead_id = $3 WHERE owner_id = $1 AND lead_id = $2",
        "UPDATE follow_ups SET lead_id = $3 WHERE owner_id = $1 AND lead_id = $2",
        "UPDATE events SET lead_id = $3 WHERE owner_id = $1 AND lead_id = $2",
        "UPDATE deliveries SET lead_id = $3 WHERE owner_id = $1 AND lead_id = $2",
        ("UPDATE leads SET recipient = (SELECT p.recipient FROM leads AS p WHERE p.owner_id = $1 AND p.id = $2) "
         "WHERE owner_id = $1 AND id = $3 AND recipient IS NULL"),
        "DELETE FROM leads WHERE owner_id = $1 AND id = $2",
    };
    for (size_t i = 0; i < sizeof STEPS / sizeof *STEPS; i++) {
        enum result result = db_run(db, STEPS[i], DB_ARGS(DB_INT(owner_id), DB_INT(potential_id), DB_INT(lead_id)));
        if (result != RESULT_OK)
            return result;
    }
    enum result result = lead_gone(db, owner_id, potential_id);
    return result == RESULT_OK ? search_remove(db, owner_id, potential_id) : result;
}

static enum result touch(struct db *db, int64_t owner_id, int64_t lead_id, int64_t now_ms)
{
    enum result result =
        db_run(db, "UPDATE leads SET updated_ms = $3, revision = revision + 1 WHERE owner_id = $1 AND id = $2",
               DB_ARGS(DB_INT(owner_id), DB_INT(lead_id), DB_INT(now_ms)));
    return result == RESULT_OK ? lead_changed(db, owner_id, lead_id) : result;
}

static enum result tell(struct addition *addition, struct db *db, enum event_type type, int64_t lead_id)
{
    enum result result = lead_read(db, addition->arena, addition->form->owner_id, lead_id, addition->out);
    if (result != RESULT_OK || addition->out->set_aside)
        return result;
    return outbox_add(addition->store, db, addition->out->owner_id, type, lead_event_data(addition->out), lead_id,
                      addition->now_ms);
}

static enum result join_lead(struct addition *addition, struct db *db, int64_t lead_id, int64_t potential_id)
{
    enum result result = RESULT_OK;
    if (potential_id)
        result = absorb(db, addition->form->owner_id, potential_id, lead_id);
    if (result == RESULT_OK)
        result = keep_form(db, addition, lead_id, true);
    if (result == RESULT_OK)
        result = touch(db, addition->form->owner_id, lead_id, addition->now_ms);
    return result == RESULT_OK ? tell(addition, db, EVENT_LEAD_UPDATED, lead_id) : result;
}

static enum result identify(struct db *db, const struct lead *lead, const char *key)
{
    enum result result = db_run(
        db,
        "UPDATE leads SET referral = $3, stage = $4, tray = $5, endorser_member_id = $6, endorser_lead_id = $7, name = $8, "
        "email = $9, email_key = $10, phone = $11, company = $12, message = $13, set_aside = $14, identified_ms = $15, "
        "updated_ms = $15, revision = revision + 1 WHERE owner_id = $1 AND id = $2",
        DB_ARGS(DB_INT(lead->owner_id), DB_INT(lead->id), DB_INT(lead->referral), DB_INT(lead->stage),
                DB_INT(lead_tray(lead)), db_int_or_null(lead->endorser_member_id),
                db_int_or_null(lead->endorser_lead_id), db_text(lead->name), db_text(lead->email), db_text(key),
                db_text(lead->phone), db_text(lead->company), db_text(lead->message), db_text(lead->set_aside),
                DB_INT(lead->identified_ms)));
    return result == RESULT_OK ? lead_changed(db, lead->owner_id, lead->id) : result;
}

static enum result make_lead(struct addition *addition, struct db *db, int64_t potential_id)
{
    struct lead lead = *addition->form;
    lead.id = potential_id ? potential_id : id_new();
    lead.share = &addition->share;
    lead.stage = STAGE_NEW;
    lead.recipient = NULL;
    lead.created_ms = lead.identified_ms = addition->now_ms;
    if (addition->is_another)
        lead.visitor_hit_id = 0;
    decide_kind(&lead, &addition->share);
    enum result result = potential_id ? identify(db, &lead, addition->key) : insert_lead(db, &lead, addition->key);
    if (result == RESULT_OK)
        result = keep_form(db, addition, lead.id, false);
    if (result == RESULT_OK && lead.set_aside)
        result = lead_moment_add(db, lead.owner_id, lead.id, addition->now_ms, "set-aside", lead.set_aside);
    if (result == RESULT_OK)
        result = search_put(db, lead.owner_id, lead.id, lead_search_text(&lead, addition->arena));
    return result == RESULT_OK ? tell(addition, db, EVENT_LEAD_CREATED, lead.id) : result;
}

/* The lead that the visitor is already: by this page's hit, by their first one, or as the one this share was sent to, of whom
 * their form may be the first that is heard. What is identified is not made another, and a machine's form is nobody's. 0
 * when there is none. */
static enum result find_potential(struct db *db, struct addition *addition, int64_t *out)
{
    static const char sql[] = "SELECT id FROM leads WHERE owner_id = $1 AND visitor_hit_id = $2";
    const struct lead *form = addition->form;
    const struct db_value args[] = {DB_INT(form->owner_id), DB_INT(form->visitor_hit_id)};
    int64_t own = 0;
    *out = 0;
    if (!form->visitor_hit_id)
        return RESULT_OK;
    enum result result = months_visitor(db, hits_months(addition->store), form->owner_id, form->share_id,
                                        form->visitor_hit_id, &addition->visitor_id);
    if (result == RESULT_OK)
        result = one_id(db, sql, args, 2, &own);
    if (result == RESULT_OK)
        result =
            one_id(db, "SELECT id FROM leads WHERE owner_id = $1 AND visitor_hit_id = $2 AND identified_ms IS NULL",
                   DB_ARGS(DB_INT(form->owner_id), DB_INT(own ? form->visitor_hit_id : addition->visitor_id)), out);
    addition->is_another = own && !*out;
    if (result != RESULT_OK || *out || own || !addition->share.recipient || form->set_aside)
        return result;
    result = meet_recipient(db, &addition->share, form->visitor_hit_id, addition->now_ms);
    if (result != RESULT_OK)
        return result == RESULT_NOT_FOUND ? RESULT_OK : result;
    return one_id(db, sql, args, 2, out);
}

static enum result add_body(struct db *db, void *context)
{
    struct addition *addition = context;
    const struct lead *form = addition->form;
    int64_t taken = 0, known = 0, potential = 0;
    enum result result = share_read(db, addition->arena, form->owner_id, form->share_id, &addition->share);
    if (result == RESULT_OK && form->visitor_hit_id)
        result = one_id(db, "SELECT lead_id FROM receipts WHERE owner_id = $1 AND visitor_hit_id = $2",
                        DB_ARGS(DB_INT(form->owner_id), DB_INT(form->visitor_hit_id)), &taken);
    if (result != RESULT_OK)
        return result;
    if (taken) {
        addition->known = true;
        result = lead_read(db, addition->arena, form->owner_id, taken, addition->out);
        return result == RESULT_OK ? RESULT_CONFLICT : result;
    }
    result = find_potential(db, addition, &potential);
    if (result == RESULT_OK && addition->key)
        result = one_id(db, "SELECT id FROM leads WHERE owner_id = $1 AND email_key = $2",
                        DB_ARGS(DB_INT(form->owner_id), db_text(addition->key)), &known);
    if (result != RESULT_OK)
        return result;
    return known ? join_lead(addition, db, known, potential == known ? 0 : potential)
                 : make_lead(addition, db, potential);
}

enum result store_lead_add(struct store *store, struct arena *arena, struct lead *lead,
                           const unsigned char receipt_hash[HASH_SIZE], int64_t now_ms, struct lead *out)
{
    struct addition addition = {.store = store,
                                .arena = arena,
                                .form = lead,
                                .receipt_hash = receipt_hash,
                                .now_ms = now_ms,
                                .out = out,
                                .key = lead->set_aside ? NULL : email_key(lead->email, arena)};
    enum result result = store_write(store, "lead_add", add_body, &addition);
    /* With several writers another one may have taken the same form a moment before: now it is there to be read. */
    if (result == RESULT_CONFLICT && !addition.known)
        result = store_write(store, "lead_add", add_body, &addition);
    if (result == RESULT_OK || addition.known)
        lead->id = out->id;
    return result == RESULT_CONFLICT && !addition.known ? RESULT_FAILED : result;
}

/* ---- the member's changes ---- */

struct changing {
    struct store *store;
    struct arena *arena;
    int64_t owner_id, lead_id, now_ms;
    const struct lead_change *change;
    struct lead *out;
};

static enum result change_stage(struct db *db, const struct changing *changing, struct lead *lead)
{
    enum stage to = (enum stage)changing->change->stage;
    if (!stage_may_follow(lead->stage, to))
        return RESULT_INVALID;
    const char *words = arena_printf(changing->arena, "%s → %s", stage_words(lead->stage), stage_words(to));
    lead->stage = to;
    return lead_moment_add(db, lead->owner_id, lead->id, changing->now_ms, "stage", words);
}

/* Only while it is not set aside does a lead answer for its e-mail, and only if no other does. */
static enum result claim_email(struct db *db, const struct changing *changing, const struct lead *lead)
{
    const char *key = lead->set_aside ? NULL : email_key(lead->email, changing->arena);
    int64_t holder = 0;
    enum result result = RESULT_OK;
    if (key)
        result = one_id(db, "SELECT id FROM leads WHERE owner_id = $1 AND email_key = $2",
                        DB_ARGS(DB_INT(lead->owner_id), db_text(key)), &holder);
    if (result != RESULT_OK || (holder && holder != lead->id))
        return result;
    return db_run(db, "UPDATE leads SET email_key = $3 WHERE owner_id = $1 AND id = $2",
                  DB_ARGS(DB_INT(lead->owner_id), DB_INT(lead->id), db_text(key)));
}

static enum result change_aside(struct db *db, const struct changing *changing, struct lead *lead)
{
    lead->set_aside = changing->change->set_aside ? "set aside by hand" : NULL;
    enum result result = claim_email(db, changing, lead);
    if (result == RESULT_OK && !lead->set_aside && lead->visitor_hit_id)
        result = lead_claim_shares(changing->store, db, lead->owner_id, lead->share_id, lead->visitor_hit_id);
    if (result != RESULT_OK)
        return result;
    return lead_moment_add(db, lead->owner_id, lead->id, changing->now_ms, "set-aside",
                           lead->set_aside ? lead->set_aside : "taken in");
}

static enum result change_body(struct db *db, void *context)
{
    struct changing *changing = context;
    const struct lead_change *change = changing->change;
    struct lead *lead = changing->out;
    enum result result = lead_read(db, changing->arena, changing->owner_id, changing->lead_id, lead);
    if (result == RESULT_OK && change->revision && change->revision != lead->revision)
        result = RESULT_CONFLICT;
    if (result != RESULT_OK)
        return result;
    bool was_aside = lead->set_aside;
    bool turns = change->set_aside >= 0 && was_aside != (change->set_aside == 1);
    bool moves = change->stage >= 0 && change->stage != (int)lead->stage;
    if (!turns && !moves && !change->note)
        return RESULT_OK;
    if (moves)
        result = change_stage(db, changing, lead);
    if (result == RESULT_OK && turns)
        result = change_aside(db, changing, lead);
    if (result == RESULT_OK && change->note)
        result = lead_moment_add(db, lead->owner_id, lead->id, changing->now_ms, "note", change->note);
    if (result == RESULT_OK)
        result =
            db_run(db,
                   "UPDATE leads SET stage = $3, tray = $4, set_aside = $5, updated_ms = $6, revision = revision + 1 "
                   "WHERE owner_id = $1 AND id = $2",
                   DB_ARGS(DB_INT(lead->owner_id), DB_INT(lead->id), DB_INT(lead->stage), DB_INT(lead_tray(lead)),
                           db_text(lead->set_aside), DB_INT(changing->now_ms)));
    if (result == RESULT_OK)
        result = lead_changed(db, lead->owner_id, lead->id);
    lead->updated_ms = changing->now_ms;
    lead->revision++;
    if (result != RESULT_OK || lead->set_aside)
        return result;
    return outbox_add(changing->store, db, lead->owner_id, was_aside ? EVENT_LEAD_CREATED : EVENT_LEAD_UPDATED,
                      lead_event_data(lead), lead->id, changing->now_ms);
}

enum result store_lead_change(struct store *store, struct arena *arena, int64_t owner_id, int64_t lead_id,
                              const struct lead_change *change, int64_t now_ms, struct lead *out)
{
    struct changing changing = {.store = store,
                                .arena = arena,
                                .owner_id = owner_id,
                                .lead_id = lead_id,
                                .now_ms = now_ms,
                                .change = change,
                                .out = out};
    return store_write(store, "lead_change", change_body, &changing);
}
