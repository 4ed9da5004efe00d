/* See check_tables.h. A page of a PostgreSQL table is looked at by the server when it is read from the disk, so reading all of
 * them is what makes its count of failed checksums worth asking for. */
#include "server/store/check_tables.h"

#include "cards/base/str.h"
#include "server/store/copy_tables.h"

static const char LINKS_SQLITE[] =
    "SELECT \"table\", count(*) FROM pragma_foreign_key_check GROUP BY \"table\" ORDER BY \"table\"";

/* For each foreign key a query that counts the rows whose other is not there. */
static const char LINKS_POSTGRES[] =
    "SELECT CAST(c.relname AS TEXT), format('SELECT count(*) FROM %I AS c WHERE %s AND NOT EXISTS (SELECT 1 FROM %I AS p "
    "WHERE %s)', c.relname, string_agg(format('c.%I IS NOT NULL', a.attname), ' AND '), p.relname, "
    "string_agg(format('p.%I = c.%I', b.attname, a.attname), ' AND ')) FROM pg_constraint AS k "
    "JOIN pg_class AS c ON c.oid = k.conrelid JOIN pg_class AS p ON p.oid = k.confrelid "
    "JOIN pg_namespace AS n ON n.oid = c.relnamespace CROSS JOIN LATERAL unnest(k.conkey, k.confkey) AS u (child, parent) "
    "JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = u.child "
    "JOIN pg_attribute AS b ON b.attrelid = k.confrelid AND b.attnum = u.parent "
    "WHERE k.contype = 'f' AND k.conparentid = 0 AND n.nspname = current_schema() "
    "GROUP BY k.oid, c.relname, p.relname ORDER BY c.relname, k.oid";

struct checking {
    struct arena *arena;
    struct complaints *complaints;
};

static void complain_of_links(struct checking *checking, const char *table, int64_t count)
{
    if (count)
        complaints_add(checking->complaints, "store",
                       arena_printf(checking->arena, "%lld rows of %s refer to others that are not there.",
                                    (long long)count, table));
}

static enum result count_rows(struct db *db, const char *sql, int64_t *out)
{
    struct db_rows *rows;
    enum result result = db_one(db, sql, NULL, 0, &rows);
    *out = result == RESULT_OK ? db_column_int(rows, 0) : 0;
    db_finish(&rows);
    return result;
}

static enum result check_links(struct db *db, struct checking *checking)
{
    struct db_rows *rows;
    enum result result = db_query(db, db->driver->shared ? LINKS_POSTGRES : LINKS_SQLITE, NULL, 0, &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK) {
        const char *table = db_column_text(rows, 0, checking->arena);
        int64_t count = 0;
        if (db->driver->shared)
            result = count_rows(db, db_column_text(rows, 1, checking->arena), &count);
        else
            count = db_column_int(rows, 1);
        complain_of_links(checking, table, count);
    }
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

static enum result set(struct db *db, const char *const settings[], size_t count)
{
    enum result result = RESULT_OK;
    for (size_t i = 0; i < count && result == RESULT_OK; i++)
        result = db_run(db, settings[i], NULL, 0);
    return result;
}

/* The order makes the server walk the index of the key, where it may not walk the table. */
static const char *key_walk(const struct copy_table *table, struct arena *arena)
{
    enum { SQL_MAX = 2048 };
    struct str sql;
    str_init(&sql, arena, SQL_MAX);
    for (int i = 0; i < table->key_count; i++)
        str_addf(&sql, "%s%s", i ? ", " : "", table->columns[table->key[i]].read);
    return arena_printf(arena, "SELECT count(*) FROM (SELECT %s FROM \"%s\" ORDER BY %s OFFSET 0) AS walk", sql.data,
                        table->name, sql.data);
}

static enum result check_keys(struct db *db, struct checking *checking, const struct copy_tables *tables)
{
    static const char *const BY_TABLE[] = {"SET LOCAL enable_indexscan = off", "SET LOCAL enable_indexonlyscan = off",
                                           "SET LOCAL enable_bitmapscan = off"};
    static const char *const BY_KEY[] = {"SET LOCAL enable_seqscan = off", "SET LOCAL enable_indexscan = on",
                                         "SET LOCAL enable_indexonlyscan = on"};
    int64_t *counts = arena_alloc(checking->arena, (tables->count + 1) * sizeof *counts);
    enum result result = set(db, BY_TABLE, sizeof BY_TABLE / sizeof *BY_TABLE);
    for (size_t i = 0; i < tables->count && result == RESULT_OK; i++)
        result = count_rows(db, tables->list[i].count_rows, &counts[i]);
    if (result == RESULT_OK)
        result = set(db, BY_KEY, sizeof BY_KEY / sizeof *BY_KEY);
    for (size_t i = 0; i < tables->count && result == RESULT_OK; i++) {
        int64_t count;
        result = count_rows(db, key_walk(&tables->list[i], checking->arena), &count);
        if (result == RESULT_OK && count != counts[i])
            complaints_add(
                checking->complaints, "store",
                arena_printf(checking->arena,
                             "The table %s has %lld rows and the index of its key %lld: REINDEX it, or put a "
                             "backup in its place with meishi restore FILE.",
                             tables->list[i].name, (long long)counts[i], (long long)count));
    }
    return result;
}

enum result check_tables(struct db *db, struct arena *arena, struct complaints *complaints)
{
    struct checking checking = {arena, complaints};
    struct copy_tables tables;
    const char *why;
    enum result result = db->driver->begin(db);
    if (result != RESULT_OK)
        return result;
    result = check_links(db, &checking);
    if (result == RESULT_OK && db->driver->shared) {
        result = copy_tables_read(db, arena, &tables, &why);
        if (result == RESULT_OK)
            result = check_keys(db, &checking, &tables);
        else if (result == RESULT_INVALID)
            complaints_add(complaints, "store", why);
    }
    enum result ended = db->driver->end(db, false);
    (void)ended; /* it only read */
    return result == RESULT_OK || result == RESULT_INVALID ? RESULT_OK : RESULT_FAILED;
}
