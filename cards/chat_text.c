/* See chat_text.h. */
#include "cards/chat_text.h"

#include <assert.h>
#include <string.h>
#include "cards/base/str.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Of another script too, but not the punctuation and signs from U+2000 to U+2FFF. */
static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) ||
           ((unsigned char)c >= 0x80 && (unsigned char)c != 0xE2);
}

static bool is_gap(char c)
{
    return !c || c == ' ' || c == '\n';
}

/* A dot is parted on both sides: some find hosts by what comes after it, Mattermost any that begins with "www." */
static bool is_host_dot(char before, char c, char after)
{
    return c == '.' && is_alnum(before) && is_alnum(after);
}

static bool must_part(char before, char c, char after)
{
    if (c == '@' || c == '#' || c == '~')
        return !is_gap(after);
    if (c == ':')
        return !is_gap(after) && !(is_digit(before) && is_digit(after)); /* not 10:30 */
    return is_host_dot(before, c, after);
}

/* What Markdown reads anywhere, and what it reads at the start of a line. */
static const char *const MARKS[] = {[CHAT_LITERAL] = "",
                                    [CHAT_SLACK] = "",
                                    [CHAT_DISCORD] = "\\*_~|`[]()<>",
                                    [CHAT_MATTERMOST] = "\\*_~|`[]()<>#&!$^{}="};
static const char LINE_MARKS[] = "-+#>=";

static const char *reference(char c)
{
    return c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : NULL;
}

static const char *escape(const char *text, enum chat_place place, bool part, struct arena *arena)
{
    static const char PARTING[] = "\u200b";
    enum { GROWTH = 7 }; /* a dot between two U+200B */
    struct str out;
    bool starts = true, marked = place == CHAT_DISCORD || place == CHAT_MATTERMOST;
    str_init(&out, arena, strlen(text) * GROWTH + 1);
    for (size_t i = 0; text[i]; i++) {
        char c = text[i], before = i ? text[i - 1] : '\0', after = text[i + 1];
        if (part && is_host_dot(before, c, after))
            str_add(&out, PARTING);
        if (marked && (strchr(MARKS[place], c) || (starts && strchr(LINE_MARKS, c))))
            str_add_char(&out, '\\');
        if (place == CHAT_SLACK && reference(c))
            str_add(&out, reference(c));
        else
            str_add_char(&out, c);
        if (part && must_part(before, c, after))
            str_add(&out, PARTING);
        starts = c == '\n' || (starts && c == ' ');
    }
    return out.data;
}

const char *chat_text(const char *text, enum chat_place place, size_t max, enum text_unit unit, struct arena *arena)
{
    assert(max >= 32);
    /* How much escapes add is known only once they stand there: too much, and less is kept. */
    for (size_t keep = max;; keep -= keep / 8 + 1) {
        const char *escaped = escape(text_fit(text, keep, unit, arena), place, true, arena);
        if (text_measure(escaped, unit) <= max)
            return escaped;
    }
}

const char *chat_address(const char *text, enum chat_place place, struct arena *arena)
{
    return escape(text, place, false, arena);
}

static bool is_of(const char *text, size_t len, const char *marks)
{
    for (size_t i = 0; i < len; i++)
        if (!is_alnum(text[i]) && !strchr(marks, text[i]))
            return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] >= 0x80)
            return false;
    return len > 0;
}

bool chat_is_address(const char *text)
{
    const char *at = strchr(text, '@');
    if (!at)
        return is_of(text, strlen(text), " +-()./") &&
               !strpbrk(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    return is_of(text, (size_t)(at - text), "._+-") && is_of(at + 1, strlen(at + 1), ".-") && is_alnum(at[-1]) &&
           is_alnum(at[1]);
}
