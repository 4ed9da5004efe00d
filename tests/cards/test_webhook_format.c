/* What is sent to an endpoint in each format: who and where from at a glance, within each receiver's limits, and nothing a
 * stranger wrote that calls somebody or draws a link. Whether the receivers' own schemas and parsers agree is asked in
 * tests/journeys/webhook_formats.test.mjs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <string.h>
#include "cards/chat_text.h"
#include "cards/event.h"
#include "cards/webhook_format.h"

static struct arena arena;
static const int64_t NOW_MS = 1795325596123;
static const char BASE[] = "https://cards.example";

static const char *of_length(int points, const char *point)
{
    size_t len = strlen(point);
    char *text = arena_alloc(&arena, (size_t)points * len + 1);
    for (int i = 0; i < points; i++)
        memcpy(text + (size_t)i * len, point, len);
    return text;
}

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
static const struct lead kind_lead = {.id = 32,
                                      .referral = true,
                                      .stage = STAGE_NEW,
                                      .endorser_lead_id = 9,
                                      .endorser_name = "Kenji",
                                      .endorser_vouch = "She delivers.",
                                      .name = "Zoë",
                                      .email = "zoe@example.org",
                                      .phone = "+49 40 5550-172",
                                      .company = "Z & Co",
                                      .message = "Call me.\nSoon.",
                                      .created_ms = 1795325596123,
                                      .identified_ms = 1795325596123,
                                      .updated_ms = 1795325596123,
                                      .share = &share};

static const char *event_of(enum event_type type, const struct lead *lead)
{
    return event_body(type, NOW_MS, json_pack("{s:o}", "lead", lead_to_json(lead)), &arena);
}

static struct webhook_message written(enum webhook_format format, bool thin, const char *body)
{
    struct webhook_message message;
    const char *url = format == FORMAT_NTFY ? "https://ntfy.example/my-topic" : "https://chat.example/hook";
    const struct webhook_event event = {
        .format = format, .thin = thin, .sequence = 7, .url = url, .body = body, .base_url = BASE};
    assert_int_equal(webhook_format_write(&event, &arena, &message), RESULT_OK);
    assert_non_null(message.body);
    return message;
}

#define EACH_CHAT(format) for (enum webhook_format format = FORMAT_SLACK; format < FORMAT_COUNT; format++)

static void format__names_are_read_back_and_said_in_words(void **state)
{
    (void)state;
    for (enum webhook_format format = 0; format < FORMAT_COUNT; format++) {
        assert_int_equal(webhook_format_parse(webhook_format_name(format)), format);
        assert_true(*webhook_format_label(format));
        assert_true(strlen(webhook_format_hint(format)) > 20);
    }
    assert_int_equal(webhook_format_parse("standard"), 0); /* rows made before there was a choice */
    assert_int_equal(webhook_format_parse("irc"), FORMAT_COUNT);
    assert_int_equal(webhook_format_parse(NULL), FORMAT_COUNT);
}

static void standard__is_the_kept_body_with_its_number(void **state)
{
    (void)state;
    const char *body =
        event_body(EVENT_WEBHOOK_PING, NOW_MS, json_pack("{s:s}", "note", "\"timestamp\":\"x\""), &arena);
    struct webhook_message message = written(FORMAT_STANDARD, false, body);
    assert_string_equal(message.body,
                        "{\"type\":\"webhook.ping\",\"timestamp\":\"2026-11-22T05:33:16.123Z\",\"sequence\":7,"
                        "\"data\":{\"note\":\"\\\"timestamp\\\":\\\"x\\\"\"}}");
    assert_string_equal(message.url, "https://chat.example/hook");
}

static void standard__thin_tells_ids_kind_and_where_to_read_on(void **state)
{
    (void)state;
    struct webhook_message message = written(FORMAT_STANDARD, true, event_of(EVENT_LEAD_CREATED, &kind_lead));
    assert_string_equal(message.body,
                        "{\"type\":\"lead.created\",\"timestamp\":\"2026-11-22T05:33:16.123Z\",\"sequence\":7,\"data\":"
                        "{\"lead\":{\"id\":\"led_0000000000010\",\"kind\":\"referral\",\"api_url\":"
                        "\"https://cards.example/api/v1/leads/led_0000000000010\"}}}");
}

static void standard__thin_of_an_erased_lead_points_nowhere(void **state)
{
    (void)state;
    const char *body =
        event_body(EVENT_LEAD_ERASED, NOW_MS, json_pack("{s:{s:s}}", "lead", "id", "led_0000000000010"), &arena);
    assert_string_equal(written(FORMAT_STANDARD, true, body).body,
                        "{\"type\":\"lead.erased\",\"timestamp\":\"2026-11-22T05:33:16.123Z\",\"sequence\":7,"
                        "\"data\":{\"lead\":{\"id\":\"led_0000000000010\"}}}");
}

static void what_erasing_emptied__is_not_sent(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * FORMAT_COUNT; i++) {
        struct webhook_message message;
        const struct webhook_event event = {.format = (enum webhook_format)(i / 2),
                                            .thin = i % 2,
                                            .url = "https://ntfy.example/topic",
                                            .body = "",
                                            .base_url = BASE};
        assert_int_equal(webhook_format_write(&event, &arena, &message), RESULT_INVALID);
        assert_null(message.body);
    }
}

static void chats__say_who_where_from_and_how_to_reach_them(void **state)
{
    (void)state;
    static const char *const SAID[] = {"New referral",
                                       "Zoë",
                                       "zoe@example.org",
                                       "+49 40 5550-172",
                                       "WhatsApp",
                                       "Berlin fair",
                                       "Kenji",
                                       "She delivers.",
                                       "Jane Doe",
                                       "Call me",
                                       "https://cards.example/leads/led_0000000000010"};
    EACH_CHAT(format)
    {
        const char *body = written(format, false, event_of(EVENT_LEAD_CREATED, &kind_lead)).body;
        for (size_t i = 0; i < sizeof SAID / sizeof *SAID; i++)
            if (!strstr(body, SAID[i]))
                fail_msg("%s does not say %s: %s", webhook_format_name(format), SAID[i], body);
    }
}

static void chats__tell_a_lead_from_a_referral(void **state)
{
    (void)state;
    struct lead lead = kind_lead;
    lead.referral = false;
    EACH_CHAT(format)
    {
        const char *body = written(format, false, event_of(EVENT_LEAD_CREATED, &lead)).body;
        assert_non_null(strstr(body, "New lead"));
        assert_null(strstr(body, "eferral"));
        assert_null(strstr(body, "Endorsed"));
    }
}

static void chats__thin_name_nobody(void **state)
{
    (void)state;
    static const char *const HIDDEN[] = {"Zoë",   "zoe",  "5550",   "Z & Co",  "Call me",
                                         "Kenji", "Jane", "Berlin", "WhatsApp"};
    for (enum webhook_format format = 0; format < FORMAT_COUNT; format++) {
        const char *body = written(format, true, event_of(EVENT_LEAD_CREATED, &kind_lead)).body;
        for (size_t i = 0; i < sizeof HIDDEN / sizeof *HIDDEN; i++)
            assert_null(strstr(body, HIDDEN[i]));
        assert_non_null(strstr(body, "eferral"));
        assert_non_null(strstr(body, "leads/led_0000000000010"));
    }
}

static void same_event__is_the_same_bytes_at_every_attempt(void **state)
{
    (void)state;
    const char *body = event_of(EVENT_LEAD_UPDATED, &kind_lead);
    for (enum webhook_format format = 0; format < FORMAT_COUNT; format++)
        for (int thin = 0; thin < 2; thin++)
            assert_string_equal(written(format, thin, body).body, written(format, thin, body).body);
}

static void every_event__has_words_in_every_chat(void **state)
{
    (void)state;
    EACH_CHAT(format)
    for (enum event_type type = 0; type < EVENT_COUNT; type++) {
        json_t *data = type == EVENT_WEBHOOK_PING  ? json_pack("{s:{s:s}}", "webhook", "id", "whk_0000000000001")
                       : type == EVENT_LEAD_ERASED ? json_pack("{s:{s:s}}", "lead", "id", "led_0000000000010")
                       : type == EVENT_CARD_SCANNED || type == EVENT_SHARE_CREATED || type == EVENT_SHARE_PASSED_ON
                           ? json_pack("{s:o}", "share", share_to_json(&share, BASE))
                           : json_pack("{s:o}", "lead", lead_to_json(&kind_lead));
        json_t *json = json_loads(written(format, false, event_body(type, NOW_MS, data, &arena)).body, 0, NULL);
        assert_non_null(json);
        json_decref(json);
    }
}

/* ------------------------------------------------------------------------------------------------------ strangers */

static void literal__parts_what_would_call_or_link(void **state)
{
    (void)state;
    const char *text =
        chat_text("@channel see https://evil.example, www.evil.example: at 10:30. #here ~town C# :100: 3 .",
                  CHAT_LITERAL, 500, TEXT_UTF16, &arena);
    assert_string_equal(text, "@\u200bchannel see https:\u200b//evil\u200b.\u200bexample, "
                              "www\u200b.\u200bevil\u200b.\u200bexample: at 10:30. #\u200bhere ~\u200btown C# "
                              ":\u200b100: 3 .");
}

static void slack__references_what_it_parses(void **state)
{
    (void)state;
    assert_string_equal(chat_text("<!channel> & <@U1|x>", CHAT_SLACK, 500, TEXT_UTF16, &arena),
                        "&lt;!channel&gt; &amp; &lt;@\u200bU1|x&gt;");
}

static void discord__escapes_its_markdown(void **state)
{
    (void)state;
    assert_string_equal(chat_text("# [x](y) *z* don't\n  - `q` @everyone", CHAT_DISCORD, 500, TEXT_UTF16, &arena),
                        "\\# \\[x\\]\\(y\\) \\*z\\* don't\n  \\- \\`q\\` @\u200beveryone");
}

static void mattermost__parts_mentions_since_it_reads_them_after_escapes(void **state)
{
    (void)state;
    assert_string_equal(chat_text("@all &commat;here #tag ~x ![](y)", CHAT_MATTERMOST, 500, TEXT_UTF16, &arena),
                        "@\u200ball \\&commat;here \\#\u200btag \\~\u200bx \\!\\[\\]\\(y\\)");
}

static void address__is_only_what_is_plainly_one(void **state)
{
    (void)state;
    assert_true(chat_is_address("barry_j+x@mail.example.org"));
    assert_true(chat_is_address("+49 (40) 5550-172"));
    assert_false(chat_is_address("a-@here.com")); /* Mattermost splits words at hyphens */
    assert_false(chat_is_address("\"<!channel>\"@example.org"));
    assert_false(chat_is_address("zoë@example.org"));
    assert_false(chat_is_address("@example.org"));
    assert_false(chat_is_address("a@b@c"));
    assert_false(chat_is_address("www.example"));
    assert_false(chat_is_address(""));
}

static void cutting__keeps_what_people_see_as_one_character(void **state)
{
    (void)state;
    const char *family = "👩‍👩‍👧"; /* 8 UTF-16 units, 18 bytes */
    assert_string_equal(text_fit(arena_printf(&arena, "ab%s%s", family, family), 12, TEXT_UTF16, &arena),
                        arena_printf(&arena, "ab%s…", family));
    assert_string_equal(text_fit(arena_printf(&arena, "ab%s", family), 12, TEXT_BYTES, &arena), "ab…");
    assert_string_equal(text_fit("e\u0301e\u0301e\u0301", 4, TEXT_POINTS, &arena), "e\u0301…");
    assert_string_equal(text_fit("abc", 3, TEXT_BYTES, &arena), "abc");
    for (size_t max = 32; max < 70; max++) {
        const char *text = chat_text("&&&&&&&&&&&& &&&&&&&& &&&& &&&&&&&&&&&&", CHAT_SLACK, max, TEXT_UTF16, &arena);
        assert_true(text_measure(text, TEXT_UTF16) <= max);
        assert_true(text_measure(text, TEXT_UTF16) > max / 2);
    }
}

/* --------------------------------------------------------------------------------------------------------- limits */

static size_t longest(const json_t *json)
{
    size_t most = 0, index, len;
    const char *name;
    json_t *value;
    if (json_is_string(json))
        return text_measure(json_string_value(json), TEXT_UTF16);
    json_array_foreach(json, index, value) most = (len = longest(value)) > most ? len : most;
    json_object_foreach((json_t *)(uintptr_t)json, name, value) most = (len = longest(value)) > most ? len : most;
    return most;
}

static size_t sum_of(const json_t *json)
{
    size_t sum = 0, index;
    const char *name;
    json_t *value;
    if (json_is_string(json))
        return text_measure(json_string_value(json), TEXT_UTF16);
    json_array_foreach(json, index, value) sum += sum_of(value);
    json_object_foreach((json_t *)(uintptr_t)json, name, value) sum += sum_of(value);
    return sum;
}

static void check_discord(const json_t *json)
{
    const json_t *embed = json_array_get(json_object_get(json, "embeds"), 0),
                 *fields = json_object_get(embed, "fields");
    size_t index;
    json_t *field;
    assert_in_range(json_array_size(fields), 1, 25);
    json_array_foreach(fields, index, field) assert_in_range(longest(json_object_get(field, "value")), 1, 1024);
    assert_in_range(longest(json_object_get(embed, "title")), 1, 256);
    assert_in_range(longest(json_object_get(embed, "description")), 1, 4096);
    assert_in_range(sum_of(embed), 1, 6000);
}

static void check_limits(enum webhook_format format, const char *body)
{
    json_t *json = json_loads(body, 0, NULL);
    assert_non_null(json);
    assert_in_range(strlen(body), 1, WEBHOOK_BODY_MAX); /* for Teams, 28 KB */
    if (format == FORMAT_SLACK)
        assert_in_range(longest(json), 1, 3000);
    else if (format == FORMAT_DISCORD)
        check_discord(json);
    else if (format == FORMAT_MATTERMOST)
        assert_in_range(longest(json), 1, 16383);
    else if (format == FORMAT_NTFY) {
        assert_in_range(strlen(json_string_value(json_object_get(json, "message"))), 1, 4096);
        assert_in_range(strlen(body), 1, 2 * 4096);
        assert_in_range(json_array_size(json_object_get(json, "actions")), 1, 3);
    }
    json_decref(json);
}

/* Everything as long as it may be, of what each format makes longest. */
static void chats__hold_their_limits(void **state)
{
    (void)state;
    static const char *const POINTS[] = {
        "a", "é", "語", "𠮷", "\"", "\\", "*", "&", "@", "#", "語@", "a.", "\n", ":a", "e\u0301\u0302\u0303"};
    EACH_CHAT(format)
    for (size_t i = 0; i < sizeof POINTS / sizeof *POINTS; i++) {
        const char *point = POINTS[i];
        int one = (int)text_count(point);
        struct hand hands[SHARE_CHAIN_MAX];
        for (int hand = 0; hand < SHARE_CHAIN_MAX; hand++)
            hands[hand] = (struct hand){.share_id = INT64_MAX - hand,
                                        .token = "0123456789ABCDEF",
                                        .member_id = INT64_MAX - hand,
                                        .handle = of_length(32, "h"),
                                        .name = of_length(120 / one, point),
                                        .vouch = of_length(240 / one, point),
                                        .channel = CHANNEL_SIGNATURE};
        struct share long_share = share;
        long_share.chain = hands;
        long_share.chain_len = SHARE_CHAIN_MAX;
        long_share.label = of_length(80 / one, point);
        const struct lead lead = {.id = INT64_MAX,
                                  .referral = true,
                                  .stage = STAGE_MARKETING_QUALIFIED,
                                  .endorser_member_id = 7,
                                  .endorser_name = of_length(120 / one, point),
                                  .endorser_vouch = of_length(240 / one, point),
                                  .name = of_length(120 / one, point),
                                  .email = arena_printf(&arena, "%s@e.org", of_length(248, "_")),
                                  .phone = of_length(254, i % 2 ? "(" : "1"),
                                  .company = of_length(120 / one, point),
                                  .message = of_length(2000 / one, point),
                                  .recipient = of_length(120 / one, point),
                                  .created_ms = NOW_MS,
                                  .share = &long_share};
        check_limits(format, written(format, false, event_of(EVENT_LEAD_UPDATED, &lead)).body);
    }
}

/* ----------------------------------------------------------------------------------------------------------- ntfy */

static void ntfy__is_told_at_the_root_with_its_topic(void **state)
{
    (void)state;
    static const char *const GOOD[][2] = {
        {"https://ntfy.sh/my_Topic-1", "https://ntfy.sh/"},
        {"https://ntfy.sh/my_Topic-1/", "https://ntfy.sh/"},
        {"http://127.0.0.1:8080/my_Topic-1?auth=QmFzaWM", "http://127.0.0.1:8080/?auth=QmFzaWM"},
    };
    static const char *const BAD[] = {
        "https://ntfy.sh",
        "https://ntfy.sh/",
        "https://ntfy.sh/a/b",
        "https://ntfy.sh/a%20b",
        "https://ntfy.sh/?topic=a",
        "https://ntfy.sh//a",
        "https://ntfy.sh/a.b",
        "https://ntfy.sh/aaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaaa"};
    const char *body = event_of(EVENT_LEAD_CREATED, &kind_lead);
    for (size_t i = 0; i < sizeof GOOD / sizeof *GOOD; i++) {
        struct webhook_message message;
        const struct webhook_event event = {.format = FORMAT_NTFY, .url = GOOD[i][0], .body = body, .base_url = BASE};
        assert_null(webhook_format_complaint(FORMAT_NTFY, GOOD[i][0]));
        assert_int_equal(webhook_format_write(&event, &arena, &message), RESULT_OK);
        assert_string_equal(message.url, GOOD[i][1]);
        assert_non_null(strstr(message.body, "\"topic\":\"my_Topic-1\""));
    }
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        assert_non_null(webhook_format_complaint(FORMAT_NTFY, BAD[i]));
        assert_null(webhook_format_complaint(FORMAT_SLACK, BAD[i]));
        struct webhook_message message;
        const struct webhook_event event = {.format = FORMAT_NTFY, .url = BAD[i], .body = body, .base_url = BASE};
        assert_int_equal(webhook_format_write(&event, &arena, &message), RESULT_OK);
        assert_string_equal(message.url, BAD[i]);
    }
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
        CASE(format__names_are_read_back_and_said_in_words),
        CASE(standard__is_the_kept_body_with_its_number),
        CASE(standard__thin_tells_ids_kind_and_where_to_read_on),
        CASE(standard__thin_of_an_erased_lead_points_nowhere),
        CASE(what_erasing_emptied__is_not_sent),
        CASE(chats__say_who_where_from_and_how_to_reach_them),
        CASE(chats__tell_a_lead_from_a_referral),
        CASE(chats__thin_name_nobody),
        CASE(same_event__is_the_same_bytes_at_every_attempt),
        CASE(every_event__has_words_in_every_chat),
        CASE(literal__parts_what_would_call_or_link),
        CASE(slack__references_what_it_parses),
        CASE(discord__escapes_its_markdown),
        CASE(mattermost__parts_mentions_since_it_reads_them_after_escapes),
        CASE(address__is_only_what_is_plainly_one),
        CASE(cutting__keeps_what_people_see_as_one_character),
        CASE(chats__hold_their_limits),
        CASE(ntfy__is_told_at_the_root_with_its_topic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
