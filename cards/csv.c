/* See csv.h. */
#include "cards/csv.h"

#include <string.h>

/* The quoted field at AT, whose quotes are doubled inside; NULL if it does not end. */
static const char *quoted(const char *at, struct arena *arena, const char **out)
{
    char *text = arena_alloc(arena, strlen(at) + 1), *to = text;
    for (at++; *at && (*at != '"' || at[1] == '"'); at++) {
        if (*at == '"')
            at++;
        *to++ = *at;
    }
    *to = '\0';
    *out = text;
    return *at == '"' ? at + 1 : NULL;
}

static const char *plain(const char *at, struct arena *arena, const char **out)
{
    size_t len = strcspn(at, ",\r\n\"");
    *out = arena_strndup(arena, at, len);
    return at[len] == '"' ? NULL : at + len;
}

enum result csv_row(const char **at, struct arena *arena, const char *fields[CSV_FIELDS_MAX], size_t *count)
{
    const char *here = *at;
    *count = 0;
    while (*here && *here != '\r' && *here != '\n') {
        if (*count == CSV_FIELDS_MAX)
            return RESULT_INVALID;
        const char *end = *here == '"' ? quoted(here, arena, &fields[*count]) : plain(here, arena, &fields[*count]);
        if (!end || (*end && !strchr(",\r\n", *end)))
            return RESULT_INVALID;
        ++*count;
        here = end;
        if (*here == ',' && !strchr("\r\n", here[1])) /* strchr finds the end too: nothing stands behind a last comma */
            here++;
        else if (*here == ',') {
            if (*count == CSV_FIELDS_MAX)
                return RESULT_INVALID;
            fields[(*count)++] = "";
            here++;
        }
    }
    here += *here == '\r';
    here += *here == '\n';
    *at = here;
    return RESULT_OK;
}
