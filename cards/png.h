/* Pixels of few colours to PNG (ISO/IEC 15948), the only module that knows libpng. Level 6 and no row filters: for flat
 * drawings that is smaller than libpng's own choice and takes half its time. */
#ifndef MEISHI_PNG_H
#define MEISHI_PNG_H

#include <stddef.h>
#include <stdint.h>
#include "cards/base/arena.h"

enum { PNG_COLOURS_MAX = 256 };

struct png_colour {
    uint8_t red, green, blue;
};

/* A 1-bit grey picture. ROWS are HEIGHT pointers to WIDTH packed bits, the leftmost highest, 1 is white; equal rows may
 * share their bytes. The PNG is in the arena. FAILED when libpng fails, which is our bug or the machine's. */
enum result png_from_bits(const uint8_t *const *rows, int width, int height, struct arena *arena, const void **out,
                          size_t *out_len) MUST_CHECK;
/* The same for one byte a pixel, an index into COUNT colours; rows follow each other without gaps. */
enum result png_from_indices(const uint8_t *indices, int width, int height, const struct png_colour *colours, int count,
                             struct arena *arena, const void **out, size_t *out_len) MUST_CHECK;

#endif
