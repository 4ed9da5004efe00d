/* Any bytes through every escaper: what comes out must not hold what would leave its place, and JSON strings must be read
 * back by jansson as what went in. */
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cards/base/escape.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool true_now)
{
    if (!true_now)
        abort();
}

static const char *run(struct arena *arena, void (*escape)(struct str *, const char *), const char *text)
{
    struct str out;
    str_init(&out, arena, 1 << 20);
    escape(&out, text);
    must(!out.failed && strlen(out.data) == out.len);
    return out.data;
}

static void check_url(const char *url)
{
    static const char *const good[] = {"http://", "https://", "mailto:", "tel:", "sms:", "#", "?"};
    must(!strpbrk(url, "<>\"'"));
    for (const char *at = url; *at; at++)
        must((unsigned char)*at >= 0x20);
    bool is_good = !*url || (*url == '/' && url[1] != '/' && url[1] != '\\');
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        is_good = is_good || !strncasecmp(url, good[i], strlen(good[i]));
    must(is_good);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 4096)
        return 0;
    struct arena arena;
    arena_init(&arena);
    const char *text = arena_strndup(&arena, (const char *)data, size);
    must(!strpbrk(run(&arena, escape_html, text), "<>"));
    must(!strpbrk(run(&arena, escape_attr, text), "<>\"'"));
    check_url(run(&arena, escape_url, text));
    const char *part = run(&arena, escape_url_part, text);
    must(strspn(part, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%") == strlen(part));
    const char *json = run(&arena, escape_json, text);
    must(!strpbrk(json, "<>&\n"));
    json_t *read = json_loads(arena_printf(&arena, "\"%s\"", json), JSON_DECODE_ANY, NULL);
    /* jansson refuses what is not UTF-8; everything else must come back. */
    must(!read || !strcmp(json_string_value(read), text));
    json_t *plain = json_string(text);
    must(!plain == !read);
    json_decref(plain);
    json_decref(read);
    arena_free(&arena);
    return 0;
}
