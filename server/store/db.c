/* What every engine shares: finding the driver, the sugar, and the one way a transaction is run. Knows no SQL. */
#include "server/store/db.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>
#include "server/ids.h"
#include "server/log.h"

enum { BUSY_TRIES = 5, BUSY_PAUSE_US = 5000 };

struct db_value db_text(const char *text)
{
    if (!text)
        return (struct db_value){.type = DB_NULL};
    return (struct db_value){.type = DB_TEXT, .bytes = text, .len = strlen(text)};
}

struct db_value db_blob(const void *bytes, size_t len)
{
    if (!bytes)
        return (struct db_value){.type = DB_NULL};
    return (struct db_value){.type = DB_BLOB, .bytes = bytes, .len = len};
}

struct db_value db_int_or_null(int64_t number)
{
    return number ? DB_INT(number) : (struct db_value){.type = DB_NULL};
}

const struct db_driver *db_driver_of(const char *url)
{
    static const struct {
        const char *start;
        const struct db_driver *driver;
    } engines[] = {{"sqlite:", &db_sqlite}, {"postgres://", &db_postgres}, {"postgresql://", &db_postgres}};
    for (size_t i = 0; i < sizeof engines / sizeof *engines; i++)
        if (strncmp(url, engines[i].start, strlen(engines[i].start)) == 0)
            return engines[i].driver;
    return NULL;
}

bool db_is_postgres(const struct db *db)
{
    return strcmp(db->driver->scheme, "postgres") == 0;
}

enum result db_query(struct db *db, const char *sql, const struct db_value *args, int arg_count, struct db_rows **out)
{
    *out = NULL;
    return db->driver->query(db, sql, args, arg_count, out);
}

enum result db_next(struct db_rows *rows)
{
    return rows->db->driver->next(rows);
}

void db_finish(struct db_rows **rows)
{
    if (*rows)
        (*rows)->db->driver->finish(rows);
}

int64_t db_changes(const struct db *db)
{
    return db->driver->changes(db);
}

int64_t db_column_int(const struct db_rows *rows, int column)
{
    return rows->db->driver->integer(rows, column);
}

const void *db_column_bytes(const struct db_rows *rows, int column, size_t *len)
{
    return rows->db->driver->bytes(rows, column, len);
}

const char *db_column_text(const struct db_rows *rows, int column, struct arena *arena)
{
    size_t len;
    const void *bytes = rows->db->driver->bytes(rows, column, &len);
    return bytes ? arena_strndup(arena, bytes, len) : NULL;
}

size_t db_append_place(const char *insert)
{
    const char *conflict = strstr(insert, " ON CONFLICT ");
    return conflict ? (size_t)(conflict - insert) : strlen(insert);
}

enum result db_run(struct db *db, const char *sql, const struct db_value *args, int arg_count)
{
    struct db_rows *rows;
    enum result result = db_query(db, sql, args, arg_count, &rows);
    while (result == RESULT_OK)
        result = db_next(rows);
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

enum result db_one(struct db *db, const char *sql, const struct db_value *args, int arg_count, struct db_rows **out)
{
    enum result result = db_query(db, sql, args, arg_count, out);
    if (result == RESULT_OK)
        result = db_next(*out);
    if (result != RESULT_OK)
        db_finish(out);
    return result;
}

void *db_rows_grow(struct arena *arena, void *array, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return array;
    *room = *room ? *room * 2 : 16;
    void *wider = arena_alloc_raw(arena, *room * size);
    if (count)
        memcpy(wider, array, count * size);
    return wider;
}

enum result db_attempt(struct db *db, db_body *body, void *context)
{
    enum result result = db_run(db, "SAVEPOINT attempt", NULL, 0);
    if (result != RESULT_OK)
        return result;
    result = body(db, context);
    if (result == RESULT_FAILED || result == RESULT_BUSY)
        return result;
    enum result ended = result == RESULT_OK ? RESULT_OK : db_run(db, "ROLLBACK TO attempt", NULL, 0);
    if (ended == RESULT_OK)
        ended = db_run(db, "RELEASE attempt", NULL, 0);
    return ended == RESULT_OK ? result : ended;
}

static enum result try_once(struct db *db, db_body *body, void *context)
{
    enum result result = db->driver->begin(db);
    if (result != RESULT_OK)
        return result;
    result = body(db, context);
    if (result == RESULT_OK)
        return db->driver->end(db, true);
    /* What the body said is the answer; a rollback that fails has nothing to undo. */
    enum result ended = db->driver->end(db, false);
    (void)ended;
    return result;
}

enum result db_transaction(struct db *db, const char *name, db_body *body, void *context)
{
    assert(body);
    for (int attempt = 1;; attempt++) {
        enum result result = try_once(db, body, context);
        if (result != RESULT_BUSY)
            return result;
        if (attempt == BUSY_TRIES)
            break;
        /* Two that met once should not meet again: between a half and one and a half pauses, longer each time. */
        usleep((useconds_t)((uint64_t)attempt * (BUSY_PAUSE_US / 2 + random_u64() % BUSY_PAUSE_US)));
    }
    log_error("db-busy", "verb=%s tries=%d", name, BUSY_TRIES);
    return RESULT_FAILED;
}
