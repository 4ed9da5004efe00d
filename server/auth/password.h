/* Passwords: argon2id through libsodium, at most two at a time, so that a flood of sign-ins costs bounded memory. */
#ifndef MEISHI_PASSWORD_H
#define MEISHI_PASSWORD_H

#include <stdbool.h>
#include "cards/base/result.h"

enum { PASSWORD_MIN = 8, PASSWORD_MAX = 128, PASSWORD_HASH_SIZE = 128 }; /* code points */

struct password_gate;

struct password_gate *password_gate_open(void);
void password_gate_close(struct password_gate *gate);

/* NULL, or why TEXT cannot be a password of the member with this handle and name. */
const char *password_complaint(const char *text, const char *handle, const char *name);
/* The self-describing argon2id string. LIMITED: too many wait already. */
enum result password_hash(struct password_gate *gate, const char *text, char out[PASSWORD_HASH_SIZE]) MUST_CHECK;
/* OK or DENIED; a NULL hash takes as long as a wrong password, so that nobody learns who exists. *STALE: hash it anew. */
enum result password_verify(struct password_gate *gate, const char *text, const char *hash, bool *stale) MUST_CHECK;

#endif
