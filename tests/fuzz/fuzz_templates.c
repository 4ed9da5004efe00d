/* Any values through the golden templates: the page must keep exactly the tags that its template wrote, and its JSON must
 * be one string where the template put one. */
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool true_now)
{
    if (!true_now)
        abort();
}

static size_t count(const char *text, char c)
{
    size_t n = 0;
    for (; *text; text++)
        n += *text == c;
    return n;
}

/* Cuts the next value from the input: up to a NUL. */
static const char *take(struct arena *arena, const uint8_t **data, size_t *size)
{
    const uint8_t *end = memchr(*data, 0, *size);
    size_t len = end ? (size_t)(end - *data) : *size;
    const char *value = arena_strndup(arena, (const char *)*data, len);
    *data += len + (end != NULL);
    *size -= len + (end != NULL);
    return value;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 4096)
        return 0;
    struct arena arena;
    struct str out, plain;
    arena_init(&arena);
    str_init(&out, &arena, 1 << 20);
    str_init(&plain, &arena, 1 << 20);
    struct golden_view view = {.name = take(&arena, &data, &size),
                               .url = take(&arena, &data, &size),
                               .token = take(&arena, &data, &size),
                               .note = take(&arena, &data, &size)};
    template_places(&out, &view);
    template_places(&plain, &(struct golden_view){.name = "a", .url = "b", .token = "c", .note = "d"});
    must(!out.failed && count(out.data, '<') == count(plain.data, '<') &&
         count(out.data, '>') == count(plain.data, '>'));
    static const char begin[] = "<script type=\"application/ld+json\">"; /* no value can hold its < */
    char *start = strstr(out.data, begin);
    must(start != NULL);
    start += strlen(begin);
    *strstr(start, "</script>") = '\0';
    json_t *json = json_loads(start, JSON_REJECT_DUPLICATES, NULL);
    json_t *name = json_string(view.name), *note = json_string(view.note), *token = json_string(view.token);
    if (name && note && token)
        must(json && json_equal(json_object_get(json, "name"), name));
    json_decref(json);
    json_decref(name);
    json_decref(note);
    json_decref(token);
    arena_free(&arena);
    return 0;
}
