/* What the files of the PostgreSQL driver share: db_postgres.c begins and commits, db_postgres_connect.c comes to the server and
 * back to it, db_postgres_wire.c waits for its answers, db_postgres_statements.c runs statements, db_postgres_session.c hears and
 * holds. The engine's own header is named in those alone. */
#ifndef MEISHI_DB_POSTGRES_H
#define MEISHI_DB_POSTGRES_H

#include "server/store/db.h"

struct pg_conn;
struct pg_result;
struct prepared;

enum { DB_POSTGRES_STATE_SIZE = 6 }; /* of an SQLSTATE: "40001" */

enum { HELD_MAX = 4 };
struct held {
    enum db_lock what;
    int32_t number;
    bool shared;
};

/* What comes back for one thing that was sent. */
enum expected {
    EXPECT_ANSWER,   /* that the caller waits for */
    EXPECT_NOTHING,  /* but that it went well */
    EXPECT_LOCK,     /* the same, and that others had it is no reason to try again */
    EXPECT_PREPARED, /* a statement is kept now */
    EXPECT_SYNC      /* the pipeline's end */
};
struct awaited {
    enum expected what;
    struct prepared *prepared;
};
enum { AWAITED_MAX = 16 };

struct session {
    struct db db; /* first: what callers hold */
    char *url;
    struct pg_conn *handle; /* libpq's PGconn; NULL while there is no connection */
    enum db_part part;
    enum db_mode mode;
    bool connecting;         /* the handle is on its way; polling is what libpq said last */
    int polling;             /* a PostgresPollingStatusType */
    int64_t connecting_ms;   /* since when (monotonic) */
    int64_t retry_ms;        /* while the server is away: not asked before (monotonic) */
    bool away;               /* it could not be reached the last time */
    struct prepared **slots; /* open addressing by the text's address, a power of two, never full */
    size_t slot_count, prepared_count;
    int64_t made; /* statements so far: their names */
    int64_t changes;
    bool in_transaction, begins; /* begins: BEGIN goes with the first statement */
    bool told_patient;
    bool demoted;                        /* it takes no writes any more: another connection must be made */
    struct awaited awaited[AWAITED_MAX]; /* in the order of their sending */
    int awaited_count;
    char logged_state[DB_POSTGRES_STATE_SIZE];
    int64_t logged_ms;
    const char *advice; /* beside the words of a refused connection; may be NULL */
    char words[400];
    char schema[64]; /* whose words are heard */
    char name[96];   /* of the session, once it holds something: what it is found by in pg_stat_activity */
    struct held held[HELD_MAX];
    int held_count;
};

/* The one place where the engine's error becomes ours; logs what is nobody's input. RESULT may be NULL: the connection's own
 * words. DOING is a word for the log. */
enum result db_postgres_fail(struct session *session, const struct pg_result *result, const char *doing) MUST_CHECK;
void db_postgres_keep_words(struct session *session, const char *words);

/* Whether the server answers on this connection, outside a transaction after connecting anew if it must; statements made
 * before are gone then. Waits for the first try as long as one waits for an answer, and hardly at all while the server is away:
 * a connection that is on its way by then goes on being made by the next call. */
bool db_postgres_is_there(struct session *session);
/* Connects for the first time. FAILED with words. */
enum result db_postgres_connect(struct session *session) MUST_CHECK;
/* Closes the connection, if any; the next transaction makes another. */
void db_postgres_hang_up(struct session *session);
/* Logs that the server cannot be reached, which is then not tried for a while. */
void db_postgres_note_away(struct session *session, const char *words);
/* The driver's explain. */
const char *db_postgres_explain(const char *url, enum db_part part, enum db_mode mode, enum result result,
                                struct arena *arena);

/* In db_postgres_wire.c. Waits until the descriptor can be read (or written, if WRITE), at most until UNTIL_MS (monotonic). */
bool db_postgres_wait_for(int descriptor, bool write, int64_t until_ms);
/* Whether the connection has ended meanwhile, as far as is known on this side. */
bool db_postgres_is_lost(struct session *session);
/* Sends text of our own without parameters, in whatever transaction there is; the last statement's first value into OUT unless
 * that is NULL. */
enum result db_postgres_tell(struct session *session, const char *sql, char *out, size_t size) MUST_CHECK;
/* Says COPY, "COPY t (a, b) FROM STDIN (FORMAT binary)", and sends what it takes, as tell does. */
enum result db_postgres_pour(struct session *session, const char *copy, const void *bytes, size_t len) MUST_CHECK;
/* Adds to what is awaited. */
void db_postgres_expect(struct session *session, enum expected what, struct prepared *prepared);
/* Waits for all that is awaited, which ends with a sync; the EXPECT_ANSWER, for PQclear, into OUT unless that is NULL. The first
 * that failed is the result. */
enum result db_postgres_collect(struct session *session, const char *doing, struct pg_result **out) MUST_CHECK;
/* Waits for what nobody has waited for yet. */
enum result db_postgres_settle(struct session *session) MUST_CHECK;

/* The members of struct db_driver of these names. */
enum result db_postgres_query(struct db *db, const char *sql, const struct db_value *args, int arg_count,
                              struct db_rows **out) MUST_CHECK;
enum result db_postgres_next(struct db_rows *rows) MUST_CHECK;
int64_t db_postgres_integer(const struct db_rows *rows, int column);
const void *db_postgres_bytes(const struct db_rows *rows, int column, size_t *len);
void db_postgres_finish(struct db_rows **rows);
enum result db_postgres_append(struct db *db, const char *insert, const struct db_value *values, int column_count,
                               int row_count) MUST_CHECK;
/* Sends the statement alone and does not wait: of a transaction's beginning and end. */
enum result db_postgres_send(struct session *session, const char *sql, enum expected what) MUST_CHECK;
enum result db_postgres_send_sync(struct session *session) MUST_CHECK;
/* Sends BEGIN if it is still to be sent. */
enum result db_postgres_send_begin(struct session *session) MUST_CHECK;
/* It could not be prepared. */
void db_postgres_forget(struct prepared *prepared);
/* Forgets every kept statement: the connection they were made on is gone. */
void db_postgres_forget_statements(struct session *session);

/* In db_postgres_session.c; the first seven are members of struct db_driver. */
enum result db_postgres_clock(struct db *db, int64_t *out_ms) MUST_CHECK;
enum result db_postgres_notify(struct db *db, const char *word) MUST_CHECK;
enum result db_postgres_listen(struct db *db) MUST_CHECK;
enum result db_postgres_wait(struct db *db, int fd, int wait_ms, char out[DB_WORD_SIZE]) MUST_CHECK;
enum result db_postgres_claim(struct db *db, enum db_lock what, int32_t number) MUST_CHECK;
enum result db_postgres_hold(struct db *db, enum db_lock what, int32_t number, bool shared) MUST_CHECK;
void db_postgres_release(struct db *db, enum db_lock what, int32_t number);
/* On a new connection: takes what the lost one held. */
enum result db_postgres_hold_again(struct session *session) MUST_CHECK;

#endif
