/* Scopes: which words are some, what they open, and that nobody gives more than they have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include "server/auth/scope.h"

static struct scopes of(const char *list)
{
    struct scopes scopes = {0};
    assert_true(scopes_add(&scopes, list, NULL));
    return scopes;
}

static void scope__is_one_of_few_words(void **state)
{
    (void)state;
    static const char *const NONE[] = {"",      "Read",        "all",         "leads", ":read",     "leads:",
                                       "read:", "leads:read:", "leads:reads", "read ", "lead:read", "leads read"};
    for (size_t i = 0; i < sizeof NONE / sizeof *NONE; i++) {
        struct scopes scopes = {0};
        assert_false(scope_add(&scopes, NONE[i], strlen(NONE[i])));
        assert_true(scopes_are_none(&scopes));
    }
}

static void scopes__name_the_one_that_is_none(void **state)
{
    (void)state;
    struct scopes scopes = {0};
    const char *wrong = NULL;
    assert_false(scopes_add(&scopes, "leads:read, pigeons:read cards:read", &wrong));
    assert_true(!strncmp(wrong, "pigeons:read", 12));
}

static void scopes__open_their_resource_and_no_other(void **state)
{
    (void)state;
    struct scopes one = of("leads:write shares:read"), all = of("write"), reader = of("read");
    assert_true(scopes_allow(&one, SCOPE_LEADS, true) && scopes_allow(&one, SCOPE_LEADS, false));
    assert_true(scopes_allow(&one, SCOPE_SHARES, false) && !scopes_allow(&one, SCOPE_SHARES, true));
    assert_false(scopes_allow(&one, SCOPE_CARDS, false));
    for (int resource = SCOPE_ACCOUNT; resource < SCOPE_RESOURCE_COUNT; resource++) {
        assert_true(scopes_allow(&all, (enum scope_resource)resource, true));
        assert_true(scopes_allow(&reader, (enum scope_resource)resource, false));
        assert_false(scopes_allow(&reader, (enum scope_resource)resource, true));
    }
    /* A route that forgot to say what it is about is closed to everybody. */
    assert_false(scopes_allow(&all, SCOPE_NONE, false) || scopes_allow(&all, SCOPE_NONE, true));
}

static void scopes__cover_what_they_hold(void **state)
{
    (void)state;
    struct scopes whole = of("leads:write cards:read"), part = of("leads:read cards:read"), more = of("cards:write");
    assert_true(scopes_cover(&whole, &part) && scopes_cover(&whole, &whole));
    assert_false(scopes_cover(&part, &whole) || scopes_cover(&whole, &more));
}

static void text__is_read_back(void **state)
{
    (void)state;
    static const char *const TEXTS[][2] = {
        {"write", "read write"},
        {"read", "read"},
        {"write read", "read write"},
        {"shares:read,cards:read cards:write", "cards:write shares:read"},
        {"read leads:write", "read leads:write"},
        {"leads:read leads:read", "leads:read"},
    };
    struct arena arena;
    arena_init(&arena);
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        struct scopes scopes = of(TEXTS[i][0]);
        const char *text = scopes_text(&scopes, &arena);
        assert_string_equal(text, TEXTS[i][1]);
        struct scopes again = of(text);
        assert_true(scopes_cover(&scopes, &again) && scopes_cover(&again, &scopes));
    }
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scope__is_one_of_few_words),
        cmocka_unit_test(scopes__name_the_one_that_is_none),
        cmocka_unit_test(scopes__open_their_resource_and_no_other),
        cmocka_unit_test(scopes__cover_what_they_hold),
        cmocka_unit_test(text__is_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
