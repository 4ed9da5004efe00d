/* See months.h. This is partitioning by time, made by us: PostgreSQL could do it (PARTITION BY RANGE), SQLite could not, and
 * what the engine's own would add is small. The month is known from the id before any statement runs, so each statement
 * names its table and plans over one; a parent's plan would look at every month, and each insert be sent on by it. Making a
 * month is one statement in the fold's transaction, and forgetting one is a drop, on both engines by the same text.
 *
 * The rows of a month lie in the order they were folded; the primary key beside them is the one index, and
 * batches come sorted by it, so a fold touches each of its pages once. Nothing else is indexed: counts have tables of
 * their own (counts.c), and every second index would double what a fold costs. */
#include "server/store/months.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "cards/base/id.h"
#include "server/store/db.h"

enum { DAY_MS = 86400000 };

static const char COLUMNS[] =
    "owner_id, share_id, id, visitor_id, verdict, rule, channel, facts, acts, visitor_hash, family, referrer, times";

struct months {
    pthread_mutex_t lock;
    struct month *first;
};

int32_t day_of(int64_t hit_id)
{
    return (int32_t)(id_time_ms(hit_id) / DAY_MS);
}

/* The proleptic Gregorian calendar counted in eras of 400 years, each year beginning in March so that the leap day is its
 * last: then month lengths follow one straight line (153 days for every five months). */
int32_t month_of(int64_t hit_id)
{
    int32_t day = day_of(hit_id) + 719468; /* since 0000-03-01 */
    int32_t era = day / 146097, in_era = day % 146097;
    int32_t year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    int32_t in_year = in_era - (365 * year + year / 4 - year / 100);
    int32_t from_march = (5 * in_year + 2) / 153;
    int32_t month = from_march < 10 ? from_march + 3 : from_march - 9;
    return (era * 400 + year + (month <= 2)) * 100 + month;
}

struct months *months_new(void)
{
    struct months *months = calloc(1, sizeof *months);
    if (!months)
        abort();
    pthread_mutex_init(&months->lock, NULL);
    return months;
}

void months_free(struct months *months)
{
    if (!months)
        return;
    for (struct month *at = months->first, *next; at; at = next) {
        next = at->next;
        free(at);
    }
    pthread_mutex_destroy(&months->lock);
    free(months);
}

static struct month *month_new(int32_t number)
{
    struct month *month = calloc(1, sizeof *month);
    if (!month)
        abort();
    month->month = number;
    snprintf(month->create, sizeof month->create,
             "CREATE TABLE hits_%06d (owner_id BIGINT NOT NULL, share_id BIGINT NOT NULL, id BIGINT NOT NULL, "
             "visitor_id BIGINT NOT NULL, verdict BIGINT NOT NULL, rule BIGINT NOT NULL, channel BIGINT NOT NULL, "
             "facts BIGINT NOT NULL, acts BIGINT NOT NULL, visitor_hash BIGINT NOT NULL, family TEXT, referrer TEXT, "
             "times BIGINT NOT NULL, "
             "PRIMARY KEY (owner_id, share_id, id))",
             number);
    snprintf(month->drop, sizeof month->drop, "DROP TABLE hits_%06d", number);
    snprintf(month->insert, sizeof month->insert, "INSERT INTO hits_%06d (%s)", number, COLUMNS);
    snprintf(month->update, sizeof month->update,
             "UPDATE hits_%06d SET visitor_id = $4, verdict = $5, rule = $6, acts = $7 "
             "WHERE owner_id = $1 AND share_id = $2 AND id = $3",
             number);
    snprintf(month->find, sizeof month->find,
             "SELECT %s FROM hits_%06d WHERE owner_id = $1 AND share_id = $2 AND id = $3", COLUMNS, number);
    snprintf(month->list, sizeof month->list,
             "SELECT %s FROM hits_%06d WHERE owner_id = $1 AND share_id = $2 AND id < $3 ORDER BY id DESC LIMIT $4",
             COLUMNS, number);
    snprintf(month->walk, sizeof month->walk,
             "SELECT %s FROM hits_%06d WHERE (owner_id, share_id, id) > ($1, $2, $3) "
             "ORDER BY owner_id, share_id, id LIMIT $4",
             COLUMNS, number);
    return month;
}

const struct month *months_get(struct months *months, int32_t number)
{
    pthread_mutex_lock(&months->lock);
    struct month *at = months->first;
    while (at && at->month != number)
        at = at->next;
    if (!at) {
        at = month_new(number);
        at->next = months->first;
        months->first = at;
    }
    pthread_mutex_unlock(&months->lock);
    return at;
}

enum result months_list(struct db *db, struct arena *arena, struct month_list *out)
{
    struct db_rows *rows;
    enum result result = db_query(db, "SELECT month FROM hit_months ORDER BY month DESC", NULL, 0, &rows);
    *out = (struct month_list){0};
    if (result != RESULT_OK)
        return result;
    size_t room = 0;
    while ((result = db_next(rows)) == RESULT_OK) {
        out->months = db_rows_grow(arena, out->months, out->count, &room, sizeof *out->months);
        out->months[out->count++] = (int32_t)db_column_int(rows, 0);
    }
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

bool months_has(const struct month_list *list, int32_t month)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->months[i] == month)
            return true;
    return false;
}

enum result months_ensure(struct db *db, const struct month *month)
{
    enum result result =
        db_run(db, "INSERT INTO hit_months (month) VALUES ($1) ON CONFLICT DO NOTHING", DB_ARGS(DB_INT(month->month)));
    if (result != RESULT_OK || db_changes(db) == 0)
        return result;
    return db_run(db, month->create, NULL, 0);
}

/* A drop waits for whoever reads the table, and everybody else waits behind it. A page reads for milliseconds; a copy of the
 * whole database may read for hours, and then the month goes at a later try. SQLite's readers keep what they saw. */
enum result months_drop(struct db *db, const struct month *month)
{
    enum result result = db_run(db, "DELETE FROM hit_months WHERE month = $1", DB_ARGS(DB_INT(month->month)));
    if (result != RESULT_OK || db_changes(db) == 0)
        return result;
    if (db_is_postgres(db))
        result = db_run(db, "SET LOCAL lock_timeout = '200ms'", NULL, 0);
    return result == RESULT_OK ? db_run(db, month->drop, NULL, 0) : result;
}

enum result months_visitor(struct db *db, struct months *months, int64_t owner_id, int64_t share_id, int64_t hit_id,
                           int64_t *out)
{
    int32_t month = month_of(hit_id);
    struct db_rows *rows;
    *out = hit_id;
    enum result result = db_one(db, "SELECT 1 FROM hit_months WHERE month = $1", DB_ARGS(DB_INT(month)), &rows);
    if (result != RESULT_OK)
        return result == RESULT_NOT_FOUND ? RESULT_OK : result;
    db_finish(&rows);
    result =
        db_one(db, months_get(months, month)->find, DB_ARGS(DB_INT(owner_id), DB_INT(share_id), DB_INT(hit_id)), &rows);
    if (result != RESULT_OK)
        return result == RESULT_NOT_FOUND ? RESULT_OK : result;
    *out = db_column_int(rows, MONTH_VISITOR);
    db_finish(&rows);
    return RESULT_OK;
}
