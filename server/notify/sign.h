/* Signatures of webhooks: Standard Webhooks 1.0.0, symmetric (v1: HMAC-SHA256, RFC 2104) and asymmetric (v1a: ed25519,
 * RFC 8032). Both cover "MESSAGE_ID.TIMESTAMP_S.BODY". */
#ifndef MEISHI_SIGN_H
#define MEISHI_SIGN_H

#include <stddef.h>
#include <stdint.h>
#include "cards/base/arena.h"
#include "server/store/webhooks.h"

enum {
    WEBHOOK_SECRET_TEXT_SIZE = 6 + 44 + 1,     /* "whsec_", base64 of 32 bytes, NUL */
    WEBHOOK_PUBLIC_KEY_TEXT_SIZE = 5 + 44 + 1, /* "whpk_", base64 of 32 bytes, NUL */
    WEBHOOK_SIGNATURE_SIZE = 3 + 44 + 1,       /* "v1,", base64 of 32 bytes, NUL */
    WEBHOOK_SIGNATURE_A_SIZE = 4 + 88 + 1      /* "v1a,", base64 of 64 bytes, NUL */
};

/* The secret as it is shown to the member, once. Returns OUT. */
char *webhook_secret_text(char out[WEBHOOK_SECRET_TEXT_SIZE], const unsigned char secret[WEBHOOK_SECRET_SIZE]);
/* The key that v1a signatures are verified with; no secret. Returns OUT. */
char *webhook_public_key_text(char out[WEBHOOK_PUBLIC_KEY_TEXT_SIZE], const unsigned char key[WEBHOOK_PUBLIC_KEY_SIZE]);
/* One v1 signature. MESSAGE_ID holds no dot. */
void webhook_sign(char out[WEBHOOK_SIGNATURE_SIZE], const unsigned char secret[WEBHOOK_SECRET_SIZE],
                  const char *message_id, int64_t timestamp_s, const char *body);
/* The value of webhook-signature for one attempt: v1 and, with a seed, v1a by KEYS, then the same by OLD_KEYS unless NULL,
 * with a space between. In ARENA. */
const char *webhook_signatures(const struct webhook_keys *keys, const struct webhook_keys *old_keys,
                               const char *message_id, int64_t timestamp_s, const char *body, struct arena *arena);

#endif
