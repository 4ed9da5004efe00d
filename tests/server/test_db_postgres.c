/* The PostgreSQL driver alone, on the server of the run (tests/support/engine.h): make test runs it with one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/support/engine.h"

struct server {
    char url[ENGINE_URL_SIZE];
    struct db *db;
};

static int make_table(void **state)
{
    static struct server server;
    *state = &server;
    if (engine_is_sqlite())
        return -1;
    engine_url("", server.url);
    if (db_postgres.open(server.url, DB_MAIN, DB_WRITE, &server.db) != RESULT_OK)
        return -1;
    return db_postgres.script(server.db, "CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, words TEXT, bytes BYTEA)") ==
                   RESULT_OK
               ? 0
               : -1;
}

static int drop_table(void **state)
{
    struct server *server = *state;
    db_postgres.close(server->db);
    engine_drop(server->url);
    return 0;
}

static enum result insert(struct db *db, int64_t id, const char *words)
{
    return db_run(db, "INSERT INTO t (id, words) VALUES ($1, $2)", DB_ARGS(DB_INT(id), db_text(words)));
}

static int64_t number(struct db *db, const char *sql)
{
    struct db_rows *rows;
    assert_int_equal(db_one(db, sql, NULL, 0, &rows), RESULT_OK);
    int64_t found = db_column_int(rows, 0);
    db_finish(&rows);
    return found;
}

static void db__gives_back_what_it_was_given(void **state)
{
    struct db *db = ((struct server *)*state)->db;
    static const char bytes[] = {0, 1, -1, 39, 92};
    const struct db_value rows_given[] = {DB_INT(INT64_MIN),
                                          db_text("Ægir 'n \\ {\"}"),
                                          db_blob(bytes, sizeof bytes),
                                          DB_INT(-1),
                                          db_text(NULL),
                                          db_blob(NULL, 0),
                                          DB_INT(INT64_MAX),
                                          db_text(""),
                                          db_blob(bytes, 0)};
    struct db_rows *rows;
    size_t len;
    assert_int_equal(db->driver->begin(db), RESULT_OK);
    assert_int_equal(db->driver->append(db, "INSERT INTO t (id, words, bytes)", rows_given, 3, 3), RESULT_OK);
    assert_int_equal(db_changes(db), 3);
    assert_int_equal(db->driver->end(db, true), RESULT_OK);
    assert_int_equal(db_query(db, "SELECT id, words, bytes FROM t ORDER BY id", NULL, 0, &rows), RESULT_OK);
    assert_int_equal(db_next(rows), RESULT_OK);
    assert_true(db_column_int(rows, 0) == INT64_MIN);
    assert_memory_equal(db_column_bytes(rows, 1, &len), "Ægir 'n \\ {\"}", 13);
    assert_memory_equal(db_column_bytes(rows, 2, &len), bytes, sizeof bytes);
    assert_int_equal(len, sizeof bytes);
    assert_int_equal(db_next(rows), RESULT_OK);
    assert_null(db_column_bytes(rows, 1, &len));
    assert_null(db_column_bytes(rows, 2, &len));
    assert_int_equal(db_next(rows), RESULT_OK);
    assert_non_null(db_column_bytes(rows, 1, &len));
    assert_int_equal(len, 0);
    assert_int_equal(db_next(rows), RESULT_NOT_FOUND);
    db_finish(&rows);
    assert_true(number(db, "SELECT sum(id) FROM t WHERE id < 0 AND id > -9") == -1); /* a sum is numeric */
    assert_true(number(db, "SELECT sum(CAST(-90000 AS BIGINT))") == -90000);
    assert_true(number(db, "SELECT 1 = 1") == 1);
}

enum { MANY = 300 };

/* Rows from FIRST on: their number, a text that is missing from each third, bytes with a zero among them. */
static void make_rows(struct db_value rows[MANY][3], int64_t first)
{
    static const char words[] = "Ægir\t'n \\ N", bytes[] = {1, 0, -1};
    for (int i = 0; i < MANY; i++) {
        rows[i][0] = DB_INT(first + i);
        rows[i][1] = db_text(i % 3 ? words : NULL);
        rows[i][2] = db_blob(bytes, (size_t)(i % 4));
    }
}

static enum result append_rows(struct db *db, void *context)
{
    return db->driver->append(db, "INSERT INTO t (id, words, bytes)", context, 3, MANY);
}

static void append__of_many_rows_keeps_all_or_none(void **state)
{
    const struct server *server = *state;
    struct db *db = server->db;
    static struct db_value rows[MANY][3];
    make_rows(rows, 1);
    assert_int_equal(db->driver->begin(db), RESULT_OK);
    assert_int_equal(append_rows(db, rows), RESULT_OK); /* the first statement of its transaction */
    assert_int_equal(db_changes(db), MANY);
    assert_int_equal(insert(db, MANY + 1, "beside them"), RESULT_OK);
    make_rows(rows, MANY);
    assert_int_equal(db_attempt(db, append_rows, rows), RESULT_CONFLICT);
    make_rows(rows, -MANY);
    assert_int_equal(append_rows(db, rows), RESULT_OK);
    assert_int_equal(db->driver->end(db, true), RESULT_OK);
    assert_int_equal(number(db, "SELECT count(*) FROM t WHERE id > 0"), MANY + 1);
    assert_int_equal(number(db, "SELECT count(*) FROM t WHERE id < 0"), MANY);
    assert_int_equal(number(db, "SELECT count(*) FROM t WHERE words IS NULL AND id BETWEEN 1 AND 300"), MANY / 3);
    assert_int_equal(number(db, "SELECT count(DISTINCT words) FROM t WHERE words <> 'beside them'"), 1);
    assert_int_equal(number(db, "SELECT count(*) FROM t WHERE bytes = decode('0100ff', 'hex')"), 2 * (MANY / 4));
    assert_int_equal(number(db, "SELECT count(*) FROM t WHERE octet_length(bytes) = 0"), 2 * (MANY / 4));
    make_rows(rows, MANY + 1);
    assert_int_equal(append_rows(db, rows), RESULT_CONFLICT); /* outside of a transaction: one of its own */
    make_rows(rows, 1000);
    assert_int_equal(append_rows(db, rows), RESULT_OK);
    assert_int_equal(number(db, "SELECT count(*) FROM t WHERE id > 0"), 2 * MANY + 1);
}

static enum result insert_again(struct db *db, void *context)
{
    (void)context;
    assert_int_equal(insert(db, 2, "kept with what follows"), RESULT_OK);
    return insert(db, 1, "again");
}

static void conflict__in_an_attempt_leaves_the_transaction_whole(void **state)
{
    struct db *db = ((struct server *)*state)->db;
    assert_int_equal(db->driver->begin(db), RESULT_OK);
    assert_int_equal(insert(db, 1, "first"), RESULT_OK);
    assert_int_equal(db_attempt(db, insert_again, NULL), RESULT_CONFLICT);
    assert_int_equal(insert(db, 3, "after"), RESULT_OK);
    assert_int_equal(db->driver->end(db, true), RESULT_OK);
    assert_int_equal(number(db, "SELECT sum(id) FROM t"), 4);
    /* Without one nothing of the transaction can be kept, and the commit says so. */
    assert_int_equal(db->driver->begin(db), RESULT_OK);
    assert_int_equal(insert(db, 9, "lost"), RESULT_OK);
    assert_int_equal(insert(db, 1, "again"), RESULT_CONFLICT);
    assert_int_equal(db->driver->end(db, true), RESULT_FAILED);
    assert_int_equal(number(db, "SELECT sum(id) FROM t"), 4);
}

static void kill_backend(const struct server *server, int64_t pid)
{
    struct db *other;
    assert_int_equal(db_postgres.open(server->url, DB_MAIN, DB_READ, &other), RESULT_OK);
    assert_int_equal(db_run(other, "SELECT pg_terminate_backend(CAST($1 AS INT))", DB_ARGS(DB_INT(pid))), RESULT_OK);
    for (int i = 0;
         i < 500 && number(other, "SELECT count(*) FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid "
                                  "WHERE l.locktype = 'advisory' AND a.application_name = "
                                  "current_setting('application_name')");
         i++)
        usleep(10000);
    db_postgres.close(other);
}

static void connection__lost_in_a_transaction_fails_it_and_the_next_connects_anew(void **state)
{
    const struct server *server = *state;
    struct db *db = server->db;
    assert_int_equal(db->driver->begin(db), RESULT_OK);
    assert_int_equal(insert(db, 1, "lost"), RESULT_OK);
    kill_backend(server, number(db, "SELECT pg_backend_pid()"));
    assert_int_equal(insert(db, 2, "not outside of it"), RESULT_FAILED);
    assert_int_equal(insert(db, 3, "nor now"), RESULT_FAILED);
    static struct db_value rows[MANY][3];
    make_rows(rows, 1);
    assert_int_equal(append_rows(db, rows), RESULT_FAILED);
    assert_int_equal(db->driver->end(db, true), RESULT_FAILED);
    assert_int_equal(db->driver->begin(db), RESULT_OK);
    assert_int_equal(insert(db, 4, "kept"), RESULT_OK); /* prepared anew */
    assert_int_equal(db->driver->end(db, true), RESULT_OK);
    assert_int_equal(number(db, "SELECT sum(id) FROM t"), 4);
    /* Lost between two: nobody notices. */
    kill_backend(server, number(db, "SELECT pg_backend_pid()"));
    assert_int_equal(db->driver->begin(db), RESULT_OK);
    assert_int_equal(db->driver->end(db, true), RESULT_OK);
}

static void connection__that_takes_no_writes_any_more_is_left(void **state)
{
    struct db *db = ((struct server *)*state)->db;
    int64_t before = number(db, "SELECT pg_backend_pid()");
    assert_int_equal(db_run(db, "SET default_transaction_read_only = on", NULL, 0), RESULT_OK);
    assert_int_equal(insert(db, 1, "on what has become a standby"), RESULT_FAILED);
    assert_int_equal(insert(db, 2, "on the next connection"), RESULT_OK);
    assert_int_equal(number(db, "SELECT sum(id) FROM t"), 2);
    assert_true(number(db, "SELECT pg_backend_pid()") != before);
    static struct db_value rows[MANY][3];
    make_rows(rows, 3);
    assert_int_equal(db_run(db, "SET default_transaction_read_only = on", NULL, 0), RESULT_OK);
    assert_int_equal(append_rows(db, rows), RESULT_FAILED);
    assert_int_equal(append_rows(db, rows), RESULT_OK);
}

/* A reader whose last transaction nobody waited for, one whose statement failed inside, and one that said nothing at all. */
static void transactions__follow_each_other_however_they_ended(void **state)
{
    const struct server *server = *state;
    struct db *writer = server->db, *reader;
    assert_int_equal(db_postgres.open(server->url, DB_MAIN, DB_READ, &reader), RESULT_OK);
    for (int64_t i = 1; i <= 40; i++) {
        assert_int_equal(writer->driver->begin(writer), RESULT_OK);
        assert_int_equal(insert(writer, i, "kept"), RESULT_OK);
        assert_int_equal(writer->driver->end(writer, true), RESULT_OK);
        assert_int_equal(reader->driver->begin(reader), RESULT_OK);
        if (i % 4 == 1)
            assert_int_equal(db_run(reader, "SELECT 1 / (id - id) FROM t", NULL, 0), RESULT_FAILED);
        else if (i % 4 != 2)
            assert_int_equal(number(reader, "SELECT count(*) FROM t"), i);
        assert_int_equal(reader->driver->end(reader, false), RESULT_OK);
        assert_int_equal(number(reader, "SELECT max(id) FROM t"), i);
    }
    db_postgres.close(reader);
}

/* The end of a transaction that only read is not waited for, and what is said after it lies behind its answer. */
static void words__are_heard_behind_a_transaction_that_only_read(void **state)
{
    const struct server *server = *state;
    struct db *writer = server->db, *reader;
    char word[DB_WORD_SIZE] = "";
    assert_int_equal(db_postgres.open(server->url, DB_MAIN, DB_READ, &reader), RESULT_OK);
    assert_int_equal(reader->driver->listen(reader), RESULT_OK);
    assert_int_equal(reader->driver->begin(reader), RESULT_OK);
    assert_int_equal(number(reader, "SELECT count(*) FROM t"), 0);
    assert_int_equal(reader->driver->end(reader, false), RESULT_OK);
    assert_int_equal(writer->driver->begin(writer), RESULT_OK);
    assert_int_equal(writer->driver->notify(writer, "word"), RESULT_OK);
    assert_int_equal(writer->driver->end(writer, true), RESULT_OK);
    assert_int_equal(reader->driver->wait(reader, -1, 5000, word), RESULT_OK);
    assert_string_equal(word, "word");
    db_postgres.close(reader);
}

static void server__that_answers_before_its_disk_is_refused(void **state)
{
    const struct server *server = *state;
    char url[ENGINE_URL_SIZE + 40];
    struct db *db;
    snprintf(url, sizeof url, "%s%%20-csynchronous_commit%%3Doff", server->url);
    assert_int_equal(db_postgres.open(url, DB_MAIN, DB_WRITE, &db), RESULT_INVALID);
    assert_null(db);
    assert_int_equal(db_postgres.open(url, DB_MAIN, DB_READ, &db), RESULT_OK); /* who only reads is told nothing */
    assert_int_equal(insert(db, 1, "by a reader"), RESULT_FAILED);
    db_postgres.close(db);
    assert_int_equal(db_postgres_unsafe.open(url, DB_MAIN, DB_WRITE, &db), RESULT_OK); /* it was said that it may */
    assert_non_null(strstr(db->forgets, "synchronous_commit"));
    assert_int_equal(insert(db, 1, "for a trial"), RESULT_OK);
    db_postgres.close(db);
    assert_int_equal(db_postgres.script(server->db, "DROP TABLE t"), RESULT_OK);
    assert_int_equal(db_postgres.open(server->url, DB_MAIN, DB_READ, &db), RESULT_NOT_FOUND);
}

#define WITH_TABLE(test) cmocka_unit_test_setup_teardown(test, make_table, drop_table)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_TABLE(db__gives_back_what_it_was_given),
        WITH_TABLE(append__of_many_rows_keeps_all_or_none),
        WITH_TABLE(conflict__in_an_attempt_leaves_the_transaction_whole),
        WITH_TABLE(connection__lost_in_a_transaction_fails_it_and_the_next_connects_anew),
        WITH_TABLE(connection__that_takes_no_writes_any_more_is_left),
        WITH_TABLE(transactions__follow_each_other_however_they_ended),
        WITH_TABLE(words__are_heard_behind_a_transaction_that_only_read),
        WITH_TABLE(server__that_answers_before_its_disk_is_refused),
    };
    return cmocka_run_group_tests_name("postgres", tests, NULL, NULL);
}
