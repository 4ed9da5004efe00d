/* What `meishi webhook verify` says of captured requests: signatures made here by libsodium, and the standard's own example. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "cards/webhook_check.h"

enum { NOW_S = 1795338000 };
#define SECRET "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define OTHER "whsec_HwECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define BODY "{\"type\":\"lead.created\",\"data\":{\"name\":\"Zoë/Ann\",\"rank\":3}}"

static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena);
    return sodium_init() < 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static struct webhook_check_keys keys_of(const char *secret)
{
    struct webhook_check_keys keys = {0};
    const char *why;
    assert_int_equal(webhook_check_read_secret(secret, &keys, &why), RESULT_OK);
    return keys;
}

static const char *sign(const char *secret, const char *id, int64_t at_s, const char *body)
{
    struct webhook_check_keys keys = keys_of(secret);
    const char *text = arena_printf(&arena, "%s.%" PRId64 ".%s", id, at_s, body);
    crypto_auth_hmacsha256_state state;
    unsigned char mac[crypto_auth_hmacsha256_BYTES];
    char base64[64];
    crypto_auth_hmacsha256_init(&state, keys.secret, keys.secret_len);
    crypto_auth_hmacsha256_update(&state, (const unsigned char *)text, strlen(text));
    crypto_auth_hmacsha256_final(&state, mac);
    sodium_bin2base64(base64, sizeof base64, mac, sizeof mac, sodium_base64_VARIANT_ORIGINAL);
    return arena_printf(&arena, "v1,%s", base64);
}

/* A request of ours, sent AGE_S ago, whose receiver has got SEEN for a body. */
static struct webhook_capture capture_of(int64_t age_s, const char *seen)
{
    return (struct webhook_capture){.id = "msg_1",
                                    .timestamp = arena_printf(&arena, "%" PRId64, NOW_S - age_s),
                                    .signature = sign(SECRET, "msg_1", NOW_S - age_s, BODY),
                                    .body = seen,
                                    .body_len = strlen(seen),
                                    .content_length = -1};
}

static struct webhook_verdict check(const struct webhook_capture *capture, const char *secret)
{
    struct webhook_check_keys keys = keys_of(secret);
    struct webhook_verdict verdict;
    webhook_check(capture, &keys, NOW_S, WEBHOOK_TOLERANCE_S, &arena, &verdict);
    assert_true(verdict.genuine == !verdict.reason);
    return verdict;
}

static const char *words_about(const struct webhook_verdict *verdict, const char *about)
{
    for (int i = 0; i < verdict->count; i++)
        if (!strcmp(verdict->findings[i].about, about))
            return verdict->findings[i].words;
    return "";
}

#define assert_words(verdict, about, part) assert_non_null(strstr(words_about(verdict, about), part))

static void webhook_check__trusts_what_the_standard_signs(void **state)
{
    (void)state;
    /* The example of the Standard Webhooks specification's libraries. */
    const char *body = "{\"test\": 2432232314}";
    struct webhook_capture capture = {.id = "msg_p5jXN8AQM9LWM0D4loKWxJek",
                                      .timestamp = "1614265330",
                                      .signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
                                      .body = body,
                                      .body_len = strlen(body),
                                      .content_length = -1};
    struct webhook_check_keys keys = keys_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    struct webhook_verdict verdict;
    webhook_check(&capture, &keys, 1614265330, 0, &arena, &verdict);
    assert_true(verdict.genuine);
    assert_null(verdict.type);
    capture.body_len--;
    webhook_check(&capture, &keys, 1614265330, 0, &arena, &verdict);
    assert_false(verdict.genuine);
}

static void webhook_check__trusts_a_genuine_request(void **state)
{
    (void)state;
    struct webhook_capture capture = capture_of(3, BODY);
    struct webhook_verdict verdict = check(&capture, SECRET);
    assert_true(verdict.genuine);
    assert_string_equal(verdict.type, "lead.created");
    assert_words(&verdict, "webhook-timestamp", "3 s ago");
    assert_int_equal(verdict.count, 4);
}

static void webhook_check__knows_each_accident_of_a_body(void **state)
{
    (void)state;
    static const struct {
        const char *seen, *words;
    } ACCIDENTS[] = {
        {BODY "\n", "newline"},
        {BODY "\r\n", "line ends"},
        {"\xef\xbb\xbf" BODY, "byte order mark"},
        {"\n" BODY, "before the body"},
        {"{\"type\": \"lead.created\", \"data\": {\"name\": \"Zo\\u00eb\\/Ann\", \"rank\": 3}}", "written anew"},
        {"{\n  \"type\": \"lead.created\",\n  \"data\": {\n    \"name\": \"Zoë/Ann\",\n    \"rank\": 3\n  }\n}\n",
         "written anew"},
        {"\"{\\\"type\\\":\\\"lead.created\\\",\\\"data\\\":{\\\"name\\\":\\\"Zoë/Ann\\\",\\\"rank\\\":3}}\"",
         "JSON text within JSON"},
        {"{\"type\":\"lead.created\",\"data\":{\"name\":\"Zo", "no whole JSON"},
        {"", "empty"},
    };
    for (size_t i = 0; i < sizeof ACCIDENTS / sizeof *ACCIDENTS; i++) {
        struct webhook_capture capture = capture_of(0, ACCIDENTS[i].seen);
        struct webhook_verdict verdict = check(&capture, SECRET);
        assert_string_equal(verdict.reason, "body-changed");
        assert_words(&verdict, "body", ACCIDENTS[i].words);
    }
    struct webhook_capture cut = capture_of(0, "{}");
    cut.content_length = (int64_t)strlen(BODY);
    struct webhook_verdict verdict = check(&cut, SECRET);
    assert_words(&verdict, "body", "has 2 bytes, but Content-Length said");
}

static void webhook_check__refuses_another_secret_and_another_body(void **state)
{
    (void)state;
    struct webhook_capture capture = capture_of(0, BODY), forged = capture_of(0, "{\"type\":\"lead.created\"}");
    assert_string_equal(check(&capture, OTHER).reason, "other-secret");
    assert_string_equal(check(&forged, SECRET).reason, "other-secret");
    capture.id = "msg_2";
    assert_string_equal(check(&capture, SECRET).reason, "other-secret");
}

static void webhook_check__says_that_a_secret_is_the_old_one(void **state)
{
    (void)state;
    struct webhook_capture capture = capture_of(0, BODY);
    capture.signature = arena_printf(&arena, "%s %s v9,nonsense", sign(OTHER, "msg_1", NOW_S, BODY), capture.signature);
    struct webhook_verdict old = check(&capture, SECRET), new = check(&capture, OTHER);
    assert_true(old.genuine && new.genuine);
    assert_words(&old, "webhook-signature", "rotated");
    assert_words(&new, "webhook-signature", "Made with this secret.");
}

static void webhook_check__says_by_how_much_a_time_is_off(void **state)
{
    (void)state;
    static const struct {
        int64_t age_s;
        const char *reason, *words;
    } TIMES[] = {
        {300, NULL, "5 min 0 s ago"},       {301, "too-old", "5 min 1 s old, and 5 min 0 s is allowed"},
        {7205, "too-old", "2 h 0 min old"}, {864000, "too-old", "10 days old"},
        {-300, NULL, "ahead of now"},       {-301, "in-the-future", "5 min 1 s in the future"},
    };
    for (size_t i = 0; i < sizeof TIMES / sizeof *TIMES; i++) {
        struct webhook_capture capture = capture_of(TIMES[i].age_s, BODY);
        struct webhook_verdict verdict = check(&capture, SECRET);
        if (TIMES[i].reason)
            assert_string_equal(verdict.reason, TIMES[i].reason);
        else
            assert_true(verdict.genuine);
        assert_words(&verdict, "webhook-timestamp", TIMES[i].words);
        assert_words(&verdict, "webhook-signature", "Made with this secret"); /* one fault is not taken for two */
    }
    for (const char *const *bad = (const char *const[]){"soon", "", "-5", "1795338000.5", "99999999999999999999", NULL};
         *bad; bad++) {
        struct webhook_capture capture = capture_of(0, BODY);
        capture.timestamp = *bad;
        assert_string_equal(check(&capture, SECRET).reason, "bad-timestamp");
    }
    struct webhook_capture capture = capture_of(0, BODY);
    capture.timestamp = "1795338000000";
    struct webhook_verdict verdict = check(&capture, SECRET);
    assert_words(&verdict, "webhook-timestamp", "milliseconds");
}

static void webhook_check__names_a_missing_header(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        static const char *const NAMES[] = {"webhook-id", "webhook-timestamp", "webhook-signature"};
        struct webhook_capture capture = capture_of(0, BODY);
        *(i == 0 ? &capture.id : i == 1 ? &capture.timestamp : &capture.signature) = NULL;
        struct webhook_verdict verdict = check(&capture, SECRET);
        assert_string_equal(verdict.reason, "missing-header");
        assert_words(&verdict, NAMES[i], "missing");
    }
}

static void webhook_check__wants_a_signature_of_the_key_s_kind(void **state)
{
    (void)state;
    for (const char *const *bad = (const char *const[]){"", "v1,", "v1,short", "sha256=abc", "v1a,AAAA", NULL}; *bad;
         bad++) {
        struct webhook_capture capture = capture_of(0, BODY);
        capture.signature = *bad;
        assert_string_equal(check(&capture, SECRET).reason, "bad-signature-header");
    }
}

static void webhook_check__checks_ed25519(void **state)
{
    (void)state;
    unsigned char public_key[crypto_sign_PUBLICKEYBYTES], secret_key[crypto_sign_SECRETKEYBYTES],
        seed[crypto_sign_SEEDBYTES] = {7};
    unsigned char bytes[crypto_sign_BYTES];
    char base64[128], key_text[128] = "whpk_";
    const char *why;
    crypto_sign_seed_keypair(public_key, secret_key, seed);
    struct webhook_capture capture = capture_of(0, BODY);
    const char *text = arena_printf(&arena, "%s.%s.%s", capture.id, capture.timestamp, BODY);
    crypto_sign_detached(bytes, NULL, (const unsigned char *)text, strlen(text), secret_key);
    sodium_bin2base64(base64, sizeof base64, bytes, sizeof bytes, sodium_base64_VARIANT_ORIGINAL);
    sodium_bin2base64(key_text + 5, sizeof key_text - 5, public_key, sizeof public_key, sodium_base64_VARIANT_ORIGINAL);
    struct webhook_check_keys keys = {0};
    assert_int_equal(webhook_check_read_public(key_text, &keys, &why), RESULT_OK);
    struct webhook_verdict verdict;

    webhook_check(&capture, &keys, NOW_S, 300, &arena, &verdict); /* only v1 in it */
    assert_string_equal(verdict.reason, "bad-signature-header");
    capture.signature = arena_printf(&arena, "%s v1a,%s", capture.signature, base64);
    webhook_check(&capture, &keys, NOW_S, 300, &arena, &verdict);
    assert_true(verdict.genuine);
    capture.body = BODY " ";
    capture.body_len++;
    webhook_check(&capture, &keys, NOW_S, 300, &arena, &verdict);
    assert_string_equal(verdict.reason, "body-changed");
    capture.body_len--;
    keys.public_key[0] ^= 1;
    webhook_check(&capture, &keys, NOW_S, 300, &arena, &verdict);
    assert_false(verdict.genuine);
}

static void webhook_check__reads_secrets_as_people_paste_them(void **state)
{
    (void)state;
    struct webhook_check_keys wanted = keys_of(SECRET), keys = {0};
    const char *why;
    for (const char *const *good = (const char *const[]){" " SECRET "\n", "\"" SECRET "\"", SECRET, &SECRET[6], NULL};
         *good; good++) {
        assert_int_equal(webhook_check_read_secret(*good, &keys, &why), RESULT_OK);
        assert_memory_equal(keys.secret, wanted.secret, 32);
    }
    for (const char *const *bad =
             (const char *const[]){"", "whsec_", "whsec_AAAA", "msh_abc", "whk_01", SECRET " x", "whsec_!!!", NULL};
         *bad; bad++) {
        assert_int_equal(webhook_check_read_secret(*bad, &keys, &why), RESULT_INVALID);
        assert_int_equal(keys.secret_len, 0);
    }
    assert_int_equal(webhook_check_read_secret("msh_abc", &keys, &why), RESULT_INVALID);
    assert_non_null(strstr(why, "API token"));
    assert_int_equal(webhook_check_read_public(SECRET, &keys, &why), RESULT_INVALID);
    assert_non_null(strstr(why, "--secret"));
}

static void webhook_check__reads_headers_in_every_usual_form(void **state)
{
    (void)state;
    static const char *const FORMS[] = {
        "webhook-id: msg_1\nwebhook-timestamp: 17\nwebhook-signature: v1,a v1,b\n",
        "POST /hook HTTP/1.1\r\nHost: x:3000\r\nWebhook-Id:msg_1\r\nWEBHOOK-TIMESTAMP:  17 \r\nWebhook-Signature: v1,a v1,b\r\n\r\n",
        "{\"webhook-id\":\"msg_1\",\"webhook-timestamp\":\"17\",\"webhook-signature\":\"v1,a v1,b\"}",
        "{\"Webhook-Id\":[\"msg_1\"],\"Webhook-Timestamp\":[\"17\"],\"Webhook-Signature\":[\"v1,a v1,b\"],\"Accept\":[]}",
        "{\"HTTP_WEBHOOK_ID\":\"msg_1\",\"HTTP_WEBHOOK_TIMESTAMP\":\"17\",\"HTTP_WEBHOOK_SIGNATURE\":\"v1,a v1,b\",\"argc\":1}",
    };
    struct webhook_capture capture;
    const char *why;
    for (size_t i = 0; i < sizeof FORMS / sizeof *FORMS; i++) {
        assert_int_equal(webhook_check_headers(FORMS[i], &arena, &capture, &why), RESULT_OK);
        assert_string_equal(capture.id, "msg_1");
        assert_string_equal(capture.timestamp, "17");
        assert_string_equal(capture.signature, "v1,a v1,b");
    }
    for (const char *const *bad = (const char *const[]){"", "nonsense", "[]", "{", NULL}; *bad; bad++)
        assert_int_equal(webhook_check_headers(*bad, &arena, &capture, &why), RESULT_INVALID);
}

static void webhook_check__reads_a_whole_request(void **state)
{
    (void)state;
    static const char REQUEST[] = "POST / HTTP/1.1\r\nwebhook-id: msg_1\r\nContent-Length: 5\r\n\r\n{\r\n\r\n";
    struct webhook_capture capture;
    const char *why;
    assert_int_equal(webhook_check_request(REQUEST, strlen(REQUEST), &arena, &capture, &why), RESULT_OK);
    assert_int_equal(capture.content_length, 5);
    assert_int_equal(capture.body_len, 5);
    assert_memory_equal(capture.body, "{\r\n\r\n", 5);
    static const char CHUNKED[] = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_int_equal(webhook_check_request(CHUNKED, strlen(CHUNKED), &arena, &capture, &why), RESULT_INVALID);
    assert_int_equal(webhook_check_request("{}", 2, &arena, &capture, &why), RESULT_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(webhook_check__trusts_what_the_standard_signs),
        cmocka_unit_test(webhook_check__trusts_a_genuine_request),
        cmocka_unit_test(webhook_check__knows_each_accident_of_a_body),
        cmocka_unit_test(webhook_check__refuses_another_secret_and_another_body),
        cmocka_unit_test(webhook_check__says_that_a_secret_is_the_old_one),
        cmocka_unit_test(webhook_check__says_by_how_much_a_time_is_off),
        cmocka_unit_test(webhook_check__names_a_missing_header),
        cmocka_unit_test(webhook_check__wants_a_signature_of_the_key_s_kind),
        cmocka_unit_test(webhook_check__checks_ed25519),
        cmocka_unit_test(webhook_check__reads_secrets_as_people_paste_them),
        cmocka_unit_test(webhook_check__reads_headers_in_every_usual_form),
        cmocka_unit_test(webhook_check__reads_a_whole_request),
    };
    return cmocka_run_group_tests_name("webhook_check", tests, set_up, tear_down);
}
