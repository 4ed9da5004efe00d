/* The inside of the portrait jail. It locks itself up before it reads, asks every file for its size before it decodes it, and
 * leaves by _exit so that nothing of ours runs after a decoder did. Running out of memory, a crash and a forbidden call are all
 * the same to the parent: no portrait. */
#include "server/portrait.h"

#include <cairo.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <webp/decode.h>

#include "cards/exif.h"
#include "cards/jpeg.h"
#include "server/jail.h"
#include "server/portrait_outcome.h"

/* 40 million pixels of four bytes, and a progressive JPEG's coefficients for as many beside it. */
static const size_t memory_max = (size_t)768 * 1024 * 1024;

enum { CPU_SECONDS = PORTRAIT_DEADLINE_MS / 1000 };

struct upload {
    const uint8_t *bytes;
    size_t len;
};

static uint32_t big32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool starts_with(const struct upload *upload, size_t at, const char *magic, size_t len)
{
    return upload->len >= at + len && !memcmp(upload->bytes + at, magic, len);
}

static enum portrait_outcome judge_size(int64_t width, int64_t height)
{
    if (width > PORTRAIT_SIDE_MAX || height > PORTRAIT_SIDE_MAX || width * height > PORTRAIT_PIXELS_MAX)
        return PORTRAIT_LARGE;
    if (width < PORTRAIT_SIDE_MIN || height < PORTRAIT_SIDE_MIN)
        return PORTRAIT_SMALL;
    return PORTRAIT_MADE;
}

static enum portrait_outcome open_jpeg(const struct upload *upload, cairo_surface_t **out)
{
    int width, height;
    if (jpeg_size(upload->bytes, upload->len, &width, &height) != RESULT_OK)
        return PORTRAIT_DAMAGED;
    enum portrait_outcome outcome = judge_size(width, height);
    if (outcome != PORTRAIT_MADE)
        return outcome;
    return jpeg_decode(upload->bytes, upload->len, 2 * PORTRAIT_SIDE, out) == RESULT_OK ? PORTRAIT_MADE
                                                                                        : PORTRAIT_DAMAGED;
}

static cairo_status_t give(void *from, unsigned char *into, unsigned int len)
{
    struct upload *rest = from;
    if (len > rest->len)
        return CAIRO_STATUS_READ_ERROR;
    memcpy(into, rest->bytes, len);
    rest->bytes += len;
    rest->len -= len;
    return CAIRO_STATUS_SUCCESS;
}

static enum portrait_outcome open_png(const struct upload *upload, cairo_surface_t **out)
{
    if (!starts_with(upload, 12, "IHDR", 4) || upload->len < 33)
        return PORTRAIT_DAMAGED;
    enum portrait_outcome outcome = judge_size(big32(upload->bytes + 16), big32(upload->bytes + 20));
    if (outcome != PORTRAIT_MADE)
        return outcome;
    struct upload rest = *upload;
    *out = cairo_image_surface_create_from_png_stream(give, &rest);
    return cairo_surface_status(*out) == CAIRO_STATUS_SUCCESS ? PORTRAIT_MADE : PORTRAIT_DAMAGED;
}

static enum portrait_outcome open_webp(const struct upload *upload, cairo_surface_t **out)
{
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config) || WebPGetFeatures(upload->bytes, upload->len, &config.input) != VP8_STATUS_OK)
        return PORTRAIT_DAMAGED;
    if (config.input.has_animation)
        return PORTRAIT_MOVING;
    int width = config.input.width, height = config.input.height;
    enum portrait_outcome outcome = judge_size(width, height);
    if (outcome != PORTRAIT_MADE)
        return outcome;
    *out = cairo_image_surface_create(CAIRO_FORMAT_ARGB32, width, height);
    if (cairo_surface_status(*out) != CAIRO_STATUS_SUCCESS)
        return PORTRAIT_DAMAGED;
    int stride = cairo_image_surface_get_stride(*out);
    config.output.colorspace = MODE_bgrA; /* premultiplied, as cairo has it */
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = cairo_image_surface_get_data(*out);
    config.output.u.RGBA.stride = stride;
    config.output.u.RGBA.size = (size_t)stride * (size_t)height;
    VP8StatusCode status = WebPDecode(upload->bytes, upload->len, &config);
    cairo_surface_mark_dirty(*out);
    return status == VP8_STATUS_OK ? PORTRAIT_MADE : PORTRAIT_DAMAGED;
}

static enum portrait_outcome open_upload(const struct upload *upload, cairo_surface_t **out)
{
    if (starts_with(upload, 0, "\xff\xd8\xff", 3))
        return open_jpeg(upload, out);
    if (starts_with(upload, 0, "\x89PNG\r\n\x1a\n", 8))
        return open_png(upload, out);
    if (starts_with(upload, 0, "RIFF", 4) && starts_with(upload, 8, "WEBP", 4))
        return open_webp(upload, out);
    return PORTRAIT_UNKNOWN;
}

/* The middle square of PICTURE, upright, PORTRAIT_SIDE pixels wide, on white where it was see-through. */
static cairo_surface_t *cropped(cairo_surface_t *picture, int orientation)
{
    /* What each Exif orientation does to a point around the centre: xx, yx, xy, yy of cairo's matrix. */
    static const int turns[9][4] = {{1, 0, 0, 1}, {1, 0, 0, 1},  {-1, 0, 0, 1},  {-1, 0, 0, -1}, {1, 0, 0, -1},
                                    {0, 1, 1, 0}, {0, 1, -1, 0}, {0, -1, -1, 0}, {0, -1, 1, 0}};
    int width = cairo_image_surface_get_width(picture), height = cairo_image_surface_get_height(picture);
    double scale = (double)PORTRAIT_SIDE / (width < height ? width : height);
    const int *turn = turns[orientation];
    cairo_matrix_t matrix;
    cairo_surface_t *square = cairo_image_surface_create(CAIRO_FORMAT_RGB24, PORTRAIT_SIDE, PORTRAIT_SIDE);
    cairo_t *cr = cairo_create(square);
    cairo_set_source_rgb(cr, 1, 1, 1);
    cairo_paint(cr);
    cairo_matrix_init(&matrix, turn[0] * scale, turn[1] * scale, turn[2] * scale, turn[3] * scale, PORTRAIT_SIDE / 2.0,
                      PORTRAIT_SIDE / 2.0);
    cairo_transform(cr, &matrix);
    cairo_set_source_surface(cr, picture, -width / 2.0, -height / 2.0);
    cairo_pattern_set_filter(cairo_get_source(cr), CAIRO_FILTER_GOOD);
    cairo_pattern_set_extend(cairo_get_source(cr), CAIRO_EXTEND_PAD);
    cairo_paint(cr);
    cairo_destroy(cr);
    return square;
}

static bool write_all(const void *bytes, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = write(STDOUT_FILENO, (const char *)bytes + done, len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

static bool answer(enum portrait_outcome outcome, const void *jpeg, size_t len)
{
    char first = (char)outcome;
    return write_all(&first, 1) && write_all(jpeg, len);
}

/* The best quality that is small enough; noise at 60 is still under 200 KB. */
static bool answer_portrait(cairo_surface_t *square, struct arena *arena)
{
    for (int quality = 90; quality >= 30; quality -= 10) {
        const void *jpeg;
        size_t len;
        if (jpeg_encode(square, quality, arena, &jpeg, &len) != RESULT_OK)
            return false;
        if (len <= PORTRAIT_BYTES_MAX)
            return answer(PORTRAIT_MADE, jpeg, len);
    }
    return answer(PORTRAIT_DAMAGED, NULL, 0);
}

/* The whole input, or nothing when it is longer than the parent would have sent. */
static bool read_upload(struct arena *arena, struct upload *out)
{
    uint8_t *bytes = arena_alloc_raw(arena, PORTRAIT_UPLOAD_MAX + 1);
    size_t len = 0;
    while (len <= PORTRAIT_UPLOAD_MAX) {
        ssize_t n = read(STDIN_FILENO, bytes + len, PORTRAIT_UPLOAD_MAX + 1 - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    *out = (struct upload){bytes, len};
    return len <= PORTRAIT_UPLOAD_MAX;
}

int portrait_worker_main(void)
{
    struct arena arena;
    struct upload upload;
    cairo_surface_t *picture = NULL;
    if (jail_enter(memory_max, CPU_SECONDS) != RESULT_OK)
        _exit(EXIT_FAILURE);
    arena_init(&arena);
    if (!read_upload(&arena, &upload))
        _exit(EXIT_FAILURE);
    enum portrait_outcome outcome = open_upload(&upload, &picture);
    bool written = outcome == PORTRAIT_MADE
                       ? answer_portrait(cropped(picture, exif_orientation(upload.bytes, upload.len)), &arena)
                       : answer(outcome, NULL, 0);
    /* No clean-up: what a decoder may have spoilt is not looked at again. */
    _exit(written ? EXIT_SUCCESS : EXIT_FAILURE);
}
