/* Several servers of one store: two of them in this process, each with connections of its own. On SQLite, where there is only
 * ever one, what a server tells itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "server/auth/throttle.h"
#include "server/ids.h"
#include "server/pages/page_cache.h"
#include "server/store/changes_inside.h"
#include "server/store/endpoints.h"
#include "server/store/guards.h"
#include "server/store/outbox.h"
#include "tests/support/town.h"

static void edit(struct town *town, int server)
{
    assert_int_equal(store_card_update(town->servers[server], &town->card, now_ms()), RESULT_OK);
}

static struct share share_of(struct town *town)
{
    struct share share = {.owner_id = town->jane.id,
                          .card_id = town->card.id,
                          .sharer_member_id = town->jane.id,
                          .channel = CHANNEL_LINK};
    token_new(share.token);
    assert_int_equal(store_share_add(town->servers[0], &town->arena, &share, now_ms()), RESULT_OK);
    return share;
}

/* ---- one server ---- */

static void changes__are_told_here_by_the_verb_that_made_them(void **state)
{
    struct town *town = *state;
    struct ear *ear = &town->ears[0];
    struct share share = share_of(town);
    assert_int_equal(ear->count, 0);
    edit(town, 0);
    assert_int_equal(ear->count, 1);
    assert_int_equal(ear_times_heard(ear, CHANGE_CARD, town->card.id), 1);
    assert_int_equal(store_portrait_set(town->servers[0], &town->card, NULL, 0, now_ms()), RESULT_OK);
    assert_int_equal(ear_times_heard(ear, CHANGE_CARD, town->card.id), 2);
    assert_int_equal(store_share_revoke(town->servers[0], share.owner_id, share.id, now_ms()), RESULT_OK);
    assert_int_equal(ear_times_heard(ear, CHANGE_SHARE, share.id), 1);
    assert_int_equal(store_card_retire(town->servers[0], town->jane.id, town->card.id, now_ms()), RESULT_OK);
    assert_int_equal(ear_times_heard(ear, CHANGE_CARD, town->card.id), 3);
    assert_int_equal(store_member_disable(town->servers[0], town->jane.id, now_ms()), RESULT_OK);
    assert_int_equal(ear_times_heard(ear, CHANGE_MEMBER, town->jane.id), 1);
    assert_int_equal(ear->count, 5);
}

static void changes__that_were_not_committed_are_told_to_nobody(void **state)
{
    struct town *town = *state;
    struct card stale = town->card;
    stale.revision = 7;
    assert_int_equal(store_card_update(town->servers[0], &stale, now_ms()), RESULT_CONFLICT);
    assert_int_equal(store_card_retire(town->servers[0], town->jane.id, 1, now_ms()), RESULT_NOT_FOUND);
    assert_int_equal(town->ears[0].count, 0);
    store_on_change(town->servers[0], NULL, NULL);
    edit(town, 0);
    assert_int_equal(town->ears[0].count, 0);
}

/* ---- two servers ---- */

static void changes__reach_the_other_server_by_a_word(void **state)
{
    struct town *town = *state;
    struct share share = share_of(town);
    assert_int_equal(store_watch(town->servers[1]), RESULT_OK);
    ear_wait(&town->ears[1], CHANGE_ALL, 0);
    edit(town, 0);
    ear_wait(&town->ears[1], CHANGE_CARD, town->card.id);
    assert_int_equal(store_share_revoke(town->servers[0], share.owner_id, share.id, now_ms()), RESULT_OK);
    ear_wait(&town->ears[1], CHANGE_SHARE, share.id);
    assert_int_equal(store_member_disable(town->servers[0], town->jane.id, now_ms()), RESULT_OK);
    ear_wait(&town->ears[1], CHANGE_MEMBER, town->jane.id);
    assert_int_equal(ear_times_heard(&town->ears[1], CHANGE_CARD, town->card.id), 1);
}

static void changes__are_found_by_looking_when_no_word_comes(void **state)
{
    struct town *town = *state;
    static const char *const silently[] = {
        "UPDATE change_marks SET seq = seq + 1 WHERE kind = 0",
        "INSERT INTO changes (seq, at_ms, kind, subject) SELECT seq, 0, 1, 4711 FROM change_marks WHERE kind = 0",
    };
    assert_int_equal(store_watch(town->servers[1]), RESULT_OK);
    ear_wait(&town->ears[1], CHANGE_ALL, 0);
    for (int i = 0; i < 2; i++) {
        ear_forget(&town->ears[1]);
        town_run_sql(town, silently, 2);
        ear_wait(&town->ears[1], CHANGE_CARD, 4711);
        assert_int_equal(town->ears[1].count, 1); /* each is told once, and no more */
    }
}

static void changes__that_were_swept_unread_mean_all(void **state)
{
    struct town *town = *state;
    struct change changes[4];
    size_t count;
    int64_t mark;
    struct db *db;
    edit(town, 0);
    edit(town, 1);
    assert_int_equal(store_member_disable(town->servers[0], town->jane.id, now_ms()), RESULT_OK);
    assert_int_equal(engine_driver()->open(town->url, DB_MAIN, DB_READ, &db), RESULT_OK);
    assert_int_equal(changes_read(db, 0, &mark, changes, 4, &count), RESULT_OK);
    assert_int_equal(mark, 3);
    assert_int_equal(count, 3);
    assert_int_equal(changes[1].kind, CHANGE_CARD);
    assert_int_equal(changes[2].kind, CHANGE_MEMBER);
    assert_true(changes[2].subject == town->jane.id);
    assert_int_equal(changes_read(db, 3, &mark, changes, 4, &count), RESULT_OK);
    assert_int_equal(count, 0);
    /* More than there is room for; then one that is gone; then a database that is older than what was read. */
    assert_int_equal(changes_read(db, 0, &mark, changes, 2, &count), RESULT_OK);
    assert_int_equal(count, 1);
    assert_int_equal(changes[0].kind, CHANGE_ALL);
    town_run_sql(town, (const char *const[]){"DELETE FROM changes WHERE seq = 1"}, 1);
    assert_int_equal(changes_read(db, 0, &mark, changes, 4, &count), RESULT_OK);
    assert_int_equal(count, 1);
    assert_int_equal(changes[0].kind, CHANGE_ALL);
    assert_int_equal(changes_read(db, 9, &mark, changes, 4, &count), RESULT_OK);
    assert_int_equal(count, 1);
    assert_int_equal(changes[0].kind, CHANGE_ALL);
    assert_int_equal(mark, 3);
    db->driver->close(db);
}

static void watch__forgets_everything_when_its_connection_was_lost(void **state)
{
    struct town *town = *state;
    static const char *const cut[] = {
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query NOT LIKE '%pg_terminate%' AND "
        "application_name = current_setting('application_name')",
    };
    assert_int_equal(store_watch(town->servers[1]), RESULT_OK);
    ear_wait(&town->ears[1], CHANGE_ALL, 0);
    ear_forget(&town->ears[1]);
    town_run_sql(town, cut, 1);
    ear_wait(&town->ears[1], CHANGE_ALL, 0);
    ear_forget(&town->ears[1]);
    edit(town, 0);
    ear_wait(&town->ears[1], CHANGE_CARD, town->card.id);
    assert_int_equal(ear_times_heard(&town->ears[1], CHANGE_ALL, 0), 0);
}

struct wants {
    struct town *town;
    int server;
    bool created;
};

static enum result wants_body(struct db *db, void *context)
{
    struct wants *wants = context;
    struct store *store = wants->town->servers[wants->server];
    wants->created = outbox_wanted(store, db, wants->town->jane.id, EVENT_LEAD_CREATED);
    return RESULT_OK;
}

static bool does_want(struct town *town, int server)
{
    struct wants wants = {.town = town, .server = server};
    assert_int_equal(store_write(town->servers[server], "test", wants_body, &wants), RESULT_OK);
    return wants.created;
}

static void outbox__knows_at_once_whom_another_server_added(void **state)
{
    struct town *town = *state;
    struct webhook webhook = {
        .owner_id = town->jane.id, .url = "https://a.example/", .events = 1u << EVENT_LEAD_CREATED};
    assert_false(does_want(town, 0));
    assert_int_equal(store_webhook_add(town->servers[1], &webhook, now_ms()), RESULT_OK);
    assert_true(does_want(town, 0));
    assert_int_equal(store_webhook_remove(town->servers[1], town->jane.id, webhook.id, now_ms()), RESULT_OK);
    assert_false(does_want(town, 0));
    assert_int_equal(store_webhook_add(town->servers[0], &webhook, now_ms()), RESULT_OK);
    assert_true(does_want(town, 0));
    assert_true(does_want(town, 1));
}

static void outbox__wakes_the_senders_of_other_servers(void **state)
{
    struct town *town = *state;
    struct webhook webhook = {
        .owner_id = town->jane.id, .url = "https://a.example/", .events = 1u << EVENT_WEBHOOK_PING};
    int64_t delivery_id, until_ms = monotonic_ms() + TOWN_PATIENCE_MS;
    struct db *db;
    char word[DB_WORD_SIZE] = "";
    assert_int_equal(store_webhook_add(town->servers[0], &webhook, now_ms()), RESULT_OK);
    assert_int_equal(engine_driver()->open(town->url, DB_MAIN, DB_READ, &db), RESULT_OK);
    assert_int_equal(db->driver->listen(db), RESULT_OK);
    assert_int_equal(store_watch(town->servers[1]), RESULT_OK);
    assert_int_equal(store_webhook_ping(town->servers[0], town->jane.id, webhook.id, now_ms(), &delivery_id),
                     RESULT_OK);
    assert_int_equal(db->driver->wait(db, -1, TOWN_PATIENCE_MS, word), RESULT_OK);
    assert_string_equal(word, WORD_OUTBOX);
    assert_int_equal(db->driver->wait(db, -1, 0, word), RESULT_NOT_FOUND);
    while (!ear_times_woken(&town->ears[1]) && monotonic_ms() < until_ms)
        usleep(5000);
    assert_true(ear_times_woken(&town->ears[1]));
    db->driver->close(db);
}

static void locks__are_held_by_one_or_shared_by_many(void **state)
{
    struct town *town = *state;
    const struct db_driver *driver = engine_driver();
    struct db *one, *other;
    assert_int_equal(driver->open(town->url, DB_MAIN, DB_READ, &one), RESULT_OK);
    assert_int_equal(driver->open(town->url, DB_MAIN, DB_READ, &other), RESULT_OK);
    assert_int_equal(driver->hold(one, DB_LOCK_NODE, 2000, false), RESULT_OK);
    assert_int_equal(driver->hold(other, DB_LOCK_NODE, 2000, false), RESULT_BUSY);
    assert_int_equal(driver->hold(other, DB_LOCK_NODE, 2000, true), RESULT_BUSY);
    assert_int_equal(driver->hold(other, DB_LOCK_NODE, 2001, true), RESULT_OK);
    assert_int_equal(driver->hold(one, DB_LOCK_NODE, 2001, true), RESULT_OK);
    driver->release(one, DB_LOCK_NODE, 2000);
    assert_int_equal(driver->hold(other, DB_LOCK_NODE, 2000, false), RESULT_OK);
    driver->close(other);
    /* Whoever goes without a word leaves nothing behind. */
    int64_t until_ms = monotonic_ms() + TOWN_PATIENCE_MS;
    while (driver->hold(one, DB_LOCK_NODE, 2000, false) == RESULT_BUSY && monotonic_ms() < until_ms)
        usleep(5000);
    assert_int_equal(driver->open(town->url, DB_MAIN, DB_READ, &other), RESULT_OK);
    assert_int_equal(driver->hold(other, DB_LOCK_NODE, 2000, false), RESULT_BUSY);
    driver->close(other);
    driver->close(one);
}

/* ---- counted together ---- */

static int64_t tally(struct town *town, int server, const char *key, int64_t now_ms, int64_t amount)
{
    unsigned char bytes[TALLY_KEY_SIZE] = {0};
    int64_t count;
    snprintf((char *)bytes, sizeof bytes, "%s", key);
    assert_int_equal(store_tally(town->servers[server], bytes, 60000, now_ms, amount, &count), RESULT_OK);
    return count;
}

static void tallies__slide_as_those_in_memory_do(void **state)
{
    struct town *town = *state;
    static const int64_t start = 1790000040000; /* a window begins */
    assert_int_equal(tally(town, 0, "a", start, 0), 0);
    for (int i = 1; i <= 20; i++)
        assert_int_equal(tally(town, 0, "a", start + i, 1), i);
    assert_int_equal(tally(town, 0, "b", start, 1), 1);
    assert_int_equal(tally(town, 0, "a", start + 59999, 0), 20);
    assert_int_equal(tally(town, 0, "a", start + 90000, 0), 10); /* half of the window before */
    assert_int_equal(tally(town, 0, "a", start + 90000, 5), 15);
    assert_int_equal(tally(town, 0, "a", start + 59999, 1), 26); /* a server whose clock is a little behind */
    assert_int_equal(tally(town, 0, "a", start + 150000, 0), 3);
    assert_int_equal(tally(town, 0, "a", start + 240000, 0), 0);
    assert_int_equal(tally(town, 0, "a", start + 600000, 2), 2);
    assert_int_equal(tally(town, 0, "a", start, 1), 1); /* one that was far ahead begins anew */
}

static void throttle__counts_forms_of_all_servers(void **state)
{
    struct town *town = *state;
    static const unsigned char key[THROTTLE_KEY_SIZE] = "of the key file", another[THROTTLE_KEY_SIZE] = "of another";
    struct throttle *throttles[3];
    int64_t now = now_ms();
    for (int i = 0; i < 3; i++)
        throttles[i] = throttle_open();
    throttle_share(throttles[0], town->servers[0], key);
    throttle_share(throttles[1], town->servers[1], key);
    throttle_share(throttles[2], town->servers[1], another);
    int64_t all = 0;
    for (int i = 0; i < 30; i++)
        all = throttle_count_together(throttles[i % 2], "form", "1.2.3.4", 7, 600000, now, 1, 100);
    assert_int_equal(all, 30);
    assert_int_equal(throttle_count_together(throttles[1], "form", "1.2.3.5", 7, 600000, now, 0, 100), 0);
    assert_int_equal(throttle_count_together(throttles[1], "other", "1.2.3.4", 7, 600000, now, 0, 100), 0);
    assert_int_equal(throttle_count_together(throttles[2], "form", "1.2.3.4", 7, 600000, now, 0, 100), 0);
    assert_int_equal(throttle_count(throttles[0], "form", "1.2.3.4", 7, 600000, now, 0), 15); /* its own */
    for (int i = 0; i < 3; i++)
        throttle_close(throttles[i]);
}

static void throttle__writes_no_more_for_whoever_is_beyond_the_limit(void **state)
{
    struct town *town = *state;
    static const unsigned char key[THROTTLE_KEY_SIZE] = "of the key file";
    struct throttle *throttles[2] = {throttle_open(), throttle_open()};
    int64_t now = now_ms(), own = 0;
    for (int i = 0; i < 2; i++)
        throttle_share(throttles[i], town->servers[i], key);
    for (int i = 0; i < 9; i++)
        own = throttle_count_together(throttles[0], "form", "1.2.3.4", 7, 600000, now, 1, 3);
    assert_int_equal(own, 9);
    assert_int_equal(throttle_count_together(throttles[1], "form", "1.2.3.4", 7, 600000, now, 1, 3),
                     4); /* refused too */
    for (int i = 0; i < 2; i++)
        throttle_close(throttles[i]);
}

static void salt__of_a_day_is_one_and_goes_with_the_day(void **state)
{
    struct town *town = *state;
    unsigned char one[DAY_SALT_SIZE], other[DAY_SALT_SIZE], next[DAY_SALT_SIZE];
    assert_int_equal(day_salt(town->servers[0], 20000, 20000, one), RESULT_OK);
    assert_int_equal(day_salt(town->servers[1], 20000, 20000, other), RESULT_OK);
    assert_memory_equal(one, other, sizeof one);
    assert_int_equal(day_salt(town->servers[1], 20001, 20000, next), RESULT_OK);
    assert_memory_not_equal(one, next, sizeof one);
    assert_int_equal(day_salt(town->servers[0], 20000, 20000, other), RESULT_OK);
    assert_memory_equal(one, other, sizeof one);
    assert_int_equal(day_salt(town->servers[0], 20002, 20001, next), RESULT_OK);
    assert_int_equal(day_salt(town->servers[0], 20000, 20000, other), RESULT_OK);
    assert_memory_not_equal(one, other, sizeof one); /* the day was over: nobody knows it any more */
}

/* ---- what is kept ready ---- */

static struct open_share shown(const struct town *town, const char *token)
{
    struct open_share share = {
        .share_id = 5, .owner_id = town->jane.id, .card_id = town->card.id, .card_revision = town->card.revision};
    snprintf(share.token, sizeof share.token, "%s", token);
    return share;
}

static void cache__keeps_nothing_that_was_read_before_a_change_came(void **state)
{
    struct town *town = *state;
    struct page_cache *cache = page_cache_open(1 << 20);
    struct open_share share = shown(town, "0123456789ABCDEF"), found;
    uint64_t before = page_cache_generation(cache);
    page_cache_forget(cache, &(struct change){CHANGE_CARD, 1}); /* it came while the page was being read */
    page_cache_add_share(cache, &share, before);
    assert_false(page_cache_share(cache, share.token, &found, NULL));
    page_cache_add_share(cache, &share, page_cache_generation(cache));
    assert_true(page_cache_share(cache, share.token, &found, NULL));
    page_cache_close(cache);
}

static void cache__forgets_what_the_change_is_about(void **state)
{
    struct town *town = *state;
    const struct {
        struct change change;
        bool forgets;
    } cases[] = {
        {{CHANGE_ALL, 0}, true},
        {{CHANGE_CARD, town->card.id}, true},
        {{CHANGE_CARD, town->card.id + 1}, false},
        {{CHANGE_SHARE, 5}, true},
        {{CHANGE_SHARE, 6}, false},
        {{CHANGE_MEMBER, town->jane.id}, true},
        {{CHANGE_MEMBER, town->jane.id + 1}, false},
        {{CHANGE_WEBHOOKS, town->jane.id}, false},
    };
    static const struct ready_options options = {.content_type = "text/html"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct page_cache *cache = page_cache_open(1 << 20);
        struct open_share share = shown(town, "0123456789ABCDEF"), found;
        struct page_mould *page;
        page_cache_add_share(cache, &share, page_cache_generation(cache));
        page_cache_add_card_page(cache, &share, "<p>", 3, &options, page_cache_generation(cache));
        page_cache_forget(cache, &cases[i].change);
        assert_int_equal(page_cache_share(cache, share.token, &found, &page), !cases[i].forgets);
        assert_int_equal(page != NULL, !cases[i].forgets);
        mould_drop(page);
        page_cache_close(cache);
    }
}

static void cache__keeps_what_may_be_outdated_for_when_the_database_is_away(void **state)
{
    static const struct change all = {CHANGE_ALL, 0}, revoked = {CHANGE_SHARE, 5};
    static const struct ready_options options = {.content_type = "text/html"};
    struct town *town = *state;
    struct page_cache *cache = page_cache_open(1 << 20);
    struct open_share share = shown(town, "0123456789ABCDEF"), found;
    struct page_mould *page;
    page_cache_add_share(cache, &share, page_cache_generation(cache));
    page_cache_forget(cache, &all);
    assert_false(page_cache_share_kept(cache, share.token, &found, &page)); /* without its page it is of no use */
    page_cache_add_card_page(cache, &share, "<p>", 3, &options, page_cache_generation(cache));
    page_cache_forget(cache, &all);
    assert_false(page_cache_share(cache, share.token, &found, NULL));
    assert_true(page_cache_share_kept(cache, share.token, &found, &page));
    assert_int_equal(found.share_id, 5);
    mould_drop(page);
    page_cache_add_share(cache, &share, page_cache_generation(cache)); /* read anew; its page is not yet */
    assert_true(page_cache_share(cache, share.token, &found, &page));
    assert_null(page);
    page_cache_add_card_page(cache, &share, "<p>", 3, &options, page_cache_generation(cache));
    assert_true(page_cache_share(cache, share.token, &found, &page));
    assert_non_null(page);
    mould_drop(page);
    page_cache_forget(cache, &all);
    page_cache_forget(cache, &revoked);
    assert_false(page_cache_share_kept(cache, share.token, &found, &page));
    page_cache_close(cache);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, town_make, town_drop)

int main(void)
{
    const struct CMUnitTest of_one[] = {
        TEST(changes__are_told_here_by_the_verb_that_made_them),
        TEST(changes__that_were_not_committed_are_told_to_nobody),
        TEST(tallies__slide_as_those_in_memory_do),
        TEST(cache__keeps_nothing_that_was_read_before_a_change_came),
        TEST(cache__forgets_what_the_change_is_about),
        TEST(cache__keeps_what_may_be_outdated_for_when_the_database_is_away),
    };
    const struct CMUnitTest of_two[] = {
        TEST(changes__reach_the_other_server_by_a_word),
        TEST(changes__are_found_by_looking_when_no_word_comes),
        TEST(changes__that_were_swept_unread_mean_all),
        TEST(watch__forgets_everything_when_its_connection_was_lost),
        TEST(outbox__knows_at_once_whom_another_server_added),
        TEST(outbox__wakes_the_senders_of_other_servers),
        TEST(throttle__counts_forms_of_all_servers),
        TEST(throttle__writes_no_more_for_whoever_is_beyond_the_limit),
        TEST(salt__of_a_day_is_one_and_goes_with_the_day),
        TEST(locks__are_held_by_one_or_shared_by_many),
    };
    int failed = cmocka_run_group_tests_name("one server", of_one, NULL, NULL);
    return engine_is_sqlite() ? failed : failed + cmocka_run_group_tests_name("two servers", of_two, NULL, NULL);
}
