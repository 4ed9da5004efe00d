/* What compiled templates call. A value's type picks the function: text goes through an escaper, numbers become digits,
 * and anything else, a bool above all, does not compile. Included by build/gen/templates.c and by nobody else. */
#ifndef MEISHI_TEMPLATE_H
#define MEISHI_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include "cards/base/escape.h"

static inline void template_signed(struct str *out, long long number)
{
    str_add_int(out, number);
}

static inline void template_unsigned(struct str *out, unsigned long long number)
{
    char digits[20];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + number % 10);
    while (number /= 10);
    str_add_n(out, digits + at, sizeof digits - at);
}

/* clang-format 14 does not know _Generic. */
/* clang-format off */
#define TEMPLATE_ADD(escape, out, value)                                                                               \
    _Generic((value),                                                                                                  \
        char *: escape,                                                                                                \
        const char *: escape,                                                                                          \
        short: template_signed,                                                                                        \
        int: template_signed,                                                                                          \
        long: template_signed,                                                                                         \
        long long: template_signed,                                                                                    \
        unsigned char: template_unsigned,                                                                              \
        unsigned short: template_unsigned,                                                                             \
        unsigned: template_unsigned,                                                                                   \
        unsigned long: template_unsigned,                                                                              \
        unsigned long long: template_unsigned)(out, value)

#define template_html(out, value) TEMPLATE_ADD(escape_html, out, value)
#define template_attr(out, value) TEMPLATE_ADD(escape_attr, out, value)
#define template_url_part(out, value) TEMPLATE_ADD(escape_url_part, out, value)
#define template_json(out, value) TEMPLATE_ADD(escape_json, out, value)
#define template_url(out, value) _Generic((value), char *: escape_url, const char *: escape_url)(out, value)
/* clang-format on */

static inline bool template_has_text(const char *text)
{
    return text && *text;
}

static inline bool template_has_number(long long number)
{
    return number != 0;
}

static inline bool template_has_pointer(const void *pointer)
{
    return pointer != NULL;
}

static inline bool template_has_size(unsigned long long number)
{
    return number != 0;
}

static inline bool template_same(const char *value, const char *text)
{
    return value && !strcmp(value, text);
}

static inline size_t template_count_signed(long long count)
{
    return count > 0 ? (size_t)count : 0;
}

static inline size_t template_count_unsigned(unsigned long long count)
{
    return (size_t)count;
}

/* clang-format off */
/* {{if value}}: text that is not empty, a number that is not zero, a pointer that points. */
#define template_has(value)                                                                                            \
    _Generic((value),                                                                                                  \
        char *: template_has_text,                                                                                     \
        const char *: template_has_text,                                                                               \
        bool: template_has_number,                                                                                     \
        short: template_has_number,                                                                                    \
        int: template_has_number,                                                                                      \
        long: template_has_number,                                                                                     \
        long long: template_has_number,                                                                                \
        unsigned char: template_has_number,                                                                            \
        unsigned short: template_has_number,                                                                           \
        unsigned: template_has_number,                                                                                 \
        unsigned long: template_has_size,                                                                              \
        unsigned long long: template_has_size,                                                                         \
        default: template_has_pointer)(value)

/* {{if value == "text"}}: a number does not compile. */
#define template_is(value, text) _Generic((value), char *: template_same, const char *: template_same)(value, text)

/* {{if value == 3}}: VALUE as it is if it is a number; text does not compile. */
#define template_number(value) _Generic((value), char *: (void)0, const char *: (void)0, default: (value))

/* {{for x in list}}: how many times. */
#define template_count(count)                                                                                          \
    _Generic((count), int: template_count_signed, long: template_count_signed, unsigned: template_count_unsigned,      \
             unsigned long: template_count_unsigned)(count)
/* clang-format on */

#endif
