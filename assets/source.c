/* See source.h. Used at build time only; nothing here is linked into the server. */
#include "assets/source.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

char *source_read(struct arena *arena, const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    char *text = NULL;
    struct str all;
    str_init(&all, arena, SOURCE_MAX);
    char piece[65536];
    size_t got;
    while ((got = fread(piece, 1, sizeof piece, file)))
        str_add_n(&all, piece, got);
    if (all.failed)
        errno = EFBIG;
    else if (!ferror(file))
        text = all.data;
    if (text && len)
        *len = all.len;
    fclose(file);
    return text;
}

bool source_write(const char *path, const struct str *text)
{
    FILE *file = fopen(path, "wb");
    if (!file)
        return false;
    bool written = !text->failed && fwrite(text->data, 1, text->len, file) == text->len;
    return fclose(file) == 0 && written;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

/* White space beside these never means anything. A colon is not among them: "a :hover" differs from "a:hover". */
static bool css_needs_no_space(char c)
{
    return c && strchr("{};,", c);
}

void source_minify_css(struct str *out, const char *css)
{
    bool space = false;
    while (*css) {
        if (css[0] == '/' && css[1] == '*') {
            const char *end = strstr(css + 2, "*/");
            css = end ? end + 2 : css + strlen(css);
            continue;
        }
        if (is_space(*css)) {
            space = true;
            css++;
            continue;
        }
        char last = out->len ? out->data[out->len - 1] : '{';
        if (space && !css_needs_no_space(last) && last != ':' && !css_needs_no_space(*css))
            str_add_char(out, ' ');
        space = false;
        if (*css == '}' && last == ';')
            out->data[--out->len] = '\0';
        if (*css == '"' || *css == '\'') {
            const char *end = css + 1;
            while (*end && *end != *css)
                end += *end == '\\' && end[1] ? 2 : 1;
            end += *end != '\0';
            str_add_n(out, css, (size_t)(end - css));
            css = end;
            continue;
        }
        str_add_char(out, *css++);
    }
}

bool source_load_asset(struct arena *arena, const char *dir, const char *name, struct source_asset *out)
{
    size_t len = 0;
    const char *bytes = source_read(arena, arena_printf(arena, "%s/%s", dir, name), &len);
    if (!bytes)
        return false;
    const char *dot = strrchr(name, '.');
    if (dot && !strcmp(dot, ".css")) {
        struct str small;
        str_init(&small, arena, SOURCE_MAX);
        source_minify_css(&small, bytes);
        bytes = small.data;
        len = small.len;
    }
    unsigned char digest[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(digest, (const unsigned char *)bytes, len);
    char *hash = arena_alloc(arena, sizeof digest * 2 + 1);
    sodium_bin2hex(hash, sizeof digest * 2 + 1, digest, sizeof digest);
    int stem = dot ? (int)(dot - name) : (int)strlen(name);
    *out = (struct source_asset){.name = name, .hash = hash, .bytes = bytes, .len = len};
    out->url = arena_printf(arena, "/assets/%.*s.%.8s%s", stem, name, hash, dot ? dot : "");
    return true;
}

char *source_csp_hash(struct arena *arena, const char *text, size_t len)
{
    unsigned char digest[crypto_hash_sha256_BYTES];
    char base64[sodium_base64_ENCODED_LEN(crypto_hash_sha256_BYTES, sodium_base64_VARIANT_ORIGINAL)];
    crypto_hash_sha256(digest, (const unsigned char *)text, len);
    sodium_bin2base64(base64, sizeof base64, digest, sizeof digest, sodium_base64_VARIANT_ORIGINAL);
    return arena_printf(arena, "'sha256-%s'", base64);
}

void source_add_c_string(struct str *out, const char *bytes, size_t len, int indent)
{
    enum { LINE = 100 };
    int column = 0;
    str_add_char(out, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)bytes[i];
        size_t before = out->len;
        if (c == '\n')
            str_add(out, "\\n");
        else if (c == '"' || c == '\\')
            str_add_n(out, (char[]){'\\', (char)c}, 2);
        else if (c == '?')
            str_add(out, i && bytes[i - 1] == '?' ? "\\?" : "?"); /* no trigraphs */
        else if (c >= 0x20 && c != 0x7f && c < 0x80)
            str_add_char(out, (char)c);
        else
            str_addf(out, "\\%03o", c);
        column += (int)(out->len - before);
        if (i + 1 < len && (c == '\n' || column >= LINE)) {
            str_addf(out, "\"\n%*s\"", indent, "");
            column = 0;
        }
    }
    str_add_char(out, '"');
}
