/* The colours of paper, ink and seal, for whatever we draw ourselves. The pages say the same in assets/base.css; a test holds
 * the two together and every text at a contrast of 4.5:1 or more (WCAG 2.2, 1.4.3). */
#ifndef MEISHI_PALETTE_H
#define MEISHI_PALETTE_H

#include <stdbool.h>
#include <stdint.h>

/* All as 0xRRGGBB. */
struct palette {
    uint32_t paper, sheet, ink, ink_2, line; /* the ground, the card on it, text, quiet text, hairlines */
    uint32_t seal, seal_ink;                 /* the accent, and what is cut into it */
};

/* ACCENT is one of CARD_ACCENTS; NULL or anything else is vermilion. */
struct palette palette_for(const char *accent, bool dark);

#endif
