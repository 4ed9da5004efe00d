/* See name.h. The rules are those of address books: wrong now and then for somebody, which is why a member's own parts always
 * win and why the name as displayed is never built from these. */
#include "cards/name.h"

#include <string.h>
#include <strings.h>

#include "cards/base/str.h"

enum { WORDS_MAX = 32 };

struct words {
    const char *at[WORDS_MAX]; /* into one copy of the name, cut by NULs */
    int count;
};

static const char *const titles[] = {"dr",   "prof", "mr",       "mrs",  "ms",      "mx",        "miss", "sir",
                                     "dame", "lord", "lady",     "herr", "frau",    "mme",       "m",    "mlle",
                                     "don",  "doña", "sr",       "sra",  "rev",     "ing",       "mag",  "hon",
                                     "fr",   "pd",   "dipl-ing", "dott", "dottssa", "univ-prof", NULL};
static const char *const suffixes[] = {"jr",  "ii", "iii", "iv",  "phd", "md", "mba", "esq", "dds", "msc",
                                       "bsc", "ma", "ba",  "llm", "cpa", "pe", "fca", "rn",  "jd",  NULL};
static const char *const particles[] = {
    "van", "von", "de",  "der", "den", "del", "della", "di",  "da",  "dos", "das", "du", "des", "la", "le", "el", "al",
    "bin", "ibn", "ben", "ter", "ten", "te",  "zu",    "zum", "zur", "vom", "af",  "av", "y",   "e",  "do", "'t", NULL};

/* Compares without dots and case: "Ph.D." is "phd". */
static bool is_one_of(const char *word, const char *const *list)
{
    char plain[16];
    size_t len = 0;
    for (const char *c = word; *c; c++) {
        if (*c == '.' || *c == ',')
            continue;
        if (len + 1 == sizeof plain)
            return false;
        plain[len++] = *c;
    }
    plain[len] = '\0';
    for (int i = 0; list[i]; i++)
        if (!strcasecmp(plain, list[i]))
            return true;
    return false;
}

/* Particles are written small; "Van Nguyen" and "La Toya" are not particles. */
static bool is_particle(const char *word)
{
    return (word[0] == '\'' || (word[0] >= 'a' && word[0] <= 'z')) && is_one_of(word, particles);
}

/* Han, kana, Hangul: written family first. Three-byte characters from U+3040 to U+9FFF and U+AC00 to U+D7AF, and the
 * four-byte ones of the supplementary ideographic planes. */
static bool is_family_first(const char *name)
{
    const unsigned char *c = (const unsigned char *)name;
    if (c[0] == 0xf0 && c[1] >= 0xa0)
        return true;
    if (c[0] < 0xe3 || c[0] > 0xed || !c[1] || !c[2])
        return false;
    unsigned code = (c[0] & 15u) << 12 | (c[1] & 63u) << 6 | (c[2] & 63u);
    bool katakana = code >= 0x30a0 && code <= 0x30ff; /* spells foreign names, given first */
    return !katakana && ((code >= 0x3040 && code <= 0x9fff) || (code >= 0xac00 && code <= 0xd7af));
}

/* Cuts COPY at ASCII and ideographic spaces. More than WORDS_MAX words stay in the last. */
static void cut(char *copy, struct words *words)
{
    static const char wide[] = "\u3000";
    char *at = copy;
    while (*at) {
        size_t space = *at == ' ' ? 1 : !strncmp(at, wide, 3) ? 3 : 0;
        if (space) {
            *at = '\0';
            at += space;
            continue;
        }
        if (words->count == WORDS_MAX)
            return;
        words->at[words->count++] = at;
        if (words->count == WORDS_MAX)
            return;
        while (*at && *at != ' ' && strncmp(at, wide, 3) != 0)
            at++;
    }
}

static const char *join(const struct words *words, int from, int to, struct arena *arena)
{
    struct str text;
    str_init(&text, arena, 1024);
    for (int i = from; i < to; i++) {
        if (i > from)
            str_add_char(&text, ' ');
        str_add(&text, words->at[i]);
    }
    return text.data;
}

/* The comma that ends "Mika" in "Mika, PhD". */
static void trim_comma(struct words *words, int index, struct arena *arena)
{
    const char *word = words->at[index];
    size_t len = strlen(word);
    if (len > 1 && word[len - 1] == ',')
        words->at[index] = arena_strndup(arena, word, len - 1);
}

/* Where the family name starts in FROM..TO: the last word, and the particles that lead to it, leaving one word before. */
static int find_family(const struct words *words, int from, int to)
{
    int family = to - 1;
    while (family - 1 > from && is_particle(words->at[family - 1]))
        family--;
    return family;
}

static void split(const char *name, struct arena *arena, struct name_parts *out)
{
    struct words words = {.count = 0};
    cut(arena_strdup(arena, name), &words);
    int from = 0, to = words.count;
    while (to - from > 1 && is_one_of(words.at[from], titles))
        from++;
    while (to - from > 1 && is_one_of(words.at[to - 1], suffixes))
        to--;
    out->prefix = join(&words, 0, from, arena);
    out->suffix = join(&words, to, words.count, arena);
    if (to - from < 1)
        return;
    if (to - from == 1) {
        trim_comma(&words, from, arena);
        out->given = words.at[from];
        return;
    }
    if (is_family_first(words.at[from])) {
        out->family = words.at[from];
        out->given = join(&words, from + 1, to, arena);
        return;
    }
    const char *first = words.at[from];
    if (first[strlen(first) - 1] == ',') {
        trim_comma(&words, from, arena);
        out->family = words.at[from];
        out->given = words.at[from + 1];
        out->additional = join(&words, from + 2, to, arena);
        return;
    }
    trim_comma(&words, to - 1, arena);
    int family = find_family(&words, from, to);
    out->given = words.at[from];
    out->additional = join(&words, from + 1, family, arena);
    out->family = join(&words, family, to, arena);
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

void name_split(const struct card *card, struct arena *arena, struct name_parts *out)
{
    *out = (struct name_parts){"", "", "", "", ""};
    if (!card->given && !card->family)
        split(or_empty(card->name), arena, out);
    else
        *out = (struct name_parts){or_empty(card->family), or_empty(card->given), "", "", ""};
    if (card->additional)
        out->additional = card->additional;
    if (card->prefix)
        out->prefix = card->prefix;
    if (card->suffix)
        out->suffix = card->suffix;
}
