/* The commands' HTTP client against receivers that misbehave: it goes where it was told and nowhere else, reads no more than it
 * said, and ends when it is told to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "server/ids.h"
#include "server/notify/client.h"
#include "tests/support/receiver.h"

struct bench {
    struct receiver *receiver;
    struct client *client;
    struct arena arena;
    int stop[2];
};

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    arena_init(&bench->arena);
    bench->receiver = receiver_open();
    assert_int_equal(pipe(bench->stop), 0);
    assert_int_equal(client_open(bench->stop[0], &bench->client), RESULT_OK);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    client_close(bench->client);
    receiver_close(bench->receiver);
    close(bench->stop[0]);
    close(bench->stop[1]);
    arena_free(&bench->arena);
    free(bench);
    return 0;
}

static const char *url(struct bench *bench, const char *path)
{
    return arena_printf(&bench->arena, "http://127.0.0.1:%d%s", receiver_port(bench->receiver), path);
}

static struct client_answer post(struct bench *bench, const char *path, bool as_courier, enum result expected)
{
    struct client_answer answer;
    struct client_request request = {.method = "POST",
                                     .url = url(bench, path),
                                     .headers = {"Content-Type: application/json", "webhook-id: msg_1"},
                                     .body = "{\"type\":\"webhook.ping\"}",
                                     .timeout_ms = 1500,
                                     .as_courier = as_courier};
    enum result result = client_ask(bench->client, &request, &bench->arena, &answer);
    if (result != expected)
        print_error("%s: %s\n", path, answer.words);
    assert_int_equal(result, expected);
    return answer;
}

static void client__sends_headers_and_body_as_they_are(void **state)
{
    struct bench *bench = *state;
    struct received got;
    for (int i = 0; i < 2; i++)
        assert_int_equal(post(bench, "/ok", i, RESULT_OK).status, 204);
    assert_int_equal(receiver_get(bench->receiver, "/ok", 1, &got), 0);
    assert_string_equal(got.id, "msg_1");
    assert_string_equal(got.type, "application/json");
    assert_string_equal(got.body, "{\"type\":\"webhook.ping\"}");
}

static void client__follows_no_redirect(void **state)
{
    struct bench *bench = *state;
    for (int i = 0; i < 2; i++)
        assert_int_equal(post(bench, "/redirect", i, RESULT_OK).status, 302);
    assert_int_equal(receiver_count(bench->receiver, "/ok"), 0);
}

static void client__reads_bounded_answers(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(post(bench, "/endless-body", true, RESULT_OK).status, 200); /* the status decides */
    assert_int_equal(post(bench, "/endless-body", false, RESULT_FAILED).error, SEND_TOO_LARGE);
    assert_int_equal(post(bench, "/short", false, RESULT_FAILED).status, 0); /* half an answer is none */
    post(bench, "/endless-header", true, RESULT_FAILED);
    post(bench, "/endless-continue", true, RESULT_FAILED);
}

static void client__names_why_there_was_no_answer(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(post(bench, "/silence", true, RESULT_FAILED).error, SEND_TIMEOUT);
    for (const char *const *path = (const char *const[]){"/reset", "/garbage", "/old", NULL}; *path; path++)
        assert_int_equal(post(bench, *path, true, RESULT_FAILED).error, SEND_PROTOCOL);
    struct client_answer answer;
    const struct client_request nobody = {.method = "GET", .url = "http://127.0.0.1:1/", .timeout_ms = 1500},
                                file = {.method = "GET", .url = "file:///etc/passwd", .timeout_ms = 1500};
    assert_int_equal(client_ask(bench->client, &nobody, &bench->arena, &answer), RESULT_FAILED);
    assert_int_equal(answer.error, SEND_CONNECT);
    assert_true(strlen(answer.words) > 0);
    assert_int_equal(client_ask(bench->client, &file, &bench->arena, &answer), RESULT_FAILED);
    assert_false(client_is_stopped(bench->client));
}

static void client__stops_when_it_is_told_to(void **state)
{
    struct bench *bench = *state;
    struct client_answer answer;
    const struct client_request silence = {.method = "GET", .url = url(bench, "/silence"), .timeout_ms = 60000};
    int64_t started_ms = monotonic_ms();
    assert_int_equal(write(bench->stop[1], "x", 1), 1);
    assert_int_equal(client_ask(bench->client, &silence, &bench->arena, &answer), RESULT_FAILED);
    assert_true(client_is_stopped(bench->client));
    client_nap(bench->client, 60000);
    assert_true(monotonic_ms() - started_ms < 30000);

    client_stop_by(bench->client, -1); /* last words */
    assert_int_equal(post(bench, "/ok", false, RESULT_OK).status, 204);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(client__sends_headers_and_body_as_they_are, setup, teardown),
        cmocka_unit_test_setup_teardown(client__follows_no_redirect, setup, teardown),
        cmocka_unit_test_setup_teardown(client__reads_bounded_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(client__names_why_there_was_no_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(client__stops_when_it_is_told_to, setup, teardown),
    };
    return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
