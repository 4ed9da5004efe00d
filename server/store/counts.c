/* The counters: hits by verdict for each owner, day and channel, and for each share. They are what pages and reports read,
 * since counting ten million rows takes a second and reading thirty counters takes none.
 *
 * A counter is only ever changed by differences, in the transaction that changes the hits: a new hit adds one, a hit whose
 * verdict changes takes one from its old verdict and adds it to the new, on the day of the hit, not of the change. So the
 * counters equal the rows at every commit, and outlive them when a month is forgotten. Differences are summed in memory
 * first: the twenty thousand hits of a fold are far fewer days and shares. */
#include "server/store/fold.h"

#include <stdlib.h>
#include <string.h>
#include "server/store/db.h"
#include "server/store/hits.h"
#include "server/store/internal.h"

/* What one group of hits changed. */
struct difference {
    int64_t by_verdict[VERDICT_COUNT], saves, forms;
};

static void note(struct difference *difference, const struct kept *hit)
{
    uint32_t new_acts = hit->folded ? hit->acts & ~hit->old_acts : hit->acts;
    if (hit->folded)
        difference->by_verdict[hit->old_verdict] -= hit->times;
    difference->by_verdict[hit->verdict] += hit->times;
    difference->saves += (new_acts & ACT_SAVE) != 0;
    difference->forms += (new_acts & ACT_FORM) != 0;
}

static bool is_nothing(const struct difference *difference)
{
    static const struct difference nothing;
    return memcmp(difference, &nothing, sizeof nothing) == 0;
}

static bool same_share(const struct kept *a, const struct kept *b)
{
    return a->owner_id == b->owner_id && a->share_id == b->share_id;
}

static bool same_day(const struct kept *a, const struct kept *b)
{
    return a->owner_id == b->owner_id && a->day == b->day && a->channel == b->channel;
}

static int compare_days(const void *a, const void *b)
{
    const struct kept *one = *(struct kept *const *)a, *other = *(struct kept *const *)b;
    if (one->owner_id != other->owner_id)
        return one->owner_id < other->owner_id ? -1 : 1;
    if (one->day != other->day)
        return one->day < other->day ? -1 : 1;
    return (one->channel > other->channel) - (one->channel < other->channel);
}

/* The differences of the next group of a sorted list: from *at on, which is moved to the next group's first. */
static struct difference sum_group(struct kept *const *list, size_t count, size_t *at,
                                   bool (*same)(const struct kept *, const struct kept *))
{
    struct difference difference = {{0}, 0, 0};
    size_t first = *at;
    while (*at < count && same(list[*at], list[first]))
        note(&difference, list[(*at)++]);
    return difference;
}

_Static_assert(VERDICT_COUNT == 7, "the counters have a column for each verdict");
#define VERDICT_COLUMNS "unconfirmed, person, preview, scanner, prefetch, bot, self"
#define ADD(table, column) #column " = " #table "." #column " + excluded." #column
#define ADD_VERDICTS(table)                                                                                       \
    ADD(table, unconfirmed)                                                                                       \
    ", " ADD(table, person) ", " ADD(table, preview) ", " ADD(table, scanner) ", " ADD(table, prefetch) ", " ADD( \
        table, bot) ", " ADD(table, self)

static const char TO_SHARES[] = "INSERT INTO share_counts (owner_id, share_id, " VERDICT_COLUMNS ") "
                                "ON CONFLICT (owner_id, share_id) DO UPDATE SET " ADD_VERDICTS(share_counts);
static const char TO_DAYS[] = "INSERT INTO day_counts (owner_id, day, channel, " VERDICT_COLUMNS ", saves, forms) "
                              "ON CONFLICT (owner_id, day, channel) DO UPDATE SET " ADD_VERDICTS(day_counts) ", " ADD(
                                  day_counts, saves) ", " ADD(day_counts, forms);

enum { SHARE_COLUMNS = 2 + VERDICT_COUNT, DAY_COLUMNS = 3 + VERDICT_COUNT + 2, ADD_ROWS = 1024 };

static void share_values(struct db_value *at, const struct kept *of, const struct difference *by)
{
    *at++ = DB_INT(of->owner_id);
    *at++ = DB_INT(of->share_id);
    for (int i = 0; i < VERDICT_COUNT; i++)
        *at++ = DB_INT(by->by_verdict[i]);
}

static void day_values(struct db_value *at, const struct kept *of, const struct difference *by)
{
    *at++ = DB_INT(of->owner_id);
    *at++ = DB_INT(of->day);
    *at++ = DB_INT((int64_t)of->channel);
    for (int i = 0; i < VERDICT_COUNT; i++)
        *at++ = DB_INT(by->by_verdict[i]);
    *at++ = DB_INT(by->saves);
    *at++ = DB_INT(by->forms);
}

/* One kind of counter. */
struct counter {
    const char *insert;
    int columns;
    bool (*same)(const struct kept *, const struct kept *);
    void (*values)(struct db_value *at, const struct kept *of, const struct difference *by);
};

/* Of a list in the counter's order, so that each row of the table is named once: many rows a statement, since on a server each
 * statement is a way there and back. */
static enum result add_groups(struct db *db, const struct counter *counter, struct kept *const *list, size_t count,
                              struct db_value *values)
{
    enum result result = RESULT_OK;
    int rows = 0;
    for (size_t at = 0; at < count && result == RESULT_OK;) {
        const struct kept *first = list[at];
        struct difference by = sum_group(list, count, &at, counter->same);
        if (!is_nothing(&by))
            counter->values(&values[rows++ * counter->columns], first, &by);
        if (rows < ADD_ROWS && at < count)
            continue;
        result = db->driver->append(db, counter->insert, values, counter->columns, rows);
        rows = 0;
    }
    return result;
}

enum result counts_add(struct db *db, struct kept *const *hits, size_t count, struct arena *arena)
{
    static const struct counter shares = {TO_SHARES, SHARE_COLUMNS, same_share, share_values},
                                days = {TO_DAYS, DAY_COLUMNS, same_day, day_values};
    if (!count)
        return RESULT_OK;
    size_t rows_max = count < ADD_ROWS ? count : ADD_ROWS;
    struct db_value *values = arena_alloc_raw(arena, rows_max * DAY_COLUMNS * sizeof *values);
    enum result result = add_groups(db, &shares, hits, count, values);
    if (result != RESULT_OK)
        return result;
    struct kept **by_day = arena_memdup(arena, hits, count * sizeof *by_day);
    qsort(by_day, count, sizeof *by_day, compare_days);
    return add_groups(db, &days, by_day, count, values);
}

/* ---- reading, with what is not folded yet ---- */

struct day_list {
    struct arena *arena;
    int64_t owner_id;
    int32_t first_day, last_day;
    struct day_count *days;
    size_t count, room;
};

static struct day_count *day_list_add(struct day_list *list)
{
    if (list->count == list->room) {
        struct day_count *wider =
            arena_alloc_raw(list->arena, (list->room = list->room ? 2 * list->room : 64) * sizeof *wider);
        if (list->count)
            memcpy(wider, list->days, list->count * sizeof *wider);
        list->days = wider;
    }
    struct day_count *day = &list->days[list->count++];
    *day = (struct day_count){0};
    return day;
}

static enum result read_days(struct db *db, void *context)
{
    struct day_list *list = context;
    struct db_rows *rows;
    list->count = 0;
    enum result result =
        db_query(db,
                 "SELECT day, channel, " VERDICT_COLUMNS ", saves, forms FROM day_counts "
                 "WHERE owner_id = $1 AND day >= $2 AND day <= $3 ORDER BY day, channel",
                 DB_ARGS(DB_INT(list->owner_id), DB_INT(list->first_day), DB_INT(list->last_day)), &rows);
    if (result != RESULT_OK)
        return result;
    while ((result = db_next(rows)) == RESULT_OK) {
        struct day_count *day = day_list_add(list);
        day->day = (int32_t)db_column_int(rows, 0);
        day->channel = (enum channel)db_column_int(rows, 1);
        for (int i = 0; i < VERDICT_COUNT; i++)
            day->by_verdict[i] = db_column_int(rows, 2 + i);
        day->saves = db_column_int(rows, 2 + VERDICT_COUNT);
        day->forms = db_column_int(rows, 3 + VERDICT_COUNT);
    }
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

static int compare_day_counts(const void *a, const void *b)
{
    const struct day_count *one = a, *other = b;
    if (one->day != other->day)
        return one->day < other->day ? -1 : 1;
    return (one->channel > other->channel) - (one->channel < other->channel);
}

static void add_tail(struct day_list *list, struct kept **hits, size_t hit_count)
{
    if (!hit_count)
        return;
    qsort(hits, hit_count, sizeof *hits, compare_days);
    size_t counted = list->count;
    for (size_t at = 0; at < hit_count;) {
        const struct kept *first = hits[at];
        struct difference by = sum_group(hits, hit_count, &at, same_day);
        if (first->day < list->first_day || first->day > list->last_day || is_nothing(&by))
            continue;
        struct day_count key = {.day = first->day, .channel = first->channel};
        struct day_count *day = counted ? bsearch(&key, list->days, counted, sizeof key, compare_day_counts) : NULL;
        if (!day)
            *(day = day_list_add(list)) = key;
        for (int i = 0; i < VERDICT_COUNT; i++)
            day->by_verdict[i] += by.by_verdict[i];
        day->saves += by.saves;
        day->forms += by.forms;
    }
    if (list->count > counted)
        qsort(list->days, list->count, sizeof *list->days, compare_day_counts);
}

enum result store_day_counts(struct store *store, struct arena *arena, int64_t owner_id, int32_t first_day,
                             int32_t last_day, struct day_count **out, size_t *count)
{
    struct day_list list = {.arena = arena, .owner_id = owner_id, .first_day = first_day, .last_day = last_day};
    struct batch batch;
    enum result result = tail_read(store, &batch, owner_id, 0, read_days, &list);
    if (result == RESULT_OK) {
        add_tail(&list, batch.hits, batch.hit_count);
        add_tail(&list, batch.older, batch.older_count);
        *out = list.days;
        *count = list.count;
    }
    batch_free(&batch);
    return result;
}
