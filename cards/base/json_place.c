/* See json_place.h. */
#include "cards/base/json_place.h"

#include <stdbool.h>
#include <string.h>

#include "cards/base/complaints.h"

struct level {
    bool is_array;
    bool has_name; /* of an object: after its name, until the next comma */
    size_t index;
    const char *name;
    size_t name_len;
};

struct walk {
    struct level levels[JSON_PLACE_DEPTH_MAX];
    size_t depth; /* may be more than there are levels for */
};

static struct level *innermost(struct walk *walk)
{
    return walk->depth && walk->depth <= JSON_PLACE_DEPTH_MAX ? &walk->levels[walk->depth - 1] : NULL;
}

/* Steps over the string whose quote is at TEXT[at] and returns where it ends, LEN when it does not. */
static size_t take_string(struct walk *walk, const char *text, size_t at, size_t len)
{
    size_t begin = at + 1;
    for (at = begin; at < len && text[at] != '"'; at++)
        at += text[at] == '\\';
    struct level *level = innermost(walk);
    if (at < len && level && !level->is_array && !level->has_name) {
        level->has_name = true;
        level->name = text + begin;
        level->name_len = at - begin;
    }
    return at;
}

static void take_mark(struct walk *walk, char mark)
{
    struct level *level = innermost(walk);
    if (mark == '{' || mark == '[') {
        walk->depth++;
        if ((level = innermost(walk)))
            *level = (struct level){.is_array = mark == '['};
    } else if (mark == '}' || mark == ']')
        walk->depth -= walk->depth > 0;
    else if (mark == ',' && level) {
        level->index++;
        level->has_name = false;
    }
}

static const char *spell(const struct walk *walk, struct arena *arena)
{
    const char *place = "";
    for (size_t i = 0; i < walk->depth && i < JSON_PLACE_DEPTH_MAX; i++) {
        const struct level *level = &walk->levels[i];
        const char *slash = *place ? "/" : "";
        if (level->is_array) {
            place = arena_printf(arena, "%s%s%zu", place, slash, level->index);
            continue;
        }
        if (!level->has_name || memchr(level->name, '\\', level->name_len))
            return place;
        const char *name = arena_printf(arena, "%.*s", (int)level->name_len, level->name);
        place = arena_printf(arena, "%s%s%s", place, slash, complaints_key(name, arena));
    }
    return place;
}

const char *json_place(const char *text, size_t len, struct arena *arena)
{
    struct walk walk = {.depth = 0};
    for (size_t at = 0; at < len; at++)
        if (text[at] == '"')
            at = take_string(&walk, text, at, len);
        else
            take_mark(&walk, text[at]);
    return spell(&walk, arena);
}
