/* See stamp.h. 30 bytes make 40 characters with no padding and no spare bits, so each stamp has exactly one spelling. */
#include "cards/stamp.h"

#include <sodium.h>
#include <string.h>

enum { ID_BYTES = 8, MAC_BYTES = 22, STAMP_BYTES = ID_BYTES + MAC_BYTES };
_Static_assert(STAMP_KEY_SIZE == 2 * crypto_shorthash_siphashx24_KEYBYTES, "the key is two keys");
_Static_assert(STAMP_BYTES * 4 == STAMP_LEN * 3, "a stamp has no padding");

static const char LETTERS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/* Keeps a stamp from standing in for any other seal made with the same key. */
static const char PURPOSE[8] = "stamp.v1";

static void put_id(unsigned char out[ID_BYTES], int64_t id)
{
    for (int i = 0; i < ID_BYTES; i++)
        out[i] = (unsigned char)((uint64_t)id >> (56 - 8 * i));
}

static void seal(unsigned char out[MAC_BYTES], const unsigned char key[STAMP_KEY_SIZE], int64_t hit_id,
                 int64_t share_id)
{
    unsigned char message[sizeof PURPOSE + 2 * ID_BYTES];
    memcpy(message, PURPOSE, sizeof PURPOSE);
    put_id(message + sizeof PURPOSE, hit_id);
    put_id(message + sizeof PURPOSE + ID_BYTES, share_id);
    /* Two halves of the key, two seals of 128 bits, of the second as much as there is room for. */
    unsigned char second[crypto_shorthash_siphashx24_BYTES];
    crypto_shorthash_siphashx24(out, message, sizeof message, key);
    crypto_shorthash_siphashx24(second, message, sizeof message, key + crypto_shorthash_siphashx24_KEYBYTES);
    memcpy(out + crypto_shorthash_siphashx24_BYTES, second, MAC_BYTES - crypto_shorthash_siphashx24_BYTES);
}

void stamp_write(char out[STAMP_SIZE], const unsigned char key[STAMP_KEY_SIZE], int64_t hit_id, int64_t share_id)
{
    unsigned char bytes[STAMP_BYTES];
    put_id(bytes, hit_id);
    seal(bytes + ID_BYTES, key, hit_id, share_id);
    for (int i = 0; i < STAMP_BYTES; i += 3) {
        uint32_t group = (uint32_t)bytes[i] << 16 | (uint32_t)bytes[i + 1] << 8 | bytes[i + 2];
        *out++ = LETTERS[group >> 18];
        *out++ = LETTERS[group >> 12 & 63];
        *out++ = LETTERS[group >> 6 & 63];
        *out++ = LETTERS[group & 63];
    }
    *out = '\0';
}

/* The value of one letter, or -1. */
static int letter_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

int64_t stamp_read(const char *text, const unsigned char key[STAMP_KEY_SIZE], int64_t share_id)
{
    if (!text || strnlen(text, STAMP_SIZE) != STAMP_LEN)
        return 0;
    unsigned char bytes[STAMP_BYTES], expected[MAC_BYTES];
    for (int i = 0; i < STAMP_LEN; i += 4) {
        uint32_t group = 0;
        for (int j = 0; j < 4; j++) {
            int value = letter_value(text[i + j]);
            if (value < 0)
                return 0;
            group = group << 6 | (uint32_t)value;
        }
        unsigned char *at = bytes + i / 4 * 3;
        at[0] = (unsigned char)(group >> 16);
        at[1] = (unsigned char)(group >> 8);
        at[2] = (unsigned char)group;
    }
    uint64_t id = 0;
    for (int i = 0; i < ID_BYTES; i++)
        id = id << 8 | bytes[i];
    if (!id || id > INT64_MAX)
        return 0;
    seal(expected, key, (int64_t)id, share_id);
    return sodium_memcmp(expected, bytes + ID_BYTES, MAC_BYTES) ? 0 : (int64_t)id;
}
