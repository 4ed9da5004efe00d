/* The store as a whole: opened once, refused when damaged or newer, backed up and restored, checked, read by many at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "server/ids.h"
#include "server/store/internal.h"
#include "server/store/paths.h"
#include "tests/support/store_place.h"

static int make_place(void **state)
{
    *state = store_place_make(NULL);
    return 0;
}

static int drop_place(void **state)
{
    store_place_drop(*state);
    return 0;
}

static void shut(struct store_place *place)
{
    store_close(place->store);
    place->store = NULL;
}

static const char *main_file(struct store_place *place)
{
    return paths_file(place->url, DB_MAIN, &place->arena);
}

/* Past the store's back, while it is closed. */
static void run_sql(const char *url, const char *sql)
{
    struct db *db;
    assert_int_equal(db_sqlite.open(url, DB_MAIN, DB_WRITE, &db), RESULT_OK);
    assert_int_equal(db->driver->script(db, sql), RESULT_OK);
    assert_int_equal(db->driver->tidy(db, true), RESULT_OK);
    db->driver->close(db);
}

static void ruin(const char *path, off_t from, off_t to)
{
    int file = open(path, O_WRONLY);
    assert_true(file >= 0);
    for (off_t at = from; at < to; at += 512)
        assert_int_equal(pwrite(file, "ruined", 6, at), 6);
    close(file);
}

static off_t root_page(struct store_place *place, const char *name)
{
    struct db *db;
    struct db_rows *rows;
    assert_int_equal(db_sqlite.open(place->url, DB_MAIN, DB_READ, &db), RESULT_OK);
    assert_int_equal(db_one(db, "SELECT rootpage FROM sqlite_master WHERE name = $1", DB_ARGS(db_text(name)), &rows),
                     RESULT_OK);
    off_t page = (off_t)db_column_int(rows, 0);
    db_finish(&rows);
    db->driver->close(db);
    return page;
}

static enum result try_open(struct store_place *place, const char **why)
{
    const struct store_options options = {.url = place->url};
    struct store *store;
    enum result result = store_open(&options, &place->arena, &store, why);
    if (result == RESULT_OK)
        store_close(store);
    return result;
}

static size_t file_count(struct store_place *place, const char *pattern)
{
    glob_t found;
    size_t count =
        glob(arena_printf(&place->arena, "%s%s", main_file(place), pattern), 0, NULL, &found) == 0 ? found.gl_pathc : 0;
    globfree(&found);
    return count;
}

/* ---- opening ---- */

static void store__is_served_by_one_process(void **state)
{
    struct store_place *place = *state;
    const char *why;
    assert_int_equal(try_open(place, &why), RESULT_CONFLICT);
    assert_non_null(strstr(why, arena_printf(&place->arena, "%s.lock", main_file(place))));
    assert_non_null(strstr(why, arena_printf(&place->arena, "Process %ld ", (long)getpid())));
    shut(place);
    assert_int_equal(try_open(place, &why), RESULT_OK);
    assert_null(why);
}

static void store__names_what_it_does_not_know(void **state)
{
    struct store_place *place = *state;
    struct store *store;
    const char *why;
    assert_int_equal(store_open(&(struct store_options){.url = "mysql://x"}, &place->arena, &store, &why),
                     RESULT_FAILED);
    assert_non_null(strstr(why, "MEISHI_STORE"));
    assert_int_equal(store_open(&(struct store_options){.url = "sqlite:/proc/nowhere"}, &place->arena, &store, &why),
                     RESULT_FAILED);
    assert_non_null(strstr(why, "/proc/nowhere"));
    assert_string_equal(store_folder(place->url, &place->arena), strchr(place->url, '/'));
    assert_null(store_folder("postgres://x", &place->arena));
}

static void store__refuses_a_newer_database(void **state)
{
    struct store_place *place = *state;
    const char *why;
    shut(place);
    run_sql(place->url, "INSERT INTO schema_version VALUES (999, 'from the future', 1)");
    assert_int_equal(try_open(place, &why), RESULT_FAILED);
    assert_non_null(strstr(why, "newer"));
    assert_non_null(strstr(why, "999"));
    run_sql(place->url, "DELETE FROM schema_version WHERE number = 999");
    assert_int_equal(try_open(place, &why), RESULT_OK);
}

static void store__refuses_a_damaged_database(void **state)
{
    struct store_place *place = *state;
    const char *why;
    shut(place);
    ruin(main_file(place), 0, 4096);
    assert_int_equal(try_open(place, &why), RESULT_FAILED);
    assert_non_null(strstr(why, "meishi restore"));
}

static void store__looks_itself_over_after_a_crash(void **state)
{
    struct store_place *place = *state;
    const char *why;
    shut(place);
    assert_int_equal(try_open(place, &why), RESULT_OK);
    off_t page = root_page(place, "shares_by_card"); /* not what opening alone would read */
    ruin(main_file(place), (page - 1) * 4096, page * 4096);
    int file = open(arena_printf(&place->arena, "%s.lock", main_file(place)), O_WRONLY);
    assert_int_equal(write(file, "4711\n", 5), 5); /* whoever held it left no word of a good end */
    close(file);
    assert_int_equal(try_open(place, &why), RESULT_FAILED);
    assert_non_null(strstr(why, "not closed well and is damaged"));
    assert_int_equal(try_open(place, &why), RESULT_FAILED); /* the second try is no cleaner */
}

static void store__for_reading_only_changes_nothing(void **state)
{
    struct store_place *place = *state;
    const struct store_options options = {.url = place->url, .read_only = true};
    struct store *reader;
    struct member found, kate = {.handle = "kate", .name = "Kate"};
    const char *why;
    assert_int_equal(store_open(&options, &place->arena, &reader, &why), RESULT_OK); /* beside the one that serves */
    assert_int_equal(store_member_find_by_handle(reader, &place->arena, "jane", &found), RESULT_OK);
    assert_int_equal(store_ping(reader), RESULT_OK);
    assert_int_equal(store_member_add(reader, &kate, 1), RESULT_FAILED);
    assert_int_equal(store_backup(reader, "/tmp/never.db", &place->arena, &why), RESULT_FAILED);
    assert_non_null(why);
    store_close(reader);
    const struct store_options nowhere = {.url = arena_printf(&place->arena, "sqlite:%s/none", place->folder),
                                          .read_only = true};
    assert_int_equal(store_open(&nowhere, &place->arena, &reader, &why), RESULT_FAILED);
    assert_non_null(strstr(why, "meishi serve"));
}

static void store__keeps_what_was_said_when_killed(void **state)
{
    struct store_place *place = *state;
    int told[2];
    char kept[9];
    struct member found;
    shut(place);
    assert_int_equal(pipe(told), 0);
    pid_t child = fork();
    if (child == 0) {
        store_place_open(place);
        for (int i = 0; i < 50; i++)
            store_place_member(place, arena_printf(&place->arena, "m%d", i));
        _exit(write(told[1], "all done", 8) == 8 ? kill(getpid(), SIGKILL) : 1);
    }
    assert_int_equal(read(told[0], kept, 8), 8);
    int status;
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status));
    close(told[0]);
    close(told[1]);
    store_place_open(place); /* the dead hold no lock */
    for (int i = 0; i < 50; i++)
        assert_int_equal(
            store_member_find_by_handle(place->store, &place->arena, arena_printf(&place->arena, "m%d", i), &found),
            RESULT_OK);
}

/* ---- backup and restore ---- */

static const char *backup_path(struct store_place *place)
{
    return arena_printf(&place->arena, "%s/backup", place->folder);
}

static void make_backup(struct store_place *place)
{
    const char *why;
    assert_int_equal(store_backup(place->store, backup_path(place), &place->arena, &why), RESULT_OK);
}

static enum result restore(struct store_place *place, const char **why)
{
    const char *kept;
    return store_restore(place->url, backup_path(place), false, &place->arena, &kept, why);
}

static void backup__never_overwrites(void **state)
{
    struct store_place *place = *state;
    const char *why;
    make_backup(place);
    assert_int_equal(store_backup(place->store, backup_path(place), &place->arena, &why), RESULT_CONFLICT);
    assert_non_null(why);
    assert_int_equal(store_backup(place->store, "/proc/no/such.db", &place->arena, &why), RESULT_FAILED);
    assert_non_null(strstr(why, strerror(ENOENT)));
}

static void restore__brings_back_the_moment_of_the_backup(void **state)
{
    struct store_place *place = *state;
    static const unsigned char session[HASH_SIZE] = {1};
    struct session let_in;
    struct member found;
    struct card card;
    const char *why;
    assert_int_equal(store_session_add(place->store, session, place->jane.id, NULL, now_ms(), now_ms() + 100000),
                     RESULT_OK);
    make_backup(place);
    store_place_member(place, "kate");
    assert_int_equal(restore(place, &why), RESULT_CONFLICT); /* while it is served */
    assert_non_null(strstr(why, "lock"));
    shut(place);
    assert_int_equal(restore(place, &why), RESULT_OK);
    assert_int_equal(file_count(place, ".before-*"), 1);
    assert_int_equal(file_count(place, "-restoring*"), 0);
    store_place_open(place);
    assert_int_equal(store_member_find_by_handle(place->store, &place->arena, "kate", &found), RESULT_NOT_FOUND);
    assert_int_equal(store_card_find(place->store, &place->arena, place->jane.id, place->card.id, &card), RESULT_OK);
    assert_string_equal(card.name, "Jane Doe");
    assert_int_equal(store_session_find(place->store, &place->arena, session, now_ms(), &let_in), RESULT_NOT_FOUND);
    store_place_member(place, "kate");
}

static void restore__erases_again_what_was_erased_since(void **state)
{
    struct store_place *place = *state;
    static const unsigned char receipt[HASH_SIZE] = {7};
    struct share share;
    const char *why;
    assert_int_equal(store_share_find_by_handle(place->store, &place->arena, "jane", &share), RESULT_OK);
    struct lead lead = {.owner_id = place->jane.id,
                        .card_id = place->card.id,
                        .share_id = share.id,
                        .visitor_hit_id = 77,
                        .stage = STAGE_NEW,
                        .name = "CANARY Tom",
                        .email = "canary@example.org"},
                out;
    assert_int_equal(store_lead_add(place->store, &place->arena, &lead, receipt, now_ms(), &out), RESULT_OK);
    make_backup(place);
    assert_int_equal(store_lead_erase_by_receipt(place->store, receipt, now_ms()), RESULT_OK);
    shut(place);
    assert_int_equal(restore(place, &why), RESULT_OK);
    store_place_open(place);
    assert_int_equal(store_receipt_find(place->store, &place->arena, receipt, &out), RESULT_NOT_FOUND);
    assert_int_equal(store_lead_find(place->store, &place->arena, place->jane.id, out.id, &lead), RESULT_NOT_FOUND);
    shut(place);
    assert_int_not_equal(system(arena_printf(&place->arena, "grep -qi CANARY '%s'*", main_file(place))), 0);
    store_place_open(place);
}

static void restore__takes_back_again_what_a_joined_form_took_back(void **state)
{
    struct store_place *place = *state;
    static const unsigned char first[HASH_SIZE] = {7}, second[HASH_SIZE] = {8};
    struct share share;
    const char *why;
    assert_int_equal(store_share_find_by_handle(place->store, &place->arena, "jane", &share), RESULT_OK);
    struct lead lead = {.owner_id = place->jane.id,
                        .card_id = place->card.id,
                        .share_id = share.id,
                        .visitor_hit_id = 77,
                        .name = "Tom",
                        .email = "tom@example.org"},
                joined = lead, out;
    joined.visitor_hit_id = 78;
    joined.name = "CANARY Thomas";
    assert_int_equal(store_lead_add(place->store, &place->arena, &lead, first, now_ms(), &out), RESULT_OK);
    assert_int_equal(store_lead_add(place->store, &place->arena, &joined, second, now_ms(), &out), RESULT_OK);
    assert_int_equal(joined.id, lead.id);
    make_backup(place);
    assert_int_equal(store_lead_erase_by_receipt(place->store, second, now_ms()), RESULT_OK);
    shut(place);
    assert_int_equal(restore(place, &why), RESULT_OK);
    store_place_open(place);
    assert_int_equal(store_receipt_find(place->store, &place->arena, second, &out), RESULT_NOT_FOUND);
    assert_int_equal(store_receipt_find(place->store, &place->arena, first, &out), RESULT_OK);
    shut(place);
    assert_int_not_equal(system(arena_printf(&place->arena, "grep -qi CANARY '%s'", main_file(place))), 0);
    store_place_open(place);
}

static void restore__lets_nobody_in_who_was_shut_out_since(void **state)
{
    struct store_place *place = *state;
    static const unsigned char hash[HASH_SIZE] = {1}, kept[HASH_SIZE] = {2};
    struct api_token token = {.member_id = place->jane.id, .name = "lost", .scopes = "read"}, other = token, found;
    struct member kate, member;
    const char *why;
    kate = store_place_member(place, "kate");
    assert_int_equal(store_token_add(place->store, &token, hash, now_ms()), RESULT_OK);
    assert_int_equal(store_token_add(place->store, &other, kept, now_ms()), RESULT_OK);
    make_backup(place);
    assert_int_equal(store_token_revoke(place->store, place->jane.id, token.id, now_ms()), RESULT_OK);
    assert_int_equal(store_member_disable(place->store, kate.id, now_ms()), RESULT_OK);
    shut(place);
    assert_int_equal(restore(place, &why), RESULT_OK);
    store_place_open(place);
    assert_int_equal(store_token_find(place->store, &place->arena, hash, now_ms(), &found), RESULT_NOT_FOUND);
    assert_int_equal(store_token_find(place->store, &place->arena, kept, now_ms(), &found), RESULT_OK);
    assert_int_equal(store_member_find(place->store, &place->arena, kate.id, &member), RESULT_OK);
    assert_true(member.disabled_ms > 0);
}

static pthread_mutex_t done_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t done_signal = PTHREAD_COND_INITIALIZER;

static void is_done(struct hit *hit, enum result result)
{
    assert_int_equal(result, RESULT_OK);
    pthread_mutex_lock(&done_lock);
    *(bool *)hit->owner = true;
    pthread_cond_signal(&done_signal);
    pthread_mutex_unlock(&done_lock);
}

static void backup__holds_the_hits_of_this_moment(void **state)
{
    struct store_place *place = *state;
    struct share share;
    struct hit_row *rows;
    const char *why;
    size_t count;
    bool done = false;
    assert_int_equal(store_share_find_by_handle(place->store, &place->arena, "jane", &share), RESULT_OK);
    assert_int_equal(store_start(place->store), RESULT_OK);
    struct hit hit = {
        .done = is_done, .owner = &done, .id = id_new(), .owner_id = place->jane.id, .share_id = share.id};
    assert_int_equal(store_hit_submit(place->store, &hit), RESULT_OK);
    store_hits_wake(place->store);
    pthread_mutex_lock(&done_lock);
    while (!done)
        pthread_cond_wait(&done_signal, &done_lock);
    pthread_mutex_unlock(&done_lock);
    make_backup(place); /* at once: the fold's own turn has not come */
    shut(place);
    assert_int_equal(restore(place, &why), RESULT_OK);
    store_place_open(place);
    assert_int_equal(store_hit_list(place->store, &place->arena, place->jane.id, share.id, 0, 10, &rows, &count),
                     RESULT_OK);
    assert_int_equal(count, 1);
    assert_true(rows[0].id == hit.id);
}

static void erasure__empties_the_log_as_soon_as_no_reader_is_in_the_way(void **state)
{
    struct store_place *place = *state;
    static const unsigned char receipt[HASH_SIZE] = {7};
    struct share share;
    struct lead out;
    struct db *reader;
    struct db_rows *rows;
    const char *grep = arena_printf(&place->arena, "grep -q CANARY '%s'*", main_file(place));
    assert_int_equal(store_share_find_by_handle(place->store, &place->arena, "jane", &share), RESULT_OK);
    struct lead lead = {.owner_id = place->jane.id,
                        .card_id = place->card.id,
                        .share_id = share.id,
                        .visitor_hit_id = 77,
                        .name = "CANARY Tom",
                        .email = "tom@example.org"};
    assert_int_equal(store_lead_add(place->store, &place->arena, &lead, receipt, now_ms(), &out), RESULT_OK);
    assert_int_equal(store_read_begin(place->store, &reader), RESULT_OK);
    assert_int_equal(db_one(reader, "SELECT count(*) FROM leads", NULL, 0, &rows), RESULT_OK);
    db_finish(&rows);
    assert_int_equal(store_lead_erase_by_receipt(place->store, receipt, now_ms()), RESULT_OK);
    assert_int_equal(system(grep), 0); /* the reader still sees it */
    store_read_end(place->store, reader);
    assert_int_not_equal(system(grep), 0);
}

static void restore__into_nothing_makes_the_store(void **state)
{
    struct store_place *place = *state;
    const char *kept, *why;
    make_backup(place);
    shut(place);
    const char *url = arena_printf(&place->arena, "sqlite:%s/elsewhere/cards.db", place->folder);
    assert_int_equal(store_restore(url, backup_path(place), false, &place->arena, &kept, &why), RESULT_OK);
    assert_null(kept);
    snprintf(place->url, sizeof place->url, "%s", url);
    store_place_open(place);
    struct member found;
    assert_int_equal(store_member_find_by_handle(place->store, &place->arena, "jane", &found), RESULT_OK);
}

static void restore__replaces_a_damaged_store(void **state)
{
    struct store_place *place = *state;
    const char *why;
    make_backup(place);
    shut(place);
    ruin(main_file(place), 0, 8192);
    assert_int_equal(try_open(place, &why), RESULT_FAILED);
    assert_int_equal(restore(place, &why), RESULT_OK);
    assert_int_equal(try_open(place, &why), RESULT_OK);
}

static void refuse(struct store_place *place, const char *words)
{
    const char *why = NULL;
    struct member found;
    assert_int_equal(restore(place, &why), RESULT_FAILED);
    assert_non_null(why);
    if (!strstr(why, words))
        fail_msg("\"%s\" says nothing of \"%s\"", why, words);
    assert_int_equal(file_count(place, ".before-*"), 0);
    assert_int_equal(file_count(place, "-restoring*"), 0);
    store_place_open(place);
    assert_int_equal(store_member_find_by_handle(place->store, &place->arena, "jane", &found), RESULT_OK);
    shut(place);
}

static void restore__refuses_what_is_no_good_backup(void **state)
{
    struct store_place *place = *state;
    make_backup(place);
    shut(place);
    const char *url = arena_printf(&place->arena, "sqlite:%s/try.db", place->folder);
    const char *backup = backup_path(place), *copy = arena_printf(&place->arena, "cp '%s' '%s.good'", backup, backup);
    const char *back = arena_printf(&place->arena, "cp '%s.good' '%s'", backup, backup);
    assert_int_equal(system(copy), 0);
    ruin(backup, 5 * 4096, 60 * 4096);
    refuse(place, "damaged");
    assert_int_equal(truncate(backup, 0), 0);
    refuse(place, "no backup of Meishi");
    assert_int_equal(system(arena_printf(&place->arena, "echo not a database at all, only words > '%s'", backup)), 0);
    refuse(place, "no database");
    assert_int_equal(system(back), 0);
    assert_int_equal(rename(backup, arena_printf(&place->arena, "%s/try.db", place->folder)), 0);
    run_sql(url, "INSERT INTO schema_version VALUES (999, 'from the future', 1)");
    assert_int_equal(rename(arena_printf(&place->arena, "%s/try.db", place->folder), backup), 0);
    refuse(place, "newer");
    assert_int_equal(unlink(backup), 0);
    refuse(place, "No such file");
    store_place_open(place);
}

/* ---- checking ---- */

static void check__says_what_disagrees_or_is_damaged(void **state)
{
    struct store_place *place = *state;
    struct complaints complaints = {0};
    assert_int_equal(store_check(place->store, &place->arena, &complaints), RESULT_OK);
    assert_int_equal(complaints.count, 0);
    shut(place);
    run_sql(place->url,
            "INSERT INTO share_counts (owner_id, share_id, person, unconfirmed, preview, scanner, prefetch, bot, self) "
            "VALUES (1, 2, 3, 0, 0, 0, 0, 0, 0); UPDATE cards SET standing_share_id = 1");
    store_place_open(place);
    assert_int_equal(store_check(place->store, &place->arena, &complaints), RESULT_INVALID);
    assert_int_equal(complaints.count, 2);
    assert_non_null(strstr(complaints.list[0].words, "1 members have other counts"));
    assert_non_null(strstr(complaints.list[1].words, "1 cards have no standing link"));
    const char *inbox = paths_file(place->url, DB_INBOX, &place->arena);
    unlink(arena_printf(&place->arena, "%s-wal", inbox)); /* it holds the pages that are ruined now */
    ruin(inbox, 0, 4096);
    complaints.count = 0;
    assert_int_equal(store_check(place->store, &place->arena, &complaints), RESULT_INVALID);
    assert_non_null(strstr(complaints.list[0].words, "last moments: move it away"));
}

/* ---- many at once ---- */

enum { THREADS = 8, TURNS = 300 };

struct worker {
    pthread_t thread;
    struct store_place *place;
    int number, failures;
};

static void *work(void *context)
{
    struct worker *worker = context;
    struct store *store = worker->place->store;
    struct arena arena;
    arena_init(&arena);
    for (int i = 0; i < TURNS; i++) {
        struct share share;
        int64_t tries;
        worker->failures += store_share_find_by_handle(store, &arena, "jane", &share) != RESULT_OK;
        char key[32];
        snprintf(key, sizeof key, "worker %d", worker->number);
        if (i % 10 == 0)
            worker->failures +=
                store_throttle_count(store, key, 1000000, 5, &tries) != RESULT_OK || tries != i / 10 + 1;
        arena_reset(&arena);
    }
    arena_free(&arena);
    return NULL;
}

static void store__serves_more_threads_than_it_has_connections(void **state)
{
    struct worker workers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.place = *state, .number = i};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_int_equal(workers[i].failures, 0);
    }
}

static void wake(void *context)
{
    ++*(int *)context;
}

static void store__wakes_the_outbox_after_the_commit_that_filled_it(void **state)
{
    struct store_place *place = *state;
    int woken = 0;
    store_on_outbox(place->store, wake, &woken);
    store_place_share(place, CHANNEL_LINK, 0); /* nobody listens */
    assert_int_equal(woken, 0);
    struct webhook webhook = {.owner_id = place->jane.id, .url = "https://example.org/hook", .events = ~0u};
    assert_int_equal(store_webhook_add(place->store, &webhook, now_ms()), RESULT_OK);
    woken = 0;
    store_place_share(place, CHANNEL_LINK, 0);
    assert_int_equal(woken, 1);
    struct share refused = {.owner_id = place->jane.id, .card_id = 4711, .sharer_member_id = place->jane.id};
    token_new(refused.token);
    assert_int_equal(store_share_add(place->store, &place->arena, &refused, 1), RESULT_NOT_FOUND);
    assert_int_equal(woken, 1);
}

int main(void)
{
#define IN_A_STORE(test) cmocka_unit_test_setup_teardown(test, make_place, drop_place)
    const struct CMUnitTest tests[] = {
        IN_A_STORE(store__is_served_by_one_process),
        IN_A_STORE(store__names_what_it_does_not_know),
        IN_A_STORE(store__refuses_a_newer_database),
        IN_A_STORE(store__refuses_a_damaged_database),
        IN_A_STORE(store__looks_itself_over_after_a_crash),
        IN_A_STORE(store__for_reading_only_changes_nothing),
        IN_A_STORE(store__keeps_what_was_said_when_killed),
        IN_A_STORE(backup__never_overwrites),
        IN_A_STORE(backup__holds_the_hits_of_this_moment),
        IN_A_STORE(restore__brings_back_the_moment_of_the_backup),
        IN_A_STORE(restore__erases_again_what_was_erased_since),
        IN_A_STORE(restore__takes_back_again_what_a_joined_form_took_back),
        IN_A_STORE(restore__lets_nobody_in_who_was_shut_out_since),
        IN_A_STORE(restore__into_nothing_makes_the_store),
        IN_A_STORE(restore__replaces_a_damaged_store),
        IN_A_STORE(restore__refuses_what_is_no_good_backup),
        IN_A_STORE(erasure__empties_the_log_as_soon_as_no_reader_is_in_the_way),
        IN_A_STORE(check__says_what_disagrees_or_is_damaged),
        IN_A_STORE(store__serves_more_threads_than_it_has_connections),
        IN_A_STORE(store__wakes_the_outbox_after_the_commit_that_filled_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
