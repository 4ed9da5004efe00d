/* How a camera was held, the one thing in a picture's metadata that is looked at (Exif 2.32, 4.6.4, tag 0x0112). */
#ifndef MEISHI_EXIF_H
#define MEISHI_EXIF_H

#include <stddef.h>

/* 1 to 8 for a JPEG, PNG or WebP file that says so, 1 (upright) for any other bytes. */
int exif_orientation(const void *file, size_t len);

#endif
