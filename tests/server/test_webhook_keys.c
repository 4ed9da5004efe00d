/* The secrets of endpoints: rotation with both live for a while, and the ed25519 key beside them. Whole requests are verified
 * by other people's code in tests/node/webhook.test.mjs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include "server/notify/sign.h"
#include "server/store/internal.h"
#include "tests/support/deliveries.h"

enum { HOUR_MS = 60 * 60 * 1000 };

/* What the next attempt to the endpoint is signed with. */
static struct delivery next_attempt(struct fresh *fresh, const struct webhook *webhook)
{
    deliveries_ping(fresh, webhook);
    struct claimed claimed = deliveries_claim(fresh, 64);
    assert_int_equal(claimed.count, 1);
    deliveries_record(fresh, claimed.list[0].id, DELIVERY_DELIVERED, 0);
    fresh->now_ms += 200;
    return claimed.list[0];
}

static void rotate(struct fresh *fresh, const struct webhook *webhook, int64_t keep_old_ms,
                   unsigned char out[WEBHOOK_SECRET_SIZE])
{
    assert_int_equal(store_webhook_rotate(fresh->store, fresh->jane.id, webhook->id, keep_old_ms, fresh->now_ms, out),
                     RESULT_OK);
}

static void rotation__keeps_the_secret_before_for_a_day_and_no_older_one(void **state)
{
    struct fresh *fresh = *state;
    struct webhook webhook = fresh_webhook(fresh, "https://crm.example/hook");
    unsigned char second[WEBHOOK_SECRET_SIZE], third[WEBHOOK_SECRET_SIZE];
    assert_false(next_attempt(fresh, &webhook).has_old_keys);
    rotate(fresh, &webhook, WEBHOOK_KEEP_OLD_MS, second);
    assert_memory_not_equal(second, webhook.secret, sizeof second);
    struct delivery sent = next_attempt(fresh, &webhook);
    assert_memory_equal(sent.keys.secret, second, sizeof second);
    assert_true(sent.has_old_keys);
    assert_memory_equal(sent.old_keys.secret, webhook.secret, sizeof second);

    fresh->now_ms += HOUR_MS;
    rotate(fresh, &webhook, WEBHOOK_KEEP_OLD_MS, third);
    int64_t until_ms = deliveries_webhook(fresh, &webhook).old_until_ms;
    assert_int_equal(until_ms, fresh->now_ms + WEBHOOK_KEEP_OLD_MS);
    sent = next_attempt(fresh, &webhook);
    assert_memory_equal(sent.keys.secret, third, sizeof third);
    assert_memory_equal(sent.old_keys.secret, second, sizeof second);
    fresh->now_ms = until_ms - 200;
    assert_true(next_attempt(fresh, &webhook).has_old_keys);
    fresh->now_ms = until_ms;
    assert_false(next_attempt(fresh, &webhook).has_old_keys);
}

static void rotation__of_a_secret_that_got_out_ends_it_at_once(void **state)
{
    struct fresh *fresh = *state;
    struct webhook webhook = fresh_webhook(fresh, "https://crm.example/hook");
    unsigned char secret[WEBHOOK_SECRET_SIZE];
    rotate(fresh, &webhook, WEBHOOK_KEEP_OLD_MS, secret);
    rotate(fresh, &webhook, 0, secret);
    assert_int_equal(deliveries_webhook(fresh, &webhook).old_until_ms, 0);
    struct delivery sent = next_attempt(fresh, &webhook);
    assert_false(sent.has_old_keys);
    assert_memory_equal(sent.keys.secret, secret, sizeof secret);
}

static void rotation__keeps_for_seven_days_at_most_and_only_ones_own(void **state)
{
    struct fresh *fresh = *state;
    struct member bob = fresh_member(fresh, "bob");
    struct webhook webhook = fresh_webhook(fresh, "https://crm.example/hook");
    unsigned char secret[WEBHOOK_SECRET_SIZE];
    assert_int_equal(store_webhook_rotate(fresh->store, fresh->jane.id, webhook.id, WEBHOOK_KEEP_OLD_MAX_MS + 1,
                                          fresh->now_ms, secret),
                     RESULT_INVALID);
    assert_int_equal(store_webhook_rotate(fresh->store, fresh->jane.id, webhook.id, -1, fresh->now_ms, secret),
                     RESULT_INVALID);
    assert_int_equal(store_webhook_rotate(fresh->store, bob.id, webhook.id, 0, fresh->now_ms, secret),
                     RESULT_NOT_FOUND);
    rotate(fresh, &webhook, WEBHOOK_KEEP_OLD_MAX_MS, secret);
    assert_int_equal(store_webhook_remove(fresh->store, fresh->jane.id, webhook.id, fresh->now_ms), RESULT_OK);
    assert_int_equal(store_webhook_rotate(fresh->store, fresh->jane.id, webhook.id, 0, fresh->now_ms, secret),
                     RESULT_NOT_FOUND);
}

/* The signature with that prefix after SKIP others of its kind, as bytes. */
static bool signature_of(const char *list, const char *prefix, int skip, unsigned char out[crypto_sign_BYTES])
{
    for (const char *one = list; one; one = strchr(one, ' ') ? strchr(one, ' ') + 1 : NULL) {
        if (strncmp(one, prefix, strlen(prefix)) || skip--)
            continue;
        const char *text = one + strlen(prefix);
        size_t len;
        return sodium_base642bin(out, crypto_sign_BYTES, text, strcspn(text, " "), NULL, &len, NULL,
                                 sodium_base64_VARIANT_ORIGINAL) == 0 &&
               len == crypto_sign_BYTES;
    }
    return false;
}

static void ed25519__signs_too_and_rotates_with_the_secret(void **state)
{
    struct fresh *fresh = *state;
    struct webhook webhook = {
        .owner_id = fresh->jane.id, .url = "https://crm.example/", .events = 1, .asymmetric = true};
    unsigned char secret[WEBHOOK_SECRET_SIZE], signature[crypto_sign_BYTES], again[crypto_sign_BYTES];
    static const char TEXT[] = "msg_1.1614265330.{\"test\": 2432232314}", BODY[] = "{\"test\": 2432232314}";
    assert_int_equal(store_webhook_add(fresh->store, &webhook, fresh->now_ms), RESULT_OK);
    struct webhook before = deliveries_webhook(fresh, &webhook);
    assert_true(before.asymmetric);
    assert_memory_equal(before.public_key, webhook.public_key, sizeof before.public_key);
    rotate(fresh, &webhook, WEBHOOK_KEEP_OLD_MS, secret);
    struct webhook after = deliveries_webhook(fresh, &webhook);
    assert_memory_not_equal(after.public_key, before.public_key, sizeof after.public_key);

    struct delivery sent = next_attempt(fresh, &webhook);
    assert_true(sent.keys.has_seed && sent.old_keys.has_seed);
    const char *list = webhook_signatures(&sent.keys, &sent.old_keys, "msg_1", 1614265330, BODY, &fresh->arena);
    const unsigned char *text = (const unsigned char *)TEXT;
    assert_true(signature_of(list, "v1a,", 0, signature));
    assert_int_equal(crypto_sign_verify_detached(signature, text, sizeof TEXT - 1, after.public_key), 0);
    assert_int_not_equal(crypto_sign_verify_detached(signature, text, sizeof TEXT - 2, after.public_key), 0);
    assert_true(signature_of(list, "v1a,", 1, again));
    assert_int_equal(crypto_sign_verify_detached(again, text, sizeof TEXT - 1, before.public_key), 0);
    assert_false(signature_of(list, "v1a,", 2, again));

    after.asymmetric = false;
    assert_int_equal(store_webhook_change(fresh->store, &after, fresh->now_ms), RESULT_OK);
    sent = next_attempt(fresh, &webhook);
    assert_false(sent.keys.has_seed || sent.old_keys.has_seed);
    assert_false(deliveries_webhook(fresh, &webhook).asymmetric);
}

static void keys__lie_sealed_in_the_file(void **state)
{
    if (!engine_is_sqlite())
        skip(); /* a server has its own files */
    struct fresh *fresh = *state;
    struct webhook webhook = {
        .owner_id = fresh->jane.id, .url = "https://crm.example/", .events = 1, .asymmetric = true};
    unsigned char secret[WEBHOOK_SECRET_SIZE];
    char path[128];
    assert_int_equal(store_webhook_add(fresh->store, &webhook, fresh->now_ms), RESULT_OK);
    rotate(fresh, &webhook, WEBHOOK_KEEP_OLD_MS, secret);
    struct delivery sent = next_attempt(fresh, &webhook);
    store_tidy(fresh->store, true);
    snprintf(path, sizeof path, "%s/meishi.db", fresh->folder);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *bytes = arena_alloc(&fresh->arena, 8 << 20);
    size_t len = fread(bytes, 1, 8 << 20, file);
    fclose(file);
    const unsigned char *const SECRETS[] = {secret, webhook.secret, sent.keys.seed, sent.old_keys.seed};
    for (size_t i = 0; i < sizeof SECRETS / sizeof *SECRETS; i++)
        assert_null(memmem(bytes, len, SECRETS[i], WEBHOOK_SECRET_SIZE));
    struct webhook found = deliveries_webhook(fresh, &webhook);
    assert_non_null(memmem(bytes, len, found.public_key, sizeof found.public_key)); /* the search does find things */
}

static void key__is_shown_as_the_standard_spells_it(void **state)
{
    (void)state;
    unsigned char key[WEBHOOK_PUBLIC_KEY_SIZE];
    char text[WEBHOOK_PUBLIC_KEY_TEXT_SIZE];
    for (int i = 0; i < WEBHOOK_PUBLIC_KEY_SIZE; i++)
        key[i] = (unsigned char)i;
    assert_string_equal(webhook_public_key_text(text, key), "whpk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fresh_setup, fresh_teardown)

int main(void)
{
    if (sodium_init() < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        WITH_STORE(rotation__keeps_the_secret_before_for_a_day_and_no_older_one),
        WITH_STORE(rotation__of_a_secret_that_got_out_ends_it_at_once),
        WITH_STORE(rotation__keeps_for_seven_days_at_most_and_only_ones_own),
        WITH_STORE(ed25519__signs_too_and_rotates_with_the_secret),
        WITH_STORE(keys__lie_sealed_in_the_file),
        cmocka_unit_test(key__is_shown_as_the_standard_spells_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
