/* Hits, acts, reloads, forms, folds, restarts and rejudgements in random order, by the queue and its threads. After each
 * stretch the counters must equal what the rows add up to, what readers see must not depend on how much is folded, each
 * verdict must be what today's rules say of the hit and all that followed it, and each person must have one lead. The seed
 * is printed when a round fails; RANDOM_SEED runs that one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "server/ids.h"
#include "server/store/hit_log.h"
#include "server/store/store.h"
#include "tests/support/hit_store.h"

enum { ROUNDS = 12, STEPS = 60, HITS_MAX = 1200, ACTS_MAX = 4000, DAYS = 70, CHANNELS = 3, DAY_MS = 86400000 };
static const int64_t START = 1793836800000; /* 5 November 2026, so that the days lie in three months */

struct sent {
    struct hit hit;
    bool recorded;  /* else only its acts come */
    uint32_t acts;  /* all that followed */
    bool has_again; /* one was tied to an earlier one */
};

struct walk {
    struct place *place;
    uint64_t random;
    bool started;
    struct sent hits[HITS_MAX];
    size_t hit_count;
    struct hit rows[HITS_MAX + ACTS_MAX]; /* what was queued: the store reads them until DONE */
    size_t row_count;
    atomic_size_t done;
};

static uint32_t dice(struct walk *walk, uint32_t sides)
{
    walk->random ^= walk->random << 13;
    walk->random ^= walk->random >> 7;
    walk->random ^= walk->random << 17;
    return (uint32_t)(walk->random >> 33) % sides;
}

static void note_done(struct hit *hit, enum result result)
{
    struct walk *walk = hit->owner;
    assert_int_equal(result, RESULT_OK);
    atomic_fetch_add(&walk->done, 1);
}

static void queue_row(struct walk *walk, const struct hit *row)
{
    assert_true(walk->row_count < sizeof walk->rows / sizeof *walk->rows);
    struct hit *at = &walk->rows[walk->row_count++];
    *at = *row;
    at->done = note_done;
    at->owner = walk;
    assert_int_equal(store_hit_submit(walk->place->store, at), RESULT_OK);
}

static void wait_for_rows(struct walk *walk)
{
    store_hits_wake(walk->place->store);
    while (atomic_load(&walk->done) < walk->row_count)
        usleep(200);
}

/* ---- what may happen ---- */

static void send_hit(struct walk *walk)
{
    static const char *const families[] = {"Safari on iOS", "Chrome on Android", "", "WhatsApp", "curl"};
    static const uint32_t facts[] = {0,        0, 0, 0, FACT_BURST, FACT_PREFETCH, FACT_SELF, FACT_HEAD, FACT_NO_AGENT,
                                     FACT_TOOL};
    if (walk->hit_count == HITS_MAX)
        return;
    struct sent *sent = &walk->hits[walk->hit_count];
    int64_t at_ms = START + (int64_t)dice(walk, DAYS) * DAY_MS + dice(walk, DAY_MS);
    sent->hit = hit_at(id_at_ms(at_ms) + (int64_t)walk->hit_count, (int)dice(walk, PLACE_SHARES));
    sent->hit.channel = (enum channel)dice(walk, CHANNELS);
    sent->hit.facts = facts[dice(walk, sizeof facts / sizeof *facts)];
    snprintf(sent->hit.family, sizeof sent->hit.family, "%s", families[dice(walk, sizeof families / sizeof *families)]);
    sent->recorded = dice(walk, 20) != 0;
    walk->hit_count++;
    if (sent->recorded)
        queue_row(walk, &sent->hit);
}

static void send_act(struct walk *walk)
{
    static const uint32_t acts[] = {ACT_SEEN, ACT_SEEN, ACT_TAP, ACT_SAVE, ACT_FORM, ACT_PASS_ON, ACT_SEEN | ACT_TAP};
    if (!walk->hit_count || walk->row_count >= ACTS_MAX)
        return;
    struct sent *sent = &walk->hits[dice(walk, 3) ? walk->hit_count - 1 - dice(walk, walk->hit_count < 10 ? 1 : 10)
                                                  : dice(walk, (uint32_t)walk->hit_count)];
    struct hit act = act_on(&sent->hit, acts[dice(walk, sizeof acts / sizeof *acts)], 0);
    sent->acts |= act.acts;
    queue_row(walk, &act);
}

/* Names an earlier page of the same share that was recorded, or one that never was. */
static void send_again(struct walk *walk)
{
    if (walk->hit_count < 2)
        return;
    struct sent *sent = &walk->hits[walk->hit_count - 1];
    const struct sent *earlier = &walk->hits[dice(walk, (uint32_t)walk->hit_count - 1)];
    if (sent->has_again || sent->acts)
        return;
    struct hit act = act_on(&sent->hit, ACT_SEEN | ACT_AGAIN, earlier->hit.id);
    bool tied = earlier->recorded && earlier->hit.share_id == sent->hit.share_id && earlier->hit.id < sent->hit.id;
    sent->has_again = true;
    sent->acts |= tied ? ACT_SEEN | ACT_AGAIN : ACT_SEEN;
    queue_row(walk, &act);
}

static void leave_details(struct walk *walk)
{
    if (!walk->hit_count)
        return;
    struct sent *sent = &walk->hits[dice(walk, (uint32_t)walk->hit_count)];
    unsigned char receipt[HASH_SIZE];
    char email[32];
    random_bytes(receipt, sizeof receipt);
    snprintf(email, sizeof email, "p%u@example.org", dice(walk, 40));
    struct lead out, lead = {.owner_id = PLACE_OWNER,
                             .card_id = PLACE_CARD,
                             .share_id = sent->hit.share_id,
                             .visitor_hit_id = sent->hit.id,
                             .name = "Ada",
                             .email = email};
    enum result result = store_lead_add(walk->place->store, &walk->place->arena, &lead, receipt, now_ms(), &out);
    assert_true(result == RESULT_OK || result == RESULT_CONFLICT);
    struct hit act = act_on(&sent->hit, ACT_FORM, 0);
    sent->acts |= ACT_FORM;
    queue_row(walk, &act);
}

static void restart(struct walk *walk)
{
    wait_for_rows(walk);
    place_close(walk->place);
    place_open(walk->place, true);
}

/* ---- what must hold ---- */

struct sums {
    int64_t by_day[DAYS + 2][CHANNELS][VERDICT_COUNT], by_share[PLACE_SHARES][VERDICT_COUNT];
    int64_t saves[DAYS + 2][CHANNELS], forms[DAYS + 2][CHANNELS];
};

static struct sums sum_of_rows(struct walk *walk)
{
    struct sums sums = {0};
    size_t recorded = 0, found = 0;
    for (int share = 0; share < PLACE_SHARES; share++) {
        struct hit_row *rows;
        size_t count = place_list(walk->place, share, &rows);
        found += count;
        for (size_t i = 0; i < count; i++) {
            int64_t day = (rows[i].at_ms - START) / DAY_MS;
            sums.by_day[day][rows[i].channel][rows[i].verdict]++;
            sums.by_share[share][rows[i].verdict]++;
            sums.saves[day][rows[i].channel] += (rows[i].acts & ACT_SAVE) != 0;
            sums.forms[day][rows[i].channel] += (rows[i].acts & ACT_FORM) != 0;
        }
    }
    for (size_t i = 0; i < walk->hit_count; i++)
        recorded += walk->hits[i].recorded;
    assert_int_equal(found, recorded);
    return sums;
}

static void check_days(struct walk *walk, const struct sums *sums)
{
    struct day_count *days;
    size_t count;
    struct sums counted = {0};
    memcpy(counted.by_share, sums->by_share, sizeof counted.by_share);
    assert_int_equal(
        store_day_counts(walk->place->store, &walk->place->arena, PLACE_OWNER, 0, INT32_MAX, &days, &count), RESULT_OK);
    for (size_t i = 0; i < count; i++) {
        int64_t day = days[i].day - START / DAY_MS;
        memcpy(counted.by_day[day][days[i].channel], days[i].by_verdict, sizeof days[i].by_verdict);
        counted.saves[day][days[i].channel] = days[i].saves;
        counted.forms[day][days[i].channel] = days[i].forms;
    }
    assert_memory_equal(&counted, sums, sizeof counted);
}

static void check_shares(struct walk *walk, const struct sums *sums)
{
    struct share_row *rows;
    size_t count;
    assert_int_equal(store_share_list(walk->place->store, &walk->place->arena, PLACE_OWNER, 0, 0, 50, &rows, &count),
                     RESULT_OK);
    assert_int_equal(count, PLACE_SHARES);
    for (size_t i = 0; i < count; i++) {
        const struct share_counts *counts = &rows[i].counts;
        const int64_t *by = sums->by_share[rows[i].share.id - PLACE_SHARE];
        assert_int_equal(counts->person, by[VERDICT_PERSON]);
        assert_int_equal(counts->unconfirmed, by[VERDICT_UNCONFIRMED]);
        assert_int_equal(counts->preview, by[VERDICT_PREVIEW]);
        assert_int_equal(counts->scanner, by[VERDICT_SCANNER]);
        assert_int_equal(counts->prefetch, by[VERDICT_PREFETCH]);
        assert_int_equal(counts->bot, by[VERDICT_BOT]);
        assert_int_equal(counts->self, by[VERDICT_SELF]);
    }
}

static void check_verdicts(struct walk *walk)
{
    for (int share = 0; share < PLACE_SHARES; share++) {
        struct hit_row *rows;
        size_t count = place_list(walk->place, share, &rows);
        for (size_t i = 0; i < count; i++) {
            const struct sent *sent = &walk->hits[rows[i].id & 0x7ff];
            assert_int_equal(sent->hit.id, rows[i].id);
            assert_int_equal(rows[i].acts, sent->acts);
            assert_int_equal(rows[i].verdict, judge(sent->hit.facts, sent->acts, sent->hit.family).verdict);
        }
    }
}

/* Who is a person has a lead, or left details that joined one; and whoever has none is no person. */
static void check_leads(struct walk *walk)
{
    static const char sql[] =
        "SELECT count(*) FROM (SELECT owner_id, id FROM hits_202611 WHERE verdict = 1 AND visitor_id = id UNION ALL "
        "SELECT owner_id, id FROM hits_202612 WHERE verdict = 1 AND visitor_id = id UNION ALL "
        "SELECT owner_id, id FROM hits_202701 WHERE verdict = 1 AND visitor_id = id) AS h WHERE NOT EXISTS "
        "(SELECT 1 FROM leads AS l WHERE l.owner_id = h.owner_id AND l.visitor_hit_id = h.id) AND NOT EXISTS "
        "(SELECT 1 FROM receipts AS r WHERE r.owner_id = h.owner_id AND (r.visitor_hit_id = h.id OR r.visitor_hit_id IN "
        "(SELECT id FROM hits_202611 WHERE visitor_id = h.id UNION ALL SELECT id FROM hits_202612 WHERE visitor_id = h.id "
        "UNION ALL SELECT id FROM hits_202701 WHERE visitor_id = h.id)))";
    assert_int_equal(place_number(walk->place, sql), 0);
    assert_int_equal(place_number(walk->place, "SELECT count(*) FROM leads AS l JOIN receipts AS r ON r.owner_id = "
                                               "l.owner_id AND r.visitor_hit_id = l.visitor_hit_id WHERE "
                                               "l.identified_ms IS NULL AND r.lead_id <> "
                                               "l.id"),
                     0);
    assert_int_equal(
        place_number(walk->place, "SELECT count(*) FROM leads WHERE email_key IS NOT NULL"),
        place_number(walk->place, "SELECT count(DISTINCT email_key) FROM leads WHERE email_key IS NOT NULL"));
}

static void check(struct walk *walk)
{
    wait_for_rows(walk);
    struct sums before = sum_of_rows(walk);
    check_days(walk, &before);
    assert_int_equal(store_fold_now(walk->place->store), RESULT_OK);
    struct sums after = sum_of_rows(walk);
    assert_memory_equal(&before, &after, sizeof before);
    check_days(walk, &after);
    check_shares(walk, &after);
    check_verdicts(walk);
    arena_reset(&walk->place->arena);
}

static void step(struct walk *walk)
{
    uint32_t rows = 1 + dice(walk, 40);
    for (uint32_t i = 0; i < rows; i++) {
        uint32_t what = dice(walk, 20);
        if (what < 9)
            send_hit(walk);
        else if (what < 17)
            send_act(walk);
        else if (what < 19)
            send_again(walk);
        else
            leave_details(walk);
    }
    switch (dice(walk, 8)) {
    case 0:
        restart(walk);
        break;
    case 1:
        assert_int_equal(store_rejudge(walk->place->store, &(struct rejudged){0}), RESULT_OK);
        break;
    case 2:
    case 3:
        wait_for_rows(walk);
        assert_int_equal(store_fold_now(walk->place->store), RESULT_OK);
        break;
    default:
        break;
    }
}

static void run_round(uint64_t seed)
{
    struct place *place = calloc(1, sizeof *place);
    struct walk *walk = calloc(1, sizeof *walk);
    place_make(place);
    place_open(place, true);
    walk->place = place;
    walk->random = seed * 0x9e3779b97f4a7c15u | 1;
    for (int i = 0; i < STEPS; i++) {
        step(walk);
        if (i % 6 == 5)
            check(walk);
    }
    check(walk);
    check_leads(walk);
    wait_for_rows(walk);
    place_drop(place);
    free(walk);
    free(place);
}

static void counts__equal_the_rows_whatever_happens_in_whatever_order(void **state)
{
    (void)state;
    const char *only = getenv("RANDOM_SEED");
    uint64_t first = only ? strtoull(only, NULL, 10) : random_u64() >> 40;
    for (uint64_t seed = first; seed < first + (only ? 1 : ROUNDS); seed++) {
        fprintf(stderr, "# RANDOM_SEED=%llu\n", (unsigned long long)seed);
        run_round(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts__equal_the_rows_whatever_happens_in_whatever_order),
    };
    return cmocka_run_group_tests_name("counts_random", tests, NULL, NULL);
}
