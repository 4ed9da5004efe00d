/* What is sealed at rest with the installation's key (XSalsa20-Poly1305, libsodium's secretbox), which is not in the
 * database: a copy of the database alone signs nothing. */
#ifndef MEISHI_SEAL_H
#define MEISHI_SEAL_H

#include <sodium.h>
#include <stddef.h>
#include "server/store/webhooks.h"

enum { SEALED_SIZE = crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES + WEBHOOK_SECRET_SIZE };

void webhook_seal(const struct store *store, const unsigned char secret[WEBHOOK_SECRET_SIZE],
                  unsigned char out[SEALED_SIZE]);
/* A secret from its sealed form; FAILED, and logged, when the key is another one. */
enum result webhook_unseal(const struct store *store, const void *sealed, size_t len,
                           unsigned char out[WEBHOOK_SECRET_SIZE]) MUST_CHECK;
/* A new seed, sealed, and the public half of its key (ed25519). */
void webhook_seal_new_seed(const struct store *store, unsigned char out_sealed[SEALED_SIZE],
                           unsigned char out_public[WEBHOOK_PUBLIC_KEY_SIZE]);

#endif
