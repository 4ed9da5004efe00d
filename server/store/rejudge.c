/* Applying today's rules to the hits of every kept month, and forgetting old months.
 *
 * Hits are walked in the order of their key, some thousand a transaction, so that other writers get their turn between
 * them; the counters are restated in the transaction that changes the rows. What is folded meanwhile is judged by today's
 * rules anyway. No leads are made and nobody is told: what an old hit was is a matter of record. */
#include <string.h>
#include "cards/base/id.h"
#include "server/store/db.h"
#include "server/store/fold.h"
#include "server/store/hits.h"
#include "server/store/internal.h"
#include "server/store/lead_steps.h"

enum { STEP_ROWS = 10000 };
static const int64_t LONGEST_MONTH_MS = 31LL * 24 * 3600 * 1000;

struct step {
    struct store *store;
    int32_t month;
    struct kept from, to; /* the keys before the first row and of the last */
    struct rejudged counts;
    bool more;
};

static enum result read_step(struct step *step, struct db *db, struct arena *arena, struct kept **changed,
                             size_t *count)
{
    struct db_rows *rows;
    struct judgements known = {0};
    const struct month *month = months_get(hits_months(step->store), step->month);
    enum result result = db_query(
        db, month->walk,
        DB_ARGS(DB_INT(step->from.owner_id), DB_INT(step->from.share_id), DB_INT(step->from.id), DB_INT(STEP_ROWS)),
        &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK) {
        struct kept hit;
        kept_from_row(&hit, rows, arena);
        kept_judge(&hit, &known);
        step->to = (struct kept){.owner_id = hit.owner_id, .share_id = hit.share_id, .id = hit.id};
        step->counts.looked_at++;
        if (hit.verdict != hit.old_verdict || hit.rule != hit.old_rule)
            changed[(*count)++] = arena_memdup(arena, &hit, sizeof hit);
    }
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

static enum result rejudge_step(struct db *db, void *context)
{
    struct step *step = context;
    struct arena arena;
    arena_init(&arena);
    step->counts = (struct rejudged){0};
    step->to = step->from;
    struct month_list list;
    struct kept **changed = arena_alloc_raw(&arena, STEP_ROWS * sizeof *changed);
    size_t count = 0;
    enum result result = months_list(db, &arena, &list);
    if (result == RESULT_OK && months_has(&list, step->month)) /* it may have been forgotten meanwhile */
        result = read_step(step, db, &arena, changed, &count);
    for (size_t i = 0; i < count && result == RESULT_OK; i++)
        result = kept_update(db, hits_months(step->store), changed[i]);
    if (result == RESULT_OK)
        result = counts_add(db, changed, count, &arena);
    step->counts.changed = (int64_t)count;
    step->more = step->counts.looked_at == STEP_ROWS;
    arena_free(&arena);
    return result;
}

static enum result rejudge_month(struct store *store, int32_t month, struct rejudged *out)
{
    struct step step = {.store = store, .month = month, .more = true};
    while (step.more) {
        enum result result = store_write(store, "rejudge", rejudge_step, &step);
        if (result != RESULT_OK)
            return result;
        out->looked_at += step.counts.looked_at;
        out->changed += step.counts.changed;
        step.from = step.to;
        store_tidy(store, false);
    }
    return RESULT_OK;
}

static enum result read_months(struct store *store, struct arena *arena, struct month_list *out)
{
    struct db *db;
    enum result result = store_read_begin(store, &db);
    if (result != RESULT_OK)
        return result;
    result = months_list(db, arena, out);
    store_read_end(store, db);
    return result;
}

enum result store_rejudge(struct store *store, struct rejudged *out)
{
    *out = (struct rejudged){0};
    struct arena arena;
    arena_init(&arena);
    struct month_list list;
    enum result result = store_fold_now(store);
    if (result == RESULT_OK)
        result = read_months(store, &arena, &list);
    for (size_t i = 0; result == RESULT_OK && i < list.count; i++)
        result = rejudge_month(store, list.months[i], out);
    arena_free(&arena);
    return result;
}

/* ---- forgetting ---- */

enum { DAY_MS = 24 * 60 * 60 * 1000 };

/* The first id that a hit of the month of AT_MS may have. */
static int64_t first_id_of_month(int64_t at_ms)
{
    int64_t start_ms = at_ms - at_ms % DAY_MS;
    while (start_ms > DAY_MS && month_of(id_at_ms(start_ms - DAY_MS)) == month_of(id_at_ms(at_ms)))
        start_ms -= DAY_MS;
    return id_at_ms(start_ms);
}

static enum result forget_month(struct db *db, void *context)
{
    return months_drop(db, context);
}

enum result hits_forget(struct store *store, int months, int64_t until_ms, int64_t now_ms)
{
    struct arena arena;
    arena_init(&arena);
    struct month_list list;
    int64_t before_ms = now_ms - months * LONGEST_MONTH_MS;
    int32_t first_kept = month_of(id_at_ms(before_ms > 0 ? before_ms : 0));
    enum result result = read_months(store, &arena, &list);
    /* First the potential leads: the month's table is what tells that they are still to go. The list's last is the oldest. */
    if (result == RESULT_OK && list.count && list.months[list.count - 1] < first_kept)
        result = leads_forget_visits(store, first_id_of_month(before_ms), until_ms, now_ms);
    for (size_t i = 0; result == RESULT_OK && i < list.count; i++)
        if (list.months[i] < first_kept)
            result = store_write(store, "forget", forget_month, (void *)months_get(hits_months(store), list.months[i]));
    arena_free(&arena);
    return result == RESULT_LIMITED ? RESULT_OK : result;
}

enum result store_hits_forget(struct store *store, int months, int64_t now_ms)
{
    return hits_forget(store, months, INT64_MAX, now_ms);
}
