/* See copy_keys.h. */
#include "server/store/copy_keys.h"

struct foreign_key {
    const char *table, *name, *words;
};

enum result copy_keys_wait_long(struct db *db)
{
    if (!db_is_postgres(db))
        return RESULT_OK;
    enum result result = db_run(db, "SET LOCAL statement_timeout = 0", NULL, 0);
    return result == RESULT_OK ? db_run(db, "SET LOCAL idle_in_transaction_session_timeout = 0", NULL, 0) : result;
}

/* Not as a prepared statement: SQLite does it while it compiles. */
enum result copy_keys_off(struct db *db)
{
    return db_is_postgres(db) ? RESULT_OK : db->driver->script(db, "PRAGMA foreign_keys=OFF");
}

static enum result read_keys(struct db *db, const char *sql, struct arena *arena, struct foreign_key **out,
                             size_t *count)
{
    struct db_rows *rows;
    size_t room = 0;
    *out = NULL;
    *count = 0;
    enum result result = db_query(db, sql, NULL, 0, &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK) {
        *out = db_rows_grow(arena, *out, *count, &room, sizeof **out);
        (*out)[(*count)++] = (struct foreign_key){db_column_text(rows, 0, arena), db_column_text(rows, 1, arena),
                                                  db_column_text(rows, 2, arena)};
    }
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

static enum result set_aside(struct db *db, struct arena *arena)
{
    struct foreign_key *keys;
    size_t count;
    enum result result =
        read_keys(db,
                  "SELECT CAST(c.relname AS TEXT), CAST(k.conname AS TEXT), pg_get_constraintdef(k.oid) "
                  "FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid JOIN pg_namespace AS n ON n.oid = "
                  "c.relnamespace WHERE k.contype = 'f' AND k.conparentid = 0 AND n.nspname = current_schema()",
                  arena, &keys, &count);
    for (size_t i = 0; i < count && result == RESULT_OK; i++) {
        result = db_run(db, "INSERT INTO copy_keys (table_name, key_name, words) VALUES ($1, $2, $3)",
                        DB_ARGS(db_text(keys[i].table), db_text(keys[i].name), db_text(keys[i].words)));
        if (result == RESULT_OK)
            result = db->driver->script(
                db, arena_printf(arena, "ALTER TABLE \"%s\" DROP CONSTRAINT \"%s\"", keys[i].table, keys[i].name));
    }
    return result;
}

enum result copy_keys_aside(struct db *db)
{
    struct arena arena;
    arena_init(&arena);
    enum result result = db_is_postgres(db) ? set_aside(db, &arena) : RESULT_OK;
    arena_free(&arena);
    return result;
}

/* The engine proves each as it is added. */
static enum result put_back(struct db *db, struct arena *arena)
{
    struct foreign_key *keys;
    size_t count;
    enum result result = read_keys(db, "SELECT table_name, key_name, words FROM copy_keys", arena, &keys, &count);
    for (size_t i = 0; i < count && result == RESULT_OK; i++)
        result = db->driver->script(db, arena_printf(arena, "ALTER TABLE \"%s\" ADD CONSTRAINT \"%s\" %s",
                                                     keys[i].table, keys[i].name, keys[i].words));
    if (result == RESULT_CONFLICT)
        return RESULT_INVALID;
    return result == RESULT_OK ? db_run(db, "DELETE FROM copy_keys", NULL, 0) : result;
}

static enum result prove_keys(struct db *db)
{
    struct db_rows *rows;
    enum result result = db_one(db, "SELECT count(*) FROM pragma_foreign_key_check", NULL, 0, &rows);
    if (result != RESULT_OK)
        return result;
    result = db_column_int(rows, 0) ? RESULT_INVALID : RESULT_OK;
    db_finish(&rows);
    return result;
}

enum result copy_keys_back(struct db *db)
{
    struct arena arena;
    arena_init(&arena);
    enum result result = db_is_postgres(db) ? put_back(db, &arena) : prove_keys(db);
    arena_free(&arena);
    return result;
}
