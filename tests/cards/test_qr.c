/* QR symbols, read back by others: zbar decodes every version and level, cairo (and so libpng's reader) gives the pixels,
 * librsvg draws the SVG. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <cairo.h>
#include <librsvg/rsvg.h>
#include <zbar.h>

#include "cards/qr.h"

static const char address[] = "HTTPS://CARDS.EXAMPLE.ORG/C/7K3QX9V2M4T8B6RC";

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

/* Grey bytes of a picture, in memory the caller frees. */
static uint8_t *grey_of(cairo_surface_t *surface, int *side)
{
    *side = cairo_image_surface_get_width(surface);
    assert_int_equal(cairo_image_surface_get_height(surface), *side);
    uint8_t *grey = malloc((size_t)*side * (size_t)*side);
    cairo_surface_flush(surface);
    for (int y = 0; y < *side; y++) {
        const uint8_t *row = cairo_image_surface_get_data(surface) + y * cairo_image_surface_get_stride(surface);
        for (int x = 0; x < *side; x++) {
            uint32_t pixel;
            memcpy(&pixel, row + 4 * x, 4);
            grey[y * *side + x] = (uint8_t)pixel;
        }
    }
    return grey;
}

static uint8_t *grey_of_png(const void *png, size_t len, int *side)
{
    struct bytes bytes = {png, len};
    cairo_surface_t *surface = cairo_image_surface_create_from_png_stream(give, &bytes);
    assert_int_equal(cairo_surface_status(surface), CAIRO_STATUS_SUCCESS);
    uint8_t *grey = grey_of(surface, side);
    cairo_surface_destroy(surface);
    return grey;
}

static uint8_t *grey_of_svg(const char *svg, size_t len, int side)
{
    GError *error = NULL;
    RsvgHandle *handle = rsvg_handle_new_from_data((const guint8 *)svg, len, &error);
    assert_non_null(handle);
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, side, side);
    cairo_t *cr = cairo_create(surface);
    RsvgRectangle whole = {0, 0, side, side};
    assert_true(rsvg_handle_render_document(handle, cr, &whole, &error));
    cairo_destroy(cr);
    int got;
    uint8_t *grey = grey_of(surface, &got);
    cairo_surface_destroy(surface);
    g_object_unref(handle);
    return grey;
}

static void check_decodes(const uint8_t *grey, int side, const char *text)
{
    zbar_image_scanner_t *scanner = zbar_image_scanner_create();
    zbar_image_scanner_set_config(scanner, 0, ZBAR_CFG_ENABLE, 0);
    zbar_image_scanner_set_config(scanner, ZBAR_QRCODE, ZBAR_CFG_ENABLE, 1);
    zbar_image_t *image = zbar_image_create();
    zbar_image_set_format(image, zbar_fourcc('Y', '8', '0', '0'));
    zbar_image_set_size(image, (unsigned)side, (unsigned)side);
    zbar_image_set_data(image, grey, (unsigned long)side * (unsigned long)side, NULL);
    if (zbar_scan_image(scanner, image) != 1)
        fail_msg("not read at %d pixels: %s", side, text);
    assert_string_equal(zbar_symbol_get_data(zbar_image_first_symbol(image)), text);
    zbar_image_destroy(image);
    zbar_image_scanner_destroy(scanner);
}

/* Every pixel against the cell it belongs to: quiet zone, whole pixels, dark on light, all at once. */
static void check_pixels(const struct qr *qr, const uint8_t *grey, int side)
{
    int across = qr->modules + 8;
    assert_int_equal(side % across, 0);
    int scale = side / across;
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++) {
            int cx = x / scale - 4, cy = y / scale - 4;
            bool inside = x >= 4 * scale && y >= 4 * scale && cx < qr->modules && cy < qr->modules;
            int want = inside && qr->cells[cy * qr->modules + cx] ? 0 : 255;
            if (grey[y * side + x] != want)
                fail_msg("pixel %d,%d of %d is %d", x, y, side, grey[y * side + x]);
        }
}

/* Deterministic, mixed text of LEN characters. */
static void fill(char *text, size_t len, uint32_t seed)
{
    static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ$%*+-./:";
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1664525 + 1013904223;
        text[i] = alphabet[(seed >> 16) % 44];
    }
    text[len] = '\0';
}

static const char *const NAMES[] = {"Mika Sorensen",
                                    "Wanda Miller",
                                    "Q",
                                    "\u5c71\u7530 \u592a\u90ce",
                                    "\u0644\u064a\u0644\u0649 \u062d\u0633\u0646",
                                    "*"};
enum { NAME_COUNT = sizeof NAMES / sizeof *NAMES };

static const struct monogram *mark_of(const char *name, struct arena *arena)
{
    struct monogram *mark = arena_alloc(arena, sizeof *mark);
    assert_int_equal(monogram_make(&(struct card){.name = name}, arena, mark), RESULT_OK);
    return mark;
}

/* The field is as small as was promised and in the middle; all around it is as without a mark; its edge is light, and in it is ink. */
static void check_marked(const struct qr *qr, const uint8_t *grey, int side)
{
    assert_true(qr->clear_width * qr->clear_height * QR_CLEAR_SHARE <= qr->modules * qr->modules);
    int scale = side / (qr->modules + 8), ink = 0;
    int left = (qr->modules - qr->clear_width) / 2 + 4, top = (qr->modules - qr->clear_height) / 2 + 4;
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++) {
            int cx = x / scale, cy = y / scale, dx = cx - left, dy = cy - top;
            bool inner = dx > 0 && dy > 0 && dx < qr->clear_width - 1 && dy < qr->clear_height - 1;
            bool quiet = cx < 4 || cy < 4 || cx >= qr->modules + 4 || cy >= qr->modules + 4;
            int want = !quiet && qr->cells[(cy - 4) * qr->modules + cx - 4] ? 0 : 255;
            ink += inner && !grey[y * side + x];
            if (!inner && grey[y * side + x] != want)
                fail_msg("pixel %d,%d of %d is %d", x, y, side, grey[y * side + x]);
        }
    int room = (qr->clear_width - 2) * (qr->clear_height - 2) * scale * scale;
    assert_true(ink * 20 > room && ink < room);
}

static void check_symbol(const struct qr *qr, const char *text, struct arena *arena)
{
    int across = qr->modules + 8;
    const int sizes[] = {QR_SIZE_MIN, 3 * across, QR_SIZE_DEFAULT, 4 * across + 3, 1000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const void *png;
        size_t len;
        int side;
        assert_int_equal(qr_png(qr, sizes[i], arena, &png, &len), RESULT_OK);
        uint8_t *grey = grey_of_png(png, len, &side);
        assert_int_equal(((const uint8_t *)png)[24], 1); /* bit a pixel */
        if (qr->mark)
            check_marked(qr, grey, side);
        else
            check_pixels(qr, grey, side);
        assert_true(side == 3 * across || (side <= sizes[i] && side > sizes[i] - across));
        check_decodes(grey, side, text);
        free(grey);
    }
}

static void qr__every_version_and_level_is_read_by_another(void **state)
{
    (void)state;
    static char text[4297];
    for (int level = QR_LEVEL_L; level <= QR_LEVEL_H; level++) {
        struct arena arena;
        arena_init(&arena);
        int seen = 0;
        for (size_t len = 1; seen < QR_VERSION_MAX && len < sizeof text; len += seen < 10 ? 1 : seen < 20 ? 16 : 40) {
            struct qr qr;
            fill(text, len, (uint32_t)len);
            if (qr_encode(text, (enum qr_level)level, &arena, &qr) != RESULT_OK)
                break;
            int version = (qr.modules - 17) / 4;
            if (version > seen) {
                assert_int_equal(version, seen + 1);
                seen = version;
                check_symbol(&qr, text, &arena);
            }
            arena_reset(&arena);
        }
        assert_int_equal(seen, QR_VERSION_MAX);
        arena_free(&arena);
    }
}

static void qr__the_largest_picture_is_read(void **state)
{
    struct qr qr;
    const void *png;
    size_t len;
    int side;
    assert_int_equal(qr_encode(address, QR_LEVEL_M, *state, &qr), RESULT_OK);
    assert_int_equal(qr_png(&qr, QR_SIZE_MAX, *state, &png, &len), RESULT_OK);
    uint8_t *grey = grey_of_png(png, len, &side);
    check_pixels(&qr, grey, side);
    check_decodes(grey, side, address);
    free(grey);
}

static void qr__the_png_is_one_bit_grey_and_small(void **state)
{
    struct qr qr;
    const void *png;
    size_t len;
    assert_int_equal(qr_encode(address, QR_LEVEL_M, *state, &qr), RESULT_OK);
    assert_int_equal(qr.modules, 29); /* version 3: the smallest that these 45 characters fit at level M */
    assert_int_equal(qr_png(&qr, QR_SIZE_DEFAULT, *state, &png, &len), RESULT_OK);
    const uint8_t *bytes = png;
    assert_int_equal(bytes[24], 1); /* IHDR: depth, */
    assert_int_equal(bytes[25], 0); /* colour type grey, */
    assert_int_equal(bytes[28], 0); /* not interlaced */
    assert_in_range(len, 200, 1000);
}

static void qr__refuses_what_is_not_alphanumeric(void **state)
{
    struct qr qr;
    assert_int_equal(qr_encode("https://cards.example.org/c/7k3q", QR_LEVEL_M, *state, &qr), RESULT_INVALID);
    assert_int_equal(qr_encode("HTTPS://CARDS.EXAMPLE.ORG/C/7K3q", QR_LEVEL_M, *state, &qr), RESULT_INVALID);
    assert_int_equal(qr_encode("HTTPS://A/?B=C", QR_LEVEL_M, *state, &qr), RESULT_INVALID);
    assert_int_equal(qr_encode("HTTPS://M\xC3\x9CLLER.EXAMPLE/", QR_LEVEL_M, *state, &qr), RESULT_INVALID);
    assert_int_equal(qr_encode("", QR_LEVEL_M, *state, &qr), RESULT_INVALID);
}

static void qr__refuses_what_does_not_fit(void **state)
{
    struct qr qr;
    char text[4298];
    memset(text, 'A', sizeof text);
    text[4297] = '\0';
    assert_int_equal(qr_encode(text, QR_LEVEL_L, *state, &qr), RESULT_INVALID);
    text[4296] = '\0';
    assert_int_equal(qr_encode(text, QR_LEVEL_L, *state, &qr), RESULT_OK);
    assert_int_equal(qr_encode(text, QR_LEVEL_M, *state, &qr), RESULT_INVALID);
}

static void qr__refuses_sizes_out_of_bounds(void **state)
{
    struct qr qr;
    const void *png;
    size_t len;
    assert_int_equal(qr_encode(address, QR_LEVEL_M, *state, &qr), RESULT_OK);
    assert_int_equal(qr_png(&qr, QR_SIZE_MIN - 1, *state, &png, &len), RESULT_INVALID);
    assert_int_equal(qr_png(&qr, QR_SIZE_MAX + 1, *state, &png, &len), RESULT_INVALID);
    assert_int_equal(qr_png(&qr, -5, *state, &png, &len), RESULT_INVALID);
}

static void qr__the_svg_is_one_path_that_draws_the_same_cells(void **state)
{
    for (int level = QR_LEVEL_L; level <= QR_LEVEL_H; level++) {
        struct qr qr;
        struct str svg;
        assert_int_equal(qr_encode(address, (enum qr_level)level, *state, &qr), RESULT_OK);
        str_init(&svg, *state, 64 * 1024);
        qr_svg(&svg, &qr, "Tom & Jerry <b>");
        assert_false(svg.failed);
        assert_non_null(strstr(svg.data, "<title>Tom &amp; Jerry &lt;b&gt;</title>"));
        const char *path = strstr(svg.data, "<path");
        assert_non_null(path);
        assert_null(strstr(path + 1, "<path"));
        int side = 6 * (qr.modules + 8);
        uint8_t *grey = grey_of_svg(svg.data, svg.len, side);
        check_pixels(&qr, grey, side);
        check_decodes(grey, side, address);
        free(grey);
    }
}

/* Which halves of a character cell are dark, 1 the upper, 2 the lower; moves AT past the character. */
static int read_halves(const char **at)
{
    static const char *const halves[] = {" ", "\u2580", "\u2584", "\u2588"};
    for (int i = 0; i < 4; i++)
        if (!strncmp(*at, halves[i], strlen(halves[i]))) {
            *at += strlen(halves[i]);
            return i;
        }
    fail_msg("not a half block: %s", *at);
    return 0;
}

static void qr__the_terminal_drawing_holds_the_same_cells(void **state)
{
    struct qr qr;
    struct str drawn;
    assert_int_equal(qr_encode(address, QR_LEVEL_M, *state, &qr), RESULT_OK);
    str_init(&drawn, *state, 64 * 1024);
    qr_terminal(&drawn, &qr);
    assert_false(drawn.failed);
    const int scale = 4;
    int across = qr.modules + 8, side = across * scale;
    uint8_t *grey = malloc((size_t)side * (size_t)side);
    memset(grey, 255, (size_t)side * (size_t)side);
    const char *at = drawn.data;
    for (int y = 0; y < across; y += 2) {
        assert_memory_equal(at, "\033[38;5;16;48;5;231m", 19);
        at += 19;
        for (int x = 0; x < across; x++) {
            int dark = read_halves(&at);
            for (int i = 0; i < 2 * scale; i++)
                if (dark >> (i / scale) & 1)
                    memset(grey + (y * scale + i) * side + x * scale, 0, (size_t)scale);
        }
        assert_memory_equal(at, "\033[0m\n", 5);
        at += 5;
    }
    assert_int_equal(*at, '\0');
    check_pixels(&qr, grey, side);
    check_decodes(grey, side, address);
    free(grey);
}

static void qr__a_print_is_wide_enough_for_its_distance_and_its_modules(void **state)
{
    (void)state;
    struct qr small = {.modules = 29, .cells = NULL};
    assert_true(qr_print_width_mm(&small, 1000) == 100);
    double close_by = qr_print_width_mm(&small, 100); /* a card in the hand: 37 modules of 0.4 mm, not 10 mm */
    assert_true(close_by > 14.79 && close_by < 14.81);
}

/* ---- with a mark ---- */

static void qr__a_mark_leaves_every_version_readable(void **state)
{
    (void)state;
    static char text[4297];
    for (int level = QR_LEVEL_Q; level <= QR_LEVEL_H; level++) {
        struct arena arena;
        arena_init(&arena);
        int seen = QR_MARK_VERSION_MIN - 1;
        for (size_t len = 1; seen < QR_VERSION_MAX && len < sizeof text; len += seen < 10 ? 1 : seen < 20 ? 16 : 40) {
            struct qr qr;
            fill(text, len, (uint32_t)len);
            const struct monogram *mark = mark_of(NAMES[len % NAME_COUNT], &arena);
            if (qr_encode_marked(text, (enum qr_level)level, mark, &arena, &qr) != RESULT_OK)
                break;
            int version = (qr.modules - 17) / 4;
            if (version > seen) {
                assert_int_equal(version, seen + 1);
                seen = version;
                bool has_middle_pattern = version >= 7 && (version - 7) % 14 < 7;
                assert_int_equal(qr.mark == NULL, has_middle_pattern);
                check_symbol(&qr, text, &arena);
            }
            arena_reset(&arena);
        }
        assert_int_equal(seen, QR_VERSION_MAX);
        arena_free(&arena);
    }
}

static void qr__any_initials_make_a_mark_that_does_no_harm(void **state)
{
    for (int i = 0; i < 2 * NAME_COUNT; i++) {
        struct qr qr;
        struct str svg;
        const struct monogram *mark = mark_of(NAMES[i / 2], *state);
        assert_int_equal(qr_encode_marked(address, i % 2 ? QR_LEVEL_H : QR_LEVEL_Q, mark, *state, &qr), RESULT_OK);
        check_symbol(&qr, address, *state);
        str_init(&svg, *state, 64 * 1024);
        qr_svg(&svg, &qr, "QR code");
        assert_false(svg.failed);
        assert_null(strstr(svg.data, "<text")); /* who opens it needs no font */
        for (int scale = 4; scale <= 10; scale += 6) {
            int side = scale * (qr.modules + 8);
            uint8_t *grey = grey_of_svg(svg.data, svg.len, side);
            for (int at = 0; at < side * side; at++) /* its curves are drawn softly */
                grey[at] = grey[at] < 128 ? 0 : 255;
            check_marked(&qr, grey, side);
            check_decodes(grey, side, address);
            free(grey);
        }
    }
}

/* No address and no outline, however long or wide, has more cleared than is spared. */
static void qr__never_clears_more_than_its_share(void **state)
{
    static char text[4297];
    static const int boxes[][2] = {{1000, 1000}, {1000, 700}, {1000, 333}, {1000, 20}, {20, 1000}};
    for (size_t b = 0; b < sizeof boxes / sizeof *boxes; b++)
        for (size_t len = 1; len < 2500; len += len < 200 ? 7 : 61) {
            struct monogram mark = {.width = boxes[b][0], .height = boxes[b][1]};
            struct qr qr;
            fill(text, len, (uint32_t)len);
            if (qr_encode_marked(text, QR_LEVEL_Q, &mark, *state, &qr) != RESULT_OK)
                break;
            assert_true(qr.clear_width * qr.clear_height * QR_CLEAR_SHARE <= qr.modules * qr.modules);
            assert_int_equal(qr.mark != NULL, qr.clear_width > 0);
        }
}

/* A coffee stain of 4 by 4 modules anywhere beside the mark, finders and timing left out. */
static void qr__a_mark_leaves_enough_for_dirt(void **state)
{
    enum { STAIN = 4 };
    struct qr qr;
    assert_int_equal(qr_encode_marked(address, QR_LEVEL_Q, mark_of(NAMES[0], *state), *state, &qr), RESULT_OK);
    assert_int_equal(qr.modules, 33);
    for (int top = 9; top < qr.modules - 8 - STAIN; top += 3)
        for (int left = 9; left < qr.modules - 8 - STAIN; left += 3) {
            struct qr stained = qr;
            uint8_t *cells = arena_memdup(*state, qr.cells, (size_t)(qr.modules * qr.modules));
            for (int y = top; y < top + STAIN; y++)
                memset(cells + y * qr.modules + left, 1, STAIN);
            stained.cells = cells;
            const void *png;
            size_t len;
            int side;
            assert_int_equal(qr_png(&stained, QR_SIZE_DEFAULT, *state, &png, &len), RESULT_OK);
            uint8_t *grey = grey_of_png(png, len, &side);
            check_decodes(grey, side, address);
            free(grey);
        }
}

static void qr__a_mark_takes_the_strongest_level_that_costs_nothing(void **state)
{
    const struct monogram *mark = mark_of(NAMES[0], *state);
    struct qr quarter, high;
    assert_int_equal(qr_encode_marked(address, QR_LEVEL_Q, mark, *state, &quarter), RESULT_OK);
    assert_int_equal(qr_encode_marked(address, QR_LEVEL_H, mark, *state, &high), RESULT_OK);
    assert_int_equal(quarter.modules, high.modules);
    assert_memory_equal(quarter.cells, high.cells, (size_t)(high.modules * high.modules));
    char text[61]; /* version 4 at Q, 5 at H */
    fill(text, 60, 1);
    assert_int_equal(qr_encode_marked(text, QR_LEVEL_Q, mark, *state, &quarter), RESULT_OK);
    assert_int_equal(qr_encode_marked(text, QR_LEVEL_H, mark, *state, &high), RESULT_OK);
    assert_int_equal(quarter.modules, 33);
    assert_int_equal(high.modules, 37);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(qr__every_version_and_level_is_read_by_another),
        TEST(qr__the_largest_picture_is_read),
        TEST(qr__the_png_is_one_bit_grey_and_small),
        TEST(qr__refuses_what_is_not_alphanumeric),
        TEST(qr__refuses_what_does_not_fit),
        TEST(qr__refuses_sizes_out_of_bounds),
        TEST(qr__the_svg_is_one_path_that_draws_the_same_cells),
        TEST(qr__the_terminal_drawing_holds_the_same_cells),
        cmocka_unit_test(qr__a_mark_leaves_every_version_readable),
        TEST(qr__any_initials_make_a_mark_that_does_no_harm),
        TEST(qr__never_clears_more_than_its_share),
        TEST(qr__a_mark_leaves_enough_for_dirt),
        TEST(qr__a_mark_takes_the_strongest_level_that_costs_nothing),
        cmocka_unit_test(qr__a_print_is_wide_enough_for_its_distance_and_its_modules),
    };
    return cmocka_run_group_tests_name("qr", tests, NULL, NULL);
}
