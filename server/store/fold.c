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
#include "server/store/db.h"
#include "server/store/internal.h"

enum { APPEND_ROWS = 1024 };

enum result fold_mark(struct db *db, int64_t *out)
{
    struct db_rows *rows;
    enum result result = db_one(db, "SELECT seq FROM fold_mark WHERE part = 0", NULL, 0, &rows);
    *out = 0;
    if (result == RESULT_NOT_FOUND)
        return RESULT_OK;
    if (result == RESULT_OK)
        *out = db_column_int(rows, 0);
    db_finish(&rows);
    return result;
}

static enum result write_mark(struct db *db, int64_t mark)
{
    return db_run(db, "INSERT INTO fold_mark (part, seq) VALUES (0, $1) ON CONFLICT (part) DO UPDATE SET seq = excluded.seq",
                  DB_ARGS(DB_INT(mark)));
}

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
}

static enum result append_month(struct db *db, const struct month *month, const struct batch *batch, struct db_value *values)
{
    enum result result = months_ensure(db, month);
    int rows = 0;
    for (size_t i = 0; i < batch->hit_count && result == RESULT_OK; i++) {
        if (batch->hits[i]->month != month->month)
            continue;
        kept_values(&values[rows * MONTH_COLUMNS], batch->hits[i]);
        if (++rows < APPEND_ROWS)
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
    struct db_value *values = arena_alloc_raw(&batch->arena, APPEND_ROWS * MONTH_COLUMNS * sizeof *values);
    enum result result = RESULT_OK;
    for (int32_t month = 0; result == RESULT_OK;) {
        int32_t next = INT32_MAX;
        for (size_t i = 0; i < batch->hit_count; i++)
            if (batch->hits[i]->month > month && batch->hits[i]->month < next)
                next = batch->hits[i]->month;
        if (next == INT32_MAX)
            break;
        month = next;
        result = append_month(db, months_get(months, month), batch, values);
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

/* The owners with an endpoint that wants card.scanned: asked once a pass, so that all others cost nothing. */
struct listeners {
    int64_t *owners;
    size_t count;
};

static enum result read_listeners(struct db *db, struct arena *arena, struct listeners *out)
{
    enum { LISTENERS_MAX = 10000 };
    *out = (struct listeners){0};
    struct db_rows *rows;
    enum result result = db_query(db,
                                  "SELECT DISTINCT owner_id FROM webhooks WHERE disabled_ms IS NULL AND removed_ms IS NULL "
                                  "AND (events & $1) <> 0 LIMIT $2",
                                  DB_ARGS(DB_INT((int64_t)1 << EVENT_CARD_SCANNED), DB_INT(LISTENERS_MAX)), &rows);
    if (result != RESULT_OK)
        return result;
    while ((result = db_next(rows)) == RESULT_OK) {
        if (!out->count)
            out->owners = arena_alloc_raw(arena, LISTENERS_MAX * sizeof *out->owners);
        out->owners[out->count++] = db_column_int(rows, 0);
    }
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

static bool listens(const struct listeners *listeners, int64_t owner_id)
{
    for (size_t i = 0; i < listeners->count; i++)
        if (listeners->owners[i] == owner_id)
            return true;
    return false;
}

static enum result tell_of_scan(struct store *store, struct db *db, const struct kept *hit, const struct share *share,
                                int64_t now)
{
    char id[ID_TEXT_SIZE];
    json_t *data = json_pack("{s:{s:s,s:o,s:s,s:s,s:s},s:o}", "hit", "id", id_format(id, "hit", hit->id), "at",
                             time_json(id_time_ms(hit->id)), "verdict", verdict_name(hit->verdict), "rule",
                             rule_name(hit->rule), "channel", channel_name(hit->channel), "share",
                             share_to_json(share, store->base_url));
    return outbox_add(store, db, hit->owner_id, EVENT_CARD_SCANNED, data, 0, now);
}

static bool became_person(const struct kept *hit)
{
    return hit->verdict == VERDICT_PERSON && !(hit->folded && hit->old_verdict == VERDICT_PERSON);
}

static enum result welcome(struct store *store, struct db *db, struct arena *arena, const struct kept *hit,
                           const struct listeners *listeners)
{
    struct share share;
    enum result result = share_read(db, arena, hit->owner_id, hit->share_id, &share);
    if (result == RESULT_NOT_FOUND)
        return RESULT_OK;
    if (result == RESULT_OK && hit->visitor_id == hit->id)
        result = lead_add_potential(store, db, arena, &share, hit->id, hit->act_at_ms ? hit->act_at_ms : id_time_ms(hit->id));
    if (result == RESULT_OK && listens(listeners, hit->owner_id))
        result = tell_of_scan(store, db, hit, &share, now_ms());
    return result;
}

static enum result welcome_all(struct store *store, struct db *db, struct arena *arena, struct kept *const *hits, size_t count)
{
    struct listeners listeners;
    struct arena scratch;
    bool asked = false;
    enum result result = RESULT_OK;
    arena_init(&scratch);
    for (size_t i = 0; i < count && result == RESULT_OK; i++) {
        if (!became_person(hits[i]))
            continue;
        if (!asked)
            result = read_listeners(db, arena, &listeners);
        asked = true;
        if (result == RESULT_OK)
            result = welcome(store, db, &scratch, hits[i], &listeners);
        arena_reset(&scratch);
    }
    arena_free(&scratch);
    return result;
}

/* ---- a pass ---- */

struct pass {
    struct store *store;
    struct batch *batch;
};

static enum result write_batch(struct db *db, void *context)
{
    struct pass *pass = context;
    struct batch *batch = pass->batch;
    struct months *months = hits_months(pass->store);
    int64_t mark;
    enum result result = fold_mark(db, &mark);
    if (result != RESULT_OK)
        return result;
    batch_trim(batch, mark);
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
        result = welcome_all(pass->store, db, &batch->arena, batch->hits, batch->hit_count);
    if (result == RESULT_OK)
        result = welcome_all(pass->store, db, &batch->arena, batch->older, batch->older_count);
    return result == RESULT_OK ? write_mark(db, batch->last) : result;
}

enum result fold_pass(struct store *store, struct db *inbox, int64_t limit, int64_t *rows, int64_t *mark)
{
    struct batch batch;
    struct tail tail = {.after = *mark, .limit = limit};
    struct pass pass = {.store = store, .batch = &batch};
    enum result result = batch_read(&batch, inbox, &tail);
    *rows = (int64_t)(batch.hit_count + batch.act_count);
    if (result == RESULT_OK && *rows)
        result = store_write(store, "fold", write_batch, &pass);
    if (result == RESULT_OK)
        *mark = batch.last;
    batch_free(&batch);
    return result;
}
