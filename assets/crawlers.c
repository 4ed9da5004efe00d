/* A build tool: compiles the crawler table to static C for cards/crawlers.c.
 *
 * The table's patterns are regular expressions, but small ones: nearly all are plain text. Those that are not are taken
 * apart here, so that nothing at run time has to know regular expressions: [aA] and (a|b) are multiplied out into several
 * plain texts, ^ becomes a mark, and what is left after the last plain character (\d, [^-], [\s\S]*, $) becomes a short
 * tail. A construct that is not among these stops the build, to be looked at by a person. */
#include "assets/source.h"
#include "cards/crawler_table.h"
#include "cards/crawlers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRIES_MAX = 8000, WAYS_MAX = 64, START = 6 };

/* The plain ways to read a pattern: characters, and CRAWLER_ codes or START for what is none. */
struct ways {
    const char *text[WAYS_MAX];
    int count;
};

struct entry {
    struct crawler_entry made;
    unsigned bucket;
};

struct generator {
    struct arena arena;
    const char *path;
    int line;
    struct str texts;
    struct entry entries[ENTRIES_MAX];
    int count;
    int grams[CRAWLER_BUCKETS]; /* how many literals hold a gram of this bucket */
};

static _Noreturn void fail(const struct generator *g, const char *words, const char *about)
{
    fprintf(stderr, "%s:%d: error: %s: %s\n", g->path, g->line, words, about);
    exit(1);
}

static void add_way(struct generator *g, struct ways *ways, const char *text)
{
    if (ways->count == WAYS_MAX)
        fail(g, "too many ways to read the pattern", text);
    ways->text[ways->count++] = text;
}

static void append_char(struct generator *g, struct ways *ways, char c)
{
    for (int i = 0; i < ways->count; i++)
        ways->text[i] = arena_printf(&g->arena, "%s%c", ways->text[i], c);
}

static void append_ways(struct generator *g, struct ways *ways, const struct ways *next)
{
    struct ways product = {0};
    for (int i = 0; i < ways->count; i++)
        for (int j = 0; j < next->count; j++)
            add_way(g, &product, arena_printf(&g->arena, "%s%s", ways->text[i], next->text[j]));
    *ways = product;
}

/* [aA], [^x] or [\s\S]*, after its [. */
static const char *read_class(struct generator *g, const char *at, struct ways *ways)
{
    static const char any[] = "\\s\\S]*";
    if (!strncmp(at, any, sizeof any - 1)) {
        append_char(g, ways, CRAWLER_ANY);
        return at + sizeof any - 1;
    }
    size_t len = strcspn(at, "]");
    if (at[len] != ']' || !len || strcspn(at, "\\-[") < len - (*at == '^'))
        fail(g, "a class this tool does not know", at);
    if (*at == '^') {
        if (len != 2)
            fail(g, "a class this tool does not know", at);
        append_char(g, ways, CRAWLER_NOT);
        append_char(g, ways, at[1]);
        return at + len + 1;
    }
    struct ways members = {0};
    for (size_t i = 0; i < len; i++)
        add_way(g, &members, arena_strndup(&g->arena, at + i, 1));
    append_ways(g, ways, &members);
    return at + len + 1;
}

/* \. and the like, \d and \d+, after its backslash. */
static const char *read_escape(struct generator *g, const char *at, struct ways *ways)
{
    if (*at == 'd') {
        append_char(g, ways, at[1] == '+' ? CRAWLER_DIGITS : CRAWLER_DIGIT);
        return at + (at[1] == '+' ? 2 : 1);
    }
    if (!*at || !strchr(".+()!/?*[]{}|^$\\-", *at))
        fail(g, "an escape this tool does not know", at);
    append_char(g, ways, *at);
    return at + 1;
}

static const char *read_alternatives(struct generator *g, const char *at, struct ways *out);

static const char *read_sequence(struct generator *g, const char *at, struct ways *ways)
{
    add_way(g, ways, "");
    while (*at && *at != '|' && *at != ')') {
        char c = *at++;
        if (c == '[') {
            at = read_class(g, at, ways);
        } else if (c == '\\') {
            at = read_escape(g, at, ways);
        } else if (c == '(') {
            struct ways inner = {0};
            at = read_alternatives(g, at, &inner);
            if (*at++ != ')')
                fail(g, "a group without its end", at - 1);
            append_ways(g, ways, &inner);
        } else if (strchr(".?*+{}]", c)) {
            fail(g, "a construct this tool does not know", at - 1);
        } else {
            append_char(g, ways, c == '^' ? START : c == '$' ? CRAWLER_END : c);
        }
    }
    return at;
}

static const char *read_alternatives(struct generator *g, const char *at, struct ways *out)
{
    for (;;) {
        struct ways sequence = {0};
        at = read_sequence(g, at, &sequence);
        for (int i = 0; i < sequence.count; i++)
            add_way(g, out, sequence.text[i]);
        if (*at != '|')
            return at;
        at++;
    }
}

static unsigned flags_of(const char *tags)
{
    return CRAWLER_BOT | (strstr(tags, "social-preview") ? CRAWLER_PREVIEW : 0u) |
           (strstr(tags, "scanner") ? CRAWLER_SCANNER : 0u) | (strstr(tags, "http-library") ? CRAWLER_TOOL : 0u);
}

static void add_entry(struct generator *g, const char *way, unsigned flags)
{
    bool is_start = *way == START;
    way += is_start;
    size_t len = 0;
    while ((unsigned char)way[len] > START)
        len++;
    if (len < CRAWLER_GRAM || len > UINT8_MAX || strchr(way, START))
        fail(g, "it must begin with at least three plain characters, at most 255", way);
    if (g->count == ENTRIES_MAX || g->texts.len > UINT16_MAX - 1)
        fail(g, "the table is too large", way);
    struct entry *entry = &g->entries[g->count++];
    entry->made = (struct crawler_entry){
        .text = (uint16_t)g->texts.len, .len = (uint8_t)len, .flags = (uint8_t)flags, .is_start = is_start};
    str_add_n(&g->texts, way, strlen(way) + 1);
    for (size_t i = 0; i + CRAWLER_GRAM <= len; i++)
        g->grams[crawler_bucket(way + i)]++;
}

static void read_table(struct generator *g)
{
    char *at = source_read(&g->arena, g->path, NULL);
    if (!at)
        fail(g, "cannot be read", strerror(errno));
    for (char *end; *at; at = end + 1) {
        g->line++;
        end = strchrnul(at, '\n');
        if (!*end)
            fail(g, "the last line is cut", at);
        *end = '\0';
        if (*at == '#')
            continue;
        char *tab = strchr(at, '\t');
        if (!tab)
            fail(g, "TAGS, a tab and a pattern are expected", at);
        *tab = '\0';
        struct ways ways = {0};
        if (*read_alternatives(g, tab + 1, &ways))
            fail(g, "a stray )", tab + 1);
        for (int i = 0; i < ways.count; i++)
            add_entry(g, ways.text[i], flags_of(at));
    }
}

/* Browsers' agents are what is asked most, so their grams are the dearest. */
static void count_browsers(struct generator *g)
{
    static const char browsers[] =
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile "
        "Safari/537.36 Edg/120 (iPhone; CPU iPhone OS 17_1 like Mac OS X) Version/17.1 Mobile/15E148 (Linux; Android 14; "
        "SM-S918B Build/UP1A; wv) Firefox/120.0 Gecko/20100101 Instagram [FBAN/FBIOS;FBAV/ LinkedInApp Macintosh; Intel Mac "
        "compatible; http://www. https:// .com/ .html) bot/1.0";
    for (size_t i = 0; i + CRAWLER_GRAM < sizeof browsers; i++)
        g->grams[crawler_bucket(browsers + i)] += 1000;
}

static void choose_grams(struct generator *g)
{
    for (int i = 0; i < g->count; i++) {
        struct entry *entry = &g->entries[i];
        const char *literal = g->texts.data + entry->made.text;
        int best = -1;
        for (unsigned at = 0; at + CRAWLER_GRAM <= entry->made.len; at++) {
            unsigned bucket = crawler_bucket(literal + at);
            if (best >= 0 && g->grams[bucket] >= best)
                continue;
            best = g->grams[bucket];
            entry->bucket = bucket;
            entry->made.gram = (uint8_t)at;
        }
    }
}

static int by_bucket(const void *a, const void *b)
{
    const struct entry *left = a, *right = b;
    if (left->bucket != right->bucket)
        return left->bucket < right->bucket ? -1 : 1;
    return left->made.text < right->made.text ? -1 : 1;
}

static void write_code(struct generator *g, struct str *code)
{
    qsort(g->entries, (size_t)g->count, sizeof *g->entries, by_bucket);
    str_addf(code, "/* Made by assets/crawlers.c from %s. */\n#include \"cards/crawler_table.h\"\n\n", g->path);
    str_add(code, "const struct crawler_entry crawler_entries[] = {\n");
    for (int i = 0; i < g->count; i++) {
        const struct crawler_entry *made = &g->entries[i].made;
        str_addf(code, "    {%u, %u, %u, %u, %u},\n", made->text, made->len, made->gram, made->flags, made->is_start);
    }
    str_add(code, "};\n\nconst uint16_t crawler_buckets[CRAWLER_BUCKETS + 1] = {");
    for (int bucket = 0, next = 0; bucket <= CRAWLER_BUCKETS; bucket++) {
        while (next < g->count && g->entries[next].bucket < (unsigned)bucket)
            next++;
        str_addf(code, "%s%d,", bucket % 24 ? " " : "\n    ", next);
    }
    str_add(code, "\n};\n\nconst char crawler_texts[] =\n    ");
    source_add_c_string(code, g->texts.data, g->texts.len, 4);
    str_add(code, ";\n");
}

/* crawlers OUT_C TABLE */
int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: crawlers OUT_C TABLE\n");
        return 64;
    }
    static struct generator g;
    struct str code;
    g.path = argv[2];
    arena_init(&g.arena);
    str_init(&g.texts, &g.arena, SOURCE_MAX);
    str_init(&code, &g.arena, SOURCE_MAX);
    read_table(&g);
    count_browsers(&g);
    choose_grams(&g);
    write_code(&g, &code);
    if (!source_write(argv[1], &code))
        fail(&g, argv[1], strerror(errno));
    arena_free(&g.arena);
    return 0;
}
