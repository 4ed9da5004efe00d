/* The stamp on a page: read back by the share it was made for, and by nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <string.h>
#include "cards/stamp.h"

static const unsigned char KEY[STAMP_KEY_SIZE] = "a key of thirty-two bytes exactl";

static void stamp__is_read_back(void **state)
{
    (void)state;
    const int64_t ids[] = {1, 255, 1234567890123456789, INT64_MAX};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        char text[STAMP_SIZE];
        stamp_write(text, KEY, ids[i], 77);
        assert_int_equal(strlen(text), STAMP_LEN);
        assert_int_equal(strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), STAMP_LEN);
        assert_true(stamp_read(text, KEY, 77) == ids[i]);
    }
}

static void stamp__is_the_base64url_of_another_library(void **state)
{
    (void)state;
    char text[STAMP_SIZE];
    unsigned char bytes[64];
    size_t len;
    stamp_write(text, KEY, 0x0102030405060708, 9);
    assert_int_equal(sodium_base642bin(bytes, sizeof bytes, text, STAMP_LEN, NULL, &len, NULL,
                                       sodium_base64_VARIANT_URLSAFE_NO_PADDING),
                     0);
    assert_int_equal(len, 30);
    assert_memory_equal(bytes, "\1\2\3\4\5\6\7\10", 8);
}

static void stamp__of_another_share_is_refused(void **state)
{
    (void)state;
    char text[STAMP_SIZE];
    stamp_write(text, KEY, 5, 77);
    assert_true(stamp_read(text, KEY, 78) == 0);
}

static void stamp__of_another_key_is_refused(void **state)
{
    (void)state;
    unsigned char other[STAMP_KEY_SIZE];
    memcpy(other, KEY, sizeof other);
    other[31] ^= 1;
    char text[STAMP_SIZE];
    stamp_write(text, KEY, 5, 77);
    assert_true(stamp_read(text, other, 77) == 0);
}

static void stamp__with_any_letter_changed_is_refused(void **state)
{
    (void)state;
    char text[STAMP_SIZE];
    stamp_write(text, KEY, 1234567890123456789, 77);
    for (int i = 0; i < STAMP_LEN; i++)
        for (int c = 1; c < 256; c++) {
            if ((char)c == text[i])
                continue;
            char kept = text[i];
            text[i] = (char)c;
            assert_true(stamp_read(text, KEY, 77) == 0);
            text[i] = kept;
        }
    assert_true(stamp_read(text, KEY, 77) != 0);
}

static void stamp__of_no_hit_is_refused(void **state)
{
    (void)state;
    char text[STAMP_SIZE];
    stamp_write(text, KEY, -5, 77);
    assert_true(stamp_read(text, KEY, 77) == 0);
    stamp_write(text, KEY, 0, 77);
    assert_true(stamp_read(text, KEY, 77) == 0);
}

static void stamp__of_a_wrong_length_is_refused(void **state)
{
    (void)state;
    char text[STAMP_SIZE + 1];
    stamp_write(text, KEY, 5, 77);
    text[STAMP_LEN] = 'A';
    text[STAMP_LEN + 1] = '\0';
    assert_true(stamp_read(text, KEY, 77) == 0);
    text[STAMP_LEN - 1] = '\0';
    assert_true(stamp_read(text, KEY, 77) == 0);
    assert_true(stamp_read("", KEY, 77) == 0);
    assert_true(stamp_read(NULL, KEY, 77) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stamp__is_read_back),
        cmocka_unit_test(stamp__is_the_base64url_of_another_library),
        cmocka_unit_test(stamp__of_another_share_is_refused),
        cmocka_unit_test(stamp__of_another_key_is_refused),
        cmocka_unit_test(stamp__with_any_letter_changed_is_refused),
        cmocka_unit_test(stamp__of_no_hit_is_refused),
        cmocka_unit_test(stamp__of_a_wrong_length_is_refused),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
