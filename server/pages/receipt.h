/* The visitor's own page: what is kept about them, for whom, and the button that erases it. Its address is a secret of 160
 * bits that follows from the stamp of their page, so the same form sent twice leads to the same receipt. */
#ifndef MEISHI_RECEIPT_H
#define MEISHI_RECEIPT_H

#include "cards/lead.h"
#include "server/app.h"
#include "server/store/members.h"

enum { RECEIPT_SECRET_LEN = 32, RECEIPT_SECRET_SIZE = RECEIPT_SECRET_LEN + 1 };

/* Upper-case base32: keyed BLAKE2b of the hit, or of random bytes when HIT_ID is 0 and nothing ties two forms together. */
void receipt_secret(const struct keys *keys, int64_t hit_id, int64_t share_id, char out[RECEIPT_SECRET_SIZE]);
/* What the store knows it by: SHA-256 of the secret's text, in upper case. */
void receipt_hash(const char *secret, unsigned char out[HASH_SIZE]);

#endif
