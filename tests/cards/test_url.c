/* Addresses: one spelling for the sound ones, a refusal for the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "cards/base/url.h"

static struct arena arena;

static const char *spelt(const char *text, unsigned flags)
{
    struct url url = {0};
    return url_parse(text, flags, &arena, &url) == RESULT_OK ? url.text : "refused";
}

static void url__is_brought_to_one_spelling(void **state)
{
    (void)state;
    assert_string_equal(spelt("HTTPS://Example.ORG:443/a/../b?q=1#f", 0), "https://example.org/b?q=1#f");
    assert_string_equal(spelt("http://example.org", 0), "http://example.org/");
    assert_string_equal(spelt("http://example.org:8080", 0), "http://example.org:8080/");
    assert_string_equal(spelt("https://Bücher.example/名", 0), "https://xn--bcher-kva.example/%e5%90%8d");
    assert_string_equal(spelt("https://example.org/#名", 0), "https://example.org/#%e5%90%8d");
    assert_string_equal(spelt("https://[::0001]:8443/x", 0), "https://[::1]:8443/x");
}

static void url__names_host_port_and_path(void **state)
{
    (void)state;
    struct url url;
    assert_int_equal(url_parse("https://[2001:DB8::1]/hook", 0, &arena, &url), RESULT_OK);
    assert_string_equal(url.host, "2001:db8::1");
    assert_true(url.host_is_address);
    assert_int_equal(url.port, 443);
    assert_string_equal(url.path, "/hook");
    assert_int_equal(url_parse("http://hooks.example:81", 0, &arena, &url), RESULT_OK);
    assert_string_equal(url.scheme, "http");
    assert_false(url.host_is_address);
    assert_int_equal(url.port, 81);
}

static void url__reads_odd_numbers_as_the_address_they_are(void **state)
{
    (void)state;
    struct url url;
    assert_int_equal(url_parse("http://0x7f.1/", 0, &arena, &url), RESULT_OK);
    assert_string_equal(url.host, "127.0.0.1");
    assert_true(url.host_is_address);
}

static void url__refuses_what_is_no_web_address(void **state)
{
    (void)state;
    const char *refused[] = {"",
                             "file:///etc/passwd",
                             "FILE:///etc/passwd",
                             "ftp://example.org/",
                             "gopher://example.org/",
                             "javascript:alert(1)",
                             "javascript://example.org/%0aalert(1)",
                             "data:text/html,x",
                             "https://",
                             "https:///path",
                             "https://user@example.org/",
                             "https://user:secret@example.org/",
                             "https://exa mple.org/",
                             "https://example.org/a b",
                             "https://example.org\\@evil.example/",
                             "https://-a.example/",
                             "https://a-.example/",
                             "https://a..b/",
                             "https://.example/",
                             "https://example.org:0/",
                             "https://example.org:65536/",
                             "https://example.org:port/",
                             "https://[::1",
                             "https://[fe80::1%25eth0]/",
                             "https://1.2.3.4.5/",
                             "https://example.1/",
                             "https://a%00b.example/",
                             "https://a%2fb.example/",
                             "https://ex\xFF.org/",
                             "https://example.org/\x01",
                             "example.org",
                             "//example.org/",
                             "mailto:jane@example.org"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        assert_string_equal(spelt(refused[i], 0), "refused");
}

static void url__guesses_https_when_asked(void **state)
{
    (void)state;
    assert_string_equal(spelt("example.org/me", URL_GUESS_SCHEME), "https://example.org/me");
    assert_string_equal(spelt("www.example.org", URL_GUESS_SCHEME), "https://www.example.org/");
    assert_string_equal(spelt("ftp.example.org", URL_GUESS_SCHEME), "https://ftp.example.org/");
    assert_string_equal(spelt("example.org/?to=https://a.example", URL_GUESS_SCHEME),
                        "https://example.org/?to=https://a.example");
    assert_string_equal(spelt("example.org:8080", URL_GUESS_SCHEME), "https://example.org:8080/");
    assert_string_equal(spelt("javascript:alert(1)", URL_GUESS_SCHEME), "refused");
    assert_string_equal(spelt("mailto:jane@example.org", URL_GUESS_SCHEME), "refused");
    assert_string_equal(spelt("file:///etc/passwd", URL_GUESS_SCHEME), "refused");
}

static void url__as_base_is_scheme_and_host_alone(void **state)
{
    (void)state;
    assert_string_equal(spelt("https://cards.example/", URL_BASE), "https://cards.example");
    assert_string_equal(spelt("http://127.0.0.1:8080", URL_BASE), "http://127.0.0.1:8080");
    assert_string_equal(spelt("https://cards.example/sub", URL_BASE), "refused");
    assert_string_equal(spelt("https://cards.example/?a", URL_BASE), "refused");
    assert_string_equal(spelt("https://cards.example/#a", URL_BASE), "refused");
}

static void url__of_an_endpoint_has_no_fragment(void **state)
{
    (void)state;
    assert_string_equal(spelt("https://hooks.example/x#y", URL_NO_FRAGMENT), "refused");
    assert_string_equal(spelt("https://hooks.example/x?y", URL_NO_FRAGMENT), "https://hooks.example/x?y");
}

static void url__that_is_too_long_is_refused(void **state)
{
    (void)state;
    char text[URL_BYTES_MAX + 2];
    memset(text, 'a', sizeof text);
    memcpy(text, "https://example.org/", 20);
    text[URL_BYTES_MAX] = '\0';
    assert_int_equal(strlen(spelt(text, 0)), URL_BYTES_MAX);
    text[URL_BYTES_MAX] = 'a';
    text[URL_BYTES_MAX + 1] = '\0';
    assert_string_equal(spelt(text, 0), "refused");
}

/* Addresses that mean just what they say are read by a shorter way. A scheme in capitals means the same and is not read by it. */
static void url__is_the_same_by_the_shorter_way(void **state)
{
    (void)state;
    static const char *const pieces[] = {"a",   "b-c", "z9",        ".",     ".",    "-",   "--", "_",    "..",
                                         "0",   "1",   "127.0.0.1", "0x",    "/",    "/",   "/.", "/a.b", "/..",
                                         "//",  "~",   ":",         ":8443", ":443", ":80", ":0", ":08",  "A",
                                         "?q=", "#f",  "%2e",       "@",     "xn--", "[",   "]",  " ",    "\\"};
    char text[256], shouted[256];
    size_t accepted = 0;
    for (int round = 0; round < 30000; round++) {
        bool is_http = random() % 2;
        strcpy(text, is_http ? "http://" : "https://");
        strcat(text, random() % 2 ? "hooks.example" : "");
        for (long i = random() % 7; i > 0; i--)
            strcat(text, pieces[(size_t)random() % (sizeof pieces / sizeof *pieces)]);
        if (random() % 2)
            strcat(text, "/x");
        strcpy(shouted, text);
        memcpy(shouted, "HTTP", 4);
        struct url url = {0}, other = {0};
        unsigned flags = random() % 2 ? URL_NO_FRAGMENT : URL_GUESS_SCHEME;
        enum result result = url_parse(text, flags, &arena, &url);
        assert_int_equal(result, url_parse(shouted, flags, &arena, &other));
        if (result != RESULT_OK)
            continue;
        accepted++;
        assert_string_equal(url.text, other.text);
        assert_string_equal(url.scheme, other.scheme);
        assert_string_equal(url.host, other.host);
        assert_string_equal(url.path, other.path);
        assert_int_equal(url.port, other.port);
        assert_int_equal(url.host_is_address, other.host_is_address);
        arena_reset(&arena);
    }
    assert_true(accepted > 3000);
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
        CASE(url__is_brought_to_one_spelling),
        CASE(url__names_host_port_and_path),
        CASE(url__reads_odd_numbers_as_the_address_they_are),
        CASE(url__refuses_what_is_no_web_address),
        CASE(url__guesses_https_when_asked),
        CASE(url__as_base_is_scheme_and_host_alone),
        CASE(url__of_an_endpoint_has_no_fragment),
        CASE(url__that_is_too_long_is_refused),
        CASE(url__is_the_same_by_the_shorter_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
