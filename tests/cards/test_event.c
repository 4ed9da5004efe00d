/* What other systems are told: the shape of a lead, bodies that always fit, the retry schedule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "cards/event.h"

static struct arena arena;
static const int64_t NOW_MS = 1795325596123; /* 2026-11-22T05:33:16.123Z, by date(1) */

static struct hand chain[] = {
    {.share_id = 11,
     .token = "0123456789ABCDEF",
     .member_id = 1,
     .handle = "jane",
     .name = "Jane Doe",
     .channel = CHANNEL_EVENT},
    {.share_id = 12,
     .token = "ZZZZZZZZZZZZZZZZ",
     .lead_id = 9,
     .name = "Kenji",
     .vouch = "She delivers.",
     .channel = CHANNEL_WHATSAPP},
};
static struct share share = {.id = 12,
                             .owner_id = 1,
                             .card_id = 5,
                             .parent_id = 11,
                             .sharer_lead_id = 9,
                             .created_ms = 1795325596123,
                             .token = "ZZZZZZZZZZZZZZZZ",
                             .channel = CHANNEL_WHATSAPP,
                             .label = "Berlin fair",
                             .chain = chain,
                             .chain_len = 2};

static void assert_json(json_t *json, const char *expected)
{
    json_t *wanted = json_loads(expected, 0, NULL);
    assert_non_null(wanted);
    if (!json_equal(json, wanted))
        assert_string_equal(json_dumps(json, JSON_COMPACT), expected);
    json_decref(wanted);
    json_decref(json);
}

static void lead__is_told_in_full(void **state)
{
    (void)state;
    const struct lead lead = {.id = 32,
                              .referral = true,
                              .stage = STAGE_NEW,
                              .endorser_lead_id = 9,
                              .endorser_name = "Kenji",
                              .endorser_vouch = "She delivers.",
                              .name = "Zoë",
                              .email = "z@example.org",
                              .message = "Call me.\nSoon.",
                              .created_ms = NOW_MS,
                              .identified_ms = NOW_MS + 1,
                              .updated_ms = NOW_MS + 2,
                              .share = &share};
    assert_json(
        lead_to_json(&lead),
        "{\"id\":\"led_0000000000010\",\"kind\":\"referral\",\"stage\":\"new\","
        "\"sharer\":{\"id\":\"led_0000000000009\",\"handle\":null,\"name\":\"Kenji\"},"
        "\"share\":{\"id\":\"shr_000000000000C\",\"token\":\"ZZZZZZZZZZZZZZZZ\",\"channel\":\"whatsapp\",\"label\":\"Berlin fair\"},"
        "\"chain\":[{\"share_id\":\"shr_000000000000B\",\"token\":\"0123456789ABCDEF\",\"channel\":\"event\","
        "\"sharer\":{\"id\":\"mem_0000000000001\",\"handle\":\"jane\",\"name\":\"Jane Doe\"},\"vouch\":null},"
        "{\"share_id\":\"shr_000000000000C\",\"token\":\"ZZZZZZZZZZZZZZZZ\",\"channel\":\"whatsapp\","
        "\"sharer\":{\"id\":\"led_0000000000009\",\"handle\":null,\"name\":\"Kenji\"},\"vouch\":\"She delivers.\"}],"
        "\"endorser\":{\"id\":\"led_0000000000009\",\"handle\":null,\"name\":\"Kenji\",\"vouch\":\"She delivers.\"},"
        "\"name\":\"Zoë\",\"email\":\"z@example.org\",\"phone\":null,\"company\":null,\"message\":\"Call me.\\nSoon.\","
        "\"recipient\":null,\"set_aside\":null,\"created_at\":\"2026-11-22T05:33:16.123Z\","
        "\"identified_at\":\"2026-11-22T05:33:16.124Z\",\"updated_at\":\"2026-11-22T05:33:16.125Z\"}");
}

static void lead__of_a_stranger_has_no_endorser(void **state)
{
    (void)state;
    struct share own = share;
    own.chain_len = 1;
    const struct lead lead = {
        .id = 32, .stage = STAGE_POTENTIAL, .recipient = "Bob", .created_ms = NOW_MS, .share = &own};
    json_t *json = lead_to_json(&lead);
    assert_string_equal(json_string_value(json_object_get(json, "kind")), "lead");
    assert_true(json_is_null(json_object_get(json, "endorser")));
    assert_true(json_is_null(json_object_get(json, "identified_at")));
    assert_string_equal(json_string_value(json_object_get(json_object_get(json, "sharer"), "handle")), "jane");
    json_decref(json);
}

static void lead__whose_share_was_not_read_is_told_without(void **state)
{
    (void)state;
    json_t *json = lead_to_json(&(struct lead){.id = 32});
    assert_true(json_is_null(json_object_get(json, "share")));
    assert_true(json_is_null(json_object_get(json, "sharer")));
    assert_int_equal(json_array_size(json_object_get(json, "chain")), 0);
    json_decref(json);
}

static void share__is_told_with_its_addresses(void **state)
{
    (void)state;
    struct share told = share;
    told.chain_len = 0;
    told.chain = NULL;
    told.expires_ms = NOW_MS + 1000;
    assert_json(
        share_to_json(&told, "https://cards.example"),
        "{\"id\":\"shr_000000000000C\",\"token\":\"ZZZZZZZZZZZZZZZZ\",\"url\":\"https://cards.example/c/ZZZZZZZZZZZZZZZZ\","
        "\"qr_png_url\":\"https://cards.example/c/ZZZZZZZZZZZZZZZZ.png\",\"qr_svg_url\":\"https://cards.example/c/ZZZZZZZZZZZZZZZZ.svg\","
        "\"card_id\":\"crd_0000000000005\",\"channel\":\"whatsapp\",\"label\":\"Berlin fair\",\"recipient\":null,"
        "\"parent\":\"shr_000000000000B\",\"sharer\":{\"id\":\"led_0000000000009\",\"handle\":null,\"name\":null},\"chain\":[],"
        "\"created_at\":\"2026-11-22T05:33:16.123Z\",\"expires_at\":\"2026-11-22T05:33:17.123Z\",\"revoked_at\":null}");
}

static void time__is_rfc_3339_in_utc(void **state)
{
    (void)state;
    assert_string_equal(time_text(NOW_MS, &arena), "2026-11-22T05:33:16.123Z");
    assert_string_equal(time_text(1, &arena), "1970-01-01T00:00:00.001Z");
    assert_string_equal(time_text(951782400000, &arena), "2000-02-29T00:00:00.000Z");
    assert_null(time_text(0, &arena));
    json_t *none = time_json(0);
    assert_true(json_is_null(none));
    json_decref(none);
}

static void event__names_are_read_back(void **state)
{
    (void)state;
    for (enum event_type type = 0; type < EVENT_COUNT; type++)
        assert_int_equal(event_parse(event_name(type)), type);
    assert_string_equal(event_name(EVENT_LEAD_CREATED), "lead.created");
    assert_int_equal(event_parse("lead"), EVENT_COUNT);
    assert_int_equal(event_parse(NULL), EVENT_COUNT);
}

static void event__body_is_type_timestamp_and_data(void **state)
{
    (void)state;
    const char *body = event_body(EVENT_WEBHOOK_PING, NOW_MS, json_pack("{s:s}", "note", "hello"), &arena);
    assert_string_equal(
        body, "{\"type\":\"webhook.ping\",\"timestamp\":\"2026-11-22T05:33:16.123Z\",\"data\":{\"note\":\"hello\"}}");
}

static const char *of_length(int points, const char *point)
{
    size_t len = strlen(point);
    char *text = arena_alloc(&arena, (size_t)points * len + 1);
    for (int i = 0; i < points; i++)
        memcpy(text + (size_t)i * len, point, len);
    return text;
}

/* Everything at its limit, each character of four bytes: more than a body may hold. */
static void event__body_always_fits(void **state)
{
    (void)state;
    struct hand hands[SHARE_CHAIN_MAX];
    for (int i = 0; i < SHARE_CHAIN_MAX; i++)
        hands[i] = (struct hand){.share_id = INT64_MAX - i,
                                 .token = "0123456789ABCDEF",
                                 .member_id = INT64_MAX - i,
                                 .handle = of_length(32, "h"),
                                 .name = of_length(120, "𠮷"),
                                 .vouch = of_length(240, "𠮷"),
                                 .channel = CHANNEL_SIGNATURE};
    struct share long_share = share;
    long_share.chain = hands;
    long_share.chain_len = SHARE_CHAIN_MAX;
    long_share.label = of_length(80, "𠮷");
    struct lead lead = {.id = INT64_MAX,
                        .referral = true,
                        .endorser_member_id = 7,
                        .endorser_name = of_length(120, "𠮷"),
                        .endorser_handle = of_length(32, "h"),
                        .endorser_vouch = of_length(240, "𠮷"),
                        .name = of_length(120, "𠮷"),
                        .email = of_length(254, "e"),
                        .phone = of_length(254, "1"),
                        .company = of_length(120, "𠮷"),
                        .message = of_length(2000, "𠮷"),
                        .recipient = of_length(120, "𠮷"),
                        .created_ms = NOW_MS,
                        .share = &long_share};
    for (int round = 0; round < 3; round++) {
        lead.message = of_length(2000, round == 0 ? "𠮷" : round == 1 ? "\n" : "\"");
        const char *body =
            event_body(EVENT_LEAD_CREATED, NOW_MS, json_pack("{s:o}", "lead", lead_to_json(&lead)), &arena);
        const char *sent = event_number(body, INT64_MAX, &arena);
        assert_true(strlen(sent) <= EVENT_BODY_MAX);
        assert_true(strlen(sent) > EVENT_BODY_MAX / 2);
        json_t *json = json_loads(sent, 0, NULL);
        assert_non_null(json);
        assert_true(json_is_true(json_object_get(json, "cut")));
        assert_true(json_integer_value(json_object_get(json, "sequence")) == INT64_MAX);
        json_t *told = json_object_get(json_object_get(json, "data"), "lead");
        assert_int_equal(json_array_size(json_object_get(told, "chain")), SHARE_CHAIN_MAX);
        assert_string_equal(json_string_value(json_object_get(told, "email")), lead.email);
        json_decref(json);
    }
}

static void event__body_that_fits_is_not_cut(void **state)
{
    (void)state;
    const struct lead lead = {.id = 1, .message = of_length(2000, "é"), .share = &share};
    const char *body = event_body(EVENT_LEAD_CREATED, NOW_MS, json_pack("{s:o}", "lead", lead_to_json(&lead)), &arena);
    assert_non_null(strstr(body, lead.message));
    assert_null(strstr(body, "\"cut\""));
}

static void event__of_erased_words_has_no_number(void **state)
{
    (void)state;
    assert_null(event_number("", 1, &arena));
    assert_null(event_number("{}", 1, &arena));
    assert_null(event_thin("", 1, "https://cards.example"));
    assert_null(event_thin("[]", 1, "https://cards.example"));
}

static int open_arena(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static int close_arena(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_arena, close_arena)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(lead__is_told_in_full),
        CASE(lead__of_a_stranger_has_no_endorser),
        CASE(lead__whose_share_was_not_read_is_told_without),
        CASE(share__is_told_with_its_addresses),
        CASE(time__is_rfc_3339_in_utc),
        CASE(event__names_are_read_back),
        CASE(event__body_is_type_timestamp_and_data),
        CASE(event__body_always_fits),
        CASE(event__body_that_fits_is_not_cut),
        CASE(event__of_erased_words_has_no_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
