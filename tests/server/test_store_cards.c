/* What the store promises about cards and shares: one suite for every engine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "server/ids.h"
#include "tests/support/db_faulty.h"
#include "tests/support/store_place.h"

static const struct db_driver *engine; /* the one this run of the suite is on */

static int make_place(void **state)
{
    faults_plan(&(struct fault_plan){0});
    *state = store_place_make(engine);
    return 0;
}

static int drop_place(void **state)
{
    store_place_drop(*state);
    assert_int_equal(faults_violations(), 0);
    return 0;
}

/* ---- cards ---- */

static void card__is_read_as_it_was_written(void **state)
{
    struct store_place *place = *state;
    struct card card = {.owner_id = place->jane.id,
                        .handle = "doctor-who",
                        .name = "名刺 太郎",
                        .family = "名刺",
                        .title = "Arzt",
                        .phones = {{"work", "+49 30 123456"}},
                        .phone_count = 1,
                        .emails = {{NULL, "taro@example.org"}},
                        .email_count = 1,
                        .addresses = {{.label = "home", .city = "Köln"}},
                        .address_count = 1};
    struct complaints complaints = {0};
    assert_int_equal(card_check(&card, &place->arena, &complaints), RESULT_OK);
    assert_int_equal(store_card_add(place->store, &place->arena, &card, 77), RESULT_OK);
    assert_int_equal(card.revision, 1);
    struct card found, opened;
    assert_int_equal(store_card_find(place->store, &place->arena, place->jane.id, card.id, &found), RESULT_OK);
    assert_string_equal(found.handle, "doctor-who");
    assert_int_equal(found.updated_ms, 77);
    assert_int_equal(found.owner_id, place->jane.id);
    json_t *wrote = card_to_json(&card), *read = card_to_json(&found);
    assert_true(json_equal(wrote, read));
    json_decref(wrote);
    json_decref(read);
    assert_int_equal(store_card_open(place->store, &place->arena, card.id, &opened), RESULT_OK);
    assert_string_equal(opened.name, "名刺 太郎");
}

static void card__gets_the_members_handle_and_then_numbers(void **state)
{
    struct store_place *place = *state;
    struct card second = store_place_card(place, place->jane.id, "Second"),
                third = store_place_card(place, place->jane.id, "Third");
    assert_string_equal(place->card.handle, "jane");
    assert_string_equal(second.handle, "jane-2");
    assert_string_equal(third.handle, "jane-3");
    struct card taken = {
        .owner_id = place->jane.id, .name = "X", .handle = "jane-3", .accent = "pine", .theme = "auto"};
    assert_int_equal(store_card_add(place->store, &place->arena, &taken, 1), RESULT_CONFLICT);
    store_place_member(place, "kate");
    taken.handle = "kate"; /* a member's, though she has no card yet */
    assert_int_equal(store_card_add(place->store, &place->arena, &taken, 1), RESULT_CONFLICT);
    struct member longest = store_place_member(place, "abcdefghijklmnopqrstuvwxyz012345");
    store_place_card(place, longest.id, "One");
    struct card cut = store_place_card(place, longest.id, "Two");
    assert_string_equal(cut.handle, "abcdefghijklmnopqrstuvwxyz0123-2");
}

static void card__changes_only_from_the_revision_that_was_read(void **state)
{
    struct store_place *place = *state;
    struct card mine = place->card, theirs = place->card, found;
    mine.title = "Baker";
    assert_int_equal(store_card_update(place->store, &mine, 5000), RESULT_OK);
    assert_int_equal(mine.revision, 2);
    theirs.title = "Butcher";
    assert_int_equal(store_card_update(place->store, &theirs, 6000), RESULT_CONFLICT);
    assert_int_equal(store_card_find(place->store, &place->arena, place->jane.id, mine.id, &found), RESULT_OK);
    assert_string_equal(found.title, "Baker");
    assert_int_equal(found.revision, 2);
    assert_int_equal(found.updated_ms, 5000);
    mine.owner_id++;
    assert_int_equal(store_card_update(place->store, &mine, 7000), RESULT_NOT_FOUND);
}

static void card__may_change_its_handle_to_a_free_one(void **state)
{
    struct store_place *place = *state;
    struct card second = store_place_card(place, place->jane.id, "Second"), found;
    struct share share;
    second.handle = "jane";
    assert_int_equal(store_card_update(place->store, &second, 1), RESULT_CONFLICT);
    second.handle = "night";
    assert_int_equal(store_card_update(place->store, &second, 1), RESULT_OK);
    assert_int_equal(store_card_find(place->store, &place->arena, place->jane.id, second.id, &found), RESULT_OK);
    assert_string_equal(found.handle, "night");
    assert_int_equal(store_share_find_by_handle(place->store, &place->arena, "night", &share), RESULT_OK);
    assert_true(share.card_id == second.id);
    assert_int_equal(store_share_find_by_handle(place->store, &place->arena, "jane-2", &share), RESULT_NOT_FOUND);
}

static void card__retired_is_gone_and_gives_its_handle_back(void **state)
{
    struct store_place *place = *state;
    struct card found, *list;
    struct share share = {.owner_id = place->jane.id, .card_id = place->card.id, .sharer_member_id = place->jane.id};
    size_t count;
    assert_int_equal(store_card_retire(place->store, place->jane.id + 1, place->card.id, 5), RESULT_NOT_FOUND);
    assert_int_equal(store_card_retire(place->store, place->jane.id, place->card.id, 5), RESULT_OK);
    assert_int_equal(store_card_retire(place->store, place->jane.id, place->card.id, 5), RESULT_NOT_FOUND);
    assert_int_equal(store_card_open(place->store, &place->arena, place->card.id, &found), RESULT_NOT_FOUND);
    assert_int_equal(store_card_update(place->store, &place->card, 5), RESULT_NOT_FOUND);
    assert_int_equal(store_share_find_by_handle(place->store, &place->arena, "jane", &share), RESULT_NOT_FOUND);
    token_new(share.token);
    assert_int_equal(store_share_add(place->store, &place->arena, &share, 5), RESULT_NOT_FOUND);
    assert_string_equal(store_place_card(place, place->jane.id, "Again").handle, "jane");
    assert_int_equal(store_card_list(place->store, &place->arena, place->jane.id, &list, &count), RESULT_OK);
    assert_int_equal(count, 1);
    assert_string_equal(list[0].name, "Again");
}

static void card__of_somebody_else_is_not_found(void **state)
{
    struct store_place *place = *state;
    struct member kate = store_place_member(place, "kate");
    struct card found, *list;
    size_t count;
    assert_int_equal(store_card_find(place->store, &place->arena, kate.id, place->card.id, &found), RESULT_NOT_FOUND);
    assert_int_equal(store_card_list(place->store, &place->arena, kate.id, &list, &count), RESULT_OK);
    assert_int_equal(count, 0);
}

static void portrait__makes_a_revision_and_replaces_the_last(void **state)
{
    struct store_place *place = *state;
    struct card card = place->card, found;
    const void *jpeg;
    size_t len;
    assert_int_equal(store_portrait_set(place->store, &card, "\xff\xd8\0one", 6, 9), RESULT_OK);
    assert_int_equal(card.revision, 2);
    assert_true(card.portrait_id != 0);
    int64_t first = card.portrait_id;
    assert_int_equal(store_portrait_find(place->store, &place->arena, first, &jpeg, &len), RESULT_OK);
    assert_int_equal(len, 6);
    assert_memory_equal(jpeg, "\xff\xd8\0one", 6);
    card.note = "keeps the picture";
    assert_int_equal(store_card_update(place->store, &card, 10), RESULT_OK);
    assert_int_equal(store_card_find(place->store, &place->arena, card.owner_id, card.id, &found), RESULT_OK);
    assert_true(found.portrait_id == first);
    assert_int_equal(store_portrait_set(place->store, &card, "two", 3, 11), RESULT_OK);
    assert_true(card.portrait_id != first);
    assert_int_equal(store_portrait_find(place->store, &place->arena, first, &jpeg, &len), RESULT_NOT_FOUND);
    assert_int_equal(store_portrait_set(place->store, &place->card, "old", 3, 11), RESULT_CONFLICT);
    assert_int_equal(store_portrait_set(place->store, &card, NULL, 0, 12), RESULT_OK);
    assert_int_equal(card.portrait_id, 0);
    assert_int_equal(store_card_find(place->store, &place->arena, card.owner_id, card.id, &found), RESULT_OK);
    assert_int_equal(found.portrait_id, 0);
    assert_int_equal(found.revision, 5);
}

/* ---- shares ---- */

static void share__is_found_with_all_it_was_made_of(void **state)
{
    struct store_place *place = *state;
    struct share share = {.owner_id = place->jane.id,
                          .card_id = place->card.id,
                          .sharer_member_id = place->jane.id,
                          .channel = CHANNEL_EVENT,
                          .label = "Berlin fair",
                          .print_run = "B1",
                          .vouch = "Ask her",
                          .expires_ms = 900000};
    memcpy(share.token, "0123456789ABCDEF", TOKEN_SIZE);
    assert_int_equal(store_share_add(place->store, &place->arena, &share, 7), RESULT_OK);
    struct share found;
    assert_int_equal(store_share_find_by_token(place->store, &place->arena, "0123456789ABCDEF", &found), RESULT_OK);
    assert_true(found.id == share.id);
    assert_string_equal(found.token, "0123456789ABCDEF");
    assert_int_equal(found.channel, CHANNEL_EVENT);
    assert_string_equal(found.label, "Berlin fair");
    assert_string_equal(found.print_run, "B1");
    assert_int_equal(found.expires_ms, 900000);
    assert_int_equal(found.created_ms, 7);
    assert_int_equal(found.parent_id, 0);
    assert_false(found.standing);
    assert_int_equal(found.chain_len, 1);
    assert_string_equal(found.chain[0].handle, "jane");
    assert_string_equal(found.chain[0].vouch, "Ask her");
    struct share again = {.owner_id = place->jane.id, .card_id = place->card.id, .sharer_member_id = place->jane.id};
    memcpy(again.token, "0123456789ABCDEF", TOKEN_SIZE);
    assert_int_equal(store_share_add(place->store, &place->arena, &again, 7), RESULT_CONFLICT);
    assert_int_equal(store_share_find_by_token(place->store, &place->arena, "0123456789ABCDEG", &found),
                     RESULT_NOT_FOUND);
    assert_int_equal(store_share_find(place->store, &place->arena, place->jane.id + 1, share.id, &found),
                     RESULT_NOT_FOUND);
}

static void share__standing_is_there_from_the_start_and_stays(void **state)
{
    struct store_place *place = *state;
    struct share share;
    assert_int_equal(store_share_find_by_handle(place->store, &place->arena, "jane", &share), RESULT_OK);
    assert_true(share.standing);
    assert_int_equal(share.channel, CHANNEL_LINK);
    assert_true(share.card_id == place->card.id);
    assert_int_equal(store_share_revoke(place->store, place->jane.id, share.id, 5), RESULT_DENIED);
    assert_int_equal(store_share_find_by_handle(place->store, &place->arena, "kate", &share), RESULT_NOT_FOUND);
}

static void share__keeps_the_whole_chain_of_hands(void **state)
{
    struct store_place *place = *state;
    struct member kate = store_place_member(place, "kate");
    struct share first = store_place_share(place, CHANNEL_QR, 0);
    struct share second = {.owner_id = place->jane.id,
                           .card_id = place->card.id,
                           .sharer_member_id = kate.id,
                           .channel = CHANNEL_WHATSAPP,
                           .parent_id = first.id};
    token_new(second.token);
    assert_int_equal(store_share_add(place->store, &place->arena, &second, 8), RESULT_OK);
    struct share third = {.owner_id = place->jane.id,
                          .card_id = place->card.id,
                          .sharer_hit_id = 99,
                          .sharer_name = "Tom",
                          .channel = CHANNEL_NATIVE,
                          .parent_id = second.id,
                          .vouch = "She is good"};
    token_new(third.token);
    assert_int_equal(store_share_add(place->store, &place->arena, &third, 9), RESULT_OK);
    struct share found;
    assert_int_equal(store_share_find_by_token(place->store, &place->arena, third.token, &found), RESULT_OK);
    assert_int_equal(found.chain_len, 3);
    assert_string_equal(found.chain[0].token, first.token);
    assert_string_equal(found.chain[0].handle, "jane");
    assert_string_equal(found.chain[1].handle, "kate");
    assert_int_equal(found.chain[1].channel, CHANNEL_WHATSAPP);
    assert_null(found.chain[2].handle);
    assert_string_equal(found.chain[2].name, "Tom");
    assert_string_equal(found.chain[2].vouch, "She is good");
    assert_ptr_equal(share_endorser(&found), &found.chain[1]);
    assert_int_equal(third.chain_len, 3); /* filled in when minted, too */
}

static void share__chain_ends_after_sixteen_hands(void **state)
{
    struct store_place *place = *state;
    struct share share = store_place_share(place, CHANNEL_LINK, 0);
    for (int hands = 2; hands <= SHARE_CHAIN_MAX; hands++)
        share = store_place_share(place, CHANNEL_LINK, share.id);
    assert_int_equal(share.chain_len, SHARE_CHAIN_MAX);
    struct share one_more = {
        .owner_id = place->jane.id, .card_id = place->card.id, .sharer_hit_id = 5, .parent_id = share.id};
    token_new(one_more.token);
    assert_int_equal(store_share_add(place->store, &place->arena, &one_more, 9), RESULT_LIMITED);
}

static void share__needs_a_card_and_a_parent_of_its_owner(void **state)
{
    struct store_place *place = *state;
    struct member kate = store_place_member(place, "kate");
    struct card other = store_place_card(place, place->jane.id, "Other");
    struct share parent = store_place_share(place, CHANNEL_LINK, 0);
    struct share share = {.owner_id = kate.id, .card_id = place->card.id, .sharer_member_id = kate.id};
    token_new(share.token);
    assert_int_equal(store_share_add(place->store, &place->arena, &share, 9), RESULT_NOT_FOUND);
    share = (struct share){.owner_id = place->jane.id, .card_id = other.id, .sharer_hit_id = 3, .parent_id = parent.id};
    token_new(share.token);
    assert_int_equal(store_share_add(place->store, &place->arena, &share, 9), RESULT_NOT_FOUND);
    share.card_id = place->card.id;
    share.parent_id = 4711;
    assert_int_equal(store_share_add(place->store, &place->arena, &share, 9), RESULT_NOT_FOUND);
}

static void share__revoked_is_still_found(void **state)
{
    struct store_place *place = *state;
    struct share share = store_place_share(place, CHANNEL_LINK, 0), found;
    assert_int_equal(store_share_revoke(place->store, place->jane.id + 1, share.id, 50), RESULT_NOT_FOUND);
    assert_int_equal(store_share_revoke(place->store, place->jane.id, share.id, 50), RESULT_OK);
    assert_int_equal(store_share_revoke(place->store, place->jane.id, share.id, 60), RESULT_OK);
    assert_int_equal(store_share_find_by_token(place->store, &place->arena, share.token, &found), RESULT_OK);
    assert_int_equal(found.revoked_ms, 50);
    assert_false(share_may_open(&found, 51));
}

static void share__list_is_newest_first_and_pages(void **state)
{
    struct store_place *place = *state;
    struct card other = store_place_card(place, place->jane.id, "Other");
    int64_t ids[5];
    for (int i = 0; i < 5; i++)
        ids[i] = store_place_share(place, CHANNEL_LINK, 0).id;
    struct share_row *rows;
    size_t count;
    assert_int_equal(store_share_list(place->store, &place->arena, place->jane.id, place->card.id, 0, 3, &rows, &count),
                     RESULT_OK);
    assert_int_equal(count, 3);
    for (int i = 0; i < 3; i++)
        assert_true(rows[i].share.id == ids[4 - i]);
    assert_int_equal(rows[0].counts.person, 0);
    assert_int_equal(rows[0].leads, 0);
    assert_int_equal(
        store_share_list(place->store, &place->arena, place->jane.id, place->card.id, ids[2], 30, &rows, &count),
        RESULT_OK);
    assert_int_equal(count, 3); /* two and the standing one */
    assert_true(rows[2].share.standing);
    assert_int_equal(store_share_list(place->store, &place->arena, place->jane.id, 0, 0, 30, &rows, &count), RESULT_OK);
    assert_int_equal(count, 7);
    assert_int_equal(store_share_list(place->store, &place->arena, place->jane.id, other.id, 0, 30, &rows, &count),
                     RESULT_OK);
    assert_int_equal(count, 1);
    assert_int_equal(store_share_list(place->store, &place->arena, place->jane.id + 1, 0, 0, 30, &rows, &count),
                     RESULT_OK);
    assert_int_equal(count, 0);
}

static void share__counts_the_leads_it_brought(void **state)
{
    struct store_place *place = *state;
    static const unsigned char receipt[HASH_SIZE] = {3};
    struct share share = store_place_share(place, CHANNEL_QR, 0);
    struct lead lead = {.owner_id = place->jane.id,
                        .card_id = place->card.id,
                        .share_id = share.id,
                        .visitor_hit_id = 77,
                        .name = "Tom",
                        .email = "tom@example.org"};
    struct lead out;
    assert_int_equal(store_lead_add(place->store, &place->arena, &lead, receipt, 9, &out), RESULT_OK);
    struct share_row *rows;
    size_t count;
    assert_int_equal(store_share_list(place->store, &place->arena, place->jane.id, 0, 0, 1, &rows, &count), RESULT_OK);
    assert_int_equal(count, 1);
    assert_true(rows[0].share.id == share.id);
    assert_int_equal(rows[0].leads, 1);
    /* And the lead may pass it on: the hand has the name they gave. */
    struct share passed = {.owner_id = place->jane.id,
                           .card_id = place->card.id,
                           .sharer_lead_id = out.id,
                           .channel = CHANNEL_NATIVE,
                           .parent_id = share.id};
    token_new(passed.token);
    assert_int_equal(store_share_add(place->store, &place->arena, &passed, 10), RESULT_OK);
    assert_int_equal(passed.chain_len, 2);
    assert_string_equal(passed.chain[1].name, "Tom");
    assert_true(passed.chain[1].lead_id == out.id);
    assert_ptr_equal(share_endorser(&passed), &passed.chain[1]);
}

static void share__to_somebody_named_is_a_potential_lead(void **state)
{
    struct store_place *place = *state;
    struct share share = {.owner_id = place->jane.id,
                          .card_id = place->card.id,
                          .sharer_member_id = place->jane.id,
                          .channel = CHANNEL_EMAIL,
                          .recipient = "Ms Miller"};
    token_new(share.token);
    assert_int_equal(store_share_add(place->store, &place->arena, &share, 9), RESULT_OK);
    struct lead *leads;
    size_t count;
    struct lead_filter filter = {.stage = STAGE_POTENTIAL, .channel = -1, .limit = 10};
    assert_int_equal(store_lead_list(place->store, &place->arena, place->jane.id, &filter, &leads, &count), RESULT_OK);
    assert_int_equal(count, 1);
    assert_string_equal(leads[0].recipient, "Ms Miller");
    assert_true(leads[0].share_id == share.id);
}

int main(void)
{
#define IN_A_STORE(test) cmocka_unit_test_setup_teardown(test, make_place, drop_place)
    const struct CMUnitTest tests[] = {
        IN_A_STORE(card__is_read_as_it_was_written),
        IN_A_STORE(card__gets_the_members_handle_and_then_numbers),
        IN_A_STORE(card__changes_only_from_the_revision_that_was_read),
        IN_A_STORE(card__may_change_its_handle_to_a_free_one),
        IN_A_STORE(card__retired_is_gone_and_gives_its_handle_back),
        IN_A_STORE(card__of_somebody_else_is_not_found),
        IN_A_STORE(portrait__makes_a_revision_and_replaces_the_last),
        IN_A_STORE(share__is_found_with_all_it_was_made_of),
        IN_A_STORE(share__standing_is_there_from_the_start_and_stays),
        IN_A_STORE(share__keeps_the_whole_chain_of_hands),
        IN_A_STORE(share__chain_ends_after_sixteen_hands),
        IN_A_STORE(share__needs_a_card_and_a_parent_of_its_owner),
        IN_A_STORE(share__revoked_is_still_found),
        IN_A_STORE(share__list_is_newest_first_and_pages),
        IN_A_STORE(share__counts_the_leads_it_brought),
        IN_A_STORE(share__to_somebody_named_is_a_potential_lead),
    };
    int failed = 0;
    for (size_t i = 0; i < STORE_ENGINES; i++) {
        engine = store_engines[i].driver;
        failed += cmocka_run_group_tests_name(store_engines[i].name, tests, NULL, NULL);
    }
    return failed;
}
