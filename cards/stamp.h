/* The page's stamp: which hit a page was served for, sealed, so that every later act is tied to that very hit without a
 * cookie. It stands in every page, form and vCard link, hence a fixed length and a cost of well under a microsecond.
 * It says nothing about who the visitor is and cannot be made without the key. */
#ifndef MEISHI_STAMP_H
#define MEISHI_STAMP_H

#include <stdint.h>

enum { STAMP_LEN = 40, STAMP_SIZE = STAMP_LEN + 1, STAMP_KEY_SIZE = 32 };

/* Exactly STAMP_LEN characters of base64url (RFC 4648 part 5) and a NUL: the hit's id, and 176 bits of SipHash-2-4
 * with 128-bit output, under two keys, over purpose, hit and share. */
void stamp_write(char out[STAMP_SIZE], const unsigned char key[STAMP_KEY_SIZE], int64_t hit_id, int64_t share_id);
/* The hit's id, or 0 when TEXT is NULL, malformed, forged or of another share. Compares in constant time. The time of
 * the hit is id_time_ms() of it. */
int64_t stamp_read(const char *text, const unsigned char key[STAMP_KEY_SIZE], int64_t share_id);

#endif
