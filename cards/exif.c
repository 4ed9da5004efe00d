/* See exif.h. Everything here reads what a stranger wrote, so every offset is checked before it is followed, and whatever makes
 * no sense means upright. */
#include "cards/exif.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct span {
    const uint8_t *bytes;
    size_t len;
};

static uint32_t big32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool starts_with(const struct span *file, size_t at, const char *magic, size_t len)
{
    return file->len >= at + len && !memcmp(file->bytes + at, magic, len);
}

/* A number of a TIFF structure, SIZE bytes at AT in its own byte order; 0 beyond the end, which is no valid value here. */
static uint32_t tiff_number(const struct span *tiff, size_t at, size_t size)
{
    uint32_t value = 0;
    if (at > tiff->len || size > tiff->len - at)
        return 0;
    bool little = tiff->bytes[0] == 'I';
    for (size_t i = 0; i < size; i++)
        value |= (uint32_t)tiff->bytes[at + i] << 8 * (little ? i : size - 1 - i);
    return value;
}

/* The orientation tag (0x0112) of the first directory, 1 to 8; 1 when there is none. Exif 2.32, 4.6.4. */
static int tiff_orientation(const struct span *tiff)
{
    if (!starts_with(tiff, 0, "II*\0", 4) && !starts_with(tiff, 0, "MM\0*", 4))
        return 1;
    size_t directory = tiff_number(tiff, 4, 4);
    uint32_t count = tiff_number(tiff, directory, 2);
    for (uint32_t i = 0; i < count && i < 1000; i++) {
        size_t entry = directory + 2 + (size_t)i * 12;
        if (tiff_number(tiff, entry, 2) != 0x0112)
            continue;
        uint32_t value = tiff_number(tiff, entry + 8, 2);
        return value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}

/* JPEG keeps Exif in an APP1 segment before the picture. */
static int jpeg_orientation(const struct span *file)
{
    for (size_t at = 2; at + 10 < file->len && file->bytes[at] == 0xff;) {
        uint8_t marker = file->bytes[at + 1];
        size_t size = (size_t)file->bytes[at + 2] << 8 | file->bytes[at + 3];
        if (marker == 0xda || size < 2 || size > file->len - at - 2)
            return 1;
        if (marker == 0xe1 && size > 8 && starts_with(file, at + 4, "Exif\0\0", 6)) {
            struct span tiff = {file->bytes + at + 10, size - 8};
            return tiff_orientation(&tiff);
        }
        at += 2 + size;
    }
    return 1;
}

/* PNG keeps it in a chunk of length, name, data, check; WebP in one of name, length the other way round, data. */
static int chunk_orientation(const struct span *file, size_t at, const char *name, bool png)
{
    while (at + 12 <= file->len) {
        const uint8_t *head = file->bytes + at;
        const uint8_t *count = png ? head : head + 4;
        size_t size =
            png ? big32(count) : (size_t)count[3] << 24 | (size_t)count[2] << 16 | (size_t)count[1] << 8 | count[0];
        if (size > file->len - at - 8)
            return 1;
        if (!memcmp(png ? head + 4 : head, name, 4)) {
            struct span tiff = {head + 8, size};
            if (starts_with(&tiff, 0, "Exif\0\0", 6))
                tiff = (struct span){head + 14, size - 6};
            return tiff_orientation(&tiff);
        }
        at += png ? size + 12 : 8 + size + (size & 1);
    }
    return 1;
}

int exif_orientation(const void *file, size_t len)
{
    struct span span = {file, len};
    if (starts_with(&span, 0, "\xff\xd8\xff", 3))
        return jpeg_orientation(&span);
    if (starts_with(&span, 0, "\x89PNG\r\n\x1a\n", 8))
        return chunk_orientation(&span, 8, "eXIf", true);
    if (starts_with(&span, 0, "RIFF", 4) && starts_with(&span, 8, "WEBP", 4))
        return chunk_orientation(&span, 12, "EXIF", false);
    return 1;
}
