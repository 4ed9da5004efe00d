/* The embedder: a build tool that writes assets and migrations as C, so that the server is one file. Each asset gets its
 * hashed URL, strong ETags and the compressed forms that are smaller, made here at the highest level because it costs
 * nobody a request. It refuses files it knows no content type for only by leaving them out: sources live here too. */
#include "assets/source.h"

#include <brotli/encode.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static const struct {
    const char *extension, *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".ico", "image/vnd.microsoft.icon"},
    {".webmanifest", "application/manifest+json"},
    {".txt", "text/plain; charset=utf-8"},
    {".yaml", "application/yaml"},
};

static _Noreturn void fail(const char *path, const char *words)
{
    fprintf(stderr, "%s: error: %s\n", path, words);
    exit(1);
}

static const char *content_type(const char *name)
{
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof types / sizeof *types; i++)
        if (!strcmp(dot, types[i].extension))
            return types[i].type;
    return NULL;
}

static int is_asset(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && content_type(entry->d_name);
}

static int is_migration(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return dot && !strcmp(dot, ".sql");
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void add_form(struct str *code, const char *label, const char *bytes, size_t len, const char *hash,
                     const char *suffix)
{
    str_addf(code, "        .%s = {\n            .bytes = ", label);
    source_add_c_string(code, bytes, len, 21);
    str_addf(code, ",\n            .len = %zu,\n            .etag = \"\\\"%.32s%s\\\"\",\n        },\n", len, hash,
             suffix);
}

/* Size of the gzip form (RFC 1952, no time, no name) in OUT, which holds MAX bytes; 0 if it does not fit. */
static size_t gzip(const struct source_asset *asset, char *out, size_t max)
{
    z_stream stream = {.next_in = (z_const Bytef *)asset->bytes,
                       .avail_in = (uInt)asset->len,
                       .next_out = (Bytef *)out,
                       .avail_out = (uInt)max};
    if (deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) != Z_OK)
        return 0;
    size_t len = deflate(&stream, Z_FINISH) == Z_STREAM_END ? stream.total_out : 0;
    deflateEnd(&stream);
    return len;
}

static void add_asset(struct arena *arena, struct str *code, const struct source_asset *asset)
{
    char *packed = arena_alloc_raw(arena, asset->len + 1);
    str_addf(code, "    {\n        .name = \"%s\",\n        .url = \"%s\",\n        .type = \"%s\",\n", asset->name,
             asset->url, content_type(asset->name));
    add_form(code, "plain", asset->bytes, asset->len, asset->hash, "");
    size_t len = gzip(asset, packed, asset->len);
    if (len && len < asset->len)
        add_form(code, "gzip", packed, len, asset->hash, "-gz");
    len = asset->len;
    if (BrotliEncoderCompress(BROTLI_MAX_QUALITY, BROTLI_DEFAULT_WINDOW, BROTLI_MODE_GENERIC, asset->len,
                              (const uint8_t *)asset->bytes, &len, (uint8_t *)packed) &&
        len < asset->len)
        add_form(code, "brotli", packed, len, asset->hash, "-br");
    str_add(code, "    },\n");
}

/* Every asset under both its names, in strcmp order, which asset_find searches. */
struct key {
    const char *name;
    int asset;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct key *)a)->name, ((const struct key *)b)->name);
}

static void add_lookup(struct str *code, struct key *keys, size_t count)
{
    qsort(keys, count, sizeof *keys, by_name);
    str_add(code, "static const struct {\n    const char *name;\n    int asset;\n} keys[] = {\n");
    for (size_t i = 0; i < count; i++)
        str_addf(code, "    {\"%s\", %d},\n", keys[i].name, keys[i].asset);
    str_addf(code,
             "    {0},\n};\n\n"
             "const struct asset *asset_find(const char *name)\n{\n"
             "    size_t low = 0, high = %zu;\n"
             "    while (low < high) {\n"
             "        size_t middle = (low + high) / 2;\n"
             "        int order = strcmp(name, keys[middle].name);\n"
             "        if (!order)\n"
             "            return &assets[keys[middle].asset];\n"
             "        if (order < 0)\n"
             "            high = middle;\n"
             "        else\n"
             "            low = middle + 1;\n"
             "    }\n"
             "    return NULL;\n}\n\n",
             count);
}

static void add_file(struct arena *arena, struct str *code, const char *dir, const char *name, int i, struct key *keys)
{
    struct source_asset asset;
    if (!source_load_asset(arena, dir, name, &asset))
        fail(name, strerror(errno));
    add_asset(arena, code, &asset);
    keys[2 * i] = (struct key){asset.name, i};
    keys[2 * i + 1] = (struct key){strrchr(asset.url, '/') + 1, i};
}

/* Everything in DIR, then the files MADE at build time: paths, up to a NULL. */
static void add_assets(struct arena *arena, struct str *code, const char *dir, char **made)
{
    struct dirent **entries;
    int count = scandir(dir, &entries, is_asset, by_bytes), made_count = 0;
    if (count < 0)
        fail(dir, strerror(errno));
    while (made[made_count])
        made_count++;
    struct key *keys = arena_alloc(arena, sizeof *keys * 2 * ((size_t)(count + made_count) + 1));
    str_add(code, "static const struct asset assets[] = {\n");
    for (int i = 0; i < count; i++) {
        add_file(arena, code, dir, arena_strdup(arena, entries[i]->d_name), i, keys);
        free(entries[i]);
    }
    free(entries);
    for (int i = 0; i < made_count; i++) {
        char *name = strrchr(made[i], '/');
        if (!name || !content_type(name))
            fail(made[i], "a made asset is DIR/NAME with an ending that is known");
        *name = '\0';
        add_file(arena, code, made[i], name + 1, count + i, keys);
    }
    str_add(code, "    {0},\n};\n\n");
    add_lookup(code, keys, 2 * (size_t)(count + made_count));
}

/* Whether servers of before may go on while it is applied and afterwards: its first line says so. The first six are older than
 * that line, and than any second server. */
static bool goes_beside_old(const char *path, long number, const char *sql)
{
    static const char yes[] = "-- beside old servers: yes\n", no[] = "-- beside old servers: no\n";
    enum { FIRST_WITH_LINE = 7 };
    bool beside = !strncmp(sql, yes, sizeof yes - 1);
    if (number >= FIRST_WITH_LINE && !beside && strncmp(sql, no, sizeof no - 1) != 0)
        fail(path, "its first line must be \"-- beside old servers: yes\" or \"-- beside old servers: no\"");
    return beside;
}

static void add_migrations(struct arena *arena, struct str *code, const char *dir)
{
    struct dirent **entries;
    int count = scandir(dir, &entries, is_migration, by_bytes);
    if (count < 0)
        fail(dir, strerror(errno));
    str_add(code, "const struct migration migrations[] = {\n");
    for (int i = 0; i < count; i++) {
        const char *path = arena_printf(arena, "%s/%s", dir, entries[i]->d_name);
        char *name;
        long number = strtol(entries[i]->d_name, &name, 10);
        size_t len = 0;
        const char *sql = source_read(arena, path, &len);
        if (!sql)
            fail(path, strerror(errno));
        if (number != i + 1 || *name != '_')
            fail(path, "migrations are named 001_WORD.sql, 002_WORD.sql, … without a gap");
        str_addf(code, "    {%ld, \"%.*s\", %s,\n     ", number, (int)strcspn(name + 1, "."), name + 1,
                 goes_beside_old(path, number, sql) ? "true" : "false");
        source_add_c_string(code, sql, len, 5);
        str_add(code, "},\n");
        free(entries[i]);
    }
    free(entries);
    str_addf(code, "    {0},\n};\nconst int migrations_count = %d;\n", count);
}

/* embed OUT_C ASSETS_DIR MIGRATIONS_DIR MADE_FILE… */
int main(int argc, char **argv)
{
    if (argc < 4 || sodium_init() < 0) {
        fprintf(stderr, "usage: embed OUT_C ASSETS_DIR MIGRATIONS_DIR MADE_FILE...\n");
        return 64;
    }
    struct arena arena;
    struct str code;
    arena_init(&arena);
    str_init(&code, &arena, SOURCE_MAX);
    str_add(&code, "/* Made by assets/embed.c. */\n#include \"server/http/assets.h\"\n"
                   "#include \"server/store/migrations.h\"\n\n#include <string.h>\n\n");
    add_assets(&arena, &code, argv[2], argv + 4);
    add_migrations(&arena, &code, argv[3]);
    bool written = source_write(argv[1], &code);
    if (!written)
        fail(argv[1], strerror(errno));
    arena_free(&arena);
    return 0;
}
