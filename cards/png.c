/* See png.h. libpng reports errors by longjmp; everything it can leave half made is reached through struct sink, which
 * does not live in a register, so the one setjmp is in write_all() and nothing else needs to know. */
#include "cards/png.h"

#include <assert.h>
#include <png.h>
#include <setjmp.h>
#include <stdbool.h>
#include <string.h>

enum { LEVEL = 6, FIRST_BYTES = 4096 };

struct sink {
    struct arena *arena;
    uint8_t *data;
    size_t len, capacity;
    png_structp png;
    png_infop info;
};

struct picture {
    const uint8_t *const *rows; /* NULL: indices, width bytes a row */
    const uint8_t *indices;
    int width, height, depth, colour_type;
    const png_color *palette;
    int palette_count;
};

static void take(png_structp png, png_bytep bytes, size_t len)
{
    struct sink *sink = png_get_io_ptr(png);
    if (len > sink->capacity - sink->len) {
        size_t capacity = sink->capacity * 2;
        if (capacity < sink->len + len)
            capacity = sink->len + len;
        uint8_t *data = arena_alloc_raw(sink->arena, capacity);
        memcpy(data, sink->data, sink->len);
        sink->data = data;
        sink->capacity = capacity;
    }
    memcpy(sink->data + sink->len, bytes, len);
    sink->len += len;
}

static void flush(png_structp png)
{
    (void)png;
}

static void keep_quiet(png_structp png, png_const_charp words)
{
    (void)png;
    (void)words;
}

/* False when libpng jumped out. */
static bool write_all(struct sink *sink, const struct picture *picture)
{
    png_structp png = sink->png;
    if (setjmp(png_jmpbuf(png)))
        return false;
    png_set_write_fn(png, sink, take, flush);
    png_set_compression_level(png, LEVEL);
    png_set_filter(png, PNG_FILTER_TYPE_BASE, PNG_FILTER_NONE);
    png_set_IHDR(png, sink->info, (png_uint_32)picture->width, (png_uint_32)picture->height, picture->depth,
                 picture->colour_type, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (picture->palette)
        png_set_PLTE(png, sink->info, picture->palette, picture->palette_count);
    png_write_info(png, sink->info);
    for (int y = 0; y < picture->height; y++)
        png_write_row(png, picture->rows ? picture->rows[y] : picture->indices + (size_t)y * (size_t)picture->width);
    png_write_end(png, NULL);
    return true;
}

static enum result write_png(const struct picture *picture, struct arena *arena, const void **out, size_t *out_len)
{
    struct sink sink = {.arena = arena, .capacity = FIRST_BYTES};
    sink.data = arena_alloc_raw(arena, sink.capacity);
    sink.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, keep_quiet);
    if (!sink.png)
        return RESULT_FAILED;
    sink.info = png_create_info_struct(sink.png);
    bool written = sink.info && write_all(&sink, picture);
    png_destroy_write_struct(&sink.png, &sink.info);
    if (!written)
        return RESULT_FAILED;
    *out = sink.data;
    *out_len = sink.len;
    return RESULT_OK;
}

enum result png_from_bits(const uint8_t *const *rows, int width, int height, struct arena *arena, const void **out,
                          size_t *out_len)
{
    assert(width > 0 && height > 0);
    struct picture picture = {
        .rows = rows, .width = width, .height = height, .depth = 1, .colour_type = PNG_COLOR_TYPE_GRAY};
    return write_png(&picture, arena, out, out_len);
}

enum result png_from_indices(const uint8_t *indices, int width, int height, const struct png_colour *colours, int count,
                             struct arena *arena, const void **out, size_t *out_len)
{
    assert(width > 0 && height > 0 && count > 0 && count <= PNG_COLOURS_MAX);
    png_color palette[PNG_COLOURS_MAX];
    for (int i = 0; i < count; i++)
        palette[i] = (png_color){colours[i].red, colours[i].green, colours[i].blue};
    struct picture picture = {.indices = indices,
                              .width = width,
                              .height = height,
                              .depth = 8,
                              .colour_type = PNG_COLOR_TYPE_PALETTE,
                              .palette = palette,
                              .palette_count = count};
    return write_png(&picture, arena, out, out_len);
}
