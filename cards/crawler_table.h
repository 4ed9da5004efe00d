/* The shape of the generated table, between assets/crawlers.c, which writes it, and cards/crawlers.c, which reads it.
 *
 * Every pattern is a literal, perhaps held to the agent's start, perhaps followed by a tail that is no literal. Of each
 * literal three bytes, the gram, are hashed into a bucket; entries of a bucket stand side by side. */
#ifndef MEISHI_CRAWLER_TABLE_H
#define MEISHI_CRAWLER_TABLE_H

#include <stdint.h>

enum { CRAWLER_GRAM = 3, CRAWLER_BUCKET_BITS = 13, CRAWLER_BUCKETS = 1 << CRAWLER_BUCKET_BITS };

/* What stands in a tail for something that is no character. */
enum {
    CRAWLER_DIGIT = 1, /* one digit */
    CRAWLER_DIGITS,    /* one or more */
    CRAWLER_NOT,       /* one character other than the next one */
    CRAWLER_ANY,       /* any characters, or none */
    CRAWLER_END        /* the agent's end */
};

struct crawler_entry {
    uint16_t text; /* where its literal, then its tail and a NUL begin in crawler_texts */
    uint8_t len;   /* of the literal */
    uint8_t gram;  /* where in the literal */
    uint8_t flags; /* CRAWLER_BOT, … */
    uint8_t is_start;
};

extern const uint16_t crawler_buckets[CRAWLER_BUCKETS + 1]; /* the first entry of each; the next one's ends it */
extern const struct crawler_entry crawler_entries[];
extern const char crawler_texts[];

static inline unsigned crawler_bucket(const char *gram)
{
    const unsigned char *byte = (const unsigned char *)gram;
    uint32_t number = byte[0] | (uint32_t)byte[1] << 8 | (uint32_t)byte[2] << 16;
    return number * 2654435761u >> (32 - CRAWLER_BUCKET_BITS);
}

#endif
