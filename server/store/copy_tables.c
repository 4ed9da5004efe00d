/* See copy_tables.h. What differs by engine is here: how its catalogue is asked, and the table for finding words, which on
 * SQLite is a virtual one that has no key but the lead's number. */
#include "server/store/copy_tables.h"

#include <endian.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include "cards/base/str.h"

enum { SQL_MAX = 16384, PAGE_BYTES = 1 << 20, PAGE_ROWS = 2048 };

/* Each store's own account of itself; the inbox with what is known of it, which is empty when a copy begins; what servers tell
 * each other and forget within a day. */
static const char *const NOT_COPIED[] = {"schema_version", "schema_beside", "copy_progress", "copy_keys", "hit_inbox",
                                         "fold_mark",      "changes",       "change_marks",  "tallies",   "day_salts"};

/* ---- what the catalogue says ---- */

static const char SQLITE_TABLES[] = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND "
                                    "substr(name, 1, 7) <> 'sqlite_' ORDER BY name";
static const char SQLITE_COLUMNS[] = "SELECT name, type, 1 - \"notnull\", pk FROM pragma_table_info($1) ORDER BY name";

/* Of a table in parts, the parts. */
static const char POSTGRES_TABLES[] =
    "SELECT CAST(c.relname AS TEXT) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
    "WHERE n.nspname = current_schema() AND c.relkind = 'r' ORDER BY c.relname";
static const char POSTGRES_COLUMNS[] =
    "SELECT CAST(a.attname AS TEXT), format_type(a.atttypid, NULL), CASE WHEN a.attnotnull THEN 0 ELSE 1 END, "
    "coalesce((SELECT array_position(CAST(i.indkey AS int2[]), a.attnum) + 1 FROM pg_index AS i "
    "WHERE i.indrelid = c.oid AND i.indisprimary), 0) "
    "FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_attribute AS a ON a.attrelid = c.oid "
    "WHERE n.nspname = current_schema() AND c.relname = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attname";

static enum db_type type_named(const char *name)
{
    static const struct {
        const char *name;
        enum db_type type;
    } TYPES[] = {{"BIGINT", DB_INTEGER}, {"INTEGER", DB_INTEGER}, {"TEXT", DB_TEXT}, {"BYTEA", DB_BLOB}};
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++)
        if (strcasecmp(name, TYPES[i].name) == 0)
            return TYPES[i].type;
    return DB_NULL;
}

static bool is_copied(const char *name)
{
    for (size_t i = 0; i < sizeof NOT_COPIED / sizeof *NOT_COPIED; i++)
        if (strcmp(name, NOT_COPIED[i]) == 0)
            return false;
    return true;
}

static int by_name(const void *one, const void *other)
{
    return strcmp(((const struct copy_column *)one)->name, ((const struct copy_column *)other)->name);
}

static enum result read_columns(struct db *db, struct arena *arena, struct copy_table *table, const char **why)
{
    struct db_rows *rows;
    enum result result =
        db_query(db, db_is_postgres(db) ? POSTGRES_COLUMNS : SQLITE_COLUMNS, DB_ARGS(db_text(table->name)), &rows);
    table->columns = arena_alloc(arena, COPY_COLUMNS_MAX * sizeof *table->columns);
    bool good = true;
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK && good) {
        struct copy_column *column = &table->columns[table->count++];
        column->name = db_column_text(rows, 0, arena);
        column->read = column->write = arena_printf(arena, "\"%s\"", column->name);
        column->type = type_named(db_column_text(rows, 1, arena));
        column->key = (int)db_column_int(rows, 3);
        column->may_be_null = db_column_int(rows, 2) && !column->key;
        table->key_count += column->key > 0;
        good = column->type != DB_NULL && table->count < COPY_COLUMNS_MAX && column->key <= COPY_KEY_MAX;
    }
    db_finish(&rows);
    if (!good || (result == RESULT_NOT_FOUND && !table->key_count)) {
        *why = arena_printf(arena,
                            "The table \"%s\" is none of Meishi's: a store must be alone in its %s. Move that table "
                            "to another place.",
                            table->name, db_is_postgres(db) ? "schema" : "file");
        return RESULT_INVALID;
    }
    if (result != RESULT_NOT_FOUND)
        return RESULT_FAILED;
    /* In the same order on every engine, whatever its collation. */
    qsort(table->columns, (size_t)table->count, sizeof *table->columns, by_name);
    for (int i = 0; i < table->count; i++)
        if (table->columns[i].key)
            table->key[table->columns[i].key - 1] = i;
    return RESULT_OK;
}

/* ---- the SQL of a table ---- */

static const char *key_text(const struct copy_table *table, struct arena *arena)
{
    struct str text;
    str_init(&text, arena, SQL_MAX);
    for (int i = 0; i < table->key_count; i++)
        str_addf(&text, "%s%s", i ? ", " : "", table->columns[table->key[i]].read);
    return text.data;
}

static void write_sql(struct copy_table *table, const char *from, struct arena *arena)
{
    struct str columns, insert, behind;
    const char *key = key_text(table, arena);
    str_init(&columns, arena, SQL_MAX);
    str_init(&insert, arena, SQL_MAX);
    str_init(&behind, arena, SQL_MAX);
    for (int i = 0; i < table->count; i++) {
        const struct copy_column *column = &table->columns[i];
        str_addf(&columns, "%s%s", i ? ", " : "", column->read);
        if (column->type == DB_INTEGER && column->may_be_null)
            str_addf(&columns, ", %s IS NULL", column->read);
        str_addf(&insert, "%s%s", i ? ", " : "", column->write);
    }
    for (int i = 0; i < table->key_count; i++)
        str_addf(&behind, "%s$%d", i ? ", " : "", i + 2);
    table->count_rows = arena_printf(arena, "SELECT count(*) FROM %s", from);
    table->first = arena_printf(arena, "SELECT %s FROM %s ORDER BY %s LIMIT $1", columns.data, from, key);
    table->after = arena_printf(arena, "SELECT %s FROM %s WHERE (%s) > (%s) ORDER BY %s LIMIT $1", columns.data, from,
                                key, behind.data, key);
    table->insert = arena_printf(arena, "INSERT INTO \"%s\" (%s)", table->name, insert.data);
    table->clear = arena_printf(arena, "DELETE FROM \"%s\"", table->name);
}

/* SQLite's table of words is walked along the leads, since it has no order by owner; elsewhere it is a table as any. */
static struct copy_table words_on_sqlite(struct arena *arena)
{
    static const struct copy_column COLUMNS[] = {
        {.name = "lead_id", .read = "l.id", .write = "rowid", .type = DB_INTEGER, .key = 2},
        {.name = "owner_id", .read = "l.owner_id", .write = "owner_id", .type = DB_INTEGER, .key = 1},
        {.name = "words", .read = "s.words", .write = "words", .type = DB_TEXT},
    };
    struct copy_table table = {.name = "lead_search",
                               .columns = arena_memdup(arena, COLUMNS, sizeof COLUMNS),
                               .count = sizeof COLUMNS / sizeof *COLUMNS,
                               .key_count = 2,
                               .key = {1, 0}};
    write_sql(&table, "leads AS l JOIN lead_search AS s ON s.rowid = l.id", arena);
    return table;
}

static int tables_by_name(const void *one, const void *other)
{
    return strcmp(((const struct copy_table *)one)->name, ((const struct copy_table *)other)->name);
}

enum result copy_tables_read(struct db *db, struct arena *arena, struct copy_tables *out, const char **why)
{
    struct db_rows *rows;
    size_t room = 0;
    *out = (struct copy_tables){0};
    enum result result = db_query(db, db_is_postgres(db) ? POSTGRES_TABLES : SQLITE_TABLES, NULL, 0, &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK) {
        const char *name = db_column_text(rows, 0, arena);
        if (!is_copied(name))
            continue;
        out->list = db_rows_grow(arena, out->list, out->count, &room, sizeof *out->list);
        out->list[out->count++] = (struct copy_table){.name = name};
    }
    db_finish(&rows);
    if (result != RESULT_NOT_FOUND)
        return RESULT_FAILED;
    result = RESULT_OK;
    for (size_t i = 0; i < out->count && result == RESULT_OK; i++) {
        result = read_columns(db, arena, &out->list[i], why);
        if (result == RESULT_OK)
            write_sql(&out->list[i], arena_printf(arena, "\"%s\"", out->list[i].name), arena);
    }
    if (result != RESULT_OK || !out->count)
        return result;
    if (!db_is_postgres(db)) {
        out->list = db_rows_grow(arena, out->list, out->count, &room, sizeof *out->list);
        out->list[out->count++] = words_on_sqlite(arena);
    }
    qsort(out->list, out->count, sizeof *out->list, tables_by_name);
    return RESULT_OK;
}

const struct copy_table *copy_tables_find(const struct copy_tables *tables, const char *name)
{
    const struct copy_table wanted = {.name = name};
    return tables->count ? bsearch(&wanted, tables->list, tables->count, sizeof *tables->list, tables_by_name) : NULL;
}

enum result copy_tables_has(struct db *db, const char *name, bool *out)
{
    struct db_rows *rows;
    enum result result =
        db_one(db,
               db_is_postgres(db) ? "SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND tablename = $1"
                                  : "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = $1",
               DB_ARGS(db_text(name)), &rows);
    db_finish(&rows);
    *out = result == RESULT_OK;
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

bool copy_tables_match(const struct copy_table *one, const struct copy_table *other)
{
    bool same = one->count == other->count && one->key_count == other->key_count &&
                memcmp(one->key, other->key, sizeof one->key) == 0;
    for (int i = 0; i < one->count && same; i++)
        same =
            strcmp(one->columns[i].name, other->columns[i].name) == 0 && one->columns[i].type == other->columns[i].type;
    return same;
}

/* ---- keys and values as bytes ---- */

enum { VALUE_HEAD = 9 };

/* A kind, a number or a length, least byte first; the bytes of a text or blob come behind. The two kinds are one here. */
static void write_head(unsigned char out[VALUE_HEAD], const struct db_value *value)
{
    uint64_t number = htole64(value->type == DB_INTEGER ? (uint64_t)value->integer : value->len);
    out[0] = value->type == DB_NULL ? 0 : value->type == DB_INTEGER ? 1 : 2;
    memcpy(out + 1, &number, sizeof number);
}

struct db_value copy_page_key(const struct copy_table *table, const struct copy_page *page, struct arena *arena)
{
    const struct db_value *row = page->values + (size_t)(page->rows - 1) * (size_t)table->count;
    size_t size = 0;
    for (int i = 0; i < table->key_count; i++)
        size += VALUE_HEAD + row[table->key[i]].len;
    unsigned char *bytes = arena_alloc_raw(arena, size), *at = bytes;
    for (int i = 0; i < table->key_count; i++) {
        const struct db_value *value = &row[table->key[i]];
        write_head(at, value);
        at += VALUE_HEAD;
        if (value->len)
            at = mempcpy(at, value->bytes, value->len);
    }
    return db_blob(bytes, size);
}

/* The values of a packed key, borrowed from it. */
static bool unpack_key(const struct copy_table *table, const struct db_value *key, struct db_value *out)
{
    const unsigned char *at = key->bytes, *end = at + key->len;
    for (int i = 0; i < table->key_count; i++) {
        const struct copy_column *column = &table->columns[table->key[i]];
        uint64_t number;
        if (end - at < VALUE_HEAD)
            return false;
        memcpy(&number, at + 1, sizeof number);
        number = le64toh(number);
        at += VALUE_HEAD;
        out[i] = (struct db_value){.type = column->type};
        if (column->type == DB_INTEGER) {
            out[i].integer = (int64_t)number;
            continue;
        }
        if (number > (uint64_t)(end - at))
            return false;
        out[i].bytes = at;
        out[i].len = (size_t)number;
        at += number;
    }
    return at == end;
}

/* ---- rows ---- */

static void read_row(const struct copy_table *table, const struct db_rows *rows, struct arena *arena,
                     struct copy_page *page)
{
    struct db_value *row = page->values + (size_t)page->rows++ * (size_t)table->count;
    for (int i = 0, at = 0; i < table->count; i++, at++) {
        const struct copy_column *column = &table->columns[i];
        row[i] = (struct db_value){.type = DB_NULL};
        page->bytes += sizeof row[i];
        if (column->type == DB_INTEGER) {
            if (!column->may_be_null || !db_column_int(rows, at + 1))
                row[i] = DB_INT(db_column_int(rows, at));
            at += column->may_be_null;
            continue;
        }
        size_t len;
        const void *bytes = db_column_bytes(rows, at, &len);
        if (!bytes)
            continue;
        row[i] = (struct db_value){.type = column->type, .bytes = arena_memdup(arena, bytes, len), .len = len};
        page->bytes += len;
    }
}

enum result copy_page_read(struct db *db, const struct copy_table *table, const struct db_value *key, int limit,
                           struct arena *arena, struct copy_page *out)
{
    struct db_value args[1 + COPY_KEY_MAX] = {DB_INT(limit)};
    struct db_rows *rows;
    *out = (struct copy_page){0};
    if (key && !unpack_key(table, key, args + 1))
        return RESULT_INVALID;
    enum result result = db_query(db, key ? table->after : table->first, args, key ? 1 + table->key_count : 1, &rows);
    out->values = arena_alloc_raw(arena, (size_t)limit * (size_t)table->count * sizeof *out->values);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK)
        read_row(table, rows, arena, out);
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : RESULT_FAILED;
}

int copy_page_limit(const struct copy_page *page, int limit)
{
    if (page->bytes > PAGE_BYTES)
        return limit > 1 ? limit / 2 : 1;
    return page->bytes < PAGE_BYTES / 2 && limit < PAGE_ROWS ? 2 * limit : limit;
}

/* ---- the proof ---- */

static void add_to_hash(crypto_generichash_state *state, const struct db_value *value)
{
    unsigned char head[VALUE_HEAD];
    write_head(head, value);
    crypto_generichash_update(state, head, sizeof head);
    if (value->len)
        crypto_generichash_update(state, value->bytes, value->len);
}

enum result copy_table_sum(struct db *db, const struct copy_table *table, void (*tell)(void *context, int64_t rows),
                           void *context, int64_t *out_rows, unsigned char out_hash[COPY_HASH_SIZE])
{
    struct arena arenas[2]; /* a page, and the key of the one before it */
    crypto_generichash_state state;
    struct copy_page page = {0};
    struct db_value key;
    int limit = COPY_LIMIT_FIRST;
    enum result result = RESULT_OK;
    *out_rows = 0;
    crypto_generichash_init(&state, NULL, 0, COPY_HASH_SIZE);
    arena_init(&arenas[0]);
    arena_init(&arenas[1]);
    for (int turn = 0;; turn ^= 1) {
        result = copy_page_read(db, table, *out_rows ? &key : NULL, limit, &arenas[turn], &page);
        arena_reset(&arenas[turn ^ 1]);
        if (result != RESULT_OK || !page.rows)
            break;
        for (int i = 0; i < page.rows * table->count; i++)
            add_to_hash(&state, &page.values[i]);
        key = copy_page_key(table, &page, &arenas[turn]);
        *out_rows += page.rows;
        if (tell)
            tell(context, page.rows);
        limit = copy_page_limit(&page, limit);
    }
    arena_free(&arenas[0]);
    arena_free(&arenas[1]);
    crypto_generichash_final(&state, out_hash, COPY_HASH_SIZE);
    return result;
}
