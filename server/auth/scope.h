/* What an API token may do. Its scopes are words with spaces between them, as OAuth has them (RFC 6749 3.3): "read" and
 * "write" are for everything, "leads:read" and so on for one resource. Who may write may read, since every change is
 * answered with what it made. */
#ifndef MEISHI_SCOPE_H
#define MEISHI_SCOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cards/base/arena.h"

enum scope_resource {
    SCOPE_NONE,
    SCOPE_ACCOUNT, /* who one is, and one's tokens */
    SCOPE_CARDS,
    SCOPE_LEADS,
    SCOPE_MEMBERS, /* of owners and admins only */
    SCOPE_METRICS,
    SCOPE_SHARES,
    SCOPE_WEBHOOKS,
    SCOPE_RESOURCE_COUNT
};

/* A set of scopes: bits that say which resources may be read and which written. */
struct scopes {
    uint32_t read, write;
};

const char *scope_resource_name(enum scope_resource resource); /* "leads" */
/* Adds the scope of LEN bytes at TEXT; false if there is no such scope. */
bool scope_add(struct scopes *scopes, const char *text, size_t len);
/* Adds each of a list with spaces or commas between them; false when one is none. *WRONG, if not NULL, points at it. */
bool scopes_add(struct scopes *scopes, const char *list, const char **wrong);
/* Adds one resource, or all for SCOPE_NONE. */
void scopes_grant(struct scopes *scopes, enum scope_resource resource, bool write);
bool scopes_allow(const struct scopes *scopes, enum scope_resource resource, bool write);
/* Whether nothing is in PART that is not in WHOLE: nobody gives more than they have. */
bool scopes_cover(const struct scopes *whole, const struct scopes *part);
bool scopes_are_none(const struct scopes *scopes);
/* As they are stored and shown, in the arena: "read", "read write", "cards:write leads:read". */
const char *scopes_text(const struct scopes *scopes, struct arena *arena);

#endif
