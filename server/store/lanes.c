/* Lanes: how many processes write hits to one inbox without a word between them.
 *
 * A commit must not wait for another server's, so nobody may hand out numbers or order them. Each process that writes
 * holds a lane, a small number, by a claim that its connection to the inbox holds and that ends with it (db.h). The lane
 * stands in the upper bits of a hit's number, so a lane is a stretch of the inbox's one key: it costs no column, lane 0 is
 * what SQLite has always had, and what lies beyond a lane's mark is one range of the index. There is a mark for each lane.
 *
 * A process may be cut off, its session ended by the server and its lane claimed by another, and come back. It then has no
 * claim, the driver sends nothing by a connection that lost one, and it claims again, perhaps another lane. A claim is
 * given only when the session that held it before is over, its last commit there or undone for ever. So whoever then
 * reads the lane's end and its mark sees the last number ever used in it, and going on above both, no hit can come to lie
 * below a mark, where nobody would look for it, though the inbox was swept.
 *
 * One process at a time folds, and it folds all lanes: whose turn it is, is one more claim. A killed server's hits are
 * then like anybody's, without looking for orphans, and neighbours from all servers are written together. The main part
 * has one writer at a time, so many folders would be no quicker. The claim only spares work: a fold reads the marks again
 * inside its transaction, so two that fold at once, or one that was believed dead, fold nothing twice.
 *
 * An act may lie in another lane than its hit, and must not be folded before it: it would find nothing to change. But the
 * visitor's page was sent after the hit's commit was done, and the act came from that page; so whatever snapshot shows
 * the act shows the hit. All lanes are read in one snapshot, and one that is read whole holds the hit of each act, or the hit
 * is folded, or was never recorded. If a pass is full before the lanes' ends, an act whose hit is still ahead is held back,
 * with all that follows in its lane (batch.c). That never stops everything: of all that waits, what was committed first
 * depends on nothing that waits. */
#include "server/store/lanes.h"

#include <stdlib.h>
#include "server/log.h"
#include "server/store/db.h"

int64_t lane_first(int64_t number)
{
    return number * ((int64_t)1 << LANE_BITS);
}

struct lane *lanes_find(const struct lanes *lanes, int64_t seq)
{
    int64_t number = seq >> LANE_BITS;
    size_t low = 0, high = lanes->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (lanes->list[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < lanes->count && lanes->list[low].number == number ? &lanes->list[low] : NULL;
}

void lanes_one(struct arena *arena, int64_t after, struct lanes *out)
{
    struct lane lane = {.after = after, .last = after, .end = INT64_MAX};
    *out = (struct lanes){arena_memdup(arena, &lane, sizeof lane), 1};
}

/* ---- where they stand ---- */

/* Lane 0 may hold hits before it was ever claimed: of a store that was moved here. 281474976710656 is lane_first(1). */
static const char STANDING[] =
    "SELECT m.part, m.seq, (SELECT max(i.last_seq) FROM hit_inbox AS i WHERE i.last_seq > m.seq AND i.last_seq <= "
    "(m.part + 1) * 281474976710656) FROM (SELECT part, seq FROM fold_mark UNION ALL SELECT 0, 0 WHERE NOT EXISTS "
    "(SELECT 1 FROM fold_mark WHERE part = 0)) AS m ORDER BY m.part";

static struct lane lane_from_row(const struct db_rows *rows)
{
    struct lane lane = {
        .number = db_column_int(rows, 0), .after = db_column_int(rows, 1), .end = db_column_int(rows, 2)};
    lane.last = lane.after;
    return lane;
}

enum result lanes_read(struct db *db, struct arena *arena, struct lanes *out)
{
    struct db_rows *rows;
    size_t room = 0;
    *out = (struct lanes){NULL, 0};
    enum result result = db_query(db, STANDING, NULL, 0, &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK) {
        out->list = db_rows_grow(arena, out->list, out->count, &room, sizeof *out->list);
        out->list[out->count++] = lane_from_row(rows);
    }
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

enum result lanes_see_marks(struct db *db, struct lanes *lanes)
{
    struct db_rows *rows;
    enum result result = db_query(db, "SELECT part, seq FROM fold_mark", NULL, 0, &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK) {
        struct lane *lane = lanes_find(lanes, lane_first(db_column_int(rows, 0)));
        int64_t mark = db_column_int(rows, 1);
        if (!lane || mark <= lane->after)
            continue;
        lane->after = mark;
        lane->last = lane->last > mark ? lane->last : mark;
    }
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

enum result lanes_write_marks(struct db *db, const struct lanes *lanes)
{
    enum result result = RESULT_OK;
    for (size_t i = 0; i < lanes->count && result == RESULT_OK; i++) {
        const struct lane *lane = &lanes->list[i];
        if (lane->last > lane->after)
            result = db_run(db,
                            "INSERT INTO fold_mark (part, seq) VALUES ($1, $2) ON CONFLICT (part) DO UPDATE SET seq = "
                            "excluded.seq",
                            DB_ARGS(DB_INT(lane->number), DB_INT(lane->last)));
    }
    return result;
}

/* ---- holding one ---- */

enum result lane_claim(struct db *inbox, int64_t preferred, int64_t *out)
{
    for (int64_t number = -1; number < LANES_MAX; number++) {
        *out = number < 0 ? preferred : number;
        enum result result = inbox->driver->claim(inbox, DB_LOCK_LANE, (int32_t)*out);
        if (result != RESULT_BUSY)
            return result;
    }
    log_error("lanes", "taken=%d words=\"every lane is another server's\"", LANES_MAX);
    return RESULT_FAILED;
}

enum result lane_enter(struct db *inbox, int64_t number, struct lane *out)
{
    struct arena arena;
    struct lanes lanes;
    arena_init(&arena);
    enum result result =
        db_run(inbox, "INSERT INTO fold_mark (part, seq) VALUES ($1, $2) ON CONFLICT (part) DO NOTHING",
               DB_ARGS(DB_INT(number), DB_INT(lane_first(number))));
    if (result == RESULT_OK)
        result = lanes_read(inbox, &arena, &lanes);
    if (result == RESULT_OK) {
        const struct lane *lane = lanes_find(&lanes, lane_first(number));
        result = lane ? RESULT_OK : RESULT_FAILED;
        *out = lane ? *lane : (struct lane){0};
    }
    arena_free(&arena);
    return result;
}
