/* See sign.h. The text of a v1 signature is fed in pieces, so a body is not copied for it. */
#include "server/notify/sign.h"

#include <assert.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include "cards/base/str.h"

static char *key_text(char *out, size_t size, const char *prefix, const unsigned char *key, size_t len)
{
    size_t prefix_len = strlen(prefix);
    memcpy(out, prefix, prefix_len);
    sodium_bin2base64(out + prefix_len, size - prefix_len, key, len, sodium_base64_VARIANT_ORIGINAL);
    return out;
}

char *webhook_secret_text(char out[WEBHOOK_SECRET_TEXT_SIZE], const unsigned char secret[WEBHOOK_SECRET_SIZE])
{
    return key_text(out, WEBHOOK_SECRET_TEXT_SIZE, "whsec_", secret, WEBHOOK_SECRET_SIZE);
}

char *webhook_public_key_text(char out[WEBHOOK_PUBLIC_KEY_TEXT_SIZE], const unsigned char key[WEBHOOK_PUBLIC_KEY_SIZE])
{
    return key_text(out, WEBHOOK_PUBLIC_KEY_TEXT_SIZE, "whpk_", key, WEBHOOK_PUBLIC_KEY_SIZE);
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

    key_text(out, WEBHOOK_SIGNATURE_SIZE, "v1,", mac, sizeof mac);
}

/* Unlike a MAC, ed25519 reads its text twice, so it must lie in one piece. */
static void sign_with_seed(char out[WEBHOOK_SIGNATURE_A_SIZE], const unsigned char seed[WEBHOOK_SECRET_SIZE],
                           const char *text)
{
    unsigned char public_key[crypto_sign_PUBLICKEYBYTES], secret_key[crypto_sign_SECRETKEYBYTES];
    unsigned char signature[crypto_sign_BYTES];
    crypto_sign_seed_keypair(public_key, secret_key, seed);
    crypto_sign_detached(signature, NULL, (const unsigned char *)text, strlen(text), secret_key);
    sodium_memzero(secret_key, sizeof secret_key);
    key_text(out, WEBHOOK_SIGNATURE_A_SIZE, "v1a,", signature, sizeof signature);
}

const char *webhook_signatures(const struct webhook_keys *keys, const struct webhook_keys *old_keys,
                               const char *message_id, int64_t timestamp_s, const char *body, struct arena *arena)
{
    const struct webhook_keys *const both[] = {keys, old_keys};
    const char *text = NULL;
    struct str list;
    str_init(&list, arena, 2 * (WEBHOOK_SIGNATURE_SIZE + WEBHOOK_SIGNATURE_A_SIZE));
    for (int i = 0; i < 2 && both[i]; i++) {
        char signature[WEBHOOK_SIGNATURE_SIZE], signature_a[WEBHOOK_SIGNATURE_A_SIZE];
        webhook_sign(signature, both[i]->secret, message_id, timestamp_s, body);
        str_addf(&list, "%s%s", i ? " " : "", signature);
        if (!both[i]->has_seed)
            continue;
        if (!text)
            text = arena_printf(arena, "%s.%" PRId64 ".%s", message_id, timestamp_s, body);
        sign_with_seed(signature_a, both[i]->seed, text);
        str_addf(&list, " %s", signature_a);
    }
    assert(!list.failed);
    return list.data;
}
