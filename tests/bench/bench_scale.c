/* What a page or the API reads, on a store as large as it is told, and how the engine goes about it:
 *
 *   bench_scale fill URL HITS    a member for each thousand hits, and for each hundred a share, a lead and a delivery
 *   bench_scale read URL HITS    times each read and looks at its plan
 *
 * URL is sqlite:FOLDER or postgres://…, which MEISHI_TEST_STORE then names too. Members are alike, but the busiest has half
 * of all leads and deliveries, so that what grows with one member is told from what grows with the store. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "server/ids.h"
#include "server/store/internal.h"
#include "server/store/lead_trays.h"
#include "server/store/months.h"
#include "server/store/search.h"
#include "tests/support/fill_store.h"
#include "tests/support/plans.h"

enum { READS = 300, PAGE = 50, CHUNK = 1000, BUSIEST = 0 };

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "bench_scale: %s failed\n", what);
    exit(1);
}

static struct filling filling_of(int64_t hits)
{
    struct filling filling = {.members = hits / 1000, .shares = hits / 100, .hits = hits};
    filling.to_ms = now_ms() - 1000;
    filling.from_ms = filling.to_ms - (int64_t)360 * 86400000;
    return filling;
}

static struct store *open_store(const char *url, struct arena *arena)
{
    static const unsigned char key[32] = "thirty-two bytes of a seal key.";
    struct store *store;
    const char *why = NULL;
    struct store_options options = {.url = url, .base_url = "http://localhost", .readers = 1, .seal_key = key};
    must(store_open(&options, arena, &store, &why) == RESULT_OK, why ? why : "opening");
    return store;
}

/* ---- filling ---- */

/* The leads and deliveries with this number: ids that do not depend on the clock, so that reading knows them again. */
static int64_t lead_id_of(int64_t number)
{
    return id_at_ms(1710000000000 + number * 1000) + (number & 0xfffff);
}

static int64_t member_of(const struct filling *filling, int64_t number)
{
    return number % 2 ? BUSIEST : number / 2 * 7919 % filling->members;
}

/* Rows of one table, given away by the thousand. */
struct pile {
    struct db *db;
    const char *insert;
    int columns, rows;
    struct db_value *values;
    struct arena arena;
};

static void pile_empty(struct pile *pile)
{
    must(pile->db->driver->append(pile->db, pile->insert, pile->values, pile->columns, pile->rows) == RESULT_OK,
         pile->insert);
    pile->rows = 0;
    arena_reset(&pile->arena);
}

static void pile_open(struct pile *pile, struct db *db, const char *insert, int columns)
{
    *pile = (struct pile){.db = db, .insert = insert, .columns = columns};
    pile->values = calloc((size_t)CHUNK * (size_t)columns, sizeof *pile->values);
    must(pile->values, "memory");
    arena_init(&pile->arena);
}

static void pile_add(struct pile *pile, const struct db_value *values)
{
    if (pile->rows == CHUNK)
        pile_empty(pile);
    memcpy(&pile->values[pile->rows++ * pile->columns], values, (size_t)pile->columns * sizeof *values);
}

static void pile_close(struct pile *pile)
{
    pile_empty(pile);
    arena_free(&pile->arena);
    free(pile->values);
}

static enum result put_leads(struct db *db, void *context)
{
    const struct filling *filling = context;
    struct pile leads, moments;
    pile_open(
        &leads, db,
        "INSERT INTO leads (owner_id, id, card_id, share_id, channel, referral, stage, tray, name, email, message, "
        "created_ms, identified_ms, updated_ms, revision, change_seq)",
        16);
    pile_open(&moments, db, "INSERT INTO lead_moments (owner_id, lead_id, id, at_ms, kind)", 5);
    for (int64_t i = 0; i < filling->shares; i++) {
        static const enum stage stages[] = {STAGE_NEW, STAGE_POTENTIAL, STAGE_CONTACTED, STAGE_WON, STAGE_JUNK};
        int64_t member = member_of(filling, i), owner = filled_owner(filling, member), id = lead_id_of(i);
        struct lead lead = {.stage = stages[i / 2 % 5], .referral = i % 11 == 0, .set_aside = i % 97 ? NULL : "quick"};
        int64_t share = filled_share(filling, member), at_ms = id_time_ms(id);
        const struct db_value row[] = {DB_INT(owner),
                                       DB_INT(id),
                                       DB_INT(share + (1 << 20)),
                                       DB_INT(share),
                                       DB_INT(i % 8),
                                       DB_INT(lead.referral),
                                       DB_INT(lead.stage),
                                       DB_INT(lead_tray(&lead)),
                                       db_text(arena_printf(&leads.arena, "Visitor %d", (int)i)),
                                       db_text(arena_printf(&leads.arena, "v%d@example.org", (int)i)),
                                       db_text("Please call me about the roof."),
                                       DB_INT(at_ms),
                                       DB_INT(at_ms),
                                       DB_INT(at_ms),
                                       DB_INT(1),
                                       DB_INT(id)};
        pile_add(&leads, row);
    }
    pile_close(&leads);
    for (int64_t i = 0; i < filling->shares; i++) {
        int64_t owner = filled_owner(filling, member_of(filling, i)), id = lead_id_of(i);
        const struct db_value row[] = {DB_INT(owner), DB_INT(id), DB_INT(id + 1), DB_INT(id_time_ms(id)),
                                       db_text("form")};
        pile_add(&moments, row);
    }
    pile_close(&moments);
    must(db_run(db, "INSERT INTO consent_texts (hash, words) VALUES ($1, 'You agree.')", DB_ARGS(db_blob("x", 1))) ==
             RESULT_OK,
         "a text");
    struct pile consents, gone;
    pile_open(&consents, db, "INSERT INTO consents (owner_id, lead_id, id, at_ms, contact, text_hash)", 6);
    for (int64_t i = 0; i < filling->shares; i++)
        pile_add(&consents,
                 (const struct db_value[]){DB_INT(filled_owner(filling, member_of(filling, i))), DB_INT(lead_id_of(i)),
                                           DB_INT(lead_id_of(i) + 1), DB_INT(1), DB_INT(1), db_blob("x", 1)});
    pile_close(&consents);
    pile_open(&gone, db, "INSERT INTO leads_gone (owner_id, change_seq, lead_id)", 3);
    for (int64_t i = 0; i < filling->shares / 10; i++)
        pile_add(&gone, (const struct db_value[]){DB_INT(filled_owner(filling, member_of(filling, i))), DB_INT(i + 1),
                                                  DB_INT(i + 1)});
    pile_close(&gone);
    return RESULT_OK;
}

/* By the engine's own way: one needs no more than the words, the other has a table of its own kind. */
static enum result put_words(struct db *db, void *context)
{
    const struct filling *filling = context;
    bool piles = db->driver == &db_postgres;
    struct pile words;
    pile_open(&words, db, "INSERT INTO lead_search (owner_id, lead_id, words)", 3);
    for (int64_t i = 0; i < filling->shares; i++) {
        int64_t owner = filled_owner(filling, member_of(filling, i));
        char text[120];
        snprintf(text, sizeof text, "visitor %d v%d@example.org please call me about the roof.", (int)i, (int)i);
        if (piles)
            pile_add(&words, (const struct db_value[]){DB_INT(owner), DB_INT(lead_id_of(i)),
                                                       db_text(arena_strdup(&words.arena, text))});
        else
            must(search_put(db, owner, lead_id_of(i), text) == RESULT_OK, "words");
    }
    if (piles)
        pile_close(&words);
    return RESULT_OK;
}

static int64_t webhook_of(int64_t member)
{
    return id_at_ms(1705000000000) + member;
}

static enum result put_deliveries(struct db *db, void *context)
{
    const struct filling *filling = context;
    struct pile webhooks, events, deliveries, attempts;
    pile_open(&webhooks, db,
              "INSERT INTO webhooks (owner_id, id, url, events, sealed_secret, created_ms, failures_in_a_row, turn_ms)",
              8);
    for (int64_t i = 0; i < filling->members; i++)
        pile_add(&webhooks, (const struct db_value[]){DB_INT(filled_owner(filling, i)), DB_INT(webhook_of(i)),
                                                      db_text("https://crm.example/hook"), DB_INT(2), db_blob("x", 1),
                                                      DB_INT(1), DB_INT(0), DB_INT(0)});
    pile_close(&webhooks);
    pile_open(&events, db, "INSERT INTO events (owner_id, id, type, lead_id, body, created_ms)", 6);
    for (int64_t i = 0; i < filling->shares; i++)
        pile_add(&events,
                 (const struct db_value[]){DB_INT(filled_owner(filling, member_of(filling, i))), DB_INT(lead_id_of(i)),
                                           DB_INT(1), DB_INT(lead_id_of(i)),
                                           db_text("{\"lead\":{\"name\":\"Visitor\",\"stage\":\"new\"}}"), DB_INT(1)});
    pile_close(&events);
    pile_open(&deliveries, db,
              "INSERT INTO deliveries (owner_id, id, webhook_id, event_id, lead_id, type, state, created_ms, due_ms, "
              "finished_ms, attempts)",
              11);
    pile_open(&attempts, db,
              "INSERT INTO delivery_attempts (owner_id, delivery_id, id, at_ms, status, latency_ms, webhook_id)", 7);
    for (int64_t i = 0; i < filling->shares; i++) {
        int64_t member = member_of(filling, i), owner = filled_owner(filling, member), id = lead_id_of(i);
        const struct db_value row[] = {DB_INT(owner),
                                       DB_INT(id),
                                       DB_INT(webhook_of(member)),
                                       DB_INT(id),
                                       DB_INT(id),
                                       DB_INT(1),
                                       DB_INT(1 + i / 2 % 3),
                                       DB_INT(1),
                                       DB_INT(1),
                                       DB_INT(id_time_ms(id)),
                                       DB_INT(1)};
        pile_add(&deliveries, row);
        pile_add(&attempts, (const struct db_value[]){DB_INT(owner), DB_INT(id), DB_INT(id + 1), DB_INT(1), DB_INT(200),
                                                      DB_INT(40), DB_INT(webhook_of(member))});
    }
    pile_close(&deliveries);
    pile_close(&attempts);
    return RESULT_OK;
}

static void fill(const char *url, const struct filling *filling)
{
    struct arena arena;
    arena_init(&arena);
    struct store *store = open_store(url, &arena);
    fill_store(store, filling);
    must(store_write(store, "leads", put_leads, (void *)filling) == RESULT_OK, "leads");
    must(store_write(store, "words", put_words, (void *)filling) == RESULT_OK, "words");
    must(store_write(store, "deliveries", put_deliveries, (void *)filling) == RESULT_OK, "deliveries");
    if (store->driver == &db_postgres)
        must(store->driver->script(store->writer, "VACUUM (ANALYZE)") == RESULT_OK, "VACUUM");
    store_close(store);
    arena_free(&arena);
}

/* ---- reading ---- */

struct reader {
    struct store *store;
    struct arena arena;
    const struct filling *filling;
    int64_t member, owner, number; /* whose, and how manieth */
};

static size_t leads_of(struct reader *reader, struct lead_filter filter)
{
    struct lead *leads;
    size_t count;
    filter.limit = PAGE;
    must(store_lead_list(reader->store, &reader->arena, reader->owner, &filter, &leads, &count) == RESULT_OK, "leads");
    return count;
}

static size_t read_inbox(struct reader *reader)
{
    return leads_of(reader, (struct lead_filter){.stage = -1, .channel = -1, .kind = LEAD_KIND_LEAD});
}

static size_t read_referrals(struct reader *reader)
{
    return leads_of(reader, (struct lead_filter){.stage = -1, .channel = -1, .kind = LEAD_KIND_REFERRAL});
}

static size_t read_potential(struct reader *reader)
{
    return leads_of(reader, (struct lead_filter){.stage = STAGE_POTENTIAL, .channel = -1});
}

static size_t read_won(struct reader *reader)
{
    return leads_of(reader, (struct lead_filter){.stage = STAGE_WON, .channel = -1});
}

static size_t read_never_lost(struct reader *reader) /* a stage that nobody is in */
{
    return leads_of(reader, (struct lead_filter){.stage = STAGE_LOST, .channel = -1});
}

static size_t read_aside(struct reader *reader)
{
    return leads_of(reader, (struct lead_filter){.stage = -1, .channel = -1, .set_aside = 1});
}

static size_t read_by_channel(struct reader *reader)
{
    return leads_of(reader, (struct lead_filter){.stage = -1, .channel = 3});
}

static size_t read_by_share(struct reader *reader)
{
    return leads_of(reader, (struct lead_filter){
                                .stage = -1, .channel = -1, .share_id = filled_share(reader->filling, reader->member)});
}

static size_t read_by_word(struct reader *reader)
{
    return leads_of(reader, (struct lead_filter){.stage = -2, .channel = -1, .q = "roof"});
}

static size_t read_by_rare_word(struct reader *reader)
{
    return leads_of(reader, (struct lead_filter){.stage = -2,
                                                 .channel = -1,
                                                 .q = arena_printf(&reader->arena, "v%d@", (int)reader->number)});
}

static size_t read_by_no_word(struct reader *reader)
{
    return leads_of(reader, (struct lead_filter){.stage = -2, .channel = -1, .q = "lighthouse"});
}

static size_t read_totals(struct reader *reader)
{
    struct lead_totals totals;
    must(store_lead_totals(reader->store, reader->owner, &totals) == RESULT_OK, "totals");
    return 1;
}

static size_t read_feed(struct reader *reader)
{
    struct lead_filter filter = {.stage = -1, .channel = -1, .set_aside = -1, .limit = PAGE};
    struct lead_feed feed;
    must(store_lead_feed(reader->store, &reader->arena, reader->owner, &filter, lead_id_of(reader->filling->shares / 2),
                         &feed) == RESULT_OK,
         "feed");
    return feed.count;
}

static size_t read_lead(struct reader *reader)
{
    struct lead lead;
    struct lead_moment *moments;
    struct delivery *deliveries;
    size_t count, delivery_count;
    int64_t id = lead_id_of(reader->number);
    enum result result = store_lead_find(reader->store, &reader->arena, reader->owner, id, &lead);
    if (result == RESULT_NOT_FOUND)
        return 0;
    must(result == RESULT_OK, "lead");
    must(store_lead_timeline(reader->store, &reader->arena, reader->owner, id, &moments, &count) == RESULT_OK,
         "timeline");
    must(store_delivery_list_of_lead(reader->store, &reader->arena, reader->owner, id, &deliveries, &delivery_count) ==
             RESULT_OK,
         "deliveries");
    return count + delivery_count;
}

static size_t read_token(struct reader *reader)
{
    char token[TOKEN_SIZE];
    struct share share;
    filled_token(reader->member, token);
    must(store_share_find_by_token(reader->store, &reader->arena, token, &share) == RESULT_OK, "share");
    return 1;
}

static size_t read_shares(struct reader *reader)
{
    struct share_row *rows;
    size_t count;
    must(store_share_list(reader->store, &reader->arena, reader->owner, 0, 0, PAGE, &rows, &count) == RESULT_OK,
         "shares");
    return count;
}

static size_t read_hits(struct reader *reader)
{
    struct hit_row *rows;
    size_t count;
    must(store_hit_list(reader->store, &reader->arena, reader->owner, filled_share(reader->filling, reader->member), 0,
                        PAGE, &rows, &count) == RESULT_OK,
         "hits");
    return count;
}

static size_t read_days(struct reader *reader)
{
    struct day_count *days;
    size_t count;
    int32_t today = day_of(id_new());
    must(store_day_counts(reader->store, &reader->arena, reader->owner, today - 30, today, &days, &count) == RESULT_OK,
         "days");
    return count;
}

static size_t deliveries_of(struct reader *reader, int state)
{
    struct delivery_filter filter = {webhook_of(reader->member), state, 0, PAGE};
    struct delivery *list;
    size_t count;
    must(store_delivery_list(reader->store, &reader->arena, reader->owner, &filter, &list, &count) == RESULT_OK,
         "deliveries");
    return count;
}

static size_t read_deliveries(struct reader *reader)
{
    return deliveries_of(reader, -1);
}

static size_t read_failed(struct reader *reader)
{
    return deliveries_of(reader, DELIVERY_FAILED);
}

static size_t read_pending(struct reader *reader) /* none is */
{
    return deliveries_of(reader, DELIVERY_PENDING);
}

static size_t read_health(struct reader *reader)
{
    struct webhook_stats stats;
    must(store_webhook_stats(reader->store, reader->owner, webhook_of(reader->member), now_ms(), &stats) == RESULT_OK,
         "health");
    return 1;
}

static const struct {
    const char *name;
    size_t (*read)(struct reader *reader);
} WHAT[] = {
    {"a share by its token", read_token},
    {"inbox: newest leads", read_inbox},
    {"inbox: referrals", read_referrals},
    {"inbox: potential", read_potential},
    {"inbox: won", read_won},
    {"inbox: a stage nobody is in", read_never_lost},
    {"inbox: set aside", read_aside},
    {"inbox: one channel", read_by_channel},
    {"inbox: one share", read_by_share},
    {"inbox: numbers on its tabs", read_totals},
    {"search: a word in every lead", read_by_word},
    {"search: a word in one lead", read_by_rare_word},
    {"search: a word in no lead", read_by_no_word},
    {"feed of changes, from the middle", read_feed},
    {"a lead, its timeline and deliveries", read_lead},
    {"shares with their counts", read_shares},
    {"visits of a share", read_hits},
    {"counts of 30 days", read_days},
    {"deliveries of a webhook", read_deliveries},
    {"failed deliveries", read_failed},
    {"waiting deliveries", read_pending},
    {"health of a webhook", read_health},
};

static double wall_us(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec * 1e6 + (double)at.tv_nsec * 1e-3;
}

static int compare(const void *a, const void *b)
{
    double one = *(const double *)a, other = *(const double *)b;
    return (one > other) - (one < other);
}

static void choose(struct reader *reader, int64_t i, bool busiest)
{
    int64_t numbers = reader->filling->shares;
    reader->number = busiest ? (i * 7919 * 2 + 1) % numbers : i * 7919 * 2 % numbers;
    reader->member = member_of(reader->filling, reader->number);
    reader->owner = filled_owner(reader->filling, reader->member);
}

/* Gives how many rows one found. */
static size_t time_reads(struct reader *reader, size_t (*read)(struct reader *), bool busiest, double *us)
{
    size_t found = 0;
    for (int i = 0; i < READS; i++) {
        choose(reader, i, busiest);
        double start = wall_us();
        found = read(reader);
        us[i] = wall_us() - start;
        arena_reset(&reader->arena);
    }
    qsort(us, READS, sizeof *us, compare);
    return found;
}

/* Tabs between the columns: tests/bench/scale.sh puts two stores side by side. The store is not started, so that what ended
 * long ago is not cleaned away. */
static void read_all(const char *url, const struct filling *filling)
{
    struct arena arena;
    arena_init(&arena);
    struct store *store = open_store(url, &arena);
    struct reader reader = {.store = store, .filling = filling};
    static double us[READS], busiest_us[READS];
    arena_init(&reader.arena);
    for (size_t i = 0; i < sizeof WHAT / sizeof *WHAT; i++) {
        size_t rows = time_reads(&reader, WHAT[i].read, false, us);
        size_t most = time_reads(&reader, WHAT[i].read, true, busiest_us);
        printf("%s\t%zu\t%.0f\t%.0f\t%zu\t%.0f\t%.0f\n", WHAT[i].name, rows, us[READS / 2], us[READS * 99 / 100], most,
               busiest_us[READS / 2], busiest_us[READS * 99 / 100]);
        fflush(stdout);
    }
    plans_watch(store);
    for (size_t i = 0; i < sizeof WHAT / sizeof *WHAT; i++)
        for (int busiest = 0; busiest < 2; busiest++) {
            choose(&reader, 1, busiest);
            (void)WHAT[i].read(&reader);
            arena_reset(&reader.arena);
        }
    printf("plans\t%d\t%d\n", plans_seen(), plans_complaints());
    plans_forget();
    store_close(store);
    arena_free(&reader.arena);
    arena_free(&arena);
}

int main(int argc, char **argv)
{
    must(sodium_init() >= 0, "sodium");
    must(argc == 4 && atoll(argv[3]) >= 10000, "bench_scale fill|read URL HITS (10,000 or more); this");
    struct filling filling = filling_of(atoll(argv[3]));
    if (!strcmp(argv[1], "fill"))
        fill(argv[2], &filling);
    else
        read_all(argv[2], &filling);
    return 0;
}
