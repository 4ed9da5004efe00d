/* A card's initials as an outline, for the middle of its QR code: the letters of the seal, alone and upright. The same outline is
 * filled as whole pixels for a PNG and written as a path for an SVG, so who opens it needs no font of ours. */
#ifndef MEISHI_MONOGRAM_H
#define MEISHI_MONOGRAM_H

#include <stdint.h>
#include "cards/base/str.h"
#include "cards/card.h"

enum {
    MONOGRAM_UNITS = 1000,     /* the longer side of the box around the outline */
    MONOGRAM_STEPS_MAX = 2000, /* a dense Han character has some 400; more is no letter */
    MONOGRAM_SIDE_MAX = 4096   /* pixels */
};

/* A step of a path filled by the non-zero rule: 'M' and 'L' to the first point, 'C' over two points to the third, 'Z'. */
struct monogram_step {
    char verb;
    int16_t x[3], y[3];
};

struct monogram {
    const struct monogram_step *steps; /* the arena's; around 0, 0 */
    int count;
    int width, height; /* of the box it is to be fitted by; the longer is MONOGRAM_UNITS */
};

/* The initials of CARD (card_initials) in its serif, around the middle of their ink. A dot when it has none, or no installed font
 * has one of them: never the box with a number in it that stands for a missing glyph. FAILED when the drawing library fails.
 * Thread-safe. */
enum result monogram_make(const struct card *card, struct arena *arena, struct monogram *out) MUST_CHECK;
/* WIDTH * HEIGHT bytes in the arena, 1 is ink: what at least half is covered of when the outline is as large as fits, in the
 * middle. FAILED as above. */
enum result monogram_fill(const struct monogram *monogram, int width, int height, struct arena *arena,
                          const uint8_t **out) MUST_CHECK;
/* As SVG path data: whole numbers, relative. */
void monogram_path(struct str *out, const struct monogram *monogram);

#endif
