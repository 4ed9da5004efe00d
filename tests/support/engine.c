/* See engine.h. */
#include "tests/support/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "server/ids.h"

#define SCHEMA "options=-csearch_path%3D"

static const char *database(void)
{
    const char *url = getenv("MEISHI_TEST_STORE");
    return url && *url ? url : NULL;
}

bool engine_is_sqlite(void)
{
    return !database();
}

const struct db_driver *engine_driver(void)
{
    return engine_is_sqlite() ? &db_sqlite : &db_postgres;
}

static void run(const char *sql)
{
    struct db *db;
    if (db_postgres.open(database(), DB_MAIN, DB_WRITE, &db) != RESULT_OK || db_postgres.script(db, sql) != RESULT_OK) {
        fprintf(stderr, "engine: %s failed\n", sql);
        abort();
    }
    db_postgres.close(db);
}

void engine_url(const char *path, char out[ENGINE_URL_SIZE])
{
    if (engine_is_sqlite()) {
        snprintf(out, ENGINE_URL_SIZE, "sqlite:%s", path);
        return;
    }
    char schema[32], sql[64];
    snprintf(schema, sizeof schema, "t%016llx", (unsigned long long)random_u64());
    snprintf(sql, sizeof sql, "CREATE SCHEMA %s", schema);
    run(sql);
    char joint = strchr(database(), '?') ? '&' : '?';
    int len = snprintf(out, ENGINE_URL_SIZE, "%s%capplication_name=%s&%s%s", database(), joint, schema, SCHEMA, schema);
    if (len >= ENGINE_URL_SIZE)
        abort();
}

void engine_drop(const char *url)
{
    char sql[96];
    const char *schema = strstr(url, SCHEMA);
    if (engine_is_sqlite() || !schema)
        return;
    snprintf(sql, sizeof sql, "DROP SCHEMA %s CASCADE", schema + strlen(SCHEMA));
    run(sql);
}

static void must(enum result result, const char *what)
{
    if (result == RESULT_OK)
        return;
    fprintf(stderr, "engine: %s answered %d\n", what, result);
    abort();
}

bool engine_has_table(struct db *db, const char *name)
{
    struct db_rows *rows;
    const char *sql = engine_is_sqlite()
                          ? "SELECT 1 FROM sqlite_master WHERE name = $1"
                          : "SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND tablename = $1";
    enum result result = db_one(db, sql, DB_ARGS(db_text(name)), &rows);
    db_finish(&rows);
    if (result != RESULT_NOT_FOUND)
        must(result, "has_table");
    return result == RESULT_OK;
}

/* A query that makes each row of the table one text. */
static const char *row_as_text(struct db *db, const char *table, struct arena *arena)
{
    struct db_rows *rows;
    const char *columns = NULL;
    if (!engine_is_sqlite())
        return arena_printf(arena, "SELECT CAST(t AS TEXT) FROM \"%s\" AS t ORDER BY 1", table);
    must(db_query(db, "SELECT name FROM pragma_table_info($1)", DB_ARGS(db_text(table)), &rows), "columns");
    while (db_next(rows) == RESULT_OK) {
        const char *name = db_column_text(rows, 0, arena);
        columns = columns ? arena_printf(arena, "%s || ',' || quote(\"%s\")", columns, name)
                          : arena_printf(arena, "quote(\"%s\")", name);
    }
    db_finish(&rows);
    return arena_printf(arena, "SELECT %s FROM \"%s\" ORDER BY 1", columns, table);
}

void engine_read_all(struct db *db, void (*tell)(void *context, const char *table, const char *row, size_t len),
                     void *context)
{
    struct db_rows *tables, *rows;
    struct arena arena;
    const char *sql =
        engine_is_sqlite()
            ? "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
            : "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename";
    arena_init(&arena);
    must(db_query(db, sql, NULL, 0, &tables), "tables");
    while (db_next(tables) == RESULT_OK) {
        const char *table = db_column_text(tables, 0, &arena);
        must(db_query(db, row_as_text(db, table, &arena), NULL, 0, &rows), table);
        while (db_next(rows) == RESULT_OK) {
            size_t len;
            const char *row = db_column_bytes(rows, 0, &len);
            tell(context, table, row, len);
        }
        db_finish(&rows);
    }
    db_finish(&tables);
    arena_free(&arena);
}
