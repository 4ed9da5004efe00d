/* Where a JSON parser gave up, for whoever wrote the text. It knows no more of JSON than nesting, names and strings, and
 * judges nothing: what it is given is what the parser had found well formed so far. */
#ifndef MEISHI_JSON_PLACE_H
#define MEISHI_JSON_PLACE_H

#include <stddef.h>

#include "cards/base/arena.h"

/* How many levels a place names; what lies deeper is told by what holds it. */
enum { JSON_PLACE_DEPTH_MAX = 16 };

/* The JSON pointer (RFC 6901) without its leading slash, "emails/0/address", of what the last of the LEN bytes at TEXT belong
 * to; "" for the whole. A name that is spelt with escapes ends it: what holds that name is told instead. In the arena. */
const char *json_place(const char *text, size_t len, struct arena *arena);

#endif
