/* Where the server listens, and what it says to the service manager. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include "server/http/exchange.h"
#include "server/http/systemd.h"
#include "tests/server/http_fixture.h"

static char folder[] = "/tmp/meishi-sockets-XXXXXX";
static char reply[ANSWER_MAX];

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static const char *in_folder(const char *name)
{
    static char path[100];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int connect_unix(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    memcpy(at.sun_path, path, strnlen(path, 99));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0)
        return fd;
    close(fd);
    return -1;
}

static int ask(int fd, const char *request)
{
    client_send(fd, request, strlen(request));
    client_read_one(fd, reply, sizeof reply, false);
    close(fd);
    return status_of(reply);
}

static enum result open_at(const char *listen, struct http **out, const char **why)
{
    static struct site site;
    struct http_options options = {.listen = listen,
                                   .handlers = {&site, site_match, site_dispatch, site_refuse, NULL, NULL}};
    *why = NULL;
    return http_open(&options, out, why);
}

static void sockets__serve_ipv6_and_say_the_address(void **state)
{
    (void)state;
    struct site site;
    struct http *http = site_start(&site, &(struct http_options){.listen = "[::1]:0"});
    struct sockaddr_in6 at = {
        .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)http_port(http)), .sin6_addr = in6addr_loopback};
    char expected[100];
    snprintf(expected, sizeof expected, "http://[::1]:%d", http_port(http));
    assert_string_equal(http_address(http), expected);
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(ask(fd, "GET /client HTTP/1.1\r\nHost: [::1]\r\n\r\n"), 200);
    assert_string_equal(body_of(reply), "::1");
    site_stop(&site, http);
}

static void sockets__share_a_port_among_loops(void **state)
{
    (void)state;
    struct site site;
    struct http *http = site_start(&site, &(struct http_options){.loops = 3});
    for (int i = 0; i < 50; i++)
        assert_int_equal(ask(client_connect(http_port(http)), "GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
    struct http_figures figures;
    http_figures(http, &figures);
    assert_int_equal(figures.requests, 50);
    assert_int_equal(figures.by_status[2], 50);
    site_stop(&site, http);
}

static void sockets__refuse_a_port_that_is_taken(void **state)
{
    (void)state;
    struct site site;
    struct http *http = site_start(&site, NULL), *other;
    char listen[50];
    const char *why;
    snprintf(listen, sizeof listen, "127.0.0.1:%d", http_port(http));
    assert_int_equal(open_at(listen, &other, &why), RESULT_CONFLICT);
    assert_string_equal(why, "the address is taken");
    site_stop(&site, http);
}

static void sockets__say_what_is_wrong_with_an_address(void **state)
{
    (void)state;
    enum { UNREADABLE = 9 }; /* the first ones; the others are addresses, but not to be had */
    static const char *const BAD[] = {"",
                                      "x",
                                      "127.0.0.1",
                                      "127.0.0.1:",
                                      "127.0.0.1:x",
                                      "127.0.0.1:65536",
                                      "127.0.0.1:-1",
                                      ":80",
                                      "[]:80",
                                      "192.0.2.1:0",
                                      "unix:",
                                      "unix:/no/such/folder/socket",
                                      "unix:/proc/version"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        struct http *http;
        const char *why;
        enum result want = i < UNREADABLE ? RESULT_INVALID : RESULT_FAILED;
        if (open_at(BAD[i], &http, &why) != want || !why)
            fail_msg("\"%s\" was not refused with words", BAD[i]);
    }
}

static void sockets__on_a_path_are_for_owner_and_group_and_go_away(void **state)
{
    (void)state;
    struct site site;
    struct stat there;
    char listen[250];
    snprintf(listen, sizeof listen, "unix:%s", in_folder("socket"));
    struct http *http =
        site_start(&site, &(struct http_options){.listen = listen, .unix_is_trusted = true, .loops = 2});
    assert_int_equal(http_port(http), 0);
    assert_string_equal(http_address(http), listen);
    assert_int_equal(stat(in_folder("socket"), &there), 0);
    assert_int_equal(there.st_mode & 0777, 0660);
    assert_int_equal(
        ask(connect_unix(in_folder("socket")), "GET /client HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n"),
        200);
    assert_string_equal(body_of(reply), "::ffff:192.0.2.7");
    struct http *other;
    const char *why;
    assert_int_equal(open_at(listen, &other, &why), RESULT_CONFLICT); /* a live one is not taken over */
    assert_int_equal(ask(connect_unix(in_folder("socket")), "GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
    site_stop(&site, http);
    assert_int_not_equal(stat(in_folder("socket"), &there), 0);
}

static void sockets__that_a_crash_left_are_replaced(void **state)
{
    (void)state;
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct site site;
    char listen[250];
    snprintf(at.sun_path, sizeof at.sun_path, "%s", in_folder("stale"));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    close(fd); /* and nobody listens */
    snprintf(listen, sizeof listen, "unix:%s", in_folder("stale"));
    struct http *http = site_start(&site, &(struct http_options){.listen = listen});
    assert_int_equal(ask(connect_unix(in_folder("stale")), "GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
    site_stop(&site, http);
}

static void sockets__never_replace_another_file(void **state)
{
    (void)state;
    char listen[250];
    struct http *http;
    const char *why;
    int fd = open(in_folder("file"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    snprintf(listen, sizeof listen, "unix:%s", in_folder("file"));
    assert_int_equal(open_at(listen, &http, &why), RESULT_FAILED);
    assert_string_equal(why, "a file that is not a socket is in the way");
    assert_int_equal(unlink(in_folder("file")), 0);
}

/* As systemd would: the child gets the socket as descriptor 3 and its own pid in the environment. */
static void sockets__are_taken_from_systemd(void **state)
{
    (void)state;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int listening = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listening, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(listening, 10), 0);
    assert_int_equal(getsockname(listening, (struct sockaddr *)&at, &len), 0);
    pid_t child = fork();
    if (child == 0) {
        char pid[20];
        static struct site site;
        snprintf(pid, sizeof pid, "%d", (int)getpid());
        setenv("LISTEN_PID", pid, 1);
        setenv("LISTEN_FDS", "1", 1);
        if (dup2(listening, 3) != 3)
            _exit(1);
        struct http *http = site_start(&site, &(struct http_options){.listen = "192.0.2.1:1"}); /* not looked at */
        if (http_port(http) != ntohs(at.sin_port) || getenv("LISTEN_FDS"))
            _exit(2);
        for (;;)
            pause();
    }
    close(listening);
    int fd = client_connect(ntohs(at.sin_port)); /* waits in the backlog until the child answers */
    assert_int_equal(ask(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static int open_notify_socket(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof at.sun_path, "%s", in_folder("notify"));
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    setenv("NOTIFY_SOCKET", at.sun_path, 1);
    return fd;
}

static void systemd__is_told_and_its_watchdog_fed(void **state)
{
    (void)state;
    char word[100] = "";
    struct site site;
    systemd_notify("READY=1"); /* nobody asked: nothing happens */
    int fd = open_notify_socket();
    systemd_notify("READY=1");
    assert_int_equal(recv(fd, word, sizeof word, MSG_DONTWAIT), 7);
    assert_memory_equal(word, "READY=1", 7);
    assert_int_equal(systemd_watchdog_ms(), 0);
    setenv("WATCHDOG_USEC", "200000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    assert_int_equal(systemd_watchdog_ms(), 0); /* meant for another process */
    unsetenv("WATCHDOG_PID");
    assert_int_equal(systemd_watchdog_ms(), 100);
    struct http *http = site_start(&site, NULL);
    for (int i = 0; i < 3; i++) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&wait, 1, 200), 1); /* an idle server feeds it too */
        assert_int_equal(recv(fd, word, sizeof word, 0), 10);
        assert_memory_equal(word, "WATCHDOG=1", 10);
    }
    site_stop(&site, http);
    unsetenv("WATCHDOG_USEC");
    unsetenv("NOTIFY_SOCKET");
    close(fd);
    unlink(in_folder("notify"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sockets__serve_ipv6_and_say_the_address),
        cmocka_unit_test(sockets__share_a_port_among_loops),
        cmocka_unit_test(sockets__refuse_a_port_that_is_taken),
        cmocka_unit_test(sockets__say_what_is_wrong_with_an_address),
        cmocka_unit_test(sockets__on_a_path_are_for_owner_and_group_and_go_away),
        cmocka_unit_test(sockets__that_a_crash_left_are_replaced),
        cmocka_unit_test(sockets__never_replace_another_file),
        cmocka_unit_test(sockets__are_taken_from_systemd),
        cmocka_unit_test(systemd__is_told_and_its_watchdog_fed),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
