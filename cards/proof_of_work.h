/* Proof of work: a sum that costs a browser a second and a spammer a thousand machines, asked for when a card's form is
 * flooded. A challenge is good for one card, one purpose and a short time, and carries its own cost; nothing is kept for it
 * until it is used. Whoever accepts one keeps its nonce until it expires, so that it is accepted once. */
#ifndef MEISHI_PROOF_OF_WORK_H
#define MEISHI_PROOF_OF_WORK_H

#include <stddef.h>
#include <stdint.h>
#include "cards/base/arena.h"

enum {
    PROOF_KEY_SIZE = 32,
    PROOF_NONCE_SIZE = 16,
    PROOF_PURPOSE_MAX = 16,    /* bytes */
    PROOF_BITS_MAX = 32,       /* each bit doubles the cost; 16 is about 65,000 hashes */
    PROOF_CHALLENGE_MAX = 200, /* bytes of text */
    PROOF_COUNTER_MAX = 20     /* digits */
};

struct proof_of_work {
    int64_t card_id;
    const char *purpose; /* "lead"; letters and digits */
    int64_t expires_ms;
    int bits;
    unsigned char nonce[PROOF_NONCE_SIZE]; /* random */
};

/* The challenge for these terms: netstrings (LENGTH:BYTES,) of card, purpose, expiry, bits and nonce, a dot, and keyed
 * BLAKE2b over them in base32. ASCII without quotes; in the arena. */
const char *proof_of_work_ask(const struct proof_of_work *terms, const unsigned char key[PROOF_KEY_SIZE],
                              struct arena *arena);
/* OK if CHALLENGE is ours, for that card and purpose, not expired, and SHA-256 of CHALLENGE followed by COUNTER (decimal
 * digits) begins with as many zero bits as it asks; OUT is then its terms (purpose is PURPOSE). Else INVALID. */
enum result proof_of_work_check(const char *challenge, const char *counter, const unsigned char key[PROOF_KEY_SIZE],
                                int64_t card_id, const char *purpose, int64_t now_ms,
                                struct proof_of_work *out) MUST_CHECK;

#endif
