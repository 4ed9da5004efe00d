/* Portraits, and the child that makes them. The worker is this very program started again, as the server starts
 * itself; an upload that begins with a word of ours makes it misbehave as a broken decoder might. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <cairo.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <webp/encode.h>

#include "cards/jpeg.h"
#include "server/portrait.h"

struct file {
    uint8_t *bytes;
    size_t len;
};

static uint32_t dice = 1;

static uint32_t roll(void)
{
    dice = dice * 1664525 + 1013904223;
    return dice >> 8;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void append(struct file *file, const void *bytes, size_t len, struct arena *arena)
{
    uint8_t *both = arena_alloc_raw(arena, file->len + len + 1);
    memcpy(both, file->bytes ? file->bytes : (const uint8_t *)"", file->len);
    memcpy(both + file->len, bytes, len);
    *file = (struct file){both, file->len + len};
}

/* Red and green above blue and white, in the middle square; grey around it, which the crop must take away. */
static cairo_surface_t *quadrants(int width, int height, bool see_through)
{
    static const double colours[4][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {1, 1, 1}};
    cairo_surface_t *surface =
        cairo_image_surface_create(see_through ? CAIRO_FORMAT_ARGB32 : CAIRO_FORMAT_RGB24, width, height);
    cairo_t *cr = cairo_create(surface);
    cairo_set_source_rgb(cr, 0.5, 0.5, 0.5);
    cairo_paint(cr);
    double side = width < height ? width : height;
    for (int i = 0; i < 4; i++) {
        cairo_rectangle(cr, (width - side) / 2 + i % 2 * side / 2, (height - side) / 2 + i / 2 * side / 2, side / 2,
                        side / 2);
        cairo_set_source_rgb(cr, colours[i][0], colours[i][1], colours[i][2]);
        if (see_through && i == 3) {
            cairo_set_operator(cr, CAIRO_OPERATOR_CLEAR); /* must come out white as well */
        }
        cairo_fill(cr);
    }
    cairo_destroy(cr);
    cairo_surface_flush(surface);
    return surface;
}

static struct file jpeg_file(cairo_surface_t *surface, struct arena *arena)
{
    const void *bytes;
    size_t len;
    assert_int_equal(jpeg_encode(surface, 95, arena, &bytes, &len), RESULT_OK);
    cairo_surface_destroy(surface);
    return (struct file){arena_memdup(arena, bytes, len), len};
}

static struct file *png_into;
static struct arena *png_arena;

static cairo_status_t take(void *into, const unsigned char *bytes, unsigned int len)
{
    (void)into;
    append(png_into, bytes, len, png_arena);
    return CAIRO_STATUS_SUCCESS;
}

static struct file png_file(cairo_surface_t *surface, struct arena *arena)
{
    struct file file = {NULL, 0};
    png_into = &file;
    png_arena = arena;
    assert_int_equal(cairo_surface_write_to_png_stream(surface, take, NULL), CAIRO_STATUS_SUCCESS);
    cairo_surface_destroy(surface);
    return file;
}

static struct file webp_file(cairo_surface_t *surface, bool lossless, struct arena *arena)
{
    uint8_t *bytes;
    int width = cairo_image_surface_get_width(surface), height = cairo_image_surface_get_height(surface);
    const uint8_t *pixels = cairo_image_surface_get_data(surface);
    int stride = cairo_image_surface_get_stride(surface);
    size_t len = lossless ? WebPEncodeLosslessBGRA(pixels, width, height, stride, &bytes)
                          : WebPEncodeBGRA(pixels, width, height, stride, 90, &bytes);
    assert_true(len > 0);
    struct file file = {arena_memdup(arena, bytes, len), len};
    WebPFree(bytes);
    cairo_surface_destroy(surface);
    return file;
}

/* A TIFF header, one directory with one entry: the orientation, in either byte order. */
static struct file exif(int orientation, bool little, struct arena *arena)
{
    const uint8_t intel[] = {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, (uint8_t)orientation,
                             0,   0,   0,  0, 0, 0, 0};
    const uint8_t motorola[] = {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, (uint8_t)orientation,
                                0,   0,   0, 0,  0, 0};
    return (struct file){arena_memdup(arena, little ? intel : motorola, sizeof intel), sizeof intel};
}

static struct file jpeg_with(struct file jpeg, struct file tiff, struct arena *arena)
{
    struct file file = {NULL, 0};
    size_t size = tiff.len + 8;
    append(&file, jpeg.bytes, 2, arena);
    append(&file, (uint8_t[]){0xff, 0xe1, (uint8_t)(size >> 8), (uint8_t)size}, 4, arena);
    append(&file, "Exif\0\0", 6, arena);
    append(&file, tiff.bytes, tiff.len, arena);
    append(&file, jpeg.bytes + 2, jpeg.len - 2, arena);
    return file;
}

static uint32_t crc_of(const uint8_t *bytes, size_t len)
{
    uint32_t crc = ~0U;
    for (size_t i = 0; i < len; i++) {
        crc ^= bytes[i];
        for (int k = 0; k < 8; k++)
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320U : crc >> 1;
    }
    return ~crc;
}

static void append_big32(struct file *file, uint32_t value, struct arena *arena)
{
    append(file, (uint8_t[]){(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value}, 4,
           arena);
}

static struct file png_with(struct file png, struct file tiff, struct arena *arena)
{
    struct file file = {NULL, 0}, chunk = {NULL, 0};
    append(&chunk, "eXIf", 4, arena);
    append(&chunk, tiff.bytes, tiff.len, arena);
    append(&file, png.bytes, 33, arena);
    append_big32(&file, (uint32_t)tiff.len, arena);
    append(&file, chunk.bytes, chunk.len, arena);
    append_big32(&file, crc_of(chunk.bytes, chunk.len), arena);
    append(&file, png.bytes + 33, png.len - 33, arena);
    return file;
}

static void append_little(struct file *file, uint32_t value, size_t size, struct arena *arena)
{
    append(file, (uint8_t[]){(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16), (uint8_t)(value >> 24)},
           size, arena);
}

static struct file webp_with(struct file webp, int width, int height, struct file tiff, struct arena *arena)
{
    struct file body = {NULL, 0}, file = {NULL, 0};
    append(&body, "WEBPVP8X", 8, arena);
    append_little(&body, 10, 4, arena);
    append_little(&body, 8, 4, arena); /* flags: Exif */
    append_little(&body, (uint32_t)width - 1, 3, arena);
    append_little(&body, (uint32_t)height - 1, 3, arena);
    append(&body, webp.bytes + 12, webp.len - 12, arena);
    append(&body, "EXIF", 4, arena);
    append_little(&body, (uint32_t)tiff.len, 4, arena);
    append(&body, tiff.bytes, tiff.len, arena);
    append(&file, "RIFF", 4, arena);
    append_little(&file, (uint32_t)body.len, 4, arena);
    append(&file, body.bytes, body.len, arena);
    return file;
}

static const char *refused(struct file file, struct arena *arena)
{
    const void *jpeg;
    size_t len;
    const char *why = NULL;
    enum result result = portrait_make(file.bytes, file.len, arena, &jpeg, &len, &why);
    if (result != RESULT_INVALID)
        fail_msg("not refused: %d", result);
    assert_non_null(why);
    return why;
}

static char letter_at(cairo_surface_t *surface, int x, int y)
{
    uint8_t p[4];
    memcpy(p, cairo_image_surface_get_data(surface) + y * cairo_image_surface_get_stride(surface) + 4 * x, 4);
    bool blue = p[0] > 200, green = p[1] > 200, red = p[2] > 200;
    bool dark = p[0] < 60 || p[1] < 60 || p[2] < 60;
    return red && green && blue ? 'W' : !dark ? '?' : red ? 'R' : green ? 'G' : blue ? 'B' : '?';
}

/* The portrait's quadrants as four letters, read a little inside each corner. Everything a portrait must be, on the way. */
static void check_portrait(struct file file, const char *want, struct arena *arena)
{
    const void *jpeg;
    size_t len;
    const char *why = NULL;
    cairo_surface_t *surface;
    if (portrait_make(file.bytes, file.len, arena, &jpeg, &len, &why) != RESULT_OK)
        fail_msg("refused: %s", why);
    assert_in_range(len, 500, PORTRAIT_BYTES_MAX);
    assert_null(memmem(jpeg, len, "Exif", 4));
    assert_int_equal(jpeg_decode(jpeg, len, 512, &surface), RESULT_OK);
    assert_int_equal(cairo_image_surface_get_width(surface), 512);
    assert_int_equal(cairo_image_surface_get_height(surface), 512);
    const char got[] = {letter_at(surface, 12, 12), letter_at(surface, 500, 12), letter_at(surface, 12, 500),
                        letter_at(surface, 500, 500), '\0'};
    cairo_surface_destroy(surface);
    assert_string_equal(got, want);
}

static void portrait__reads_jpeg_png_and_webp(void **state)
{
    check_portrait(jpeg_file(quadrants(900, 700, false), *state), "RGBW", *state);
    check_portrait(png_file(quadrants(700, 900, false), *state), "RGBW", *state);
    check_portrait(webp_file(quadrants(900, 700, false), false, *state), "RGBW", *state);
}

static void portrait__see_through_parts_become_white(void **state)
{
    check_portrait(png_file(quadrants(640, 640, true), *state), "RGBW", *state);
    check_portrait(webp_file(quadrants(640, 640, true), true, *state), "RGBW", *state);
}

static void portrait__small_pictures_are_enlarged_and_large_ones_reduced(void **state)
{
    check_portrait(png_file(quadrants(64, 64, false), *state), "RGBW", *state);
    check_portrait(jpeg_file(quadrants(5000, 4000, false), *state), "RGBW", *state);
    check_portrait(png_file(quadrants(4000, 3000, false), *state), "RGBW", *state);
}

static void portrait__stands_upright_whatever_the_camera_wrote(void **state)
{
    /* Where the stored quadrants R G B W appear, by Exif 2.32's words for row 0 and column 0. */
    static const char *const upright[] = {"RGBW", "RGBW", "GRWB", "WBGR", "BWRG",
                                          "RBGW", "BRWG", "WGBR", "GWRB", "RGBW"};
    for (int orientation = 0; orientation <= 9; orientation++) {
        struct file tiff = exif(orientation, orientation % 2, *state);
        struct file jpeg = jpeg_file(quadrants(800, 600, false), *state);
        check_portrait(jpeg_with(jpeg, tiff, *state), upright[orientation], *state);
        if (orientation < 5)
            continue;
        struct file png = png_file(quadrants(600, 800, false), *state);
        struct file webp = webp_file(quadrants(800, 600, false), false, *state);
        check_portrait(png_with(png, tiff, *state), upright[orientation], *state);
        check_portrait(webp_with(webp, 800, 600, tiff, *state), upright[orientation], *state);
    }
}

static void portrait__noise_still_fits_200_kb(void **state)
{
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, 512, 512);
    uint8_t *data = cairo_image_surface_get_data(surface);
    for (int i = 0; i < 512 * 512 * 4; i++)
        data[i] = (uint8_t)roll();
    cairo_surface_mark_dirty(surface);
    struct file file = jpeg_file(surface, *state);
    const void *jpeg;
    size_t len;
    const char *why;
    assert_int_equal(portrait_make(file.bytes, file.len, *state, &jpeg, &len, &why), RESULT_OK);
    assert_in_range(len, 50000, PORTRAIT_BYTES_MAX);
}

static void portrait__says_what_is_wrong_in_plain_words(void **state)
{
    static const char *const others[] = {"<svg xmlns='http://www.w3.org/2000/svg'/>",
                                         "GIF89a\x01\x01",
                                         "<html><script>",
                                         "%PDF-1.4",
                                         "BM\x36\x10",
                                         "P6\n9 9\n255\n",
                                         "II*\0\x08",
                                         "x"};
    static const char words[] = "That file is not a picture we can read. JPEG, PNG and WebP work.";
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct file file = {(uint8_t *)arena_strdup(*state, others[i]), strlen(others[i])};
        assert_string_equal(refused(file, *state), words);
    }
    assert_string_equal(refused((struct file){(uint8_t *)"", 0}, *state), words);
    struct file huge = {arena_alloc(*state, PORTRAIT_UPLOAD_MAX + 1), PORTRAIT_UPLOAD_MAX + 1};
    assert_string_equal(refused(huge, *state), "That file is too large. Up to 8 MB work.");
    assert_non_null(strstr(refused(png_file(quadrants(63, 400, false), *state), *state), "very small"));
    /* An animated WebP is told by its header alone. */
    struct file moving =
        webp_with(webp_file(quadrants(80, 80, false), false, *state), 80, 80, exif(1, true, *state), *state);
    moving.bytes[20] |= 2;
    assert_non_null(strstr(refused(moving, *state), "still one"));
}

static void portrait__refuses_bombs_by_their_header(void **state)
{
    static const uint32_t sizes[][2] = {
        {30000, 30000}, {12001, 64}, {64, 12001}, {7000, 7000}, {0x7fffffff, 0x7fffffff}};
    struct file png = png_file(quadrants(100, 100, false), *state);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct file head = {NULL, 0}, bomb = {NULL, 0};
        append(&head, "IHDR", 4, *state);
        append_big32(&head, sizes[i][0], *state);
        append_big32(&head, sizes[i][1], *state);
        append(&head, png.bytes + 24, 5, *state);
        append(&bomb, png.bytes, 12, *state);
        append(&bomb, head.bytes, head.len, *state);
        append_big32(&bomb, crc_of(head.bytes, head.len), *state);
        append(&bomb, png.bytes + 33, png.len - 33, *state);
        double begin = seconds();
        assert_non_null(strstr(refused(bomb, *state), "too many pixels"));
        assert_true(seconds() - begin < 2);
    }
    /* A JPEG's frame header: FF C0, length, depth, height, width. */
    struct file jpeg = jpeg_file(quadrants(100, 100, false), *state);
    uint8_t *frame = memmem(jpeg.bytes, jpeg.len, "\xff\xc0\0\x11", 4);
    assert_non_null(frame);
    memcpy(frame + 5, "\x75\x30\x75\x30", 4);
    assert_non_null(strstr(refused(jpeg, *state), "too many pixels"));
}

static void portrait__the_most_pixels_there_may_be_end_in_time(void **state)
{
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_A1, 12000, 3333);
    memset(cairo_image_surface_get_data(surface), 0x55, (size_t)cairo_image_surface_get_stride(surface) * 3333);
    cairo_surface_mark_dirty(surface);
    struct file file = png_file(surface, *state);
    assert_in_range(file.len, 100, 200000);
    const void *jpeg;
    size_t len;
    const char *why;
    double begin = seconds();
    enum result result = portrait_make(file.bytes, file.len, *state, &jpeg, &len, &why);
    assert_true(result == RESULT_OK || result == RESULT_INVALID);
    assert_true(seconds() - begin < 6);
}

static void portrait__refuses_what_is_cut_short(void **state)
{
    const struct file whole[] = {
        jpeg_file(quadrants(300, 200, false), *state), png_file(quadrants(300, 200, false), *state),
        webp_file(quadrants(300, 200, false), false, *state), webp_file(quadrants(300, 200, true), true, *state)};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        check_portrait(whole[i], "RGBW", *state); /* the control: whole, it is fine */
        for (int cut = 0; cut < 24; cut++) {
            size_t len = cut < 12 ? whole[i].len * (size_t)(cut + 1) / 13 : whole[i].len - (size_t)(cut - 11) * 2;
            refused((struct file){whole[i].bytes, len}, *state);
        }
    }
}

static void portrait__survives_noise_behind_every_head(void **state)
{
    const struct file whole[] = {
        jpeg_file(quadrants(300, 200, false), *state), png_file(quadrants(300, 200, false), *state),
        webp_file(quadrants(300, 200, false), false, *state), webp_file(quadrants(300, 200, true), true, *state)};
    double begin = seconds();
    for (int n = 0; n < 160; n++) {
        struct file file = whole[n % 4];
        file.bytes = arena_memdup(*state, file.bytes, file.len);
        size_t keep = n < 80 ? 12 : 40 + roll() % (uint32_t)(file.len - 40);
        if (n < 120)
            for (size_t i = keep; i < file.len; i++)
                file.bytes[i] = (uint8_t)roll();
        else
            for (int flips = 0; flips < 8; flips++)
                file.bytes[keep % file.len] ^= (uint8_t)(1 + roll() % 255), keep += roll() % 97;
        const void *jpeg;
        size_t len;
        const char *why = NULL;
        enum result result = portrait_make(file.bytes, file.len, *state, &jpeg, &len, &why);
        assert_true(result == RESULT_INVALID || (result == RESULT_OK && n >= 80));
        assert_true(result == RESULT_OK || why);
    }
    assert_true(seconds() - begin < 160);
}

static int descriptors(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static struct file word(const char *text)
{
    return (struct file){(uint8_t *)(uintptr_t)text, strlen(text)};
}

static void portrait__ends_a_worker_that_hangs_crashes_or_never_stops_talking(void **state)
{
    int before = descriptors();
    double begin = seconds();
    assert_non_null(strstr(refused(word("HANG"), *state), "too much work"));
    assert_true(seconds() - begin > 4.5 && seconds() - begin < 6);
    static const struct {
        const char *deed, *words;
    } others[] = {{"CLOSE", "damaged"}, {"TALK", "too much work"}, {"CRASH", "damaged"}, {"LIE", "damaged"}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        begin = seconds();
        assert_non_null(strstr(refused(word(others[i].deed), *state), others[i].words));
        assert_true(seconds() - begin < 4); /* its end was seen, not its deadline */
    }
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no zombie stays behind */
    assert_int_equal(errno, ECHILD);
    assert_int_equal(descriptors(), before);
}

struct caller {
    pthread_t thread;
    struct file file;
    enum result results[5];
};

static void *call(void *of)
{
    struct caller *caller = of;
    for (int i = 0; i < 5; i++) {
        struct arena arena;
        const void *jpeg;
        size_t len;
        const char *why;
        arena_init(&arena);
        caller->results[i] = portrait_make(caller->file.bytes, caller->file.len, &arena, &jpeg, &len, &why);
        arena_free(&arena);
    }
    return NULL;
}

static void portrait__many_threads_may_ask_at_once(void **state)
{
    struct caller callers[4];
    for (int i = 0; i < 4; i++) {
        callers[i].file = i % 2 ? word("nothing") : jpeg_file(quadrants(300, 300, false), *state);
        assert_int_equal(pthread_create(&callers[i].thread, NULL, call, &callers[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(callers[i].thread, NULL);
        for (int k = 0; k < 5; k++)
            assert_int_equal(callers[i].results[k], i % 2 ? RESULT_INVALID : RESULT_OK);
    }
}

/* The worker, or what a worker that went wrong would do. Its input is a file, so it can be looked at first. */
static int work(void)
{
    char first[6] = "";
    if (pread(STDIN_FILENO, first, 5, 0) < 0)
        return 1;
    if (!strcmp(first, "HANG"))
        for (;;)
            pause();
    if (!strcmp(first, "CLOSE")) {
        close(STDOUT_FILENO);
        for (;;)
            pause();
    }
    if (!strcmp(first, "TALK"))
        while (write(STDOUT_FILENO, first, sizeof first) > 0)
            continue;
    if (!strcmp(first, "CRASH"))
        raise(SIGSEGV);
    if (!strcmp(first, "LIE"))
        return write(STDOUT_FILENO, "m<script>", 9) == 9 ? 0 : 1;
    return portrait_worker_main();
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
    if (argc == 2 && !strcmp(argv[1], "portrait-worker"))
        return work();
    const struct CMUnitTest tests[] = {
        TEST(portrait__reads_jpeg_png_and_webp),
        TEST(portrait__see_through_parts_become_white),
        TEST(portrait__small_pictures_are_enlarged_and_large_ones_reduced),
        TEST(portrait__stands_upright_whatever_the_camera_wrote),
        TEST(portrait__noise_still_fits_200_kb),
        TEST(portrait__says_what_is_wrong_in_plain_words),
        TEST(portrait__refuses_bombs_by_their_header),
        TEST(portrait__the_most_pixels_there_may_be_end_in_time),
        TEST(portrait__refuses_what_is_cut_short),
        TEST(portrait__survives_noise_behind_every_head),
        TEST(portrait__ends_a_worker_that_hangs_crashes_or_never_stops_talking),
        TEST(portrait__many_threads_may_ask_at_once),
    };
    return cmocka_run_group_tests_name("portrait", tests, NULL, NULL);
}
