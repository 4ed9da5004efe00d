/* Follow-ups: what was promised, what is due, and telling of it in the transaction that notes that it was told. */
#include "server/store/followups.h"

#include "server/ids.h"
#include "server/store/internal.h"
#include "server/store/lead_steps.h"
#include "server/store/outbox.h"

enum { TOLD_AT_ONCE = 100 };

/* By what the lead is known, read along: a list of bare ids helps nobody. */
#define COLUMNS                                                                \
    "f.id, f.owner_id, f.lead_id, f.due_ms, f.created_ms, f.done_ms, f.note, " \
    "(SELECT COALESCE(l.name, l.recipient) FROM leads AS l WHERE l.owner_id = f.owner_id AND l.id = f.lead_id)"

static void from_row(struct followup *out, const struct db_rows *rows, struct arena *arena)
{
    *out = (struct followup){
        .id = db_column_int(rows, 0),
        .owner_id = db_column_int(rows, 1),
        .lead_id = db_column_int(rows, 2),
        .due_ms = db_column_int(rows, 3),
        .created_ms = db_column_int(rows, 4),
        .done_ms = db_column_int(rows, 5),
        .note = db_column_text(rows, 6, arena),
        .lead_name = db_column_text(rows, 7, arena),
    };
}

static enum result read_one(struct db *db, struct arena *arena, int64_t owner_id, int64_t id, struct followup *out)
{
    struct db_rows *rows;
    enum result result = db_one(db, "SELECT " COLUMNS " FROM follow_ups AS f WHERE f.owner_id = $1 AND f.id = $2",
                                DB_ARGS(DB_INT(owner_id), DB_INT(id)), &rows);
    if (result == RESULT_OK)
        from_row(out, rows, arena);
    db_finish(&rows);
    return result;
}

/* ---- promising ---- */

struct promising {
    struct followup *followups;
    size_t count;
    int64_t now_ms;
};

static enum result check_lead(struct db *db, int64_t owner_id, int64_t lead_id, size_t more)
{
    struct db_rows *rows;
    enum result result = db_one(db,
                                "SELECT (SELECT COUNT(*) FROM follow_ups WHERE owner_id = $1 AND lead_id = $2 AND "
                                "done_ms IS NULL) FROM leads WHERE owner_id = $1 AND id = $2",
                                DB_ARGS(DB_INT(owner_id), DB_INT(lead_id)), &rows);
    if (result == RESULT_OK && db_column_int(rows, 0) + (int64_t)more > FOLLOWUP_OPEN_MAX)
        result = RESULT_LIMITED;
    db_finish(&rows);
    return result;
}

static enum result add(struct db *db, void *context)
{
    const struct promising *promising = context;
    struct followup *first = promising->followups;
    enum result result = check_lead(db, first->owner_id, first->lead_id, promising->count);
    for (struct followup *one = first; one < first + promising->count && result == RESULT_OK; one++) {
        one->id = id_new();
        one->created_ms = promising->now_ms;
        result = db_run(db,
                        "INSERT INTO follow_ups (owner_id, id, lead_id, due_ms, note, created_ms) "
                        "VALUES ($1, $2, $3, $4, $5, $6)",
                        DB_ARGS(DB_INT(one->owner_id), DB_INT(one->id), DB_INT(one->lead_id), DB_INT(one->due_ms),
                                db_text(one->note), DB_INT(one->created_ms)));
    }
    if (result == RESULT_OK)
        result = lead_moment_add(db, first->owner_id, first->lead_id, promising->now_ms, "follow-up", first->note);
    return result;
}

enum result store_followup_add(struct store *store, struct followup *followups, size_t count, int64_t now_ms)
{
    struct promising promising = {followups, count, now_ms};
    return store_write(store, "followup-add", add, &promising);
}

/* ---- reading ---- */

struct reading {
    struct arena *arena;
    int64_t owner_id, due_before_ms, id;
    const struct followup_filter *filter;
    size_t limit, room, count;
    struct followup *found;
};

static enum result gather(struct reading *reading, enum result result, struct db_rows *rows)
{
    reading->count = 0;
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK) {
        reading->found =
            db_rows_grow(reading->arena, reading->found, reading->count, &reading->room, sizeof *reading->found);
        from_row(&reading->found[reading->count++], rows, reading->arena);
    }
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

#define MATCHING                                                                                        \
    "f.owner_id = $1 AND f.id < $2 AND f.due_ms < $5 AND ($3 < 0 OR (f.done_ms IS NULL AND $3 = 1) OR " \
    "(f.done_ms IS NOT NULL AND $3 = 0)) ORDER BY f.id DESC LIMIT $4"

static enum result list(struct db *db, void *context)
{
    struct reading *reading = context;
    const struct followup_filter *filter = reading->filter;
    int64_t before = filter->before ? filter->before : INT64_MAX;
    const struct db_value args[] = {DB_INT(reading->owner_id),     DB_INT(before),
                                    DB_INT(filter->open),          DB_INT((int64_t)filter->limit),
                                    DB_INT(filter->due_before_ms), DB_INT(filter->lead_id)};
    struct db_rows *rows;
    enum result result =
        filter->lead_id
            ? db_query(db, "SELECT " COLUMNS " FROM follow_ups AS f WHERE f.lead_id = $6 AND " MATCHING, args, 6, &rows)
            : db_query(db, "SELECT " COLUMNS " FROM follow_ups AS f WHERE " MATCHING, args, 5, &rows);
    return gather(reading, result, rows);
}

static enum result due(struct db *db, void *context)
{
    struct reading *reading = context;
    struct db_rows *rows;
    enum result result = db_query(
        db,
        "SELECT " COLUMNS " FROM follow_ups AS f WHERE f.owner_id = $1 AND f.done_ms IS NULL "
        "AND f.due_ms <= $2 ORDER BY f.due_ms, f.id LIMIT $3",
        DB_ARGS(DB_INT(reading->owner_id), DB_INT(reading->due_before_ms), DB_INT((int64_t)reading->limit)), &rows);
    return gather(reading, result, rows);
}

static enum result answer(enum result result, const struct reading *reading, struct followup **out, size_t *count)
{
    *out = reading->found;
    *count = reading->count;
    return result;
}

enum result store_followup_list(struct store *store, struct arena *arena, int64_t owner_id,
                                const struct followup_filter *filter, struct followup **out, size_t *count)
{
    struct reading reading = {.arena = arena, .owner_id = owner_id, .filter = filter};
    return answer(store_list(store, owner_id, list, &reading), &reading, out, count);
}

enum result store_followup_due(struct store *store, struct arena *arena, int64_t owner_id, int64_t before_ms,
                               size_t limit, struct followup **out, size_t *count)
{
    struct reading reading = {.arena = arena, .owner_id = owner_id, .due_before_ms = before_ms, .limit = limit};
    return answer(store_list(store, owner_id, due, &reading), &reading, out, count);
}

static enum result find(struct db *db, void *context)
{
    struct reading *reading = context;
    reading->found = arena_alloc(reading->arena, sizeof *reading->found);
    return read_one(db, reading->arena, reading->owner_id, reading->id, reading->found);
}

enum result store_followup_find(struct store *store, struct arena *arena, int64_t owner_id, int64_t id,
                                struct followup *out)
{
    struct reading reading = {.arena = arena, .owner_id = owner_id, .id = id};
    enum result result = store_read(store, find, &reading);
    if (result == RESULT_OK)
        *out = *reading.found;
    return result;
}

/* ---- changing ---- */

struct changing {
    struct arena *arena;
    int64_t owner_id, id, now_ms;
    const struct followup_change *change;
    struct followup *out;
};

static enum result change(struct db *db, void *context)
{
    const struct changing *changing = context;
    const struct followup_change *wish = changing->change;
    struct followup *now = changing->out;
    enum result result = read_one(db, changing->arena, changing->owner_id, changing->id, now);
    if (result != RESULT_OK)
        return result;
    bool moved = wish->due_ms && wish->due_ms != now->due_ms, ends = wish->done == 1 && !now->done_ms;
    if (moved)
        now->due_ms = wish->due_ms;
    if (wish->note)
        now->note = *wish->note ? wish->note : NULL;
    if (ends)
        now->done_ms = changing->now_ms;
    else if (wish->done == 0)
        now->done_ms = 0;
    result = db_run(db,
                    "UPDATE follow_ups SET due_ms = $3, note = $4, done_ms = $5, "
                    "told_ms = CASE WHEN $6 = 1 THEN NULL ELSE told_ms END WHERE owner_id = $1 AND id = $2",
                    DB_ARGS(DB_INT(now->owner_id), DB_INT(now->id), DB_INT(now->due_ms), db_text(now->note),
                            db_int_or_null(now->done_ms), DB_INT(moved)));
    if (result == RESULT_OK && ends)
        result = lead_moment_add(db, now->owner_id, now->lead_id, changing->now_ms, "followed-up", now->note);
    return result;
}

enum result store_followup_change(struct store *store, struct arena *arena, int64_t owner_id, int64_t id,
                                  const struct followup_change *wish, int64_t now_ms, struct followup *out)
{
    struct changing changing = {arena, owner_id, id, now_ms, wish, out};
    return store_write(store, "followup-change", change, &changing);
}

static enum result take_away(struct db *db, void *context)
{
    const struct reading *reading = context;
    enum result result = db_run(db, "DELETE FROM follow_ups WHERE owner_id = $1 AND id = $2",
                                DB_ARGS(DB_INT(reading->owner_id), DB_INT(reading->id)));
    return result == RESULT_OK && db_changes(db) == 0 ? RESULT_NOT_FOUND : result;
}

enum result store_followup_remove(struct store *store, int64_t owner_id, int64_t id)
{
    struct reading reading = {.owner_id = owner_id, .id = id};
    return store_write(store, "followup-remove", take_away, &reading);
}

/* ---- telling ---- */

struct telling {
    struct store *store;
    int64_t now_ms, next_ms;
    bool more;
};

/* An index of what is still to be told makes this a look at one row, so it may be asked often. */
static enum result look(struct db *db, void *context)
{
    struct telling *telling = context;
    struct db_rows *rows;
    enum result result =
        db_one(db, "SELECT due_ms FROM follow_ups WHERE told_ms IS NULL AND done_ms IS NULL ORDER BY due_ms LIMIT 1",
               NULL, 0, &rows);
    telling->next_ms = result == RESULT_OK ? db_column_int(rows, 0) : 0;
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

static enum result tell_one(struct telling *telling, struct db *db, struct arena *arena,
                            const struct followup *followup)
{
    struct lead lead;
    enum result result = db_run(db, "UPDATE follow_ups SET told_ms = $3 WHERE owner_id = $1 AND id = $2",
                                DB_ARGS(DB_INT(followup->owner_id), DB_INT(followup->id), DB_INT(telling->now_ms)));
    if (result == RESULT_OK)
        result = lead_read(db, arena, followup->owner_id, followup->lead_id, &lead);
    if (result != RESULT_OK)
        return result == RESULT_NOT_FOUND ? RESULT_OK : result;
    json_t *data = json_pack("{s:o, s:o}", "follow_up", followup_to_json(followup), "lead", lead_to_json(&lead));
    return outbox_add(telling->store, db, followup->owner_id, EVENT_FOLLOW_UP_DUE, data, followup->lead_id,
                      telling->now_ms);
}

static enum result tell(struct db *db, void *context)
{
    struct telling *telling = context;
    struct arena arena;
    arena_init(&arena);
    struct reading reading = {.arena = &arena};
    struct db_rows *rows;
    enum result result = db_query(db,
                                  "SELECT " COLUMNS " FROM follow_ups AS f WHERE f.told_ms IS NULL AND f.done_ms IS "
                                  "NULL AND f.due_ms <= $1 ORDER BY f.due_ms LIMIT $2",
                                  DB_ARGS(DB_INT(telling->now_ms), DB_INT(TOLD_AT_ONCE)), &rows);
    result = gather(&reading, result, rows);
    for (size_t i = 0; i < reading.count && result == RESULT_OK; i++)
        result = tell_one(telling, db, &arena, &reading.found[i]);
    telling->more = reading.count == TOLD_AT_ONCE;
    arena_free(&arena);
    return result;
}

enum result store_followup_tell(struct store *store, int64_t now_ms, int64_t *out_next_ms)
{
    struct telling telling = {.store = store, .now_ms = now_ms};
    enum result result = store_read(store, look, &telling);
    if (result == RESULT_OK && telling.next_ms && telling.next_ms <= now_ms)
        do
            result = store_write(store, "followup-tell", tell, &telling);
        while (result == RESULT_OK && telling.more);
    if (result == RESULT_OK && telling.next_ms && telling.next_ms <= now_ms)
        result = store_read(store, look, &telling);
    *out_next_ms = telling.next_ms;
    return result;
}
