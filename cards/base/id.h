/* Ids and tokens as text.
 *
 * An id is a positive 64-bit number made by us (server/ids.h): 42 bits of milliseconds, 10 bits of node, 11 bits of
 * counter, so ids of one table sort by time and two servers never make the same one. Outside it is shown with a word for
 * its kind: "crd_01J3ZQ8F0K2M4". Tokens that people may read aloud are Crockford base32 in upper case; reading forgives
 * case and I L O. */
#ifndef MEISHI_ID_H
#define MEISHI_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ID_TEXT_SIZE = 24, /* room for any id as text, NUL included */
    TOKEN_LEN = 16,    /* a share token: 80 random bits */
    TOKEN_SIZE = TOKEN_LEN + 1
};

/* "KIND_" and 13 Crockford digits, NUL-terminated, into OUT. Returns OUT. */
char *id_format(char out[ID_TEXT_SIZE], const char *kind, int64_t id);
/* 0 if TEXT is not an id of that kind. */
int64_t id_parse(const char *kind, const char *text);
/* When the id was made, milliseconds since 1970. */
int64_t id_time_ms(int64_t id);
/* The smallest id that can have been made at that time. */
int64_t id_at_ms(int64_t time_ms);
/* Crockford base32 of LEN bytes; OUT must hold (LEN * 8 + 4) / 5 characters and a NUL. */
void base32_encode(char *out, const void *bytes, size_t len);
/* Exactly LEN bytes of Crockford base32 out of TEXT_LEN characters; false if they are not that. */
bool base32_decode(void *out, size_t len, const char *text, size_t text_len);
/* Normalises a share token to upper case and digits; false if it is not TOKEN_LEN base32 characters. */
bool token_normalise(char out[TOKEN_SIZE], const char *text, size_t len);

#endif
