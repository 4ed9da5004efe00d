/* Leads in the store: one person is one lead, lead and referral stay apart, what is erased is gone. */
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

struct potential {
    struct fresh *fresh;
    const struct share *share;
    int64_t hit_id;
};

static enum result potential_body(struct db *db, void *context)
{
    struct potential *potential = context;
    return lead_add_potential(potential->fresh->store, db, &potential->fresh->arena, potential->share,
                              potential->hit_id, potential->fresh->now_ms);
}

static void scan(struct fresh *fresh, const struct share *share, int64_t hit_id)
{
    struct potential potential = {fresh, share, hit_id};
    assert_int_equal(store_write(fresh->store, "test", potential_body, &potential), RESULT_OK);
}

/* ---- forms ---- */

static void lead__of_a_form_is_listed_with_share_and_consent(void **state)
{
    struct fresh *fresh = *state;
    struct webhook webhook = fresh_webhook(fresh, "https://crm.example/hook");
    struct lead lead, found;
    assert_int_equal(fresh_form(fresh, &fresh->share, id_new(), "Ada", "ada@example.org", &lead), RESULT_OK);
    assert_int_equal(store_lead_find(fresh->store, &fresh->arena, fresh->jane.id, lead.id, &found), RESULT_OK);
    assert_string_equal(found.name, "Ada");
    assert_string_equal(found.email, "ada@example.org");
    assert_int_equal(found.stage, STAGE_NEW);
    assert_false(found.referral);
    assert_string_equal(found.consent_text, "You agree to be contacted.");
    assert_true(found.consent_contact);
    assert_int_equal(found.share->chain_len, 1);
    assert_string_equal(found.share->label, "Berlin fair");
    assert_string_equal(found.share->chain[0].handle, "jane");
    assert_int_equal(fresh_count_listed(fresh, FRESH_ANY), 1);
    const char *body = NULL;
    assert_int_equal(fresh_count_told(fresh, &webhook, EVENT_LEAD_CREATED, &body), 1);
    assert_non_null(strstr(body, "\"type\":\"lead.created\""));
    assert_non_null(strstr(body, "ada@example.org"));
}

struct crowd {
    struct fresh *fresh;
    int64_t hit_id;
    atomic_int made, known;
    int64_t lead_id;
};

static void *press_send(void *context)
{
    struct crowd *crowd = context;
    struct arena arena;
    unsigned char receipt[HASH_SIZE];
    struct lead out, lead = {.owner_id = crowd->fresh->jane.id,
                             .card_id = crowd->fresh->card.id,
                             .share_id = crowd->fresh->share.id,
                             .visitor_hit_id = crowd->hit_id,
                             .name = "Ada",
                             .email = "ada@example.org"};
    arena_init(&arena);
    random_bytes(receipt, sizeof receipt);
    enum result result = store_lead_add(crowd->fresh->store, &arena, &lead, receipt, crowd->fresh->now_ms, &out);
    if (result == RESULT_OK)
        crowd->made++;
    if (result == RESULT_CONFLICT && out.id && !strcmp(out.name, "Ada"))
        crowd->known++;
    arena_free(&arena);
    return NULL;
}

static void lead__is_one_however_often_the_form_is_sent(void **state)
{
    struct fresh *fresh = *state;
    struct webhook webhook = fresh_webhook(fresh, "https://crm.example/hook");
    struct crowd crowd = {.fresh = fresh, .hit_id = id_new()};
    pthread_t threads[50];
    for (int i = 0; i < 50; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, press_send, &crowd), 0);
    for (int i = 0; i < 50; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(crowd.made, 1);
    assert_int_equal(crowd.known, 49);
    assert_int_equal(fresh_count_listed(fresh, FRESH_ANY), 1);
    assert_int_equal(fresh_count_told(fresh, &webhook, EVENT_LEAD_CREATED, NULL), 1);
    assert_int_equal(fresh_count_told(fresh, &webhook, EVENT_LEAD_UPDATED, NULL), 0);
}

static void lead__makes_the_visitors_potential_lead_identified(void **state)
{
    struct fresh *fresh = *state;
    int64_t hit = id_new();
    scan(fresh, &fresh->share, hit);
    scan(fresh, &fresh->share, hit);
    struct lead_filter potential = FRESH_ANY;
    potential.stage = STAGE_POTENTIAL;
    assert_int_equal(fresh_count_listed(fresh, potential), 1);
    assert_int_equal(fresh_count_listed(fresh, FRESH_ANY), 0);
    struct lead lead;
    assert_int_equal(fresh_form(fresh, &fresh->share, hit, "Ada", "ada@example.org", &lead), RESULT_OK);
    assert_int_equal(fresh_count_listed(fresh, potential), 0);
    assert_int_equal(fresh_count_listed(fresh, FRESH_ANY), 1);
    struct lead_moment *moments;
    size_t count;
    assert_int_equal(store_lead_timeline(fresh->store, &fresh->arena, fresh->jane.id, lead.id, &moments, &count),
                     RESULT_OK);
    assert_int_equal(count, 2);
    assert_string_equal(moments[0].kind, "scan");
    assert_string_equal(moments[1].kind, "form");
    assert_string_equal(moments[1].words, "Let us talk.");
}

static void lead__with_a_known_email_joins(void **state)
{
    struct fresh *fresh = *state;
    struct webhook webhook = fresh_webhook(fresh, "https://crm.example/hook");
    struct lead first, second;
    int64_t hit = id_new();
    assert_int_equal(fresh_form(fresh, &fresh->share, id_new(), "Ada", "ada@example.org", &first), RESULT_OK);
    scan(fresh, &fresh->share, hit);
    assert_int_equal(fresh_form(fresh, &fresh->share, hit, "A. Lovelace", "ADA@example.org", &second), RESULT_OK);
    assert_int_equal(second.id, first.id);
    assert_string_equal(second.name, "Ada");
    assert_int_equal(fresh_form(fresh, &fresh->share, hit, "A. Lovelace", "ADA@example.org", &second), RESULT_CONFLICT);
    assert_int_equal(second.id, first.id);
    scan(fresh, &fresh->share, hit); /* the fold may come later */
    struct lead_filter all = FRESH_ANY;
    all.stage = -2;
    assert_int_equal(fresh_count_listed(fresh, all), 1);
    assert_int_equal(fresh_count_told(fresh, &webhook, EVENT_LEAD_CREATED, NULL), 1);
    assert_int_equal(fresh_count_told(fresh, &webhook, EVENT_LEAD_UPDATED, NULL), 1);
    struct lead_moment *moments;
    size_t count;
    assert_int_equal(store_lead_timeline(fresh->store, &fresh->arena, fresh->jane.id, first.id, &moments, &count),
                     RESULT_OK);
    assert_string_equal(moments[count - 1].kind, "form");
    assert_non_null(strstr(moments[count - 1].words, "Berlin fair"));
    assert_non_null(strstr(moments[count - 1].words, "A. Lovelace"));
}

static void lead__with_a_known_phone_stays_its_own(void **state)
{
    struct fresh *fresh = *state;
    for (int i = 0; i < 2; i++) {
        unsigned char receipt[HASH_SIZE];
        struct lead out, lead = {.owner_id = fresh->jane.id,
                                 .card_id = fresh->card.id,
                                 .share_id = fresh->share.id,
                                 .visitor_hit_id = id_new(),
                                 .name = i ? "Ada" : "Bob",
                                 .phone = "+49 30 123456"};
        random_bytes(receipt, sizeof receipt);
        assert_int_equal(store_lead_add(fresh->store, &fresh->arena, &lead, receipt, fresh->now_ms, &out), RESULT_OK);
    }
    assert_int_equal(fresh_count_listed(fresh, FRESH_ANY), 2);
}

static void lead__set_aside_tells_nobody_until_it_is_taken_in(void **state)
{
    struct fresh *fresh = *state;
    struct webhook webhook = fresh_webhook(fresh, "https://crm.example/hook");
    unsigned char receipt[HASH_SIZE] = {1};
    struct lead out, lead = {.owner_id = fresh->jane.id,
                             .card_id = fresh->card.id,
                             .share_id = fresh->share.id,
                             .visitor_hit_id = id_new(),
                             .name = "Ada",
                             .email = "ada@example.org",
                             .set_aside = "sent within 3 seconds"};
    assert_int_equal(store_lead_add(fresh->store, &fresh->arena, &lead, receipt, fresh->now_ms, &out), RESULT_OK);
    struct lead_filter aside = FRESH_ANY;
    aside.set_aside = true;
    assert_int_equal(fresh_count_listed(fresh, FRESH_ANY), 0);
    assert_int_equal(fresh_count_listed(fresh, aside), 1);
    assert_int_equal(fresh_count_told(fresh, &webhook, EVENT_LEAD_CREATED, NULL), 0);

    struct lead_change take_in = {.stage = -1, .set_aside = 0};
    assert_int_equal(
        store_lead_change(fresh->store, &fresh->arena, fresh->jane.id, out.id, &take_in, fresh->now_ms, &out),
        RESULT_OK);
    assert_null(out.set_aside);
    assert_int_equal(fresh_count_listed(fresh, FRESH_ANY), 1);
    assert_int_equal(fresh_count_told(fresh, &webhook, EVENT_LEAD_CREATED, NULL), 1);
    assert_int_equal(fresh_form(fresh, &fresh->share, id_new(), "Ada", "ada@example.org", &lead), RESULT_OK);
    assert_int_equal(lead.id, out.id);
}

/* ---- hands ---- */

static void lead__through_another_members_hand_is_a_referral(void **state)
{
    struct fresh *fresh = *state;
    struct member bob = fresh_member(fresh, "bob");
    struct share passed = fresh_share(fresh, fresh->share.id, bob.id, 0);
    struct lead lead;
    assert_int_equal(fresh_form(fresh, &passed, id_new(), "Ada", "ada@example.org", &lead), RESULT_OK);
    assert_true(lead.referral);
    assert_int_equal(lead.endorser_member_id, bob.id);
    assert_string_equal(lead.endorser_handle, "bob");
    assert_int_equal(lead.share->chain_len, 2);
    struct lead_filter referrals = FRESH_ANY, leads = FRESH_ANY;
    referrals.kind = LEAD_KIND_REFERRAL;
    leads.kind = LEAD_KIND_LEAD;
    assert_int_equal(fresh_count_listed(fresh, referrals), 1);
    assert_int_equal(fresh_count_listed(fresh, leads), 0);
    struct lead_totals totals;
    assert_int_equal(store_lead_totals(fresh->store, fresh->jane.id, &totals), RESULT_OK);
    assert_int_equal(totals.referrals_new, 1);
    assert_int_equal(totals.leads, 0);
}

static void lead__through_a_visitor_is_a_referral_once_they_left_details(void **state)
{
    struct fresh *fresh = *state;
    int64_t ada_hit = id_new();
    struct share before = fresh_share(fresh, fresh->share.id, 0, ada_hit);
    struct lead stranger, ada, friend;
    assert_int_equal(fresh_form(fresh, &before, id_new(), "Cy", "cy@example.org", &stranger), RESULT_OK);
    assert_false(stranger.referral);
    assert_int_equal(fresh_form(fresh, &fresh->share, ada_hit, "Ada", "ada@example.org", &ada), RESULT_OK);
    assert_int_equal(fresh_form(fresh, &before, id_new(), "Dee", "dee@example.org", &friend), RESULT_OK);
    assert_true(friend.referral);
    assert_int_equal(friend.endorser_lead_id, ada.id);
    assert_string_equal(friend.endorser_name, "Ada");
    struct share after = fresh_share(fresh, fresh->share.id, 0, ada_hit);
    assert_int_equal(fresh_form(fresh, &after, id_new(), "Eve", "eve@example.org", &friend), RESULT_OK);
    assert_true(friend.referral);
    assert_int_equal(friend.endorser_lead_id, ada.id);
}

static void lead__of_a_named_recipient_is_met_by_their_first_scan(void **state)
{
    struct fresh *fresh = *state;
    struct share share = {.owner_id = fresh->jane.id,
                          .card_id = fresh->card.id,
                          .sharer_member_id = fresh->jane.id,
                          .channel = CHANNEL_EMAIL,
                          .recipient = "Grace Hopper"};
    token_new(share.token);
    assert_int_equal(store_share_add(fresh->store, &fresh->arena, &share, fresh->now_ms), RESULT_OK);
    struct lead_filter potential = FRESH_ANY;
    potential.stage = STAGE_POTENTIAL;
    assert_int_equal(fresh_count_listed(fresh, potential), 1);
    scan(fresh, &share, id_new());
    assert_int_equal(fresh_count_listed(fresh, potential), 1);
    scan(fresh, &share, id_new()); /* they showed it to somebody */
    assert_int_equal(fresh_count_listed(fresh, potential), 2);
    potential.q = "hopp";
    assert_int_equal(fresh_count_listed(fresh, potential), 1);
}

/* ---- the member ---- */

/* Without a script the form is the first that is heard of them. */
static void lead__of_a_named_recipient_is_identified_by_their_form(void **state)
{
    struct fresh *fresh = *state;
    struct share sent = {.owner_id = fresh->jane.id,
                         .card_id = fresh->card.id,
                         .sharer_member_id = fresh->jane.id,
                         .channel = CHANNEL_EMAIL,
                         .recipient = "Bob Smith"};
    struct lead lead, other;
    struct lead_filter potential = FRESH_ANY;
    int64_t hit = id_new();
    potential.stage = STAGE_POTENTIAL;
    token_new(sent.token);
    assert_int_equal(store_share_add(fresh->store, &fresh->arena, &sent, fresh->now_ms), RESULT_OK);
    assert_int_equal(fresh_count_listed(fresh, potential), 1);
    assert_int_equal(fresh_form(fresh, &sent, hit, "Bob", "bob@example.org", &lead), RESULT_OK);
    assert_int_equal(fresh_count_listed(fresh, potential), 0);
    assert_int_equal(fresh_count_listed(fresh, FRESH_ANY), 1);
    assert_string_equal(lead.recipient, "Bob Smith");
    scan(fresh, &sent, hit); /* the fold comes later and finds nothing to do */
    assert_int_equal(fresh_count_listed(fresh, potential), 0);
    /* Whoever else opens it is somebody else. */
    assert_int_equal(fresh_form(fresh, &sent, id_new(), "Eve", "eve@example.org", &other), RESULT_OK);
    assert_int_not_equal(other.id, lead.id);
    assert_int_equal(fresh_count_listed(fresh, FRESH_ANY), 2);
}

static void lead__of_a_named_recipient_joins_the_one_with_their_email(void **state)
{
    struct fresh *fresh = *state;
    struct share sent = {.owner_id = fresh->jane.id,
                         .card_id = fresh->card.id,
                         .sharer_member_id = fresh->jane.id,
                         .channel = CHANNEL_EMAIL,
                         .recipient = "Bob Smith"};
    struct lead known, lead;
    struct lead_filter potential = FRESH_ANY;
    int64_t hit = id_new();
    potential.stage = STAGE_POTENTIAL;
    token_new(sent.token);
    assert_int_equal(fresh_form(fresh, &fresh->share, id_new(), "Bob", "bob@example.org", &known), RESULT_OK);
    assert_int_equal(store_share_add(fresh->store, &fresh->arena, &sent, fresh->now_ms), RESULT_OK);
    assert_int_equal(fresh_form(fresh, &sent, hit, "Bob", "bob@example.org", &lead), RESULT_OK);
    assert_int_equal(lead.id, known.id);
    scan(fresh, &sent, hit);
    assert_int_equal(fresh_count_listed(fresh, potential), 0);
}

static void lead__changes_by_revision_and_keeps_a_timeline(void **state)
{
    struct fresh *fresh = *state;
    struct webhook webhook = fresh_webhook(fresh, "https://crm.example/hook");
    struct lead lead, out;
    assert_int_equal(fresh_form(fresh, &fresh->share, id_new(), "Ada", "ada@example.org", &lead), RESULT_OK);
    struct lead_change change = {
        .stage = STAGE_CONTACTED, .note = "Called.", .set_aside = -1, .revision = lead.revision};
    assert_int_equal(
        store_lead_change(fresh->store, &fresh->arena, fresh->jane.id, lead.id, &change, fresh->now_ms + 5, &out),
        RESULT_OK);
    assert_int_equal(out.stage, STAGE_CONTACTED);
    assert_int_equal(out.revision, lead.revision + 1);
    assert_int_equal(
        store_lead_change(fresh->store, &fresh->arena, fresh->jane.id, lead.id, &change, fresh->now_ms + 6, &out),
        RESULT_CONFLICT);
    change = (struct lead_change){.stage = STAGE_POTENTIAL, .set_aside = -1};
    assert_int_equal(
        store_lead_change(fresh->store, &fresh->arena, fresh->jane.id, lead.id, &change, fresh->now_ms + 6, &out),
        RESULT_INVALID);
    assert_int_equal(fresh_count_told(fresh, &webhook, EVENT_LEAD_UPDATED, NULL), 1);
    struct lead_moment *moments;
    size_t count;
    assert_int_equal(store_lead_timeline(fresh->store, &fresh->arena, fresh->jane.id, lead.id, &moments, &count),
                     RESULT_OK);
    assert_int_equal(count, 4);
    assert_string_equal(moments[2].words, "New → Contacted");
    assert_string_equal(moments[3].words, "Called.");
}

static void lead__of_another_member_is_not_found(void **state)
{
    struct fresh *fresh = *state;
    struct member bob = fresh_member(fresh, "bob");
    struct lead lead, out;
    struct lead_moment *moments;
    size_t count;
    struct lead_change change = {.stage = STAGE_WON, .set_aside = -1};
    assert_int_equal(fresh_form(fresh, &fresh->share, id_new(), "Ada", "ada@example.org", &lead), RESULT_OK);
    assert_int_equal(store_lead_find(fresh->store, &fresh->arena, bob.id, lead.id, &out), RESULT_NOT_FOUND);
    assert_int_equal(store_lead_timeline(fresh->store, &fresh->arena, bob.id, lead.id, &moments, &count),
                     RESULT_NOT_FOUND);
    assert_int_equal(store_lead_change(fresh->store, &fresh->arena, bob.id, lead.id, &change, fresh->now_ms, &out),
                     RESULT_NOT_FOUND);
    assert_int_equal(store_lead_erase(fresh->store, bob.id, lead.id, fresh->now_ms), RESULT_NOT_FOUND);
    struct lead_filter filter = FRESH_ANY;
    filter.q = "Ada";
    struct lead *leads;
    assert_int_equal(store_lead_list(fresh->store, &fresh->arena, bob.id, &filter, &leads, &count), RESULT_OK);
    assert_int_equal(count, 0);
}

static void lead__is_found_by_parts_of_words(void **state)
{
    struct fresh *fresh = *state;
    struct lead lead;
    assert_int_equal(fresh_form(fresh, &fresh->share, id_new(), "José Müller", "jose@example.org", &lead), RESULT_OK);
    assert_int_equal(fresh_form(fresh, &fresh->share, id_new(), "山田太郎", "taro@example.jp", &lead), RESULT_OK);
    static const struct {
        const char *q;
        size_t count;
    } CASES[] = {
        {"jose", 1},   {"JOSÉ", 1},    {"mull", 1},       {"ulle jos", 1}, {"jo mu", 1},   {"太郎", 1},
        {"山田太", 1}, {"example", 2}, {"example zz", 0}, {"\" OR \"", 0}, {"name: *", 0}, {"   ", 2},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct lead_filter filter = FRESH_ANY;
        filter.q = CASES[i].q;
        size_t count = fresh_count_listed(fresh, filter);
        if (count != CASES[i].count)
            fail_msg("\"%s\" found %zu", CASES[i].q, count);
    }
}

static void lead__pages_go_on_where_the_last_ended(void **state)
{
    struct fresh *fresh = *state;
    struct member bob = fresh_member(fresh, "bob");
    struct share passed = fresh_share(fresh, fresh->share.id, bob.id, 0);
    for (int i = 0; i < 25; i++) {
        struct lead lead;
        const char *email = arena_printf(&fresh->arena, "p%d@example.org", i);
        assert_int_equal(fresh_form(fresh, i % 2 ? &passed : &fresh->share, id_new(), "Pat", email, &lead), RESULT_OK);
    }
    struct lead_filter filter = FRESH_ANY;
    filter.limit = 10;
    int64_t last = INT64_MAX;
    size_t seen = 0, count;
    struct lead *leads;
    do {
        assert_int_equal(store_lead_list(fresh->store, &fresh->arena, fresh->jane.id, &filter, &leads, &count),
                         RESULT_OK);
        for (size_t i = 0; i < count; i++) {
            assert_true(leads[i].id < last);
            assert_non_null(leads[i].share);
            assert_int_equal(leads[i].referral, leads[i].share->chain_len == 2);
            last = leads[i].id;
        }
        seen += count;
        filter.before = last;
    } while (count);
    assert_int_equal(seen, 25);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fresh_setup, fresh_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(lead__of_a_form_is_listed_with_share_and_consent),
        WITH_STORE(lead__is_one_however_often_the_form_is_sent),
        WITH_STORE(lead__makes_the_visitors_potential_lead_identified),
        WITH_STORE(lead__with_a_known_email_joins),
        WITH_STORE(lead__with_a_known_phone_stays_its_own),
        WITH_STORE(lead__set_aside_tells_nobody_until_it_is_taken_in),
        WITH_STORE(lead__through_another_members_hand_is_a_referral),
        WITH_STORE(lead__through_a_visitor_is_a_referral_once_they_left_details),
        WITH_STORE(lead__of_a_named_recipient_is_met_by_their_first_scan),
        WITH_STORE(lead__of_a_named_recipient_is_identified_by_their_form),
        WITH_STORE(lead__of_a_named_recipient_joins_the_one_with_their_email),
        WITH_STORE(lead__changes_by_revision_and_keeps_a_timeline),
        WITH_STORE(lead__of_another_member_is_not_found),
        WITH_STORE(lead__is_found_by_parts_of_words),
        WITH_STORE(lead__pages_go_on_where_the_last_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
