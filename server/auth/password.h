/* Passwords: argon2id through libsodium, few at a time, so that a flood of sign-ins costs bounded memory. */
#ifndef MEISHI_PASSWORD_H
#define MEISHI_PASSWORD_H

#include <stdbool.h>
#include "cards/base/result.h"
#include "server/turnstile.h"

enum { PASSWORD_MIN = 8, PASSWORD_MAX = 128, PASSWORD_HASH_SIZE = 128 }; /* code points */

/* NULL, or why TEXT cannot be a password of the member with this handle and name. */
const char *password_complaint(const char *text, const char *handle, const char *name);
/* The self-describing argon2id string. BUSY: too many wait at the GATE already. */
enum result password_hash(struct turnstile *gate, const char *text, char out[PASSWORD_HASH_SIZE]) MUST_CHECK;
/* OK, DENIED or BUSY; a NULL hash takes as long as a wrong password, so that nobody learns who exists. *STALE: hash it anew. */
enum result password_verify(struct turnstile *gate, const char *text, const char *hash, bool *stale) MUST_CHECK;

#endif
