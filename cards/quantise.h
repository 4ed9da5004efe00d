/* A drawing with at most one photograph in it, brought down to 256 colours: flat parts stay flat and exact, the photograph is
 * dithered. */
#ifndef MEISHI_QUANTISE_H
#define MEISHI_QUANTISE_H

#include <cairo.h>
#include "cards/png.h"

struct quantise_area {
    int x, y, width, height; /* width 0: no photograph */
};

/* SURFACE is an opaque RGB24 image; FIXED are FIXED_COUNT (at most 16) colours, 0xRRGGBB, that must come out as they are. INDICES
 * holds width * height bytes, made in the arena. Returns how many COLOURS are used. */
int quantise(cairo_surface_t *surface, struct quantise_area photo, const uint32_t *fixed, int fixed_count,
             struct arena *arena, const uint8_t **indices, struct png_colour colours[PNG_COLOURS_MAX]);

#endif
