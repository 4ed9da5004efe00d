/* Whether the key that the store is opened with is its own. */
#ifndef MEISHI_STORE_STORE_KEY_H
#define MEISHI_STORE_STORE_KEY_H

#include "server/store/db.h"

/* Whether KEY (32 bytes) is the one the store was made with, which is written down by the first who WRITES, and anew
 * by who does so and is to ACCEPT another. FAILED with a sentence in *WHY. */
enum result store_key_check(struct db *db, const unsigned char *key, bool writes, bool accept,
                            const char **why) MUST_CHECK;

#endif
