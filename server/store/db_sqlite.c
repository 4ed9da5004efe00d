/* The SQLite driver (3.40, WAL, synchronous=FULL), the only file that knows sqlite3.h.
 *
 * Exactly one connection a file writes and checkpoints: SQLite before 3.51.3 can lose committed pages when two do so at
 * the same instant. So readers never checkpoint, nothing checkpoints by itself, and the writer does it in tidy, between
 * transactions. After an fsync that failed nobody knows what is on disk: the connection calls itself broken and refuses
 * to write, until the process starts anew. A full disk is no such case: the next transaction may work again. */
#include "server/store/db.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "server/ids.h"
#include "server/log.h"
#include "server/store/paths.h"

enum {
    PARAMETERS_MAX = 64,
    STATEMENTS_MAX = 512,        /* cached a connection; beyond them statements are prepared for one use */
    CHECKPOINT_PAGES = 4000,     /* the WAL's growth, in pages, that is worth a checkpoint: 16 MB */
    BUSY_TIMEOUT_MS = 2000,
    LOG_PAUSE_MS = 1000          /* a full disk fails a thousand times a second and is told once */
};

#define WRITER_CACHE "-65536" /* KiB, taken up only as pages are used */
#define READER_CACHE "-2048"

/* A prepared statement and, while it runs, its rows. */
struct statement {
    struct db_rows rows; /* first: what callers hold */
    const char *key;     /* the address its text had */
    sqlite3_stmt *handle;
    bool open;           /* between query and finish */
    bool single_use;
    bool stepped_out;    /* ran to its end: a further step would run it again */
    int parameters;
    unsigned char argument_of[PARAMETERS_MAX]; /* parameter i + 1 of the engine is $argument_of[i] of the text */
};

struct connection {
    struct db db; /* first: what callers hold */
    sqlite3 *handle;
    enum db_part part;
    enum db_mode mode;
    struct statement **slots; /* open addressing by key, a power of two, never full */
    size_t slot_count, statement_count;
    int wal_pages, wal_pages_checked; /* in the WAL after the last commit; at the last checkpoint */
    int logged_code;
    int64_t logged_ms;
    char words[240];
};

static struct connection *connection_of(struct db *db)
{
    return (struct connection *)db;
}

static void configure_library(void)
{
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* else every allocation takes one global lock */
    sqlite3_initialize();
}

static bool is_conflict(int code)
{
    return code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY || code == SQLITE_CONSTRAINT_FOREIGNKEY ||
           code == SQLITE_CONSTRAINT_ROWID;
}

static bool is_fatal(int code)
{
    int primary = code & 0xff;
    return code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC || code == SQLITE_IOERR_CORRUPTFS ||
           primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB;
}

/* The one place where an engine's error becomes ours; logs what is nobody's input. */
static enum result fail(struct connection *connection, int code, const char *doing)
{
    int primary = code & 0xff;
    if (primary == SQLITE_BUSY || primary == SQLITE_LOCKED)
        return RESULT_BUSY;
    snprintf(connection->words, sizeof connection->words, "%s", sqlite3_errmsg(connection->handle));
    if (is_conflict(code))
        return RESULT_CONFLICT;
    if (is_fatal(code))
        connection->db.broken = true;
    int64_t now = monotonic_ms();
    if (code != connection->logged_code || now - connection->logged_ms >= LOG_PAUSE_MS) {
        log_error("sqlite", "doing=%s part=%s code=%d broken=%d words=\"%s\"", doing,
                  connection->part == DB_MAIN ? "main" : "inbox", code, connection->db.broken, connection->words);
        connection->logged_code = code;
        connection->logged_ms = now;
    }
    return RESULT_FAILED;
}

/* ---- opening ---- */

static int note_wal_pages(void *context, sqlite3 *handle, const char *schema, int pages)
{
    (void)handle, (void)schema;
    struct connection *connection = context;
    connection->wal_pages = pages;
    return SQLITE_OK;
}

static int is_wal(void *out, int columns, char **values, char **names)
{
    (void)names;
    *(bool *)out = columns == 1 && values[0] && strcmp(values[0], "wal") == 0;
    return 0;
}

static int configure_reader(struct connection *connection)
{
    return sqlite3_exec(connection->handle,
                        "PRAGMA cache_size=" READER_CACHE ";"
                        "PRAGMA temp_store=MEMORY;"
                        "PRAGMA query_only=ON;",
                        NULL, NULL, NULL);
}

static int configure_writer(struct connection *connection)
{
    bool wal = false;
    int code = sqlite3_exec(connection->handle, "PRAGMA page_size=4096; PRAGMA journal_mode=WAL;", is_wal, &wal, NULL);
    if (code != SQLITE_OK)
        return code;
    if (!wal)
        return SQLITE_CANTOPEN; /* a file system that cannot share memory, a network one mostly */
    code = sqlite3_exec(connection->handle,
                        "PRAGMA synchronous=FULL;"
                        "PRAGMA cache_size=" WRITER_CACHE ";"
                        "PRAGMA temp_store=MEMORY;"
                        "PRAGMA foreign_keys=ON;",
                        NULL, NULL, NULL);
    if (code != SQLITE_OK)
        return code;
    /* Erasing leaves no bytes behind, in free pages neither (FAST would leave those). The inbox holds nothing typed. */
    return sqlite3_exec(connection->handle,
                        connection->part == DB_MAIN ? "PRAGMA secure_delete=ON" : "PRAGMA secure_delete=OFF", NULL, NULL, NULL);
}

static int configure(struct connection *connection)
{
    sqlite3 *handle = connection->handle;
    sqlite3_busy_timeout(handle, BUSY_TIMEOUT_MS);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_wal_hook(handle, note_wal_pages, connection); /* in place of the automatic checkpoint */
    return connection->mode == DB_READ ? configure_reader(connection) : configure_writer(connection);
}

/* SQLite would make the file readable by everybody; its WAL takes over the mode. */
static bool make_private(const char *path)
{
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0)
        return false;
    close(file);
    return true;
}

static void close_connection(struct db *db);

static enum result open_file(const char *path, enum db_part part, enum db_mode mode, struct db **out)
{
    if (mode == DB_WRITE && !make_private(path)) {
        log_error("sqlite-open", "path=\"%s\" words=\"%s\"", path, strerror(errno));
        return RESULT_FAILED;
    }
    if (mode == DB_READ && access(path, F_OK) < 0)
        return RESULT_NOT_FOUND;
    struct connection *connection = calloc(1, sizeof *connection);
    if (!connection)
        abort();
    connection->db.driver = &db_sqlite;
    connection->part = part;
    connection->mode = mode;
    connection->wal_pages = 1; /* a crash may have left some: the first idle moment looks */
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                (mode == DB_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    int code = sqlite3_open_v2(path, &connection->handle, flags, NULL);
    if (code == SQLITE_OK)
        code = configure(connection);
    if (code == SQLITE_OK) {
        *out = &connection->db;
        return RESULT_OK;
    }
    enum result result = fail(connection, code, "open");
    if (connection->db.broken)
        result = RESULT_INVALID;
    close_connection(&connection->db);
    return result;
}

static enum result open_connection(const char *url, enum db_part part, enum db_mode mode, struct db **out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, configure_library);
    *out = NULL;
    struct arena arena;
    arena_init(&arena);
    const char *folder = paths_folder(url, &arena);
    enum result result = RESULT_FAILED;
    if (!folder)
        log_error("sqlite-open", "words=\"no place for the store: set HOME or MEISHI_STORE\"");
    else if (mode == DB_WRITE && paths_make_folder(folder) != RESULT_OK)
        log_error("sqlite-open", "folder=\"%s\" words=\"%s\"", folder, strerror(errno));
    else
        result = open_file(paths_file(url, part, &arena), part, mode, out);
    arena_free(&arena);
    return result;
}

static void statement_free(struct statement *statement)
{
    sqlite3_finalize(statement->handle);
    free(statement);
}

static void close_connection(struct db *db)
{
    struct connection *connection = connection_of(db);
    for (size_t i = 0; i < connection->slot_count; i++)
        if (connection->slots[i])
            statement_free(connection->slots[i]);
    free(connection->slots);
    int code = sqlite3_close(connection->handle);
    assert(code == SQLITE_OK); /* else rows were not finished */
    (void)code;
    free(connection);
}

/* ---- statements ---- */

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
    case DB_INTEGER: return sqlite3_bind_int64(handle, parameter, value->integer);
    case DB_TEXT: return sqlite3_bind_text64(handle, parameter, bytes, value->len, SQLITE_STATIC, SQLITE_UTF8);
    case DB_BLOB: return sqlite3_bind_blob64(handle, parameter, bytes, value->len, SQLITE_STATIC);
    case DB_NULL: break;
    }
    return sqlite3_bind_null(handle, parameter);
}

static void finish(struct db_rows **rows)
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

static enum result query(struct db *db, const char *sql, const struct db_value *args, int arg_count, struct db_rows **out)
{
    struct connection *connection = connection_of(db);
    *out = NULL;
    struct statement *statement;
    int code = find_statement(connection, sql, sql, &statement);
    if (code != SQLITE_OK)
        return fail(connection, code, "prepare");
    statement->open = true;
    statement->stepped_out = false;
    for (int i = 0; i < statement->parameters && code == SQLITE_OK; i++) {
        assert(statement->argument_of[i] <= arg_count);
        code = bind(statement->handle, i + 1, &args[statement->argument_of[i] - 1]);
    }
    *out = &statement->rows;
    if (code == SQLITE_OK)
        return RESULT_OK;
    finish(out);
    return fail(connection, code, "bind");
}

static enum result next(struct db_rows *rows)
{
    struct statement *statement = (struct statement *)rows;
    assert(statement->open);
    if (statement->stepped_out)
        return RESULT_NOT_FOUND;
    int code = sqlite3_step(statement->handle);
    if (code == SQLITE_ROW)
        return RESULT_OK;
    statement->stepped_out = true;
    return code == SQLITE_DONE ? RESULT_NOT_FOUND : fail(connection_of(rows->db), code, "step");
}

static int64_t integer(const struct db_rows *rows, int column)
{
    return sqlite3_column_int64(((const struct statement *)rows)->handle, column);
}

static const void *bytes(const struct db_rows *rows, int column, size_t *len)
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

static int64_t changes(const struct db *db)
{
    return sqlite3_changes64(((const struct connection *)db)->handle);
}

static int append_text(struct connection *connection, const char *insert, int column_count, struct statement **out)
{
    char sql[1024];
    int len = snprintf(sql, sizeof sql, "%s VALUES (", insert);
    for (int i = 1; i <= column_count; i++) {
        assert((size_t)len + 8 < sizeof sql);
        len += snprintf(sql + len, sizeof sql - (size_t)len, "$%d%s", i, i == column_count ? ")" : ", ");
    }
    return find_statement(connection, insert, sql, out);
}

static enum result append(struct db *db, const char *insert, const struct db_value *values, int column_count, int row_count)
{
    struct connection *connection = connection_of(db);
    struct statement *statement;
    int code = append_text(connection, insert, column_count, &statement);
    if (code != SQLITE_OK)
        return fail(connection, code, "prepare");
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
    enum result result = code == SQLITE_OK ? RESULT_OK : fail(connection, code, "append");
    struct db_rows *rows = &statement->rows;
    finish(&rows);
    return result;
}

/* ---- transactions and housekeeping ---- */

static enum result run(struct connection *connection, const char *sql, const char *doing)
{
    struct db_rows *rows;
    enum result result = query(&connection->db, sql, NULL, 0, &rows);
    if (result != RESULT_OK)
        return result;
    int code = sqlite3_step(((struct statement *)rows)->handle);
    result = code == SQLITE_DONE ? RESULT_OK : fail(connection, code, doing);
    finish(&rows);
    return result;
}

static enum result begin(struct db *db)
{
    struct connection *connection = connection_of(db);
    if (db->broken)
        return RESULT_FAILED;
    return run(connection, connection->mode == DB_READ ? "BEGIN" : "BEGIN IMMEDIATE", "begin");
}

static enum result end(struct db *db, bool commit)
{
    struct connection *connection = connection_of(db);
    enum result result = RESULT_OK;
    if (commit && db->broken)
        result = RESULT_FAILED;
    else if (commit)
        result = sqlite3_get_autocommit(connection->handle) ? RESULT_FAILED : run(connection, "COMMIT", "commit");
    /* SQLite has rolled back by itself after some errors; after the others it waits for our word. */
    if (!sqlite3_get_autocommit(connection->handle)) {
        enum result undone = run(connection, "ROLLBACK", "rollback");
        if (result == RESULT_OK)
            result = undone;
    }
    return result;
}

/* A number that is the whole primary key can be the row's own number, without an index beside the table, if and only if
 * its type is called INTEGER, which elsewhere is too small. */
static char *with_row_numbers(const char *sql)
{
    static const char portable[] = "BIGINT NOT NULL PRIMARY KEY", own[] = "INTEGER NOT NULL PRIMARY KEY";
    size_t size = strlen(sql) + 1;
    for (const char *at = sql; (at = strstr(at, portable)); at += strlen(portable))
        size += strlen(own) - strlen(portable);
    char *text = calloc(1, size), *to = text;
    if (!text)
        abort();
    for (const char *found; (found = strstr(sql, portable)); sql = found + strlen(portable)) {
        to = mempcpy(to, sql, (size_t)(found - sql));
        to = mempcpy(to, own, strlen(own));
    }
    memcpy(to, sql, strlen(sql) + 1);
    return text;
}

static enum result script(struct db *db, const char *sql)
{
    char *text = with_row_numbers(sql);
    int code = sqlite3_exec(connection_of(db)->handle, text, NULL, NULL, NULL);
    free(text);
    return code == SQLITE_OK ? RESULT_OK : fail(connection_of(db), code, "script");
}

static enum result tidy(struct db *db, bool idle)
{
    struct connection *connection = connection_of(db);
    assert(connection->mode == DB_WRITE && sqlite3_get_autocommit(connection->handle));
    if (db->broken)
        return RESULT_FAILED;
    if (connection->wal_pages < connection->wal_pages_checked)
        connection->wal_pages_checked = 0; /* the WAL has begun anew */
    bool due = idle ? connection->wal_pages > 0 : connection->wal_pages - connection->wal_pages_checked >= CHECKPOINT_PAGES;
    if (!due)
        return RESULT_OK;
    /* A reader in the way is no reason to wait: the next time will do. */
    sqlite3_busy_timeout(connection->handle, 0);
    int mode = idle ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
    int in_wal = 0, done = 0;
    int code = sqlite3_wal_checkpoint_v2(connection->handle, "main", mode, &in_wal, &done);
    sqlite3_busy_timeout(connection->handle, BUSY_TIMEOUT_MS);
    if (code == SQLITE_OK && idle)
        connection->wal_pages = 0;
    connection->wal_pages_checked = connection->wal_pages;
    if (code == SQLITE_OK || (code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED)
        return RESULT_OK;
    return fail(connection, code, "checkpoint");
}

static bool sync_path(const char *path, int flags)
{
    int file = open(path, flags | O_CLOEXEC);
    if (file < 0)
        return false;
    bool synced = fsync(file) == 0;
    close(file);
    return synced;
}

static enum result copy_to(struct db *db, const char *path)
{
    struct connection *connection = connection_of(db);
    int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0)
        return errno == EEXIST ? RESULT_CONFLICT : RESULT_FAILED;
    close(file);
    /* The copy is written under this connection, which stays unable to write anything else. */
    sqlite3_exec(connection->handle, "PRAGMA query_only=OFF", NULL, NULL, NULL);
    const struct db_value target = db_text(path);
    struct db_rows *rows;
    enum result result = query(db, "VACUUM INTO $1", &target, 1, &rows);
    if (result == RESULT_OK) {
        result = next(rows);
        finish(&rows);
    }
    if (connection->mode == DB_READ)
        sqlite3_exec(connection->handle, "PRAGMA query_only=ON", NULL, NULL, NULL);
    struct arena arena;
    arena_init(&arena);
    const char *slash = strrchr(path, '/');
    const char *folder = slash ? arena_strndup(&arena, path, slash == path ? 1 : (size_t)(slash - path)) : ".";
    if (result == RESULT_NOT_FOUND)
        result = sync_path(path, O_RDWR) && sync_path(folder, O_RDONLY | O_DIRECTORY) ? RESULT_OK : RESULT_FAILED;
    if (result != RESULT_OK)
        unlink(path);
    arena_free(&arena);
    return result;
}

static enum result check(struct db *db, bool thorough)
{
    struct connection *connection = connection_of(db);
    struct db_rows *rows;
    enum result result = query(db, thorough ? "PRAGMA integrity_check(1)" : "PRAGMA quick_check(1)", NULL, 0, &rows);
    if (result == RESULT_OK)
        result = next(rows);
    if (result == RESULT_OK) {
        size_t len;
        const char *words = bytes(rows, 0, &len);
        if (!words || strcmp(words, "ok") != 0) {
            snprintf(connection->words, sizeof connection->words, "%s", words ? words : "");
            result = RESULT_INVALID;
        }
    }
    finish(&rows);
    return db->broken ? RESULT_INVALID : result;
}

static const char *error(const struct db *db)
{
    return ((const struct connection *)db)->words;
}

const struct db_driver db_sqlite = {
    .scheme = "sqlite",
    .open = open_connection,
    .close = close_connection,
    .begin = begin,
    .end = end,
    .script = script,
    .query = query,
    .next = next,
    .integer = integer,
    .bytes = bytes,
    .finish = finish,
    .changes = changes,
    .append = append,
    .tidy = tidy,
    .copy_to = copy_to,
    .check = check,
    .error = error,
};
