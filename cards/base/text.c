/* See text.h. libunistring does the Unicode; what it allocates is copied into the arena at once and freed here. */
#include "cards/base/text.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <unictype.h>
#include <unigbrk.h>
#include <uninorm.h>
#include <unistr.h>

/* More than any field of ours allows, and small enough that normalising it is cheap. */
enum { CLEAN_BYTES_MAX = 256 * 1024 };

static const uint8_t *bytes_of(const char *text)
{
    return (const uint8_t *)text;
}

/* Takes over what libunistring made; it fails only for want of memory, which ends the program. */
static char *keep(struct arena *arena, uint8_t *made, size_t len)
{
    if (!made)
        abort();
    char *copy = arena_strndup(arena, (const char *)made, len);
    free(made);
    return copy;
}

bool text_is_utf8(const char *text, size_t len)
{
    return !u8_check(bytes_of(text), len);
}

uint32_t text_next(const char **at)
{
    ucs4_t point = 0;
    const uint8_t *next = u8_next(&point, bytes_of(*at));
    if (!next)
        return 0;
    *at = (const char *)next;
    return point;
}

bool text_is_cjk(uint32_t point)
{
    static const char *const scripts[] = {"Han", "Hiragana", "Katakana", "Hangul", "Bopomofo"};
    const uc_script_t *script = uc_script(point);
    for (size_t i = 0; script && i < sizeof scripts / sizeof *scripts; i++)
        if (!strcmp(script->name, scripts[i]))
            return true;
    return false;
}

size_t text_count(const char *text)
{
    return u8_mbsnlen(bytes_of(text), strlen(text));
}

static bool is_space(uint32_t point)
{
    return uc_is_property_white_space(point);
}

/* Controls, and the marks that turn the direction of the text after them: they would make a name read as another. */
static bool is_dropped(uint32_t point)
{
    return uc_is_general_category_withtable(point, UC_CATEGORY_MASK_Cc) || (point >= 0x202A && point <= 0x202E) ||
           (point >= 0x2066 && point <= 0x2069) || (point & 0xFFFE) == 0xFFFE || (point >= 0xFDD0 && point <= 0xFDEF);
}

/* Wide nothing: cut off at both ends. Joiners and variation selectors belong to the character before them. */
static bool is_blank(uint32_t point)
{
    return is_space(point) || point == 0x200B || point == 0x2060 || point == 0xFEFF || point == 0x00AD;
}

static bool is_visible(uint32_t point)
{
    return !is_space(point) && !uc_is_property_default_ignorable_code_point(point) &&
           point != 0x2800 /* the Braille cell without dots */;
}

static void put(char **to, uint32_t point)
{
    int len = u8_uctomb((uint8_t *)*to, point, 4);
    assert(len > 0);
    *to += len;
}

/* Copies TEXT to OUT, which has room for its length: what comes out is never longer than what went in. */
static void settle(const char *text, enum text_kind kind, char *out)
{
    const char *at = text;
    for (uint32_t point; (point = text_next(&at));) {
        bool breaks = point == '\n' || point == '\r' || point == 0x85 || point == 0x2028 || point == 0x2029;
        if (point == '\r' && *at == '\n')
            continue;
        if (breaks)
            *out++ = kind == TEXT_LINES ? '\n' : ' ';
        else if (point == '\t' || point == '\v' || point == '\f')
            *out++ = ' ';
        else if (!is_dropped(point))
            put(&out, point);
    }
    *out = '\0';
}

/* Cuts the blank ends off, in place; "" when nothing visible is between them. */
static const char *trim(char *text)
{
    const char *start = NULL, *end = text, *at = text;
    bool visible = false;
    for (;;) {
        const char *here = at;
        uint32_t point = text_next(&at);
        if (!point)
            break;
        visible = visible || is_visible(point);
        if (is_blank(point))
            continue;
        if (!start)
            start = here;
        end = at;
    }
    if (!visible)
        return "";
    text[end - text] = '\0';
    return start;
}

enum result text_clean(const char *text, enum text_kind kind, struct arena *arena, const char **out)
{
    *out = NULL;
    if (!text)
        return RESULT_OK;
    size_t len = strlen(text);
    if (len > CLEAN_BYTES_MAX || !text_is_utf8(text, len))
        return RESULT_INVALID;
    char *settled = arena_alloc_raw(arena, len + 1);
    settle(text, kind, settled);
    const char *trimmed = trim(settled);
    if (!*trimmed)
        return RESULT_OK;
    size_t normal_len = 0;
    uint8_t *normal = u8_normalize(UNINORM_NFC, bytes_of(trimmed), strlen(trimmed), NULL, &normal_len);
    *out = keep(arena, normal, normal_len);
    return RESULT_OK;
}

bool text_check(const char **text, size_t max, enum text_kind kind, const char *field, struct arena *arena,
                struct complaints *complaints)
{
    const char *clean;
    if (text_clean(*text, kind, arena, &clean) != RESULT_OK) {
        complaints_add(complaints, field, "This text is damaged (not UTF-8). Please type it again.");
        *text = NULL;
        return false;
    }
    *text = clean;
    if (!clean || text_count(clean) <= max)
        return true;
    complaints_add(complaints, field, arena_printf(arena, "Please keep this to %zu characters at most.", max));
    return false;
}

static size_t measure(const char *text, const char *end, enum text_unit unit)
{
    size_t count = 0;
    if (unit == TEXT_BYTES)
        return (size_t)(end - text);
    while (text < end)
        count += text_next(&text) > 0xFFFF && unit == TEXT_UTF16 ? 2 : 1;
    return count;
}

size_t text_measure(const char *text, enum text_unit unit)
{
    return measure(text, text + strlen(text), unit);
}

const char *text_fit(const char *text, size_t max, enum text_unit unit, struct arena *arena)
{
    static const char ELLIPSIS[] = "\u2026";
    size_t len = strlen(text), room = text_measure(ELLIPSIS, unit), used = 0, kept = 0;
    assert(max >= room);
    if (text_measure(text, unit) <= max)
        return text;
    /* All at once: whether there is a break between two code points may depend on those before. */
    char *breaks = arena_alloc_raw(arena, len);
    u8_grapheme_breaks(bytes_of(text), len, breaks);
    for (size_t next = 1;; next++) {
        if (next < len && !breaks[next])
            continue;
        used += measure(text + kept, text + next, unit);
        if (used > max - room)
            break;
        kept = next;
    }
    return arena_printf(arena, "%.*s%s", (int)kept, text, ELLIPSIS);
}

const char *text_cut(const char *text, size_t max, struct arena *arena)
{
    return text_fit(text, max, TEXT_POINTS, arena);
}

/* A mark that only colours its letter. Combining classes 7 (nukta), 8 (kana voicing) and 9 (virama) make a new one. */
static bool is_riding_mark(uint32_t point)
{
    int class = uc_combining_class(point);
    return class != UC_CCC_NR && class != UC_CCC_NK && class != UC_CCC_KV && class != UC_CCC_VR;
}

const char *text_fold(const char *text, struct arena *arena)
{
    if (!text || strlen(text) > CLEAN_BYTES_MAX || !text_is_utf8(text, strlen(text)))
        return "";
    size_t len = 0;
    uint8_t *folded = u8_casefold(bytes_of(text), strlen(text), NULL, UNINORM_NFKD, NULL, &len);
    char *letters = keep(arena, folded, len);
    char *to = letters;
    const char *at = letters;
    for (uint32_t point; (point = text_next(&at));)
        if (!is_riding_mark(point))
            put(&to, point); /* never overtakes `at`: it copies the same or fewer bytes */
    *to = '\0';
    uint8_t *normal = u8_normalize(UNINORM_NFKC, bytes_of(letters), strlen(letters), NULL, &len);
    return keep(arena, normal, len);
}

const char *text_lower(const char *text, struct arena *arena)
{
    size_t len = 0;
    if (strlen(text) > CLEAN_BYTES_MAX || !text_is_utf8(text, strlen(text)))
        return "";
    uint8_t *lower = u8_tolower(bytes_of(text), strlen(text), NULL, UNINORM_NFC, NULL, &len);
    return keep(arena, lower, len);
}

const char *text_initial(const char *text, struct arena *arena)
{
    enum { CLUSTER_BYTES_MAX = 32 };
    char breaks[CLUSTER_BYTES_MAX + 1];
    size_t known = strnlen(text, CLUSTER_BYTES_MAX + 1), len = 1;
    if (!known)
        return "";
    u8_grapheme_breaks(bytes_of(text), known, breaks);
    while (len < known && !breaks[len])
        len++;
    if (len > CLUSTER_BYTES_MAX) {
        const char *at = text;
        text_next(&at);
        len = (size_t)(at - text);
    }
    size_t title_len = 0;
    uint8_t *title = u8_totitle(bytes_of(text), len, NULL, NULL, NULL, &title_len);
    return keep(arena, title, title_len);
}
