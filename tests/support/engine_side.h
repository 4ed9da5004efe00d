/* One of two stores that the same random sequence of verbs runs on (tests/server/test_engines.c): what it knows, how it
 * chooses, and what every reader answers, as words: ids by the order in which they are first told, all else as it is. */
#ifndef MEISHI_TESTS_ENGINE_SIDE_H
#define MEISHI_TESTS_ENGINE_SIDE_H

#include <stdio.h>
#include "server/store/store.h"
#include "tests/support/engine.h"

enum { SIDE_KNOWN_MAX = 8000, SIDE_THINGS_MAX = 400, SIDE_PAGE = 7 };

struct things {
    int64_t ids[SIDE_THINGS_MAX], owners[SIDE_THINGS_MAX];
    size_t count;
};

struct side {
    const struct db_driver *driver;
    char folder[64], url[ENGINE_URL_SIZE];
    struct store *store;
    struct arena arena;
    uint64_t random;
    int64_t now_ms;
    int64_t known[SIDE_KNOWN_MAX]; /* ids in the order in which they were told */
    size_t known_count;
    struct things members, cards, shares, leads, webhooks, hits;
    unsigned char receipts[SIDE_THINGS_MAX][HASH_SIZE];
    size_t receipt_count;
    int64_t inbox_seq;
    FILE *words; /* what this step's verbs and readers answered */
    char *text;
    size_t text_len;
};

/* The same on both sides as long as both answer the same. */
uint64_t side_draw(struct side *side);
size_t side_dice(struct side *side, size_t sides);
#define SIDE_PICK(side, ...) \
    ((const char *const[]){__VA_ARGS__}[side_dice(side, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))])
void side_remember(struct things *things, int64_t id, int64_t owner_id);
/* One of them, its owner mostly right; an unknown one when there is none. */
int64_t side_choose(struct side *side, const struct things *things, int64_t *owner_id);

void side_say(struct side *side, const char *what, enum result result);
void side_number(struct side *side, int64_t number);
void side_text(struct side *side, const char *text);
void side_id(struct side *side, int64_t id);
void side_end_line(struct side *side);
/* Asks the readers of a member's things, and remembers what they name. */
void side_read_all(struct side *side);

#endif
