/* What the build tools share: reading a source file, making CSS small, and naming an asset by its content. The template
 * compiler and the embedder must agree on an asset's bytes to the letter, or a page would ask for a URL that is not there
 * and its style would not match the hash in the policy. */
#ifndef MEISHI_SOURCE_H
#define MEISHI_SOURCE_H

#include <stddef.h>
#include "cards/base/str.h"

enum { SOURCE_MAX = 16 << 20 }; /* bytes of one source file or one made file */

struct source_asset {
    const char *name;  /* "card.css" */
    const char *url;   /* "/assets/card.3f9a21bc.css" */
    const char *hash;  /* the SHA-256 of the bytes, 64 hexadecimal digits */
    const char *bytes; /* as they are sent; NUL-terminated too */
    size_t len;
};

/* The whole file, NUL-terminated, in the arena; NULL with errno set if it cannot be read. LEN may be NULL. */
char *source_read(struct arena *arena, const char *path, size_t *len);
/* False with errno set if it cannot be written. */
MUST_CHECK bool source_write(const char *path, const struct str *text);
/* CSS without comments and needless white space. Strings and values keep their text. */
void source_minify_css(struct str *out, const char *css);
/* Reads DIR/NAME, minifies it if it is CSS; false with errno set if it cannot be read. */
MUST_CHECK bool source_load_asset(struct arena *arena, const char *dir, const char *name, struct source_asset *out);
/* 'sha256-…' of some text, quotes included, as a Content Security Policy (level 3, 2.3.1) wants it. */
char *source_csp_hash(struct arena *arena, const char *text, size_t len);
/* The inside of a C string literal, broken into lines of moderate length. Opens and closes its own quotes. */
void source_add_c_string(struct str *out, const char *bytes, size_t len, int indent);

#endif
