/* The same random sequence of verbs on two stores, and what every verb and every reader answers compared after each step: ids
 * by the order in which they are first told, all else word by word. One store is SQLite's, the other of the engine of the run
 * (tests/support/engine.h); on SQLite it shows that nothing but the engine could make the answers differ. The seed is printed
 * when a step differs; RANDOM_SEED runs that one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "server/ids.h"
#include "server/store/inbox.h"
#include "tests/support/engine_side.h"

enum { STEPS = 220, STEP_MS = 41000, DAY_MS = 86400000 };
static const int64_t START = 1793836800000; /* 5 November 2026 */

/* ---- what is done ---- */

static void add_member(struct side *side)
{
    struct member member = {.handle = SIDE_PICK(side, "jane", "ada", "grace", "edsger", "barbara", "zoe"),
                            .name = SIDE_PICK(side, "Jane", "Ada", "Ægir Ørsted", "山田 太郎"),
                            .email = SIDE_PICK(side, NULL, "a@example.org", "b@example.org", "c@example.org", NULL)};
    enum result result = store_member_add(side->store, &member, side->now_ms);
    side_say(side, "member", result);
    if (result == RESULT_OK)
        side_remember(&side->members, member.id, member.id);
}

static void add_card(struct side *side)
{
    int64_t owner;
    side_choose(side, &side->members, &owner);
    struct card card = {.owner_id = owner,
                        .name = SIDE_PICK(side, "Jane Doe", "Ada", "Ægir Ørsted"),
                        .handle = SIDE_PICK(side, NULL, NULL, "sales", "jane", "desk"),
                        .accent = "indigo",
                        .theme = "auto"};
    enum result result = store_card_add(side->store, &side->arena, &card, side->now_ms);
    side_say(side, "card", result);
    if (result == RESULT_OK)
        side_remember(&side->cards, card.id, owner);
}

static void change_card(struct side *side)
{
    int64_t owner, id = side_choose(side, &side->cards, &owner);
    struct card card;
    enum result result = store_card_find(side->store, &side->arena, owner, id, &card);
    side_say(side, "card-find", result);
    if (result != RESULT_OK)
        return;
    card.note = SIDE_PICK(side, NULL, "Tea, not coffee.", "Ünïcode");
    card.revision -= side_dice(side, 5) == 0;
    card.handle = SIDE_PICK(side, "jane", "sales", "desk", "front-desk");
    side_say(side, "card-update", store_card_update(side->store, &card, side->now_ms));
    if (side_dice(side, 12) == 0)
        side_say(side, "card-retire", store_card_retire(side->store, owner, id, side->now_ms));
}

static void add_share(struct side *side)
{
    int64_t owner, other, card = side_choose(side, &side->cards, &owner),
                          parent = side_choose(side, &side->shares, &other);
    unsigned char bytes[10];
    bool passed_on = side_dice(side, 3) == 0;
    struct share share = {.owner_id = owner,
                          .card_id = card,
                          .parent_id = passed_on ? parent : 0,
                          .sharer_member_id = passed_on ? 0 : owner,
                          .channel = (enum channel)side_dice(side, CHANNEL_COUNT),
                          .label = SIDE_PICK(side, NULL, "Berlin fair", "badge"),
                          .recipient = SIDE_PICK(side, NULL, NULL, NULL, "Grace Hopper", "Somebody")};
    int64_t hit_owner, hit = side_choose(side, &side->hits, &hit_owner);
    if (passed_on)
        share.sharer_hit_id = hit;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)side_draw(side);
    base32_encode(share.token, bytes, sizeof bytes);
    enum result result = store_share_add(side->store, &side->arena, &share, side->now_ms);
    side_say(side, "share", result);
    if (result == RESULT_OK)
        side_remember(&side->shares, share.id, owner);
}

static void fill_hash(struct side *side, unsigned char hash[HASH_SIZE])
{
    for (size_t i = 0; i < HASH_SIZE; i++)
        hash[i] = (unsigned char)side_draw(side);
}

static void fill_form(struct side *side)
{
    int64_t owner, hit_owner, id = side_choose(side, &side->shares, &owner),
                              hit = side_choose(side, &side->hits, &hit_owner);
    struct share share;
    struct lead out;
    enum result result = store_share_find(side->store, &side->arena, owner, id, &share);
    side_say(side, "share-find", result);
    if (result != RESULT_OK)
        return;
    struct lead lead = {
        .owner_id = owner,
        .card_id = share.card_id,
        .share_id = id,
        .visitor_hit_id = side_dice(side, 3) ? hit : id_at_ms(side->now_ms) + 7,
        .name = SIDE_PICK(side, "Grace Hopper", "Ada Lovelace", "Ægir", "山田 太郎", "o'Neil \"Q\" %_"),
        .email = SIDE_PICK(side, NULL, "grace@example.org", "ADA@example.org", "ada@example.org", "y@ü.example"),
        .company = SIDE_PICK(side, NULL, "Navy", "Analytical Engines"),
        .message = SIDE_PICK(side, NULL, "Let us talk.", "Zwölf Boxkämpfer\nin two lines"),
        .set_aside = SIDE_PICK(side, NULL, NULL, NULL, "sent within 3 seconds"),
        .consent_text = SIDE_PICK(side, NULL, "You agree.", "You agree again."),
        .consent_contact = true};
    unsigned char *hash = side->receipts[side->receipt_count % SIDE_THINGS_MAX];
    fill_hash(side, hash);
    side->receipt_count += side->receipt_count < SIDE_THINGS_MAX - 1;
    result = store_lead_add(side->store, &side->arena, &lead, hash, side->now_ms, &out);
    side_say(side, "form", result);
    if (result == RESULT_OK || result == RESULT_CONFLICT)
        side_id(side, lead.id);
}

static void change_lead(struct side *side)
{
    int64_t owner, id = side_choose(side, &side->leads, &owner);
    struct lead_change change = {.stage = (int)side_dice(side, STAGE_COUNT + 1) - 1,
                                 .note = SIDE_PICK(side, NULL, "Called.", "Likes tea."),
                                 .set_aside = side_dice(side, 4) ? -1 : (int)side_dice(side, 2),
                                 .revision = side_dice(side, 5) ? 0 : 1};
    struct lead out;
    side_say(side, "change", store_lead_change(side->store, &side->arena, owner, id, &change, side->now_ms, &out));
}

static void erase_lead(struct side *side)
{
    int64_t owner, id = side_choose(side, &side->leads, &owner);
    if (side_dice(side, 2) && side->receipt_count)
        side_say(side, "erase-receipt",
                 store_lead_erase_by_receipt(side->store, side->receipts[side_dice(side, side->receipt_count)],
                                             side->now_ms));
    else
        side_say(side, "erase", store_lead_erase(side->store, owner, id, side->now_ms));
}

static void add_webhook(struct side *side)
{
    int64_t owner;
    side_choose(side, &side->members, &owner);
    struct webhook webhook = {.owner_id = owner,
                              .url = SIDE_PICK(side, "https://one.example/hook", "https://two.example/"),
                              .events = (1u << EVENT_COUNT) - 1,
                              .thin = side_dice(side, 2)};
    enum result result = store_webhook_add(side->store, &webhook, side->now_ms);
    side_say(side, "webhook", result);
    if (result == RESULT_OK)
        side_remember(&side->webhooks, webhook.id, owner);
}

static void use_webhook(struct side *side)
{
    int64_t owner, delivery = 0, missed = 0, id = side_choose(side, &side->webhooks, &owner);
    struct webhook webhook;
    enum result result = store_webhook_find(side->store, &side->arena, owner, id, &webhook);
    side_say(side, "webhook-find", result);
    size_t what = side_dice(side, 8);
    if (what < 4)
        side_say(side, "ping", store_webhook_ping(side->store, owner, id, side->now_ms, &delivery));
    else if (what == 4 && result == RESULT_OK) {
        webhook.disabled_ms = webhook.disabled_ms ? 0 : side->now_ms;
        side_say(side, "webhook-change", store_webhook_change(side->store, &webhook, side->now_ms));
    } else if (what == 5)
        side_say(side, "enable", store_webhook_enable(side->store, owner, id, true, side->now_ms));
    else if (what == 6)
        side_say(side, "replay", store_webhook_replay(side->store, owner, id, 0, side->now_ms, &missed));
    else if (side_dice(side, 4) == 0)
        side_say(side, "webhook-remove", store_webhook_remove(side->store, owner, id, side->now_ms));
    side_number(side, missed);
    side_end_line(side);
}

static void deliver(struct side *side)
{
    struct delivery_load load = {.places = 6};
    struct delivery *claimed;
    size_t count = 0;
    int64_t next_due_ms = 0;
    side_say(
        side, "claim",
        store_delivery_claim(side->store, &side->arena, side->now_ms, 1000, &load, &claimed, &count, &next_due_ms));
    /* The fold tells of a scan by the clock on the wall, which is weeks ahead of the walk. */
    side_number(side, next_due_ms < side->now_ms + DAY_MS ? next_due_ms : DAY_MS);
    for (size_t i = 0; i < count; i++) {
        struct outcome outcome = {.delivery_id = claimed[i].id, .state = DELIVERY_DELIVERED};
        if (side_dice(side, 3) == 0)
            outcome = (struct outcome){.delivery_id = claimed[i].id,
                                       .state = side_dice(side, 2) ? DELIVERY_PENDING : DELIVERY_FAILED,
                                       .retry_at_ms = side->now_ms + 60000,
                                       .attempt.error = "timeout"};
        outcome.attempt.at_ms = side->now_ms;
        outcome.attempt.latency_ms = (int64_t)side_dice(side, 900);
        outcome.attempt.status = outcome.attempt.error ? 0 : 200;
        side_id(side, claimed[i].id);
        side_number(side, claimed[i].sequence);
        side_say(side, "record", store_delivery_record(side->store, &outcome, 1, side->now_ms));
    }
    side_end_line(side);
}

static void open_store(struct side *side)
{
    static const unsigned char key[32];
    const char *why = "";
    const struct store_options options = {
        .url = side->url, .driver = side->driver, .base_url = "https://meishi.example", .seal_key = key, .readers = 2};
    if (store_open(&options, &side->arena, &side->store, &why) != RESULT_OK)
        fail_msg("%s", why);
}

/* Into the inbox of a closed store, as its writer would have before a crash: no thread folds them halfway. */
static void bring(struct side *side, const struct hit *rows, size_t count)
{
    struct db *db;
    struct inbox_room room = {0};
    store_close(side->store);
    assert_int_equal(side->driver->open(side->url, DB_INBOX, DB_WRITE, &db), RESULT_OK);
    assert_int_equal(side->driver->begin(db), RESULT_OK);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(inbox_append(db, &rows[i], 1, ++side->inbox_seq, &room), RESULT_OK);
    free(room.bytes);
    assert_int_equal(side->driver->end(db, true), RESULT_OK);
    side->driver->close(db);
    open_store(side);
}

/* Some hits and acts, folded at once or left to be read from the tail. */
static void send_hits(struct side *side)
{
    enum { MOST = 9 };
    struct hit rows[MOST] = {{0}};
    size_t count = 1 + side_dice(side, MOST);
    for (size_t i = 0; i < count; i++) {
        int64_t owner, hit_owner, share = side_choose(side, &side->shares, &owner);
        int64_t hit = side_choose(side, &side->hits, &hit_owner);
        bool is_act = side->hits.count && side_dice(side, 2);
        rows[i] = (struct hit){.id = id_at_ms(side->now_ms + (int64_t)i) + (int64_t)side_dice(side, 1000),
                               .owner_id = owner,
                               .share_id = share,
                               .channel = CHANNEL_QR,
                               .facts = side_dice(side, 4) ? 0 : FACT_CRAWLER,
                               .visitor_hash = side_draw(side) << 40,
                               .family = "Safari on iOS"};
        if (is_act) {
            rows[i].id = hit;
            rows[i].acts = side_dice(side, 3) ? ACT_SEEN : ACT_SEEN | ACT_SAVE;
            rows[i].act_at_ms = side->now_ms;
        } else {
            side_remember(&side->hits, rows[i].id, owner);
        }
    }
    bring(side, rows, count);
    if (side_dice(side, 3))
        side_say(side, "fold", store_fold_now(side->store));
}

static void guard(struct side *side)
{
    unsigned char hash[HASH_SIZE] = {(unsigned char)side_dice(side, 2)};
    int64_t tries = 0, owner;
    struct remembered answer;
    side_choose(side, &side->members, &owner);
    const char *key = SIDE_PICK(side, "one", "Two", "two", "ü");
    side_say(side, "tries", store_throttle_count(side->store, key, 600000, side->now_ms, &tries));
    side_number(side, tries);
    enum result result = store_idempotency_begin(side->store, &side->arena, owner, key, hash, side->now_ms, &answer);
    side_say(side, "key", result);
    side_text(side, result == RESULT_LIMITED ? answer.body : NULL);
    if (result == RESULT_OK) {
        answer =
            (struct remembered){.status = side_dice(side, 4) ? 201 : 500, .content_type = "text/plain", .body = key};
        side_say(side, "key-end", store_idempotency_finish(side->store, owner, key, &answer));
    }
}

/* ---- the walk ---- */

static void step(struct side *side)
{
    static void (*const DEEDS[])(struct side * side) = {
        add_member,  add_card,  change_card, add_share, add_share,   send_hits,   send_hits,
        send_hits,   fill_form, fill_form,   fill_form, erase_lead,  change_lead, change_lead,
        add_webhook, deliver,   deliver,     guard,     use_webhook,
    };
    side->words = open_memstream(&side->text, &side->text_len);
    assert_non_null(side->words);
    DEEDS[side_dice(side, sizeof DEEDS / sizeof *DEEDS)](side);
    side_read_all(side);
    fclose(side->words);
    side->now_ms += STEP_MS;
    arena_reset(&side->arena);
}

static struct side *open_side(const struct db_driver *driver, uint64_t seed)
{
    struct side *side = calloc(1, sizeof *side);
    assert_non_null(side);
    side->driver = driver;
    side->random = seed;
    side->now_ms = START;
    arena_init(&side->arena);
    snprintf(side->folder, sizeof side->folder, "/tmp/meishi-engines-XXXXXX");
    assert_non_null(mkdtemp(side->folder));
    if (driver == &db_sqlite)
        snprintf(side->url, sizeof side->url, "sqlite:%s", side->folder);
    else
        engine_url(side->folder, side->url);
    open_store(side);
    return side;
}

static void close_side(struct side *side)
{
    char command[100];
    store_close(side->store);
    if (side->driver != &db_sqlite)
        engine_drop(side->url);
    arena_free(&side->arena);
    snprintf(command, sizeof command, "rm -r '%s'", side->folder);
    assert_int_equal(system(command), 0);
    free(side);
}

static void say_difference(const char *one, const char *other)
{
    size_t at = 0, line = 0;
    for (; one[at] && one[at] == other[at]; at++)
        if (one[at] == '\n')
            line = at + 1;
    print_message("sqlite: %.400s\nthe other: %.400s\n", one + line, other + line);
}

static void engines__answer_the_same_to_the_same_verbs(void **state)
{
    (void)state;
    const char *given = getenv("RANDOM_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : random_u64() | 1;
    struct side *one = open_side(&db_sqlite, seed), *other = open_side(engine_driver(), seed);
    size_t told = 0;
    for (int i = 0; i < STEPS; i++) {
        step(one);
        step(other);
        bool same = one->text_len == other->text_len && memcmp(one->text, other->text, one->text_len) == 0;
        told += one->text_len;
        if (!same) {
            print_message("step %d of RANDOM_SEED=%" PRIu64 "\n", i, seed);
            say_difference(one->text, other->text);
        }
        free(one->text);
        free(other->text);
        assert_true(same);
    }
    /* Else it was a walk through nothing. */
    assert_true(told > 100000 && one->leads.count > 5 && one->shares.count > 5 && one->hits.count > 20);
    close_side(one);
    close_side(other);
}

int main(void)
{
    if (sodium_init() < 0)
        return 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(engines__answer_the_same_to_the_same_verbs)};
    return cmocka_run_group_tests_name("engines", tests, NULL, NULL);
}
