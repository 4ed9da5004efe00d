/* How endpoints fare, in figures: one for its member, all for the operator. */
#include <stdlib.h>
#include "server/ids.h"
#include "server/store/internal.h"

enum { STATS_ATTEMPTS_MAX = 1000, DAY_MS = 24 * 60 * 60 * 1000 };

struct counting {
    int64_t owner_id, id, now_ms;
    struct webhook_stats *stats;
    struct webhook_figures *figures;
};

static int by_size(const void *one, const void *other)
{
    int64_t a = *(const int64_t *)one, b = *(const int64_t *)other;
    return (a > b) - (a < b);
}

static enum result stats_body(struct db *db, void *context)
{
    const struct counting *counting = context;
    struct webhook_stats *stats = counting->stats;
    int64_t latencies[STATS_ATTEMPTS_MAX];
    struct db_rows *rows;
    *stats = (struct webhook_stats){0};
    enum result result = db_query(db,
                                  "SELECT latency_ms, error FROM delivery_attempts WHERE owner_id = $1 AND "
                                  "webhook_id = $2 AND id >= $3 ORDER BY id DESC LIMIT $4",
                                  DB_ARGS(DB_INT(counting->owner_id), DB_INT(counting->id),
                                          DB_INT(id_at_ms(counting->now_ms - DAY_MS)), DB_INT(STATS_ATTEMPTS_MAX)),
                                  &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK) {
        size_t len;
        latencies[stats->attempts++] = db_column_int(rows, 0);
        stats->failures += db_column_bytes(rows, 1, &len) != NULL;
    }
    db_finish(&rows);
    if (result != RESULT_NOT_FOUND || !stats->attempts)
        return result == RESULT_NOT_FOUND ? RESULT_OK : result;
    qsort(latencies, (size_t)stats->attempts, sizeof *latencies, by_size);
    stats->median_ms = latencies[stats->attempts / 2];
    stats->p95_ms = latencies[stats->attempts * 95 / 100];
    return RESULT_OK;
}

enum result store_webhook_stats(struct store *store, int64_t owner_id, int64_t id, int64_t now_ms,
                                struct webhook_stats *out)
{
    struct counting counting = {.owner_id = owner_id, .id = id, .now_ms = now_ms, .stats = out};
    return store_list(store, owner_id, stats_body, &counting);
}

static enum result figures_body(struct db *db, void *context)
{
    const struct counting *counting = context;
    struct db_rows *rows;
    enum result result =
        db_one(db,
               "SELECT COUNT(*), COALESCE(SUM(pending), 0), COALESCE(SUM(CASE WHEN breaker_until_ms > $1 "
               "THEN 1 ELSE 0 END), 0) FROM webhooks WHERE next_due_ms IS NOT NULL",
               DB_ARGS(DB_INT(counting->now_ms)), &rows);
    if (result != RESULT_OK)
        return result;
    counting->figures->waiting = db_column_int(rows, 0);
    counting->figures->pending = db_column_int(rows, 1);
    counting->figures->resting = db_column_int(rows, 2);
    db_finish(&rows);
    return RESULT_OK;
}

enum result store_webhook_figures(struct store *store, int64_t now_ms, struct webhook_figures *out)
{
    *out = (struct webhook_figures){0};
    struct counting counting = {.now_ms = now_ms, .figures = out};
    enum result result = store_read(store, figures_body, &counting);
    for (int state = 0; state < DELIVERY_STATE_COUNT; state++)
        out->ended[state] = atomic_load(&store->ended_so[state]);
    return result;
}
