/* A whole installation moved to another store: all of it, wherever it is cut off, and into no place that is not empty. The
 * source lies on the engine of the run, the first target on SQLite, the second on the engine of the run again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "server/ids.h"
#include "server/store/copy.h"
#include "server/store/internal.h"
#include "server/store/months.h"
#include "tests/support/fresh_store.h"

enum { HITS = 3000, FORMS = 25, PICTURES = 6, PICTURE_SIZE = 300000, LET = 36 };

#define MUST(call) assert_int_equal(call, RESULT_OK)

struct places {
    struct fresh *source;
    char there[ENGINE_URL_SIZE], back[ENGINE_URL_SIZE];
};

/* ---- a source with something of everything that differs in form ---- */

static enum result put_month(struct db *db, const struct fresh *fresh, const struct month *month, int64_t first)
{
    static struct db_value values[HITS / 2][MONTH_COLUMNS];
    for (int i = 0; i < HITS / 2; i++) {
        struct db_value *row = values[i];
        for (int column = 0; column < MONTH_COLUMNS; column++)
            row[column] = DB_INT(column * i % 7);
        row[MONTH_OWNER] = DB_INT(fresh->jane.id);
        row[MONTH_SHARE] = DB_INT(fresh->share.id);
        row[MONTH_ID] = DB_INT(first + i);
        row[MONTH_HASH] = DB_INT(INT64_MIN + i);
        row[MONTH_FAMILY] = db_text(i % 3 ? "Safari on iOS" : NULL);
        row[MONTH_REFERRER] = db_text(i % 3 ? NULL : "");
    }
    enum result result = months_ensure(db, month);
    return result == RESULT_OK ? db->driver->append(db, month->insert, values[0], MONTH_COLUMNS, HITS / 2) : result;
}

static enum result put_hits(struct db *db, void *context)
{
    struct months *months = months_new();
    enum result result = RESULT_OK;
    for (int half = 0; half < 2 && result == RESULT_OK; half++) {
        int64_t first = id_at_ms(1762000000000 + half * 40LL * 86400000);
        result = put_month(db, context, months_get(months, month_of(first)), first);
    }
    months_free(months);
    return result;
}

/* Larger than a batch may be, and with every byte there is. */
static enum result put_pictures(struct db *db, void *context)
{
    const struct fresh *fresh = context;
    static unsigned char bytes[PICTURE_SIZE];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 31 >> 3);
    enum result result = RESULT_OK;
    for (int i = 0; i < PICTURES && result == RESULT_OK; i++)
        result = db_run(db, "INSERT INTO portraits (owner_id, card_id, id, jpeg) VALUES ($1, $2, $3, $4)",
                        DB_ARGS(DB_INT(fresh->jane.id), DB_INT(fresh->card.id), DB_INT(i + 1),
                                db_blob(bytes, i ? sizeof bytes - (size_t)i : 0)));
    return result;
}

static void fill(struct fresh *fresh)
{
    fresh_webhook(fresh, "https://example.org/hook");
    for (int i = 0; i < FORMS; i++) {
        struct lead lead;
        char name[48], email[48];
        snprintf(name, sizeof name, "Ägir %d \"O'Neill\" 山田", i);
        snprintf(email, sizeof email, "visitor%d@example.org", i);
        MUST(fresh_form(fresh, &fresh->share, id_at_ms(fresh->now_ms) + i, name, email, &lead));
    }
    /* A parent that is younger than its child, as clocks of two servers may make it. */
    struct share child = fresh_share(fresh, 0, fresh->jane.id, 0), parent = fresh_share(fresh, 0, fresh->jane.id, 0);
    char sql[160];
    snprintf(sql, sizeof sql, "UPDATE shares SET parent_id = %lld WHERE id = %lld", (long long)parent.id,
             (long long)child.id);
    assert_true(turns_take(&fresh->store->writing, 0));
    MUST(fresh->store->writer->driver->script(fresh->store->writer, sql));
    turns_give(&fresh->store->writing);
    MUST(store_write(fresh->store, "hits", put_hits, fresh));
    MUST(store_write(fresh->store, "pictures", put_pictures, fresh));
}

static void shut(struct fresh *fresh)
{
    store_close(fresh->store);
    fresh->store = NULL;
}

static int make_places(void **state)
{
    struct places *places = calloc(1, sizeof *places);
    places->source = fresh_open();
    fill(places->source);
    shut(places->source);
    snprintf(places->there, sizeof places->there, "sqlite:%s/there", places->source->folder);
    char path[128];
    snprintf(path, sizeof path, "%s/back", places->source->folder);
    engine_url(path, places->back);
    *state = places;
    return 0;
}

static int drop_places(void **state)
{
    struct places *places = *state;
    engine_drop(places->back);
    fresh_close(places->source);
    free(places);
    return 0;
}

/* ---- copying ---- */

static enum result copy(struct places *places, const char *from, const char *to, struct copy_outcome *out,
                        const char **why)
{
    const struct copy_options options = {.from = from, .to = to, .base_url = "https://meishi.example"};
    return store_copy(&options, &places->source->arena, out, why);
}

static void copied(struct places *places, const char *from, const char *to, struct copy_outcome *out)
{
    const char *why;
    enum result result = copy(places, from, to, out, &why);
    if (result != RESULT_OK)
        fail_msg("%d: %s", result, why);
}

struct dump {
    crypto_generichash_state state;
    int64_t rows;
};

/* A store's own account of itself is not its contents. */
static void add_row(void *context, const char *table, const char *row, size_t len)
{
    struct dump *dump = context;
    static const char *const OWN[] = {"schema_",      "hit_inbox", "fold_mark", "sqlite_",
                                      "lead_search_", "change",    "tallies",   "day_salts"};
    for (size_t i = 0; i < sizeof OWN / sizeof *OWN; i++)
        if (strncmp(table, OWN[i], strlen(OWN[i])) == 0)
            return;
    crypto_generichash_update(&dump->state, (const unsigned char *)table, strlen(table));
    crypto_generichash_update(&dump->state, (const unsigned char *)row, len);
    dump->rows++;
}

/* All that stands in a store of the run's engine, by other code than the copy's. */
static int64_t dump_of(const char *url, unsigned char out[32])
{
    struct db *db;
    struct dump dump = {0};
    crypto_generichash_init(&dump.state, NULL, 0, 32);
    MUST(engine_driver()->open(url, DB_MAIN, DB_READ, &db));
    engine_read_all(db, add_row, &dump);
    db->driver->close(db);
    crypto_generichash_final(&dump.state, out, 32);
    return dump.rows;
}

static void assert_same(const char *one, const char *other)
{
    unsigned char here[32], there[32];
    assert_true(dump_of(one, here) > HITS + FORMS + PICTURES);
    dump_of(other, there);
    assert_memory_equal(here, there, sizeof here);
}

static void copy__moves_everything_there_and_back(void **state)
{
    struct places *places = *state;
    struct copy_outcome there, back;
    copied(places, places->source->url, places->there, &there);
    assert_int_equal(there.rows_before, 0);
    copied(places, places->there, places->back, &back);
    assert_int_equal(back.rows, there.rows);
    assert_same(places->source->url, places->back);
}

static void copy__finds_leads_by_their_words_afterwards(void **state)
{
    struct places *places = *state;
    struct fresh *source = places->source;
    struct copy_outcome outcome;
    struct store *store;
    const char *why;
    copied(places, source->url, places->there, &outcome);
    const struct store_options options = {.url = places->there};
    MUST(store_open(&options, &source->arena, &store, &why));
    const struct lead_filter filter = {.stage = -1, .channel = -1, .limit = 200, .q = "ägir 山田"};
    struct lead *leads;
    size_t count = 0;
    MUST(store_lead_list(store, &source->arena, source->jane.id, &filter, &leads, &count));
    assert_int_equal(count, FORMS);
    struct complaints complaints = {0};
    MUST(store_check(store, &source->arena, &complaints));
    store_close(store);
}

/* ---- cut off ---- */

struct limit {
    int batches;
};

static void die(void *context, const struct copy_progress *progress)
{
    struct limit *limit = context;
    if (progress->phase == COPY_CHECK || limit->batches-- == 0)
        _exit(9);
}

/* A copy in another process, which ends without any order after some batches. */
static void cut_off(struct places *places, const char *from, const char *to, int batches)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct limit limit = {batches};
        struct copy_outcome outcome;
        const char *why;
        const struct copy_options options = {.from = from, .to = to, .tell = die, .context = &limit};
        enum result result = store_copy(&options, &places->source->arena, &outcome, &why);
        (void)result;
        _exit(1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 9);
}

static void copy__goes_on_where_it_was_cut_off(void **state)
{
    struct places *places = *state;
    struct copy_outcome there, back;
    for (int batches = 0; batches < LET; batches += 7)
        cut_off(places, places->source->url, places->there, batches);
    copied(places, places->source->url, places->there, &there);
    assert_true(there.rows_before > HITS);
    assert_int_equal(there.tables_again, 0);
    for (int batches = 0; batches < LET; batches += 7)
        cut_off(places, places->there, places->back, batches);
    copied(places, places->there, places->back, &back);
    assert_true(back.rows_before > HITS);
    assert_same(places->source->url, places->back);
}

static void copy__that_is_unfinished_is_served_by_nobody(void **state)
{
    struct places *places = *state;
    struct store *store;
    const char *why;
    struct copy_outcome outcome;
    cut_off(places, places->source->url, places->back, 5);
    for (int read_only = 0; read_only < 2; read_only++) {
        const struct store_options options = {.url = places->back, .read_only = read_only};
        assert_int_equal(store_open(&options, &places->source->arena, &store, &why), RESULT_FAILED);
        assert_non_null(strstr(why, "unfinished copy"));
    }
    copied(places, places->source->url, places->back, &outcome);
    const struct store_options options = {.url = places->back};
    MUST(store_open(&options, &places->source->arena, &store, &why));
    store_close(store);
}

static void copy__takes_a_table_anew_that_changed_after_it_was_cut_off(void **state)
{
    struct places *places = *state;
    struct copy_outcome outcome;
    struct db *db;
    cut_off(places, places->source->url, places->back, 1000); /* all rows, before the proof */
    fresh_restart(places->source);
    fresh_member(places->source, "mika");
    shut(places->source);
    MUST(engine_driver()->open(places->source->url, DB_MAIN, DB_WRITE, &db));
    MUST(db->driver->script(db, "UPDATE lead_moments SET words = 'changed' WHERE kind = 'form'"));
    db->driver->close(db);
    copied(places, places->source->url, places->back, &outcome);
    assert_int_equal(outcome.tables_again, 1); /* members that are new lie behind the last key */
    assert_same(places->source->url, places->back);
}

static void copy__goes_on_with_no_other_stores_copy(void **state)
{
    struct places *places = *state;
    struct fresh *other = fresh_open();
    struct copy_outcome outcome;
    const char *why;
    shut(other);
    cut_off(places, places->source->url, places->there, 5);
    assert_int_equal(copy(places, other->url, places->there, &outcome, &why), RESULT_DENIED);
    assert_non_null(strstr(why, "unfinished copy of another store"));
    fresh_close(other);
}

/* ---- refused ---- */

static void copy__goes_into_an_empty_place_only(void **state)
{
    struct places *places = *state;
    struct fresh *other = fresh_open();
    struct copy_outcome outcome;
    const char *why;
    shut(other);
    unsigned char before[32], after[32];
    dump_of(other->url, before);
    assert_int_equal(copy(places, places->source->url, other->url, &outcome, &why), RESULT_DENIED);
    assert_non_null(strstr(why, "not empty"));
    dump_of(other->url, after);
    assert_memory_equal(before, after, sizeof before);
    assert_int_equal(copy(places, places->source->url, places->source->url, &outcome, &why), RESULT_DENIED);
    fresh_close(other);
}

static void copy__takes_a_store_that_was_made_and_never_used(void **state)
{
    struct places *places = *state;
    struct copy_outcome outcome;
    struct store *store;
    const char *why;
    const struct store_options options = {.url = places->back};
    MUST(store_open(&options, &places->source->arena, &store, &why));
    store_close(store);
    copied(places, places->source->url, places->back, &outcome);
    assert_same(places->source->url, places->back);
}

static void copy__needs_both_stores_for_itself(void **state)
{
    struct places *places = *state;
    struct fresh *source = places->source;
    struct copy_outcome outcome;
    struct store *store;
    const char *why;
    fresh_restart(source);
    assert_int_equal(copy(places, source->url, places->there, &outcome, &why), RESULT_CONFLICT);
    assert_non_null(why);
    shut(source);
    const struct store_options options = {.url = places->back};
    MUST(store_open(&options, &source->arena, &store, &why));
    assert_int_equal(copy(places, source->url, places->back, &outcome, &why), RESULT_CONFLICT);
    assert_non_null(why);
    store_close(store);
    copied(places, source->url, places->back, &outcome);
}

static void copy__makes_no_source(void **state)
{
    struct places *places = *state;
    struct copy_outcome outcome;
    const char *why;
    assert_int_equal(copy(places, places->back, places->there, &outcome, &why), RESULT_NOT_FOUND);
    assert_int_equal(copy(places, places->back, places->there, &outcome, &why), RESULT_NOT_FOUND);
    assert_int_equal(copy(places, "mysql:x", places->there, &outcome, &why), RESULT_NOT_FOUND);
    assert_int_equal(copy(places, places->source->url, "mysql:x", &outcome, &why), RESULT_DENIED);
}

/* ---- the proof ---- */

struct spoiler {
    const char *url;
    bool done;
};

/* One letter, behind the copy's back, once all rows are there. */
static void spoil(void *context, const struct copy_progress *progress)
{
    struct spoiler *spoiler = context;
    struct db *db;
    if (progress->phase != COPY_CHECK || spoiler->done)
        return;
    spoiler->done = true;
    MUST(db_sqlite.open(spoiler->url, DB_MAIN, DB_WRITE, &db));
    MUST(db->driver->script(db, "UPDATE members SET name = 'Jan' WHERE handle = 'jane'"));
    db->driver->close(db);
}

static void copy__names_the_table_that_differs(void **state)
{
    struct places *places = *state;
    struct spoiler spoiler = {.url = places->there};
    struct copy_outcome outcome;
    const char *why;
    const struct copy_options options = {
        .from = places->source->url, .to = places->there, .tell = spoil, .context = &spoiler};
    assert_int_equal(store_copy(&options, &places->source->arena, &outcome, &why), RESULT_INVALID);
    assert_true(spoiler.done);
    assert_non_null(strstr(why, "table members"));
    struct store *store;
    const struct store_options opening = {.url = places->there};
    assert_int_equal(store_open(&opening, &places->source->arena, &store, &why), RESULT_FAILED);
    copied(places, places->source->url, places->there, &outcome);
    assert_int_equal(outcome.tables_again, 1);
    copied(places, places->there, places->back, &outcome);
    assert_same(places->source->url, places->back);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_places, drop_places)
    const struct CMUnitTest tests[] = {
        TEST(copy__moves_everything_there_and_back),
        TEST(copy__finds_leads_by_their_words_afterwards),
        TEST(copy__goes_on_where_it_was_cut_off),
        TEST(copy__that_is_unfinished_is_served_by_nobody),
        TEST(copy__takes_a_table_anew_that_changed_after_it_was_cut_off),
        TEST(copy__goes_on_with_no_other_stores_copy),
        TEST(copy__goes_into_an_empty_place_only),
        TEST(copy__takes_a_store_that_was_made_and_never_used),
        TEST(copy__needs_both_stores_for_itself),
        TEST(copy__makes_no_source),
        TEST(copy__names_the_table_that_differs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
