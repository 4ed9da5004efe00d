/* See complaints.h. */
#include "cards/base/complaints.h"

#include <string.h>

#include "cards/base/str.h"

void complaints_add(struct complaints *complaints, const char *field, const char *words)
{
    if (complaints->count < COMPLAINTS_MAX)
        complaints->list[complaints->count++] = (struct complaint){field, words, false};
}

void complaints_add_parameter(struct complaints *complaints, const char *name, const char *words)
{
    if (complaints->count < COMPLAINTS_MAX)
        complaints->list[complaints->count++] = (struct complaint){name, words, true};
}

const char *complaints_key(const char *key, struct arena *arena)
{
    struct str pointer;
    str_init(&pointer, arena, 2 * strlen(key));
    for (; *key; key++)
        if (*key == '~' || *key == '/')
            str_add(&pointer, *key == '~' ? "~0" : "~1");
        else
            str_add_char(&pointer, *key);
    return pointer.data;
}

const char *complaints_about(const struct complaints *complaints, const char *field)
{
    for (int i = 0; i < complaints->count; i++)
        if (!strcmp(complaints->list[i].field, field))
            return complaints->list[i].words;
    return NULL;
}
