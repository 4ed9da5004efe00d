/* What is wrong with an input, field by field, in the user's words. Input errors are data: pages show each beside
 * its field, the API lists each with a JSON pointer (RFC 6901). */
#ifndef MEISHI_COMPLAINTS_H
#define MEISHI_COMPLAINTS_H

#include <stdbool.h>
#include "cards/base/arena.h"

enum { COMPLAINTS_MAX = 32 };

struct complaint {
    const char *field; /* form name or JSON pointer without the leading slash: "emails/0/address" */
    const char *words; /* a sentence: "Please give a name." */
    bool is_parameter; /* FIELD is the name of a query parameter instead */
};

struct complaints {
    struct complaint list[COMPLAINTS_MAX];
    int count;
};

/* FIELD and WORDS must outlive the list: literals or arena text. Beyond COMPLAINTS_MAX they are dropped. */
void complaints_add(struct complaints *complaints, const char *field, const char *words);
/* The same about a parameter of the query. A member of a body may have any name, so no name could tell the two apart. */
void complaints_add_parameter(struct complaints *complaints, const char *name, const char *words);
/* KEY as a part of a JSON pointer, in the arena: ~ and / are spelt ~0 and ~1 (RFC 6901 3). */
const char *complaints_key(const char *key, struct arena *arena);
/* The first complaint about FIELD, or NULL. */
const char *complaints_about(const struct complaints *complaints, const char *field);

#endif
