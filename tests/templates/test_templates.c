/* Golden templates: compiled by the template compiler at build time, run here, compared with what they must say. */
#include <jansson.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "golden.h"

typedef void template(struct str *out, const struct golden_view *v);

static void render(struct arena *arena, template *function, const struct golden_view *view, struct str *out)
{
    arena_init(arena);
    str_init(out, arena, 100000);
    function(out, view);
    assert_false(out->failed);
}

static void assert_renders(template *function, const struct golden_view *view, const char *expected)
{
    struct arena arena;
    struct str out;
    render(&arena, function, view, &out);
    assert_string_equal(out.data, expected);
    arena_free(&arena);
}

static void value__is_escaped_for_its_place(void **state)
{
    (void)state;
    const struct golden_view view = {.name = "<\"&'>",
                                     .url = "https://a.example/?a=1&b=2",
                                     .token = "T/\"",
                                     .note = "</script> & more",
                                     .score = -3};
    assert_renders(
        template_places, &view,
        "<!doctype html>\n"
        "<title>&lt;\"&amp;'&gt;</title>\n"
        "<p title=\"&lt;&quot;&amp;&#39;&gt;\">&lt;\"&amp;'&gt;</p>\n"
        "<a href=\"https://a.example/?a=1&amp;b=2\">1</a>\n"
        "<a href=\"/c/T%2F%22/x?next=https%3A%2F%2Fa.example%2F%3Fa%3D1%26b%3D2&amp;n=-3#%3C%22%26%27%3E\">2</a>\n"
        "<a href=\"https://wa.me/?text=%3C%2Fscript%3E%20%26%20more\">3</a>\n"
        "<a href=\"https://a.example/?a=1&amp;b=2?from=T%2F%22\">4</a>\n"
        "<form action=\"https://a.example/?a=1&amp;b=2\"><button formaction=\"/@T%2F%22\">5</button></form>\n"
        "<textarea>\n &lt;/script&gt; &amp; more\n</textarea>\n"
        "<meta property=\"og:url\" content=\"https://a.example/?a=1&amp;b=2\">\n"
        "<script type=\"application/ld+json\">{\"name\": \"\\u003C\\\"\\u0026'\\u003E\", \"tags\": "
        "[\"\\u003C/script\\u003E \\u0026 more\", {\"a\": \"\\\"T/\\\"\"}]}</script>\n");
}

static void url__becomes_harmless_where_it_is_whole(void **state)
{
    (void)state;
    const struct golden_view view = {.url = "javascript:alert(1)", .token = "x"};
    struct arena arena;
    struct str out;
    render(&arena, template_places, &view, &out);
    assert_non_null(strstr(out.data, "<a href=\"#\">1</a>"));
    assert_non_null(strstr(out.data, "<form action=\"#\">"));
    assert_non_null(strstr(out.data, "<a href=\"#?from=x\">4</a>"));
    arena_free(&arena);
}

static void json__is_read_back_by_jansson(void **state)
{
    (void)state;
    const struct golden_view view = {.name = "A \"quoted\" <name>\n", .note = "\\", .token = "名刺"};
    struct arena arena;
    struct str out;
    render(&arena, template_places, &view, &out);
    char *start = strstr(out.data, "ld+json\">") + strlen("ld+json\">");
    *strstr(start, "</script>") = '\0';
    json_t *json = json_loads(start, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "name")), view.name);
    assert_string_equal(json_string_value(json_array_get(json_object_get(json, "tags"), 0)), view.note);
    json_decref(json);
    arena_free(&arena);
}

static void number__becomes_digits_at_its_limits(void **state)
{
    (void)state;
    const struct golden_view view = {.score = -7, .at_ms = INT64_MIN, .count = 0, .large = UINT64_MAX};
    assert_renders(template_numbers, &view,
                   "-7 -9223372036854775808 0 18446744073709551615 <p data-n=\"-7\"><a href=\"/-7\">x</a></p>\n");
}

static void choice__takes_one_branch(void **state)
{
    (void)state;
    const struct golden_person endorser = {.name = "Ann"};
    const struct golden_view full = {.name = "N",
                                     .token = "T",
                                     .theme = THEME_INK,
                                     .endorser = &endorser,
                                     .owner = {"O<", "OO"},
                                     .is_open = true,
                                     .score = 5,
                                     .url = "/u"};
    assert_renders(template_choices, &full,
                   "<b>O&lt;</b> <i>OO</i>\n<s>Ann</s>\nname\n\nink\nT\n"
                   "<input checked value=\"5\" disabled>\n<a href=\"/u\">x</a>\n");
    const struct golden_view bare = {.name = "", .note = "n", .theme = THEME_PAPER, .score = -3};
    assert_renders(
        template_choices, &bare,
        "<b></b> <i></i>\n\nnote\nno name\npaper\nnot T really\n<input value=\"minus\">\n<a href=\"/none\">x</a>\n");
    const struct golden_view nothing = {.theme = 3, .token = "t"};
    assert_renders(
        template_choices, &nothing,
        "<b></b> <i></i>\n\nnothing\nno name\n\nnot T really\n<input value=\"0\">\n<a href=\"/none\">x</a>\n");
}

static void loop__visits_each_element_and_tolerates_none(void **state)
{
    (void)state;
    const char *const tags[] = {"a", "<b>"};
    const struct golden_link links[] = {{"One", "/1", tags, 2}, {"Two", "data:x", NULL, 0}};
    const struct golden_view view = {.links = links, .links_count = 2};
    assert_renders(template_loops, &view,
                   "<ul>\n\n<li><a href=\"/1\">One</a> <i>a</i> <i>&lt;b&gt;</i></li>\n"
                   "\n<li><a href=\"#\">Two</a></li>\n</ul>\nOne,Two,\n");
    const struct golden_view none = {.links = NULL, .links_count = 0};
    assert_renders(template_loops, &none, "<ul>\n</ul>\n\n");
    const struct golden_view negative = {.links = links, .links_count = -1};
    assert_renders(template_loops, &negative, "<ul>\n</ul>\n\n");
}

static void white_space__is_collapsed_but_not_in_pre(void **state)
{
    (void)state;
    const struct golden_view view = {.name = "N"};
    assert_renders(template_spaces, &view,
                   "<div class=\"a\" id=\"b\">\nx y\n</div>\n<pre>\n a   N\n   b\n</pre>\n<p>z</p>\n<br />\n");
}

static void style__is_inlined_small_with_the_hash_the_policy_names(void **state)
{
    (void)state;
    static const char css[] =
        ":root{--ink:#111}a :hover > b,p::before{content:\" /* kept */ ; \";margin:0 calc(1px + 2px)}"
        "@media (min-width:30em) and (prefers-color-scheme:dark){a{color:var(--ink) !important}}";
    struct arena arena;
    struct str out;
    render(&arena, template_assets, &(struct golden_view){0}, &out);
    char *start = strstr(out.data, "<style>") + strlen("<style>");
    char *end = strstr(start, "</style>");
    assert_string_equal(arena_strndup(&arena, start, (size_t)(end - start)), css);
    unsigned char digest[crypto_hash_sha256_BYTES];
    char base64[64];
    crypto_hash_sha256(digest, (const unsigned char *)start, (size_t)(end - start));
    sodium_bin2base64(base64, sizeof base64, digest, sizeof digest, sodium_base64_VARIANT_ORIGINAL);
    assert_string_equal(CSP_STYLE_PAGE_CSS, arena_printf(&arena, "'sha256-%s'", base64));
    char hex[65];
    sodium_bin2hex(hex, sizeof hex, digest, sizeof digest);
    assert_non_null(strstr(out.data, arena_printf(&arena, "href=\"/assets/page.%.8s.css\"", hex)));
    arena_free(&arena);
}

static void icon__is_drawn_inline_and_hidden_from_readers(void **state)
{
    (void)state;
    struct arena arena;
    struct str out;
    render(&arena, template_assets, &(struct golden_view){0}, &out);
    assert_non_null(strstr(out.data, "<svg aria-hidden=\"true\" width=\"8\" height=\"8\">\n<circle r=\"4\"/>\n</svg>"));
    assert_null(strstr(out.data, "Ours"));
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(value__is_escaped_for_its_place),
        cmocka_unit_test(url__becomes_harmless_where_it_is_whole),
        cmocka_unit_test(json__is_read_back_by_jansson),
        cmocka_unit_test(number__becomes_digits_at_its_limits),
        cmocka_unit_test(choice__takes_one_branch),
        cmocka_unit_test(loop__visits_each_element_and_tolerates_none),
        cmocka_unit_test(white_space__is_collapsed_but_not_in_pre),
        cmocka_unit_test(style__is_inlined_small_with_the_hash_the_policy_names),
        cmocka_unit_test(icon__is_drawn_inline_and_hidden_from_readers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
