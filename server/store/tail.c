/* The unfolded tail, and the list of a share's hits that needs it.
 *
 * Two files are read, and the fold moves rows from one to the other meanwhile. The inbox is read first and the tables
 * after it, with the mark they carry. What the inbox showed up to that mark is then in the tables and is dropped here;
 * what it showed beyond is in no table. A row that had already left the inbox when it was read had been folded before,
 * so the tables have it. The other order would lose rows that were folded and swept between the two reads. On an engine that
 * keeps both in one database one snapshot shows both, and which server's a hit is does not matter. */
#include "server/store/fold.h"

#include <stdlib.h>
#include <string.h>
#include "server/store/db.h"
#include "server/store/hits.h"
#include "server/store/internal.h"

static enum result read_inbox(struct store *store, struct batch *batch, const struct tail *tail)
{
    if (!hits_may_wait(store, tail->owner_id, 0, batch->lanes.list->after))
        return RESULT_OK;
    struct db *inbox = hits_reader_take(store);
    enum result result = inbox ? batch_read(batch, inbox, tail) : RESULT_FAILED;
    hits_reader_give(store);
    return result;
}

static enum result read_two_files(struct store *store, struct batch *batch, const struct tail *tail, struct db **out)
{
    lanes_one(&batch->arena, hits_mark(store), &batch->lanes);
    enum result result = read_inbox(store, batch, tail);
    if (result == RESULT_OK)
        result = store_read_begin(store, out);
    if (result != RESULT_OK)
        return result;
    result = batch_trim(batch, *out);
    if (result == RESULT_OK)
        result = batch_settle(batch, *out, hits_months(store));
    if (result != RESULT_OK)
        store_read_end(store, *out);
    return result;
}

/* Of its own lane a server knows whose hits may wait there; of others' it reads what is beyond the mark: what all servers take
 * in half a second, or as long as the fold lags. */
static enum result read_all_lanes(struct store *store, struct batch *batch, const struct tail *tail, struct db *db)
{
    enum result result = lanes_read(db, &batch->arena, &batch->lanes);
    for (size_t i = 0; i < batch->lanes.count && result == RESULT_OK; i++) {
        struct lane *lane = &batch->lanes.list[i];
        if (!hits_may_wait(store, tail->owner_id, lane->number, lane->after))
            lane->end = lane->after;
    }
    return result == RESULT_OK ? batch_read(batch, db, tail) : result;
}

static enum result read_one_database(struct store *store, struct batch *batch, const struct tail *tail, struct db **out)
{
    enum result result = store_list_begin(store, tail->owner_id, out);
    if (result != RESULT_OK)
        return result;
    result = read_all_lanes(store, batch, tail, *out);
    if (result == RESULT_OK)
        result = batch_settle(batch, *out, hits_months(store));
    if (result != RESULT_OK)
        store_read_end(store, *out);
    return result;
}

enum result tail_read(struct store *store, struct batch *batch, int64_t owner_id, int64_t share_id, struct db **out)
{
    struct tail tail = {.limit = INT64_MAX, .acts_max = SIZE_MAX, .owner_id = owner_id, .share_id = share_id};
    batch_start(batch);
    return store->driver->shared ? read_one_database(store, batch, &tail, out)
                                 : read_two_files(store, batch, &tail, out);
}

struct listing {
    struct kept **rows;
    size_t count;
};

/* At most LIMIT of the tables, newest first, walking the months back. */
static enum result read_tables(struct listing *listing, struct store *store, struct db *db, struct arena *arena,
                               const struct kept *before, size_t limit)
{
    struct month_list months;
    enum result result = months_list(db, arena, &months);
    for (size_t i = 0; i < months.count && result == RESULT_OK && listing->count < limit; i++) {
        if (months.months[i] > month_of(before->id))
            continue;
        struct db_rows *rows;
        result = db_query(db, months_get(hits_months(store), months.months[i])->list,
                          DB_ARGS(DB_INT(before->owner_id), DB_INT(before->share_id), DB_INT(before->id),
                                  DB_INT((int64_t)(limit - listing->count))),
                          &rows);
        if (result != RESULT_OK)
            return result;
        while ((result = db_next(rows)) == RESULT_OK) {
            struct kept *row = arena_alloc_raw(arena, sizeof *row);
            kept_from_row(row, rows, arena);
            listing->rows[listing->count++] = row;
        }
        db_finish(&rows);
        if (result == RESULT_NOT_FOUND)
            result = RESULT_OK;
    }
    return result;
}

static int compare_newest(const void *a, const void *b)
{
    const struct kept *one = *(struct kept *const *)a, *other = *(struct kept *const *)b;
    return (one->id < other->id) - (one->id > other->id);
}

/* Puts the tail's hits in, and in place of those that its acts changed what they have become. */
static void add_tail(struct listing *listing, const struct batch *batch, int64_t before)
{
    for (size_t i = 0; i < batch->older_count; i++)
        for (size_t j = 0; j < listing->count; j++)
            if (listing->rows[j]->id == batch->older[i]->id)
                listing->rows[j] = batch->older[i];
    for (size_t i = 0; i < batch->hit_count; i++)
        if (batch->hits[i]->id < before)
            listing->rows[listing->count++] = batch->hits[i];
    if (listing->count)
        qsort(listing->rows, listing->count, sizeof *listing->rows, compare_newest);
}

static void show(struct hit_row *out, const struct kept *hit, struct arena *arena)
{
    *out = (struct hit_row){
        .id = hit->id,
        .at_ms = id_time_ms(hit->id),
        .share_id = hit->share_id,
        .verdict = hit->verdict,
        .rule = rule_name(hit->rule),
        .channel = hit->channel,
        .family = arena_strdup(arena, hit->family),
        .referrer = arena_strdup(arena, hit->referrer),
        .acts = hit->acts,
        .times = hit->times,
        .visitor_id = hit->visitor_id,
    };
}

enum result store_hit_list(struct store *store, struct arena *arena, int64_t owner_id, int64_t share_id, int64_t before,
                           size_t limit, struct hit_row **out, size_t *count)
{
    struct kept cursor = {.owner_id = owner_id, .share_id = share_id, .id = before ? before : INT64_MAX};
    struct listing listing = {NULL, 0};
    struct batch batch;
    struct db *db;
    enum result result = tail_read(store, &batch, owner_id, share_id, &db);
    if (result == RESULT_OK) {
        listing.rows = arena_alloc_raw(&batch.arena, (limit + batch.hit_count + 1) * sizeof *listing.rows);
        result = read_tables(&listing, store, db, &batch.arena, &cursor, limit);
        store_read_end(store, db);
    }
    if (result == RESULT_OK) {
        add_tail(&listing, &batch, cursor.id);
        *count = listing.count < limit ? listing.count : limit;
        *out = arena_alloc_raw(arena, (*count + 1) * sizeof **out);
        for (size_t i = 0; i < *count; i++)
            show(&(*out)[i], listing.rows[i], arena);
    }
    batch_free(&batch);
    return result;
}
