/* Time: many connections ready at one moment, clients that dawdle, and the end of the server's life. The server is a child
 * process where it must be stopped and woken.
 *
 * Runs alone: what must end at a deadline is held against the clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <sys/wait.h>
#include "server/ids.h"
#include "tests/server/http_fixture.h"

static char reply[ANSWER_MAX];

/* ---- many at once ---- */

static pid_t fork_site(int *port)
{
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        static struct site site;
        struct http *http = site_start(&site, NULL);
        int bound = http_port(http);
        if (write(pipes[1], &bound, sizeof bound) != sizeof bound)
            _exit(1);
        for (;;)
            pause();
    }
    assert_true(child > 0);
    assert_int_equal(read(pipes[0], port, sizeof *port), sizeof *port);
    close(pipes[0]);
    close(pipes[1]);
    return child;
}

/* How many of COUNT connections have an answer within WITHIN_MS. */
static int answered(struct pollfd *fds, int count, int within_ms)
{
    int done = 0;
    int64_t end_ms = monotonic_ms() + within_ms;
    for (int i = 0; i < count; i++)
        fds[i].events = POLLIN;
    while (done < count && monotonic_ms() < end_ms) {
        poll(fds, (nfds_t)count, 50);
        for (int i = 0; i < count; i++) {
            if (!(fds[i].revents & POLLIN) || recv(fds[i].fd, reply, sizeof reply, 0) <= 0)
                continue;
            fds[i].events = 0;
            done++;
        }
    }
    return done;
}

static void stall__never_comes_however_many_are_ready_at_once(void **state)
{
    (void)state;
    static const char *const REQUESTS[] = {"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
                                           "GET /worker HTTP/1.1\r\nHost: x\r\n\r\n",
                                           "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"};
    static const int COUNTS[] = {100, 127, 128, 129, 200, 256, 300, 384, 512};
    for (size_t i = 0; i < sizeof COUNTS / sizeof *COUNTS; i++) {
        int port, count = COUNTS[i];
        pid_t child = fork_site(&port);
        struct pollfd *fds = calloc((size_t)count, sizeof *fds);
        assert_non_null(fds);
        for (int j = 0; j < count; j++)
            fds[j].fd = client_connect(port);
        for (int round = 0; round < 6; round++) {
            const char *request = REQUESTS[round % 3];
            nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
            kill(child, SIGSTOP); /* so that all are ready when it looks again */
            for (int j = 0; j < count; j++)
                client_send(fds[j].fd, request, strlen(request));
            kill(child, SIGCONT);
            int done = answered(fds, count, 10000);
            if (done != count)
                fail_msg("%d of %d were answered", done, count);
        }
        for (int j = 0; j < count; j++)
            close(fds[j].fd);
        free(fds);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
}

/* ---- clients that dawdle ---- */

static const struct http_options SHORT = {.header_ms = 300, .body_ms = 500, .reply_ms = 700, .idle_ms = 900};

/* Says FIRST, then a byte of DRIP every 40 ms; answers after how many milliseconds the server hung up. */
static int64_t time_until_closed(int port, const char *first, const char *drip)
{
    int fd = client_connect(port);
    int64_t start_ms = monotonic_ms();
    client_send(fd, first, strlen(first));
    for (size_t i = 0; monotonic_ms() - start_ms < 4000; i++) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        if (poll(&wait, 1, 40) > 0 && recv(fd, reply, sizeof reply, 0) <= 0)
            break;
        if (*drip)
            client_send(fd, drip + i % strlen(drip), 1);
    }
    close(fd);
    return monotonic_ms() - start_ms;
}

static void assert_about(int64_t ms, int64_t limit_ms)
{
    if (ms < limit_ms - 20 || ms > limit_ms + 400)
        fail_msg("closed after %lld ms, not %lld", (long long)ms, (long long)limit_ms);
}

static void deadline__ends_a_header_that_comes_byte_by_byte(void **state)
{
    (void)state;
    struct site site;
    struct http *http = site_start(&site, &SHORT);
    assert_about(time_until_closed(http_port(http), "", ""), 300);
    assert_about(time_until_closed(http_port(http), "", "x"), 300);
    assert_about(time_until_closed(http_port(http), "GET / HTTP/1.1\r\nHost: x\r\nX-a: b", "xy"), 300);
    struct http_figures figures;
    http_figures(http, &figures);
    assert_int_equal(figures.deadlines_missed, 3);
    site_stop(&site, http);
}

static void deadline__ends_a_body_that_comes_byte_by_byte(void **state)
{
    (void)state;
    struct site site;
    struct http *http = site_start(&site, &SHORT);
    assert_about(time_until_closed(http_port(http),
                                   "POST /form HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
                                   "Content-Length: 900\r\n\r\n",
                                   "x"),
                 500);
    site_stop(&site, http);
}

static void deadline__ends_a_connection_that_rests(void **state)
{
    (void)state;
    struct site site;
    struct http *http = site_start(&site, &SHORT);
    assert_about(time_until_closed(http_port(http), "GET / HTTP/1.1\r\nHost: x\r\n\r\n", ""), 900);
    site_stop(&site, http);
}

static void deadline__ends_a_reply_that_is_not_read(void **state)
{
    (void)state;
    struct site site;
    struct http *http = site_start(&site, &SHORT);
    struct http_figures figures;
    static const char REQUEST[] = "GET /big HTTP/1.1\r\nHost: x\r\n\r\n";
    int fd = client_connect(http_port(http));
    client_send(fd, REQUEST, sizeof REQUEST - 1);
    int64_t start_ms = monotonic_ms();
    bool came = false;
    do {
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        http_figures(http, &figures);
        came = came || figures.connections;
    } while ((!came || figures.connections) && monotonic_ms() - start_ms < 4000);
    assert_about(monotonic_ms() - start_ms, 700);
    close(fd);
    site_stop(&site, http);
}

/* The control: nothing but the deadline closes them; and one that works slowly is never cut. */
static void deadline__does_not_touch_a_handler_that_takes_long(void **state)
{
    (void)state;
    struct site site;
    struct http *http = site_start(&site, &SHORT);
    static const char REQUEST[] = "GET /worker HTTP/1.1\r\nHost: x\r\n\r\n";
    atomic_store(&site.sleep_ms, 1500);
    int fd = client_connect(http_port(http));
    client_send(fd, REQUEST, sizeof REQUEST - 1);
    client_read_one(fd, reply, sizeof reply, false);
    assert_int_equal(status_of(reply), 200);
    close(fd);
    site_stop(&site, http);
}

/* ---- clients that go while others have their request ---- */

static void reset(int fd)
{
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
    close(fd); /* sends RST */
}

static void waiting__outlives_a_client_that_breaks_off(void **state)
{
    (void)state;
    struct site site;
    struct http *http = site_start(&site, NULL);
    static const char REQUEST[] = "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n";
    struct http_figures figures = {0};
    for (int round = 0; round < 20; round++) {
        int fds[50];
        for (int i = 0; i < 50; i++) {
            fds[i] = client_connect(http_port(http));
            client_send(fds[i], REQUEST, sizeof REQUEST - 1);
        }
        nanosleep(&(struct timespec){.tv_nsec = round * 1000000L}, NULL);
        for (int i = 0; i < 50; i++)
            i % 2 ? reset(fds[i]) : (void)close(fds[i]);
    }
    int fd = client_connect(http_port(http));
    client_send(fd, REQUEST, sizeof REQUEST - 1);
    client_read_one(fd, reply, sizeof reply, false);
    assert_string_equal(body_of(reply), "waited");
    close(fd);
    for (int i = 0; i < 300; i++) {
        http_figures(http, &figures);
        if (!figures.connections)
            break;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    assert_int_equal(figures.connections, 0);
    site_stop(&site, http);
}

/* The last of them breaks off and the server stops before its request is finished. */
static void waiting__is_finished_before_the_server_ends(void **state)
{
    (void)state;
    static const char REQUEST[] = "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n";
    for (int round = 0; round < 10; round++) {
        struct site site;
        struct http *http = site_start(&site, NULL);
        int fd = client_connect(http_port(http));
        client_send(fd, REQUEST, sizeof REQUEST - 1);
        while (!atomic_load(&site.dispatched))
            nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
        reset(fd);
        nanosleep(&(struct timespec){.tv_nsec = round * 1000000L}, NULL);
        site_stop(&site, http);
    }
}

/* ---- the worker queue ---- */

static void workers__refuse_what_does_not_fit_in_the_queue(void **state)
{
    (void)state;
    struct site site;
    struct http *http = site_start(&site, &(struct http_options){.workers = 1, .worker_queue_max = 2});
    static const char REQUEST[] = "GET /worker HTTP/1.1\r\nHost: x\r\n\r\n";
    int fds[8], busy = 0, good = 0;
    atomic_store(&site.sleep_ms, 200);
    for (int i = 0; i < 8; i++) {
        fds[i] = client_connect(http_port(http));
        client_send(fds[i], REQUEST, sizeof REQUEST - 1);
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    for (int i = 0; i < 8; i++) {
        client_read_one(fds[i], reply, sizeof reply, false);
        busy += status_of(reply) == 503 && strstr(reply, "\r\nRetry-After: ");
        good += status_of(reply) == 200;
        close(fds[i]);
    }
    assert_int_equal(good, 3); /* one at work, two waiting */
    assert_int_equal(busy, 5);
    site_stop(&site, http);
}

/* ---- the end ---- */

struct ending {
    struct site *site;
    struct http *http;
};

static void *end_site(void *arg)
{
    struct ending *ending = arg;
    site_stop(ending->site, ending->http);
    return NULL;
}

static void stop__answers_what_is_under_way_and_closes_the_rest(void **state)
{
    (void)state;
    struct site site;
    struct http *http = site_start(&site, NULL);
    struct ending ending = {&site, http};
    static const char *const UNDER_WAY[] = {"GET /worker HTTP/1.1\r\nHost: x\r\n\r\n",
                                            "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"};
    int port = http_port(http), fds[40];
    pthread_t thread;
    atomic_store(&site.sleep_ms, 10);
    for (int i = 0; i < 40; i++)
        fds[i] = client_connect(port);
    int idle = client_connect(port), half = client_connect(port);
    client_send(half, "GET / HT", 8);
    for (int i = 0; i < 40; i++)
        client_send(fds[i], UNDER_WAY[i % 2], strlen(UNDER_WAY[i % 2]));
    struct http_figures figures = {0};
    int64_t end_ms = monotonic_ms() + 10000;
    while (figures.requests < 40) { /* all are read; most of the workers' still wait for a worker */
        assert_true(monotonic_ms() < end_ms);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        http_figures(http, &figures);
    }
    assert_int_equal(pthread_create(&thread, NULL, end_site, &ending), 0);
    for (int i = 0; i < 40; i++) {
        assert_true(client_read(fds[i], reply, sizeof reply, 3000));
        assert_int_equal(status_of(reply), 200);
        close(fds[i]);
    }
    assert_true(client_read(idle, reply, sizeof reply, 3000));
    assert_string_equal(reply, "");
    assert_true(client_read(half, reply, sizeof reply, 3000));
    close(idle);
    close(half);
    pthread_join(thread, NULL);
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_not_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    close(fd);
}

static void stop__does_not_wait_for_a_client_that_does_not_read(void **state)
{
    (void)state;
    struct site site;
    struct http *http = site_start(&site, NULL);
    static const char REQUEST[] = "GET /big HTTP/1.1\r\nHost: x\r\n\r\n";
    int fd = client_connect(http_port(http));
    client_send(fd, REQUEST, sizeof REQUEST - 1);
    nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    int64_t start_ms = monotonic_ms();
    http_stop(http, 300);
    assert_about(monotonic_ms() - start_ms, 300);
    close(fd);
    ready_drop(site.ready);
    mould_drop(site.mould);
}

static void stop__is_fine_in_the_midst_of_load(void **state)
{
    (void)state;
    for (int round = 0; round < 10; round++) {
        struct site site;
        struct http *http = site_start(&site, &(struct http_options){.loops = 2});
        static const char REQUEST[] = "GET /mould HTTP/1.1\r\nHost: x\r\n\r\nGET /wait HTTP/1.1\r\nHost: x\r\n\r\n"
                                      "GET /worker HTTP/1.1\r\nHost: x\r\n\r\n";
        int fds[30];
        for (int i = 0; i < 30; i++) {
            fds[i] = client_connect(http_port(http));
            client_send(fds[i], REQUEST, sizeof REQUEST - 1);
        }
        nanosleep(&(struct timespec){.tv_nsec = round * 2000000L}, NULL);
        site_stop(&site, http);
        for (int i = 0; i < 30; i++)
            close(fds[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stall__never_comes_however_many_are_ready_at_once),
        cmocka_unit_test(deadline__ends_a_header_that_comes_byte_by_byte),
        cmocka_unit_test(deadline__ends_a_body_that_comes_byte_by_byte),
        cmocka_unit_test(deadline__ends_a_connection_that_rests),
        cmocka_unit_test(deadline__ends_a_reply_that_is_not_read),
        cmocka_unit_test(deadline__does_not_touch_a_handler_that_takes_long),
        cmocka_unit_test(waiting__outlives_a_client_that_breaks_off),
        cmocka_unit_test(waiting__is_finished_before_the_server_ends),
        cmocka_unit_test(workers__refuse_what_does_not_fit_in_the_queue),
        cmocka_unit_test(stop__answers_what_is_under_way_and_closes_the_rest),
        cmocka_unit_test(stop__does_not_wait_for_a_client_that_does_not_read),
        cmocka_unit_test(stop__is_fine_in_the_midst_of_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
