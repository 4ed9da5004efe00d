/* The keys of an installation, all derived from one key file of 32 random bytes (made at first start, mode 0600), so that
 * one file for all servers of a store is all there is to keep. Nothing derived is ever written down. */
#ifndef MEISHI_KEYS_H
#define MEISHI_KEYS_H

#include "cards/base/arena.h"

enum { KEY_SIZE = 32 };

struct keys {
    unsigned char seal[KEY_SIZE];  /* webhook secrets at rest */
    unsigned char stamp[KEY_SIZE]; /* the pages' stamps */
    unsigned char form[KEY_SIZE];  /* form tokens of sessions */
    unsigned char work[KEY_SIZE];  /* proof-of-work challenges */
    unsigned char tally[KEY_SIZE]; /* whom limits are counted for, and what tells visitors apart for a day */
};

/* Reads PATH, or makes it when it is missing. FAILED with a sentence in *WHY: unreadable, wrong size, readable by others. */
enum result keys_open(const char *path, struct arena *arena, struct keys *out, const char **why) MUST_CHECK;

#endif
