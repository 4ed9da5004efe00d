/* The SQLite driver: what db.h promises, and what only this engine does (files, modes, WAL, damage). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "server/store/db.h"
#include "server/store/paths.h"

/* The engine's syncs come through here, so that one can fail as a dying disk's does. */
static bool syncs_fail;
static int syncs;

static int sync_by(long call, int file)
{
    syncs++;
    if (!syncs_fail)
        return (int)syscall(call, file);
    errno = EIO;
    return -1;
}

int fsync(int file)
{
    return sync_by(SYS_fsync, file);
}

int fdatasync(int file)
{
    return sync_by(SYS_fdatasync, file);
}

struct place {
    char folder[64], url[96];
    struct arena arena;
};

static int make_place(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    snprintf(place->folder, sizeof place->folder, "/tmp/meishi-db-XXXXXX");
    if (!mkdtemp(place->folder))
        return -1;
    snprintf(place->url, sizeof place->url, "sqlite:%s/deep/store", place->folder);
    arena_init(&place->arena);
    *state = place;
    return 0;
}

static int drop_place(void **state)
{
    struct place *place = *state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", place->folder);
    arena_free(&place->arena);
    int status = system(command);
    free(place);
    return status;
}

static struct db *open_db(struct place *place, enum db_mode mode)
{
    struct db *db;
    const struct db_driver *driver = db_driver_of(place->url);
    assert_non_null(driver);
    assert_int_equal(driver->open(place->url, DB_MAIN, mode, &db), RESULT_OK);
    return db;
}

static void close_db(struct db *db)
{
    db->driver->close(db);
}

static void make_table(struct db *db)
{
    assert_int_equal(db->driver->script(db,
                                        "CREATE TABLE t (id BIGINT PRIMARY KEY, word TEXT UNIQUE, blob BYTEA);"
                                        "CREATE TABLE child (id BIGINT PRIMARY KEY, t_id BIGINT REFERENCES t (id));"),
                     RESULT_OK);
}

static int64_t count(struct db *db, const char *sql)
{
    struct db_rows *rows;
    assert_int_equal(db_one(db, sql, NULL, 0, &rows), RESULT_OK);
    int64_t number = db_column_int(rows, 0);
    db_finish(&rows);
    return number;
}

static int64_t file_size(struct place *place, const char *suffix)
{
    struct stat info;
    const char *path = arena_printf(&place->arena, "%s%s", paths_file(place->url, DB_MAIN, &place->arena), suffix);
    return stat(path, &info) == 0 ? info.st_size : -1;
}

static void db__has_no_driver_for_other_urls(void **state)
{
    (void)state;
    assert_null(db_driver_of("sqlite3:x"));
    assert_null(db_driver_of("mysql://x"));
    assert_null(db_driver_of("sqlite"));
    assert_ptr_equal(db_driver_of("sqlite:"), &db_sqlite);
}

static void paths__follow_the_url(void **state)
{
    struct place *place = *state;
    struct arena *a = &place->arena;
    assert_string_equal(paths_file("sqlite:/x/cards.db", DB_MAIN, a), "/x/cards.db");
    assert_string_equal(paths_file("sqlite:/x/cards.db", DB_INBOX, a), "/x/cards-hits.db");
    assert_string_equal(paths_folder("sqlite:/x/cards.db", a), "/x");
    assert_string_equal(paths_folder("sqlite:cards.db", a), ".");
    assert_string_equal(paths_folder("sqlite:/cards.db", a), "/");
    assert_string_equal(paths_file("sqlite:/x", DB_MAIN, a), "/x/meishi.db");
    assert_string_equal(paths_file("sqlite:/x", DB_INBOX, a), "/x/meishi-hits.db");
    setenv("XDG_DATA_HOME", "/data", 1);
    assert_string_equal(paths_file("sqlite:", DB_MAIN, a), "/data/meishi/meishi.db");
    setenv("XDG_DATA_HOME", "relative", 1);
    setenv("HOME", "/home/jane", 1);
    assert_string_equal(paths_folder("sqlite:", a), "/home/jane/.local/share/meishi");
    assert_null(paths_folder("postgres://x", a));
    assert_null(paths_file("postgres://x", DB_MAIN, a));
}

static void db__makes_a_private_folder_and_file(void **state)
{
    struct place *place = *state;
    struct db *db = open_db(place, DB_WRITE);
    make_table(db);
    struct stat info;
    assert_int_equal(stat(paths_folder(place->url, &place->arena), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    assert_int_equal(stat(paths_file(place->url, DB_MAIN, &place->arena), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(stat(arena_printf(&place->arena, "%s-wal", paths_file(place->url, DB_MAIN, &place->arena)), &info),
                     0);
    assert_int_equal(info.st_mode & 0777, 0600);
    close_db(db);
}

static void db__gives_back_what_it_was_given(void **state)
{
    struct db *db = open_db(*state, DB_WRITE);
    struct arena *arena = &((struct place *)*state)->arena;
    make_table(db);
    /* The parameters stand out of order and one twice. */
    assert_int_equal(db_run(db, "INSERT INTO t (word, id, blob) SELECT $2, $1, $3 WHERE $1 = $1",
                            DB_ARGS(DB_INT(7), db_text("grüße"), db_blob("\0\1\2", 3))),
                     RESULT_OK);
    assert_int_equal(db_run(db, "INSERT INTO t (id, word, blob) VALUES ($1, $2, $3)",
                            DB_ARGS(DB_INT(INT64_MAX), db_text(NULL), db_blob("", 0))),
                     RESULT_OK);
    assert_int_equal(db_changes(db), 1);
    struct db_rows *rows;
    assert_int_equal(db_query(db, "SELECT id, word, blob FROM t ORDER BY id", NULL, 0, &rows), RESULT_OK);
    assert_int_equal(db_next(rows), RESULT_OK);
    size_t len;
    assert_int_equal(db_column_int(rows, 0), 7);
    assert_string_equal(db_column_text(rows, 1, arena), "grüße");
    assert_memory_equal(db_column_bytes(rows, 2, &len), "\0\1\2", 3);
    assert_int_equal(len, 3);
    assert_int_equal(db_next(rows), RESULT_OK);
    assert_true(db_column_int(rows, 0) == INT64_MAX);
    assert_null(db_column_text(rows, 1, arena));
    assert_int_equal(db_column_int(rows, 1), 0);
    assert_non_null(db_column_bytes(rows, 2, &len));
    assert_int_equal(len, 0);
    assert_int_equal(db_next(rows), RESULT_NOT_FOUND);
    assert_int_equal(db_next(rows), RESULT_NOT_FOUND);
    db_finish(&rows);
    assert_null(rows);
    close_db(db);
}

static void db__tells_conflicts_from_failures(void **state)
{
    struct db *db = open_db(*state, DB_WRITE);
    make_table(db);
    const char *insert = "INSERT INTO t (id, word) VALUES ($1, $2)";
    assert_int_equal(db_run(db, insert, DB_ARGS(DB_INT(1), db_text("a"))), RESULT_OK);
    assert_int_equal(db_run(db, insert, DB_ARGS(DB_INT(1), db_text("b"))), RESULT_CONFLICT);
    assert_int_equal(db_run(db, insert, DB_ARGS(DB_INT(2), db_text("a"))), RESULT_CONFLICT);
    assert_int_equal(db_run(db, "INSERT INTO child (id, t_id) VALUES (1, 99)", NULL, 0), RESULT_CONFLICT);
    assert_int_equal(db_run(db, "INSERT INTO nowhere VALUES (1)", NULL, 0), RESULT_FAILED);
    assert_true(strlen(db->driver->error(db)) > 0);
    assert_false(db->broken);
    assert_int_equal(db_run(db, insert, DB_ARGS(DB_INT(2), db_text("b"))), RESULT_OK);
    close_db(db);
}

static void db__may_run_a_query_inside_itself(void **state)
{
    struct db *db = open_db(*state, DB_WRITE);
    make_table(db);
    for (int i = 1; i <= 3; i++)
        assert_int_equal(db_run(db, "INSERT INTO t (id) VALUES ($1)", DB_ARGS(DB_INT(i))), RESULT_OK);
    static const char *const sql = "SELECT id FROM t ORDER BY id";
    struct db_rows *outer, *inner;
    int pairs = 0;
    assert_int_equal(db_query(db, sql, NULL, 0, &outer), RESULT_OK);
    while (db_next(outer) == RESULT_OK) {
        assert_int_equal(db_query(db, sql, NULL, 0, &inner), RESULT_OK);
        while (db_next(inner) == RESULT_OK)
            pairs++;
        db_finish(&inner);
    }
    db_finish(&outer);
    assert_int_equal(pairs, 9);
    close_db(db);
}

static void db__sees_that_an_address_holds_another_text(void **state)
{
    struct db *db = open_db(*state, DB_WRITE);
    char sql[32];
    for (int i = 0; i < 3; i++) {
        snprintf(sql, sizeof sql, "SELECT %d", i);
        assert_int_equal(count(db, sql), i);
    }
    for (int i = 0; i < 2000; i++) { /* more texts than are kept */
        char *text = arena_printf(&((struct place *)*state)->arena, "SELECT %d", i);
        assert_int_equal(count(db, text), i);
    }
    close_db(db);
}

static void db__appends_many_rows_in_one_call(void **state)
{
    struct db *db = open_db(*state, DB_WRITE);
    make_table(db);
    struct db_value values[300][2];
    for (int i = 0; i < 300; i++) {
        values[i][0] = DB_INT(i);
        values[i][1] = i % 2 ? db_text(NULL) : db_blob("x", 1);
    }
    assert_int_equal(db->driver->begin(db), RESULT_OK);
    assert_int_equal(db->driver->append(db, "INSERT INTO t (id, blob)", values[0], 2, 300), RESULT_OK);
    assert_int_equal(db->driver->end(db, true), RESULT_OK);
    assert_int_equal(count(db, "SELECT count(*) FROM t WHERE blob IS NULL"), 150);
    assert_int_equal(db->driver->begin(db), RESULT_OK);
    values[0][0] = DB_INT(1000);
    assert_int_equal(db->driver->append(db, "INSERT INTO t (id, blob)", values[0], 2, 300), RESULT_CONFLICT);
    assert_int_equal(db->driver->end(db, false), RESULT_OK);
    assert_int_equal(count(db, "SELECT count(*) FROM t"), 300);
    close_db(db);
}

static enum result insert_then_say(struct db *db, void *context)
{
    enum result result = db_run(db, "INSERT INTO t (id) VALUES ($1)", DB_ARGS(DB_INT(5)));
    return result == RESULT_OK ? *(enum result *)context : result;
}

static void db__transaction_keeps_only_what_its_body_approved(void **state)
{
    struct db *db = open_db(*state, DB_WRITE);
    make_table(db);
    enum result say = RESULT_LIMITED;
    assert_int_equal(db_transaction(db, "test", insert_then_say, &say), RESULT_LIMITED);
    assert_int_equal(count(db, "SELECT count(*) FROM t"), 0);
    say = RESULT_OK;
    assert_int_equal(db_transaction(db, "test", insert_then_say, &say), RESULT_OK);
    assert_int_equal(count(db, "SELECT count(*) FROM t"), 1);
    close_db(db);
}

static enum result busy_until(struct db *db, void *context)
{
    (void)db;
    int *left = context;
    return (*left)-- > 0 ? RESULT_BUSY : RESULT_OK;
}

static void db__transaction_tries_again_when_busy_and_then_gives_up(void **state)
{
    struct db *db = open_db(*state, DB_WRITE);
    int left = 4;
    assert_int_equal(db_transaction(db, "test", busy_until, &left), RESULT_OK);
    left = 5;
    assert_int_equal(db_transaction(db, "test", busy_until, &left), RESULT_FAILED);
    assert_int_equal(left, 0);
    close_db(db);
}

static void db__reader_sees_one_snapshot_and_cannot_write(void **state)
{
    struct db *writer = open_db(*state, DB_WRITE);
    make_table(writer);
    struct db *reader = open_db(*state, DB_READ);
    assert_int_equal(reader->driver->begin(reader), RESULT_OK);
    assert_int_equal(count(reader, "SELECT count(*) FROM t"), 0);
    assert_int_equal(db_run(writer, "INSERT INTO t (id) VALUES (1)", NULL, 0), RESULT_OK);
    assert_int_equal(count(reader, "SELECT count(*) FROM t"), 0);
    assert_int_equal(reader->driver->end(reader, true), RESULT_OK);
    assert_int_equal(count(reader, "SELECT count(*) FROM t"), 1);
    assert_int_equal(db_run(reader, "INSERT INTO t (id) VALUES (2)", NULL, 0), RESULT_FAILED);
    close_db(reader);
    close_db(writer);
}

static void db__reader_of_nothing_is_not_found(void **state)
{
    struct place *place = *state;
    struct db *db;
    assert_int_equal(db_sqlite.open(place->url, DB_MAIN, DB_READ, &db), RESULT_NOT_FOUND);
    assert_null(db);
}

static void db__truncates_its_wal_when_idle(void **state)
{
    struct place *place = *state;
    struct db *db = open_db(place, DB_WRITE);
    make_table(db);
    assert_true(file_size(place, "-wal") > 0);
    assert_int_equal(db->driver->tidy(db, false), RESULT_OK);
    assert_true(file_size(place, "-wal") > 0);
    struct db *reader = open_db(place, DB_READ);
    assert_int_equal(reader->driver->begin(reader), RESULT_OK);
    assert_int_equal(count(reader, "SELECT count(*) FROM t"), 0);
    assert_int_equal(db_run(db, "INSERT INTO t (id) VALUES (1)", NULL, 0), RESULT_OK);
    assert_int_equal(db->driver->tidy(db, true), RESULT_BUSY); /* a reader is in the way: no waiting */
    assert_true(file_size(place, "-wal") > 0);
    assert_int_equal(reader->driver->end(reader, true), RESULT_OK);
    assert_int_equal(db->driver->tidy(db, true), RESULT_OK);
    assert_int_equal(file_size(place, "-wal"), 0);
    close_db(reader);
    close_db(db);
}

static void db__leaves_no_bytes_of_what_was_erased(void **state)
{
    struct place *place = *state;
    struct db *db = open_db(place, DB_WRITE);
    make_table(db);
    char secret[9000];
    memset(secret, 'x', sizeof secret);
    memcpy(secret + 8000, "CANARY", 6); /* on an overflow page, which becomes a free one */
    assert_int_equal(
        db_run(db, "INSERT INTO t (id, word, blob) VALUES (1, 'CANARY', $1)", DB_ARGS(db_blob(secret, sizeof secret))),
        RESULT_OK);
    assert_int_equal(db->driver->tidy(db, true), RESULT_OK);
    const char *grep = arena_printf(&place->arena, "grep -rq CANARY '%s'", place->folder);
    assert_int_equal(system(grep), 0);
    assert_int_equal(db_run(db, "DELETE FROM t", NULL, 0), RESULT_OK);
    assert_int_equal(db->driver->tidy(db, true), RESULT_OK);
    assert_int_not_equal(system(grep), 0);
    close_db(db);
}

static void db__copies_itself_into_a_new_file_only(void **state)
{
    struct place *place = *state;
    struct db *db = open_db(place, DB_WRITE);
    make_table(db);
    assert_int_equal(db_run(db, "INSERT INTO t (id) VALUES (42)", NULL, 0), RESULT_OK);
    struct db *reader = open_db(place, DB_READ);
    const char *path = arena_printf(&place->arena, "%s/copy.db", place->folder);
    assert_int_equal(reader->driver->copy_to(reader, path), RESULT_OK);
    assert_int_equal(reader->driver->copy_to(reader, path), RESULT_CONFLICT);
    assert_int_equal(db_run(reader, "INSERT INTO t (id) VALUES (2)", NULL, 0), RESULT_FAILED);
    close_db(reader);
    close_db(db);
    struct db *copy;
    assert_int_equal(db_sqlite.open(arena_printf(&place->arena, "sqlite:%s", path), DB_MAIN, DB_READ, &copy),
                     RESULT_OK);
    assert_int_equal(count(copy, "SELECT id FROM t"), 42);
    assert_int_equal(copy->driver->check(copy, true), RESULT_OK);
    close_db(copy);
}

static void overwrite(struct place *place, off_t at, const char *bytes)
{
    int file = open(paths_file(place->url, DB_MAIN, &place->arena), O_WRONLY);
    assert_int_equal(pwrite(file, bytes, strlen(bytes), at), strlen(bytes));
    close(file);
}

static void db__refuses_what_is_no_database(void **state)
{
    struct place *place = *state;
    struct db *db = open_db(place, DB_WRITE);
    make_table(db);
    assert_int_equal(db->driver->tidy(db, true), RESULT_OK);
    close_db(db);
    overwrite(place, 0, "Dear diary, today I was no database at all.");
    assert_int_equal(db_sqlite.open(place->url, DB_MAIN, DB_WRITE, &db), RESULT_INVALID);
    assert_null(db);
}

static void db__finds_damage_and_then_writes_no_more(void **state)
{
    struct place *place = *state;
    struct db *db = open_db(place, DB_WRITE);
    make_table(db);
    assert_int_equal(db->driver->begin(db), RESULT_OK);
    for (int i = 0; i < 2000; i++)
        assert_int_equal(db_run(db, "INSERT INTO t (id, word) VALUES ($1, $2)",
                                DB_ARGS(DB_INT(i), db_text(arena_printf(&place->arena, "word %d", i)))),
                         RESULT_OK);
    assert_int_equal(db->driver->end(db, true), RESULT_OK);
    assert_int_equal(db->driver->tidy(db, true), RESULT_OK);
    assert_int_equal(db->driver->check(db, true), RESULT_OK);
    close_db(db);
    for (off_t page = 1; page < 6; page++)
        overwrite(place, page * 4096, "ruined ruined ruined ruined");
    db = open_db(place, DB_WRITE);
    assert_int_equal(db->driver->check(db, false), RESULT_INVALID);
    struct db_rows *rows;
    assert_int_equal(db_one(db, "SELECT max(length(word)) FROM t", NULL, 0, &rows), RESULT_FAILED);
    assert_true(db->broken);
    assert_int_equal(db->driver->begin(db), RESULT_FAILED);
    close_db(db);
}

static enum result insert(struct db *db, void *context)
{
    return db_run(db, "INSERT INTO t (id) VALUES ($1)", DB_ARGS(DB_INT(*(int64_t *)context)));
}

static void db__is_synced_when_a_commit_is_ok(void **state)
{
    struct db *db = open_db(*state, DB_WRITE);
    make_table(db);
    for (int64_t id = 1; id <= 3; id++) {
        int before = syncs;
        assert_int_equal(db_transaction(db, "test", insert, &id), RESULT_OK);
        assert_true(syncs > before);
    }
    close_db(db);
}

static void db__waits_for_no_sync_when_lazy_and_the_next_syncs_for_both(void **state)
{
    struct db *db = open_db(*state, DB_WRITE);
    make_table(db);
    int64_t id = 1;
    assert_int_equal(db_transaction(db, "test", insert, &id), RESULT_OK);
    int before = syncs;
    db->lazy = true;
    for (id = 2; id <= 4; id++)
        assert_int_equal(db_transaction(db, "test", insert, &id), RESULT_OK);
    assert_int_equal(syncs, before);
    db->lazy = false;
    assert_int_equal(db_transaction(db, "test", insert, &id), RESULT_OK);
    assert_true(syncs > before);
    assert_int_equal(count(db, "SELECT count(*) FROM t"), 5);
    close_db(db);
}

static void db__acknowledges_nothing_after_a_failed_sync(void **state)
{
    struct db *db = open_db(*state, DB_WRITE);
    make_table(db);
    int64_t id = 1;
    assert_int_equal(db_transaction(db, "test", insert, &id), RESULT_OK);
    syncs_fail = true;
    id = 2;
    assert_int_equal(db_transaction(db, "test", insert, &id), RESULT_FAILED);
    syncs_fail = false; /* the next one would be told OK, for what the kernel has thrown away */
    assert_true(db->broken);
    id = 3;
    assert_int_equal(db_transaction(db, "test", insert, &id), RESULT_FAILED);
    assert_int_equal(db->driver->tidy(db, true), RESULT_FAILED);
    close_db(db);
    db = open_db(*state, DB_WRITE); /* as after a restart; the row that was never acknowledged may be there */
    assert_int_equal(count(db, "SELECT count(*) FROM t WHERE id IN (1, 3)"), 1);
    assert_int_equal(db_transaction(db, "test", insert, &id), RESULT_OK);
    assert_int_equal(db->driver->check(db, true), RESULT_OK);
    close_db(db);
}

static void db__goes_on_when_there_is_space_again(void **state)
{
    struct place *place = *state;
    struct db *db = open_db(place, DB_WRITE);
    make_table(db);
    int64_t id = 1;
    assert_int_equal(db_transaction(db, "test", insert, &id), RESULT_OK);
    struct rlimit all, none;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &all), 0);
    none = all;
    none.rlim_cur = (rlim_t)file_size(place, "-wal");
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    id = 2;
    for (int i = 0; i < 3; i++)
        assert_int_equal(db_transaction(db, "test", insert, &id), RESULT_FAILED);
    assert_int_equal(count(db, "SELECT count(*) FROM t"), 1);
    assert_false(db->broken);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &all), 0);
    assert_int_equal(db_transaction(db, "test", insert, &id), RESULT_OK);
    assert_int_equal(count(db, "SELECT count(*) FROM t"), 2);
    close_db(db);
}

int main(void)
{
#define IN_A_PLACE(test) cmocka_unit_test_setup_teardown(test, make_place, drop_place)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(db__has_no_driver_for_other_urls),
        IN_A_PLACE(paths__follow_the_url),
        IN_A_PLACE(db__makes_a_private_folder_and_file),
        IN_A_PLACE(db__gives_back_what_it_was_given),
        IN_A_PLACE(db__tells_conflicts_from_failures),
        IN_A_PLACE(db__may_run_a_query_inside_itself),
        IN_A_PLACE(db__sees_that_an_address_holds_another_text),
        IN_A_PLACE(db__appends_many_rows_in_one_call),
        IN_A_PLACE(db__transaction_keeps_only_what_its_body_approved),
        IN_A_PLACE(db__transaction_tries_again_when_busy_and_then_gives_up),
        IN_A_PLACE(db__reader_sees_one_snapshot_and_cannot_write),
        IN_A_PLACE(db__reader_of_nothing_is_not_found),
        IN_A_PLACE(db__truncates_its_wal_when_idle),
        IN_A_PLACE(db__leaves_no_bytes_of_what_was_erased),
        IN_A_PLACE(db__copies_itself_into_a_new_file_only),
        IN_A_PLACE(db__refuses_what_is_no_database),
        IN_A_PLACE(db__is_synced_when_a_commit_is_ok),
        IN_A_PLACE(db__waits_for_no_sync_when_lazy_and_the_next_syncs_for_both),
        IN_A_PLACE(db__acknowledges_nothing_after_a_failed_sync),
        IN_A_PLACE(db__goes_on_when_there_is_space_again),
        IN_A_PLACE(db__finds_damage_and_then_writes_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
