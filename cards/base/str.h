/* Growing text with a ceiling and a sticky failure: append twenty times, test `failed` once.
 *
 * The text lives in an arena and is always NUL-terminated, so `data` may be handed on as it is. */
#ifndef MEISHI_STR_H
#define MEISHI_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cards/base/arena.h"

struct str {
    struct arena *arena;
    char *data; /* never NULL after str_init */
    size_t len;
    size_t capacity;
    size_t max;  /* most bytes it may hold, the NUL not counted */
    bool failed; /* something did not fit; the text is cut and must not be used */
};

/* Empty text that may grow to MAX bytes. */
void str_init(struct str *str, struct arena *arena, size_t max);
void str_add(struct str *str, const char *text); /* NULL adds nothing */
void str_add_n(struct str *str, const void *bytes, size_t len);
void str_add_char(struct str *str, char c);
void str_add_int(struct str *str, int64_t number);
void str_addf(struct str *str, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
