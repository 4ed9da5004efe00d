/* See id.h. */
#include "cards/base/id.h"

#include <stdio.h>
#include <string.h>

static const char DIGITS[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

enum { ID_DIGITS = 13, TIME_SHIFT = 21 };

/* One more than the value of each Crockford digit, in either case and as it may be misread; 0 is none. */
static const unsigned char VALUES[256] = {
    ['0'] = 1,  ['O'] = 1,  ['o'] = 1,  ['1'] = 2,  ['I'] = 2,  ['i'] = 2,  ['L'] = 2,  ['l'] = 2,  ['2'] = 3,
    ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,  ['8'] = 9,  ['9'] = 10, ['A'] = 11, ['a'] = 11,
    ['B'] = 12, ['b'] = 12, ['C'] = 13, ['c'] = 13, ['D'] = 14, ['d'] = 14, ['E'] = 15, ['e'] = 15, ['F'] = 16,
    ['f'] = 16, ['G'] = 17, ['g'] = 17, ['H'] = 18, ['h'] = 18, ['J'] = 19, ['j'] = 19, ['K'] = 20, ['k'] = 20,
    ['M'] = 21, ['m'] = 21, ['N'] = 22, ['n'] = 22, ['P'] = 23, ['p'] = 23, ['Q'] = 24, ['q'] = 24, ['R'] = 25,
    ['r'] = 25, ['S'] = 26, ['s'] = 26, ['T'] = 27, ['t'] = 27, ['V'] = 28, ['v'] = 28, ['W'] = 29, ['w'] = 29,
    ['X'] = 30, ['x'] = 30, ['Y'] = 31, ['y'] = 31, ['Z'] = 32, ['z'] = 32};

/* The value of one Crockford digit, or -1. */
static int digit_value(char c)
{
    return VALUES[(unsigned char)c] - 1;
}

char *id_format(char out[ID_TEXT_SIZE], const char *kind, int64_t id)
{
    char digits[ID_DIGITS + 1];
    uint64_t rest = (uint64_t)id;
    for (int i = ID_DIGITS; i-- > 0; rest >>= 5)
        digits[i] = DIGITS[rest & 31];
    digits[ID_DIGITS] = '\0';
    snprintf(out, ID_TEXT_SIZE, "%s_%s", kind, digits);
    return out;
}

int64_t id_parse(const char *kind, const char *text)
{
    size_t len = strlen(kind);
    if (!text || strncmp(text, kind, len) || text[len] != '_' || strlen(text + len + 1) != ID_DIGITS)
        return 0;
    uint64_t id = 0;
    for (const char *at = text + len + 1; *at; at++) {
        int value = digit_value(*at);
        if (value < 0 || id >> 59)
            return 0;
        id = id << 5 | (uint64_t)value;
    }
    return id > INT64_MAX ? 0 : (int64_t)id;
}

int64_t id_time_ms(int64_t id)
{
    return id >> TIME_SHIFT;
}

int64_t id_at_ms(int64_t time_ms)
{
    return time_ms << TIME_SHIFT;
}

void base32_encode(char *out, const void *bytes, size_t len)
{
    const unsigned char *in = bytes;
    unsigned bits = 0, have = 0;
    for (size_t i = 0; i < len; i++) {
        bits = bits << 8 | in[i];
        for (have += 8; have >= 5; have -= 5)
            *out++ = DIGITS[bits >> (have - 5) & 31];
    }
    if (have)
        *out++ = DIGITS[bits << (5 - have) & 31];
    *out = '\0';
}

bool base32_decode(void *out, size_t len, const char *text, size_t text_len)
{
    unsigned char *to = out;
    unsigned bits = 0, have = 0;
    if (text_len != (len * 8 + 4) / 5)
        return false;
    for (size_t i = 0; i < text_len; i++) {
        int value = digit_value(text[i]);
        if (value < 0)
            return false;
        bits = bits << 5 | (unsigned)value;
        have += 5;
        if (have >= 8) {
            have -= 8;
            *to++ = (unsigned char)(bits >> have);
        }
    }
    return !(bits & ((1u << have) - 1)); /* spare bits are zero, so each value has one spelling */
}

bool token_normalise(char out[TOKEN_SIZE], const char *text, size_t len)
{
    if (len != TOKEN_LEN)
        return false;
    for (size_t i = 0; i < len; i++) {
        int value = digit_value(text[i]);
        if (value < 0)
            return false;
        out[i] = DIGITS[value];
    }
    out[TOKEN_LEN] = '\0';
    return true;
}
