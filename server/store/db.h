/* What a database engine must offer: some functions that know nothing of cards. SQLite, PostgreSQL and the
 * fault-injecting driver of the tests implement it.
 *
 * The SQL is written once, in the subset the engines share: $1 parameters, ON CONFLICT, RETURNING, BIGINT milliseconds
 * passed in, ids made by us, no NOW(), no arithmetic on a bare parameter. Statements are prepared once a connection and
 * kept by the address of their text, so the text should be a literal; text that is made anew costs a prepare each time.
 *
 * A connection belongs to one thread at a time. After FAILED or CONFLICT inside a transaction the only thing to do is
 * end(db, false); what may meet a CONFLICT and go on is run by db_attempt. */
#ifndef MEISHI_DB_H
#define MEISHI_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cards/base/arena.h"

struct db;
struct db_rows;
struct db_driver;

/* A connection knows its driver, rows know their connection: each driver's own structs start with these. */
struct db {
    const struct db_driver *driver;
    bool broken; /* what is on disk cannot be trusted (a failed fsync, damage): nothing more is written, restart */
    bool lazy;   /* said before begin: this transaction need not be on disk when it ends, only whole and in its order */
    bool standby;        /* of a database that follows another: said after open, by who lends it */
    bool lost;           /* its server could not be reached the last time: said by who lends it */
    bool patient;        /* said after open: nobody waits for what it does, and it may take its time */
    bool claimed;        /* holds what claim gave it */
    const char *forgets; /* why what it acknowledges may be lost in a crash; NULL: it is not */
};
struct db_rows {
    struct db *db;
};

/* The two parts of a store: everything, and the inbox that hits are first written to. An engine may keep both in one
 * place; SQLite keeps two files so that the two writers never wait for each other. */
enum db_part { DB_MAIN, DB_INBOX };
enum db_mode { DB_READ, DB_WRITE }; /* at most one DB_WRITE connection a part and process on SQLite */

/* What a process may hold for as long as it is connected. */
enum db_lock { DB_LOCK_MIGRATION, DB_LOCK_PRESENCE, DB_LOCK_NODE, DB_LOCK_LANE, DB_LOCK_FOLD };

enum db_type { DB_NULL, DB_INTEGER, DB_TEXT, DB_BLOB };

struct db_value {
    enum db_type type;
    int64_t integer;
    const void *bytes; /* text or blob; not copied, must live until the call returns */
    size_t len;
};

enum { DB_WORD_SIZE = 16 };

#define DB_INT(n) ((struct db_value){.type = DB_INTEGER, .integer = (n)})
struct db_value db_text(const char *text); /* NULL becomes SQL NULL */
struct db_value db_blob(const void *bytes, size_t len);
struct db_value db_int_or_null(int64_t number); /* 0 becomes NULL */

struct db_driver {
    const char *scheme;  /* "sqlite" */
    int64_t patience_ms; /* how long a verb may wait for a connection or its turn; 0: as long as it takes */
    /* INVALID: it is there but damaged, or not what we need. NOT_FOUND: DB_READ of none. */
    enum result (*open)(const char *url, enum db_part part, enum db_mode mode, struct db **out);
    /* A sentence or two for the operator about an open that answered RESULT; it may look once more what is wrong. */
    const char *(*explain)(const char *url, enum db_part part, enum db_mode mode, enum result result,
                           struct arena *arena);
    void (*close)(struct db *db);
    enum result (*begin)(struct db *db);            /* DB_WRITE: takes the write lock at once; DB_READ: one snapshot */
    enum result (*end)(struct db *db, bool commit); /* commit: on disk when it returns OK, unless lazy */
    enum result (*script)(struct db *db, const char *sql); /* several statements without parameters: migrations.h */
    /* Runs SQL; *out gives its rows and must be finished, also after an error in next. A statement without rows is run
     * to its end by the first next, which answers NOT_FOUND. CONFLICT: a unique or foreign key was broken. */
    enum result (*query)(struct db *db, const char *sql, const struct db_value *args, int arg_count,
                         struct db_rows **out);
    enum result (*next)(struct db_rows *rows);                                 /* OK a row, NOT_FOUND no more */
    int64_t (*integer)(const struct db_rows *rows, int column);                /* NULL is 0 */
    const void *(*bytes)(const struct db_rows *rows, int column, size_t *len); /* NULL stays NULL; valid until next */
    void (*finish)(struct db_rows **rows);
    int64_t (*changes)(const struct db *db); /* rows changed by the last finished statement */
    /* Inserts ROW_COUNT rows of COLUMN_COUNT values each by the fastest way the engine has (a prepared loop, COPY, arrays
     * by unnest). INSERT is "INSERT INTO t (a, b)", with " ON CONFLICT …" behind it if there may be one; then no two of the rows
     * may have one with each other. Inside a transaction, or else, of several rows, only on an engine that is shared. */
    enum result (*append)(struct db *db, const char *insert, const struct db_value *values, int column_count,
                          int row_count);
    /* Housekeeping between transactions, for the one writer: SQLite checkpoints, passively or truncating when IDLE.
     * BUSY: IDLE was said, and a reader is in the way of emptying the log; later it will go. */
    enum result (*tidy)(struct db *db, bool idle);
    /* Writes a consistent copy of the part as a new file at PATH; may be called on a DB_READ connection. */
    enum result (*copy_to)(struct db *db, const char *path);
    /* The engine's own consistency check, quick or thorough: OK, or INVALID with what is wrong in error. */
    enum result (*check)(struct db *db, bool thorough);
    const char *(*error)(const struct db *db); /* the engine's last words, for the log */

    /* Whether several processes may serve one database; both parts are then seen by one snapshot and changed by one
     * transaction. Only then are the functions below there; else they are NULL. */
    bool shared;
    /* Inside a transaction: who listens hears WORD, of fewer than DB_WORD_SIZE letters, once it is committed. */
    enum result (*notify)(struct db *db, const char *word);
    /* Outside of one: from now on this connection hears. After FAILED it may be called again, and connects anew. */
    enum result (*listen)(struct db *db);
    /* Sleeps until a word is heard (OK, it is in OUT), or until FD can be read or WAIT_MS are over (NOT_FOUND). FAILED: the
     * connection was lost, and nobody knows what was said meanwhile. */
    enum result (*wait)(struct db *db, int fd, int wait_ms, char out[DB_WORD_SIZE]);
    /* Takes lock NUMBER of WHAT alone, one a connection, until this connection ends. BUSY: another has it, perhaps one that
     * is gone and whose session the server has not ended. When it is lost, claimed turns false, and the first call after that
     * answers FAILED, having sent nothing. Outside transactions. */
    enum result (*claim)(struct db *db, enum db_lock what, int32_t number);
    /* Takes lock NUMBER of WHAT, alone or with others who take it SHARED, until release or the connection's end: when that is
     * lost it is taken again by the next connection, and if it cannot be, the connection says it is broken. BUSY: others
     * have it. Outside transactions. */
    enum result (*hold)(struct db *db, enum db_lock what, int32_t number, bool shared);
    void (*release)(struct db *db, enum db_lock what, int32_t number);
    /* The clock of the database's machine, in milliseconds since 1970. Outside transactions. */
    enum result (*clock)(struct db *db, int64_t *out_ms);
};

extern const struct db_driver db_sqlite;
extern const struct db_driver db_postgres;
extern const struct db_driver db_postgres_unsafe; /* writes also where what is acknowledged may be lost in a crash */

/* The driver of a store URL: NULL when no engine has that scheme. */
const struct db_driver *db_driver_of(const char *url);
bool db_is_postgres(const struct db *db); /* for what the two engines do not do alike */

/* For drivers: where in the INSERT of an append the rows belong. */
size_t db_append_place(const char *insert);

/* Sugar over the driver, for the store's files. */
enum result db_run(struct db *db, const char *sql, const struct db_value *args,
                   int arg_count) MUST_CHECK; /* rows are ignored */
enum result db_one(struct db *db, const char *sql, const struct db_value *args, int arg_count,
                   struct db_rows **out) MUST_CHECK;
enum result db_query(struct db *db, const char *sql, const struct db_value *args, int arg_count,
                     struct db_rows **out) MUST_CHECK;
enum result db_next(struct db_rows *rows) MUST_CHECK;
void db_finish(struct db_rows **rows); /* of NULL: nothing */
int64_t db_changes(const struct db *db);
int64_t db_column_int(const struct db_rows *rows, int column);
const void *db_column_bytes(const struct db_rows *rows, int column, size_t *len);
const char *db_column_text(const struct db_rows *rows, int column, struct arena *arena); /* a copy; NULL stays NULL */
/* Room for one more object of SIZE in an array of COUNT that grows in ARENA; *room is how many it holds, 0 at first. */
void *db_rows_grow(struct arena *arena, void *array, size_t count, size_t *room, size_t size) MUST_CHECK;
#define DB_ARGS(...)                        \
    (const struct db_value[]){__VA_ARGS__}, \
        (int)(sizeof((const struct db_value[]){__VA_ARGS__}) / sizeof(struct db_value))

/* Begins, calls BODY, and commits if it said OK; otherwise rolls back and answers what it said. BUSY is tried again, five
 * times with jitter, and then FAILED. */
typedef enum result db_body(struct db *db, void *context);
enum result db_transaction(struct db *db, const char *name, db_body *body, void *context) MUST_CHECK;
/* Calls BODY inside a transaction: unless it says OK, all it wrote is taken back, and after anything but FAILED and BUSY the
 * transaction may go on. Not one inside another. */
enum result db_attempt(struct db *db, db_body *body, void *context) MUST_CHECK;

#endif
