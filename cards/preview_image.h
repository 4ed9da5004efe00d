/* The picture that chats and networks draw for a link: 1200 x 630 PNG under 300 KB, the card on paper with its seal. */
#ifndef MEISHI_PREVIEW_IMAGE_H
#define MEISHI_PREVIEW_IMAGE_H

#include "cards/card.h"

enum { PREVIEW_WIDTH = 1200, PREVIEW_HEIGHT = 630, PREVIEW_BYTES_MAX = 300 * 1024 };

/* Draws it with cairo and pango, every script shaped. JPEG is the portrait as stored, or NULL. HOST is shown small.
 * The bytes are in the arena. Thread-safe. FAILED when the drawing library fails. */
enum result preview_image_png(const struct card *card, const char *host, const void *jpeg, size_t jpeg_len,
                              struct arena *arena, const void **out, size_t *out_len) MUST_CHECK;

#endif
