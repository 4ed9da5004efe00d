/* The courier against receivers that misbehave: always an outcome, in bounded time, of the right class, and never a
 * connection to a place that is not allowed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "server/ids.h"
#include "server/notify/courier.h"
#include "server/notify/message.h"
#include "server/notify/sending.h"
#include "server/notify/suspects.h"
#include "tests/support/receiver.h"

/* A tenth of what the server allows, so that waiting for a time-out does not take long. */
static const struct courier_limits SHORT = {.name_ms = 300, .connect_ms = 500, .answer_ms = 800, .deadline_ms = 1200};

/* Stands in for the system's resolver, for names that end in .test: "silent" is a name server that never answers, "mixed" has
 * a good address and a bad one, "flip" is good once and then is not. */
enum { SILENCE_MS = 1500 };
static atomic_int flips;

static struct addrinfo *make_answer(const char *address, const char *port, struct addrinfo *next)
{
    struct {
        struct addrinfo info;
        struct sockaddr_in address;
    } *answer = calloc(1, sizeof *answer);
    answer->address.sin_family = AF_INET;
    answer->address.sin_port = htons((uint16_t)strtol(port, NULL, 10));
    inet_pton(AF_INET, address, &answer->address.sin_addr);
    answer->info.ai_family = AF_INET;
    answer->info.ai_socktype = SOCK_STREAM;
    answer->info.ai_addrlen = sizeof answer->address;
    answer->info.ai_addr = (struct sockaddr *)&answer->address;
    answer->info.ai_canonname = "test";
    answer->info.ai_next = next;
    return &answer->info;
}

int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **out)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    if (!host || !strstr(host, ".test"))
        return real(host, port, hints, out);
    if (strstr(host, "silent")) {
        usleep(SILENCE_MS * 1000);
        return EAI_AGAIN;
    }
    if (strstr(host, "mixed"))
        *out = make_answer("127.0.0.1", port, make_answer("10.0.0.1", port, NULL));
    else
        *out = make_answer(atomic_fetch_add(&flips, 1) ? "10.0.0.1" : "127.0.0.1", port, NULL);
    return 0;
}

void freeaddrinfo(struct addrinfo *list)
{
    void (*real)(struct addrinfo *);
    *(void **)&real = dlsym(RTLD_NEXT, "freeaddrinfo");
    if (!list || !list->ai_canonname || strcmp(list->ai_canonname, "test")) {
        real(list);
        return;
    }
    for (struct addrinfo *next; list; list = next) {
        next = list->ai_next;
        free(list);
    }
}

/* Breaks the process that calls this path, as an answer would that libcurl or OpenSSL trips over. */
#define CULPRIT "/culprit"

ssize_t send(int socket, const void *bytes, size_t len, int flags)
{
    ssize_t (*real)(int, const void *, size_t, int);
    static const char line[] = "POST " CULPRIT " ";
    if (len > sizeof line && !memcmp(bytes, line, sizeof line - 1))
        __builtin_trap();
    *(void **)&real = dlsym(RTLD_NEXT, "send");
    return real(socket, bytes, len, flags);
}

struct bench {
    struct receiver *receiver;
    struct courier *courier;
};

/* So that no test's clock runs while the process that makes the calls is starting. */
static void wait_until_ready(struct courier *courier)
{
    struct courier_figures figures = {0};
    struct send_outcome none;
    int64_t end = monotonic_ms() + 60000;
    for (; !figures.process; courier_figures(courier, &figures)) {
        assert_int_equal(courier_run(courier, 20, &none, 1), 0);
        assert_true(monotonic_ms() < end);
    }
}

static struct courier *open_courier(const char *allow, const struct courier_limits *limits)
{
    struct address_policy policy;
    const char *why;
    struct courier *courier;
    assert_int_equal(address_policy_parse(allow, &policy, &why), RESULT_OK);
    assert_int_equal(courier_open(&policy, limits, &courier), RESULT_OK);
    wait_until_ready(courier);
    return courier;
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    bench->receiver = receiver_open();
    bench->courier = open_courier("127.0.0.1:*", &SHORT);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    courier_close(bench->courier);
    receiver_close(bench->receiver);
    free(bench);
    return 0;
}

static void add(struct courier *courier, int64_t id, const char *url)
{
    struct send_job job = {.id = id,
                           .group = 1,
                           .url = url,
                           .headers = {"Content-Type: application/json", "webhook-id: msg_1"},
                           .body = "{\"type\":\"webhook.ping\"}"};
    assert_int_equal(courier_add(courier, &job), RESULT_OK);
}

/* The one outcome; fails when none came within twice the longest deadline. */
static struct send_outcome outcome_of(struct courier *courier, const char *url)
{
    struct send_outcome outcome;
    add(courier, 7, url);
    int64_t end = monotonic_ms() + 2 * COURIER_DEADLINE_MS;
    while (!courier_run(courier, 50, &outcome, 1))
        if (monotonic_ms() > end)
            fail_msg("no outcome for %s", url);
    assert_int_equal(outcome.id, 7);
    assert_int_equal(courier_busy(courier), 0);
    return outcome;
}

static struct send_outcome outcome_at(struct bench *bench, const char *path)
{
    char url[200];
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", receiver_port(bench->receiver), path);
    return outcome_of(bench->courier, url);
}

static void courier__delivers_headers_and_body(void **state)
{
    struct bench *bench = *state;
    struct send_outcome outcome = outcome_at(bench, "/ok");
    assert_int_equal(outcome.error, SEND_OK);
    assert_int_equal(outcome.status, 204);
    struct received received;
    assert_int_equal(receiver_get(bench->receiver, "/ok", 0, &received), 0);
    assert_string_equal(received.id, "msg_1");
    assert_string_equal(received.type, "application/json");
    assert_string_equal(received.body, "{\"type\":\"webhook.ping\"}");
}

static void courier__classes_every_misbehaviour(void **state)
{
    struct bench *bench = *state;
    static const struct {
        const char *path;
        enum send_error error;
        int status;
    } CASES[] = {
        {"/status/201", SEND_OK, 201},
        {"/status/500", SEND_STATUS, 500},
        {"/status/404", SEND_STATUS, 404},
        {"/gone", SEND_STATUS, 410},
        {"/retry-after", SEND_STATUS, 503},
        {"/redirect", SEND_REDIRECT, 302},
        {"/status/304", SEND_REDIRECT, 304},
        {"/silence", SEND_ANSWER_TIMEOUT, 0},
        {"/drip-header", SEND_TIMEOUT, 0},
        {"/drip-body", SEND_OK, 200},
        {"/endless-header", SEND_TOO_LARGE, 0},
        {"/endless-continue", SEND_TOO_LARGE, 0},
        {"/endless-body", SEND_OK, 200},
        {"/reset", SEND_RESET, 0},
        {"/short", SEND_OK, 200},
        {"/garbage", SEND_PROTOCOL, 0},
        {"/old", SEND_PROTOCOL, 0},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct send_outcome outcome = outcome_at(bench, CASES[i].path);
        if (outcome.error != CASES[i].error || outcome.status != CASES[i].status)
            fail_msg("%s: %s, %d", CASES[i].path, send_error_name(outcome.error), outcome.status);
        if (outcome.latency_ms > SHORT.deadline_ms + 200)
            fail_msg("%s took %d ms", CASES[i].path, (int)outcome.latency_ms);
    }
}

static void courier__does_not_follow_a_redirect(void **state)
{
    struct bench *bench = *state;
    outcome_at(bench, "/redirect");
    assert_int_equal(receiver_count(bench->receiver, "/redirect"), 1);
    assert_int_equal(receiver_count(bench->receiver, "/ok"), 0);
}

static void courier__hears_retry_after(void **state)
{
    assert_int_equal(outcome_at(*state, "/retry-after").retry_after_ms, 120000);
    assert_int_equal(outcome_at(*state, "/status/503").retry_after_ms, 0);
}

static void courier__connects_to_no_place_that_is_not_allowed(void **state)
{
    struct bench *bench = *state;
    char elsewhere[64];
    snprintf(elsewhere, sizeof elsewhere, "127.0.0.1:%d", receiver_port(bench->receiver) == 9 ? 10 : 9);
    struct courier *courier = open_courier(elsewhere, &SHORT);
    static const char *const HOSTS[] = {
        "127.0.0.1", "localhost",          "127.1",           "2130706433", "0x7f.1",     "0177.0.0.1", "0", "0.0.0.0",
        "[::1]",     "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::]",       "127.0.0.1.", "LOCALHOST"};
    for (size_t i = 0; i < sizeof HOSTS / sizeof *HOSTS; i++) {
        char url[128];
        snprintf(url, sizeof url, "http://%s:%d/ok", HOSTS[i], receiver_port(bench->receiver));
        struct send_outcome outcome = outcome_of(courier, url);
        if (outcome.error != SEND_REFUSED_ADDRESS && outcome.error != SEND_NAME_NOT_FOUND &&
            outcome.error != SEND_BAD_URL)
            fail_msg("%s: %s", url, outcome.error ? send_error_name(outcome.error) : "sent");
    }
    assert_int_equal(receiver_count(bench->receiver, NULL), 0);
    courier_close(courier);
}

static void courier__ignores_proxies_of_the_environment(void **state)
{
    struct bench *bench = *state;
    char proxy[64];
    struct receiver *other = receiver_open();
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", receiver_port(other));
    static const char *const NAMES[] = {"http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        setenv(NAMES[i], proxy, 1);
    assert_int_equal(outcome_at(bench, "/ok").error, SEND_OK);
    assert_int_equal(receiver_count(other, NULL), 0);
    courier_scrub_environment();
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        assert_null(getenv(NAMES[i]));
    receiver_close(other);
}

static void courier__says_connect_tls_and_name_apart(void **state)
{
    struct bench *bench = *state;
    char url[128];
    struct courier *patient = open_courier("127.0.0.1:*", NULL); /* TLS reads all the authorities first */
    snprintf(url, sizeof url, "https://127.0.0.1:%d/ok", receiver_port(bench->receiver));
    assert_int_equal(outcome_of(patient, url).error, SEND_TLS);
    courier_close(patient);

    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int unused = socket(AF_INET, SOCK_STREAM, 0); /* bound, not listening: refuses */
    assert_int_equal(bind(unused, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(unused, (struct sockaddr *)&address, &len), 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/ok", ntohs(address.sin_port));
    assert_int_equal(outcome_of(bench->courier, url).error, SEND_CONNECT);
    close(unused);

    assert_int_equal(outcome_of(bench->courier, "https://nowhere.invalid/").error, SEND_NAME_NOT_FOUND);
    assert_int_equal(outcome_of(bench->courier, "gopher://127.0.0.1/").error, SEND_BAD_URL);
}

static void courier__lets_nobody_wait_for_a_silent_receiver(void **state)
{
    struct bench *bench = *state;
    /* So many at once take their time to be named and called when run UNDER something (tests/run.sh). */
    const int times = getenv("UNDER") ? 10 : 1;
    const struct courier_limits ample = {.name_ms = SHORT.name_ms * times,
                                         .connect_ms = SHORT.connect_ms * times,
                                         .answer_ms = SHORT.answer_ms * times,
                                         .deadline_ms = SHORT.deadline_ms * times};
    struct courier *courier = open_courier("127.0.0.1:*", &ample);
    char url[128];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/silence", receiver_port(bench->receiver));
    for (int i = 0; i < COURIER_CALLS_MAX - 1; i++)
        add(courier, 100 + i, url);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/ok", receiver_port(bench->receiver));
    add(courier, 1, url);

    struct send_outcome outcomes[COURIER_JOBS_MAX];
    int64_t started = monotonic_ms();
    size_t done = 0;
    while (done < COURIER_CALLS_MAX && monotonic_ms() < started + 3 * ample.deadline_ms) {
        size_t count = courier_run(courier, 50, outcomes, COURIER_JOBS_MAX);
        for (size_t i = 0; i < count; i++) {
            if (outcomes[i].id == 1) {
                assert_int_equal(outcomes[i].error, SEND_OK);
                assert_true(monotonic_ms() - started < ample.answer_ms);
            } else {
                assert_int_equal(outcomes[i].error, SEND_ANSWER_TIMEOUT);
            }
        }
        done += count;
    }
    assert_int_equal(done, COURIER_CALLS_MAX);
    courier_close(courier);
}

/* What is more than may be under way waits, and what is more than may wait is refused. */
static void courier__calls_so_many_at_once_and_no_more(void **state)
{
    struct bench *bench = *state;
    struct courier *courier = open_courier("127.0.0.1:*", NULL);
    struct send_outcome outcomes[COURIER_JOBS_MAX];
    char url[128];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/ok", receiver_port(bench->receiver));
    for (int i = 0; i < COURIER_JOBS_MAX; i++)
        add(courier, 1 + i, url);
    struct send_job one_more = {.id = 1000, .url = url, .body = ""};
    assert_int_equal(courier_add(courier, &one_more), RESULT_LIMITED);
    for (size_t done = 0; done < COURIER_JOBS_MAX;) {
        size_t count = courier_run(courier, 10000, outcomes, COURIER_JOBS_MAX);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(outcomes[i].error, SEND_OK);
        done += count;
    }
    assert_int_equal(courier_busy(courier), 0);
    courier_close(courier);
}

static void courier__lets_nobody_wait_for_a_silent_name_server(void **state)
{
    struct bench *bench = *state;
    char url[128];
    int64_t started = monotonic_ms();
    for (int i = 0; i < 20; i++)
        add(bench->courier, 100 + i, "https://silent.test/");
    snprintf(url, sizeof url, "http://127.0.0.1:%d/ok", receiver_port(bench->receiver));
    struct send_job other = {.id = 1, .group = 2, .url = url, .body = ""};
    assert_int_equal(courier_add(bench->courier, &other), RESULT_OK);
    struct send_outcome outcomes[COURIER_JOBS_MAX];
    size_t done = 0;
    while (done < 21 && monotonic_ms() < started + 3 * SHORT.deadline_ms) {
        size_t count = courier_run(bench->courier, 50, outcomes, COURIER_JOBS_MAX);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(outcomes[i].error, outcomes[i].id == 1 ? SEND_OK : SEND_NAME_TIMEOUT);
            assert_true(outcomes[i].id != 1 || monotonic_ms() - started < SILENCE_MS);
        }
        done += count;
    }
    assert_int_equal(done, 21);
}

/* A process that does nothing any more is ended some seconds after its longest call should have been. */
static void courier__ends_a_sender_that_hangs(void **state)
{
    struct bench *bench = *state;
    struct courier_figures before, after;
    courier_figures(bench->courier, &before);
    assert_int_equal(kill((pid_t)before.process, SIGSTOP), 0);
    assert_int_equal(outcome_at(bench, "/ok").error, SEND_INTERRUPTED);
    assert_int_equal(receiver_count(bench->receiver, NULL), 0);
    wait_until_ready(bench->courier);
    courier_figures(bench->courier, &after);
    assert_int_equal(after.restarts, before.restarts + 1);
    assert_int_not_equal(after.process, before.process);
    assert_int_equal(outcome_at(bench, "/ok").error, SEND_OK);
}

/* A worker that was taken over could say anything. */
static void courier__listens_no_more_to_who_talks_nonsense(void **state)
{
    struct bench *bench = *state;
    static const unsigned char READY[] = {0, 0, 0, 6, MESSAGE_VERSION, MESSAGE_READY};
    struct message forged = {.kind = MESSAGE_OUTCOME, .outcome = {.id = 99, .error = SEND_OK, .status = 200}};
    unsigned char bytes[64], said[1024];
    const size_t len = message_write(&forged, bytes, sizeof bytes);
    for (int lie = 0; lie < 3; lie++) {
        int ends[2];
        struct courier_figures figures;
        struct send_outcome none;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        assert_int_equal(courier_attach(bench->courier, ends[0]), RESULT_OK);
        assert_int_equal(courier_attach(bench->courier, ends[0]), RESULT_CONFLICT);
        assert_int_equal(write(ends[1], READY, sizeof READY), sizeof READY);
        courier_run(bench->courier, 10, &none, 1);
        assert_true(read(ends[1], said, sizeof said) > 0); /* the settings */
        if (lie == 0)
            assert_int_equal(write(ends[1], bytes, len), (ssize_t)len); /* of a call it never had */
        else
            assert_int_equal(write(ends[1], lie == 1 ? "GET / HTTP/1.1\r\n" : "\0\0\0\6\1\2", 6), 6);
        courier_run(bench->courier, 10, &none, 1);
        courier_run(bench->courier, 10, &none, 1);
        courier_figures(bench->courier, &figures);
        assert_false(figures.worker);
        close(ends[1]);
        assert_int_equal(outcome_at(bench, "/ok").error, SEND_OK);
    }
}

static void courier__refuses_a_name_with_one_bad_address(void **state)
{
    struct bench *bench = *state;
    char url[128];
    snprintf(url, sizeof url, "http://mixed.test:%d/ok", receiver_port(bench->receiver));
    assert_int_equal(outcome_of(bench->courier, url).error, SEND_REFUSED_ADDRESS);
    assert_int_equal(receiver_count(bench->receiver, NULL), 0);
}

static void courier__asks_for_a_name_once_and_holds_it_to_the_answer(void **state)
{
    struct bench *bench = *state;
    char url[128];
    atomic_store(&flips, 0);
    snprintf(url, sizeof url, "http://flip.test:%d/ok", receiver_port(bench->receiver));
    assert_int_equal(outcome_of(bench->courier, url).error, SEND_OK);
    assert_int_equal(atomic_load(&flips), 1);
    assert_int_equal(outcome_of(bench->courier, url).error, SEND_REFUSED_ADDRESS);
    assert_int_equal(atomic_load(&flips), 2);
    assert_int_equal(receiver_count(bench->receiver, "/ok"), 1);
}

enum { CULPRIT_ID = 9, BYSTANDERS = 2 };

static void send_beside(struct courier *courier, struct bench *bench, int64_t id, const char *path)
{
    char url[128];
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", receiver_port(bench->receiver), path);
    struct send_job job = {.id = id, .group = id, .place = 100 + id, .url = url, .body = "{}"};
    assert_int_equal(courier_add(courier, &job), RESULT_OK);
}

static struct send_outcome next_outcome(struct courier *courier)
{
    struct send_outcome outcome;
    int64_t end = monotonic_ms() + 2 * COURIER_DEADLINE_MS;
    while (!courier_run(courier, 50, &outcome, 1))
        assert_true(monotonic_ms() < end);
    return outcome;
}

static void courier__ends_what_crashes_its_process_and_sends_what_was_beside_it(void **state)
{
    struct bench *bench = *state;
    struct courier *courier = open_courier("127.0.0.1:*", NULL);
    struct courier_figures before = {0}, after;
    int interrupted = 0, arrived = 0;
    bool ended = false;
    for (int id = 1; id <= BYSTANDERS; id++)
        send_beside(courier, bench, id, "/slow-ok");
    send_beside(courier, bench, CULPRIT_ID, CULPRIT);
    while (!ended || arrived < BYSTANDERS) {
        const struct send_outcome outcome = next_outcome(courier);
        bool culprit = outcome.id == CULPRIT_ID;
        if (outcome.error == SEND_INTERRUPTED)
            send_beside(courier, bench, outcome.id, culprit ? CULPRIT : "/slow-ok");
        else
            assert_int_equal(outcome.error, culprit ? SEND_CRASH : SEND_OK);
        ended = ended || outcome.error == SEND_CRASH;
        arrived += outcome.error == SEND_OK;
        if (culprit && outcome.error == SEND_INTERRUPTED && ++interrupted == SUSPECT_ALONE + 1)
            courier_figures(courier, &before);
    }
    /* From the third time on it was alone, and no longer ended the process that sends for everybody. */
    courier_figures(courier, &after);
    assert_int_equal(interrupted, SUSPECT_CONVICTED - 1);
    assert_int_equal(after.restarts, SUSPECT_CONVICTED);
    assert_int_not_equal(after.process, 0);
    assert_int_equal(after.process, before.process);

    /* It is alone at once the next time, until a call to the same place ends well. */
    send_beside(courier, bench, CULPRIT_ID, CULPRIT);
    assert_int_equal(next_outcome(courier).error, SEND_CRASH);
    send_beside(courier, bench, CULPRIT_ID, "/ok");
    assert_int_equal(next_outcome(courier).error, SEND_OK);
    courier_figures(courier, &after);
    assert_int_equal(after.process, before.process);
    send_beside(courier, bench, CULPRIT_ID, CULPRIT);
    assert_int_equal(next_outcome(courier).error, SEND_INTERRUPTED);
    courier_close(courier);
}

#define WITH_RECEIVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(int argc, char **argv)
{
    if (argc == 2)
        sending_main(argv[1]); /* what the courier starts is this program again */
    const struct CMUnitTest tests[] = {
        WITH_RECEIVER(courier__delivers_headers_and_body),
        WITH_RECEIVER(courier__classes_every_misbehaviour),
        WITH_RECEIVER(courier__does_not_follow_a_redirect),
        WITH_RECEIVER(courier__hears_retry_after),
        WITH_RECEIVER(courier__connects_to_no_place_that_is_not_allowed),
        WITH_RECEIVER(courier__ignores_proxies_of_the_environment),
        WITH_RECEIVER(courier__says_connect_tls_and_name_apart),
        WITH_RECEIVER(courier__lets_nobody_wait_for_a_silent_receiver),
        WITH_RECEIVER(courier__calls_so_many_at_once_and_no_more),
        WITH_RECEIVER(courier__lets_nobody_wait_for_a_silent_name_server),
        WITH_RECEIVER(courier__ends_a_sender_that_hangs),
        WITH_RECEIVER(courier__ends_what_crashes_its_process_and_sends_what_was_beside_it),
        WITH_RECEIVER(courier__listens_no_more_to_who_talks_nonsense),
        WITH_RECEIVER(courier__refuses_a_name_with_one_bad_address),
        WITH_RECEIVER(courier__asks_for_a_name_once_and_holds_it_to_the_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
