/* The picture for links, its colours and its PNG. `test_preview_image --write DIR` writes the samples to be looked at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <cairo.h>
#include <math.h>

#include "cards/jpeg.h"
#include "cards/palette.h"
#include "cards/png.h"
#include "cards/preview_image.h"

static const struct {
    const char *file;
    bool portrait;
    struct card card;
} samples[] = {
    {"plain",
     false,
     {.name = "Mika Sørensen-Tanaka",
      .given = "Mika",
      .family = "Tanaka",
      .title = "Master roofer",
      .organization = "Tanaka & Daughters, Roofing",
      .accent = "vermilion",
      .theme = "auto"}},
    {"short", false, {.name = "Ann Li", .title = "Notary", .accent = "indigo", .theme = "auto"}},
    {"long",
     false,
     {.name = "Maria Magdalena Konstantinopolitanska-Wierzbicka von und zu Hohenlohe-Waldenburg-Schillingsfürst",
      .title = "Executive vice president for sustainable infrastructure, mobility and the built environment, Europe "
               "and Middle East",
      .organization = "International Association for the Advancement of Roofing, Slate and Tile, registered society",
      .accent = "pine",
      .theme = "auto"}},
    {"cjk",
     false,
     {.name = "山田 太郎",
      .title = "代表取締役",
      .organization = "山田屋根工業株式会社",
      .accent = "vermilion",
      .theme = "auto"}},
    {"arabic",
     false,
     {.name = "محمد بن عبد الله الفاسي",
      .title = "مهندس معماري",
      .organization = "مكتب الفاسي للهندسة",
      .accent = "plum",
      .theme = "auto"}},
    {"arabic-portrait", true, {.name = "ليلى حداد", .title = "طبيبة", .accent = "ochre", .theme = "auto"}},
    {"name-only", false, {.name = "Cher", .accent = "slate", .theme = "auto"}},
    {"portrait",
     true,
     {.name = "Mika Sørensen-Tanaka",
      .given = "Mika",
      .family = "Tanaka",
      .title = "Master roofer",
      .organization = "Tanaka & Daughters, Roofing",
      .accent = "vermilion",
      .theme = "auto"}},
    {"dark",
     true,
     {.name = "Jonathan Appleseed",
      .title = "Orchardist",
      .organization = "Appleseed Nurseries",
      .accent = "pine",
      .theme = "dark"}},
    {"one-word",
     false,
     {.name = "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch",
      .title = "Village",
      .accent = "indigo",
      .theme = "auto"}},
};

enum { SAMPLES = sizeof samples / sizeof *samples };

struct bytes {
    const unsigned char *data;
    size_t len;
};

static cairo_status_t give(void *from, unsigned char *into, unsigned int len)
{
    struct bytes *bytes = from;
    if (len > bytes->len)
        return CAIRO_STATUS_READ_ERROR;
    memcpy(into, bytes->data, len);
    bytes->data += len;
    bytes->len -= len;
    return CAIRO_STATUS_SUCCESS;
}

static cairo_surface_t *read_png(const void *png, size_t len)
{
    struct bytes bytes = {png, len};
    cairo_surface_t *surface = cairo_image_surface_create_from_png_stream(give, &bytes);
    assert_int_equal(cairo_surface_status(surface), CAIRO_STATUS_SUCCESS);
    return surface;
}

static uint32_t pixel_of(cairo_surface_t *surface, int x, int y)
{
    uint32_t pixel;
    memcpy(&pixel, cairo_image_surface_get_data(surface) + y * cairo_image_surface_get_stride(surface) + 4 * x, 4);
    return pixel & 0xffffff;
}

/* Somebody in front of a hill, with the noise of a camera, so that it is as hard to pack as a photograph. */
static void make_portrait(struct arena *arena, const void **jpeg, size_t *len)
{
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, 512, 512);
    cairo_t *cr = cairo_create(surface);
    cairo_pattern_t *sky = cairo_pattern_create_linear(0, 0, 0, 512);
    cairo_pattern_add_color_stop_rgb(sky, 0, 0.55, 0.70, 0.85);
    cairo_pattern_add_color_stop_rgb(sky, 1, 0.80, 0.72, 0.55);
    cairo_set_source(cr, sky);
    cairo_paint(cr);
    cairo_pattern_destroy(sky);
    cairo_set_source_rgb(cr, 0.2, 0.28, 0.3);
    cairo_arc(cr, 256, 560, 210, 0, 7);
    cairo_fill(cr);
    cairo_pattern_t *face = cairo_pattern_create_radial(220, 190, 20, 256, 230, 150);
    cairo_pattern_add_color_stop_rgb(face, 0, 0.93, 0.76, 0.63);
    cairo_pattern_add_color_stop_rgb(face, 1, 0.62, 0.42, 0.32);
    cairo_set_source(cr, face);
    cairo_arc(cr, 256, 230, 120, 0, 7);
    cairo_fill(cr);
    cairo_pattern_destroy(face);
    cairo_set_source_rgb(cr, 0.15, 0.1, 0.08);
    cairo_arc(cr, 256, 190, 128, 3.2, 6.2);
    cairo_fill(cr);
    cairo_destroy(cr);
    cairo_surface_flush(surface);
    uint32_t dice = 1;
    uint8_t *data = cairo_image_surface_get_data(surface);
    for (int i = 0; i < 512 * cairo_image_surface_get_stride(surface); i++) {
        dice = dice * 1664525 + 1013904223;
        int value = data[i] + (int)(dice >> 24) % 17 - 8;
        data[i] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
    }
    cairo_surface_mark_dirty(surface);
    assert_int_equal(jpeg_encode(surface, 90, arena, jpeg, len), RESULT_OK);
    cairo_surface_destroy(surface);
}

static void draw_sample(int i, struct arena *arena, const void **png, size_t *len)
{
    const void *jpeg = NULL;
    size_t jpeg_len = 0;
    if (samples[i].portrait)
        make_portrait(arena, &jpeg, &jpeg_len);
    assert_int_equal(preview_image_png(&samples[i].card, "cards.example.org", jpeg, jpeg_len, arena, png, len),
                     RESULT_OK);
}

static void preview__every_sample_is_an_indexed_png_of_the_promised_size(void **state)
{
    for (int i = 0; i < SAMPLES; i++) {
        const void *png;
        size_t len;
        draw_sample(i, *state, &png, &len);
        assert_in_range(len, 4000, PREVIEW_BYTES_MAX);
        const uint8_t *bytes = png;
        assert_int_equal(bytes[24], 8); /* IHDR: depth, */
        assert_int_equal(bytes[25], 3); /* colour type palette */
        cairo_surface_t *surface = read_png(png, len);
        assert_int_equal(cairo_image_surface_get_width(surface), 1200);
        assert_int_equal(cairo_image_surface_get_height(surface), 630);
        cairo_surface_destroy(surface);
        arena_reset(*state);
    }
}

static void preview__paper_sheet_and_seal_keep_their_exact_colours(void **state)
{
    for (int i = 0; i < SAMPLES; i++) {
        const void *png;
        size_t len;
        draw_sample(i, *state, &png, &len);
        cairo_surface_t *surface = read_png(png, len);
        struct palette palette = palette_for(samples[i].card.accent, !strcmp(samples[i].card.theme, "dark"));
        int seal = 0, ink = 0;
        for (int y = 0; y < PREVIEW_HEIGHT; y++)
            for (int x = 0; x < PREVIEW_WIDTH; x++) {
                seal += pixel_of(surface, x, y) == palette.seal;
                ink += pixel_of(surface, x, y) == palette.ink;
            }
        assert_int_equal(pixel_of(surface, 4, 4), palette.paper);
        assert_int_equal(pixel_of(surface, 600, 60), palette.sheet);
        assert_in_range(seal, samples[i].portrait ? 2000 : 6000, 20000);
        assert_in_range(ink, 1000, 100000);
        cairo_surface_destroy(surface);
        arena_reset(*state);
    }
}

/* The ink of the text must stay on the sheet: clear of its edges, of the seal and of the portrait. */
static void preview__no_text_leaves_the_sheet(void **state)
{
    for (int i = 0; i < SAMPLES; i++) {
        const void *png;
        size_t len;
        draw_sample(i, *state, &png, &len);
        cairo_surface_t *surface = read_png(png, len);
        struct palette palette = palette_for(samples[i].card.accent, !strcmp(samples[i].card.theme, "dark"));
        for (int y = 0; y < PREVIEW_HEIGHT; y++)
            for (int x = 0; x < PREVIEW_WIDTH; x++)
                if (x < 100 || x >= PREVIEW_WIDTH - 100 || y < 84 || y >= PREVIEW_HEIGHT - 90)
                    if (pixel_of(surface, x, y) == palette.ink || pixel_of(surface, x, y) == palette.ink_2)
                        fail_msg("%s: ink at %d,%d", samples[i].file, x, y);
        cairo_surface_destroy(surface);
        arena_reset(*state);
    }
}

static void preview__a_portrait_keeps_its_colours(void **state)
{
    const void *jpeg, *png;
    size_t jpeg_len, len;
    make_portrait(*state, &jpeg, &jpeg_len);
    assert_int_equal(preview_image_png(&samples[7].card, NULL, jpeg, jpeg_len, *state, &png, &len), RESULT_OK);
    cairo_surface_t *drawn = read_png(png, len), *portrait;
    assert_int_equal(jpeg_decode(jpeg, jpeg_len, 512, &portrait), RESULT_OK);
    /* Means of 30 x 30 pixels drawn against the same part of the original: dithering must not shift them. */
    for (int block = 0; block < 6; block++) {
        int bx = 90 + 30 * block, by = 120;
        double got[3] = {0, 0, 0}, want[3] = {0, 0, 0};
        for (int y = 0; y < 30; y++)
            for (int x = 0; x < 30; x++)
                for (int k = 0; k < 3; k++) {
                    int left = 1200 - 56 - 72 - 300, top = 48 + 113;
                    got[k] += pixel_of(drawn, left + bx + x, top + by + y) >> (8 * k) & 255;
                    want[k] += pixel_of(portrait, (bx + x) * 512 / 300, (by + y) * 512 / 300) >> (8 * k) & 255;
                }
        for (int k = 0; k < 3; k++)
            assert_true(fabs(got[k] - want[k]) / 900 < 4);
    }
    cairo_surface_destroy(drawn);
    cairo_surface_destroy(portrait);
}

static void preview__a_broken_portrait_leaves_the_seal(void **state)
{
    const void *png;
    size_t len;
    assert_int_equal(preview_image_png(&samples[0].card, "h", "\xff\xd8\xff junk", 8, *state, &png, &len), RESULT_OK);
    const void *without;
    size_t without_len;
    assert_int_equal(preview_image_png(&samples[0].card, "h", NULL, 0, *state, &without, &without_len), RESULT_OK);
    assert_int_equal(len, without_len);
    assert_memory_equal(png, without, len);
}

static void jpeg__a_cut_file_is_refused(void **state)
{
    const void *jpeg;
    size_t len;
    int width, height;
    cairo_surface_t *surface;
    make_portrait(*state, &jpeg, &len);
    assert_int_equal(jpeg_size(jpeg, len, &width, &height), RESULT_OK);
    assert_int_equal(width, 512);
    assert_int_equal(jpeg_decode(jpeg, len / 2, 512, &surface), RESULT_INVALID);
    assert_int_equal(jpeg_decode(jpeg, 20, 512, &surface), RESULT_INVALID);
    assert_int_equal(jpeg_size("no", 2, &width, &height), RESULT_INVALID);
}

static double luminance(uint32_t colour)
{
    double sum = 0;
    static const double weights[] = {0.2126, 0.7152, 0.0722};
    for (int k = 0; k < 3; k++) {
        double part = (colour >> (16 - 8 * k) & 255) / 255.0;
        sum += weights[k] * (part <= 0.03928 ? part / 12.92 : pow((part + 0.055) / 1.055, 2.4));
    }
    return sum;
}

static double contrast(uint32_t a, uint32_t b)
{
    double la = luminance(a) + 0.05, lb = luminance(b) + 0.05;
    return la > lb ? la / lb : lb / la;
}

static const char *const accents[] = {CARD_ACCENTS};

static void palette__every_text_has_contrast(void **state)
{
    (void)state;
    assert_true(contrast(0xffffff, 0x000000) > 20.9 && contrast(0x777777, 0xffffff) < 4.5); /* the measure itself */
    for (size_t i = 0; i < sizeof accents / sizeof *accents; i++)
        for (int dark = 0; dark < 2; dark++) {
            struct palette p = palette_for(accents[i], dark);
            const uint32_t pairs[][2] = {{p.ink, p.paper},  {p.ink, p.sheet},  {p.ink_2, p.paper},  {p.ink_2, p.sheet},
                                         {p.seal, p.paper}, {p.seal, p.sheet}, {p.seal_ink, p.seal}};
            for (size_t k = 0; k < sizeof pairs / sizeof *pairs; k++)
                if (contrast(pairs[k][0], pairs[k][1]) < 4.5)
                    fail_msg("%s, dark %d, pair %zu: %.2f", accents[i], dark, k, contrast(pairs[k][0], pairs[k][1]));
        }
}

static void palette__accents_differ(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof accents / sizeof *accents; i++)
        for (size_t k = 0; k < i; k++) {
            assert_int_not_equal(palette_for(accents[i], false).seal, palette_for(accents[k], false).seal);
            assert_int_not_equal(palette_for(accents[i], true).seal, palette_for(accents[k], true).seal);
        }
}

/* "NAME: #rrggbb" of the style sheet, in the rule that starts at AT. */
static uint32_t css_colour(const char *at, const char *name)
{
    const char *end = strchr(at, '}');
    const char *found = strstr(at, name);
    assert_non_null(found);
    assert_true(found < end);
    return (uint32_t)strtoul(strchr(found, '#') + 1, NULL, 16);
}

static void palette__says_what_the_pages_say(void **state)
{
    FILE *file = fopen("assets/base.css", "r");
    assert_non_null(file);
    char *css = arena_alloc(*state, 65536);
    assert_in_range(fread(css, 1, 65535, file), 100, 65534);
    fclose(file);
    const char *roots[] = {strstr(css, ":root {"), strstr(css, ":root:not(.theme-light) {")};
    for (int dark = 0; dark < 2; dark++) {
        struct palette p = palette_for(NULL, dark);
        assert_non_null(roots[dark]);
        assert_int_equal(css_colour(roots[dark], "--paper:"), p.paper);
        assert_int_equal(css_colour(roots[dark], "--sheet:"), p.sheet);
        assert_int_equal(css_colour(roots[dark], "--ink:"), p.ink);
        assert_int_equal(css_colour(roots[dark], "--ink-2:"), p.ink_2);
        assert_int_equal(css_colour(roots[dark], "--line:"), p.line);
        assert_int_equal(css_colour(roots[dark], "--seal-ink:"), p.seal_ink);
    }
    for (size_t i = 0; i < sizeof accents / sizeof *accents; i++) {
        const char *rule = i ? strstr(css, arena_printf(*state, ".accent-%s {", accents[i])) : roots[0];
        assert_non_null(rule);
        assert_int_equal(css_colour(rule, "--seal-l:"), palette_for(accents[i], false).seal);
        assert_int_equal(css_colour(rule, "--seal-d:"), palette_for(accents[i], true).seal);
    }
}

static void png__indices_come_back_as_their_colours(void **state)
{
    enum { WIDTH = 37, HEIGHT = 11 };
    struct png_colour colours[PNG_COLOURS_MAX];
    uint8_t indices[WIDTH * HEIGHT];
    for (int i = 0; i < PNG_COLOURS_MAX; i++)
        colours[i] = (struct png_colour){(uint8_t)i, (uint8_t)(255 - i), (uint8_t)(i * 7)};
    for (int i = 0; i < WIDTH * HEIGHT; i++)
        indices[i] = (uint8_t)(i * 13);
    const void *png;
    size_t len;
    assert_int_equal(png_from_indices(indices, WIDTH, HEIGHT, colours, PNG_COLOURS_MAX, *state, &png, &len), RESULT_OK);
    cairo_surface_t *surface = read_png(png, len);
    for (int i = 0; i < WIDTH * HEIGHT; i++) {
        const struct png_colour *c = &colours[indices[i]];
        assert_int_equal(pixel_of(surface, i % WIDTH, i / WIDTH),
                         (uint32_t)c->red << 16 | (uint32_t)c->green << 8 | c->blue);
    }
    cairo_surface_destroy(surface);
}

static int write_samples(const char *folder)
{
    struct arena arena;
    arena_init(&arena);
    for (int i = 0; i < SAMPLES; i++) {
        const void *png;
        size_t len;
        draw_sample(i, &arena, &png, &len);
        FILE *file = fopen(arena_printf(&arena, "%s/%s.png", folder, samples[i].file), "wb");
        if (!file || fwrite(png, 1, len, file) != len || fclose(file))
            return 1;
        printf("%s %zu\n", samples[i].file, len);
        arena_reset(&arena);
    }
    arena_free(&arena);
    return 0;
}

/* fontconfig keeps what it has read until the process ends and is not asked to give it back. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libfontconfig\n";
}

static int make_arena(void **state)
{
    static struct arena arena;
    arena_init(&arena);
    *state = &arena;
    return 0;
}

static int drop_arena(void **state)
{
    arena_free(*state);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_arena, drop_arena)

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "--write"))
        return write_samples(argv[2]);
    const struct CMUnitTest tests[] = {
        TEST(preview__every_sample_is_an_indexed_png_of_the_promised_size),
        TEST(preview__paper_sheet_and_seal_keep_their_exact_colours),
        TEST(preview__no_text_leaves_the_sheet),
        TEST(preview__a_portrait_keeps_its_colours),
        TEST(preview__a_broken_portrait_leaves_the_seal),
        TEST(jpeg__a_cut_file_is_refused),
        TEST(palette__every_text_has_contrast),
        TEST(palette__accents_differ),
        TEST(palette__says_what_the_pages_say),
        TEST(png__indices_come_back_as_their_colours),
    };
    return cmocka_run_group_tests_name("preview_image", tests, NULL, NULL);
}
