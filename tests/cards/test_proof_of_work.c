/* Proof of work: done, sealed, for one card and purpose, and only for a while. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include "cards/base/id.h"
#include "cards/proof_of_work.h"

static const unsigned char KEY[PROOF_KEY_SIZE] = "a key of thirty-two bytes exactl";
static const int64_t NOW_MS = 1795325596123, CARD = 3765000000000000123;
static struct arena arena;
static struct proof_of_work terms, read_back;

static const char *asked(void)
{
    return proof_of_work_ask(&terms, KEY, &arena);
}

/* As a browser does it: counts up until the hash begins with enough zeros, written out in hexadecimal. */
static const char *worked(const char *challenge, int hex_zeros)
{
    for (unsigned counter = 0;; counter++) {
        char text[PROOF_CHALLENGE_MAX + 32], hex[2 * crypto_hash_sha256_BYTES + 1];
        unsigned char hash[crypto_hash_sha256_BYTES];
        snprintf(text, sizeof text, "%s%u", challenge, counter);
        crypto_hash_sha256(hash, (unsigned char *)text, strlen(text));
        sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
        if (strspn(hex, "0") == (size_t)hex_zeros)
            return arena_printf(&arena, "%u", counter);
    }
}

static enum result checked(const char *challenge, const char *counter)
{
    return proof_of_work_check(challenge, counter, KEY, CARD, "lead", NOW_MS, &read_back);
}

static void proof__that_was_done_is_accepted_with_its_terms(void **state)
{
    (void)state;
    const char *challenge = asked();
    assert_int_equal(checked(challenge, worked(challenge, 2)), RESULT_OK);
    assert_true(read_back.card_id == CARD);
    assert_true(read_back.expires_ms == terms.expires_ms);
    assert_int_equal(read_back.bits, 8);
    assert_string_equal(read_back.purpose, "lead");
    assert_memory_equal(read_back.nonce, terms.nonce, PROOF_NONCE_SIZE);
}

static void proof__one_bit_short_is_refused(void **state)
{
    (void)state;
    terms.bits = 8;
    const char *challenge = asked();
    assert_int_equal(checked(challenge, worked(challenge, 1)), RESULT_INVALID);
    terms.bits = 9; /* 2 zero digits and then a digit of 8 or more: 8 bits exactly */
    int refused = 0, accepted = 0;
    for (unsigned char i = 0; i < 24; i++) {
        terms.nonce[0] = i;
        const char *one = asked();
        if (checked(one, worked(one, 2)) == RESULT_OK)
            accepted++;
        else
            refused++;
    }
    assert_true(refused > 0);
    assert_true(accepted > 0);
}

static void proof__without_cost_needs_the_seal_alone(void **state)
{
    (void)state;
    terms.bits = 0;
    assert_int_equal(checked(asked(), "0"), RESULT_OK);
}

static void proof__for_another_card_purpose_or_key_is_refused(void **state)
{
    (void)state;
    terms.bits = 0;
    const char *challenge = asked();
    unsigned char other[PROOF_KEY_SIZE] = {1};
    assert_int_equal(proof_of_work_check(challenge, "0", KEY, CARD + 1, "lead", NOW_MS, &read_back), RESULT_INVALID);
    assert_int_equal(proof_of_work_check(challenge, "0", KEY, CARD, "pass", NOW_MS, &read_back), RESULT_INVALID);
    assert_int_equal(proof_of_work_check(challenge, "0", KEY, CARD, "leads", NOW_MS, &read_back), RESULT_INVALID);
    assert_int_equal(proof_of_work_check(challenge, "0", other, CARD, "lead", NOW_MS, &read_back), RESULT_INVALID);
    assert_int_equal(proof_of_work_check(challenge, "0", KEY, CARD, "lead", NOW_MS, &read_back), RESULT_OK);
}

static void proof__expires(void **state)
{
    (void)state;
    terms.bits = 0;
    const char *challenge = asked();
    assert_int_equal(proof_of_work_check(challenge, "0", KEY, CARD, "lead", terms.expires_ms - 1, &read_back),
                     RESULT_OK);
    assert_int_equal(proof_of_work_check(challenge, "0", KEY, CARD, "lead", terms.expires_ms, &read_back),
                     RESULT_INVALID);
}

static void proof__with_any_character_changed_is_refused(void **state)
{
    (void)state;
    terms.bits = 0;
    char *text = arena_strdup(&arena, asked());
    size_t len = strlen(text);
    assert_true(len <= PROOF_CHALLENGE_MAX);
    for (size_t i = 0; i < len; i++) {
        char kept = text[i];
        for (int c = 0; c < 256; c++) {
            text[i] = (char)c;
            if ((char)c != kept)
                assert_int_equal(checked(text, "0"), RESULT_INVALID);
        }
        text[i] = kept;
    }
    assert_int_equal(checked(text, "0"), RESULT_OK);
}

static void proof__counter_is_digits(void **state)
{
    (void)state;
    terms.bits = 0;
    const char *challenge = asked();
    const char *wrong[] = {"", " 1", "-1", "1x", "0x1", "123456789012345678901", NULL};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(checked(challenge, wrong[i]), RESULT_INVALID);
    assert_int_equal(checked(challenge, "12345678901234567890"), RESULT_OK);
    assert_int_equal(checked(NULL, "1"), RESULT_INVALID);
    assert_int_equal(checked("", "1"), RESULT_INVALID);
    assert_int_equal(checked(".", "1"), RESULT_INVALID);
}

static void base32__is_read_back_in_one_spelling_only(void **state)
{
    (void)state;
    unsigned char bytes[17], back[17];
    char text[32];
    for (size_t len = 1; len <= 16; len++) {
        randombytes_buf(bytes, len);
        base32_encode(text, bytes, len);
        assert_true(base32_decode(back, len, text, strlen(text)));
        assert_memory_equal(back, bytes, len);
        assert_false(base32_decode(back, len, text, strlen(text) - 1));
    }
    assert_true(base32_decode(back, 1, "04", 2));
    assert_false(base32_decode(back, 1, "05", 2));
    assert_false(base32_decode(back, 1, "U0", 2));
}

static int fresh(void **state)
{
    (void)state;
    arena_init(&arena);
    terms = (struct proof_of_work){
        .card_id = CARD, .purpose = "lead", .expires_ms = NOW_MS + 600000, .bits = 8, .nonce = "sixteen bytes!!"};
    return 0;
}

static int close_arena(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fresh, close_arena)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(proof__that_was_done_is_accepted_with_its_terms),
        CASE(proof__one_bit_short_is_refused),
        CASE(proof__without_cost_needs_the_seal_alone),
        CASE(proof__for_another_card_purpose_or_key_is_refused),
        CASE(proof__expires),
        CASE(proof__with_any_character_changed_is_refused),
        CASE(proof__counter_is_digits),
        CASE(base32__is_read_back_in_one_spelling_only),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
