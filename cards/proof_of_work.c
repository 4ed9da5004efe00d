/* See proof_of_work.h. The seal is checked before anything else is read, and what it covers is prefixed by lengths, so no
 * two sets of terms have the same text and none can be shifted into another. */
#include "cards/proof_of_work.h"

#include <assert.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "cards/base/id.h"
#include "cards/base/str.h"

enum { MAC_BYTES = 20, MAC_LEN = MAC_BYTES * 8 / 5, NONCE_LEN = (PROOF_NONCE_SIZE * 8 + 4) / 5 };

static const char DOMAIN[] = "proof.v1";

static void seal(char out[MAC_LEN + 1], const unsigned char key[PROOF_KEY_SIZE], const char *text, size_t len)
{
    unsigned char mac[MAC_BYTES];
    crypto_generichash_state state;
    crypto_generichash_init(&state, key, PROOF_KEY_SIZE, sizeof mac);
    crypto_generichash_update(&state, (const unsigned char *)DOMAIN, sizeof DOMAIN);
    crypto_generichash_update(&state, (const unsigned char *)text, len);
    crypto_generichash_final(&state, mac, sizeof mac);
    base32_encode(out, mac, sizeof mac);
}

static void add_field(struct str *out, const char *text)
{
    str_addf(out, "%zu:%s,", strlen(text), text);
}

static void add_number(struct str *out, int64_t number)
{
    char text[24];
    str_addf(out, "%d:%s,", snprintf(text, sizeof text, "%lld", (long long)number), text);
}

const char *proof_of_work_ask(const struct proof_of_work *terms, const unsigned char key[PROOF_KEY_SIZE],
                              struct arena *arena)
{
    assert(strlen(terms->purpose) <= PROOF_PURPOSE_MAX && terms->bits >= 0 && terms->bits <= PROOF_BITS_MAX);
    char nonce[NONCE_LEN + 1], mac[MAC_LEN + 1];
    base32_encode(nonce, terms->nonce, sizeof terms->nonce);
    struct str text;
    str_init(&text, arena, PROOF_CHALLENGE_MAX);
    add_number(&text, terms->card_id);
    add_field(&text, terms->purpose);
    add_number(&text, terms->expires_ms);
    add_number(&text, terms->bits);
    add_field(&text, nonce);
    seal(mac, key, text.data, text.len);
    str_add_char(&text, '.');
    str_add(&text, mac);
    assert(!text.failed);
    return text.data;
}

/* The next netstring at *AT, which moves past it; false if there is none. */
static bool next_field(const char **at, const char **field, size_t *len)
{
    size_t digits = strspn(*at, "0123456789");
    if (!digits || digits > 2 || (*at)[digits] != ':')
        return false;
    *len = (size_t)((*at)[0] - '0');
    if (digits == 2)
        *len = *len * 10 + (size_t)((*at)[1] - '0');
    *field = *at + digits + 1;
    if (strnlen(*field, *len + 1) <= *len || (*field)[*len] != ',')
        return false;
    *at = *field + *len + 1;
    return true;
}

static bool next_number(const char **at, int64_t *out)
{
    const char *field;
    size_t len;
    if (!next_field(at, &field, &len) || !len || len > 19 || strspn(field, "0123456789") != len)
        return false;
    uint64_t number = 0;
    for (size_t i = 0; i < len; i++)
        number = number * 10 + (uint64_t)(field[i] - '0');
    *out = (int64_t)number;
    return number <= INT64_MAX;
}

/* Reads the terms that a seal of ours vouches for. */
static bool read_terms(const char *text, const char *purpose, struct proof_of_work *out)
{
    const char *field;
    size_t len;
    int64_t bits;
    if (!next_number(&text, &out->card_id) || !next_field(&text, &field, &len))
        return false;
    if (len != strlen(purpose) || memcmp(field, purpose, len))
        return false;
    out->purpose = purpose;
    if (!next_number(&text, &out->expires_ms) || !next_number(&text, &bits) || bits > PROOF_BITS_MAX)
        return false;
    out->bits = (int)bits;
    return next_field(&text, &field, &len) && *text == '.' && base32_decode(out->nonce, sizeof out->nonce, field, len);
}

static bool is_done(const char *challenge, const char *counter, int bits)
{
    unsigned char hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, (const unsigned char *)challenge, strlen(challenge));
    crypto_hash_sha256_update(&state, (const unsigned char *)counter, strlen(counter));
    crypto_hash_sha256_final(&state, hash);
    for (int bit = 0; bit < bits; bit++)
        if (hash[bit / 8] >> (7 - bit % 8) & 1)
            return false;
    return true;
}

enum result proof_of_work_check(const char *challenge, const char *counter, const unsigned char key[PROOF_KEY_SIZE],
                                int64_t card_id, const char *purpose, int64_t now_ms, struct proof_of_work *out)
{
    if (!challenge || !counter || strnlen(challenge, PROOF_CHALLENGE_MAX + 1) > PROOF_CHALLENGE_MAX)
        return RESULT_INVALID;
    size_t digits = strspn(counter, "0123456789");
    if (!digits || digits > PROOF_COUNTER_MAX || counter[digits])
        return RESULT_INVALID;
    const char *dot = strrchr(challenge, '.');
    if (!dot || strlen(dot + 1) != MAC_LEN)
        return RESULT_INVALID;
    char expected[MAC_LEN + 1];
    seal(expected, key, challenge, (size_t)(dot - challenge));
    if (sodium_memcmp(expected, dot + 1, MAC_LEN))
        return RESULT_INVALID;
    struct proof_of_work terms;
    if (!read_terms(challenge, purpose, &terms) || terms.card_id != card_id || terms.expires_ms <= now_ms)
        return RESULT_INVALID;
    if (!is_done(challenge, counter, terms.bits))
        return RESULT_INVALID;
    *out = terms;
    return RESULT_OK;
}
