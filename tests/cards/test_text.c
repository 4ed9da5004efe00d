/* Text as people type it, and what becomes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "cards/base/text.h"

static struct arena arena;

static const char *cleaned(const char *text, enum text_kind kind)
{
    const char *out;
    assert_int_equal(text_clean(text, kind, &arena, &out), RESULT_OK);
    return out;
}

static void text__is_trimmed_of_every_white_space(void **state)
{
    (void)state;
    assert_string_equal(cleaned("  Jane\u00A0Doe \t\n", TEXT_LINE), "Jane\u00A0Doe");
    assert_string_equal(cleaned("\u3000\u200B\uFEFF山田\u2003", TEXT_LINE), "山田");
}

static void text__that_shows_nothing_is_none(void **state)
{
    (void)state;
    assert_null(cleaned("", TEXT_LINE));
    assert_null(cleaned(NULL, TEXT_LINE));
    assert_null(cleaned(" \u200B\u2060\u00AD ", TEXT_LINE));
    assert_null(cleaned("\u3164\u115F\u2800", TEXT_LINE));
    assert_null(cleaned("\x01\x02", TEXT_LINE));
}

static void text__is_composed(void **state)
{
    (void)state;
    assert_string_equal(cleaned("Zoe\u0308 Ga\u0301l", TEXT_LINE), "Zoë Gál");
    assert_string_equal(cleaned("\u1112\u1161\u11AB", TEXT_LINE), "한");
}

static void text__loses_controls_and_direction_overrides(void **state)
{
    (void)state;
    assert_string_equal(cleaned("a\x01"
                                "b\x7F"
                                "c\xC2\x90"
                                "d\u202Ee\u2066f\u2069",
                                TEXT_LINE),
                        "abcdef");
}

static void text__keeps_joiners_flags_and_emoji(void **state)
{
    (void)state;
    const char *kept[] = {"👩‍💻", "❤️", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "می‌خواهم"};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        assert_string_equal(cleaned(kept[i], TEXT_LINE), kept[i]);
}

static void text__of_one_line_turns_breaks_into_spaces(void **state)
{
    (void)state;
    assert_string_equal(cleaned("a\r\nb\tc\u2028d", TEXT_LINE), "a b c d");
}

static void text__of_many_lines_keeps_breaks_as_line_feeds(void **state)
{
    (void)state;
    assert_string_equal(cleaned("\n a\r\nb\rc\nd\u2028e\n\n", TEXT_LINES), "a\nb\nc\nd\ne");
}

static void text__that_is_not_utf8_is_refused(void **state)
{
    (void)state;
    const char *broken[] = {"\xFF", "a\xC3", "\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        const char *out = "untouched";
        assert_int_equal(text_clean(broken[i], TEXT_LINE, &arena, &out), RESULT_INVALID);
        assert_null(out);
        assert_string_equal(text_fold(broken[i], &arena), "");
    }
}

static void text__is_counted_in_code_points_by_the_check(void **state)
{
    (void)state;
    struct complaints complaints = {0};
    const char *five = "山田太郎様", *six = "山田太郎様々";
    assert_true(text_check(&five, 5, TEXT_LINE, "name", &arena, &complaints));
    assert_false(text_check(&six, 5, TEXT_LINE, "name", &arena, &complaints));
    assert_string_equal(six, "山田太郎様々");
    assert_string_equal(complaints_about(&complaints, "name"), "Please keep this to 5 characters at most.");
}

static void text__is_cut_between_characters(void **state)
{
    (void)state;
    assert_string_equal(text_cut("山田太郎", 3, &arena), "山田…");
    assert_string_equal(text_cut("山田太郎", 4, &arena), "山田太郎");
    assert_string_equal(text_cut("山田太郎", 1, &arena), "…");
}

static void text__is_cut_between_what_people_see_as_characters(void **state)
{
    (void)state;
    const char *family = "👩‍👩‍👧"; /* five code points, eight UTF-16 units, eighteen bytes */
    assert_int_equal(text_measure(family, TEXT_POINTS), 5);
    assert_int_equal(text_measure(family, TEXT_UTF16), 8);
    assert_int_equal(text_measure(family, TEXT_BYTES), 18);
    assert_string_equal(text_fit("ab👩‍👩‍👧👩‍👩‍👧", 12, TEXT_UTF16, &arena),
                        "ab👩‍👩‍👧…");
    assert_string_equal(text_fit("ab👩‍👩‍👧", 12, TEXT_BYTES, &arena), "ab…");
    assert_string_equal(text_cut("e\u0301e\u0301e\u0301", 4, &arena), "e\u0301…");
    assert_string_equal(text_cut("🇩🇪🇫🇷🇯🇵", 4, &arena), "🇩🇪…");
    assert_string_equal(text_fit("abc", 3, TEXT_BYTES, &arena), "abc");
    assert_string_equal(text_fit("abcd", 3, TEXT_BYTES, &arena), "…");
}

static void text__folds_alike_what_a_search_takes_for_alike(void **state)
{
    (void)state;
    const char *alike[][2] = {{"Zoë ÅNGSTRÖM", "zoe angstrom"},
                              {"STRASSE", "straße"},
                              {"ｊａｎｅ１", "Jane1"},
                              {"ΣΊΣΥΦΟΣ", "σισυφος"},
                              {"ﬁn", "FIN"},
                              {"Nguyễn", "nguyen"},
                              {"ｶﾞ", "ガ"},
                              {"שָׁלוֹם", "שלום"},
                              {"한글", "\u1112\u1161\u11AB\u1100\u1173\u11AF"}};
    for (size_t i = 0; i < sizeof alike / sizeof *alike; i++)
        assert_string_equal(text_fold(alike[i][0], &arena), text_fold(alike[i][1], &arena));
}

static void text__folds_apart_what_are_other_letters(void **state)
{
    (void)state;
    assert_string_not_equal(text_fold("が", &arena), text_fold("か", &arena));
    assert_string_not_equal(text_fold("क्", &arena), text_fold("क", &arena));
}

/* Any bytes: either refused, or clean for good: cleaning twice changes nothing more. */
static void text__cleaned_once_is_clean(void **state)
{
    (void)state;
    srandom(20261122);
    static const uint32_t pool[] = {'a',     ' ',    '\n',   '\r',     0x301,   0x300,  0x200B, 0x200D,
                                    0x1F469, 0x5C71, 0x202E, 0x85,     0x3099,  0x304B, 0x1100, 0x1161,
                                    0x11A8,  0xFB01, 0xFEFF, 0x10FFFF, 0xE0067, 0x327,  0xAD};
    for (int round = 0; round < 20000; round++) {
        struct arena own;
        arena_init(&own);
        char text[128];
        size_t len = 0;
        int points = (int)(random() % 24);
        for (int i = 0; i < points; i++) {
            uint32_t c = pool[(size_t)random() % (sizeof pool / sizeof *pool)];
            if (c < 0x80)
                text[len++] = (char)c;
            else if (c < 0x800)
                text[len++] = (char)(0xC0 | c >> 6), text[len++] = (char)(0x80 | (c & 63));
            else if (c < 0x10000)
                text[len++] = (char)(0xE0 | c >> 12), text[len++] = (char)(0x80 | (c >> 6 & 63)),
                text[len++] = (char)(0x80 | (c & 63));
            else
                text[len++] = (char)(0xF0 | c >> 18), text[len++] = (char)(0x80 | (c >> 12 & 63)),
                text[len++] = (char)(0x80 | (c >> 6 & 63)), text[len++] = (char)(0x80 | (c & 63));
        }
        text[len] = '\0';
        enum text_kind kind = round % 2 ? TEXT_LINE : TEXT_LINES;
        const char *once, *twice;
        assert_int_equal(text_clean(text, kind, &own, &once), RESULT_OK);
        if (once) {
            assert_true(text_is_utf8(once, strlen(once)));
            assert_null(strchr(once, '\r'));
            assert_true(kind == TEXT_LINES || !strchr(once, '\n'));
            assert_int_equal(text_clean(once, kind, &own, &twice), RESULT_OK);
            assert_non_null(twice);
            assert_string_equal(once, twice);
            const char *folded = text_fold(once, &own);
            assert_string_equal(text_fold(folded, &own), folded);
        }
        arena_free(&own);
    }
}

static int open_arena(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static int close_arena(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_arena, close_arena)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(text__is_trimmed_of_every_white_space),
        CASE(text__is_cut_between_what_people_see_as_characters),
        CASE(text__that_shows_nothing_is_none),
        CASE(text__is_composed),
        CASE(text__loses_controls_and_direction_overrides),
        CASE(text__keeps_joiners_flags_and_emoji),
        CASE(text__of_one_line_turns_breaks_into_spaces),
        CASE(text__of_many_lines_keeps_breaks_as_line_feeds),
        CASE(text__that_is_not_utf8_is_refused),
        CASE(text__is_counted_in_code_points_by_the_check),
        CASE(text__is_cut_between_characters),
        CASE(text__folds_alike_what_a_search_takes_for_alike),
        CASE(text__folds_apart_what_are_other_letters),
        CASE(text__cleaned_once_is_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
