/* What the two halves of the SQLite driver share: db_sqlite.c opens, commits and checkpoints, db_sqlite_statements.c runs
 * statements. The engine's own header is named in those two alone. */
#ifndef MEISHI_DB_SQLITE_H
#define MEISHI_DB_SQLITE_H

#include "server/store/db.h"

struct sqlite3;
struct sqlite3_stmt;
struct statement;

struct connection {
    struct db db; /* first: what callers hold */
    struct sqlite3 *handle;
    enum db_part part;
    enum db_mode mode;
    bool lazy;                /* what db.lazy was when the engine was last told */
    struct statement **slots; /* open addressing by the text's address, a power of two, never full */
    size_t slot_count, statement_count;
    int wal_pages, wal_pages_checked; /* in the WAL after the last commit; at the last checkpoint */
    int logged_code;
    int64_t logged_ms;
    char words[240];
};

/* The one place where an engine's error becomes ours; logs what is nobody's input. DOING is a word for the log. */
enum result db_sqlite_fail(struct connection *connection, int code, const char *doing) MUST_CHECK;

/* The members of struct db_driver of these names. */
enum result db_sqlite_query(struct db *db, const char *sql, const struct db_value *args, int arg_count,
                            struct db_rows **out) MUST_CHECK;
enum result db_sqlite_next(struct db_rows *rows) MUST_CHECK;
int64_t db_sqlite_integer(const struct db_rows *rows, int column);
const void *db_sqlite_bytes(const struct db_rows *rows, int column, size_t *len);
void db_sqlite_finish(struct db_rows **rows);
enum result db_sqlite_append(struct db *db, const char *insert, const struct db_value *values, int column_count,
                             int row_count) MUST_CHECK;
/* Drops every kept statement, before the connection is closed. */
void db_sqlite_drop_statements(struct connection *connection);

#endif
