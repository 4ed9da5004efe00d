/* What becomes of hits: verdicts from acts before and after the fold, visitors told apart, counts, potential leads, months.
 * Rows are put into the inbox as a crash would leave them, so that every test decides what a batch is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "server/store/hit_log.h"
#include "tests/support/hit_store.h"

static const int64_t NOON = 1795262400000; /* 21 November 2026, 12:00 UTC */
enum { HOUR = 3600000, DAY = 24 * HOUR };

static int make(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    place_make(place);
    *state = place;
    return 0;
}

static int drop(void **state)
{
    place_drop(*state);
    free(*state);
    return 0;
}

static void bring_and_open(struct place *place, const struct hit *rows, size_t count)
{
    if (place->store)
        place_close(place);
    place_bring(place, rows, count);
    place_open(place, false);
}

static void bring_and_fold(struct place *place, const struct hit *rows, size_t count)
{
    bring_and_open(place, rows, count);
    assert_int_equal(store_fold_now(place->store), RESULT_OK);
    place_check_counts(place);
}

static struct hit_row only_row(struct place *place, int share)
{
    struct hit_row *rows;
    assert_int_equal(place_list(place, share, &rows), 1);
    return rows[0];
}

/* ---- the tail ---- */

static void tail__shows_a_hit_before_it_is_folded(void **state)
{
    struct place *place = *state;
    struct hit hit = hit_at(id_at_ms(NOON), 0);
    bring_and_open(place, &hit, 1);
    assert_int_equal(place_number(place, "SELECT count(*) FROM hit_months"), 0);
    struct hit_row row = only_row(place, 0);
    assert_int_equal(row.id, hit.id);
    assert_int_equal(row.at_ms, NOON);
    assert_int_equal(row.verdict, VERDICT_UNCONFIRMED);
    assert_string_equal(row.family, "Safari on iOS");
    assert_int_equal(place_counts(place).by_verdict[VERDICT_UNCONFIRMED], 1);
}

static void tail__applies_an_act_to_a_hit_that_was_folded_before(void **state)
{
    struct place *place = *state;
    struct hit hit = hit_at(id_at_ms(NOON), 0), act = act_on(&hit, ACT_SEEN | ACT_SAVE, 0);
    bring_and_fold(place, &hit, 1);
    bring_and_open(place, &act, 1);
    assert_int_equal(only_row(place, 0).verdict, VERDICT_PERSON);
    struct day_count counts = place_counts(place);
    assert_int_equal(counts.by_verdict[VERDICT_PERSON], 1);
    assert_int_equal(counts.by_verdict[VERDICT_UNCONFIRMED], 0);
    assert_int_equal(counts.saves, 1);
    assert_int_equal(place_number(place, "SELECT person FROM day_counts"), 0); /* nothing was written for it */
}

static void tail__of_others_is_not_shown(void **state)
{
    struct place *place = *state;
    struct hit hit = hit_at(id_at_ms(NOON), 0), other = hit_at(id_at_ms(NOON) + 1, 1),
               stranger = hit_at(id_at_ms(NOON) + 2, 0);
    stranger.owner_id++;
    struct hit rows[] = {hit, other, stranger};
    bring_and_open(place, rows, 3);
    assert_int_equal(only_row(place, 0).id, hit.id);
    assert_int_equal(place_counts(place).by_verdict[VERDICT_UNCONFIRMED], 2);
}

/* A reader's connection to the inbox that lets the fold and the sweep run at the worst moments: before the rows are read, or
 * after it and before the tables are. */
static struct {
    struct place *place;
    bool before, after;
} meanwhile;

static void fold_and_sweep(void)
{
    assert_int_equal(store_fold_now(meanwhile.place->store), RESULT_OK);
    while (hit_log_keep_house(meanwhile.place->store->hits))
        continue;
}

static enum result query_after_fold(struct db *db, const char *sql, const struct db_value *args, int arg_count,
                                    struct db_rows **out)
{
    if (meanwhile.before)
        fold_and_sweep();
    return engine_driver()->query(db, sql, args, arg_count, out);
}

static void finish_before_fold(struct db_rows **rows)
{
    engine_driver()->finish(rows);
    if (meanwhile.after)
        fold_and_sweep();
}

/* The readers of the tail: of a shared engine they are those of the tables. */
static void put_driver(struct place *place, const struct db_driver *driver)
{
    struct store *store = place->store;
    if (engine_is_sqlite()) {
        hits_reader_take(store)->driver = driver;
        hits_reader_give(store);
    }
    for (int i = 0; i < store->readers.idle_count && !engine_is_sqlite(); i++)
        store->readers.idle[i]->driver = driver;
}

static void read_while_folding(struct place *place, bool before, bool after)
{
    static struct db_driver driver;
    driver = *engine_driver();
    driver.query = query_after_fold;
    driver.finish = finish_before_fold;
    struct hit hit = hit_at(id_at_ms(NOON), 0), other = hit_at(id_at_ms(NOON) + 1, 0);
    struct hit rows[] = {hit, act_on(&hit, ACT_SEEN, 0), other};
    bring_and_open(place, rows, 3);
    meanwhile.place = place;
    meanwhile.before = before;
    meanwhile.after = after;
    if (!engine_is_sqlite())
        assert_int_equal(place_number(place, "SELECT count(*) FROM hit_months"), 0); /* so that there is a reader */
    put_driver(place, &driver);
    struct hit_row *list;
    size_t count;
    assert_int_equal(store_hit_list(place->store, &place->arena, PLACE_OWNER, PLACE_SHARE, 0, 50, &list, &count),
                     RESULT_OK);
    assert_int_equal(place_number(place, "SELECT count(*) FROM hit_months"), 1); /* it did run */
    assert_int_equal(count, 2);
    assert_int_equal(list[0].id, other.id);
    assert_int_equal(list[1].verdict, VERDICT_PERSON);
}

static void tail__is_whole_when_the_fold_runs_before_it_is_read(void **state)
{
    read_while_folding(*state, true, false);
}

static void tail__is_whole_when_the_fold_runs_after_it_is_read(void **state)
{
    read_while_folding(*state, false, true);
}

static void tail__is_counted_once_when_the_fold_runs_meanwhile(void **state)
{
    struct place *place = *state;
    read_while_folding(place, false, true);
    struct hit more = hit_at(id_at_ms(NOON) + 2, 1);
    bring_and_open(place, &more, 1);
    static struct db_driver driver;
    driver = *engine_driver();
    driver.finish = finish_before_fold;
    if (!engine_is_sqlite())
        assert_int_equal(place_number(place, "SELECT count(*) FROM hit_months"), 1);
    put_driver(place, &driver);
    struct day_count counts = place_counts(place);
    assert_int_equal(counts.by_verdict[VERDICT_PERSON], 1);
    assert_int_equal(counts.by_verdict[VERDICT_UNCONFIRMED], 2);
}

/* Anything may happen in any order and be cut into batches anywhere: what readers saw before a fold is what they see
 * after it. */
static void tail__equals_what_the_fold_makes_of_it(void **state)
{
    enum { HITS = 60, ROWS = 200 };
    struct place *place = *state;
    static struct hit rows[ROWS];
    struct hit hits[HITS];
    size_t count = 0, hit_count = 0;
    srandom(7);
    while (count < ROWS) {
        if (hit_count == 0 || (hit_count < HITS && random() % 3 == 0)) {
            hits[hit_count] =
                hit_at(id_at_ms(NOON + (int64_t)hit_count * 20 * HOUR) + random() % 1000, (int)(random() % 3));
            hits[hit_count].facts = random() % 4 ? 0 : FACT_CRAWLER | FACT_CRAWLER_PREVIEW;
            rows[count++] = hits[hit_count++];
            continue;
        }
        const struct hit *hit = &hits[(size_t)random() % hit_count];
        bool again = random() % 3 == 0;
        rows[count++] = act_on(hit, 1u << random() % 5 | (again ? ACT_AGAIN : 0),
                               again ? hits[(size_t)random() % hit_count].id : 0);
    }
    for (size_t at = 0, next; at < count; at = next) {
        next = at + 1 + (size_t)random() % 60;
        next = next > count ? count : next;
        bring_and_open(place, &rows[at], next - at);
        struct hit_row *before[3], *after[3];
        size_t lengths[3];
        struct day_count counted = place_counts(place);
        for (int i = 0; i < 3; i++)
            lengths[i] = place_list(place, i, &before[i]);
        assert_int_equal(store_fold_now(place->store), RESULT_OK);
        struct day_count folded = place_counts(place);
        assert_memory_equal(&counted, &folded, sizeof counted);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(place_list(place, i, &after[i]), lengths[i]);
            for (size_t j = 0; j < lengths[i]; j++) {
                assert_int_equal(after[i][j].id, before[i][j].id);
                assert_int_equal(after[i][j].verdict, before[i][j].verdict);
                assert_string_equal(after[i][j].rule, before[i][j].rule);
                assert_int_equal(after[i][j].acts, before[i][j].acts);
                assert_int_equal(after[i][j].visitor_id, before[i][j].visitor_id);
            }
        }
        place_check_counts(place);
    }
    assert_int_equal(place_number(place, "SELECT count(*) FROM hit_months") > 1, 1);
}

/* ---- acts ---- */

static void act__in_the_batch_of_its_hit_makes_a_person(void **state)
{
    struct place *place = *state;
    struct hit hit = hit_at(id_at_ms(NOON), 0);
    struct hit rows[] = {hit, act_on(&hit, ACT_SEEN, 0)};
    bring_and_fold(place, rows, 2);
    struct hit_row row = only_row(place, 0);
    assert_int_equal(row.verdict, VERDICT_PERSON);
    assert_string_equal(row.rule, "seen");
    assert_int_equal(row.visitor_id, hit.id);
    assert_int_equal(place_number(place, "SELECT count(*) FROM leads WHERE tray = 2"), 1);
}

static void act__after_the_fold_moves_the_count_on_the_day_of_the_hit(void **state)
{
    struct place *place = *state;
    struct hit hit = hit_at(id_at_ms(NOON + 11 * HOUR + 59 * 60000 + 59000), 0); /* the act comes after midnight */
    struct hit act = act_on(&hit, ACT_SEEN, 0);
    bring_and_fold(place, &hit, 1);
    assert_int_equal(place_number(place, "SELECT unconfirmed FROM day_counts"), 1);
    bring_and_fold(place, &act, 1);
    assert_int_equal(place_number(place, "SELECT count(*) FROM day_counts"), 1);
    assert_int_equal(place_number(place, "SELECT day FROM day_counts"), NOON / DAY);
    assert_int_equal(place_number(place, "SELECT unconfirmed FROM day_counts"), 0);
    assert_int_equal(place_number(place, "SELECT person FROM day_counts"), 1);
    assert_int_equal(place_number(place, "SELECT person FROM share_counts"), 1);
    assert_int_equal(place_number(place, "SELECT count(*) FROM leads"), 1);
}

static void act__twice_counts_once(void **state)
{
    struct place *place = *state;
    struct hit hit = hit_at(id_at_ms(NOON), 0), save = act_on(&hit, ACT_SAVE, 0);
    struct hit rows[] = {hit, save, save};
    bring_and_fold(place, rows, 3);
    bring_and_fold(place, &save, 1);
    struct day_count counts = place_counts(place);
    assert_int_equal(counts.by_verdict[VERDICT_PERSON], 1);
    assert_int_equal(counts.saves, 1);
    assert_int_equal(place_number(place, "SELECT count(*) FROM leads"), 1);
}

static void act__after_ten_thousand_others_is_folded_in_another_pass(void **state)
{
    enum { ACTS = 10005 };
    struct place *place = *state;
    struct hit *rows = calloc(ACTS + 2, sizeof *rows);
    rows[0] = hit_at(id_at_ms(NOON), 0);
    rows[1] = hit_at(id_at_ms(NOON) + 1, 0);
    for (int i = 0; i < ACTS; i++)
        rows[2 + i] = act_on(&rows[i == ACTS - 1], ACT_SEEN, 0);
    bring_and_fold(place, rows, ACTS + 2);
    struct store_figures figures;
    store_figures(place->store, &figures);
    assert_int_equal(figures.folds, 2);
    assert_int_equal(figures.hits_folded, ACTS + 2);
    assert_int_equal(place_counts(place).by_verdict[VERDICT_PERSON], 2);
    assert_int_equal(place_number(place, "SELECT count(*) FROM leads"), 2);
    free(rows);
}

static void act__on_a_hit_that_was_not_recorded_is_passed_over(void **state)
{
    struct place *place = *state;
    struct hit lost = hit_at(id_at_ms(NOON), 0), kept = hit_at(id_at_ms(NOON) + 1, 0);
    struct hit rows[] = {act_on(&lost, ACT_SEEN, 0), kept, act_on(&lost, ACT_FORM, 0)};
    bring_and_fold(place, rows, 3);
    assert_int_equal(only_row(place, 0).id, kept.id);
    assert_int_equal(place_counts(place).by_verdict[VERDICT_PERSON], 0);
    assert_int_equal(place_number(place, "SELECT count(*) FROM leads"), 0);
}

static void act__naming_another_share_changes_nothing(void **state)
{
    struct place *place = *state;
    struct hit hit = hit_at(id_at_ms(NOON), 0), act = act_on(&hit, ACT_SEEN, 0);
    act.share_id++;
    struct hit rows[] = {hit, act};
    bring_and_fold(place, rows, 2);
    assert_int_equal(only_row(place, 0).verdict, VERDICT_UNCONFIRMED);
}

/* ---- visitors ---- */

static void visitors__fifty_alike_are_fifty_and_one_reloading_is_one(void **state)
{
    struct place *place = *state;
    struct hit rows[102];
    for (int i = 0; i < 50; i++) { /* one hash, one family: one network, like phones */
        rows[2 * i] = hit_at(id_at_ms(NOON) + i, 0);
        rows[2 * i + 1] = act_on(&rows[2 * i], ACT_SEEN, 0);
    }
    rows[100] = hit_at(id_at_ms(NOON + 60000), 0);
    rows[101] = act_on(&rows[100], ACT_SEEN | ACT_AGAIN, rows[98].id);
    bring_and_fold(place, rows, 102);
    struct day_count counts = place_counts(place);
    assert_int_equal(counts.by_verdict[VERDICT_PERSON], 50);
    assert_int_equal(counts.by_verdict[VERDICT_UNCONFIRMED], 1);
    assert_int_equal(place_number(place, "SELECT count(*) FROM leads"), 50);
    struct hit_row *list;
    assert_int_equal(place_list(place, 0, &list), 51);
    assert_string_equal(list[0].rule, "again");
    assert_int_equal(list[0].visitor_id, rows[98].id);
}

static void crowd__is_counted_and_not_listed(void **state)
{
    struct place *place = *state;
    struct hit one = hit_at(id_at_ms(NOON), 0), other = hit_at(id_at_ms(NOON + 1), 0);
    struct hit rows[] = {one, act_on(&one, ACT_SEEN, 0), other, act_on(&other, ACT_SEEN | ACT_CROWDED, 0)};
    bring_and_fold(place, rows, 4);
    assert_int_equal(place_counts(place).by_verdict[VERDICT_PERSON], 2);
    assert_int_equal(place_number(place, "SELECT count(*) FROM leads"), 1);
}

static void again__leads_back_to_the_first_hit_over_batches(void **state)
{
    struct place *place = *state;
    struct hit first = hit_at(id_at_ms(NOON), 0), second = hit_at(id_at_ms(NOON + HOUR), 0),
               third = hit_at(id_at_ms(NOON + DAY), 0), fourth = hit_at(id_at_ms(NOON + DAY) + 1, 0);
    struct hit one[] = {first, act_on(&first, ACT_SEEN, 0)},
               two[] = {second, act_on(&second, ACT_SEEN | ACT_AGAIN, first.id)},
               three[] = {third, fourth, act_on(&fourth, ACT_SEEN | ACT_AGAIN, third.id),
                          act_on(&third, ACT_SEEN | ACT_AGAIN, second.id)};
    bring_and_fold(place, one, 2);
    bring_and_fold(place, two, 2);
    bring_and_fold(place, three, 4);
    struct hit_row *list;
    assert_int_equal(place_list(place, 0, &list), 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(list[i].visitor_id, first.id);
    assert_int_equal(place_counts(place).by_verdict[VERDICT_PERSON], 1);
    assert_int_equal(place_number(place, "SELECT count(*) FROM leads"), 1);
    assert_int_equal(place_number(place, "SELECT count(*) FROM lead_moments WHERE kind = 'scan'"), 3);
}

static void again__of_an_unknown_hit_is_a_new_visitor(void **state)
{
    struct place *place = *state;
    struct hit hit = hit_at(id_at_ms(NOON), 0), other = hit_at(id_at_ms(NOON) - 1, 1);
    struct hit rows[] = {other, hit, act_on(&hit, ACT_SEEN | ACT_AGAIN, other.id)}; /* known, but of another share */
    bring_and_fold(place, rows, 3);
    struct hit_row row = only_row(place, 0);
    assert_int_equal(row.verdict, VERDICT_PERSON);
    assert_int_equal(row.visitor_id, hit.id);
    assert_int_equal(place_number(place, "SELECT count(*) FROM leads"), 1);
}

static void lead__that_the_form_made_first_stays_the_only_one(void **state)
{
    struct place *place = *state;
    struct hit hit = hit_at(id_at_ms(NOON), 0);
    struct hit rows[] = {hit, act_on(&hit, ACT_SEEN | ACT_FORM, 0)};
    char sql[400];
    place_open(place, false);
    snprintf(
        sql, sizeof sql,
        "INSERT INTO leads (owner_id, id, card_id, share_id, channel, visitor_hit_id, referral, stage, tray, name, created_ms, "
        "identified_ms, updated_ms, revision) VALUES (%d, 77, %d, %d, 1, %lld, 0, 1, 0, 'Max', 1, 1, 1, 1)",
        PLACE_OWNER, PLACE_CARD, PLACE_SHARE, (long long)hit.id);
    place_run(place, sql);
    bring_and_fold(place, rows, 2);
    assert_int_equal(place_counts(place).forms, 1);
    assert_int_equal(place_number(place, "SELECT count(*) FROM leads"), 1);
    assert_int_equal(place_number(place, "SELECT id FROM leads"), 77);
}

static void lead__hears_that_the_contact_was_saved(void **state)
{
    struct place *place = *state;
    struct hit hit = hit_at(id_at_ms(NOON), 0), save = act_on(&hit, ACT_SAVE, 0);
    struct hit rows[] = {hit, act_on(&hit, ACT_SEEN, 0)};
    bring_and_fold(place, rows, 2);
    bring_and_fold(place, &save, 1);
    assert_int_equal(place_number(place, "SELECT count(*) FROM lead_moments WHERE kind = 'saved'"), 1);
}

static void preview__is_no_person_and_no_lead(void **state)
{
    struct place *place = *state;
    struct hit hit = hit_at(id_at_ms(NOON), 0);
    hit.facts = FACT_CRAWLER | FACT_CRAWLER_PREVIEW;
    struct hit rows[] = {hit, act_on(&hit, ACT_SEEN, 0)};
    bring_and_fold(place, rows, 2);
    assert_int_equal(only_row(place, 0).verdict, VERDICT_PREVIEW);
    assert_int_equal(place_number(place, "SELECT count(*) FROM leads"), 0);
}

/* ---- months ---- */

static void months__of_one_batch_are_kept_apart_and_listed_together(void **state)
{
    struct place *place = *state;
    struct hit rows[12];
    for (int i = 0; i < 12; i++)
        rows[11 - i] = hit_at(id_at_ms(NOON + i * 20 * (int64_t)DAY), 0); /* brought in the wrong order */
    bring_and_fold(place, rows, 12);
    assert_int_equal(place_number(place, "SELECT count(*) FROM hit_months"), 8);
    assert_int_equal(place_number(place, "SELECT count(*) FROM hits_202611"), 1);
    assert_int_equal(place_number(place, "SELECT count(*) FROM hits_202612"), 2);
    struct hit_row *list;
    assert_int_equal(place_list(place, 0, &list), 12);
    for (int i = 0; i < 12; i++)
        assert_int_equal(list[i].id, rows[i].id);
    struct hit act = act_on(&rows[11], ACT_SEEN, 0); /* on the oldest */
    bring_and_fold(place, &act, 1);
    assert_int_equal(place_number(place, "SELECT verdict FROM hits_202611"), VERDICT_PERSON);
}

static void forget__drops_months_that_ended_and_keeps_the_counts(void **state)
{
    struct place *place = *state;
    struct hit rows[] = {hit_at(id_at_ms(NOON), 0), hit_at(id_at_ms(NOON + 20 * (int64_t)DAY), 0)};
    bring_and_fold(place, rows, 2);
    assert_int_equal(store_hits_forget(place->store, 1, NOON + 51 * (int64_t)DAY), RESULT_OK);
    assert_int_equal(only_row(place, 0).id, rows[1].id);
    assert_int_equal(place_counts(place).by_verdict[VERDICT_UNCONFIRMED], 2);
    assert_false(place_has_table(place, "hits_202611"));
    assert_true(place_has_table(place, "hits_202612"));
    struct hit late = act_on(&rows[0], ACT_SEEN, 0); /* for what is forgotten */
    bring_and_open(place, &late, 1);
    assert_int_equal(store_fold_now(place->store), RESULT_OK);
    assert_int_equal(place_counts(place).by_verdict[VERDICT_UNCONFIRMED], 2);
}

static enum result leave_details(struct place *place, const struct hit *page, const char *email, struct lead *out)
{
    unsigned char receipt[HASH_SIZE] = {0};
    memcpy(receipt, &page->id, sizeof page->id);
    struct lead lead = {.owner_id = page->owner_id,
                        .card_id = PLACE_CARD,
                        .share_id = page->share_id,
                        .visitor_hit_id = page->id,
                        .name = "Ada",
                        .email = email};
    return store_lead_add(place->store, &place->arena, &lead, receipt, NOON + HOUR, out);
}

/* Phones load a page anew when one comes back to its tab. */
static void lead__of_a_form_on_a_reloaded_page_is_the_visitors_own(void **state)
{
    struct place *place = *state;
    struct hit first = hit_at(id_at_ms(NOON), 0), again = hit_at(id_at_ms(NOON + 60000), 0),
               once_more = hit_at(id_at_ms(NOON + 120000), 0);
    struct hit rows[] = {first,     act_on(&first, ACT_SEEN, 0),
                         again,     act_on(&again, ACT_SEEN | ACT_AGAIN, first.id),
                         once_more, act_on(&once_more, ACT_SEEN | ACT_AGAIN, again.id)};
    struct lead lead, other;
    bring_and_fold(place, rows, 6);
    assert_int_equal(place_number(place, "SELECT count(*) FROM leads"), 1);
    assert_int_equal(leave_details(place, &again, "ada@example.org", &lead), RESULT_OK);
    assert_int_equal(lead.visitor_hit_id, first.id);
    assert_int_equal(place_number(place, "SELECT count(*) FROM leads"), 1);
    /* Whoever comes to that tab next and has another address is somebody else. */
    assert_int_equal(leave_details(place, &once_more, "bob@example.org", &other), RESULT_OK);
    assert_int_not_equal(other.id, lead.id);
    assert_int_equal(place_number(place, "SELECT count(*) FROM leads WHERE identified_ms IS NOT NULL"), 2);
    assert_int_equal(place_number(place, "SELECT count(*) FROM leads"), 2);
    /* And so if it is the first page once more: what Ada left stays as it is. */
    assert_int_equal(leave_details(place, &first, "carl@example.org", &other), RESULT_OK);
    assert_int_equal(place_number(place, "SELECT count(*) FROM leads WHERE identified_ms IS NOT NULL"), 3);
    assert_int_equal(place_number(place, "SELECT count(*) FROM leads WHERE email = 'ada@example.org'"), 1);
}

static void share__passed_on_from_a_reloaded_page_is_the_leads(void **state)
{
    struct place *place = *state;
    struct hit first = hit_at(id_at_ms(NOON), 0), again = hit_at(id_at_ms(NOON + 60000), 0);
    struct hit rows[] = {first, act_on(&first, ACT_SEEN, 0), again, act_on(&again, ACT_SEEN | ACT_AGAIN, first.id)};
    struct share passed = {.owner_id = PLACE_OWNER,
                           .card_id = PLACE_CARD,
                           .parent_id = first.share_id,
                           .sharer_hit_id = again.id,
                           .channel = CHANNEL_LINK,
                           .token = "0000000000000009"};
    struct lead lead;
    bring_and_fold(place, rows, 4);
    assert_int_equal(leave_details(place, &first, "ada@example.org", &lead), RESULT_OK);
    assert_int_equal(store_share_add(place->store, &place->arena, &passed, NOON + 2 * HOUR), RESULT_OK);
    assert_int_equal(passed.sharer_lead_id, lead.id);
    assert_int_equal(passed.sharer_hit_id, 0);
}

/* As when the main file was put back by hand without its inbox, or two processes once made one id. */
static void fold__goes_on_past_a_hit_that_stands_already(void **state)
{
    struct place *place = *state;
    struct hit hit = hit_at(id_at_ms(NOON), 0), other = hit_at(id_at_ms(NOON) + 1, 0), later = hit_at(hit.id + 2, 1);
    struct hit first[] = {hit, other}, again[] = {hit, act_on(&hit, ACT_SEEN, 0), later, later};
    bring_and_fold(place, first, 2);
    bring_and_fold(place, again, 4);
    assert_int_equal(place_number(place, "SELECT count(*) FROM hits_202611"), 3);
    assert_int_equal(place_counts(place).by_verdict[VERDICT_PERSON], 1);
    assert_int_equal(place_counts(place).by_verdict[VERDICT_UNCONFIRMED], 2);
    assert_int_equal(place_number(place, "SELECT count(*) FROM leads"), 1);
}

/* ---- rejudging ---- */

static void rejudge__applies_todays_rules_and_restates_the_counts(void **state)
{
    struct place *place = *state;
    struct hit rows[40];
    for (int i = 0; i < 20; i++) {
        rows[2 * i] = hit_at(id_at_ms(NOON + i * (int64_t)DAY), i % 3);
        rows[2 * i + 1] = act_on(&rows[2 * i], ACT_SEEN, 0);
    }
    bring_and_fold(place, rows, 40);
    struct rejudged rejudged;
    assert_int_equal(store_rejudge(place->store, &rejudged), RESULT_OK);
    assert_int_equal(rejudged.looked_at, 20);
    assert_int_equal(rejudged.changed, 0);
    /* As older rules might have left it: some were taken for robots. */
    place_run(place, "UPDATE hits_202612 SET verdict = 5, rule = 12");
    place_run(place, "UPDATE day_counts SET bot = person, person = 0 WHERE day >= 20788");
    place_run(
        place,
        "UPDATE share_counts SET bot = (SELECT count(*) FROM hits_202612 AS h WHERE h.share_id = share_counts.share_id)");
    place_run(place, "UPDATE share_counts SET person = person - bot");
    place_check_counts(place);
    int64_t wrong = place_number(place, "SELECT count(*) FROM hits_202612");
    assert_true(wrong > 5);
    assert_int_equal(store_rejudge(place->store, &rejudged), RESULT_OK);
    assert_int_equal(rejudged.changed, wrong);
    place_check_counts(place);
    assert_int_equal(place_counts(place).by_verdict[VERDICT_PERSON], 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tail__shows_a_hit_before_it_is_folded, make, drop),
        cmocka_unit_test_setup_teardown(tail__applies_an_act_to_a_hit_that_was_folded_before, make, drop),
        cmocka_unit_test_setup_teardown(tail__of_others_is_not_shown, make, drop),
        cmocka_unit_test_setup_teardown(tail__is_whole_when_the_fold_runs_before_it_is_read, make, drop),
        cmocka_unit_test_setup_teardown(tail__is_whole_when_the_fold_runs_after_it_is_read, make, drop),
        cmocka_unit_test_setup_teardown(tail__is_counted_once_when_the_fold_runs_meanwhile, make, drop),
        cmocka_unit_test_setup_teardown(tail__equals_what_the_fold_makes_of_it, make, drop),
        cmocka_unit_test_setup_teardown(act__in_the_batch_of_its_hit_makes_a_person, make, drop),
        cmocka_unit_test_setup_teardown(act__after_the_fold_moves_the_count_on_the_day_of_the_hit, make, drop),
        cmocka_unit_test_setup_teardown(act__twice_counts_once, make, drop),
        cmocka_unit_test_setup_teardown(act__after_ten_thousand_others_is_folded_in_another_pass, make, drop),
        cmocka_unit_test_setup_teardown(act__on_a_hit_that_was_not_recorded_is_passed_over, make, drop),
        cmocka_unit_test_setup_teardown(act__naming_another_share_changes_nothing, make, drop),
        cmocka_unit_test_setup_teardown(visitors__fifty_alike_are_fifty_and_one_reloading_is_one, make, drop),
        cmocka_unit_test_setup_teardown(crowd__is_counted_and_not_listed, make, drop),
        cmocka_unit_test_setup_teardown(again__leads_back_to_the_first_hit_over_batches, make, drop),
        cmocka_unit_test_setup_teardown(again__of_an_unknown_hit_is_a_new_visitor, make, drop),
        cmocka_unit_test_setup_teardown(lead__that_the_form_made_first_stays_the_only_one, make, drop),
        cmocka_unit_test_setup_teardown(lead__of_a_form_on_a_reloaded_page_is_the_visitors_own, make, drop),
        cmocka_unit_test_setup_teardown(share__passed_on_from_a_reloaded_page_is_the_leads, make, drop),
        cmocka_unit_test_setup_teardown(lead__hears_that_the_contact_was_saved, make, drop),
        cmocka_unit_test_setup_teardown(preview__is_no_person_and_no_lead, make, drop),
        cmocka_unit_test_setup_teardown(fold__goes_on_past_a_hit_that_stands_already, make, drop),
        cmocka_unit_test_setup_teardown(months__of_one_batch_are_kept_apart_and_listed_together, make, drop),
        cmocka_unit_test_setup_teardown(forget__drops_months_that_ended_and_keeps_the_counts, make, drop),
        cmocka_unit_test_setup_teardown(rejudge__applies_todays_rules_and_restates_the_counts, make, drop),
    };
    return cmocka_run_group_tests_name("hits", tests, NULL, NULL);
}
