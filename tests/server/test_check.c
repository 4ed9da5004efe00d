/* What meishi doctor asks of a store, on both engines: a sound one passes, and a row whose other is gone is told of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "server/ids.h"
#include "server/store/inbox.h"
#include "server/store/internal.h"
#include "tests/support/fresh_store.h"

static void check__passes_a_sound_store(void **state)
{
    struct fresh *fresh = *state;
    struct complaints complaints = {0};
    assert_int_equal(store_check(fresh->store, &fresh->arena, &complaints), RESULT_OK);
    assert_int_equal(complaints.count, 0);
}

/* As a copy would be that was put together by hand. */
static void check__tells_of_rows_that_refer_to_nothing(void **state)
{
    struct fresh *fresh = *state;
    struct complaints complaints = {0};
    static const char ORPHAN[] = "INSERT INTO portraits (owner_id, card_id, id, jpeg) VALUES (1, 2, 3, '')";
    store_close(fresh->store);
    struct db *db;
    assert_int_equal(engine_driver()->open(fresh->url, DB_MAIN, DB_WRITE, &db), RESULT_OK);
    const char *sql = engine_is_sqlite()
                          ? arena_printf(&fresh->arena, "PRAGMA foreign_keys=OFF; %s;", ORPHAN)
                          : arena_printf(&fresh->arena,
                                         "ALTER TABLE portraits DROP CONSTRAINT portraits_owner_id_card_id_fkey; %s; "
                                         "ALTER TABLE portraits ADD FOREIGN KEY (owner_id, card_id) REFERENCES cards "
                                         "(owner_id, id) NOT VALID",
                                         ORPHAN);
    assert_int_equal(db->driver->script(db, sql), RESULT_OK);
    db->driver->close(db);
    fresh_restart(fresh);
    assert_int_equal(store_check(fresh->store, &fresh->arena, &complaints), RESULT_INVALID);
    assert_int_equal(complaints.count, 1);
    assert_string_equal(complaints.list[0].words, "1 rows of portraits refer to others that are not there.");
}

/* As a server that died left it in the inbox. */
static void leave_visit(struct fresh *fresh, int64_t at_ms)
{
    struct inbox_room room = {0};
    const struct hit hit = {.id = id_at_ms(at_ms) + 1,
                            .owner_id = fresh->jane.id,
                            .share_id = fresh->share.id,
                            .channel = CHANNEL_QR,
                            .family = "Safari on iOS"};
    struct db *db;
    assert_int_equal(engine_driver()->open(fresh->url, DB_INBOX, DB_WRITE, &db), RESULT_OK);
    assert_int_equal(engine_driver()->begin(db), RESULT_OK);
    assert_int_equal(inbox_append(db, &hit, 1, 1, &room), RESULT_OK);
    assert_int_equal(engine_driver()->end(db, true), RESULT_OK);
    db->driver->close(db);
    free(room.bytes);
}

/* As meishi doctor does, which folds nothing. */
static enum result check(struct fresh *fresh, struct complaints *out)
{
    const struct store_options options = {.url = fresh->url, .driver = engine_driver(), .read_only = true};
    struct store *store;
    const char *why;
    *out = (struct complaints){0};
    assert_int_equal(store_open(&options, &fresh->arena, &store, &why), RESULT_OK);
    enum result result = store_check(store, &fresh->arena, out);
    store_close(store);
    return result;
}

static void check__tells_of_visits_that_nobody_counts(void **state)
{
    struct fresh *fresh = *state;
    struct complaints complaints;
    store_close(fresh->store);
    leave_visit(fresh, now_ms() - 25 * 60000);
    assert_int_equal(check(fresh, &complaints), RESULT_INVALID);
    assert_int_equal(complaints.count, 1);
    assert_non_null(strstr(complaints.list[0].words, "Visits of 25 minutes ago wait to be counted"));
    fresh_restart(fresh);
    assert_int_equal(store_fold_now(fresh->store), RESULT_OK);
    store_close(fresh->store);
    assert_int_equal(check(fresh, &complaints), RESULT_OK);
    fresh_restart(fresh);
}

static void check__lets_visits_wait_for_some_minutes(void **state)
{
    struct fresh *fresh = *state;
    struct complaints complaints;
    store_close(fresh->store);
    leave_visit(fresh, now_ms() - 5 * 60000);
    assert_int_equal(check(fresh, &complaints), RESULT_OK);
    fresh_restart(fresh);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(check__passes_a_sound_store, fresh_setup, fresh_teardown),
        cmocka_unit_test_setup_teardown(check__tells_of_rows_that_refer_to_nothing, fresh_setup, fresh_teardown),
        cmocka_unit_test_setup_teardown(check__tells_of_visits_that_nobody_counts, fresh_setup, fresh_teardown),
        cmocka_unit_test_setup_teardown(check__lets_visits_wait_for_some_minutes, fresh_setup, fresh_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
