/* How a camera was held: each of the eight ways, in both byte orders, in each kind of file; and files that make no sense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "cards/exif.h"

enum { TIFF_SIZE = 26, FILE_MAX = 128 };

/* A directory of one entry. */
static void tiff(uint8_t out[TIFF_SIZE], int orientation, bool little)
{
    static const uint8_t intel[TIFF_SIZE] = {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1};
    static const uint8_t motorola[TIFF_SIZE] = {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1};
    memcpy(out, little ? intel : motorola, TIFF_SIZE);
    out[little ? 18 : 19] = (uint8_t)orientation;
}

static size_t picture(uint8_t out[FILE_MAX], const char *head, size_t head_len, const uint8_t *body, size_t body_len)
{
    memset(out, 0, FILE_MAX);
    memcpy(out, head, head_len);
    memcpy(out + head_len, body, body_len);
    return head_len + body_len + 4; /* a PNG's check; a little more in others */
}

/* Judged in a copy of just its size, so that a sanitizer sees a read too far. */
static int orientation_of(const uint8_t *file, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    memcpy(copy, file, len);
    int orientation = exif_orientation(copy, len);
    free(copy);
    return orientation;
}

#define JPEG                 \
    "\xff\xd8\xff\xe0\0\x06" \
    "JFIF"                   \
    "\xff\xe1\0\x22"         \
    "Exif\0\0"
#define PNG                                           \
    "\x89PNG\r\n\x1a\n\0\0\0\0IHDR\0\0\0\0\0\0\0\x1a" \
    "eXIf"
#define WEBP "RIFF\0\0\0\0WEBPVP8X\x01\0\0\0\0\0EXIF\x1a\0\0\0"
#define WEBP_LONG                    \
    "RIFF\0\0\0\0WEBPEXIF\x20\0\0\0" \
    "Exif\0\0"

static const struct {
    const char *head;
    size_t len;
} KINDS[] = {
    {JPEG, sizeof JPEG - 1}, {PNG, sizeof PNG - 1}, {WEBP, sizeof WEBP - 1}, {WEBP_LONG, sizeof WEBP_LONG - 1}};
enum { KIND_COUNT = sizeof KINDS / sizeof *KINDS };

static void exif__is_read_from_every_kind_of_file(void **state)
{
    (void)state;
    uint8_t body[TIFF_SIZE], file[FILE_MAX];
    for (int kind = 0; kind < KIND_COUNT; kind++)
        for (int way = 0; way <= 9; way++)
            for (int little = 0; little < 2; little++) {
                tiff(body, way, little);
                size_t len = picture(file, KINDS[kind].head, KINDS[kind].len, body, sizeof body);
                int found = orientation_of(file, len);
                if (found != (way >= 1 && way <= 8 ? way : 1))
                    fail_msg("kind %d, way %d, little %d: %d", kind, way, little, found);
            }
}

static void exif__is_upright_wherever_a_file_is_cut(void **state)
{
    (void)state;
    uint8_t body[TIFF_SIZE], file[FILE_MAX];
    tiff(body, 6, true);
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        size_t len = picture(file, KINDS[kind].head, KINDS[kind].len, body, sizeof body);
        int last = 0;
        for (size_t cut = 0; cut <= len; cut++) {
            last = orientation_of(file, cut);
            assert_true(last == 1 || last == 6);
            assert_true(cut > KINDS[kind].len + 20 || last == 1);
        }
        assert_int_equal(last, 6);
    }
}

/* Offsets and counts that lead out of the file or in circles. */
static void exif__follows_no_offset_out_of_the_file(void **state)
{
    (void)state;
    static const uint8_t wild[] = {0, 0x7f, 0xff};
    uint8_t body[TIFF_SIZE], file[FILE_MAX];
    for (int kind = 0; kind < KIND_COUNT; kind++)
        for (size_t at = 4; at < 10; at++)
            for (size_t i = 0; i < sizeof wild; i++) {
                tiff(body, 6, true);
                body[at] = wild[i];
                size_t len = picture(file, KINDS[kind].head, KINDS[kind].len, body, sizeof body);
                int found = orientation_of(file, len);
                assert_true(found == 1 || found == 6);
            }
    tiff(body, 6, true);
    memset(body + 4, 0xff, 4);
    assert_int_equal(orientation_of(file, picture(file, JPEG, sizeof JPEG - 1, body, sizeof body)), 1);
}

static void exif__is_upright_for_anything_else(void **state)
{
    (void)state;
    static const char *const others[] = {"", "\xff\xd8\xff", "GIF89a", "RIFF....WAVE", "\x89PNG\r\n\x1a\n", "II*"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_int_equal(orientation_of((const uint8_t *)others[i], strlen(others[i])), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exif__is_read_from_every_kind_of_file),
        cmocka_unit_test(exif__is_upright_wherever_a_file_is_cut),
        cmocka_unit_test(exif__follows_no_offset_out_of_the_file),
        cmocka_unit_test(exif__is_upright_for_anything_else),
    };
    return cmocka_run_group_tests_name("exif", tests, NULL, NULL);
}
