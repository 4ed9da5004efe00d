/* What tables a store holds, as its engine's own catalogue tells, and their rows in the order of their keys: what a copy and
 * its proof walk over. Knows no table by name but the few that are not copied and the one that an engine makes itself. */
#ifndef MEISHI_STORE_COPY_TABLES_H
#define MEISHI_STORE_COPY_TABLES_H

#include "server/store/db.h"

enum { COPY_COLUMNS_MAX = 64, COPY_KEY_MAX = 8, COPY_HASH_SIZE = 32 };

struct copy_column {
    const char *name;
    const char *read, *write; /* its SQL in a query and in an insert: the name, mostly */
    enum db_type type;        /* DB_INTEGER, DB_TEXT or DB_BLOB */
    bool may_be_null;
    int key; /* its place in the primary key, from 1; 0: none */
};

struct copy_table {
    const char *name;
    struct copy_column *columns; /* by name */
    int count, key_count;
    int key[COPY_KEY_MAX];                                   /* which columns, in the key's order */
    const char *count_rows, *first, *after, *insert, *clear; /* SQL */
};

struct copy_tables {
    struct copy_table *list; /* by name */
    size_t count;
};

/* Every table whose rows are a store's contents. INVALID with *WHY: one of them has a form that cannot be walked. */
enum result copy_tables_read(struct db *db, struct arena *arena, struct copy_tables *out, const char **why) MUST_CHECK;
/* NULL: there is none of that name. */
const struct copy_table *copy_tables_find(const struct copy_tables *tables, const char *name);
/* Whether the schema has a table of that name, copied or not. */
enum result copy_tables_has(struct db *db, const char *name, bool *out) MUST_CHECK;
/* Whether the columns of the two are the same, but for what the engines call them. */
bool copy_tables_match(const struct copy_table *one, const struct copy_table *other);

/* Some rows, in the order of their keys; values lie row by row in an arena. */
struct copy_page {
    struct db_value *values;
    int rows;
    size_t bytes;
};
/* Up to LIMIT rows behind the packed KEY, NULL for the first. */
enum result copy_page_read(struct db *db, const struct copy_table *table, const struct db_value *key, int limit,
                           struct arena *arena, struct copy_page *out) MUST_CHECK;
/* The packed key of the page's last row. */
struct db_value copy_page_key(const struct copy_table *table, const struct copy_page *page, struct arena *arena);
/* How many rows the next page should have, so that it is large enough to be quick and small enough to be held. */
int copy_page_limit(const struct copy_page *page, int limit);
enum { COPY_LIMIT_FIRST = 16 };

/* All rows of a table as one BLAKE2b hash (RFC 7693) of a form that knows no engine: column by column in the order of their
 * names, each its kind, its length and its bytes. TELL is told of rows as they are read; may be NULL. */
enum result copy_table_sum(struct db *db, const struct copy_table *table, void (*tell)(void *context, int64_t rows),
                           void *context, int64_t *out_rows, unsigned char out_hash[COPY_HASH_SIZE]) MUST_CHECK;

#endif
