/* The SQLite driver's statements: prepared once a connection, kept by the address of their text, and run without a single
 * allocation, because a query on the path of a page may cost microseconds and no more. */
#include "server/store/db_sqlite.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PARAMETERS_MAX = 64,
    STATEMENTS_MAX = 512 /* kept a connection; beyond them statements are prepared for one use */
};

/* A prepared statement and, while it runs, its rows. */
struct statement {
    struct db_rows rows; /* first: what callers hold */
    const char *key;     /* the address its text had */
    sqlite3_stmt *handle;
    bool open; /* between query and finish */
    bool single_use;
    bool stepped_out; /* ran to its end: a further step would run it again */
    int parameters;
    unsigned char argument_of[PARAMETERS_MAX]; /* parameter i + 1 of the engine is $argument_of[i] of the text */
};

static void statement_free(struct statement *statement)
{
    sqlite3_finalize(statement->handle);
    free(statement);
}

void db_sqlite_drop_statements(struct connection *connection)
{
    for (size_t i = 0; i < connection->slot_count; i++)
        if (connection->slots[i])
            statement_free(connection->slots[i]);
    free(connection->slots);
}

static size_t slot_of(const struct connection *connection, const char *key)
{
    uint64_t hash = (uint64_t)(uintptr_t)key * 0x9e3779b97f4a7c15u;
    size_t mask = connection->slot_count - 1;
    size_t at = (size_t)(hash >> 32) & mask;
    while (connection->slots[at] && connection->slots[at]->key != key)
        at = (at + 1) & mask;
    return at;
}

static void grow_slots(struct connection *connection)
{
    size_t old_count = connection->slot_count;
    struct statement **old = connection->slots;
    connection->slot_count = old_count ? old_count * 2 : 32;
    connection->slots = calloc(connection->slot_count, sizeof(struct statement *));
    if (!connection->slots)
        abort();
    for (size_t i = 0; i < old_count; i++)
        if (old[i])
            connection->slots[slot_of(connection, old[i]->key)] = old[i];
    free(old);
}

/* $1 is a name to SQLite, so the order of its parameters is that of their first mention: looked up once. */
static void map_parameters(struct statement *statement)
{
    statement->parameters = sqlite3_bind_parameter_count(statement->handle);
    assert(statement->parameters <= PARAMETERS_MAX);
    for (int i = 0; i < statement->parameters; i++) {
        const char *name = sqlite3_bind_parameter_name(statement->handle, i + 1);
        assert(name && name[0] == '$');
        long number = strtol(name + 1, NULL, 10);
        assert(number >= 1 && number <= PARAMETERS_MAX);
        statement->argument_of[i] = (unsigned char)number;
    }
}

static int prepare(struct connection *connection, struct statement *statement, const char *sql)
{
    unsigned flags = statement->single_use ? 0 : SQLITE_PREPARE_PERSISTENT;
    int code = sqlite3_prepare_v3(connection->handle, sql, -1, flags, &statement->handle, NULL);
    if (code != SQLITE_OK)
        return code;
    assert(statement->handle); /* empty text */
    map_parameters(statement);
    return SQLITE_OK;
}

static struct statement *statement_new(struct connection *connection, const char *key)
{
    struct statement *statement = calloc(1, sizeof *statement);
    if (!statement)
        abort();
    statement->rows.db = &connection->db;
    statement->key = key;
    return statement;
}

/* The statement kept under KEY, prepared from SQL if it is new or the address now holds another text. One that is in use
 * already (a query inside the rows of the same query) gets a twin for this one time. */
static int find_statement(struct connection *connection, const char *key, const char *sql, struct statement **out)
{
    *out = NULL;
    if (connection->statement_count * 2 >= connection->slot_count)
        grow_slots(connection);
    size_t at = slot_of(connection, key);
    struct statement *known = connection->slots[at];
    if (known && !known->open) {
        if (strcmp(sqlite3_sql(known->handle), sql) == 0) {
            *out = known;
            return SQLITE_OK;
        }
        sqlite3_stmt *old = known->handle;
        int code = prepare(connection, known, sql);
        if (code != SQLITE_OK) {
            known->handle = old;
            return code;
        }
        sqlite3_finalize(old);
        *out = known;
        return SQLITE_OK;
    }
    struct statement *statement = statement_new(connection, key);
    statement->single_use = known || connection->statement_count >= STATEMENTS_MAX;
    int code = prepare(connection, statement, sql);
    if (code != SQLITE_OK) {
        statement_free(statement);
        return code;
    }
    if (!statement->single_use) {
        connection->slots[at] = statement;
        connection->statement_count++;
    }
    *out = statement;
    return SQLITE_OK;
}

static int bind(sqlite3_stmt *handle, int parameter, const struct db_value *value)
{
    /* A NULL pointer would bind NULL: empty text and blobs point somewhere. */
    const void *bytes = value->bytes ? value->bytes : "";
    switch (value->type) {
    case DB_INTEGER:
        return sqlite3_bind_int64(handle, parameter, value->integer);
    case DB_TEXT:
        return sqlite3_bind_text64(handle, parameter, bytes, value->len, SQLITE_STATIC, SQLITE_UTF8);
    case DB_BLOB:
        return sqlite3_bind_blob64(handle, parameter, bytes, value->len, SQLITE_STATIC);
    case DB_NULL:
        break;
    }
    return sqlite3_bind_null(handle, parameter);
}

void db_sqlite_finish(struct db_rows **rows)
{
    struct statement *statement = (struct statement *)*rows;
    *rows = NULL;
    if (!statement)
        return;
    if (statement->single_use) {
        statement_free(statement);
        return;
    }
    sqlite3_reset(statement->handle);
    sqlite3_clear_bindings(statement->handle);
    statement->open = false;
}

enum result db_sqlite_query(struct db *db, const char *sql, const struct db_value *args, int arg_count,
                            struct db_rows **out)
{
    struct connection *connection = (struct connection *)db;
    *out = NULL;
    struct statement *statement;
    int code = find_statement(connection, sql, sql, &statement);
    if (code != SQLITE_OK)
        return db_sqlite_fail(connection, code, "prepare");
    statement->open = true;
    statement->stepped_out = false;
    for (int i = 0; i < statement->parameters && code == SQLITE_OK; i++) {
        assert(statement->argument_of[i] <= arg_count);
        code = bind(statement->handle, i + 1, &args[statement->argument_of[i] - 1]);
    }
    *out = &statement->rows;
    if (code == SQLITE_OK)
        return RESULT_OK;
    db_sqlite_finish(out);
    return db_sqlite_fail(connection, code, "bind");
}

enum result db_sqlite_next(struct db_rows *rows)
{
    struct statement *statement = (struct statement *)rows;
    assert(statement->open);
    if (statement->stepped_out)
        return RESULT_NOT_FOUND;
    int code = sqlite3_step(statement->handle);
    if (code == SQLITE_ROW)
        return RESULT_OK;
    statement->stepped_out = true;
    return code == SQLITE_DONE ? RESULT_NOT_FOUND : db_sqlite_fail((struct connection *)rows->db, code, "step");
}

int64_t db_sqlite_integer(const struct db_rows *rows, int column)
{
    return sqlite3_column_int64(((const struct statement *)rows)->handle, column);
}

const void *db_sqlite_bytes(const struct db_rows *rows, int column, size_t *len)
{
    sqlite3_stmt *handle = ((const struct statement *)rows)->handle;
    int type = sqlite3_column_type(handle, column);
    *len = 0;
    if (type == SQLITE_NULL)
        return NULL;
    const void *at = type == SQLITE_BLOB ? sqlite3_column_blob(handle, column) : sqlite3_column_text(handle, column);
    *len = (size_t)sqlite3_column_bytes(handle, column);
    return at ? at : ""; /* an empty blob has no address */
}

static int append_text(struct connection *connection, const char *insert, int column_count, struct statement **out)
{
    char sql[4096];
    int head = (int)db_append_place(insert), len = snprintf(sql, sizeof sql, "%.*s VALUES (", head, insert);
    for (int i = 1; i <= column_count; i++) {
        assert((size_t)len + 8 < sizeof sql);
        len += snprintf(sql + len, sizeof sql - (size_t)len, "$%d%s", i, i == column_count ? ")" : ", ");
    }
    assert((size_t)len + strlen(insert + head) < sizeof sql);
    snprintf(sql + len, sizeof sql - (size_t)len, "%s", insert + head);
    return find_statement(connection, insert, sql, out);
}

enum result db_sqlite_append(struct db *db, const char *insert, const struct db_value *values, int column_count,
                             int row_count)
{
    struct connection *connection = (struct connection *)db;
    struct statement *statement;
    int code = append_text(connection, insert, column_count, &statement);
    if (code != SQLITE_OK)
        return db_sqlite_fail(connection, code, "prepare");
    sqlite3_stmt *handle = statement->handle;
    statement->open = true;
    for (int row = 0; row < row_count && code == SQLITE_OK; row++, values += column_count) {
        for (int i = 0; i < column_count && code == SQLITE_OK; i++)
            code = bind(handle, i + 1, &values[i]);
        if (code != SQLITE_OK)
            break;
        code = sqlite3_step(handle);
        if (code == SQLITE_DONE)
            code = SQLITE_OK;
        if (code == SQLITE_OK)
            sqlite3_reset(handle);
    }
    enum result result = code == SQLITE_OK ? RESULT_OK : db_sqlite_fail(connection, code, "append");
    struct db_rows *rows = &statement->rows;
    db_sqlite_finish(&rows);
    return result;
}
