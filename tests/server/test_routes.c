/* The route table and the API's contract name the same routes, and the matcher finds each by one spelling only. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <ctype.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cards/base/str.h"
#include "server/app.h"
#include "server/http/assets.h"
#include "server/http/request.h"
#include "server/routes.h"

enum { ROUTES_MAX = 256, LINE_SIZE = 200 };

struct lines {
    char list[ROUTES_MAX][LINE_SIZE];
    int count;
};

static void add(struct lines *lines, const char *method, const char *path)
{
    assert_true(lines->count < ROUTES_MAX);
    char *line = lines->list[lines->count++];
    snprintf(line, LINE_SIZE, "%s ", method);
    for (char *at = line; *at; at++)
        *at = (char)toupper((unsigned char)*at);
    /* {id} in the contract, {} in the table */
    size_t len = strlen(line);
    for (bool inside = false; *path && len < LINE_SIZE - 1; path++) {
        if (!inside || *path == '}')
            line[len++] = *path;
        inside = *path == '{' || (inside && *path != '}');
    }
    line[len] = '\0';
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void take_api_route(const char *method, const char *pattern, void *context)
{
    if (!strncmp(pattern, "/api/v1/", 8))
        add(context, method, pattern + 7);
}

/* The paths of the contract by its layout: "  /cards:" and below it "    get:". */
static void read_contract(struct lines *lines)
{
    const struct asset *contract = asset_find("openapi.yaml");
    assert_non_null(contract);
    char *text = strndup(contract->plain.bytes, contract->plain.len), *rest = text, *line;
    char path[LINE_SIZE] = "";
    bool in_paths = false;
    while ((line = strsep(&rest, "\n"))) {
        char method[8];
        int end = 0;
        if (*line && *line != ' ')
            in_paths = !strcmp(line, "paths:");
        else if (in_paths && !strncmp(line, "  /", 3))
            snprintf(path, sizeof path, "%.*s", (int)strcspn(line + 2, ":"), line + 2);
        else if (in_paths && sscanf(line, "    %7[a-z]:%n", method, &end) == 1 && end && line[end] == '\0' &&
                 line[4] != ' ')
            add(lines, method, path);
    }
    free(text);
}

static void routes__of_the_api_are_those_of_the_contract(void **state)
{
    (void)state;
    static struct lines table, contract;
    routes_each(take_api_route, &table);
    read_contract(&contract);
    qsort(table.list, (size_t)table.count, LINE_SIZE, by_text);
    qsort(contract.list, (size_t)contract.count, LINE_SIZE, by_text);
    for (int i = 0; i < table.count && i < contract.count; i++)
        assert_string_equal(table.list[i], contract.list[i]);
    assert_int_equal(table.count, contract.count);
    assert_true(table.count > 20);
}

/* ---- the matcher ---- */

struct found {
    const struct http_route *route;
    int status;
    const char *allow;
    struct request request;
};

static void look(struct found *found, enum http_method method, const char *path)
{
    static struct app app;
    struct http_handlers handlers = routes_handlers(&app);
    arena_free(&found->request.arena);
    *found = (struct found){.request = {.method = method, .path = path, .query = ""}};
    arena_init(&found->request.arena);
    found->route = handlers.match(&app, &found->request, &found->status, &found->allow);
}

static int set_up(void **state)
{
    struct found *found = calloc(1, sizeof *found);
    arena_init(&found->request.arena);
    *state = found;
    return 0;
}

static int tear_down(void **state)
{
    struct found *found = *state;
    arena_free(&found->request.arena);
    free(found);
    return 0;
}

static void match__takes_a_scanned_address_in_any_case(void **state)
{
    static const char *const PATHS[] = {"/c/8M5QK7RT2WXY9ZAB", "/C/8M5QK7RT2WXY9ZAB", "/C/8m5qk7rt2wxy9zab"};
    static const char *const VCFS[] = {"/c/8M5Q.vcf", "/C/8M5Q.VCF", "/c/8m5q.Vcf"};
    struct found *found = *state;
    look(found, HTTP_GET, PATHS[0]);
    const struct http_route *page = found->route;
    assert_non_null(page);
    for (int i = 1; i < 3; i++) {
        look(found, HTTP_GET, PATHS[i]);
        assert_ptr_equal(found->route, page);
        assert_string_equal(found->request.params[0], PATHS[i] + 3);
    }
    look(found, HTTP_GET, VCFS[0]);
    const struct http_route *vcf = found->route;
    assert_non_null(vcf);
    assert_ptr_not_equal(vcf, page);
    for (int i = 1; i < 3; i++) {
        look(found, HTTP_GET, VCFS[i]);
        assert_ptr_equal(found->route, vcf);
    }
}

static void match__takes_everything_else_by_one_spelling(void **state)
{
    static const char *const PATHS[] = {"/API/v1/cards",
                                        "/api/V1/cards",
                                        "/api/v1/cards/",
                                        "/api/v1//cards",
                                        "/Healthz",
                                        "/healthz/",
                                        "/c/",
                                        "/c/A/",
                                        "/c",
                                        "/api/v1/cards/a/b",
                                        "/api/v1/cards/",
                                        "/@",
                                        "/@a/b",
                                        "/receipt/",
                                        "/assets/",
                                        "/assets/a/b.css",
                                        "/ROBOTS.txt",
                                        "",
                                        "/api/v1",
                                        "/.well-known/"};
    struct found *found = *state;
    for (size_t i = 0; i < sizeof PATHS / sizeof *PATHS; i++) {
        look(found, HTTP_GET, PATHS[i]);
        if (found->route || found->status != 404)
            fail_msg("%s was found, or answered %d", PATHS[i], found->status);
    }
}

static void match__hands_over_what_stands_in_the_braces(void **state)
{
    struct found *found = *state;
    look(found, HTTP_DELETE, "/api/v1/shares/shr_0123456789ABC");
    assert_non_null(found->route);
    assert_string_equal(found->request.params[0], "shr_0123456789ABC");
    look(found, HTTP_GET, "/assets/card.3f9a21bc.css");
    assert_string_equal(found->request.params[0], "card.3f9a21bc.css");
    look(found, HTTP_GET, "/@jane-doe");
    assert_string_equal(found->request.params[0], "jane-doe");
}

static void match__says_which_methods_an_address_knows(void **state)
{
    static const struct {
        enum http_method method;
        const char *path, *allow;
    } CASES[] = {
        {HTTP_PUT, "/api/v1/cards", "GET, HEAD, POST"}, {HTTP_POST, "/api/v1/cards/x", "GET, HEAD, PATCH, DELETE"},
        {HTTP_DELETE, "/api/v1/leads", "GET, HEAD"},    {HTTP_GET, "/api/v1/cards/bulk", "POST"},
        {HTTP_GET, "/api/v1/webhooks/x/ping", "POST"},  {HTTP_HEAD, "/c/X/seen", "POST"},
        {HTTP_OTHER, "/healthz", "GET, HEAD"},          {HTTP_PATCH, "/C/X/PASS-ON", "POST, GET, HEAD"},
    };
    struct found *found = *state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        look(found, CASES[i].method, CASES[i].path);
        assert_null(found->route);
        assert_int_equal(found->status, 405);
        assert_string_equal(found->allow, CASES[i].allow);
    }
    look(found, HTTP_HEAD, "/healthz");
    assert_non_null(found->route);
}

struct check {
    struct found *found;
    const struct http_route *routes[ROUTES_MAX];
    int tried;
};

static void check_route(const char *method, const char *pattern, void *context)
{
    static const char *const NAMES[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};
    struct check *check = context;
    char path[LINE_SIZE];
    size_t len = 0;
    for (const char *at = pattern; *at && len < sizeof path - 2; at++)
        if (*at == '{') {
            path[len++] = 'x';
            at += at[1] == '*' ? 2 : 1;
        } else
            path[len++] = *at;
    path[len] = '\0';
    int index = 0;
    while (strcmp(NAMES[index], method))
        index++;
    look(check->found, (enum http_method)index, path);
    if (!check->found->route)
        fail_msg("%s %s is not found", method, pattern);
    for (int i = 0; i < check->tried; i++)
        if (check->routes[i] == check->found->route)
            fail_msg("%s %s is hidden by another line", method, pattern);
    assert_true(check->tried < ROUTES_MAX);
    check->routes[check->tried++] = check->found->route;
}

/* Of two lines that one address fits the first hides the other: each must be found, as itself. */
static void routes__are_each_reachable_and_hide_no_other(void **state)
{
    static struct check check;
    check.found = *state;
    routes_each(check_route, &check);
    assert_true(check.tried > 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routes__of_the_api_are_those_of_the_contract),
        cmocka_unit_test_setup_teardown(match__takes_a_scanned_address_in_any_case, set_up, tear_down),
        cmocka_unit_test_setup_teardown(match__takes_everything_else_by_one_spelling, set_up, tear_down),
        cmocka_unit_test_setup_teardown(match__hands_over_what_stands_in_the_braces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(match__says_which_methods_an_address_knows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(routes__are_each_reachable_and_hide_no_other, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
