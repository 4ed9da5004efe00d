/* Each verb with the n-th call to the engine failing, for every n: once and from then on, before the engine does it, and with
 * only the answer of the commit lost. A verb that does not say OK has changed nothing, one that says OK has done it, and the
 * next try works. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "server/ids.h"
#include "server/store/db.h"
#include "tests/support/fault_sweep.h"
#include "tests/support/store_place.h"

enum { DAY_MS = 24 * 60 * 60 * 1000 };

static const unsigned char HASH[HASH_SIZE] = {1}, OTHER_HASH[HASH_SIZE] = {2};

static int make_place(void **state)
{
    faults_plan(&(struct fault_plan){0});
    *state = store_place_make(&db_faulty);
    return 0;
}

static int drop_place(void **state)
{
    faults_plan(&(struct fault_plan){0});
    store_place_drop(*state);
    return 0;
}

/* ---- the verbs ---- */

static enum result member_add(struct store_place *place)
{
    struct member member = {.handle = "kate", .name = "Kate", .email = "kate@example.org"};
    return store_member_add(place->store, &member, 5);
}

static enum result member_disable(struct store_place *place)
{
    return store_member_disable(place->store, place->jane.id, 5);
}

static enum result member_set_password(struct store_place *place)
{
    return store_member_set_password(place->store, place->jane.id, "$argon2id$x", HASH);
}

static enum result member_list(struct store_place *place)
{
    struct member *list;
    size_t count;
    enum result result = store_member_list(place->store, &place->arena, &list, &count);
    assert_true(result != RESULT_OK || count == 1);
    return result;
}

static enum result sign_in_link_add(struct store_place *place)
{
    return store_sign_in_link_add(place->store, HASH, place->jane.id, 5, DAY_MS);
}

static void have_sign_in_link(struct store_place *place)
{
    assert_int_equal(sign_in_link_add(place), RESULT_OK);
}

static enum result sign_in_link_use(struct store_place *place)
{
    int64_t id;
    enum result result = store_sign_in_link_use(place->store, HASH, 6, &id);
    assert_true(result == RESULT_OK ? id == place->jane.id : id == 0);
    return result;
}

static enum result session_add(struct store_place *place)
{
    return store_session_add(place->store, HASH, place->jane.id, "Firefox", 5, DAY_MS);
}

static void have_session(struct store_place *place)
{
    assert_int_equal(session_add(place), RESULT_OK);
    assert_int_equal(store_session_add(place->store, OTHER_HASH, place->jane.id, NULL, 5, DAY_MS), RESULT_OK);
}

static enum result session_find(struct store_place *place)
{
    struct session session;
    return store_session_find(place->store, &place->arena, HASH, 6, &session);
}

static enum result session_end(struct store_place *place)
{
    return store_session_end(place->store, HASH);
}

static enum result token_add(struct store_place *place)
{
    struct api_token token = {.member_id = place->jane.id, .name = "crm", .scopes = "read"};
    return store_token_add(place->store, &token, HASH, 5);
}

static enum result throttle_count(struct store_place *place)
{
    int64_t tries;
    return store_throttle_count(place->store, "login", 1000, 5, &tries);
}

static enum result idempotency_begin(struct store_place *place)
{
    struct remembered out;
    return store_idempotency_begin(place->store, &place->arena, place->jane.id, "k", HASH, 5, &out);
}

static void have_idempotency(struct store_place *place)
{
    assert_int_equal(idempotency_begin(place), RESULT_OK);
}

static enum result idempotency_finish(struct store_place *place)
{
    const struct remembered answer = {.status = 201, .body = "{}"};
    return store_idempotency_finish(place->store, place->jane.id, "k", &answer);
}

static enum result card_add(struct store_place *place)
{
    struct card card = {.owner_id = place->jane.id, .name = "Second", .accent = "pine", .theme = "auto"};
    return store_card_add(place->store, &place->arena, &card, 5);
}

static enum result card_update(struct store_place *place)
{
    struct card card = place->card;
    card.handle = "night";
    enum result result = store_card_update(place->store, &card, 5);
    assert_true(card.revision == (result == RESULT_OK ? 2 : 1));
    return result;
}

static enum result card_list(struct store_place *place)
{
    struct card *list;
    size_t count;
    enum result result = store_card_list(place->store, &place->arena, place->jane.id, &list, &count);
    assert_true(result != RESULT_OK || count == 1);
    return result;
}

static enum result card_retire(struct store_place *place)
{
    return store_card_retire(place->store, place->jane.id, place->card.id, 5);
}

static enum result portrait_set(struct store_place *place)
{
    struct card card = place->card;
    enum result result = store_portrait_set(place->store, &card, "jpeg", 4, 5);
    assert_true(result != RESULT_OK || card.portrait_id != card.id);
    return result;
}

static enum result share_add(struct store_place *place)
{
    struct share parent;
    enum result result = store_share_find_by_handle(place->store, &place->arena, "jane", &parent);
    if (result != RESULT_OK)
        return result;
    struct share share = {.owner_id = place->jane.id,
                          .card_id = place->card.id,
                          .sharer_member_id = place->jane.id,
                          .recipient = "Ms Miller",
                          .parent_id = parent.id};
    token_new(share.token);
    return store_share_add(place->store, &place->arena, &share, 5);
}

static void have_webhook(struct store_place *place)
{
    struct webhook webhook = {.owner_id = place->jane.id, .url = "https://example.org/hook", .events = ~0u};
    assert_int_equal(store_webhook_add(place->store, &webhook, 5), RESULT_OK);
}

static enum result share_list(struct store_place *place)
{
    struct share_row *rows;
    size_t count;
    enum result result = store_share_list(place->store, &place->arena, place->jane.id, 0, 0, 10, &rows, &count);
    assert_true(result != RESULT_OK || count == 1);
    return result;
}

static struct lead form_of(struct store_place *place)
{
    struct share share;
    assert_int_equal(store_share_find_by_handle(place->store, &place->arena, "jane", &share), RESULT_OK);
    return (struct lead){.owner_id = place->jane.id,
                         .card_id = place->card.id,
                         .share_id = share.id,
                         .visitor_hit_id = 77,
                         .stage = STAGE_NEW,
                         .name = "Tom",
                         .email = "tom@example.org",
                         .consent_text = "Yes.",
                         .consent_contact = true};
}

static enum result lead_add(struct store_place *place)
{
    struct share share;
    enum result result = store_share_find_by_handle(place->store, &place->arena, "jane", &share);
    if (result != RESULT_OK)
        return result;
    struct lead lead = {.owner_id = place->jane.id,
                        .card_id = place->card.id,
                        .share_id = share.id,
                        .visitor_hit_id = 77,
                        .stage = STAGE_NEW,
                        .name = "Tom",
                        .email = "tom@example.org",
                        .consent_text = "Yes."},
                out;
    return store_lead_add(place->store, &place->arena, &lead, HASH, 5, &out);
}

static void have_lead(struct store_place *place)
{
    struct lead lead = form_of(place), out;
    have_webhook(place);
    assert_int_equal(store_lead_add(place->store, &place->arena, &lead, HASH, 5, &out), RESULT_OK);
}

static enum result lead_erase(struct store_place *place)
{
    return store_lead_erase_by_receipt(place->store, HASH, 6);
}

static const struct fault_verb verbs[] = {
    {"member_add", NULL, member_add, false},
    {"member_disable", have_session, member_disable, false},
    {"member_set_password", have_session, member_set_password, false},
    {"member_list", NULL, member_list, true},
    {"sign_in_link_add", NULL, sign_in_link_add, false},
    {"sign_in_link_use", have_sign_in_link, sign_in_link_use, false},
    {"session_add", NULL, session_add, false},
    {"session_find", have_session, session_find, true},
    {"session_end", have_session, session_end, false},
    {"token_add", NULL, token_add, false},
    {"throttle_count", NULL, throttle_count, false},
    {"idempotency_begin", NULL, idempotency_begin, false},
    {"idempotency_finish", have_idempotency, idempotency_finish, false},
    {"card_add", NULL, card_add, false},
    {"card_update", NULL, card_update, false},
    {"card_list", NULL, card_list, true},
    {"card_retire", NULL, card_retire, false},
    {"portrait_set", NULL, portrait_set, false},
    {"share_add", have_webhook, share_add, true},
    {"share_list", NULL, share_list, true},
    {"lead_add", have_webhook, lead_add, true},
    {"lead_erase", have_lead, lead_erase, true},
};

static void every_verb__undoes_all_when_one_call_fails(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        fault_sweep(&verbs[i], (struct fault_plan){0});
}

static void every_verb__undoes_all_when_the_engine_fails_for_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        fault_sweep(&verbs[i], (struct fault_plan){.sticky = true});
}

static void every_verb__tries_again_when_the_engine_is_busy(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        fault_sweep_busy(&verbs[i]);
}

/* The commit is done and its answer lost: nobody may be told OK, and a second try must not double what is there. */
static void commit__whose_answer_is_lost_is_no_ok(void **state)
{
    struct store_place *place = *state;
    uint64_t before = fault_fingerprint(place);
    for (int n = 1; n < FAULTS_MAX; n++) {
        faults_plan(&(struct fault_plan){.fail_at = n, .too_late = true});
        enum result result = member_add(place);
        int struck = faults_struck();
        faults_plan(&(struct fault_plan){0});
        assert_int_equal(struck, 1);
        assert_int_equal(result, RESULT_FAILED);
        if (fault_fingerprint(place) != before) { /* that was the commit */
            assert_int_equal(member_add(place), RESULT_CONFLICT);
            return;
        }
    }
    fail_msg("no call was the commit");
}

static int told;

static void count_told(void *context)
{
    assert_ptr_equal(context, &told);
    told++;
}

static void store__that_is_broken_tells_once_and_acknowledges_nothing(void **state)
{
    struct store_place *place = *state;
    const char *why;
    store_close(place->store);
    const struct store_options options = {
        .url = place->url, .driver = &db_faulty, .on_broken = count_told, .broken_context = &told};
    assert_int_equal(store_open(&options, &place->arena, &place->store, &why), RESULT_OK);
    told = 0;
    faults_plan(&(struct fault_plan){.fail_at = 1, .breaks = true});
    assert_int_equal(member_add(place), RESULT_FAILED);
    faults_plan(&(struct fault_plan){0});
    assert_int_equal(told, 1);
    uint64_t before = fault_fingerprint(place);
    assert_int_equal(member_add(place), RESULT_FAILED); /* though the engine would again */
    assert_int_equal(store_ping(place->store), RESULT_FAILED);
    assert_int_equal(told, 1);
    assert_true(fault_fingerprint(place) == before);
    store_close(place->store);
    store_place_open(place); /* the start after it */
    assert_int_equal(member_add(place), RESULT_OK);
}

static void store__that_could_not_write_says_so_until_it_can(void **state)
{
    struct store_place *place = *state;
    struct store_figures figures;
    assert_int_equal(store_ping(place->store), RESULT_OK);
    faults_plan(&(struct fault_plan){.fail_at = 1, .sticky = true});
    assert_int_equal(member_add(place), RESULT_FAILED);
    faults_plan(&(struct fault_plan){.fail_at = 6, .sticky = true}); /* reads go on, writes do not */
    assert_int_equal(store_ping(place->store), RESULT_FAILED);
    store_figures(place->store, &figures);
    assert_in_range(figures.write_failures, 1, 2);
    faults_plan(&(struct fault_plan){0}); /* space is back: no restart is needed */
    assert_int_equal(store_ping(place->store), RESULT_OK);
    assert_int_equal(member_add(place), RESULT_OK);
}

/* Opening, migrations and all, with each call failing: FAILED with a sentence, and the next start does it. */
static void store_open__fails_with_a_sentence_and_can_be_tried_again(void **state)
{
    struct store_place *place = *state;
    store_close(place->store);
    place->store = NULL;
    char url[ENGINE_URL_SIZE];
    engine_url(arena_printf(&place->arena, "%s/fresh", place->folder), url);
    for (int n = 1; n < FAULTS_MAX; n++) {
        const struct store_options options = {.url = url, .driver = &db_faulty};
        struct store *store;
        const char *why;
        faults_plan(&(struct fault_plan){.fail_at = n});
        enum result result = store_open(&options, &place->arena, &store, &why);
        int struck = faults_struck();
        faults_plan(&(struct fault_plan){0});
        if (!struck) {
            assert_int_equal(result, RESULT_OK);
            assert_in_range(n, 10, FAULTS_MAX);
            store_close(store);
            engine_drop(url);
            return;
        }
        if (result == RESULT_OK) { /* a fault that need not stop a start: housekeeping */
            store_close(store);
            continue;
        }
        assert_int_equal(result, RESULT_FAILED);
        assert_null(store);
        assert_non_null(why);
    }
    fail_msg("it never opened");
}

/* A command that only reads must not send its caller to bring up to date what cannot be read. */
static void store_open__calls_a_store_older_only_if_it_is(void **state)
{
    struct store_place *place = *state;
    const struct store_options options = {.url = place->url, .driver = &db_faulty, .read_only = true};
    struct store *store;
    const char *why;
    int refused = 0;
    store_close(place->store);
    place->store = NULL;
    for (int n = 1; n < FAULTS_MAX; n++) {
        faults_plan(&(struct fault_plan){.fail_at = n});
        enum result result = store_open(&options, &place->arena, &store, &why);
        int struck = faults_struck();
        faults_plan(&(struct fault_plan){0});
        if (result == RESULT_OK)
            store_close(store);
        else {
            refused++;
            assert_non_null(why);
            assert_null(strstr(why, "older"));
        }
        if (!struck)
            break;
    }
    assert_in_range(refused, 10, FAULTS_MAX); /* each step is looked for */
    store_place_open(place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_verb__undoes_all_when_one_call_fails),
        cmocka_unit_test(every_verb__undoes_all_when_the_engine_fails_for_good),
        cmocka_unit_test(every_verb__tries_again_when_the_engine_is_busy),
        cmocka_unit_test_setup_teardown(commit__whose_answer_is_lost_is_no_ok, make_place, drop_place),
        cmocka_unit_test_setup_teardown(store__that_is_broken_tells_once_and_acknowledges_nothing, make_place,
                                        drop_place),
        cmocka_unit_test_setup_teardown(store__that_could_not_write_says_so_until_it_can, make_place, drop_place),
        cmocka_unit_test_setup_teardown(store_open__fails_with_a_sentence_and_can_be_tried_again, make_place,
                                        drop_place),
        cmocka_unit_test_setup_teardown(store_open__calls_a_store_older_only_if_it_is, make_place, drop_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
