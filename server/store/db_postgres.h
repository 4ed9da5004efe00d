/* What the parts of the PostgreSQL driver share: db_postgres.c connects, begins and commits, db_postgres_statements.c runs
 * statements, db_postgres_session.c hears and holds. The engine's own header is named in those alone. */
#ifndef MEISHI_DB_POSTGRES_H
#define MEISHI_DB_POSTGRES_H

#include "server/store/db.h"

struct pg_conn;
struct pg_result;
struct prepared;

enum { HELD_MAX = 4 };
struct held {
    enum db_lock what;
    int32_t number;
    bool shared;
};

struct session {
    struct db db;           /* first: what callers hold */
    struct pg_conn *handle; /* libpq's PGconn */
    enum db_part part;
    enum db_mode mode;
    struct prepared **slots; /* open addressing by the text's address, a power of two, never full */
    size_t slot_count, prepared_count;
    int64_t made; /* statements so far: their names */
    int64_t changes;
    bool in_transaction;
    bool unready;     /* connected anew, but not as it must be */
    int64_t retry_ms; /* while the server is away: not asked before (monotonic) */
    char logged_state[6];
    int64_t logged_ms;
    char words[240];
    char schema[64]; /* whose words are heard */
    struct held held[HELD_MAX];
    int held_count;
};

/* The one place where the engine's error becomes ours; logs what is nobody's input. RESULT may be NULL: the connection's own
 * words. DOING is a word for the log. */
enum result db_postgres_fail(struct session *session, const struct pg_result *result, const char *doing) MUST_CHECK;
/* Whether the server answers on this connection, outside a transaction after connecting anew if it must; statements made
 * before are gone then. */
bool db_postgres_is_there(struct session *session);

/* The members of struct db_driver of these names. */
enum result db_postgres_query(struct db *db, const char *sql, const struct db_value *args, int arg_count,
                              struct db_rows **out) MUST_CHECK;
enum result db_postgres_next(struct db_rows *rows) MUST_CHECK;
int64_t db_postgres_integer(const struct db_rows *rows, int column);
const void *db_postgres_bytes(const struct db_rows *rows, int column, size_t *len);
void db_postgres_finish(struct db_rows **rows);
enum result db_postgres_append(struct db *db, const char *insert, const struct db_value *values, int column_count,
                               int row_count) MUST_CHECK;
/* Forgets every kept statement: before the connection is closed, and when it was lost. */
void db_postgres_forget_statements(struct session *session);

/* In db_postgres_session.c; the first five are members of struct db_driver. */
enum result db_postgres_notify(struct db *db, const char *word) MUST_CHECK;
enum result db_postgres_listen(struct db *db) MUST_CHECK;
enum result db_postgres_wait(struct db *db, int fd, int wait_ms, char out[DB_WORD_SIZE]) MUST_CHECK;
enum result db_postgres_hold(struct db *db, enum db_lock what, int32_t number, bool shared) MUST_CHECK;
void db_postgres_release(struct db *db, enum db_lock what, int32_t number);
/* On a new connection: takes what the lost one held. */
enum result db_postgres_hold_again(struct session *session) MUST_CHECK;

#endif
