/* See jpeg.h. TurboJPEG goes on after damage and calls it a warning; a portrait that is half grey is no portrait, so damage
 * is refused here and only stray bytes between markers, which some cameras write, are forgiven. */
#include "cards/jpeg.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <turbojpeg.h>

/* A progressive file can ask for the same work thousands of times; TurboJPEG stops at 500 scans when told to. */
enum { DECODE_FLAGS = TJFLAG_LIMITSCANS | TJFLAG_ACCURATEDCT };

enum result jpeg_size(const void *jpeg, size_t len, int *width, int *height)
{
    int subsampling, colours;
    *width = *height = 0; /* a header without a frame sets nothing */
    tjhandle handle = tjInitDecompress();
    if (!handle)
        return RESULT_FAILED;
    int failed = tjDecompressHeader3(handle, jpeg, (unsigned long)len, width, height, &subsampling, &colours);
    tjDestroy(handle);
    return failed || *width < 1 || *height < 1 ? RESULT_INVALID : RESULT_OK;
}

/* The smallest scale that keeps the shorter side. */
static void scale_down(int *width, int *height, int side_min)
{
    int count, full_width = *width, full_height = *height;
    const tjscalingfactor *factors = tjGetScalingFactors(&count);
    for (int i = 0; factors && i < count; i++) {
        int w = TJSCALED(full_width, factors[i]), h = TJSCALED(full_height, factors[i]);
        if (w >= side_min && h >= side_min && w < *width) {
            *width = w;
            *height = h;
        }
    }
}

static bool is_sound(tjhandle handle, int failed)
{
    if (!failed)
        return true;
    return tjGetErrorCode(handle) == TJERR_WARNING && strstr(tjGetErrorStr2(handle), "extraneous bytes");
}

/* Adobe writes its four inks inverted, and every decoder takes CMYK for Adobe's. In place, a pixel stays four bytes. */
static void cmyk_to_bgrx(uint8_t *pixels, int width, int height, int stride)
{
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            uint8_t *p = pixels + (size_t)y * (size_t)stride + (size_t)x * 4;
            unsigned black = p[3];
            uint8_t red = (uint8_t)(p[0] * black / 255), blue = (uint8_t)(p[2] * black / 255);
            p[1] = (uint8_t)(p[1] * black / 255);
            p[0] = blue;
            p[2] = red;
        }
}

enum result jpeg_decode(const void *jpeg, size_t len, int side_min, cairo_surface_t **out)
{
    /* A file cut before its frame has a good header that sets nothing. */
    int width = 0, height = 0, subsampling = 0, colours = 0;
    enum result result = RESULT_INVALID;
    cairo_surface_t *surface = NULL;
    tjhandle handle = tjInitDecompress();
    if (!handle)
        return RESULT_FAILED;
    if (tjDecompressHeader3(handle, jpeg, (unsigned long)len, &width, &height, &subsampling, &colours) || width < 1 ||
        height < 1)
        goto done;
    scale_down(&width, &height, side_min);
    surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height);
    if (cairo_surface_status(surface) != CAIRO_STATUS_SUCCESS)
        goto done;
    uint8_t *pixels = cairo_image_surface_get_data(surface);
    int stride = cairo_image_surface_get_stride(surface);
    bool inks = colours == TJCS_CMYK || colours == TJCS_YCCK;
    int failed = tjDecompress2(handle, jpeg, (unsigned long)len, pixels, width, stride, height,
                               inks ? TJPF_CMYK : TJPF_BGRX, DECODE_FLAGS);
    if (!is_sound(handle, failed))
        goto done;
    if (inks)
        cmyk_to_bgrx(pixels, width, height, stride);
    cairo_surface_mark_dirty(surface);
    *out = surface;
    surface = NULL;
    result = RESULT_OK;
done:
    if (surface)
        cairo_surface_destroy(surface);
    tjDestroy(handle);
    return result;
}

enum result jpeg_encode(cairo_surface_t *surface, int quality, struct arena *arena, const void **out, size_t *out_len)
{
    tjhandle handle = tjInitCompress();
    if (!handle)
        return RESULT_FAILED;
    cairo_surface_flush(surface);
    int width = cairo_image_surface_get_width(surface), height = cairo_image_surface_get_height(surface);
    unsigned char *bytes = NULL;
    unsigned long len = 0;
    int failed =
        tjCompress2(handle, cairo_image_surface_get_data(surface), width, cairo_image_surface_get_stride(surface),
                    height, TJPF_BGRX, &bytes, &len, TJSAMP_420, quality, TJFLAG_ACCURATEDCT);
    if (!failed) {
        *out = arena_memdup(arena, bytes, len);
        *out_len = len;
    }
    tjFree(bytes);
    tjDestroy(handle);
    return failed ? RESULT_FAILED : RESULT_OK;
}
