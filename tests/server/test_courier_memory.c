/* The memory of the process that sends webhooks: thousands of rude answers leave nothing behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include "server/notify/courier.h"
#include "server/notify/sending.h"
#include "tests/support/receiver.h"

enum { WARM = 400, RUDE = 2000, GROWTH_MAX_KB = 4096 };

static const char *const QUICK[] = {"/garbage", "/reset", "/short", "/old", "/redirect", "/ok", "/status/500"};
static const char *const ENDLESS[] = {"/endless-header", "/endless-continue", "/endless-body"};

/* One in ten is endless: those take their time. */
static const char *rude_path(size_t number)
{
    return number % 10 ? QUICK[number % (sizeof QUICK / sizeof *QUICK)]
                       : ENDLESS[number / 10 % (sizeof ENDLESS / sizeof *ENDLESS)];
}

/* Sends COUNT jobs to one rude path after the other, as many at once as there is room for. */
static void send_rudely(struct courier *courier, int port, int count)
{
    struct send_outcome outcomes[COURIER_JOBS_MAX];
    int begun = 0;
    for (int ended = 0; ended < count;) {
        while (begun < count && courier_busy(courier) < COURIER_JOBS_MAX) {
            char url[128];
            snprintf(url, sizeof url, "http://127.0.0.1:%d%s", port, rude_path((size_t)begun));
            const struct send_job job = {
                .id = ++begun, .group = 1, .url = url, .headers = {"webhook-id: msg_1"}, .body = "{}"};
            assert_int_equal(courier_add(courier, &job), RESULT_OK);
        }
        ended += (int)courier_run(courier, 1000, outcomes, COURIER_JOBS_MAX);
    }
}

static int resident_kb(struct courier *courier)
{
    struct courier_figures figures;
    char path[64], line[128];
    int kb = 0;
    courier_figures(courier, &figures);
    assert_int_not_equal(figures.process, 0);
    assert_int_equal(figures.restarts, 0);
    snprintf(path, sizeof path, "/proc/%d/status", (int)figures.process);
    FILE *status = fopen(path, "r");
    assert_non_null(status);
    while (fgets(line, sizeof line, status) && sscanf(line, "VmRSS: %d", &kb) != 1)
        continue;
    fclose(status);
    return kb;
}

static void courier__keeps_nothing_of_two_thousand_rude_answers(void **state)
{
    (void)state;
    struct address_policy policy;
    const char *why;
    struct courier *courier;
    struct receiver *receiver = receiver_open();
    assert_int_equal(address_policy_parse("127.0.0.1:*", &policy, &why), RESULT_OK);
    assert_int_equal(courier_open(&policy, NULL, &courier), RESULT_OK);
    send_rudely(courier, receiver_port(receiver), WARM);
    int before = resident_kb(courier);
    send_rudely(courier, receiver_port(receiver), RUDE);
    int grown = resident_kb(courier) - before;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* which keep what is freed for a while */
    if (grown > GROWTH_MAX_KB)
        fail_msg("it grew by %d kB", grown);
#endif
    print_message("%d kB, grown by %d\n", before, grown);
    courier_close(courier);
    receiver_close(receiver);
}

int main(int argc, char **argv)
{
    if (argc == 2)
        sending_main(argv[1]); /* what the courier starts is this program again */
    const struct CMUnitTest tests[] = {cmocka_unit_test(courier__keeps_nothing_of_two_thousand_rude_answers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
