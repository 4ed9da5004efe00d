/* The initials as an outline: what they are fitted to, that pixels and path are one shape, and what stands for what cannot be drawn. */
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
#include <sys/wait.h>
#include <unistd.h>

#include "cards/monogram.h"

/* The first few any installation can draw; for the rest it may lack a font. */
static const char *const names[] = {"Mika Tanaka", "Cher",     "Wanda Müller", "Ivo",
                                    "山田 太郎",   "محمد علي", "דוד כהן",      "नरेन्द्र मोदी"};

enum { NAMES = sizeof names / sizeof *names, SURE = 4 };

static struct monogram make(const char *name, struct arena *arena)
{
    struct monogram mark;
    struct card card = {.name = name};
    assert_int_equal(monogram_make(&card, arena, &mark), RESULT_OK);
    return mark;
}

static bool is_same(const struct monogram *a, const struct monogram *b)
{
    return a->count == b->count && !memcmp(a->steps, b->steps, (size_t)a->count * sizeof *a->steps);
}

/* The box around the ink: left, top, right, bottom, the last two just outside. */
static void ink_box(const uint8_t *ink, int width, int height, int *box)
{
    box[0] = width, box[1] = height, box[2] = box[3] = 0;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            if (ink[y * width + x]) {
                box[0] = x < box[0] ? x : box[0];
                box[1] = y < box[1] ? y : box[1];
                box[2] = x + 1 > box[2] ? x + 1 : box[2];
                box[3] = y + 1 > box[3] ? y + 1 : box[3];
            }
}

static void monogram__fills_the_field_one_way_and_is_in_the_middle(void **state)
{
    static const int fields[][2] = {{700, 300}, {500, 500}, {300, 700}};
    for (int i = 0; i < SURE; i++)
        for (int f = 0; f < 3; f++) {
            struct monogram mark = make(names[i], *state);
            const uint8_t *ink;
            int width = fields[f][0], height = fields[f][1], box[4];
            assert_true(mark.width == MONOGRAM_UNITS || mark.height == MONOGRAM_UNITS);
            assert_int_equal(monogram_fill(&mark, width, height, *state, &ink), RESULT_OK);
            ink_box(ink, width, height, box);
            assert_true(box[2] - box[0] >= width - 4 || box[3] - box[1] >= height - 4);
            assert_in_range(box[0] - (width - box[2]) + 4, 0, 8);
            assert_in_range(box[1] - (height - box[3]) + 4, 0, 8);
        }
}

static void monogram__the_path_is_the_shape_of_the_pixels(void **state)
{
    enum { SIDE = 400 };
    for (int i = 0; i < NAMES; i++) {
        struct monogram mark = make(names[i], *state);
        struct str svg;
        str_init(&svg, *state, 64 * 1024);
        str_add(&svg, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"-500 -500 1000 1000\"><path d=\"");
        monogram_path(&svg, &mark);
        str_add(&svg, "\"/></svg>");
        assert_false(svg.failed);
        RsvgHandle *handle = rsvg_handle_new_from_data((const guint8 *)svg.data, svg.len, NULL);
        assert_non_null(handle);
        cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_A8, SIDE, SIDE);
        cairo_t *cr = cairo_create(surface);
        assert_true(rsvg_handle_render_document(handle, cr, &(RsvgRectangle){0, 0, SIDE, SIDE}, NULL));
        cairo_destroy(cr);
        cairo_surface_flush(surface);
        const uint8_t *drawn = cairo_image_surface_get_data(surface), *ink;
        assert_int_equal(monogram_fill(&mark, SIDE, SIDE, *state, &ink), RESULT_OK);
        int differ = 0, dark = 0;
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++) {
                dark += ink[y * SIDE + x];
                differ += (drawn[y * cairo_image_surface_get_stride(surface) + x] >= 128) != ink[y * SIDE + x];
            }
        assert_true(dark > SIDE * SIDE / 20);
        assert_true(differ * 100 <= dark); /* pixels of an edge, by how each library counts a half */
        cairo_surface_destroy(surface);
        g_object_unref(handle);
    }
}

static void monogram__names_differ_and_a_name_stays_the_same(void **state)
{
    for (int i = 0; i < SURE; i++)
        for (int j = 0; j < SURE; j++) {
            struct monogram a = make(names[i], *state), b = make(names[j], *state);
            assert_int_equal(is_same(&a, &b), i == j);
        }
}

static void monogram__a_card_without_letters_has_a_dot(void **state)
{
    struct monogram dot = make("", *state), none = make(NULL, *state), sign = make("\U0001F600", *state);
    const uint8_t *ink;
    int box[4];
    assert_true(is_same(&dot, &none));
    assert_true(sign.count > 0); /* a dot, or the sign where an installed font has its outline */
    assert_int_equal(monogram_fill(&dot, 500, 500, *state, &ink), RESULT_OK);
    ink_box(ink, 500, 500, box);
    assert_in_range(box[2] - box[0], 320, 340);
    assert_int_equal(box[2] - box[0], box[3] - box[1]);
}

/* Fonts are the process's, so another one looks for them. Leaves with 0 when all of these names got the dot. */
static void draw_without_fonts(const char *config)
{
    struct arena arena;
    arena_init(&arena);
    setenv("FONTCONFIG_FILE", config, 1);
    struct monogram dot = make("", &arena);
    int wrong = 0;
    for (int i = 0; i < NAMES; i++) {
        struct monogram mark = make(names[i], &arena);
        wrong += !is_same(&mark, &dot);
    }
    _exit(wrong);
}

static void monogram__without_a_font_for_it_a_name_has_the_dot(void **state)
{
    (void)state;
    char config[] = "/tmp/no-fonts-XXXXXX";
    int file = mkstemp(config), status;
    assert_true(file >= 0);
    static const char nothing[] = "<fontconfig></fontconfig>";
    assert_int_equal(write(file, nothing, sizeof nothing - 1), sizeof nothing - 1);
    close(file);
    pid_t child = fork();
    if (!child)
        draw_without_fonts(config);
    assert_int_equal(waitpid(child, &status, 0), child);
    unlink(config);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
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
        cmocka_unit_test(
            monogram__without_a_font_for_it_a_name_has_the_dot), /* before this process has looked for fonts */
        TEST(monogram__fills_the_field_one_way_and_is_in_the_middle),
        TEST(monogram__the_path_is_the_shape_of_the_pixels),
        TEST(monogram__names_differ_and_a_name_stays_the_same),
        TEST(monogram__a_card_without_letters_has_a_dot),
    };
    return cmocka_run_group_tests_name("monogram", tests, NULL, NULL);
}
