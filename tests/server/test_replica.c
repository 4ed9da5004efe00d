/* Lists that are read from a standby, which breaks off at each of its calls in turn: they are whole, once, and nobody hears of
 * it. The standby is the store itself by other connections. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "server/ids.h"
#include "server/store/inbox.h"
#include "server/store/internal.h"
#include "tests/support/db_faulty.h"
#include "tests/support/deliveries.h"

enum { CALLS_MAX = 200, PEOPLE = 5, HITS = 3 };

#define MUST(call) assert_int_equal(call, RESULT_OK)

struct world {
    struct fresh *fresh;
    struct webhook webhook;
    struct lead lead;
};

/* ---- what every list answers, as words ---- */

static enum result tell_shares(struct world *world, FILE *words)
{
    struct fresh *fresh = world->fresh;
    struct share_row *rows = NULL;
    size_t count = 0;
    enum result result =
        store_share_list(fresh->store, &fresh->arena, fresh->jane.id, fresh->card.id, 0, 20, &rows, &count);
    for (size_t i = 0; i < count; i++)
        fprintf(words, "%" PRId64 " %" PRId64 ", ", rows[i].share.id, rows[i].leads);
    return result;
}

static enum result tell_leads(struct world *world, FILE *words, const char *q)
{
    const struct lead_filter filter = {.stage = -2, .channel = -1, .q = q};
    struct fresh *fresh = world->fresh;
    struct lead *leads = NULL;
    size_t count = 0;
    enum result result = store_lead_list(fresh->store, &fresh->arena, fresh->jane.id, &filter, &leads, &count);
    for (size_t i = 0; i < count; i++)
        fprintf(words, "%" PRId64 " %s by %s, ", leads[i].id, leads[i].name, leads[i].share->label);
    return result;
}

static enum result tell_all_leads(struct world *world, FILE *words)
{
    return tell_leads(world, words, NULL);
}

static enum result tell_found_leads(struct world *world, FILE *words)
{
    return tell_leads(world, words, "guest");
}

static enum result tell_feed(struct world *world, FILE *words)
{
    const struct lead_filter filter = {.stage = -1, .channel = -1, .set_aside = -1, .limit = 20};
    struct fresh *fresh = world->fresh;
    struct lead_feed feed = {0};
    enum result result = store_lead_feed(fresh->store, &fresh->arena, fresh->jane.id, &filter, 0, &feed);
    for (size_t i = 0; i < feed.count; i++)
        fprintf(words, "%" PRId64 ", ", feed.leads[i].id);
    for (size_t i = 0; i < feed.gone_count; i++)
        fprintf(words, "gone %" PRId64 ", ", feed.gone[i].id);
    fprintf(words, "to %" PRId64, feed.last);
    return result;
}

static enum result tell_totals(struct world *world, FILE *words)
{
    struct lead_totals totals = {0};
    enum result result = store_lead_totals(world->fresh->store, world->fresh->jane.id, &totals);
    fprintf(words, "%" PRId64 " leads, %" PRId64 " new, %" PRId64 " set aside", totals.leads, totals.leads_new,
            totals.set_aside);
    return result;
}

static enum result tell_timeline(struct world *world, FILE *words)
{
    struct fresh *fresh = world->fresh;
    struct lead_moment *moments = NULL;
    size_t count = 0;
    enum result result =
        store_lead_timeline(fresh->store, &fresh->arena, fresh->jane.id, world->lead.id, &moments, &count);
    for (size_t i = 0; i < count; i++)
        fprintf(words, "%s %s, ", moments[i].kind, moments[i].words);
    return result;
}

static enum result tell_followups(struct world *world, FILE *words)
{
    const struct followup_filter filter = {.open = -1, .due_before_ms = INT64_MAX, .limit = 20};
    struct fresh *fresh = world->fresh;
    struct followup *found = NULL;
    size_t count = 0;
    enum result result = store_followup_list(fresh->store, &fresh->arena, fresh->jane.id, &filter, &found, &count);
    for (size_t i = 0; i < count; i++)
        fprintf(words, "%s, ", found[i].note);
    return result;
}

static enum result tell_due(struct world *world, FILE *words)
{
    struct fresh *fresh = world->fresh;
    struct followup *found = NULL;
    size_t count = 0;
    enum result result = store_followup_due(fresh->store, &fresh->arena, fresh->jane.id, INT64_MAX, 20, &found, &count);
    for (size_t i = 0; i < count; i++)
        fprintf(words, "%s, ", found[i].note);
    return result;
}

static void say_deliveries(const struct delivery *list, size_t count, FILE *words)
{
    for (size_t i = 0; i < count; i++)
        fprintf(words, "%" PRId64 " to %s, ", list[i].id, list[i].url);
}

static enum result tell_deliveries(struct world *world, FILE *words)
{
    const struct delivery_filter filter = {.webhook_id = world->webhook.id, .state = -1};
    struct fresh *fresh = world->fresh;
    struct delivery *list = NULL;
    size_t count = 0;
    enum result result = store_delivery_list(fresh->store, &fresh->arena, fresh->jane.id, &filter, &list, &count);
    say_deliveries(list, count, words);
    return result;
}

static enum result tell_deliveries_of_lead(struct world *world, FILE *words)
{
    struct fresh *fresh = world->fresh;
    struct delivery *list = NULL;
    size_t count = 0;
    enum result result =
        store_delivery_list_of_lead(fresh->store, &fresh->arena, fresh->jane.id, world->lead.id, &list, &count);
    say_deliveries(list, count, words);
    return result;
}

static enum result tell_stats(struct world *world, FILE *words)
{
    struct fresh *fresh = world->fresh;
    struct webhook_stats stats = {0};
    enum result result =
        store_webhook_stats(fresh->store, fresh->jane.id, world->webhook.id, fresh->now_ms + 1000, &stats);
    fprintf(words, "%" PRId64 " attempts, %" PRId64 " failures", stats.attempts, stats.failures);
    return result;
}

static enum result tell_hits(struct world *world, FILE *words)
{
    struct fresh *fresh = world->fresh;
    struct hit_row *rows = NULL;
    size_t count = 0;
    enum result result =
        store_hit_list(fresh->store, &fresh->arena, fresh->jane.id, fresh->share.id, 0, 20, &rows, &count);
    for (size_t i = 0; i < count; i++)
        fprintf(words, "%" PRId64 " %s, ", rows[i].id, rows[i].rule);
    return result;
}

static enum result tell_days(struct world *world, FILE *words)
{
    struct fresh *fresh = world->fresh;
    struct day_count *days = NULL;
    size_t count = 0;
    enum result result =
        store_day_counts(fresh->store, &fresh->arena, fresh->jane.id, INT32_MIN, INT32_MAX, &days, &count);
    for (size_t i = 0; i < count; i++)
        fprintf(words, "%d %" PRId64 ", ", days[i].day, days[i].by_verdict[VERDICT_UNCONFIRMED]);
    return result;
}

static const struct list {
    const char *name;
    enum result (*tell)(struct world *world, FILE *words);
} LISTS[] = {{"shares", tell_shares},
             {"leads", tell_all_leads},
             {"leads found", tell_found_leads},
             {"feed", tell_feed},
             {"totals", tell_totals},
             {"timeline", tell_timeline},
             {"follow-ups", tell_followups},
             {"follow-ups due", tell_due},
             {"deliveries", tell_deliveries},
             {"deliveries of a lead", tell_deliveries_of_lead},
             {"stats", tell_stats},
             {"hits", tell_hits},
             {"days", tell_days}};

/* ---- a store and its standby ---- */

static void bring_hits(struct fresh *fresh)
{
    struct inbox_room room = {0};
    struct db *db;
    MUST(engine_driver()->open(fresh->url, DB_INBOX, DB_WRITE, &db));
    MUST(engine_driver()->begin(db));
    for (int i = 0; i < HITS; i++) {
        const struct hit hit = {.id = id_new(),
                                .owner_id = fresh->jane.id,
                                .share_id = fresh->share.id,
                                .channel = CHANNEL_QR,
                                .family = "Safari on iOS"};
        MUST(inbox_append(db, &hit, 1, i + 1, &room));
    }
    free(room.bytes);
    MUST(engine_driver()->end(db, true));
    db->driver->close(db);
}

static void open_beside_standby(struct fresh *fresh)
{
    static const unsigned char SEAL_KEY[32] = "thirty-two bytes of a seal key.";
    const struct store_options options = {.url = fresh->url,
                                          .read_url = fresh->url,
                                          .driver = &db_faulty,
                                          .base_url = "https://meishi.example",
                                          .seal_key = SEAL_KEY,
                                          .readers = 2};
    const char *why = NULL;
    if (store_open(&options, &fresh->arena, &fresh->store, &why) != RESULT_OK)
        fail_msg("store_open: %s", why);
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    struct fresh *fresh = world->fresh = fresh_open();
    world->webhook = fresh_webhook(fresh, "https://hooks.example/meishi");
    for (int i = 0; i < PEOPLE; i++) {
        const char *name = arena_printf(&fresh->arena, "Guest %d", i);
        const char *email = arena_printf(&fresh->arena, "guest%d@example.org", i);
        MUST(fresh_form(fresh, &fresh->share, 0, name, email, &world->lead));
        struct followup followup = {
            .owner_id = fresh->jane.id, .lead_id = world->lead.id, .due_ms = fresh->now_ms, .note = name};
        MUST(store_followup_add(fresh->store, &followup, 1, fresh->now_ms));
        fresh_share(fresh, 0, fresh->jane.id, 0);
    }
    struct claimed claimed = deliveries_claim(fresh, 1);
    deliveries_record(fresh, claimed.list[0].id, DELIVERY_FAILED, fresh->now_ms + 60000);
    store_close(fresh->store);
    bring_hits(fresh);
    if (engine_is_sqlite())
        fresh_restart(fresh);
    else
        open_beside_standby(fresh);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    fresh_close(world->fresh);
    free(world);
    return 0;
}

/* What a list says while calls on the standby fail by PLAN, and how many did. */
static char *told(struct world *world, const struct list *list, struct fault_plan plan)
{
    char *text;
    size_t len;
    FILE *words = open_memstream(&text, &len);
    plan.on_standby = true;
    atomic_store(&world->fresh->store->replica.rests_until_ms, 0);
    faults_plan(&plan);
    enum result result = list->tell(world, words);
    int struck = faults_struck();
    faults_plan(&(struct fault_plan){0});
    fclose(words);
    if (result != RESULT_OK)
        fail_msg("%s, call %d of the standby fails: result %d, struck %d", list->name, plan.fail_at, result, struck);
    return text;
}

static int64_t reads(struct world *world)
{
    struct store_figures figures;
    store_figures(world->fresh->store, &figures);
    return figures.standby_reads;
}

static void sweep(struct world *world, const struct list *list, enum result with)
{
    int64_t before = reads(world);
    char *whole = told(world, list, (struct fault_plan){0});
    assert_int_equal(reads(world), before + 1);
    assert_true(strlen(whole) > 0);
    int n = 1;
    for (; n < CALLS_MAX && reads(world) == before + 1; n++) {
        char *text = told(world, list, (struct fault_plan){.fail_at = n, .with = with});
        assert_string_equal(text, whole);
        free(text);
    }
    assert_in_range(n, 4, CALLS_MAX - 1); /* its beginning, its number and the list at least */
    free(whole);
}

static void lists__are_whole_when_the_standby_breaks_off(void **state)
{
    if (engine_is_sqlite())
        skip();
    for (size_t i = 0; i < sizeof LISTS / sizeof *LISTS; i++)
        sweep(*state, &LISTS[i], RESULT_FAILED);
}

/* As PostgreSQL answers when the standby must take away what is being read. */
static void lists__are_whole_when_the_standby_is_busy(void **state)
{
    if (engine_is_sqlite())
        skip();
    for (size_t i = 0; i < sizeof LISTS / sizeof *LISTS; i++)
        sweep(*state, &LISTS[i], RESULT_BUSY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lists__are_whole_when_the_standby_breaks_off, setup, teardown),
        cmocka_unit_test_setup_teardown(lists__are_whole_when_the_standby_is_busy, setup, teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
