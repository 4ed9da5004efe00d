/* See db_faulty.h. */
#include "tests/support/db_faulty.h"

#include <stdlib.h>
#include "tests/support/engine.h"

struct faulty {
    struct db db;
    struct db *inner;
    bool in_transaction, failed_inside;
};

struct faulty_rows {
    struct db_rows rows;
    struct db_rows *inner;
};

static struct {
    struct fault_plan plan;
    int calls, struck, violations;
} now;

void faults_plan(const struct fault_plan *plan)
{
    now.plan = *plan;
    now.calls = now.struck = now.violations = 0;
}

int faults_calls(void)
{
    return now.calls;
}

int faults_struck(void)
{
    return now.struck;
}

int faults_violations(void)
{
    return now.violations;
}

static struct faulty *faulty_of(const struct db *db)
{
    return (struct faulty *)(uintptr_t)db;
}

/* FAULTY NULL: a connection that is still to be opened. */
static bool strikes(const struct faulty *faulty)
{
    if (now.plan.on_standby && !(faulty && faulty->db.standby))
        return false;
    now.calls++;
    bool strikes =
        now.plan.fail_at && (now.plan.sticky ? now.calls >= now.plan.fail_at : now.calls == now.plan.fail_at);
    now.struck += strikes;
    return strikes;
}

static enum result fault(struct faulty *faulty)
{
    if (faulty && now.plan.breaks)
        faulty->db.broken = true;
    if (faulty)
        faulty->failed_inside = faulty->in_transaction;
    return now.plan.with ? now.plan.with : RESULT_FAILED;
}

/* Whether the call is to fail; also looks whether it should have been made. */
static bool strikes_on(struct faulty *faulty)
{
    now.violations += faulty->failed_inside;
    return strikes(faulty);
}

static enum result noted(struct faulty *faulty, enum result result)
{
    if (result == RESULT_FAILED || result == RESULT_BUSY)
        faulty->failed_inside = faulty->in_transaction;
    faulty->db.broken |= faulty->inner->broken;
    faulty->db.claimed = faulty->inner->claimed;
    return result;
}

static enum result open_faulty(const char *url, enum db_part part, enum db_mode mode, struct db **out)
{
    *out = NULL;
    if (strikes(NULL))
        return fault(NULL);
    struct faulty *faulty = calloc(1, sizeof *faulty);
    if (!faulty)
        abort();
    db_faulty.scheme = engine_driver()->scheme;
    db_faulty.shared = engine_driver()->shared;
    faulty->db.driver = &db_faulty;
    enum result result = engine_driver()->open(url, part, mode, &faulty->inner);
    if (result == RESULT_OK)
        *out = &faulty->db;
    else
        free(faulty);
    return result;
}

static const char *explain(const char *url, enum db_part part, enum db_mode mode, enum result result,
                           struct arena *arena)
{
    (void)url, (void)part, (void)mode, (void)result, (void)arena;
    return "A fault of the plan.";
}

static void close_faulty(struct db *db)
{
    engine_driver()->close(faulty_of(db)->inner);
    free(db);
}

static enum result begin(struct db *db)
{
    struct faulty *faulty = faulty_of(db);
    if (strikes_on(faulty) || db->broken)
        return fault(faulty);
    enum result result = engine_driver()->begin(faulty->inner);
    faulty->in_transaction = result == RESULT_OK;
    return result;
}

static enum result end(struct db *db, bool commit)
{
    struct faulty *faulty = faulty_of(db);
    now.violations += commit && faulty->failed_inside;
    bool struck = strikes(faulty);
    enum result result = engine_driver()->end(faulty->inner, commit && (!struck || now.plan.too_late));
    faulty->in_transaction = faulty->failed_inside = false;
    return struck ? fault(faulty) : result;
}

static enum result script(struct db *db, const char *sql)
{
    struct faulty *faulty = faulty_of(db);
    return strikes_on(faulty) ? fault(faulty) : noted(faulty, engine_driver()->script(faulty->inner, sql));
}

static enum result query(struct db *db, const char *sql, const struct db_value *args, int arg_count,
                         struct db_rows **out)
{
    struct faulty *faulty = faulty_of(db);
    *out = NULL;
    if (strikes_on(faulty))
        return fault(faulty);
    struct db_rows *inner;
    enum result result = noted(faulty, engine_driver()->query(faulty->inner, sql, args, arg_count, &inner));
    if (result != RESULT_OK)
        return result;
    struct faulty_rows *rows = calloc(1, sizeof *rows);
    if (!rows)
        abort();
    rows->rows.db = db;
    rows->inner = inner;
    *out = &rows->rows;
    return RESULT_OK;
}

static struct db_rows *inner_of(const struct db_rows *rows)
{
    return ((const struct faulty_rows *)rows)->inner;
}

static enum result next(struct db_rows *rows)
{
    struct faulty *faulty = faulty_of(rows->db);
    return strikes_on(faulty) ? fault(faulty) : noted(faulty, engine_driver()->next(inner_of(rows)));
}

static int64_t integer(const struct db_rows *rows, int column)
{
    return engine_driver()->integer(inner_of(rows), column);
}

static const void *bytes(const struct db_rows *rows, int column, size_t *len)
{
    return engine_driver()->bytes(inner_of(rows), column, len);
}

static void finish(struct db_rows **rows)
{
    struct faulty_rows *faulty = (struct faulty_rows *)*rows;
    if (!faulty)
        return;
    engine_driver()->finish(&faulty->inner);
    free(faulty);
    *rows = NULL;
}

static int64_t changes(const struct db *db)
{
    return engine_driver()->changes(faulty_of(db)->inner);
}

static enum result append(struct db *db, const char *insert, const struct db_value *values, int column_count,
                          int row_count)
{
    struct faulty *faulty = faulty_of(db);
    if (strikes_on(faulty))
        return fault(faulty);
    return noted(faulty, engine_driver()->append(faulty->inner, insert, values, column_count, row_count));
}

static enum result claim(struct db *db, enum db_lock what, int32_t number)
{
    struct faulty *faulty = faulty_of(db);
    return strikes_on(faulty) ? fault(faulty) : noted(faulty, engine_driver()->claim(faulty->inner, what, number));
}

static enum result tidy(struct db *db, bool idle)
{
    struct faulty *faulty = faulty_of(db);
    return strikes_on(faulty) ? fault(faulty) : noted(faulty, engine_driver()->tidy(faulty->inner, idle));
}

static enum result copy_to(struct db *db, const char *path)
{
    struct faulty *faulty = faulty_of(db);
    return strikes_on(faulty) ? fault(faulty) : noted(faulty, engine_driver()->copy_to(faulty->inner, path));
}

static enum result check(struct db *db, bool thorough)
{
    struct faulty *faulty = faulty_of(db);
    return strikes_on(faulty) ? fault(faulty) : noted(faulty, engine_driver()->check(faulty->inner, thorough));
}

static enum result notify(struct db *db, const char *word)
{
    struct faulty *faulty = faulty_of(db);
    return strikes_on(faulty) ? fault(faulty) : noted(faulty, engine_driver()->notify(faulty->inner, word));
}

static enum result listen(struct db *db)
{
    struct faulty *faulty = faulty_of(db);
    return strikes_on(faulty) ? fault(faulty) : noted(faulty, engine_driver()->listen(faulty->inner));
}

static enum result wait(struct db *db, int fd, int wait_ms, char out[DB_WORD_SIZE])
{
    struct faulty *faulty = faulty_of(db);
    return strikes_on(faulty) ? fault(faulty) : noted(faulty, engine_driver()->wait(faulty->inner, fd, wait_ms, out));
}

static enum result hold(struct db *db, enum db_lock what, int32_t number, bool shared)
{
    struct faulty *faulty = faulty_of(db);
    return strikes_on(faulty) ? fault(faulty)
                              : noted(faulty, engine_driver()->hold(faulty->inner, what, number, shared));
}

static void release(struct db *db, enum db_lock what, int32_t number)
{
    engine_driver()->release(faulty_of(db)->inner, what, number);
}

static enum result read_clock(struct db *db, int64_t *out_ms)
{
    struct faulty *faulty = faulty_of(db);
    return strikes_on(faulty) ? fault(faulty) : noted(faulty, engine_driver()->clock(faulty->inner, out_ms));
}

static const char *error(const struct db *db)
{
    return now.struck ? "a fault of the plan" : engine_driver()->error(faulty_of(db)->inner);
}

struct db_driver db_faulty = {
    .scheme = "sqlite",
    .open = open_faulty,
    .explain = explain,
    .close = close_faulty,
    .begin = begin,
    .end = end,
    .script = script,
    .query = query,
    .next = next,
    .integer = integer,
    .bytes = bytes,
    .finish = finish,
    .changes = changes,
    .append = append,
    .claim = claim,
    .tidy = tidy,
    .copy_to = copy_to,
    .check = check,
    .error = error,
    .notify = notify,
    .listen = listen,
    .wait = wait,
    .hold = hold,
    .release = release,
    .clock = read_clock,
};
