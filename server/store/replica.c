/* Reading from a standby. Lists and reports of a member may come from a database that follows the main one a moment behind
 * (MEISHI_STORE_READ), so that the main one has more time for writing. Nobody may miss what they wrote themselves, whichever
 * server took it: after each change that a member made their number in `written` grows, and a list is read from the standby
 * only if it shows there, in the very snapshot that is read, the number that stands in the main database. That asks the main one
 * for a row by its key, and needs neither clocks nor positions in a log, so any kind of replication will do.
 *
 * A standby that is away or behind, or that breaks off in the middle of a list, costs nothing but the main database's time: the
 * list is then read there from its beginning. The standby is asked again a second or two later. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "server/ids.h"
#include "server/log.h"
#include "server/store/replica.h"
#include "server/store/internal.h"

enum { REST_MS = 1000, REST_SPREAD_MS = 1000 /* after it did not answer */ };

/* Of several hosts the main one will not do as long as there is another; the driver's own wish is the main one. */
static char *with_wish(const char *url)
{
    static const char WISH[] = "target_session_attrs=";
    const char *wish = strstr(url, WISH) ? "" : "target_session_attrs=prefer-standby";
    char *text;
    if (asprintf(&text, "%s%s%s", url, !*wish ? "" : strchr(url, '?') ? "&" : "?", wish) < 0)
        abort();
    return text;
}

void replica_open(struct replica *replica, const struct db_driver *driver, const char *url, int size)
{
    replica->is_there = url && *url;
    if (!replica->is_there)
        return;
    replica->url = with_wish(url);
    pool_init(&replica->pool, driver, replica->url, size, false);
    replica->pool.standby = true;
}

void replica_close(struct replica *replica)
{
    if (!replica->is_there)
        return;
    pool_destroy(&replica->pool);
    free(replica->url);
}

/* ---- who wrote what ---- */

static enum result note_written(struct db *db, void *context)
{
    const int64_t *owner_id = context;
    return db_run(db,
                  "INSERT INTO written (owner_id, number) VALUES ($1, 1) "
                  "ON CONFLICT (owner_id) DO UPDATE SET number = written.number + 1",
                  DB_ARGS(DB_INT(*owner_id)));
}

enum result store_note_written(struct store *store, int64_t owner_id)
{
    return store->replica.is_there ? store_write(store, "written", note_written, &owner_id) : RESULT_OK;
}

/* Of an owner who never wrote it is 0. */
static enum result read_number(struct db *db, int64_t owner_id, int64_t *out)
{
    struct db_rows *rows;
    enum result result = db_one(db, "SELECT number FROM written WHERE owner_id = $1", DB_ARGS(DB_INT(owner_id)), &rows);
    *out = result == RESULT_OK ? db_column_int(rows, 0) : 0;
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

struct asking {
    int64_t owner_id, number;
};

static enum result begin_snapshot(struct replica *replica, struct db **out)
{
    enum result result = pool_begin(&replica->pool, out);
    if (result != RESULT_OK && *out)
        pool_give(&replica->pool, *out);
    return result;
}

enum result store_ping_standby(struct store *store)
{
    struct replica *replica = &store->replica;
    struct db *db;
    int64_t number;
    if (!replica->is_there)
        return RESULT_NOT_FOUND;
    enum result result = begin_snapshot(replica, &db);
    if (result != RESULT_OK)
        return RESULT_FAILED;
    result = read_number(db, 0, &number); /* of nobody: whether it can be read at all */
    store_read_end(store, db);
    return result == RESULT_OK ? RESULT_OK : RESULT_FAILED;
}

static enum result ask(struct db *db, void *context)
{
    struct asking *asking = context;
    return read_number(db, asking->owner_id, &asking->number);
}

/* ---- lists ---- */

static void rest(struct replica *replica)
{
    int64_t now = monotonic_ms();
    if (atomic_exchange(&replica->rests_until_ms, now + REST_MS + (int64_t)(random_u64() % REST_SPREAD_MS)) == 0)
        log_warning("standby-away", "words=\"lists are read from the main database meanwhile\"");
    atomic_fetch_add(&replica->failures, 1);
}

/* A snapshot of the standby that shows all that the owner wrote. */
static enum result begin_on_standby(struct store *store, int64_t owner_id, struct db **out)
{
    struct replica *replica = &store->replica;
    struct asking asking = {.owner_id = owner_id};
    int64_t number = 0;
    if (store_read(store, ask, &asking) != RESULT_OK)
        return RESULT_FAILED;
    enum result result = begin_snapshot(replica, out);
    if (result != RESULT_OK) {
        rest(replica);
        return RESULT_FAILED;
    }
    result = read_number(*out, owner_id, &number);
    if (result == RESULT_OK && number >= asking.number)
        return RESULT_OK;
    store_read_end(store, *out);
    if (result == RESULT_OK)
        atomic_fetch_add(&replica->behind, 1);
    else
        rest(replica);
    return RESULT_FAILED;
}

/* FAILED: nothing was read, or not to the end. */
static enum result list_on_standby(struct store *store, int64_t owner_id, db_body *body, void *context)
{
    struct replica *replica = &store->replica;
    struct db *db;
    if (begin_on_standby(store, owner_id, &db) != RESULT_OK)
        return RESULT_FAILED;
    enum result result = body(db, context);
    store_read_end(store, db);
    if (result == RESULT_BUSY) { /* it took away what was being read, since it must keep up */
        atomic_fetch_add(&replica->failures, 1);
        return RESULT_FAILED;
    }
    if (result == RESULT_FAILED) {
        rest(replica);
        return RESULT_FAILED;
    }
    if (atomic_exchange(&replica->rests_until_ms, 0))
        log_info("standby-again", "words=\"lists are read from it\"");
    atomic_fetch_add(&replica->reads, 1);
    return result;
}

enum result store_list(struct store *store, int64_t owner_id, db_body *body, void *context)
{
    struct replica *replica = &store->replica;
    enum result result = RESULT_FAILED;
    if (replica->is_there && monotonic_ms() >= atomic_load(&replica->rests_until_ms))
        result = list_on_standby(store, owner_id, body, context);
    return result == RESULT_FAILED ? store_read(store, body, context) : result;
}

void replica_figures(struct replica *replica, struct store_figures *out)
{
    out->standby_reads = atomic_load(&replica->reads);
    out->standby_behind = atomic_load(&replica->behind);
    out->standby_failures = atomic_load(&replica->failures);
}
