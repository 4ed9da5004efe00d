/* See changes.h. On an engine that several processes share, each change is a row with the next number, written at the end of the
 * transaction that caused it, and a word to those who listen. The number is drawn from one row, whose hold ends with the
 * transaction: so numbers are seen in their order, and who has read up to one has missed none below it, however long another
 * took to commit. The rows are swept some minutes later (upkeep.c); whoever finds one missing forgets everything. */
#include "server/store/changes.h"

#include <string.h>
#include "server/ids.h"
#include "server/store/changes_inside.h"
#include "server/store/internal.h"
#include "server/store/outbox.h"

enum { MARK_OF_ALL = 0 };

void change_note(struct store *store, enum change_kind kind, int64_t subject)
{
    if (!store) /* after a restore: nobody has read it yet */
        return;
    if (kind == CHANGE_WEBHOOKS)
        outbox_forget_wants(store);
    for (size_t i = 0; i < store->noted_count; i++)
        if (store->noted[i].kind == kind && store->noted[i].subject == subject)
            return;
    if (store->noted_count == CHANGES_NOTED_MAX)
        store->noted[store->noted_count = 0] = (struct change){CHANGE_ALL, 0};
    else
        store->noted[store->noted_count] = (struct change){kind, subject};
    store->noted_count++;
}

/* ---- in the transaction ---- */

static enum result next_number(struct db *db, int64_t *out)
{
    struct db_rows *rows;
    enum result result = db_one(db, "UPDATE change_marks SET seq = seq + 1 WHERE kind = $1 RETURNING seq",
                                DB_ARGS(DB_INT(MARK_OF_ALL)), &rows);
    if (result == RESULT_OK)
        *out = db_column_int(rows, 0);
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_FAILED : result;
}

static enum result write_change(struct db *db, const struct change *change, int64_t now_ms)
{
    int64_t seq;
    enum result result = next_number(db, &seq);
    if (result == RESULT_OK)
        result = db_run(db, "INSERT INTO changes (seq, at_ms, kind, subject) VALUES ($1, $2, $3, $4)",
                        DB_ARGS(DB_INT(seq), DB_INT(now_ms), DB_INT(change->kind), DB_INT(change->subject)));
    if (result != RESULT_OK || change->kind == CHANGE_ALL)
        return result;
    return db_run(db,
                  "INSERT INTO change_marks (kind, seq) VALUES ($1, $2) ON CONFLICT (kind) DO UPDATE SET "
                  "seq = excluded.seq",
                  DB_ARGS(DB_INT(change->kind), DB_INT(seq)));
}

static enum result tell_others(struct store *store, struct db *db)
{
    enum result result = RESULT_OK;
    if (!store->driver->shared)
        return RESULT_OK;
    int64_t now = now_ms();
    for (size_t i = 0; i < store->noted_count && result == RESULT_OK; i++)
        result = write_change(db, &store->noted[i], now);
    if (result == RESULT_OK && store->noted_count)
        result = store->driver->notify(db, WORD_CHANGES);
    if (result == RESULT_OK && store->outbox_filled)
        result = store->driver->notify(db, WORD_OUTBOX);
    return result;
}

enum result changes_write(struct db *db, void *context)
{
    const struct writing *writing = context;
    struct store *store = writing->store;
    store->outbox_filled = store->wants_checked = false;
    store->noted_count = 0;
    memset(store->ended, 0, sizeof store->ended);
    enum result result = writing->body(db, writing->context);
    if (result == RESULT_OK && writing->once.key)
        result = once_mark(db, &writing->once);
    return result == RESULT_OK ? tell_others(store, db) : result;
}

/* ---- after it ---- */

void changes_tell(struct store *store, const struct change *changes, size_t count, bool outbox_filled)
{
    pthread_mutex_lock(&store->tell_lock);
    for (size_t i = 0; i < count && store->tell_change; i++)
        store->tell_change(store->change_context, &changes[i]);
    if (outbox_filled && store->wake_outbox)
        store->wake_outbox(store->wake_context);
    pthread_mutex_unlock(&store->tell_lock);
}

void store_on_change(struct store *store, void (*tell)(void *context, const struct change *change), void *context)
{
    pthread_mutex_lock(&store->tell_lock);
    store->tell_change = tell;
    store->change_context = context;
    pthread_mutex_unlock(&store->tell_lock);
}

void store_on_day(struct store *store,
                  void (*tell)(void *context, int64_t day, const unsigned char salt[DAY_SALT_SIZE]), void *context)
{
    pthread_mutex_lock(&store->tell_lock);
    store->tell_day = tell;
    store->day_context = context;
    pthread_mutex_unlock(&store->tell_lock);
}

void store_on_outbox(struct store *store, void (*wake)(void *context), void *context)
{
    pthread_mutex_lock(&store->tell_lock);
    store->wake_outbox = wake;
    store->wake_context = context;
    pthread_mutex_unlock(&store->tell_lock);
}

/* ---- for those who read ---- */

enum result changes_mark(struct db *db, enum change_kind kind, int64_t *out)
{
    struct db_rows *rows;
    *out = 0;
    enum result result = db_one(db, "SELECT seq FROM change_marks WHERE kind = $1", DB_ARGS(DB_INT(kind)), &rows);
    if (result == RESULT_OK)
        *out = db_column_int(rows, 0);
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

enum result changes_read(struct db *db, int64_t after, int64_t *mark, struct change *out, size_t max, size_t *count)
{
    struct db_rows *rows;
    *count = 0;
    enum result result = changes_mark(db, CHANGE_ALL, mark);
    if (result != RESULT_OK || *mark == after)
        return result;
    result = db_query(db, "SELECT kind, subject FROM changes WHERE seq > $1 ORDER BY seq LIMIT $2",
                      DB_ARGS(DB_INT(after), DB_INT((int64_t)max)), &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK)
        out[(*count)++] =
            (struct change){.kind = (enum change_kind)db_column_int(rows, 0), .subject = db_column_int(rows, 1)};
    db_finish(&rows);
    if (result != RESULT_NOT_FOUND)
        return result;
    if ((int64_t)*count != *mark - after) { /* swept, too many, or a database that was put back */
        out[0] = (struct change){CHANGE_ALL, 0};
        *count = 1;
    }
    return RESULT_OK;
}
