/* The fold: moves hits from the inbox, where they are safe, to the tables, where they are found.
 *
 * Rows could be indexed as they come, but an index over a million shares is written all over: each row dirties a page of
 * its own, and that, not the disk's sync, is what makes a durable insert dear. So the fold waits for a second or for many
 * rows, sorts them by owner, share and id, which is the order of the one index, and writes them in one go: neighbours
 * share their pages, and each page is written once a batch instead of once a row. Counters are summed in memory and
 * written once a batch too.
 *
 * One transaction holds everything that follows from a batch: the hits in their month's table, changed verdicts of
 * earlier hits, the counters, the potential leads with their events, and the MARK, the number of the last row that was
 * folded. So a batch is folded wholly or not at all. After a crash the mark in the tables tells where to go on; rows up to
 * it may still lie in the inbox and are passed over. The mark is read again inside the transaction, since a commit that
 * reported failure may yet have happened.
 *
 * An act (seen, saved, the form) is a row like a hit and names one. When its hit is in the same batch it is applied before
 * the hit is written; when the hit was folded before, its row is updated and the counters are restated. Both are one
 * code (batch.c), and so is what readers see before the fold: they settle the unfolded rows in the same way and merely do
 * not write them (tail.c).
 *
 * Nothing is dropped here, and nobody is told twice: a lead is made for the first hit of a visitor that is a person's, and
 * leads.c passes over visitors who have one. */
#include "server/store/fold.h"

#include <string.h>
#include "server/ids.h"
#include "server/log.h"
#include "server/store/db.h"
#include "server/store/inbox.h"
#include "server/store/internal.h"
#include "server/store/lead_steps.h"
#include "server/store/outbox.h"
#include "server/store/share_rows.h"

enum {
    APPEND_ROWS = 1024,
    APPEND_SHARED_ROWS = 8192, /* each statement is a way there and back */
    PASS_ACTS_MAX =
        10000 /* an act may make a lead, which costs as much as a dozen hits: a pass stays within a second or so */
};

/* ---- hits into their months ---- */

void kept_values(struct db_value *at, const struct kept *hit)
{
    at[MONTH_OWNER] = DB_INT(hit->owner_id);
    at[MONTH_SHARE] = DB_INT(hit->share_id);
    at[MONTH_ID] = DB_INT(hit->id);
    at[MONTH_VISITOR] = DB_INT(hit->visitor_id);
    at[MONTH_VERDICT] = DB_INT((int64_t)hit->verdict);
    at[MONTH_RULE] = DB_INT(hit->rule);
    at[MONTH_CHANNEL] = DB_INT((int64_t)hit->channel);
    at[MONTH_FACTS] = DB_INT((int64_t)hit->facts);
    at[MONTH_ACTS] = DB_INT((int64_t)hit->acts);
    at[MONTH_HASH] = DB_INT((int64_t)hit->visitor_hash);
    at[MONTH_FAMILY] = db_text(hit->family[0] ? hit->family : NULL);
    at[MONTH_REFERRER] = db_text(hit->referrer[0] ? hit->referrer : NULL);
    at[MONTH_TIMES] = DB_INT(hit->times);
}

static enum result append_month(struct db *db, const struct month *month, const struct batch *batch, int rows_max,
                                struct db_value *values)
{
    enum result result = months_ensure(db, month);
    int rows = 0;
    for (size_t i = 0; i < batch->hit_count && result == RESULT_OK; i++) {
        if (batch->hits[i]->month != month->month)
            continue;
        kept_values(&values[rows * MONTH_COLUMNS], batch->hits[i]);
        if (++rows < rows_max)
            continue;
        result = db->driver->append(db, month->insert, values, MONTH_COLUMNS, rows);
        rows = 0;
    }
    return result == RESULT_OK && rows ? db->driver->append(db, month->insert, values, MONTH_COLUMNS, rows) : result;
}

/* A batch lies in one month, or in two around midnight; a clock that jumped may make it more. */
static enum result append_hits(struct db *db, struct months *months, struct batch *batch)
{
    if (!batch->hit_count)
        return RESULT_OK;
    int rows_max = db->driver->shared ? APPEND_SHARED_ROWS : APPEND_ROWS;
    if (batch->hit_count < (size_t)rows_max)
        rows_max = (int)batch->hit_count;
    struct db_value *values = arena_alloc_raw(&batch->arena, (size_t)rows_max * MONTH_COLUMNS * sizeof *values);
    enum result result = RESULT_OK;
    for (int32_t month = 0; result == RESULT_OK;) {
        int32_t next = INT32_MAX;
        for (size_t i = 0; i < batch->hit_count; i++)
            if (batch->hits[i]->month > month && batch->hits[i]->month < next)
                next = batch->hits[i]->month;
        if (next == INT32_MAX)
            break;
        month = next;
        result = append_month(db, months_get(months, month), batch, rows_max, values);
    }
    return result;
}

enum result kept_update(struct db *db, struct months *months, const struct kept *hit)
{
    if (hit->verdict == hit->old_verdict && hit->rule == hit->old_rule && hit->acts == hit->old_acts &&
        hit->visitor_id == hit->old_visitor_id)
        return RESULT_OK;
    return db_run(db, months_get(months, hit->month)->update,
                  DB_ARGS(DB_INT(hit->owner_id), DB_INT(hit->share_id), DB_INT(hit->id), DB_INT(hit->visitor_id),
                          DB_INT((int64_t)hit->verdict), DB_INT(hit->rule), DB_INT((int64_t)hit->acts)));
}

/* ---- what follows from a person ---- */

static enum result tell_of_scan(struct store *store, struct db *db, const struct kept *hit, const struct share *share,
                                int64_t now)
{
    char id[ID_TEXT_SIZE];
    json_t *data =
        json_pack("{s:{s:s,s:o,s:s,s:s,s:s},s:o}", "hit", "id", id_format(id, "hit", hit->id), "at",
                  time_json(id_time_ms(hit->id)), "verdict", verdict_name(hit->verdict), "rule", rule_name(hit->rule),
                  "channel", channel_name(hit->channel), "share", share_to_json(share, store->base_url));
    return outbox_add(store, db, hit->owner_id, EVENT_CARD_SCANNED, data, 0, now);
}

static bool became_person(const struct kept *hit)
{
    return hit->verdict == VERDICT_PERSON && !(hit->folded && hit->old_verdict == VERDICT_PERSON);
}

static enum result welcome(struct store *store, struct db *db, struct arena *arena, const struct kept *hit)
{
    struct share share;
    enum result result = share_read(db, arena, hit->owner_id, hit->share_id, &share);
    if (result == RESULT_NOT_FOUND)
        return RESULT_OK;
    if (result == RESULT_OK && hit->visitor_id == hit->id && !(hit->acts & ACT_CROWDED))
        result = lead_add_potential(store, db, arena, &share, hit->id,
                                    hit->act_at_ms ? hit->act_at_ms : id_time_ms(hit->id));
    if (result == RESULT_OK && outbox_wanted(store, db, hit->owner_id, EVENT_CARD_SCANNED))
        result = tell_of_scan(store, db, hit, &share, now_ms());
    return result;
}

/* The timeline of the visitor's lead hears of what is worth a line: the contact saved, the card opened again. */
static enum result note_on_timeline(struct db *db, const struct kept *hit, uint32_t new_acts)
{
    struct db_rows *rows;
    enum result result = db_one(db, "SELECT id FROM leads WHERE owner_id = $1 AND visitor_hit_id = $2",
                                DB_ARGS(DB_INT(hit->owner_id), DB_INT(hit->visitor_id)), &rows);
    if (result != RESULT_OK)
        return result == RESULT_NOT_FOUND ? RESULT_OK : result;
    int64_t lead_id = db_column_int(rows, 0);
    db_finish(&rows);
    if (new_acts & ACT_AGAIN)
        result = lead_moment_add(db, hit->owner_id, lead_id, id_time_ms(hit->id), "scan", NULL);
    if (result == RESULT_OK && new_acts & ACT_SAVE)
        result = lead_moment_add(db, hit->owner_id, lead_id, hit->act_at_ms, "saved", NULL);
    return result;
}

struct following {
    struct store *store;
    struct arena *arena;
    const struct kept *hit;
    uint32_t new_acts; /* that a timeline hears of */
};

static enum result follow_one(struct db *db, void *context)
{
    const struct following *following = context;
    enum result result = RESULT_OK;
    if (became_person(following->hit))
        result = welcome(following->store, db, following->arena, following->hit);
    if (result == RESULT_OK && following->new_acts)
        result = note_on_timeline(db, following->hit, following->new_acts);
    return result;
}

static enum result follow(struct store *store, struct db *db, struct kept *const *hits, size_t count)
{
    struct arena arena;
    arena_init(&arena);
    enum result result = RESULT_OK;
    for (size_t i = 0; i < count && result == RESULT_OK; i++) {
        uint32_t new_acts = hits[i]->acts & ~hits[i]->old_acts & (ACT_AGAIN | ACT_SAVE);
        struct following following = {store, &arena, hits[i], new_acts};
        if (!new_acts && !became_person(hits[i]))
            continue;
        result = db_attempt(db, follow_one, &following);
        /* What is odd about one lead must not hold up all hits: only what ruins the transaction ends the pass. */
        if (result != RESULT_FAILED && result != RESULT_BUSY)
            result = RESULT_OK;
        arena_reset(&arena);
    }
    arena_free(&arena);
    return result;
}

/* ---- a pass ---- */

struct pass {
    struct store *store;
    struct batch *batch;
    bool repeats; /* a hit of the batch stands in its month already */
};

/* On an engine that shares, the inbox is one of the tables, and what is folded leaves it at once. Elsewhere its writer does
 * it, see hits.c. */
static enum result sweep(struct db *db, const struct lanes *lanes)
{
    enum result result = RESULT_OK;
    for (size_t i = 0; i < lanes->count && result == RESULT_OK && db->driver->shared; i++)
        if (lanes->list[i].last > lanes->list[i].after)
            result = inbox_sweep(db, lanes->list[i].last);
    return result;
}

static enum result write_batch(struct db *db, void *context)
{
    struct pass *pass = context;
    struct batch *batch = pass->batch;
    struct months *months = hits_months(pass->store);
    enum result result = batch_trim(batch, db);
    if (result == RESULT_OK && pass->repeats)
        result = batch_drop_kept(batch, db, months);
    if (result == RESULT_OK)
        result = batch_settle(batch, db, months);
    if (result == RESULT_OK)
        result = append_hits(db, months, batch);
    for (size_t i = 0; i < batch->older_count && result == RESULT_OK; i++)
        result = kept_update(db, months, batch->older[i]);
    if (result == RESULT_OK)
        result = counts_add(db, batch->hits, batch->hit_count, &batch->arena);
    if (result == RESULT_OK)
        result = counts_add(db, batch->older, batch->older_count, &batch->arena);
    if (result == RESULT_OK)
        result = follow(pass->store, db, batch->hits, batch->hit_count);
    if (result == RESULT_OK)
        result = follow(pass->store, db, batch->older, batch->older_count);
    if (result == RESULT_OK)
        result = lanes_write_marks(db, &batch->lanes);
    return result == RESULT_OK ? sweep(db, &batch->lanes) : result;
}

static enum result read_lanes(struct store *store, struct batch *batch, struct db *inbox, const struct tail *tail)
{
    enum result result = lanes_read(inbox, &batch->arena, &batch->lanes);
    if (result == RESULT_OK)
        result = batch_read(batch, inbox, tail);
    return result == RESULT_OK && batch_is_cut(batch) ? batch_hold_back(batch, inbox, hits_months(store)) : result;
}

static enum result read_batch(struct store *store, struct batch *batch, struct db *inbox, const struct folding *folding)
{
    struct tail tail = {.limit = folding->limit, .acts_max = PASS_ACTS_MAX};
    batch_start(batch);
    if (!store->driver->shared) {
        lanes_one(&batch->arena, folding->mark, &batch->lanes);
        return batch_read(batch, inbox, &tail);
    }
    enum result result = inbox->driver->begin(inbox);
    if (result != RESULT_OK)
        return result;
    result = read_lanes(store, batch, inbox, &tail);
    enum result ended = inbox->driver->end(inbox, result == RESULT_OK);
    return result == RESULT_OK ? ended : result;
}

enum result fold_pass(struct store *store, struct db *inbox, struct folding *folding)
{
    struct batch batch;
    struct pass pass = {.store = store, .batch = &batch};
    enum result result = read_batch(store, &batch, inbox, folding);
    folding->rows = (int64_t)(batch.hit_count + batch.act_count);
    folding->more = store->driver->shared && batch_is_cut(&batch);
    if (result == RESULT_OK && folding->rows)
        result = store_write(store, "fold", write_batch, &pass);
    /* No hit is folded twice by us, but a file may have been put back by hand; that must not hold up all that come after. */
    if (result == RESULT_CONFLICT) {
        log_warning("fold-repeats", "words=\"a hit of the inbox was folded before: it is left as it stands\"");
        pass.repeats = true;
        result = store_write(store, "fold", write_batch, &pass);
    }
    const struct lane *lane = result == RESULT_OK ? lanes_find(&batch.lanes, lane_first(folding->lane)) : NULL;
    if (lane)
        folding->mark = lane->last;
    if (result == RESULT_OK)
        hits_note_fold(store, &batch);
    batch_free(&batch);
    return result;
}
