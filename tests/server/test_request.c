/* The parsers of a request, without a server: each is given an exchange as the listener would have filled it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include "server/http/exchange.h"

static struct exchange exchange;
static struct connection connection;
static struct loop loop;
static struct http http;
static struct request *const request = &exchange.request;

static int set_up(void **state)
{
    (void)state;
    memset(&exchange, 0, sizeof exchange);
    http = (struct http){.loops = &loop, .loop_count = 1};
    loop.http = &http;
    exchange.loop = &loop;
    exchange.connection = &connection;
    arena_init(&request->arena);
    request->body = request->query = "";
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&request->arena);
    return 0;
}

static void give_header(const char *name, const char *value)
{
    exchange.headers[exchange.header_count++] =
        (struct header){name, value, (uint32_t)strlen(name), (uint32_t)strlen(value)};
    exchange.request.header_lengths |= header_length_bit(strlen(name));
}

static void give_body(const char *body, size_t len)
{
    request->body = body;
    request->body_len = len;
}

static void target__is_cut_into_path_and_query(void **state)
{
    (void)state;
    static const struct {
        const char *target, *path, *query;
    } GOOD[] = {{"/", "/", ""},
                {"/c/ABC", "/c/ABC", ""},
                {"/c/ABC?", "/c/ABC", ""},
                {"/a?b=c?d", "/a", "b=c?d"},
                {"/%E5%90%8D", "/%E5%90%8D", ""},
                {"/a%20b", "/a%20b", ""},
                {"/...", "/...", ""},
                {"/.well-known/x", "/.well-known/x", ""},
                {"//a", "//a", ""},
                {"/a/", "/a/", ""},
                {"/@jane", "/@jane", ""},
                {"/a?%", "/a", "%"},
                {"/..a/b..", "/..a/b..", ""}};
    for (size_t i = 0; i < sizeof GOOD / sizeof *GOOD; i++) {
        assert_int_equal(request_parse_target(request, GOOD[i].target), 0);
        assert_string_equal(request->path, GOOD[i].path);
        assert_string_equal(request->query, GOOD[i].query);
    }
}

static void target__that_could_be_read_in_two_ways_is_refused(void **state)
{
    (void)state;
    static const char *const BAD[] = {
        "",     "*",     "a",  "http://x/", "/%",   "/%0",   "/%0g", "/%00",      "/a?%00", "/%2f",          "/%2F",
        "/%5c", "/\\",   "/.", "/..",       "/./a", "/a/..", "/%2e", "/%2E%2e/a", "/.%2e",  "/%c0%ae",       "/%ff",
        "/a b", "/\xe4", "/#", "/a?#",      "/<",   "/\"",   "/%0a", "/%7f",      "/%1f",   "/%f4%90%80%80", "/\x7f",
        "/a?\t"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        if (request_parse_target(request, BAD[i]) != 400)
            fail_msg("%s was let in", BAD[i]);
        assert_string_equal(request->path, strncmp(BAD[i], "/a/", 3) ? "/" : "/a/"); /* what the refusal's page sees */
    }
    assert_int_equal(request_parse_target(request, "/api/v1/%00?x"), 400);
    assert_string_equal(request->path, "/api/");
}

static void target__has_a_greatest_length(void **state)
{
    (void)state;
    char target[TARGET_MAX + 2];
    memset(target, 'a', sizeof target);
    target[0] = '/';
    target[TARGET_MAX] = '\0';
    assert_int_equal(request_parse_target(request, target), 0);
    target[TARGET_MAX] = 'a';
    target[TARGET_MAX + 1] = '\0';
    assert_int_equal(request_parse_target(request, target), 414);
}

static void query__is_decoded(void **state)
{
    (void)state;
    request->query = "a=1&b=x+y%2Bz&empty=&bare&%C3%A4=%E5%90%8D&a=2&amp;c=3&=nameless";
    assert_string_equal(request_query(request, "a"), "1");
    assert_string_equal(request_query(request, "b"), "x y+z");
    assert_string_equal(request_query(request, "empty"), "");
    assert_string_equal(request_query(request, "bare"), "");
    assert_string_equal(request_query(request, "\xc3\xa4"), "\xe5\x90\x8d");
    assert_null(request_query(request, "c"));
    assert_null(request_query(request, "absent"));
    assert_string_equal(request_query(request, ""), "nameless");
}

static void query__that_is_malformed_says_nothing(void **state)
{
    (void)state;
    static const char *const BAD[] = {"a=%", "a=%4", "a=%4g", "a=%00", "a=%ff", "a=%c0%80", "a=%ed%a0%80", "a=\xff"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        request->query = BAD[i];
        assert_null(request_query(request, "a"));
    }
}

static void form__gives_the_nth_field_of_a_name(void **state)
{
    (void)state;
    static const char BODY[] = "phones=1&name=J%C3%B6rg&phones=2&phones%5B%5D=3&phones=";
    give_body(BODY, sizeof BODY - 1);
    assert_string_equal(request_form(request, "name"), "J\xc3\xb6rg");
    assert_string_equal(request_form_nth(request, "phones", 0), "1");
    assert_string_equal(request_form_nth(request, "phones", 1), "2");
    assert_string_equal(request_form_nth(request, "phones", 2), "");
    assert_null(request_form_nth(request, "phones", 3));
    assert_null(request_form_nth(request, "phones", -1));
    assert_string_equal(request_form(request, "phones[]"), "3");
}

static void form__with_a_nul_says_nothing(void **state)
{
    (void)state;
    static const char BODY[] = "a=x\0y&b=1";
    give_body(BODY, sizeof BODY - 1);
    assert_null(request_form(request, "a"));
    assert_string_equal(request_form(request, "b"), "1");
}

static void form__of_many_fields_is_noticed(void **state)
{
    (void)state;
    char body[200];
    memset(body, '&', sizeof body);
    give_body(body, FORM_FIELDS_MAX - 1);
    assert_false(request_has_too_many_fields(request));
    give_body(body, FORM_FIELDS_MAX);
    assert_true(request_has_too_many_fields(request));
}

static void cookie__is_found_among_others(void **state)
{
    (void)state;
    give_header("cookie", "a=1; __Host-sid=abc-_123; b=\"quoted\"; sid=no;c=2 ; d=");
    give_header("Cookie", "later=yes; a=second");
    assert_string_equal(request_cookie(request, "__Host-sid"), "abc-_123");
    assert_string_equal(request_cookie(request, "a"), "1");
    assert_string_equal(request_cookie(request, "b"), "quoted");
    assert_string_equal(request_cookie(request, "c"), "2");
    assert_string_equal(request_cookie(request, "d"), "");
    assert_string_equal(request_cookie(request, "later"), "yes");
    assert_null(request_cookie(request, "Host-sid"));
    assert_null(request_cookie(request, "A"));
}

static void cookie__that_is_malformed_says_nothing(void **state)
{
    (void)state;
    assert_null(request_cookie_in(&request->arena, "a=b c", "a"));
    assert_null(request_cookie_in(&request->arena, "a=\"b", "a"));
    assert_null(request_cookie_in(&request->arena, "a=b\\", "a"));
    assert_null(request_cookie_in(&request->arena, "a=\xc3\xa4", "a"));
    assert_null(request_cookie_in(&request->arena, "a", "a"));
    assert_null(request_cookie_in(&request->arena, ";;; ;", "a"));
}

static void header__is_found_in_any_case(void **state)
{
    (void)state;
    give_header("User-Agent", "first");
    give_header("user-agent", "second");
    assert_string_equal(request_header(request, "USER-AGENT"), "first");
    assert_null(request_header(request, "User"));
}

static void origin__must_be_ours(void **state)
{
    (void)state;
    static const char URL[] = "https://card.example.org/base";
    static const struct {
        const char *site, *origin;
        bool lax, strict;
        const char *referrer;
    } CASES[] = {{NULL, NULL, true, false, "https://card.example.org/c/X"},
                 {NULL, NULL, true, false, "https://card.example.org"},
                 {NULL, NULL, false, false, "https://evil.example/card.example.org/"},
                 {NULL, NULL, false, false, "https://card.example.org.evil/"},
                 {NULL, NULL, false, false, "https://card.example.org@evil/"},
                 {NULL, "https://card.example.org", true, true, "https://evil.example/"},
                 {"cross-site", NULL, false, false, "https://card.example.org/c/X"},
                 {"same-origin", NULL, true, true, NULL},
                 {"same-origin", "https://evil", true, true, NULL},
                 {"same-site", "https://card.example.org", false, false, NULL},
                 {"cross-site", NULL, false, false, NULL},
                 {"none", NULL, false, false, NULL},
                 {"", NULL, false, false, NULL},
                 {NULL, "https://card.example.org", true, true, NULL},
                 {NULL, "https://card.example.org.evil", false, false, NULL},
                 {NULL, "https://card.example.or", false, false, NULL},
                 {NULL, "http://card.example.org", false, false, NULL},
                 {NULL, "null", false, false, NULL},
                 {NULL, NULL, true, false, NULL}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        exchange.header_count = 0;
        if (CASES[i].site)
            give_header("Sec-Fetch-Site", CASES[i].site);
        if (CASES[i].origin)
            give_header("Origin", CASES[i].origin);
        if (CASES[i].referrer)
            give_header("Referer", CASES[i].referrer);
        assert_int_equal(request_is_same_origin(request, URL, false), CASES[i].lax);
        assert_int_equal(request_is_same_origin(request, URL, true), CASES[i].strict);
    }
}

/* ---- who is asking ---- */

static struct net_address address(const char *text)
{
    struct net_address out;
    assert_true(address_parse(text, strlen(text), &out));
    return out;
}

static void assert_client(const char *peer, const char *forwarded, const char *expected)
{
    char seen[INET6_ADDRSTRLEN];
    connection.peer = address(peer);
    exchange.header_count = 0;
    if (forwarded)
        give_header("X-Forwarded-For", forwarded);
    request_find_client(&exchange);
    struct net_address want = address(expected);
    inet_ntop(AF_INET6, request->client.bytes, seen, sizeof seen);
    if (memcmp(want.bytes, request->client.bytes, 16) != 0)
        fail_msg("from %s by \"%s\" came %s, not %s", peer, forwarded ? forwarded : "", seen, expected);
}

static void client__is_who_the_last_trusted_proxy_heard_from(void **state)
{
    (void)state;
    const char *why;
    assert_int_equal(address_list_parse("10.0.0.0/8, ::1,2001:db8::/32", &request->arena, &http.trusted_proxies, &why),
                     RESULT_OK);
    assert_client("203.0.113.9", "6.6.6.6", "203.0.113.9"); /* not a proxy of ours */
    assert_client("10.1.2.3", NULL, "10.1.2.3");
    assert_client("10.1.2.3", "198.51.100.7", "198.51.100.7");
    assert_client("10.1.2.3", "6.6.6.6, 198.51.100.7", "198.51.100.7");
    assert_client("10.1.2.3", "6.6.6.6, 198.51.100.7, 10.9.9.9 ", "198.51.100.7");
    assert_client("10.1.2.3", "6.6.6.6, nonsense, 10.9.9.9", "10.9.9.9");
    assert_client("10.1.2.3", "6.6.6.6,", "10.1.2.3");
    assert_client("10.1.2.3", "", "10.1.2.3");
    assert_client("10.1.2.3", "198.51.100.7:4711", "198.51.100.7");
    assert_client("::1", "[2001:470::1]:443", "2001:470::1");
    assert_client("::1", "2001:470::1", "2001:470::1");
    assert_client("::1", "fe80::1%eth0", "::1");
    assert_client("2001:db8:1::1", "10.0.0.1, 10.0.0.2", "10.0.0.1"); /* all ours: the first of them */
}

static void client__is_read_over_several_lines(void **state)
{
    (void)state;
    const char *why;
    assert_int_equal(address_list_parse("10.0.0.0/8", &request->arena, &http.trusted_proxies, &why), RESULT_OK);
    connection.peer = address("10.1.2.3");
    give_header("X-Forwarded-For", "6.6.6.6, 198.51.100.7");
    give_header("x-forwarded-for", "10.0.0.5");
    request_find_client(&exchange);
    struct net_address want = address("198.51.100.7");
    assert_memory_equal(want.bytes, request->client.bytes, 16);
}

static void client__behind_a_unix_socket_is_believed_if_asked(void **state)
{
    (void)state;
    connection.peer_is_unix = true;
    assert_client("::1", "198.51.100.7", "::1");
    http.options.unix_is_trusted = true;
    assert_client("::1", "6.6.6.6, 198.51.100.7", "198.51.100.7");
    connection.peer_is_unix = false;
}

static void proxies__are_addresses_and_blocks(void **state)
{
    (void)state;
    struct address_list list;
    const char *why = NULL;
    static const char *const BAD[] = {"x",           "10.0.0.0/33", "10.0.0/8",
                                      "::/129",      "10.0.0.0/",   "10.0.0.0/8,,::1",
                                      "10.0.0.0/08", "1.2.3.4/-1",  "::1%lo"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        why = NULL;
        if (address_list_parse(BAD[i], &request->arena, &list, &why) != RESULT_INVALID || !why)
            fail_msg("%s was let in", BAD[i]);
    }
    assert_int_equal(address_list_parse("", &request->arena, &list, &why), RESULT_OK);
    assert_int_equal(list.count, 0);
    assert_int_equal(address_list_parse("192.0.2.128/25,2001:db8::/33", &request->arena, &list, &why), RESULT_OK);
    assert_int_equal(list.count, 2);
    static const struct {
        const char *address;
        bool in;
    } CASES[] = {{"192.0.2.128", true},        {"192.0.2.255", true},      {"192.0.2.127", false},
                 {"::ffff:192.0.2.200", true}, {"2001:db8:7fff::1", true}, {"2001:db8:8000::1", false}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct net_address one = address(CASES[i].address);
        assert_int_equal(address_list_has(&list, &one), CASES[i].in);
    }
}

static void network__is_the_address_of_v4_and_half_of_v6(void **state)
{
    (void)state;
    struct net_address v4 = address("192.0.2.1"), v6 = address("2001:db8:1:2:3:4:5:6"),
                       half = address("2001:db8:1:2::");
    struct net_address of_v4 = address_network(&v4), of_v6 = address_network(&v6);
    assert_memory_equal(of_v4.bytes, v4.bytes, 16);
    assert_memory_equal(of_v6.bytes, half.bytes, 16);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(target__is_cut_into_path_and_query),
        TEST(target__that_could_be_read_in_two_ways_is_refused),
        TEST(target__has_a_greatest_length),
        TEST(query__is_decoded),
        TEST(query__that_is_malformed_says_nothing),
        TEST(form__gives_the_nth_field_of_a_name),
        TEST(form__with_a_nul_says_nothing),
        TEST(form__of_many_fields_is_noticed),
        TEST(cookie__is_found_among_others),
        TEST(cookie__that_is_malformed_says_nothing),
        TEST(header__is_found_in_any_case),
        TEST(origin__must_be_ours),
        TEST(client__is_who_the_last_trusted_proxy_heard_from),
        TEST(client__is_read_over_several_lines),
        TEST(client__behind_a_unix_socket_is_believed_if_asked),
        TEST(proxies__are_addresses_and_blocks),
        TEST(network__is_the_address_of_v4_and_half_of_v6),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
