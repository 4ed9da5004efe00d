/* Signatures of webhooks: Standard Webhooks 1.0.0, symmetric (HMAC-SHA256, RFC 2104). */
#ifndef MEISHI_SIGN_H
#define MEISHI_SIGN_H

#include <stddef.h>
#include <stdint.h>
#include "cards/base/result.h"
#include "server/store/webhooks.h"

enum {
    WEBHOOK_SECRET_TEXT_SIZE = 6 + 44 + 1, /* "whsec_", base64 of 32 bytes, NUL */
    WEBHOOK_SIGNATURE_SIZE = 3 + 44 + 1    /* "v1,", base64 of 32 bytes, NUL */
};

/* The secret as it is shown to the member, once. Returns OUT. */
char *webhook_secret_text(char out[WEBHOOK_SECRET_TEXT_SIZE], const unsigned char secret[WEBHOOK_SECRET_SIZE]);
/* The value of webhook-signature for one attempt: over "MESSAGE_ID.TIMESTAMP_S.BODY". MESSAGE_ID holds no dot. */
void webhook_sign(char out[WEBHOOK_SIGNATURE_SIZE], const unsigned char secret[WEBHOOK_SECRET_SIZE],
                  const char *message_id, int64_t timestamp_s, const char *body);

#endif
