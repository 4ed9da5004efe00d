/* The HTTP front as handlers and clients meet it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include "tests/server/http_fixture.h"

static struct site site;
static struct http *http;
static char reply[ANSWER_MAX];

static int start(void **state)
{
    (void)state;
    http = site_start(&site, NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    site_stop(&site, http);
    return 0;
}

static const char *ask_on(int fd, const char *request)
{
    client_send(fd, request, strlen(request));
    client_read_one(fd, reply, sizeof reply, strncmp(request, "HEAD", 4) == 0);
    return reply;
}

static const char *ask(const char *request)
{
    int fd = client_connect(http_port(http));
    ask_on(fd, request);
    close(fd);
    return reply;
}

#define GET(path) ask("GET " path " HTTP/1.1\r\nHost: x\r\n\r\n")

static void http__answers_on_one_connection_many_times(void **state)
{
    (void)state;
    int fd = client_connect(http_port(http));
    for (int i = 0; i < 50; i++) {
        ask_on(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_int_equal(status_of(reply), 200);
        assert_string_equal(body_of(reply), "hello");
    }
    close(fd);
}

/* Eight pictures of eight megabytes each are promised and never sent: a ninth would be too much, a form is not, and when one
 * of the eight goes away there is room again. */
static void http__bounds_the_bodies_of_all_strangers_together(void **state)
{
    (void)state;
    static const char PICTURE[] = "POST /picture HTTP/1.1\r\nHost: x\r\nContent-Length: 8388608\r\n\r\nbegins";
    int patient[8];
    for (int i = 0; i < 8; i++) {
        patient[i] = client_connect(http_port(http));
        client_send(patient[i], PICTURE, sizeof PICTURE - 1);
    }
    nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    assert_int_equal(status_of(ask(PICTURE)), 503);
    assert_int_equal(
        status_of(ask("POST /form HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi")),
        200);
    close(patient[0]);
    nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    int fd = client_connect(http_port(http));
    client_send(fd, PICTURE, sizeof PICTURE - 1);
    assert_false(client_read(fd, reply, sizeof reply, 200)); /* it is being listened to */
    assert_string_equal(reply, "");
    close(fd);
    for (int i = 1; i < 8; i++)
        close(patient[i]);
}

static void http__puts_the_security_headers_on_every_reply(void **state)
{
    (void)state;
    const char *asked[] = {"/", "/ready", "/mould", "/nothing", "/busy", "/%00"};
    const char *expected[] = {"\r\nX-Content-Type-Options: nosniff\r\n",
                              "\r\nContent-Security-Policy: default-src 'none'",
                              "frame-ancestors 'none'",
                              "\r\nReferrer-Policy: same-origin\r\n",
                              "\r\nCross-Origin-Opener-Policy: same-origin\r\n",
                              "\r\nPermissions-Policy: camera=()",
                              "\r\nCross-Origin-Resource-Policy: same-origin\r\n",
                              "\r\nCache-Control: "};
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        char request[200];
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", asked[i]);
        ask(request);
        for (size_t j = 0; j < sizeof expected / sizeof *expected; j++)
            if (!strstr(reply, expected[j]))
                fail_msg("%s lacks %s in\n%s", asked[i], expected[j], reply);
        assert_null(strstr(reply, "Server:"));
        assert_null(strstr(reply, "Strict-Transport-Security"));
    }
}

static void http__asks_for_https_only_where_it_is(void **state)
{
    (void)state;
    static struct site other;
    const char *asked[] = {"/", "/ready", "/mould", "/nothing"};
    struct http *secure = site_start(&other, &(struct http_options){.is_https = true});
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        char request[200];
        int fd = client_connect(http_port(secure));
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", asked[i]);
        ask_on(fd, request);
        close(fd);
        assert_non_null(strstr(reply, "\r\nStrict-Transport-Security: max-age=63072000; includeSubDomains\r\n"));
    }
    site_stop(&other, secure);
}

static void http__hands_over_a_form(void **state)
{
    (void)state;
    ask("POST /form HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 25\r\n\r\n"
        "other=1&name=J%C3%B6rg+M.");
    assert_int_equal(status_of(reply), 200);
    assert_string_equal(body_of(reply), "J\xc3\xb6rg M.");
}

static void http__knows_the_methods_of_an_address(void **state)
{
    (void)state;
    ask("DELETE / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(status_of(reply), 405);
    assert_non_null(strstr(reply, "\r\nAllow: GET, HEAD\r\n"));
    assert_string_equal(body_of(reply), "refused: That cannot be done here.\n");
    assert_int_equal(status_of(GET("/nothing")), 404);
}

static void http__keeps_the_connection_after_404(void **state)
{
    (void)state;
    int fd = client_connect(http_port(http));
    assert_int_equal(status_of(ask_on(fd, "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")), 404);
    assert_int_equal(status_of(ask_on(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")), 200);
    close(fd);
}

static void http__head_has_the_length_and_no_body(void **state)
{
    (void)state;
    const char *asked[] = {"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", "HEAD /mould HTTP/1.1\r\nHost: x\r\n\r\n",
                           "HEAD /ready HTTP/1.1\r\nHost: x\r\n\r\n"};
    const char *lengths[] = {"\r\nContent-Length: 5\r\n", "\r\nContent-Length: 20\r\n", "\r\nContent-Length: 11\r\n"};
    for (int i = 0; i < 3; i++) {
        int fd = client_connect(http_port(http));
        client_send(fd, asked[i], strlen(asked[i]));
        assert_false(client_read(fd, reply, sizeof reply, 100));
        assert_int_equal(status_of(reply), 200);
        assert_non_null(strstr(reply, lengths[i]));
        assert_string_equal(body_of(reply), "");
        close(fd);
    }
}

static void http__head_tells_the_pages_of_a_place_apart(void **state)
{
    static const struct {
        const char *asked, *length, *type;
        bool marked;
    } CASES[] = {
        {"HEAD /mould HTTP/1.1\r\nHost: x\r\n\r\n", "\r\nContent-Length: 20\r\n", "\r\nContent-Type: text/plain\r\n",
         false},
        {"HEAD /mould?longer HTTP/1.1\r\nHost: x\r\n\r\n", "\r\nContent-Length: 276\r\n",
         "\r\nContent-Type: text/html\r\n", false},
        {"HEAD /mould?marked HTTP/1.1\r\nHost: x\r\n\r\n", "\r\nContent-Length: 20\r\n",
         "\r\nContent-Type: text/plain\r\n", true},
    };
    (void)state;
    int fd = client_connect(http_port(http));
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 6; i++) {
            client_send(fd, CASES[i % 3].asked, strlen(CASES[i % 3].asked));
            do
                assert_false(client_read(fd, reply, sizeof reply, 50));
            while (!*reply);
            assert_int_equal(status_of(reply), 200);
            assert_non_null(strstr(reply, CASES[i % 3].length));
            assert_non_null(strstr(reply, CASES[i % 3].type));
            assert_int_equal(strstr(reply, "\r\nX-Hit: unrecorded\r\n") != NULL, CASES[i % 3].marked);
            assert_string_equal(body_of(reply), "");
            if (round == 2)
                usleep(400000); /* asked for too seldom to keep the place */
        }
    }
    close(fd);
}

static void http__answers_304_to_its_own_etag(void **state)
{
    (void)state;
    GET("/ready");
    char etag[100] = "", request[400];
    assert_int_equal(sscanf(strstr(reply, "\r\nETag: "), "\r\nETag: %99s", etag), 1);
    const char *forms[] = {"%s", "W/%s", "\"other\", %s", "*"};
    for (int i = 0; i < 4; i++) {
        char list[200];
        snprintf(list, sizeof list, forms[i], etag);
        snprintf(request, sizeof request, "GET /ready HTTP/1.1\r\nHost: x\r\nIf-None-Match: %s\r\n\r\n", list);
        int fd = client_connect(http_port(http));
        client_send(fd, request, strlen(request));
        assert_false(client_read(fd, reply, sizeof reply, 100));
        assert_int_equal(status_of(reply), 304);
        assert_string_equal(body_of(reply), "");
        assert_non_null(strstr(reply, etag));
        assert_int_equal(status_of(ask_on(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")), 200);
        close(fd);
    }
    assert_int_equal(status_of(ask("GET /ready HTTP/1.1\r\nHost: x\r\nIf-None-Match: \"no\"\r\n\r\n")), 200);
}

/* The one Date of REPLY; NULL when there is none or another. */
static const char *date_of(const char *text)
{
    const char *date = strstr(text, "\r\nDate: ");
    return date && !strstr(date + 1, "\r\nDate: ") ? date + strlen("\r\nDate: ") : NULL;
}

static void http__dates_a_page_that_it_keeps_anew(void **state)
{
    static const char *const ASKED[] = {"GET /mould HTTP/1.1\r\nHost: x\r\n\r\n",
                                        "HEAD /mould HTTP/1.1\r\nHost: x\r\n\r\n"};
    struct tm parts;
    (void)state;
    for (int i = 0; i < 4; i++) { /* the second time of each a second and more after the first */
        time_t before = time(NULL);
        const char *date = date_of(ask(ASKED[i % 2])),
                   *end = date ? strptime(date, "%a, %d %b %Y %T GMT", &parts) : NULL;
        assert_non_null(end);
        assert_memory_equal(end, "\r\n", 2);
        time_t said = timegm(&parts);
        assert_true(said >= before && said <= time(NULL));
        if (i == 1)
            usleep(1100000);
    }
}

static void http__fills_the_holes_of_a_mould_anew(void **state)
{
    (void)state;
    assert_string_equal(body_of(GET("/mould?hole=Johann")), "Dear Johann, welcome");
    assert_string_equal(body_of(GET("/mould?hole=Regine")), "Dear Regine, welcome");
    assert_non_null(strstr(reply, "\r\nContent-Length: 20\r\n"));
}

static void http__lets_others_finish_a_request(void **state)
{
    (void)state;
    int fd = client_connect(http_port(http));
    for (int i = 0; i < 5; i++) {
        assert_string_equal(body_of(ask_on(fd, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")), "waited");
        assert_string_equal(body_of(ask_on(fd, "GET /worker HTTP/1.1\r\nHost: x\r\n\r\n")), "worked");
        assert_string_equal(body_of(ask_on(fd, "GET /defer HTTP/1.1\r\nHost: x\r\n\r\n")), "deferred");
    }
    close(fd);
}

static void http__redirects_with_a_cookie(void **state)
{
    (void)state;
    GET("/see");
    assert_int_equal(status_of(reply), 303);
    assert_non_null(strstr(reply, "\r\nLocation: /form?x=1\r\n"));
    assert_non_null(
        strstr(reply, "\r\nSet-Cookie: __Host-sid=abc; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=60\r\n"));
}

static void http__says_when_to_come_again(void **state)
{
    (void)state;
    GET("/busy");
    assert_int_equal(status_of(reply), 429);
    assert_non_null(strstr(reply, "\r\nRetry-After: 10\r\n"));
}

static void http__answers_500_when_a_handler_says_nothing(void **state)
{
    (void)state;
    assert_int_equal(status_of(GET("/silent")), 500);
}

static void http__refuses_a_large_body_unread(void **state)
{
    (void)state;
    int fd = client_connect(http_port(http));
    const char *request = "POST /form HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 1001\r\n\r\n";
    client_send(fd, request, strlen(request));
    assert_true(client_read(fd, reply, sizeof reply, 1000)); /* not a byte of the body was sent */
    assert_int_equal(status_of(reply), 413);
    close(fd);
}

static void http__a_refusal_reaches_a_client_that_is_still_sending(void **state)
{
    (void)state;
    static char body[3 << 20];
    int fd = client_connect(http_port(http));
    memset(body, 'x', sizeof body);
    const char *request =
        "POST /form HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 3145728\r\n\r\n";
    client_send(fd, request, strlen(request));
    client_send(fd, body, sizeof body);
    assert_true(client_read(fd, reply, sizeof reply, 1000));
    assert_int_equal(status_of(reply), 413);
    close(fd);
}

static void http__asks_for_the_body_that_waits_to_be_asked_for(void **state)
{
    (void)state;
    int fd = client_connect(http_port(http));
    const char *request = "POST /form HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n"
                          "Expect: 100-continue\r\n\r\n";
    client_send(fd, request, strlen(request));
    client_read(fd, reply, sizeof reply, 200);
    assert_string_equal(reply, "HTTP/1.1 100 Continue\r\n\r\n");
    ask_on(fd, "abcd");
    assert_string_equal(body_of(reply), "4 bytes");
    close(fd);
    ask("POST /form HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 2000\r\nExpect: 100-continue\r\n\r\n");
    assert_int_equal(status_of(reply), 413);
    ask("POST /form HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 4\r\nExpect: tea\r\n\r\n");
    assert_int_equal(status_of(reply), 417);
}

static void http__refuses_what_it_does_not_understand(void **state)
{
    (void)state;
    ask("POST /form HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 4\r\n\r\nabcd");
    assert_int_equal(status_of(reply), 415);
    ask("POST /form HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nabcd");
    assert_int_equal(status_of(reply), 415);
    ask("POST /form HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain;charset=utf-8\r\nContent-Length: 4\r\n\r\nabcd");
    assert_int_equal(status_of(reply), 200);
}

static void http__refuses_a_form_of_too_many_fields(void **state)
{
    (void)state;
    char body[3 * FORM_FIELDS_MAX + 1] = "", request[sizeof body + 300];
    for (int i = 0; i < FORM_FIELDS_MAX; i++)
        strcat(body, "a=&");
    snprintf(request, sizeof request,
             "POST /form HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             strlen(body), body);
    assert_int_equal(status_of(ask(request)), 413);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(http__answers_on_one_connection_many_times),
        cmocka_unit_test(http__bounds_the_bodies_of_all_strangers_together),
        cmocka_unit_test(http__puts_the_security_headers_on_every_reply),
        cmocka_unit_test(http__asks_for_https_only_where_it_is),
        cmocka_unit_test(http__hands_over_a_form),
        cmocka_unit_test(http__knows_the_methods_of_an_address),
        cmocka_unit_test(http__keeps_the_connection_after_404),
        cmocka_unit_test(http__head_has_the_length_and_no_body),
        cmocka_unit_test(http__head_tells_the_pages_of_a_place_apart),
        cmocka_unit_test(http__answers_304_to_its_own_etag),
        cmocka_unit_test(http__dates_a_page_that_it_keeps_anew),
        cmocka_unit_test(http__fills_the_holes_of_a_mould_anew),
        cmocka_unit_test(http__lets_others_finish_a_request),
        cmocka_unit_test(http__redirects_with_a_cookie),
        cmocka_unit_test(http__says_when_to_come_again),
        cmocka_unit_test(http__answers_500_when_a_handler_says_nothing),
        cmocka_unit_test(http__refuses_a_large_body_unread),
        cmocka_unit_test(http__a_refusal_reaches_a_client_that_is_still_sending),
        cmocka_unit_test(http__asks_for_the_body_that_waits_to_be_asked_for),
        cmocka_unit_test(http__refuses_what_it_does_not_understand),
        cmocka_unit_test(http__refuses_a_form_of_too_many_fields),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
