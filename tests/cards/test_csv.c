/* Tables as text, as spreadsheets write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include "cards/csv.h"

/* The rows of TEXT with | between fields and / behind rows; "bad" if it is none. */
static const char *read_all(const char *text, struct arena *arena)
{
    const char *fields[CSV_FIELDS_MAX], *all = "";
    size_t count;
    while (*text) {
        if (csv_row(&text, arena, fields, &count) != RESULT_OK)
            return "bad";
        for (size_t i = 0; i < count; i++)
            all = arena_printf(arena, "%s%s%s", all, i ? "|" : "", fields[i]);
        all = arena_printf(arena, "%s/", all);
    }
    return all;
}

static const struct {
    const char *text, *rows;
} CASES[] = {
    {"", ""},
    {"a", "a/"},
    {"a,b\r\nc,d\r\n", "a|b/c|d/"},
    {"a,b\nc,d", "a|b/c|d/"},
    {"a,\n,b\n,", "a|/|b/|/"},
    {"\n\na\n", "//a/"},
    {"\"a,b\",c\n", "a,b|c/"},
    {"\"two\nlines\",\"say \"\"hi\"\"\"\n", "two\nlines|say \"hi\"/"},
    {"\"\",x\n", "|x/"},
    {" a , b\n", " a | b/"},
    {"\"open\n", "bad"},
    {"a\"b\n", "bad"},
    {"\"a\"b\n", "bad"},
};

static void row__is_read_as_spreadsheets_write_it(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        assert_string_equal(read_all(CASES[i].text, &arena), CASES[i].rows);
    arena_free(&arena);
}

static void row__has_no_more_fields_than_there_is_room_for(void **state)
{
    (void)state;
    struct arena arena;
    char text[CSV_FIELDS_MAX + 1];
    arena_init(&arena);
    memset(text, ',', CSV_FIELDS_MAX);
    text[CSV_FIELDS_MAX] = '\0';
    assert_string_equal(read_all(text, &arena), "bad");
    assert_string_not_equal(read_all(text + 1, &arena), "bad");
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(row__is_read_as_spreadsheets_write_it),
        cmocka_unit_test(row__has_no_more_fields_than_there_is_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
