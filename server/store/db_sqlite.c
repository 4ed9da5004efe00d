/* The SQLite driver (3.40, WAL, synchronous=FULL): opening, transactions, checkpoints, copies.
 *
 * Exactly one connection a file writes and checkpoints: SQLite before 3.51.3 can lose committed pages when two do so at
 * the same instant. So readers never checkpoint, nothing checkpoints by itself, and the writer does it in tidy, between
 * transactions. After an fsync that failed nobody knows what is on disk: the connection calls itself broken and refuses
 * to write, until the process starts anew. A full disk is no such case: the next transaction may work again. */
#include "server/store/db_sqlite.h"

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
    CHECKPOINT_PAGES = 12000, /* the growth of the WAL, in pages, that is worth a checkpoint: 48 MB */
    BUSY_TIMEOUT_MS = 2000,
    LOG_PAUSE_MS = 1000 /* a full disk fails a thousand times a second and is told once */
};

#define WRITER_CACHE "-65536" /* KiB, taken up only as pages are used */
#define READER_CACHE "-2048"

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
    return code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY ||
           code == SQLITE_CONSTRAINT_FOREIGNKEY || code == SQLITE_CONSTRAINT_ROWID;
}

static bool is_fatal(int code)
{
    int primary = code & 0xff;
    return code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC || code == SQLITE_IOERR_CORRUPTFS ||
           primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB;
}

enum result db_sqlite_fail(struct connection *connection, int code, const char *doing)
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
                        connection->part == DB_MAIN ? "PRAGMA secure_delete=ON" : "PRAGMA secure_delete=OFF", NULL,
                        NULL, NULL);
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
    enum result result = db_sqlite_fail(connection, code, "open");
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

static const char *explain(const char *url, enum db_part part, enum db_mode mode, enum result result,
                           struct arena *arena)
{
    (void)mode;
    const char *place = paths_file(url, part, arena);
    if (result == RESULT_INVALID && part == DB_MAIN)
        return arena_printf(arena, "%s is damaged or no database. Put a backup in its place with meishi restore FILE.",
                            place);
    if (result == RESULT_INVALID)
        return arena_printf(arena,
                            "%s is damaged or no database. It holds only hits of the last moments: move it away and "
                            "start again.",
                            place);
    if (result == RESULT_NOT_FOUND)
        return arena_printf(arena, "There is no store at %s yet: meishi serve makes one.", place);
    return arena_printf(arena, "%s could not be opened. See to the folder's owner, its mode and the space on its disk.",
                        place);
}

static void close_connection(struct db *db)
{
    struct connection *connection = connection_of(db);
    db_sqlite_drop_statements(connection);
    int code = sqlite3_close(connection->handle);
    assert(code == SQLITE_OK); /* else rows were not finished */
    (void)code;
    free(connection);
}

/* ---- transactions and housekeeping ---- */

static int64_t changes(const struct db *db)
{
    return sqlite3_changes64(((const struct connection *)db)->handle);
}

static enum result run(struct connection *connection, const char *sql)
{
    struct db_rows *rows;
    enum result result = db_sqlite_query(&connection->db, sql, NULL, 0, &rows);
    if (result != RESULT_OK)
        return result;
    result = db_sqlite_next(rows);
    db_sqlite_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

/* With NORMAL a commit appends to the WAL and does not wait for the disk; the next one with FULL brings both there, in their
 * order. Not as a prepared statement: SQLite does it while it compiles. */
static enum result set_lazy(struct connection *connection)
{
    int code =
        sqlite3_exec(connection->handle, connection->db.lazy ? "PRAGMA synchronous=NORMAL" : "PRAGMA synchronous=FULL",
                     NULL, NULL, NULL);
    if (code != SQLITE_OK)
        return db_sqlite_fail(connection, code, "synchronous");
    connection->lazy = connection->db.lazy;
    return RESULT_OK;
}

static enum result begin(struct db *db)
{
    struct connection *connection = connection_of(db);
    if (db->broken)
        return RESULT_FAILED;
    enum result result = db->lazy == connection->lazy ? RESULT_OK : set_lazy(connection);
    if (result != RESULT_OK)
        return result;
    return run(connection, connection->mode == DB_READ ? "BEGIN" : "BEGIN IMMEDIATE");
}

static enum result end(struct db *db, bool commit)
{
    struct connection *connection = connection_of(db);
    enum result result = RESULT_OK;
    if (commit && db->broken)
        result = RESULT_FAILED;
    else if (commit)
        result = sqlite3_get_autocommit(connection->handle) ? RESULT_FAILED : run(connection, "COMMIT");
    /* SQLite has rolled back by itself after some errors; after the others it waits for our word. */
    if (!sqlite3_get_autocommit(connection->handle)) {
        enum result undone = run(connection, "ROLLBACK");
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
    return code == SQLITE_OK ? RESULT_OK : db_sqlite_fail(connection_of(db), code, "script");
}

static enum result tidy(struct db *db, bool idle)
{
    struct connection *connection = connection_of(db);
    assert(connection->mode == DB_WRITE && sqlite3_get_autocommit(connection->handle));
    if (db->broken)
        return RESULT_FAILED;
    if (connection->wal_pages < connection->wal_pages_checked)
        connection->wal_pages_checked = 0; /* the WAL has begun anew */
    bool due =
        idle ? connection->wal_pages > 0 : connection->wal_pages - connection->wal_pages_checked >= CHECKPOINT_PAGES;
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
    if (code == SQLITE_OK)
        return RESULT_OK;
    enum result result = db_sqlite_fail(connection, code, "checkpoint");
    return result == RESULT_BUSY && !idle ? RESULT_OK : result;
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
    if (file < 0) {
        snprintf(connection->words, sizeof connection->words, "%s", strerror(errno));
        return errno == EEXIST ? RESULT_CONFLICT : RESULT_FAILED;
    }
    close(file);
    /* The copy is written under this connection, which stays unable to write anything else. */
    sqlite3_exec(connection->handle, "PRAGMA query_only=OFF", NULL, NULL, NULL);
    const struct db_value target = db_text(path);
    struct db_rows *rows;
    enum result result = db_sqlite_query(db, "VACUUM INTO $1", &target, 1, &rows);
    if (result == RESULT_OK) {
        result = db_sqlite_next(rows);
        db_sqlite_finish(&rows);
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
    enum result result =
        db_sqlite_query(db, thorough ? "PRAGMA integrity_check(1)" : "PRAGMA quick_check(1)", NULL, 0, &rows);
    if (result == RESULT_OK)
        result = db_sqlite_next(rows);
    if (result == RESULT_OK) {
        size_t len;
        const char *words = db_sqlite_bytes(rows, 0, &len);
        if (!words || strcmp(words, "ok") != 0) {
            snprintf(connection->words, sizeof connection->words, "%s", words ? words : "");
            result = RESULT_INVALID;
        }
    }
    db_sqlite_finish(&rows);
    return db->broken ? RESULT_INVALID : result;
}

static const char *error(const struct db *db)
{
    return ((const struct connection *)db)->words;
}

const struct db_driver db_sqlite = {
    .scheme = "sqlite",
    .open = open_connection,
    .explain = explain,
    .close = close_connection,
    .begin = begin,
    .end = end,
    .script = script,
    .query = db_sqlite_query,
    .next = db_sqlite_next,
    .integer = db_sqlite_integer,
    .bytes = db_sqlite_bytes,
    .finish = db_sqlite_finish,
    .changes = changes,
    .append = db_sqlite_append,
    .tidy = tidy,
    .copy_to = copy_to,
    .check = check,
    .error = error,
};
