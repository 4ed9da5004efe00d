/* See str.h. Growth doubles inside the arena; the outgrown copy is left there, which the arena's short life pays for. */
#include "cards/base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_CAPACITY = 256 };

void str_init(struct str *str, struct arena *arena, size_t max)
{
    size_t capacity = max < FIRST_CAPACITY ? max : FIRST_CAPACITY;
    *str = (struct str){.arena = arena, .capacity = capacity, .max = max};
    str->data = arena_alloc_raw(arena, capacity + 1);
    str->data[0] = '\0';
}

/* Makes room for LEN more bytes; false, and failed for good, when that would pass the ceiling. */
static bool reserve(struct str *str, size_t len)
{
    if (str->failed || len > str->max - str->len) {
        str->failed = true;
        return false;
    }
    if (len <= str->capacity - str->len)
        return true;
    size_t capacity = str->capacity * 2;
    if (capacity < str->len + len)
        capacity = str->len + len;
    if (capacity > str->max)
        capacity = str->max;
    char *data = arena_alloc_raw(str->arena, capacity + 1);
    memcpy(data, str->data, str->len + 1);
    str->data = data;
    str->capacity = capacity;
    return true;
}

void str_add_n(struct str *str, const void *bytes, size_t len)
{
    if (!len || !reserve(str, len))
        return;
    memcpy(str->data + str->len, bytes, len);
    str->len += len;
    str->data[str->len] = '\0';
}

void str_add(struct str *str, const char *text)
{
    if (text)
        str_add_n(str, text, strlen(text));
}

void str_add_char(struct str *str, char c)
{
    str_add_n(str, &c, 1);
}

void str_add_int(struct str *str, int64_t number)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%lld", (long long)number);
    str_add_n(str, digits, (size_t)len);
}

void str_addf(struct str *str, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len >= 0 && reserve(str, (size_t)len)) {
        vsnprintf(str->data + str->len, (size_t)len + 1, format, again);
        str->len += (size_t)len;
    }
    va_end(again);
}
