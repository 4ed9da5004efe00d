/* See sign.h. The signed text is fed in pieces, so a body is never copied for it. */
#include "server/notify/sign.h"

#include <assert.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

char *webhook_secret_text(char out[WEBHOOK_SECRET_TEXT_SIZE], const unsigned char secret[WEBHOOK_SECRET_SIZE])
{
    memcpy(out, "whsec_", 6);
    sodium_bin2base64(out + 6, WEBHOOK_SECRET_TEXT_SIZE - 6, secret, WEBHOOK_SECRET_SIZE,
                      sodium_base64_VARIANT_ORIGINAL);
    return out;
}

void webhook_sign(char out[WEBHOOK_SIGNATURE_SIZE], const unsigned char secret[WEBHOOK_SECRET_SIZE],
                  const char *message_id, int64_t timestamp_s, const char *body)
{
    assert(!strchr(message_id, '.'));
    char time[24];
    snprintf(time, sizeof time, ".%" PRId64 ".", timestamp_s);

    crypto_auth_hmacsha256_state state;
    unsigned char mac[crypto_auth_hmacsha256_BYTES];
    crypto_auth_hmacsha256_init(&state, secret, WEBHOOK_SECRET_SIZE);
    crypto_auth_hmacsha256_update(&state, (const unsigned char *)message_id, strlen(message_id));
    crypto_auth_hmacsha256_update(&state, (const unsigned char *)time, strlen(time));
    crypto_auth_hmacsha256_update(&state, (const unsigned char *)body, strlen(body));
    crypto_auth_hmacsha256_final(&state, mac);
    sodium_memzero(&state, sizeof state);

    memcpy(out, "v1,", 3);
    sodium_bin2base64(out + 3, WEBHOOK_SIGNATURE_SIZE - 3, mac, sizeof mac, sodium_base64_VARIANT_ORIGINAL);
}
