/* A displayed name taken apart, for formats that insist on parts when the member gave none. A guess by rule, used only where
 * the whole name stands beside it. */
#ifndef MEISHI_NAME_H
#define MEISHI_NAME_H

#include "cards/card.h"

struct name_parts {
    const char *family, *given, *additional, *prefix, *suffix; /* in the vCard's order; "" when absent, never NULL */
};

/* The card's own parts when it has a given or family name. Else NAME is split: titles and suffixes apart, the last word and
 * the particles before it as family; "Family, Given" as written; Han, Hangul and kana family first; one word as given.
 * New text is in the arena. */
void name_split(const struct card *card, struct arena *arena, struct name_parts *out);

#endif
