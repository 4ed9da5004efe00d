/* What a visitor agrees to names the person they write to, and is kept whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "cards/consent.h"

static struct arena arena;

static void consent__calls_people_as_they_are_called(void **state)
{
    (void)state;
    static const struct {
        const char *name, *given, *family, *called;
    } cases[] = {
        {"Dr. Jane van der Berg", NULL, NULL, "Jane"},
        {"J. Doe", "Jane", "Doe", "Jane"},
        {"Cher", NULL, NULL, "Cher"},
        {"山田太郎", "太郎", "山田", "山田太郎"},
        {"김민준", NULL, NULL, "김민준"},
        {"Doe GmbH", NULL, "Doe", "Doe GmbH"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct card card = {.name = cases[i].name, .given = cases[i].given, .family = cases[i].family};
        assert_string_equal(card_first_name(&card, &arena), cases[i].called);
    }
}

static void consent__says_who_sees_it(void **state)
{
    (void)state;
    const struct card card = {.name = "Jane Doe"};
    struct consent consent = consent_of(&card, &arena);
    assert_int_equal(strncmp(consent.sentence, "Only Jane sees this", 19), 0);
    assert_non_null(strstr(consent.box, "Jane"));
}

static void consent__is_kept_whole_and_tells_the_box(void **state)
{
    (void)state;
    const struct card card = {.name = "Jane Doe"};
    struct consent consent = consent_of(&card, &arena);
    const char *ticked = consent_record(&consent, true, &arena), *left = consent_record(&consent, false, &arena);
    const char *parts[] = {consent.version, consent.sentence, consent.box};
    for (size_t i = 0; i < 3; i++) {
        assert_non_null(strstr(ticked, parts[i]));
        assert_non_null(strstr(left, parts[i]));
    }
    assert_non_null(strstr(ticked, "[x] "));
    assert_non_null(strstr(left, "[ ] "));
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
        CASE(consent__calls_people_as_they_are_called),
        CASE(consent__says_who_sees_it),
        CASE(consent__is_kept_whole_and_tells_the_box),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
