/* Signatures of webhooks, against an HMAC made by other code. tests/node/webhook.test.mjs verifies whole requests with the
 * reference library. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sodium.h>
#include <string.h>
#include "server/notify/sign.h"

static void sign__shows_a_secret_as_whsec(void **state)
{
    (void)state;
    unsigned char secret[WEBHOOK_SECRET_SIZE];
    for (int i = 0; i < WEBHOOK_SECRET_SIZE; i++)
        secret[i] = (unsigned char)i;
    char text[WEBHOOK_SECRET_TEXT_SIZE];
    webhook_secret_text(text, secret);
    assert_string_equal(text, "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
}

/* Made with: printf '%s' 'msg_1.1614265330.{"test": 2432232314}' | openssl dgst -sha256 -mac HMAC -macopt hexkey:0001…1f -binary | base64 */
static void sign__agrees_with_another_hmac(void **state)
{
    (void)state;
    unsigned char secret[WEBHOOK_SECRET_SIZE];
    for (int i = 0; i < WEBHOOK_SECRET_SIZE; i++)
        secret[i] = (unsigned char)i;
    char signature[WEBHOOK_SIGNATURE_SIZE];
    webhook_sign(signature, secret, "msg_1", 1614265330, "{\"test\": 2432232314}");
    assert_string_equal(signature, "v1,GWvjEzx3AphU7wha3hNZPXJnymF9Fg+ZdvPQqWPOjZ0=");
}

static void sign__changes_with_everything_it_covers(void **state)
{
    (void)state;
    unsigned char secret[WEBHOOK_SECRET_SIZE] = {1};
    char first[WEBHOOK_SIGNATURE_SIZE], other[WEBHOOK_SIGNATURE_SIZE];
    webhook_sign(first, secret, "msg_1", 100, "{}");
    webhook_sign(other, secret, "msg_1", 100, "{}");
    assert_string_equal(first, other);
    webhook_sign(other, secret, "msg_2", 100, "{}");
    assert_string_not_equal(first, other);
    webhook_sign(other, secret, "msg_1", 101, "{}");
    assert_string_not_equal(first, other);
    webhook_sign(other, secret, "msg_1", 100, "{ }");
    assert_string_not_equal(first, other);
    secret[31] = 1;
    webhook_sign(other, secret, "msg_1", 100, "{}");
    assert_string_not_equal(first, other);
}

int main(void)
{
    if (sodium_init() < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sign__shows_a_secret_as_whsec),
        cmocka_unit_test(sign__agrees_with_another_hmac),
        cmocka_unit_test(sign__changes_with_everything_it_covers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
