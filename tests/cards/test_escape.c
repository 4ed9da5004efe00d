/* The escapers, one place at a time; URLs against a corpus of what browsers have been tricked with. */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "cards/base/escape.h"

typedef void escaper(struct str *out, const char *text);

static void assert_escaped(escaper *escape, const char *text, const char *expected)
{
    struct arena arena;
    struct str out;
    arena_init(&arena);
    str_init(&out, &arena, 10000);
    escape(&out, text);
    assert_false(out.failed);
    assert_string_equal(out.data, expected);
    arena_free(&arena);
}

static void html__leaves_no_tag_and_no_reference(void **state)
{
    (void)state;
    assert_escaped(escape_html, "<b>Tom & \"Jerry\"</b>", "&lt;b&gt;Tom &amp; \"Jerry\"&lt;/b&gt;");
    assert_escaped(escape_html, "名刺 Núñez", "名刺 Núñez");
    assert_escaped(escape_html, "&", "&amp;");
    assert_escaped(escape_html, "", "");
}

static void attr__cannot_be_left(void **state)
{
    (void)state;
    assert_escaped(escape_attr, "\" onclick='x' <&>", "&quot; onclick=&#39;x&#39; &lt;&amp;&gt;");
}

static void every_escaper__takes_null_as_nothing(void **state)
{
    (void)state;
    escaper *const all[] = {escape_html, escape_attr, escape_url, escape_url_part, escape_json};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        assert_escaped(all[i], NULL, "");
}

static void every_escaper__fails_for_good_when_the_text_is_full(void **state)
{
    (void)state;
    escaper *const all[] = {escape_html, escape_attr, escape_url, escape_url_part, escape_json};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct arena arena;
        struct str out;
        arena_init(&arena);
        str_init(&out, &arena, 4);
        all[i](&out, "/abc&<def");
        assert_true(out.failed);
        arena_free(&arena);
    }
}

static void url__passes_what_cards_link_to(void **state)
{
    (void)state;
    static const char *const good[] = {"https://example.org/a?b=c#d",
                                       "HTTP://EXAMPLE.ORG/",
                                       "mailto:jane@example.org",
                                       "tel:+493012345",
                                       "sms:+493012345",
                                       "/c/TOKEN",
                                       "/",
                                       "#top",
                                       "?page=2",
                                       "",
                                       "https://xn--bcher-kva.example/",
                                       "https://example.org/名刺"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_escaped(escape_url, good[i], good[i]);
    assert_escaped(escape_url, "https://example.org/?a=1&b=\"2\"", "https://example.org/?a=1&amp;b=&quot;2&quot;");
}

static void url__refuses_every_trick_of_the_corpus(void **state)
{
    (void)state;
    static const char *const nasty[] = {"javascript:alert(1)",
                                        "JavaScript:alert(1)",
                                        "jAvAsCrIpT:alert(1)",
                                        "java\tscript:alert(1)",
                                        "java\nscript:alert(1)",
                                        "java\r\nscript:alert(1)",
                                        " javascript:alert(1)",
                                        "\tjavascript:alert(1)",
                                        "\x01javascript:alert(1)",
                                        "\x1f\x20javascript:alert(1)",
                                        "\x7fjavascript:alert(1)",
                                        "\xc2\xa0javascript:alert(1)",
                                        "\xe2\x80\x8bjavascript:alert(1)",
                                        "\xef\xbb\xbfjavascript:alert(1)",
                                        "javascript :alert(1)",
                                        "javascript&colon;alert(1)",
                                        "javascript&#58;alert(1)",
                                        "&#106;avascript:alert(1)",
                                        "javascript%3Aalert(1)",
                                        "javascript\\x3aalert(1)",
                                        "javascript://https://example.org/%0aalert(1)",
                                        "vbscript:msgbox(1)",
                                        "livescript:x",
                                        "mocha:x",
                                        "data:text/html,<script>alert(1)</script>",
                                        "DATA:text/html;base64,PHNjcmlwdD4=",
                                        "data:image/svg+xml,<svg onload=alert(1)>",
                                        "view-source:javascript:1",
                                        "feed:javascript:alert(1)",
                                        "jar:javascript:alert(1)",
                                        "blob:https://example.org/1",
                                        "file:///etc/passwd",
                                        "filesystem:http://example.org/",
                                        "about:blank",
                                        "chrome://settings",
                                        "intent://x#Intent;end",
                                        "ftp://a/",
                                        "//evil.example",
                                        "///evil.example",
                                        "\\\\evil.example",
                                        "/\\evil.example",
                                        "\\/evil.example",
                                        "/\t/evil.example",
                                        "/\n/evil.example",
                                        "\t//evil.example",
                                        " //evil.example",
                                        "http:evil.example",
                                        "https:evil.example",
                                        "http:\\\\evil.example",
                                        "https:/evil.example",
                                        "ht\ntps://example.org",
                                        "https://example.org/\n",
                                        "https ://example.org",
                                        ":javascript:alert(1)",
                                        "%6aavascript:alert(1)",
                                        "\"onclick=alert(1)",
                                        "x",
                                        "www.example.org",
                                        "../x",
                                        "./x",
                                        "@x",
                                        "jane@example.org"};
    for (size_t i = 0; i < sizeof nasty / sizeof *nasty; i++)
        assert_escaped(escape_url, nasty[i], "#");
}

static void url_part__keeps_only_unreserved_characters(void **state)
{
    (void)state;
    assert_escaped(escape_url_part, "aZ09-._~", "aZ09-._~");
    assert_escaped(escape_url_part, "a b&c=d/e?f#g%\"<'>+:@\\", "a%20b%26c%3Dd%2Fe%3Ff%23g%25%22%3C%27%3E%2B%3A%40%5C");
    assert_escaped(escape_url_part, "é\n", "%C3%A9%0A");
}

static void json__cannot_leave_its_string_or_its_script(void **state)
{
    (void)state;
    assert_escaped(escape_json, "</script><!--&", "\\u003C/script\\u003E\\u003C!--\\u0026");
    assert_escaped(escape_json, "\"\\\n\r\t\b\f\x01", "\\\"\\\\\\n\\r\\t\\b\\f\\u0001");
    assert_escaped(escape_json,
                   "a\xe2\x80\xa8"
                   "b\xe2\x80\xa9"
                   "c\xe2\x80\xaa",
                   "a\\u2028b\\u2029c\xe2\x80\xaa");
    assert_escaped(escape_json, "\xe2\x80", "\xe2\x80");
}

static void json__is_read_back_by_jansson(void **state)
{
    (void)state;
    char text[256];
    for (int i = 0; i < 127; i++)
        text[i] = (char)(i + 1);
    strcpy(text + 127, "名刺\xe2\x80\xa8</script>");
    struct arena arena;
    struct str out;
    arena_init(&arena);
    str_init(&out, &arena, 10000);
    str_add(&out, "\"");
    escape_json(&out, text);
    str_add(&out, "\"");
    json_t *json = json_loads(out.data, JSON_DECODE_ANY, NULL);
    assert_non_null(json);
    assert_string_equal(json_string_value(json), text);
    json_decref(json);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(html__leaves_no_tag_and_no_reference),
        cmocka_unit_test(attr__cannot_be_left),
        cmocka_unit_test(every_escaper__takes_null_as_nothing),
        cmocka_unit_test(every_escaper__fails_for_good_when_the_text_is_full),
        cmocka_unit_test(url__passes_what_cards_link_to),
        cmocka_unit_test(url__refuses_every_trick_of_the_corpus),
        cmocka_unit_test(url_part__keeps_only_unreserved_characters),
        cmocka_unit_test(json__cannot_leave_its_string_or_its_script),
        cmocka_unit_test(json__is_read_back_by_jansson),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
