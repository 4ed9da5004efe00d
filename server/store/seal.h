/* What is sealed at rest with the installation's key. */
#ifndef MEISHI_SEAL_H
#define MEISHI_SEAL_H

#include <stddef.h>
#include "server/store/webhooks.h"

/* The secret of an endpoint from its sealed form; FAILED, and logged, when the key is another one. */
enum result webhook_unseal(const struct store *store, const void *sealed, size_t len,
                           unsigned char out[WEBHOOK_SECRET_SIZE]) MUST_CHECK;

#endif
