/* Bytes that no browser sends. Each line of the table says what must come back: the status, whether the connection is then
 * closed, and, for all of them, that bytes smuggled behind the request are never taken for a second one (its handler would
 * count). The library passes most of these on; the gate does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/server/http_fixture.h"

#define EVIL "GET /evil HTTP/1.1\r\nHost: x\r\n\r\n"
#define BYTES(text) (text), sizeof(text) - 1

enum after {
    STAYS,
    CLOSES,
    BY_LIBRARY /* closes too: it refuses before we see the request, and sends its header twice */
};

static const struct raw_case {
    const char *name;
    const char *bytes;
    size_t len;
    int status; /* of the first reply; 0: closed without a word, or refused */
    enum after after;
} CASES[] = {
    /* where does the request end? (RFC 9112 6) */
    {"Content-Length and Transfer-Encoding",
     BYTES(
         "POST /form HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
         "0\r\n\r\n" EVIL),
     400, CLOSES},
    {"Transfer-Encoding before Content-Length",
     BYTES("POST /form HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" EVIL),
     400, CLOSES},
    {"chunked alone", BYTES("POST /form HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" EVIL), 411,
     CLOSES},
    {"a bad chunk", BYTES("POST /form HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" EVIL), 411,
     CLOSES},
    {"an unknown coding", BYTES("POST /form HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n" EVIL), 411,
     CLOSES},
    {"two codings", BYTES("POST /form HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n" EVIL), 411,
     CLOSES},
    {"a coding over HTTP/1.0",
     BYTES("POST /form HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" EVIL), 411, CLOSES},
    {"two lengths that differ",
     BYTES(
         "POST /form HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\n" EVIL),
     400, CLOSES},
    {"two lengths that agree",
     BYTES(
         "POST /form HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n" EVIL),
     400, CLOSES},
    {"a list of lengths", BYTES("POST /form HTTP/1.1\r\nHost: x\r\nContent-Length: 4, 4\r\n\r\nabcd" EVIL), 400,
     BY_LIBRARY},
    {"a space before the colon", BYTES("POST /form HTTP/1.1\r\nHost: x\r\nContent-Length : 31\r\n\r\n" EVIL), 400,
     CLOSES},
    {"a tab before the colon", BYTES("POST /form HTTP/1.1\r\nHost: x\r\nContent-Length\t: 31\r\n\r\n" EVIL), 400,
     CLOSES},
    {"a negative length", BYTES("POST /form HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n" EVIL), 400, BY_LIBRARY},
    {"a signed length", BYTES("POST /form HTTP/1.1\r\nHost: x\r\nContent-Length: +4\r\n\r\nabcd" EVIL), 400,
     BY_LIBRARY},
    {"a hexadecimal length", BYTES("POST /form HTTP/1.1\r\nHost: x\r\nContent-Length: 0x4\r\n\r\nabcd" EVIL), 400,
     BY_LIBRARY},
    {"an empty length", BYTES("POST /form HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n" EVIL), 400, BY_LIBRARY},
    {"a length beyond 64 bits",
     BYTES("POST /form HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n" EVIL), 413, BY_LIBRARY},
    {"a large length",
     BYTES("POST /form HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 999999999999999999\r\n\r\n"),
     413, CLOSES},
    {"a body where none is taken", BYTES("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 31\r\n\r\n" EVIL), 413, CLOSES},

    /* where does a line end? (RFC 9112 2.2, 5.2) */
    {"a bare LF after the request line", BYTES("GET / HTTP/1.1\nHost: x\r\nX: y\r\n\r\n"), 400, CLOSES},
    {"a bare LF between headers", BYTES("GET / HTTP/1.1\r\nHost: x\nX: y\r\n\r\n"), 400, CLOSES},
    {"a bare LF after the last header", BYTES("GET / HTTP/1.1\r\nHost: x\n\r\n" EVIL), 400, CLOSES},
    {"bare LFs alone", BYTES("GET / HTTP/1.1\nHost: x\n\n" EVIL), 400, CLOSES},
    {"a bare CR in a value", BYTES("GET / HTTP/1.1\r\nHost: x\r\nX: a\rY: b\r\n\r\n"), 400, CLOSES},
    {"a bare CR that hides a length", BYTES("POST /form HTTP/1.1\r\nHost: x\r\nX: a\rContent-Length: 31\r\n\r\n" EVIL),
     400, CLOSES},
    {"a header folded over two lines",
     BYTES("GET /client HTTP/1.1\r\nHost: x\r\nX-Forwarded-F: 6.6.6.6\r\n or\r\nY: z\r\n\r\n"), 400, CLOSES},
    {"the last header folded", BYTES("GET /client HTTP/1.1\r\nHost: x\r\nX-Forwarded-F: 6.6.6.6\r\n or\r\n\r\n"), 400,
     CLOSES},
    {"a first line that is a fold", BYTES("GET / HTTP/1.1\r\n X: y\r\nHost: x\r\n\r\n"), 400, CLOSES},
    {"a NUL in a value", BYTES("GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\nY: z\r\n\r\n"), 400, CLOSES},
    {"a NUL in the last value", BYTES("GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n"), 400, CLOSES},
    {"a NUL in a name", BYTES("GET / HTTP/1.1\r\nHost: x\r\nX\0Y: a\r\n\r\n"), 400, CLOSES},
    {"a line without a colon", BYTES("GET / HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n" EVIL), 400, CLOSES},

    /* what is a header? (RFC 9110 5.1, 5.5) */
    {"a control character in a name", BYTES("GET / HTTP/1.1\r\nHost: x\r\nX\1: a\r\n\r\n"), 400, CLOSES},
    {"a name that is no token", BYTES("GET / HTTP/1.1\r\nHost: x\r\nX(y): a\r\n\r\n"), 400, CLOSES},
    {"a name of other letters", BYTES("GET / HTTP/1.1\r\nHost: x\r\nX\xc3\xa4: a\r\n\r\n"), 400, CLOSES},
    {"an empty name", BYTES("GET / HTTP/1.1\r\nHost: x\r\n: a\r\n\r\n"), 400, CLOSES},
    {"a control character in a value", BYTES("GET / HTTP/1.1\r\nHost: x\r\nX: a\x1b[0m\r\n\r\n"), 400, CLOSES},
    {"an expectation nobody has heard of", BYTES("GET / HTTP/1.1\r\nHost: x\r\nExpect: tea\r\n\r\n"), 417, CLOSES},

    /* who is meant? (RFC 9112 3.2) */
    {"no Host", BYTES("GET / HTTP/1.1\r\nX: y\r\n\r\n"), 400, CLOSES},
    {"no headers at all", BYTES("GET / HTTP/1.1\r\n\r\n"), 400, CLOSES},
    {"an empty Host", BYTES("GET / HTTP/1.1\r\nHost:\r\n\r\n"), 400, CLOSES},
    {"two Hosts", BYTES("GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"), 400, CLOSES},
    {"the same Host twice", BYTES("GET / HTTP/1.1\r\nHost: x\r\nhost: x\r\n\r\n"), 400, CLOSES},
    {"a Host with a path", BYTES("GET / HTTP/1.1\r\nHost: x/y\r\n\r\n"), 400, CLOSES},
    {"a Host with a user", BYTES("GET / HTTP/1.1\r\nHost: a@x\r\n\r\n"), 400, CLOSES},
    {"no Host over HTTP/1.0", BYTES("GET / HTTP/1.0\r\n\r\n"), 200, CLOSES},

    /* what is asked for? (RFC 9112 3) */
    {"absolute-form", BYTES("GET http://evil/x HTTP/1.1\r\nHost: x\r\n\r\n"), 400, CLOSES},
    {"authority-form", BYTES("CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n"), 400, CLOSES},
    {"asterisk-form", BYTES("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"), 400, CLOSES},
    {"no slash", BYTES("GET x HTTP/1.1\r\nHost: x\r\n\r\n"), 400, CLOSES},
    {"a space in the target", BYTES("GET /a b HTTP/1.1\r\nHost: x\r\n\r\n"), 400, CLOSES},
    {"two spaces before the target", BYTES("GET  / HTTP/1.1\r\nHost: x\r\n\r\n"), 400, CLOSES},
    {"two spaces after the target", BYTES("GET /  HTTP/1.1\r\nHost: x\r\n\r\n"), 400, CLOSES},
    {"a tab for a space", BYTES("GET\t/\tHTTP/1.1\r\nHost: x\r\n\r\n"), 0, CLOSES},
    {"a NUL in the target", BYTES("GET /\0x HTTP/1.1\r\nHost: x\r\n\r\n"), 400, CLOSES},
    {"a raw byte above ASCII", BYTES("GET /\xc3\xa4 HTTP/1.1\r\nHost: x\r\n\r\n"), 400, CLOSES},
    {"a fragment", BYTES("GET /#x HTTP/1.1\r\nHost: x\r\n\r\n"), 400, CLOSES},
    {"an escaped NUL", BYTES("GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n"), 400, CLOSES},
    {"an escaped NUL in the query", BYTES("GET /?a=%00 HTTP/1.1\r\nHost: x\r\n\r\n"), 400, CLOSES},
    {"an escaped slash", BYTES("GET /a%2fb HTTP/1.1\r\nHost: x\r\n\r\n"), 400, CLOSES},
    {"an escaped backslash", BYTES("GET /a%5Cb HTTP/1.1\r\nHost: x\r\n\r\n"), 400, CLOSES},
    {"a backslash", BYTES("GET /a\\b HTTP/1.1\r\nHost: x\r\n\r\n"), 400, CLOSES},
    {"an escaped line break", BYTES("GET /a%0d%0aX:y HTTP/1.1\r\nHost: x\r\n\r\n"), 400, CLOSES},
    {"a broken escape", BYTES("GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n"), 400, CLOSES},
    {"half an escape", BYTES("GET /%4 HTTP/1.1\r\nHost: x\r\n\r\n"), 400, CLOSES},
    {"dot segments", BYTES("GET /a/../evil HTTP/1.1\r\nHost: x\r\n\r\n"), 400, CLOSES},
    {"escaped dot segments", BYTES("GET /a/%2e%2E/evil HTTP/1.1\r\nHost: x\r\n\r\n"), 400, CLOSES},
    {"a dot segment at the end", BYTES("GET /a/. HTTP/1.1\r\nHost: x\r\n\r\n"), 400, CLOSES},
    {"overlong UTF-8", BYTES("GET /%c0%ae%c0%ae/ HTTP/1.1\r\nHost: x\r\n\r\n"), 400, CLOSES},
    {"bytes that are not UTF-8", BYTES("GET /%ff HTTP/1.1\r\nHost: x\r\n\r\n"), 400, CLOSES},
    {"a surrogate", BYTES("GET /%ed%a0%80 HTTP/1.1\r\nHost: x\r\n\r\n"), 400, CLOSES},

    /* which method, which version? */
    {"TRACE", BYTES("TRACE / HTTP/1.1\r\nHost: x\r\nCookie: secret=1\r\n\r\n"), 405, CLOSES},
    {"a method in small letters", BYTES("get / HTTP/1.1\r\nHost: x\r\n\r\n"), 405, CLOSES},
    {"a method nobody knows", BYTES("BREW / HTTP/1.1\r\nHost: x\r\n\r\n" EVIL), 405, CLOSES},
    {"a method that is no token", BYTES("G(T / HTTP/1.1\r\nHost: x\r\n\r\n"), 400, CLOSES},
    {"HTTP/1.9", BYTES("GET / HTTP/1.9\r\nHost: x\r\n\r\n"), 505, CLOSES},
    {"HTTP/1.10", BYTES("GET / HTTP/1.10\r\nHost: x\r\n\r\n"), 400, CLOSES},
    {"HTTP/3.0", BYTES("GET / HTTP/3.0\r\nHost: x\r\n\r\n"), 505, CLOSES},
    {"the preface of HTTP/2", BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505, CLOSES},
    {"HTTP/0.9", BYTES("GET /\r\n\r\n"), 0, CLOSES},
    {"another protocol", BYTES("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"), 0, CLOSES},

    /* what must go on working */
    {"a plain request", BYTES("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 200, STAYS},
    {"an empty line before the request", BYTES("\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"), 200, STAYS},
    {"spaces around a value", BYTES("GET / HTTP/1.1\r\nHost:  x\r\nX: y \t\r\nZ:\r\n\r\n"), 200, STAYS},
    {"an address of IPv6", BYTES("GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n"), 200, STAYS},
    {"escapes in the query", BYTES("GET /?a=%20%C3%A4+b&c=100% HTTP/1.1\r\nHost: x\r\n\r\n"), 200, STAYS},
    {"Connection: close", BYTES("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" EVIL), 200, CLOSES},
};

static struct site site;
static char reply[ANSWER_MAX];

static void check(const struct raw_case *c, int fd, int evil_before)
{
    bool closed = client_read(fd, reply, sizeof reply, c->after == STAYS ? 60 : 1500);
    if (status_of(reply) != c->status && !(c->status == 0 && status_of(reply) >= 400))
        fail_msg("%s: status %d, not %d:\n%s", c->name, status_of(reply), c->status, reply);
    if (closed != (c->after != STAYS))
        fail_msg("%s: the connection is %s", c->name, closed ? "closed" : "open");
    if (count_replies(reply) > 1 && c->after != BY_LIBRARY)
        fail_msg("%s: more than one reply:\n%s", c->name, reply);
    if (atomic_load(&site.evil) != evil_before)
        fail_msg("%s: a smuggled request was served", c->name);
}

static void send_slowly(int fd, const struct raw_case *c)
{
    for (size_t i = 0; i < c->len; i++) {
        client_send(fd, c->bytes + i, 1);
        if (i % 8 == 0)
            nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
}

static void raw_socket__is_answered_as_the_table_says(void **state)
{
    (void)state;
    struct http *http = site_start(&site, NULL);
    assert_true(sizeof CASES / sizeof *CASES >= 29);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        int fd = client_connect(http_port(http));
        client_send(fd, CASES[i].bytes, CASES[i].len);
        check(&CASES[i], fd, atomic_load(&site.evil));
        close(fd);
    }
    site_stop(&site, http);
}

/* Where the pieces of a request fall must not change what it means. */
static void raw_socket__is_answered_the_same_byte_by_byte(void **state)
{
    (void)state;
    struct http *http = site_start(&site, NULL);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        int fd = client_connect(http_port(http));
        send_slowly(fd, &CASES[i]);
        check(&CASES[i], fd, atomic_load(&site.evil));
        close(fd);
    }
    site_stop(&site, http);
}

/* After a good request on the same connection: the library's buffer is then used, not fresh. */
static void raw_socket__is_answered_the_same_as_a_second_request(void **state)
{
    (void)state;
    static const char FIRST[] =
        "POST /form HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nabcd";
    struct http *http = site_start(&site, NULL);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        int fd = client_connect(http_port(http));
        client_send(fd, FIRST, sizeof FIRST - 1);
        client_read_one(fd, reply, sizeof reply, false);
        assert_int_equal(status_of(reply), 200);
        client_send(fd, CASES[i].bytes, CASES[i].len);
        check(&CASES[i], fd, atomic_load(&site.evil));
        close(fd);
    }
    site_stop(&site, http);
}

/* The control: the same bytes as an honest second request are served, so "never served" above means something. */
static void raw_socket__serves_pipelined_requests(void **state)
{
    (void)state;
    static const char TWO[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n" EVIL;
    struct http *http = site_start(&site, NULL);
    int fd = client_connect(http_port(http));
    client_send(fd, TWO, sizeof TWO - 1);
    assert_false(client_read(fd, reply, sizeof reply, 100));
    assert_int_equal(count_replies(reply), 2);
    assert_int_equal(atomic_load(&site.evil), 1);
    close(fd);
    site_stop(&site, http);
}

/* A browser's request whose query (HEADER NULL) or whose extra HEADER has LEN bytes more. */
static int status_for(int port, const char *header, size_t len)
{
    static char request[70000];
    static const char BROWSER[] =
        " HTTP/1.1\r\nHost: card.example.org\r\nUser-Agent: Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like "
        "Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1\r\n"
        "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
        "Accept-Language: de-DE,de;q=0.9\r\nAccept-Encoding: gzip, deflate, br\r\n"
        "Sec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: none\r\n"
        "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\nConnection: close\r\n";
    char *at = stpcpy(request, header ? "GET /" : "GET /?");
    if (!header)
        at = (char *)memset(at, 'a', len) + len;
    at = stpcpy(at, BROWSER);
    if (header) {
        at = stpcpy(at, header);
        at = stpcpy((char *)memset(at, 'a', len) + len, "\r\n");
    }
    at = stpcpy(at, "\r\n");
    int fd = client_connect(port);
    client_send(fd, request, (size_t)(at - request));
    client_read(fd, reply, sizeof reply, 3000);
    close(fd);
    return status_of(reply);
}

/* Up to a point the words are ours; a header that does not fit in the library's memory it refuses itself or hangs up on. */
static void raw_socket__refuses_what_is_too_long(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t fits, ours_until;
        int status;
    } LIMITS[] = {
        {NULL, TARGET_MAX - 2, 4000, 414}, {"Cookie: a=", COOKIES_MAX - 2, 2000, 431}, {"X: ", 3000, 4400, 431}};
    struct http *http = site_start(&site, &(struct http_options){.header_ms = 400});
    int port = http_port(http);
    for (size_t i = 0; i < sizeof LIMITS / sizeof *LIMITS; i++) {
        const size_t lens[] = {1,
                               LIMITS[i].fits / 2,
                               LIMITS[i].fits,
                               LIMITS[i].fits + 1,
                               LIMITS[i].ours_until,
                               6000,
                               7000,
                               7600,
                               8000,
                               8192,
                               8400,
                               16000,
                               60000};
        for (size_t j = 0; j < sizeof lens / sizeof *lens; j++) {
            int status = status_for(port, LIMITS[i].header, lens[j]);
            bool ours = strstr(reply, "refused: ") != NULL;
            bool right = lens[j] <= LIMITS[i].fits ? status == 200
                         : lens[j] <= LIMITS[i].ours_until
                             ? (status == LIMITS[i].status && ours) || (i == 2 && status == 200)
                             : status == 414 || status == 431 || status == 0;
            if (!right)
                fail_msg("%s of %zu bytes: %d, %s", LIMITS[i].header ? LIMITS[i].header : "a target", lens[j], status,
                         ours ? "ours" : "not ours");
        }
    }
    site_stop(&site, http);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raw_socket__is_answered_as_the_table_says),
        cmocka_unit_test(raw_socket__is_answered_the_same_byte_by_byte),
        cmocka_unit_test(raw_socket__is_answered_the_same_as_a_second_request),
        cmocka_unit_test(raw_socket__serves_pipelined_requests),
        cmocka_unit_test(raw_socket__refuses_what_is_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
