/* What the store promises about members and what lets them in: one suite for every engine. */
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

enum { MINUTE_MS = 60 * 1000, HOUR_MS = 60 * MINUTE_MS, DAY_MS = 24 * HOUR_MS };

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

/* ---- members ---- */

static void members__the_first_is_the_owner(void **state)
{
    struct store_place *place = *state;
    struct member kate = store_place_member(place, "kate"), found;
    assert_int_equal(place->jane.role, ROLE_OWNER);
    assert_int_equal(kate.role, ROLE_MEMBER);
    assert_int_equal(store_member_find(place->store, &place->arena, place->jane.id, &found), RESULT_OK);
    assert_int_equal(found.role, ROLE_OWNER);
    assert_string_equal(found.handle, "jane");
    assert_string_equal(found.name, "Ms jane");
    assert_null(found.email);
    assert_int_equal(found.disabled_ms, 0);
}

static void members__share_no_handle_and_no_email(void **state)
{
    struct store_place *place = *state;
    struct member ann = {.handle = "ann", .name = "Ann", .email = "ann@example.org"}, found;
    assert_int_equal(store_member_add(place->store, &ann, 1), RESULT_OK);
    struct member again = {.handle = "ann", .name = "Ann"};
    assert_int_equal(store_member_add(place->store, &again, 1), RESULT_CONFLICT);
    again = (struct member){.handle = "ann2", .name = "Ann", .email = "ann@example.org"};
    assert_int_equal(store_member_add(place->store, &again, 1), RESULT_CONFLICT);
    assert_int_equal(store_member_find_by_handle(place->store, &place->arena, "ann2", &found), RESULT_NOT_FOUND);
    assert_int_equal(store_member_find_by_email(place->store, &place->arena, "ann@example.org", &found), RESULT_OK);
    assert_int_equal(found.id, ann.id);
    struct member *list;
    size_t count;
    assert_int_equal(store_member_list(place->store, &place->arena, &list, &count), RESULT_OK);
    assert_int_equal(count, 2);
    assert_string_equal(list[0].handle, "jane");
}

static void members__cannot_take_the_handle_of_somebodys_card(void **state)
{
    struct store_place *place = *state;
    struct card second = store_place_card(place, place->jane.id, "Jane at night");
    assert_string_equal(second.handle, "jane-2");
    struct member squatter = {.handle = "jane-2", .name = "No Jane"};
    assert_int_equal(store_member_add(place->store, &squatter, 1), RESULT_CONFLICT);
}

static void members__disabled_are_let_in_by_nothing(void **state)
{
    struct store_place *place = *state;
    struct member kate = store_place_member(place, "kate");
    struct card card = store_place_card(place, kate.id, "Kate");
    static const unsigned char session[HASH_SIZE] = {1}, token[HASH_SIZE] = {2}, link[HASH_SIZE] = {3};
    struct api_token made = {.member_id = kate.id, .name = "crm", .scopes = "read"};
    assert_int_equal(store_session_add(place->store, session, kate.id, NULL, 1000, DAY_MS), RESULT_OK);
    assert_int_equal(store_token_add(place->store, &made, token, 1000), RESULT_OK);
    assert_int_equal(store_sign_in_link_add(place->store, link, kate.id, 1000, DAY_MS), RESULT_OK);
    assert_int_equal(store_card_open(place->store, &place->arena, card.id, &card), RESULT_OK);
    assert_int_equal(store_member_disable(place->store, kate.id, 2000), RESULT_OK);
    assert_int_equal(store_member_disable(place->store, kate.id, 3000), RESULT_NOT_FOUND);
    struct session found;
    struct api_token known;
    int64_t id;
    assert_int_equal(store_session_find(place->store, &place->arena, session, 2000, &found), RESULT_NOT_FOUND);
    assert_int_equal(store_token_find(place->store, &place->arena, token, 2000, &known), RESULT_NOT_FOUND);
    assert_int_equal(store_sign_in_link_use(place->store, link, 2000, &id), RESULT_NOT_FOUND);
    assert_int_equal(store_session_add(place->store, session, kate.id, NULL, 2000, DAY_MS), RESULT_NOT_FOUND);
    assert_int_equal(store_card_open(place->store, &place->arena, card.id, &card), RESULT_NOT_FOUND);
    assert_int_equal(store_card_find(place->store, &place->arena, kate.id, card.id, &card), RESULT_OK);
}

static void members__a_new_password_ends_the_other_sessions(void **state)
{
    struct store_place *place = *state;
    static const unsigned char here[HASH_SIZE] = {1}, there[HASH_SIZE] = {2};
    struct session found;
    assert_int_equal(store_session_add(place->store, here, place->jane.id, NULL, 1000, DAY_MS), RESULT_OK);
    assert_int_equal(store_session_add(place->store, there, place->jane.id, NULL, 1000, DAY_MS), RESULT_OK);
    assert_int_equal(store_member_set_password(place->store, place->jane.id, "$argon2id$x", here), RESULT_OK);
    assert_int_equal(store_session_find(place->store, &place->arena, here, 2000, &found), RESULT_OK);
    assert_string_equal(found.member.password_hash, "$argon2id$x");
    assert_int_equal(store_session_find(place->store, &place->arena, there, 2000, &found), RESULT_NOT_FOUND);
    assert_int_equal(store_member_set_password(place->store, place->jane.id, "$argon2id$y", NULL), RESULT_OK);
    assert_int_equal(store_session_find(place->store, &place->arena, here, 2000, &found), RESULT_NOT_FOUND);
    assert_int_equal(store_member_set_password(place->store, 1, "$argon2id$y", NULL), RESULT_NOT_FOUND);
}

/* ---- what lets them in ---- */

static void sign_in_link__works_once_and_in_time(void **state)
{
    struct store_place *place = *state;
    static const unsigned char hash[HASH_SIZE] = {7}, late[HASH_SIZE] = {8};
    int64_t id = 0;
    assert_int_equal(store_sign_in_link_add(place->store, hash, place->jane.id, 1000, 5000), RESULT_OK);
    assert_int_equal(store_sign_in_link_add(place->store, late, place->jane.id, 1000, 5000), RESULT_OK);
    assert_int_equal(store_sign_in_link_use(place->store, late, 5000, &id), RESULT_NOT_FOUND);
    assert_int_equal(id, 0);
    assert_int_equal(store_sign_in_link_use(place->store, hash, 4999, &id), RESULT_OK);
    assert_true(id == place->jane.id);
    assert_int_equal(store_sign_in_link_use(place->store, hash, 4999, &id), RESULT_NOT_FOUND);
    assert_int_equal(store_sign_in_link_add(place->store, hash, 12345, 1000, 5000), RESULT_NOT_FOUND);
}

static void session__ends_when_idle_or_expired_or_left(void **state)
{
    struct store_place *place = *state;
    static const unsigned char hash[HASH_SIZE] = {1}, none[HASH_SIZE] = {9};
    struct session found;
    int64_t start = 1000 * (int64_t)DAY_MS;
    assert_int_equal(store_session_add(place->store, hash, place->jane.id, "Firefox", start, start + 2 * DAY_MS),
                     RESULT_OK);
    assert_int_equal(store_session_find(place->store, &place->arena, hash, start + 59999, &found), RESULT_OK);
    assert_true(found.seen_ms == start); /* not written again within a minute */
    assert_string_equal(found.agent, "Firefox");
    assert_string_equal(found.member.handle, "jane");
    assert_int_equal(store_session_find(place->store, &place->arena, hash, start + HOUR_MS, &found), RESULT_OK);
    assert_true(found.seen_ms == start + HOUR_MS);
    assert_int_equal(store_session_find(place->store, &place->arena, hash, start + 13 * HOUR_MS - 1, &found),
                     RESULT_OK);
    assert_int_equal(store_session_find(place->store, &place->arena, hash, start + 25 * HOUR_MS - 1, &found),
                     RESULT_NOT_FOUND);
    assert_int_equal(store_session_find(place->store, &place->arena, hash, start + 2 * DAY_MS, &found),
                     RESULT_NOT_FOUND);
    assert_int_equal(store_session_find(place->store, &place->arena, none, start, &found), RESULT_NOT_FOUND);
    assert_int_equal(store_session_end(place->store, hash), RESULT_OK);
    assert_int_equal(store_session_end(place->store, hash), RESULT_NOT_FOUND);
    assert_int_equal(store_session_find(place->store, &place->arena, hash, start, &found), RESULT_NOT_FOUND);
}

static void session__the_eleventh_ends_the_first(void **state)
{
    struct store_place *place = *state;
    unsigned char hash[HASH_SIZE] = {0};
    struct session found;
    for (int i = 0; i < 11; i++) {
        hash[0] = (unsigned char)i;
        assert_int_equal(store_session_add(place->store, hash, place->jane.id, NULL, 1000 + i, DAY_MS), RESULT_OK);
    }
    for (int i = 0; i < 11; i++) {
        hash[0] = (unsigned char)i;
        assert_int_equal(store_session_find(place->store, &place->arena, hash, 2000, &found),
                         i == 0 ? RESULT_NOT_FOUND : RESULT_OK);
    }
}

static void token__lives_until_revoked(void **state)
{
    struct store_place *place = *state;
    static const unsigned char hash[HASH_SIZE] = {5};
    struct member kate = store_place_member(place, "kate");
    struct api_token token = {.member_id = place->jane.id, .name = "crm", .scopes = "read write"}, found, *list;
    assert_int_equal(store_token_add(place->store, &token, hash, 1000), RESULT_OK);
    assert_int_equal(store_token_find(place->store, &place->arena, hash, 100000, &found), RESULT_OK);
    assert_string_equal(found.scopes, "read write");
    assert_string_equal(found.member.handle, "jane");
    assert_int_equal(found.used_ms, 100000);
    assert_int_equal(store_token_find(place->store, &place->arena, hash, 100001, &found), RESULT_OK);
    assert_int_equal(found.used_ms, 100000);
    assert_int_equal(store_token_revoke(place->store, kate.id, token.id, 2000), RESULT_NOT_FOUND);
    assert_int_equal(store_token_revoke(place->store, place->jane.id, token.id, 2000), RESULT_OK);
    assert_int_equal(store_token_find(place->store, &place->arena, hash, 3000, &found), RESULT_NOT_FOUND);
    size_t count;
    assert_int_equal(store_token_list(place->store, &place->arena, place->jane.id, &list, &count), RESULT_OK);
    assert_int_equal(count, 1);
    assert_int_equal(list[0].revoked_ms, 2000);
    assert_int_equal(store_token_list(place->store, &place->arena, kate.id, &list, &count), RESULT_OK);
    assert_int_equal(count, 0);
}

static void throttle__counts_within_its_window(void **state)
{
    struct store_place *place = *state;
    int64_t tries, start = 1000 * (int64_t)DAY_MS;
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(store_throttle_count(place->store, "login:jane", HOUR_MS, start + i, &tries), RESULT_OK);
        assert_int_equal(tries, i);
    }
    assert_int_equal(store_throttle_count(place->store, "login:kate", HOUR_MS, start, &tries), RESULT_OK);
    assert_int_equal(tries, 1);
    assert_int_equal(store_throttle_count(place->store, "login:jane", HOUR_MS, start + HOUR_MS, &tries), RESULT_OK);
    assert_int_equal(tries, 4); /* the window opened at start + 1 */
    assert_int_equal(store_throttle_count(place->store, "login:jane", HOUR_MS, start + HOUR_MS + 1, &tries), RESULT_OK);
    assert_int_equal(tries, 1);
    assert_int_equal(store_throttle_count(place->store, "login:jane", HOUR_MS, start, &tries), RESULT_OK);
    assert_int_equal(tries, 1); /* a clock set back locks nobody out for long */
    assert_int_equal(store_throttle_clear(place->store, "login:kate"), RESULT_OK);
    assert_int_equal(store_throttle_count(place->store, "login:kate", HOUR_MS, start + 1, &tries), RESULT_OK);
    assert_int_equal(tries, 1);
}

static void count_change(void *context, const struct change *change)
{
    (void)change;
    ++*(int *)context;
}

/* Everything in memory is forgotten for a new name, so not for none. */
static void members__are_renamed_and_told_of_only_then(void **state)
{
    struct store_place *place = *state;
    struct member jane, kate = {.handle = "kate", .name = "Kate", .email = "kate@example.org"};
    int told = 0;
    assert_int_equal(store_member_add(place->store, &kate, 1), RESULT_OK);
    store_on_change(place->store, count_change, &told);
    assert_int_equal(store_member_set_profile(place->store, place->jane.id, "Jane Miller", "j@miller.example"),
                     RESULT_OK);
    assert_int_equal(told, 1);
    assert_int_equal(store_member_set_profile(place->store, place->jane.id, "Jane Miller", NULL), RESULT_OK);
    assert_int_equal(told, 1);
    assert_int_equal(store_member_find(place->store, &place->arena, place->jane.id, &jane), RESULT_OK);
    assert_string_equal(jane.name, "Jane Miller");
    assert_null(jane.email);
    assert_int_equal(store_member_set_profile(place->store, place->jane.id, "J", "kate@example.org"), RESULT_CONFLICT);
    assert_int_equal(store_member_disable(place->store, kate.id, 2), RESULT_OK);
    assert_int_equal(store_member_set_profile(place->store, kate.id, "K", NULL), RESULT_NOT_FOUND);
    assert_int_equal(told, 2);
    store_on_change(place->store, NULL, NULL);
}

static void idempotency__replays_what_was_answered(void **state)
{
    struct store_place *place = *state;
    static const unsigned char body[HASH_SIZE] = {1}, other[HASH_SIZE] = {2};
    int64_t id = place->jane.id, now = 1000 * (int64_t)DAY_MS;
    struct remembered out, answer = {.status = 201, .content_type = "application/json", .body = "{}", .location = "/x"};
    assert_int_equal(store_idempotency_begin(place->store, &place->arena, id, "k", body, now, &out), RESULT_OK);
    assert_int_equal(store_idempotency_begin(place->store, &place->arena, id, "k", body, now, &out), RESULT_CONFLICT);
    assert_int_equal(store_idempotency_begin(place->store, &place->arena, id, "k", other, now, &out), RESULT_INVALID);
    assert_int_equal(store_idempotency_begin(place->store, &place->arena, id + 1, "k", body, now, &out), RESULT_OK);
    assert_int_equal(store_idempotency_finish(place->store, id, "k", &answer), RESULT_OK);
    assert_int_equal(store_idempotency_begin(place->store, &place->arena, id, "k", body, now + 1, &out),
                     RESULT_LIMITED);
    assert_int_equal(out.status, 201);
    assert_string_equal(out.content_type, "application/json");
    assert_string_equal(out.body, "{}");
    assert_string_equal(out.location, "/x");
    assert_int_equal(store_idempotency_begin(place->store, &place->arena, id, "k", other, now + DAY_MS + 1, &out),
                     RESULT_OK);
}

static void idempotency__forgets_what_failed_or_died(void **state)
{
    struct store_place *place = *state;
    static const unsigned char body[HASH_SIZE] = {1};
    int64_t id = place->jane.id, now = 1000 * (int64_t)DAY_MS;
    struct remembered out, failed = {.status = 503};
    assert_int_equal(store_idempotency_begin(place->store, &place->arena, id, "k", body, now, &out), RESULT_OK);
    assert_int_equal(store_idempotency_finish(place->store, id, "k", &failed), RESULT_OK);
    assert_int_equal(store_idempotency_begin(place->store, &place->arena, id, "k", body, now, &out), RESULT_OK);
    assert_int_equal(store_idempotency_begin(place->store, &place->arena, id, "k", body, now + MINUTE_MS, &out),
                     RESULT_CONFLICT);
    assert_int_equal(store_idempotency_begin(place->store, &place->arena, id, "k", body, now + 3 * MINUTE_MS, &out),
                     RESULT_OK);
}

/* The process died after the work, or the commit's answer was lost. */
static void idempotency__never_does_again_what_was_done(void **state)
{
    struct store_place *place = *state;
    static const unsigned char body[HASH_SIZE] = {1};
    int64_t id = place->jane.id, now = 1000 * (int64_t)DAY_MS, tries;
    struct remembered out, failed = {.status = 503},
                           answer = {.status = 201, .content_type = "application/json", .body = "{}"};
    assert_int_equal(store_idempotency_begin(place->store, &place->arena, id, "k", body, now, &out), RESULT_OK);
    assert_int_equal(store_throttle_count(place->store, "the work", 1000, now, &tries), RESULT_OK);
    assert_int_equal(store_idempotency_finish(place->store, id, "k", &failed), RESULT_OK);
    for (int minutes = 0; minutes < 4; minutes += 3) {
        assert_int_equal(
            store_idempotency_begin(place->store, &place->arena, id, "k", body, now + minutes * MINUTE_MS, &out),
            RESULT_LIMITED);
        assert_int_equal(out.status, 409);
        assert_null(out.body);
    }
    assert_int_equal(store_idempotency_begin(place->store, &place->arena, id, "other", body, now, &out), RESULT_OK);
    assert_int_equal(store_throttle_count(place->store, "the work", 1000, now, &tries), RESULT_OK);
    assert_int_equal(store_idempotency_finish(place->store, id, "other", &answer), RESULT_OK);
    assert_int_equal(store_throttle_count(place->store, "nobody's work", 1000, now, &tries), RESULT_OK);
    assert_int_equal(store_idempotency_begin(place->store, &place->arena, id, "other", body, now, &out),
                     RESULT_LIMITED);
    assert_int_equal(out.status, 201);
    assert_string_equal(out.body, "{}");
}

/* Without a server that could still be at it. */
static void idempotency__lets_go_what_went_down_with_its_process(void **state)
{
    struct store_place *place = *state;
    static const unsigned char body[HASH_SIZE] = {1};
    int64_t id = place->jane.id, now = 1000 * (int64_t)DAY_MS, tries;
    struct remembered out;
    assert_int_equal(store_idempotency_begin(place->store, &place->arena, id, "done", body, now, &out), RESULT_OK);
    assert_int_equal(store_throttle_count(place->store, "the work", 1000, now, &tries), RESULT_OK);
    assert_int_equal(store_idempotency_begin(place->store, &place->arena, id, "not done", body, now, &out), RESULT_OK);
    store_close(place->store);
    store_place_open(place);
    assert_int_equal(store_idempotency_begin(place->store, &place->arena, id, "not done", body, now, &out), RESULT_OK);
    assert_int_equal(store_idempotency_begin(place->store, &place->arena, id, "done", body, now, &out), RESULT_LIMITED);
    assert_int_equal(out.status, 409);
}

int main(void)
{
#define IN_A_STORE(test) cmocka_unit_test_setup_teardown(test, make_place, drop_place)
    const struct CMUnitTest tests[] = {
        IN_A_STORE(members__the_first_is_the_owner),
        IN_A_STORE(members__share_no_handle_and_no_email),
        IN_A_STORE(members__cannot_take_the_handle_of_somebodys_card),
        IN_A_STORE(members__disabled_are_let_in_by_nothing),
        IN_A_STORE(members__a_new_password_ends_the_other_sessions),
        IN_A_STORE(sign_in_link__works_once_and_in_time),
        IN_A_STORE(session__ends_when_idle_or_expired_or_left),
        IN_A_STORE(session__the_eleventh_ends_the_first),
        IN_A_STORE(token__lives_until_revoked),
        IN_A_STORE(throttle__counts_within_its_window),
        IN_A_STORE(members__are_renamed_and_told_of_only_then),
        IN_A_STORE(idempotency__replays_what_was_answered),
        IN_A_STORE(idempotency__forgets_what_failed_or_died),
        IN_A_STORE(idempotency__never_does_again_what_was_done),
        IN_A_STORE(idempotency__lets_go_what_went_down_with_its_process),
    };
    int failed = 0;
    for (size_t i = 0; i < STORE_ENGINES; i++) {
        engine = store_engines[i].driver;
        failed += cmocka_run_group_tests_name(store_engines[i].name, tests, NULL, NULL);
    }
    return failed;
}
