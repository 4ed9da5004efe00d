/* Forgetting people: what is erased stands in no file of the store, and comes back from nowhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "server/ids.h"
#include "server/store/internal.h"
#include "server/store/lead_steps.h"
#include "tests/support/fresh_store.h"

/* ---- forgetting ---- */

struct looking {
    const char *text;
    bool found;
};

static void look(void *context, const char *table, const char *row, size_t len)
{
    (void)table;
    struct looking *looking = context;
    looking->found = looking->found || memmem(row, len, looking->text, strlen(looking->text));
}

/* A server's files are its own affair. */
static bool rows_hold(struct fresh *fresh, const char *text)
{
    struct db *db;
    struct looking looking = {text, false};
    assert_int_equal(store_read_begin(fresh->store, &db), RESULT_OK);
    engine_read_all(db, look, &looking);
    store_read_end(fresh->store, db);
    return looking.found;
}

/* Whether any file of the store holds TEXT; or any row, of a store that has no files of its own. */
static bool files_hold(struct fresh *fresh, const char *text)
{
    bool found = false;
    if (!engine_is_sqlite())
        return rows_hold(fresh, text);
    DIR *folder = opendir(fresh->folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        char path[400];
        snprintf(path, sizeof path, "%s/%s", fresh->folder, entry->d_name);
        FILE *file = fopen(path, "rb");
        char *bytes = malloc(64 << 20);
        size_t len = file ? fread(bytes, 1, 64 << 20, file) : 0;
        found = found || (len && memmem(bytes, len, text, strlen(text)));
        free(bytes);
        if (file)
            fclose(file);
    }
    closedir(folder);
    return found;
}

static void lead__erased_leaves_nothing_in_the_files(void **state)
{
    struct fresh *fresh = *state;
    struct webhook webhook = fresh_webhook(fresh, "https://crm.example/hook");
    struct lead lead, out;
    assert_int_equal(
        fresh_form(fresh, &fresh->share, id_new(), "Quetzalcanary Xiuhtecuhtli", "quetzalcanary@example.org", &lead),
        RESULT_OK);
    unsigned char receipt[HASH_SIZE];
    memcpy(receipt, fresh_receipt(fresh), sizeof receipt);
    struct lead_change change = {.stage = -1, .set_aside = -1, .note = "Quetzalcanary likes tea."};
    assert_int_equal(
        store_lead_change(fresh->store, &fresh->arena, fresh->jane.id, lead.id, &change, fresh->now_ms, &out),
        RESULT_OK);
    assert_true(files_hold(fresh, "uetzalcanary"));
    assert_int_equal(store_receipt_find(fresh->store, &fresh->arena, receipt, &out), RESULT_OK);
    assert_string_equal(out.consent_text, "You agree to be contacted.");

    assert_int_equal(store_lead_erase_by_receipt(fresh->store, receipt, fresh->now_ms + 10), RESULT_OK);
    assert_false(files_hold(fresh, "uetzalcanary"));
    assert_false(files_hold(fresh, "iuhtecuhtli"));
    assert_int_equal(store_lead_find(fresh->store, &fresh->arena, fresh->jane.id, lead.id, &out), RESULT_NOT_FOUND);
    assert_int_equal(store_receipt_find(fresh->store, &fresh->arena, receipt, &out), RESULT_NOT_FOUND);
    struct lead_filter filter = FRESH_ANY;
    filter.q = "quetzal";
    assert_int_equal(fresh_count_listed(fresh, filter), 0);

    const char *body;
    char id[ID_TEXT_SIZE];
    id_format(id, "led", lead.id);
    assert_int_equal(fresh_count_told(fresh, &webhook, EVENT_LEAD_ERASED, &body), 1);
    assert_non_null(strstr(body, arena_printf(&fresh->arena, "\"data\":{\"lead\":{\"id\":\"%s\"}}", id)));
    struct delivery *deliveries;
    size_t count;
    assert_int_equal(
        store_delivery_list_of_lead(fresh->store, &fresh->arena, fresh->jane.id, lead.id, &deliveries, &count),
        RESULT_OK);
    assert_int_equal(count, 2);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(deliveries[i].state, DELIVERY_ERASED);
        assert_int_equal(store_delivery_redeliver(fresh->store, fresh->jane.id, deliveries[i].id, fresh->now_ms),
                         RESULT_CONFLICT);
    }
    assert_int_equal(store_lead_erase_by_receipt(fresh->store, receipt, fresh->now_ms + 20), RESULT_NOT_FOUND);
}

static void lead__receipt_of_a_joined_form_shows_and_erases_only_its_own(void **state)
{
    struct fresh *fresh = *state;
    struct lead first, out;
    assert_int_equal(fresh_form(fresh, &fresh->share, id_new(), "Ada", "ada@example.org", &first), RESULT_OK);
    assert_int_equal(fresh_form(fresh, &fresh->share, id_new(), "Somebody else", "ada@example.org", &out), RESULT_OK);
    assert_int_equal(store_receipt_find(fresh->store, &fresh->arena, fresh_receipt(fresh), &out), RESULT_OK);
    assert_string_equal(out.name, "Somebody else");
    assert_string_equal(out.consent_text, "You agree to be contacted.");
    assert_int_equal(store_lead_erase_by_receipt(fresh->store, fresh_receipt(fresh), fresh->now_ms), RESULT_OK);
    assert_int_equal(store_lead_find(fresh->store, &fresh->arena, fresh->jane.id, first.id, &out), RESULT_OK);
    assert_string_equal(out.name, "Ada");
    assert_false(files_hold(fresh, "Somebody else"));
}

/* Who knows an address learns nothing by it: not how and when its owner came, and not their name, in which they would then
 * recommend the member as well. */
static void lead__joined_form_learns_nothing_of_the_lead(void **state)
{
    struct fresh *fresh = *state;
    struct lead ada, out, friend;
    struct share other = fresh_share(fresh, 0, fresh->jane.id, 0);
    int64_t hit = id_new(), later = id_new();
    assert_int_equal(fresh_form(fresh, &fresh->share, id_new(), "Ada", "ada@example.org", &ada), RESULT_OK);
    fresh->now_ms += 5000;
    struct share before = fresh_share(fresh, other.id, 0, hit);
    assert_int_equal(fresh_form(fresh, &other, hit, "Mallory", "ada@example.org", &out), RESULT_OK);
    assert_int_equal(out.id, ada.id);
    assert_int_equal(store_receipt_find(fresh->store, &fresh->arena, fresh_receipt(fresh), &out), RESULT_OK);
    assert_string_equal(out.share->token, other.token);
    assert_int_equal(out.identified_ms, fresh->now_ms);
    struct share after = fresh_share(fresh, other.id, 0, hit);
    unsigned char mallory[HASH_SIZE];
    memcpy(mallory, fresh_receipt(fresh), HASH_SIZE);
    const int64_t passed[] = {before.id, after.id};
    for (size_t i = 0; i < sizeof passed / sizeof *passed; i++) {
        struct share found;
        assert_int_equal(store_share_find(fresh->store, &fresh->arena, fresh->jane.id, passed[i], &found), RESULT_OK);
        assert_string_equal(found.chain[1].name, "Mallory");
        assert_int_equal(found.chain[1].lead_id, ada.id);
    }
    assert_int_equal(fresh_form(fresh, &after, later, "Dee", "dee@example.org", &friend), RESULT_OK);
    assert_string_equal(friend.endorser_name, "Mallory");
    /* taking it back takes that name away too, and leaves Ada's in nobody's hand */
    assert_int_equal(store_lead_erase_by_receipt(fresh->store, mallory, fresh->now_ms), RESULT_OK);
    assert_int_equal(store_lead_find(fresh->store, &fresh->arena, fresh->jane.id, friend.id, &friend), RESULT_OK);
    assert_int_equal(friend.share->chain_len, 2);
    assert_null(friend.share->chain[1].name);
    assert_false(files_hold(fresh, "Mallory"));
}

static void lead__erased_endorser_leaves_the_hand_without_a_name(void **state)
{
    struct fresh *fresh = *state;
    struct lead ada, friend;
    int64_t hit = id_new();
    struct webhook webhook = fresh_webhook(fresh, "https://crm.example/hook");
    assert_int_equal(fresh_form(fresh, &fresh->share, hit, "Ada Canary", "ada@example.org", &ada), RESULT_OK);
    struct share passed = fresh_share(fresh, fresh->share.id, 0, hit);
    assert_int_equal(fresh_form(fresh, &passed, id_new(), "Dee", "dee@example.org", &friend), RESULT_OK);
    assert_string_equal(friend.endorser_name, "Ada Canary");
    assert_int_equal(store_lead_erase(fresh->store, fresh->jane.id, ada.id, fresh->now_ms), RESULT_OK);
    assert_int_equal(store_lead_find(fresh->store, &fresh->arena, fresh->jane.id, friend.id, &friend), RESULT_OK);
    assert_true(friend.referral);
    assert_null(friend.endorser_name);
    assert_int_equal(friend.share->chain_len, 2);
    assert_null(friend.share->chain[1].name);
    assert_false(files_hold(fresh, "Ada Canary"));
    /* What is told of the friend is whole but for that name. */
    const char *body = NULL;
    assert_int_equal(fresh_count_told(fresh, &webhook, EVENT_LEAD_CREATED, &body), 2);
    assert_non_null(strstr(body, "dee@example.org"));
    assert_non_null(strstr(body, "\"kind\":\"referral\""));
}

/* The name a share was sent to stands in what was told of the share and of its scans. */
static void lead__erased_recipient_leaves_no_name(void **state)
{
    struct fresh *fresh = *state;
    struct webhook webhook = fresh_webhook(fresh, "https://crm.example/hook");
    struct share sent = {.owner_id = fresh->jane.id,
                         .card_id = fresh->card.id,
                         .sharer_member_id = fresh->jane.id,
                         .channel = CHANNEL_EMAIL,
                         .label = "After the fair",
                         .recipient = "Grace Canaryname"};
    struct lead lead, known;
    const char *body = NULL;
    assert_int_equal(fresh_form(fresh, &fresh->share, id_new(), "Grace", "grace@example.org", &known), RESULT_OK);
    token_new(sent.token);
    assert_int_equal(store_share_add(fresh->store, &fresh->arena, &sent, fresh->now_ms), RESULT_OK);
    assert_int_equal(fresh_form(fresh, &sent, id_new(), "Grace", "grace@example.org", &lead), RESULT_OK);
    assert_int_equal(lead.id, known.id);
    assert_true(files_hold(fresh, "Canaryname"));
    assert_int_equal(store_lead_erase(fresh->store, fresh->jane.id, lead.id, fresh->now_ms), RESULT_OK);
    assert_false(files_hold(fresh, "Canaryname"));
    assert_int_equal(fresh_count_told(fresh, &webhook, EVENT_SHARE_CREATED, &body), 1);
    assert_non_null(strstr(body, "After the fair")); /* the rest is whole */
}

/* A key that is asked again gets the answer it got; but not what was erased since. */
static void lead__erased_leaves_no_kept_answer(void **state)
{
    struct fresh *fresh = *state;
    unsigned char hash[HASH_SIZE] = {1};
    struct share sent = {.owner_id = fresh->jane.id,
                         .card_id = fresh->card.id,
                         .sharer_member_id = fresh->jane.id,
                         .channel = CHANNEL_EMAIL,
                         .recipient = "Grace Canaryname"};
    struct remembered answer;
    struct lead *leads;
    size_t count;
    token_new(sent.token);
    assert_int_equal(store_share_add(fresh->store, &fresh->arena, &sent, fresh->now_ms), RESULT_OK);
    json_t *json = share_to_json(&sent, "https://meishi.example");
    char *body = json_dumps(json, JSON_COMPACT);
    const struct remembered given[] = {{201, "application/json", body, "/api/v1/shares/1"},
                                       {201, "application/json", "{\"secret\":\"whsec_canarysecret\"}", NULL}};
    for (int i = 0; i < 2; i++) {
        const char *key = i ? "webhook" : "share";
        assert_int_equal(
            store_idempotency_begin(fresh->store, &fresh->arena, fresh->jane.id, key, hash, fresh->now_ms, &answer),
            RESULT_OK);
        assert_int_equal(store_idempotency_finish(fresh->store, fresh->jane.id, key, &given[i]), RESULT_OK);
    }
    assert_false(files_hold(fresh, "canarysecret")); /* a copy of the database alone tells no secret */
    struct lead_filter filter = FRESH_ANY;
    filter.stage = STAGE_POTENTIAL;
    assert_int_equal(store_lead_list(fresh->store, &fresh->arena, fresh->jane.id, &filter, &leads, &count), RESULT_OK);
    assert_int_equal(count, 1);
    assert_int_equal(store_lead_erase(fresh->store, fresh->jane.id, leads[0].id, fresh->now_ms), RESULT_OK);
    assert_int_equal(
        store_idempotency_begin(fresh->store, &fresh->arena, fresh->jane.id, "share", hash, fresh->now_ms, &answer),
        RESULT_LIMITED);
    assert_int_equal(answer.status, 410);
    assert_null(answer.body);
    assert_null(answer.location);
    assert_int_equal(
        store_idempotency_begin(fresh->store, &fresh->arena, fresh->jane.id, "webhook", hash, fresh->now_ms, &answer),
        RESULT_LIMITED);
    assert_string_equal(answer.body, "{\"secret\":\"whsec_canarysecret\"}");
    free(body);
    json_decref(json);
}

static enum result again_body(struct db *db, void *context)
{
    struct fresh *fresh = context;
    return lead_erase_again(NULL, db, fresh->now_ms);
}

struct renaming {
    int64_t from, to;
};

static enum result rename_lead(struct db *db, void *context)
{
    static const char *const STEPS[] = {
        ("INSERT INTO leads (owner_id, id, card_id, share_id, channel, referral, stage, tray, name, email, created_ms, "
         "identified_ms, updated_ms, revision, change_seq) SELECT owner_id, $1, card_id, share_id, channel, referral, stage, "
         "tray, name, email, created_ms, identified_ms, updated_ms, revision, change_seq FROM leads WHERE id = $2"),
        "UPDATE receipts SET lead_id = $1 WHERE lead_id = $2",
        "UPDATE lead_moments SET lead_id = $1 WHERE lead_id = $2",
        "UPDATE consents SET lead_id = $1 WHERE lead_id = $2",
        "DELETE FROM leads WHERE id = $2 AND id <> $1",
    };
    const struct renaming *renaming = context;
    enum result result = RESULT_OK;
    for (size_t i = 0; i < sizeof STEPS / sizeof *STEPS && result == RESULT_OK; i++)
        result = db_run(db, STEPS[i], DB_ARGS(DB_INT(renaming->to), DB_INT(renaming->from)));
    return result;
}

static void lead__erased_is_erased_again_from_a_backup(void **state)
{
    struct fresh *fresh = *state;
    struct lead kept, gone, out;
    assert_int_equal(fresh_form(fresh, &fresh->share, id_new(), "Kept", "kept@example.org", &kept), RESULT_OK);
    assert_int_equal(fresh_form(fresh, &fresh->share, id_new(), "Gone", "gone@example.org", &gone), RESULT_OK);
    assert_int_equal(store_lead_erase(fresh->store, fresh->jane.id, gone.id, fresh->now_ms), RESULT_OK);
    /* As in a backup of an hour ago: the row is there, and the journal says it must not be. */
    assert_int_equal(fresh_form(fresh, &fresh->share, id_new(), "Gone", "gone@example.org", &out), RESULT_OK);
    struct renaming renaming = {out.id, gone.id};
    assert_int_equal(store_write(fresh->store, "test", rename_lead, &renaming), RESULT_OK);
    assert_int_equal(store_lead_find(fresh->store, &fresh->arena, fresh->jane.id, gone.id, &out), RESULT_OK);
    assert_int_equal(store_write(fresh->store, "test", again_body, fresh), RESULT_OK);
    assert_int_equal(store_lead_find(fresh->store, &fresh->arena, fresh->jane.id, gone.id, &out), RESULT_NOT_FOUND);
    assert_int_equal(store_lead_find(fresh->store, &fresh->arena, fresh->jane.id, kept.id, &out), RESULT_OK);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fresh_setup, fresh_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(lead__erased_leaves_nothing_in_the_files),
        WITH_STORE(lead__receipt_of_a_joined_form_shows_and_erases_only_its_own),
        WITH_STORE(lead__joined_form_learns_nothing_of_the_lead),
        WITH_STORE(lead__erased_endorser_leaves_the_hand_without_a_name),
        WITH_STORE(lead__erased_recipient_leaves_no_name),
        WITH_STORE(lead__erased_leaves_no_kept_answer),
        WITH_STORE(lead__erased_is_erased_again_from_a_backup),
    };
    return cmocka_run_group_tests_name("erasure", tests, NULL, NULL);
}
