/* See scope.h. */
#include "server/auth/scope.h"

#include <string.h>

#include "cards/base/str.h"

enum { TEXT_MAX = 512 };

static const char *const NAMES[] = {
    [SCOPE_NONE] = "",           [SCOPE_ACCOUNT] = "account", [SCOPE_CARDS] = "cards",   [SCOPE_LEADS] = "leads",
    [SCOPE_MEMBERS] = "members", [SCOPE_METRICS] = "metrics", [SCOPE_SHARES] = "shares", [SCOPE_WEBHOOKS] = "webhooks",
};

static const uint32_t ALL = (1u << SCOPE_RESOURCE_COUNT) - 2; /* but SCOPE_NONE */

const char *scope_resource_name(enum scope_resource resource)
{
    return NAMES[resource];
}

static bool is_word(const char *text, size_t len, const char *word)
{
    return strlen(word) == len && !memcmp(text, word, len);
}

void scopes_grant(struct scopes *scopes, enum scope_resource resource, bool write)
{
    uint32_t bits = resource ? 1u << resource : ALL;
    scopes->read |= bits;
    if (write)
        scopes->write |= bits;
}

bool scope_add(struct scopes *scopes, const char *text, size_t len)
{
    const char *colon = memchr(text, ':', len);
    size_t name_len = colon ? (size_t)(colon - text) : 0;
    const char *verb = colon ? colon + 1 : text;
    size_t verb_len = len - (size_t)(verb - text);
    bool write = is_word(verb, verb_len, "write");
    if (!write && !is_word(verb, verb_len, "read"))
        return false;
    int resource = colon ? SCOPE_ACCOUNT : SCOPE_NONE;
    while (resource < SCOPE_RESOURCE_COUNT && !is_word(text, name_len, NAMES[resource]))
        resource++;
    if (resource == SCOPE_RESOURCE_COUNT)
        return false;
    scopes_grant(scopes, (enum scope_resource)resource, write);
    return true;
}

bool scopes_add(struct scopes *scopes, const char *list, const char **wrong)
{
    for (const char *at = list; *at;) {
        size_t len = strcspn(at, " ,");
        if (len && !scope_add(scopes, at, len)) {
            if (wrong)
                *wrong = at;
            return false;
        }
        at += len + (at[len] != '\0');
    }
    return true;
}

bool scopes_allow(const struct scopes *scopes, enum scope_resource resource, bool write)
{
    return ((write ? scopes->write : scopes->read) >> resource) & 1;
}

bool scopes_cover(const struct scopes *whole, const struct scopes *part)
{
    return !(part->read & ~whole->read) && !(part->write & ~whole->write);
}

bool scopes_are_none(const struct scopes *scopes)
{
    return !scopes->read;
}

const char *scopes_text(const struct scopes *scopes, struct arena *arena)
{
    struct str text;
    str_init(&text, arena, TEXT_MAX);
    bool all_read = scopes->read == ALL, all_write = scopes->write == ALL;
    if (all_read)
        str_add(&text, all_write ? "read write" : "read");
    for (int resource = SCOPE_ACCOUNT; resource < SCOPE_RESOURCE_COUNT && !all_write; resource++) {
        bool write = scopes_allow(scopes, (enum scope_resource)resource, true);
        if (write || (!all_read && scopes_allow(scopes, (enum scope_resource)resource, false)))
            str_addf(&text, "%s%s:%s", text.len ? " " : "", NAMES[resource], write ? "write" : "read");
    }
    return text.data;
}
