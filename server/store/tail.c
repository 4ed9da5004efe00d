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

struct tail_reading {
    struct store *store;
    struct batch *batch;
    struct tail tail;
    db_body *body;
    void *context;
};

static enum result settle(struct db *db, const struct tail_reading *reading)
{
    enum result result = batch_settle(reading->batch, db, hits_months(reading->store));
    return result == RESULT_OK ? reading->body(db, reading->context) : result;
}

static enum result trim_and_settle(struct db *db, void *context)
{
    const struct tail_reading *reading = context;
    enum result result = batch_trim(reading->batch, db);
    return result == RESULT_OK ? settle(db, reading) : result;
}

static enum result read_two_files(struct tail_reading *reading)
{
    struct batch *batch = reading->batch;
    lanes_one(&batch->arena, hits_mark(reading->store), &batch->lanes);
    enum result result = read_inbox(reading->store, batch, &reading->tail);
    return result == RESULT_OK ? store_read(reading->store, trim_and_settle, reading) : result;
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

static enum result read_one_database(struct db *db, void *context)
{
    const struct tail_reading *reading = context;
    batch_free(reading->batch);
    batch_start(reading->batch);
    enum result result = read_all_lanes(reading->store, reading->batch, &reading->tail, db);
    return result == RESULT_OK ? settle(db, reading) : result;
}

enum result tail_read(struct store *store, struct batch *batch, int64_t owner_id, int64_t share_id, db_body *body,
                      void *context)
{
    struct tail_reading reading = {
        .store = store,
        .batch = batch,
        .tail = {.limit = INT64_MAX, .acts_max = SIZE_MAX, .owner_id = owner_id, .share_id = share_id},
        .body = body,
        .context = context,
    };
    batch_start(batch);
    return store->driver->shared ? store_list(store, owner_id, read_one_database, &reading) : read_two_files(&reading);
}

struct listing {
    struct store *store;
    struct batch *batch;
    int64_t owner_id, share_id, before;
    size_t limit, count;
    struct kept **rows;
};

/* At most LIMIT of the tables, newest first, walking the months back. */
static enum result read_tables(struct db *db, void *context)
{
    struct listing *listing = context;
    struct arena *arena = &listing->batch->arena;
    struct month_list months;
    listing->rows = arena_alloc_raw(arena, (listing->limit + listing->batch->hit_count + 1) * sizeof *listing->rows);
    listing->count = 0;
    enum result result = months_list(db, arena, &months);
    for (size_t i = 0; i < months.count && result == RESULT_OK && listing->count < listing->limit; i++) {
        if (months.months[i] > month_of(listing->before))
            continue;
        struct db_rows *rows;
        result = db_query(db, months_get(hits_months(listing->store), months.months[i])->list,
                          DB_ARGS(DB_INT(listing->owner_id), DB_INT(listing->share_id), DB_INT(listing->before),
                                  DB_INT((int64_t)(listing->limit - listing->count))),
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
static void add_tail(struct listing *listing)
{
    const struct batch *batch = listing->batch;
    for (size_t i = 0; i < batch->older_count; i++)
        for (size_t j = 0; j < listing->count; j++)
            if (listing->rows[j]->id == batch->older[i]->id)
                listing->rows[j] = batch->older[i];
    for (size_t i = 0; i < batch->hit_count; i++)
        if (batch->hits[i]->id < listing->before)
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
    struct batch batch;
    struct listing listing = {.store = store,
                              .batch = &batch,
                              .owner_id = owner_id,
                              .share_id = share_id,
                              .before = before ? before : INT64_MAX,
                              .limit = limit};
    enum result result = tail_read(store, &batch, owner_id, share_id, read_tables, &listing);
    if (result == RESULT_OK) {
        add_tail(&listing);
        *count = listing.count < limit ? listing.count : limit;
        *out = arena_alloc_raw(arena, (*count + 1) * sizeof **out);
        for (size_t i = 0; i < *count; i++)
            show(&(*out)[i], listing.rows[i], arena);
    }
    batch_free(&batch);
    return result;
}
