/* A backup made and put back, with the same promises on both engines: all or nothing, what was there is kept, and whoever was
 * erased or shut out since stays so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "server/ids.h"
#include "server/store/internal.h"
#include "tests/support/fresh_store.h"

#define MUST(call) assert_int_equal(call, RESULT_OK)

static int setup(void **state)
{
    struct fresh *fresh = fresh_open();
    struct lead lead;
    fresh_webhook(fresh, "https://example.org/hook");
    MUST(fresh_form(fresh, &fresh->share, id_at_ms(fresh->now_ms) + 1, "Ann Okafor", "ann@okafor.example", &lead));
    *state = fresh;
    return 0;
}

static int teardown(void **state)
{
    fresh_close(*state);
    return 0;
}

static void shut(struct fresh *fresh)
{
    store_close(fresh->store);
    fresh->store = NULL;
}

static const char *backup_path(struct fresh *fresh)
{
    return arena_printf(&fresh->arena, "%s/backup", fresh->folder);
}

static void make_backup(struct fresh *fresh)
{
    const char *why;
    enum result result = store_backup(fresh->store, backup_path(fresh), &fresh->arena, &why);
    if (result != RESULT_OK)
        fail_msg("%s", why);
}

static enum result restore(struct fresh *fresh, bool replace, const char **kept, const char **why)
{
    return store_restore(fresh->url, backup_path(fresh), replace, &fresh->arena, kept, why);
}

static void restored(struct fresh *fresh, bool replace, const char **kept)
{
    const char *why;
    enum result result = restore(fresh, replace, kept, &why);
    if (result != RESULT_OK)
        fail_msg("%d: %s", result, why);
}

static int64_t number(struct fresh *fresh, const char *sql)
{
    struct db *db;
    struct db_rows *rows;
    MUST(engine_driver()->open(fresh->url, DB_MAIN, DB_READ, &db));
    MUST(db_one(db, sql, NULL, 0, &rows));
    int64_t found = db_column_int(rows, 0);
    db_finish(&rows);
    db->driver->close(db);
    return found;
}

static void add_row(void *context, const char *table, const char *row, size_t len)
{
    /* FTS5 and the pages of a database may lie elsewhere in a copy; numbers of migrations are the store's own. */
    if (strncmp(table, "lead_search_", 12) == 0 || strcmp(table, "fold_mark") == 0)
        return;
    crypto_generichash_update(context, (const unsigned char *)table, strlen(table));
    crypto_generichash_update(context, (const unsigned char *)row, len);
}

static void dump_of(struct fresh *fresh, unsigned char out[32])
{
    struct db *db;
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, 32);
    MUST(engine_driver()->open(fresh->url, DB_MAIN, DB_READ, &db));
    engine_read_all(db, add_row, &state);
    db->driver->close(db);
    crypto_generichash_final(&state, out, 32);
}

static void assert_sound(struct fresh *fresh)
{
    struct complaints complaints = {0};
    enum result result = store_check(fresh->store, &fresh->arena, &complaints);
    if (result != RESULT_OK)
        fail_msg("%s", complaints.count ? complaints.list[0].words : "no words");
}

static void restore__brings_back_what_was_there_and_is_sound(void **state)
{
    struct fresh *fresh = *state;
    const char *kept;
    unsigned char before[32], after[32];
    make_backup(fresh);
    shut(fresh);
    dump_of(fresh, before);
    fresh_restart(fresh);
    fresh_member(fresh, "mika");
    shut(fresh);
    restored(fresh, false, &kept);
    assert_non_null(kept);
    dump_of(fresh, after);
    assert_memory_equal(before, after, sizeof before);
    fresh_restart(fresh);
    assert_sound(fresh);
    assert_int_equal(number(fresh, "SELECT count(*) FROM members"), 1);
}

static void restore__finds_leads_by_their_words(void **state)
{
    struct fresh *fresh = *state;
    const struct lead_filter filter = {.stage = -1, .channel = -1, .limit = 10, .q = "okafor"};
    const char *kept;
    struct lead *leads;
    size_t count = 0;
    make_backup(fresh);
    shut(fresh);
    restored(fresh, false, &kept);
    fresh_restart(fresh);
    MUST(store_lead_list(fresh->store, &fresh->arena, fresh->jane.id, &filter, &leads, &count));
    assert_int_equal(count, 1);
}

static void hit_done(struct hit *hit, enum result result)
{
    (void)hit;
    MUST(result);
}

/* Hits that nobody had folded yet are in the backup too. */
static void restore__forgets_no_hit_of_the_inbox(void **state)
{
    struct fresh *fresh = *state;
    struct hit hit = {.id = id_at_ms(fresh->now_ms) + 77,
                      .owner_id = fresh->share.owner_id,
                      .share_id = fresh->share.id,
                      .channel = CHANNEL_QR,
                      .done = hit_done};
    const char *kept;
    MUST(store_start(fresh->store));
    MUST(store_hit_submit(fresh->store, &hit));
    fresh_reopen(fresh); /* which waits for it */
    make_backup(fresh);
    shut(fresh);
    restored(fresh, false, &kept);
    fresh_restart(fresh);
    assert_int_equal(number(fresh, "SELECT sum(unconfirmed) FROM share_counts"), 1);
}

static void restore__erases_again_who_was_erased_since(void **state)
{
    struct fresh *fresh = *state;
    const char *kept;
    make_backup(fresh);
    MUST(store_lead_erase_by_receipt(fresh->store, fresh_receipt(fresh), fresh->now_ms));
    for (int replace = 0; replace < (engine_is_sqlite() ? 1 : 2); replace++) {
        shut(fresh);
        restored(fresh, replace, &kept);
        fresh_restart(fresh);
        assert_int_equal(number(fresh, "SELECT count(*) FROM leads"), 0);
        assert_int_equal(number(fresh, "SELECT count(*) FROM lead_search"), 0);
        assert_int_equal(number(fresh, "SELECT count(*) FROM erased"), 1);
        assert_sound(fresh);
    }
}

static void restore__lets_nobody_in_who_was_shut_out_since(void **state)
{
    struct fresh *fresh = *state;
    unsigned char hash[HASH_SIZE] = {1};
    const char *kept;
    MUST(store_session_add(fresh->store, hash, fresh->jane.id, NULL, fresh->now_ms, INT64_MAX));
    make_backup(fresh);
    MUST(store_member_disable(fresh->store, fresh->jane.id, fresh->now_ms));
    shut(fresh);
    restored(fresh, false, &kept);
    fresh_restart(fresh);
    assert_int_equal(number(fresh, "SELECT count(*) FROM members WHERE disabled_ms IS NOT NULL"), 1);
    assert_int_equal(number(fresh, "SELECT count(*) FROM sessions"), 0);
}

static void assert_refused(struct fresh *fresh, const char *words)
{
    const char *kept, *why = "";
    unsigned char before[32], after[32];
    dump_of(fresh, before);
    assert_int_equal(restore(fresh, false, &kept, &why), RESULT_FAILED);
    if (!strstr(why, words))
        fail_msg("%s", why);
    dump_of(fresh, after);
    assert_memory_equal(before, after, sizeof before);
}

static void restore__changes_nothing_when_the_file_is_no_backup(void **state)
{
    struct fresh *fresh = *state;
    make_backup(fresh);
    fresh_member(fresh, "mika");
    shut(fresh);
    struct stat about;
    MUST(stat(backup_path(fresh), &about));
    assert_int_equal(about.st_mode & 0777, 0600);
    MUST(truncate(backup_path(fresh), about.st_size / 2));
    assert_refused(fresh, "backup");
    int file = open(backup_path(fresh), O_WRONLY | O_TRUNC);
    assert_int_equal(write(file, "nonsense", 8), 8);
    close(file);
    assert_refused(fresh, "backup");
}

static void restore__waits_for_no_server_to_end(void **state)
{
    struct fresh *fresh = *state;
    const char *kept, *why;
    make_backup(fresh);
    assert_int_equal(restore(fresh, false, &kept, &why), RESULT_CONFLICT);
    assert_non_null(why);
}

/* ---- what PostgreSQL alone can ---- */

static void run_sql(struct fresh *fresh, const char *sql)
{
    struct db *db;
    MUST(engine_driver()->open(fresh->url, DB_MAIN, DB_WRITE, &db));
    MUST(db->driver->script(db, sql));
    db->driver->close(db);
}

static const char *schema_of(struct fresh *fresh)
{
    return arena_strdup(&fresh->arena, strrchr(fresh->url, 'D') + 1);
}

static void restore__keeps_the_old_tables_in_a_schema_or_lets_them_go(void **state)
{
    struct fresh *fresh = *state;
    const char *kept;
    if (engine_is_sqlite())
        skip();
    make_backup(fresh);
    fresh_member(fresh, "mika");
    shut(fresh);
    restored(fresh, false, &kept);
    const char *old = strrchr(kept, ' ') + 1;
    const char *count = arena_printf(&fresh->arena, "SELECT count(*) FROM %s.members", old);
    assert_int_equal(number(fresh, count), 2);
    assert_int_equal(number(fresh, "SELECT count(*) FROM members"), 1);
    run_sql(fresh, arena_printf(&fresh->arena, "DROP SCHEMA %s CASCADE", old));
    restored(fresh, true, &kept);
    assert_null(kept);
    assert_int_equal(number(fresh, "SELECT count(*) FROM members"), 1);
    fresh_restart(fresh);
}

static void restore__fills_an_empty_schema(void **state)
{
    struct fresh *fresh = *state;
    const char *kept;
    if (engine_is_sqlite())
        skip();
    make_backup(fresh);
    shut(fresh);
    run_sql(fresh, arena_printf(&fresh->arena, "CREATE SCHEMA other_%s", schema_of(fresh)));
    run_sql(fresh, arena_printf(&fresh->arena, "DROP SCHEMA %s CASCADE; CREATE SCHEMA %s", schema_of(fresh),
                                schema_of(fresh)));
    restored(fresh, false, &kept);
    assert_null(kept);
    fresh_restart(fresh);
    assert_sound(fresh);
    shut(fresh);
    char url[ENGINE_URL_SIZE];
    const char *why;
    snprintf(url, sizeof url, "%.*sDother_%s", (int)(strrchr(fresh->url, 'D') - fresh->url), fresh->url,
             schema_of(fresh));
    assert_int_equal(store_restore(url, backup_path(fresh), false, &fresh->arena, &kept, &why), RESULT_FAILED);
    assert_non_null(strstr(why, "same name"));
    fresh_restart(fresh);
}

static void restore__runs_nothing_that_no_backup_holds(void **state)
{
    struct fresh *fresh = *state;
    if (engine_is_sqlite())
        skip();
    run_sql(fresh, "CREATE VIEW sly AS SELECT id FROM members");
    make_backup(fresh);
    shut(fresh);
    assert_refused(fresh, "holds more than a backup");
    run_sql(fresh, "DROP VIEW sly");
    fresh_restart(fresh);
}

static void backup__says_what_to_install(void **state)
{
    struct fresh *fresh = *state;
    const char *why;
    if (engine_is_sqlite())
        skip();
    char *path = arena_strdup(&fresh->arena, getenv("PATH"));
    setenv("PATH", fresh->folder, 1);
    enum result result = store_backup(fresh->store, backup_path(fresh), &fresh->arena, &why);
    setenv("PATH", path, 1);
    assert_int_equal(result, RESULT_FAILED);
    assert_non_null(strstr(why, "install postgresql-client-15"));
    assert_int_not_equal(access(backup_path(fresh), F_OK), 0);
    make_backup(fresh);
    assert_int_equal(store_backup(fresh->store, backup_path(fresh), &fresh->arena, &why), RESULT_CONFLICT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(restore__brings_back_what_was_there_and_is_sound),
        TEST(restore__finds_leads_by_their_words),
        TEST(restore__forgets_no_hit_of_the_inbox),
        TEST(restore__erases_again_who_was_erased_since),
        TEST(restore__lets_nobody_in_who_was_shut_out_since),
        TEST(restore__changes_nothing_when_the_file_is_no_backup),
        TEST(restore__waits_for_no_server_to_end),
        TEST(restore__keeps_the_old_tables_in_a_schema_or_lets_them_go),
        TEST(restore__fills_an_empty_schema),
        TEST(restore__runs_nothing_that_no_backup_holds),
        TEST(backup__says_what_to_install),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
