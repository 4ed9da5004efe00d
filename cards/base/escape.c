/* See escape.h. Each escaper copies runs of harmless bytes at once and stops only where the place demands it; none
 * judges whether the text is good, only that it cannot leave its place. Text is UTF-8, checked where it came in. */
#include "cards/base/escape.h"

#include <string.h>
#include <strings.h>

static const char HEX[] = "0123456789ABCDEF";

static const char *reference(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    default:
        return "&#39;";
    }
}

static void add_with_references(struct str *out, const char *text, const char *special)
{
    if (!text)
        return;
    for (;;) {
        size_t run = strcspn(text, special);
        str_add_n(out, text, run);
        text += run;
        if (!*text)
            return;
        str_add(out, reference(*text++));
    }
}

void escape_html(struct str *out, const char *text)
{
    add_with_references(out, text, "&<>");
}

void escape_attr(struct str *out, const char *text)
{
    add_with_references(out, text, "&<>\"'");
}

/* An allow-list, since browsers strip spaces and controls, forgive case and read \ as /: whatever is not plainly one of
 * the good forms is refused, so no list of tricks has to be complete. */
static bool url_is_harmless(const char *url)
{
    static const char *const schemes[] = {"https://", "http://", "mailto:", "tel:", "sms:"};
    for (const char *at = url; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            return false;
    if (*url == '/')
        return url[1] != '/' && url[1] != '\\';
    if (*url == '#' || *url == '?' || !*url)
        return true;
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (!strncasecmp(url, schemes[i], strlen(schemes[i])))
            return true;
    return false;
}

void escape_url(struct str *out, const char *url)
{
    if (!url)
        return;
    escape_attr(out, url_is_harmless(url) ? url : "#");
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-._~", c));
}

void escape_url_part(struct str *out, const char *text)
{
    if (!text)
        return;
    while (*text) {
        size_t run = 0;
        while (is_unreserved(text[run]))
            run++;
        str_add_n(out, text, run);
        text += run;
        if (!*text)
            return;
        unsigned char byte = (unsigned char)*text++;
        str_add_n(out, (char[]){'%', HEX[byte >> 4], HEX[byte & 15]}, 3);
    }
}

static void add_json_escape(struct str *out, unsigned char c)
{
    static const char short_forms[] = "\"\"\\\\\nn\rr\tt\bb\ff";
    for (const char *form = short_forms; *form; form += 2)
        if ((unsigned char)*form == c) {
            str_add_n(out, (char[]){'\\', form[1]}, 2);
            return;
        }
    str_add_n(out, (char[]){'\\', 'u', '0', '0', HEX[c >> 4], HEX[c & 15]}, 6);
}

void escape_json(struct str *out, const char *text)
{
    if (!text)
        return;
    for (;;) {
        size_t run = 0;
        for (;; run++) {
            unsigned char c = (unsigned char)text[run];
            if (c < 0x20 || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&')
                break;
            /* U+2028 and U+2029 end a line in older script engines. */
            if (c == 0xe2 && !strncmp(text + run + 1, "\x80\xa8", 2))
                break;
            if (c == 0xe2 && !strncmp(text + run + 1, "\x80\xa9", 2))
                break;
        }
        str_add_n(out, text, run);
        text += run;
        if (!*text)
            return;
        if ((unsigned char)*text == 0xe2) {
            str_add(out, (unsigned char)text[2] == 0xa8 ? "\\u2028" : "\\u2029");
            text += 3;
        } else {
            add_json_escape(out, (unsigned char)*text++);
        }
    }
}
