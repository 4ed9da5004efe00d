/* Where in a text a parser gave up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cards/base/json_place.h"

static void check(const char *text, const char *place)
{
    struct arena arena;
    arena_init(&arena);
    assert_string_equal(json_place(text, strlen(text), &arena), place);
    arena_free(&arena);
}

static void place__names_the_member_and_the_item_that_were_being_read(void **state)
{
    (void)state;
    check("{\"name\":1e400", "name");
    check("{\"name\": \"A\", \"emails\": [{\"address\": \"a\"}, {\"label\": \"b\", \"address\": 1e400",
          "emails/1/address");
    check("{\"name\": \"A\", \"name\"", "name");
    check("[[], {}, [1, 2, tru", "2/2");
}

static void place__is_what_holds_a_name_not_yet_read(void **state)
{
    (void)state;
    check("", "");
    check("\"x\"", "");
    check("{", "");
    check("{\"na", "");
    check("{\"a\": {\"b\": 1, \"c", "a");
    check("{\"a\": {\"b\": 1, }", "a");
    check("{\"a\": {\"b\\u0000\": 1e400", "a");
}

static void place__takes_no_mark_in_a_string_for_a_mark(void **state)
{
    (void)state;
    check("{\"a\": \"]}[{,\\\",\", \"b/c~\": \"{", "b~1c~0");
    check("[\"\\\\\", \"\\", "1");
}

static void place__bears_what_is_nested_or_closed_too_often(void **state)
{
    (void)state;
    char deep[4001];
    memset(deep, '[', 4000);
    deep[4000] = '\0';
    check(deep, "0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0");
    memset(deep + 2000, ']', 1999);
    deep[3999] = '\0';
    check(deep, "0");
    check("]]}}{\"a\":", "a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(place__names_the_member_and_the_item_that_were_being_read),
        cmocka_unit_test(place__is_what_holds_a_name_not_yet_read),
        cmocka_unit_test(place__takes_no_mark_in_a_string_for_a_mark),
        cmocka_unit_test(place__bears_what_is_nested_or_closed_too_often),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
