/* JPEG to and from cairo's pixels, the only module that knows TurboJPEG. It decodes what the portrait jail made; what a
 * stranger made it decodes only inside that jail (server/portrait.h). */
#ifndef MEISHI_JPEG_H
#define MEISHI_JPEG_H

#include <cairo.h>
#include "cards/base/arena.h"

/* The picture's size, from its header alone. INVALID if that cannot be read. */
enum result jpeg_size(const void *jpeg, size_t len, int *width, int *height) MUST_CHECK;
/* An opaque surface the caller destroys, at the smallest of TurboJPEG's scales whose shorter side is still SIDE_MIN or more
 * (the whole picture when it is smaller). INVALID if the file is damaged or cut short; SIZE was checked by the caller. */
enum result jpeg_decode(const void *jpeg, size_t len, int side_min, cairo_surface_t **out) MUST_CHECK;
/* An opaque surface at QUALITY 1 to 100, 4:2:0, without any metadata. The bytes are in the arena. */
enum result jpeg_encode(cairo_surface_t *surface, int quality, struct arena *arena, const void **out,
                        size_t *out_len) MUST_CHECK;

#endif
