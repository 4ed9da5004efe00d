/* What the golden templates are given. */
#ifndef MEISHI_GOLDEN_VIEWS_H
#define MEISHI_GOLDEN_VIEWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { THEME_PAPER = 1, THEME_INK = 2 };

struct golden_link {
    const char *label, *url;
    const char *const *tags;
    int tags_count;
};

struct golden_person {
    const char *name;
    char initials[4];
};

struct golden_view {
    const char *name, *url, *token, *note;
    const struct golden_person *endorser;
    struct golden_person owner;
    int theme, score;
    int64_t at_ms;
    size_t count;
    uint64_t large;
    bool is_open;
    const struct golden_link *links;
    int links_count;
};

#endif
