/* What is said over the sender's socket: everything arrives as it was meant, in whatever pieces, and nothing that is cut, changed
 * in its form or out of range is understood. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "server/notify/wire.h"

static struct sockaddr_storage address_of(const char *text, uint16_t port)
{
    struct sockaddr_storage address = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address;
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
    } else {
        memset(&address, 0, sizeof address);
        assert_int_equal(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
    }
    return address;
}

static struct message a_call(void)
{
    return (struct message){
        .kind = MESSAGE_CALL,
        .call = {.ticket = INT64_C(0x0102030405060708),
                 .deadline_ms = 15000,
                 .url = "https://example.org/hook?a=1",
                 .addresses = {address_of("8.8.8.8", 443), address_of("2606:4700:4700::1111", 443)},
                 .address_count = 2,
                 .headers = {"Content-Type: application/json", "webhook-id: msg_1", "webhook-signature: v1,x"},
                 .body = "{\"type\":\"lead.created\"}"}};
}

static struct message settings(void)
{
    struct message message = {
        .kind = MESSAGE_SETTINGS,
        .settings = {
            .limits = {.name_ms = 1, .connect_ms = 2, .answer_ms = 3, .deadline_ms = 4, .authorities = "/etc/x.pem"}}};
    const char *why;
    assert_int_equal(address_policy_parse("10.0.0.0/8:443,[fd00::]/8:*", &message.settings.policy, &why), RESULT_OK);
    return message;
}

static struct message an_outcome(void)
{
    return (struct message){
        .kind = MESSAGE_OUTCOME,
        .outcome = {
            .id = -5, .error = SEND_STATUS, .status = 503, .latency_ms = 1234, .retry_after_ms = INT64_C(999999000)}};
}

static void message__arrives_as_it_was_meant(void **state)
{
    (void)state;
    static unsigned char bytes[MESSAGE_BYTES_MAX];
    struct arena arena;
    struct message sent = a_call(), got;
    arena_init(&arena);
    size_t len = message_write(&sent, bytes, sizeof bytes);
    assert_int_equal(message_read(bytes, len, &arena, &got), RESULT_OK);
    assert_int_equal(got.call.ticket, sent.call.ticket);
    assert_int_equal(got.call.deadline_ms, 15000);
    assert_string_equal(got.call.url, sent.call.url);
    assert_string_equal(got.call.body, sent.call.body);
    assert_string_equal(got.call.headers[2], "webhook-signature: v1,x");
    assert_null(got.call.headers[3]);
    assert_int_equal(got.call.address_count, 2);
    for (int i = 0; i < 2; i++)
        assert_true(address_is_same(&got.call.addresses[i], &sent.call.addresses[i]));

    sent = settings();
    len = message_write(&sent, bytes, sizeof bytes);
    assert_int_equal(message_read(bytes, len, &arena, &got), RESULT_OK);
    assert_memory_equal(&got.settings.policy, &sent.settings.policy, sizeof got.settings.policy);
    assert_int_equal(got.settings.limits.answer_ms, 3);
    assert_string_equal(got.settings.limits.authorities, "/etc/x.pem");

    sent = an_outcome();
    len = message_write(&sent, bytes, sizeof bytes);
    assert_int_equal(message_read(bytes, len, &arena, &got), RESULT_OK);
    assert_memory_equal(&got.outcome, &sent.outcome, sizeof got.outcome);
    arena_free(&arena);
}

/* Every message cut at every byte and followed by one more; and every byte of its head set to every value. */
static void message__is_refused_in_any_other_form(void **state)
{
    (void)state;
    static unsigned char bytes[MESSAGE_BYTES_MAX], other[MESSAGE_BYTES_MAX];
    struct message all[] = {a_call(), settings(), an_outcome(), {.kind = MESSAGE_READY}, {.kind = MESSAGE_LEAVING}},
                   got;
    struct arena arena;
    arena_init(&arena);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        size_t len = message_write(&all[i], bytes, sizeof bytes), whole;
        assert_true(len >= 6);
        for (size_t cut = 0; cut < len; cut++) {
            memcpy(other, bytes, len);
            assert_int_equal(message_read(other, cut, &arena, &got), RESULT_INVALID);
            other[2] = (unsigned char)(cut >> 8); /* with a length that says so */
            other[3] = (unsigned char)cut;
            assert_int_equal(message_read(other, cut, &arena, &got), RESULT_INVALID);
        }
        memcpy(other, bytes, len);
        other[2] = (unsigned char)((len + 1) >> 8);
        other[3] = (unsigned char)(len + 1);
        other[len] = 0;
        assert_int_equal(message_read(other, len + 1, &arena, &got), RESULT_INVALID);
        for (int at = 0; at < 5; at++)
            for (int value = 0; value < 256; value++) {
                memcpy(other, bytes, len);
                other[at] = (unsigned char)value;
                if (value != bytes[at])
                    assert_int_equal(message_read(other, len, &arena, &got), RESULT_INVALID);
            }
        assert_int_equal(message_length(bytes, 3, &whole), RESULT_NOT_FOUND);
        assert_int_equal(message_length(bytes, 4, &whole), RESULT_OK);
        assert_int_equal(whole, len);
    }
    static const unsigned char too_long[4] = {0, 1, 0, 1}, too_short[4] = {0, 0, 0, 5};
    size_t whole;
    assert_int_equal(message_length(too_long, 4, &whole), RESULT_INVALID);
    assert_int_equal(message_length(too_short, 4, &whole), RESULT_INVALID);
    arena_free(&arena);
}

static void message__is_not_written_when_it_could_not_be_read(void **state)
{
    (void)state;
    static unsigned char bytes[MESSAGE_BYTES_MAX];
    static char long_text[MESSAGE_BYTES_MAX];
    struct message message = a_call();
    message.call.headers[1] = "webhook-id: msg_1\r\nHost: elsewhere";
    assert_int_equal(message_write(&message, bytes, sizeof bytes), 0);
    memset(long_text, 'a', sizeof long_text - 1);
    message = a_call();
    message.call.body = long_text;
    assert_int_equal(message_write(&message, bytes, sizeof bytes), 0);
    message = a_call();
    message.call.addresses[1].ss_family = AF_UNIX;
    assert_int_equal(message_write(&message, bytes, sizeof bytes), 0);
    message = a_call();
    assert_int_equal(message_write(&message, bytes, 40), 0);
}

static void wire__gives_every_message_whole_however_it_comes(void **state)
{
    (void)state;
    struct wire *from = calloc(1, sizeof *from), *to = calloc(1, sizeof *to);
    struct arena arena;
    struct message message = a_call(), got;
    int ends[2];
    arena_init(&arena);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    wire_open(from, ends[0]);
    wire_open(to, ends[1]);
    /* More than socket and buffers hold, so that both sides meet their limits. */
    int put = 0, taken = 0;
    for (int round = 0; taken < 20000; round++) {
        while (put < 20000) {
            message.call.ticket = put;
            enum result result = wire_put(from, &message);
            if (result == RESULT_LIMITED)
                break;
            assert_int_equal(result, RESULT_OK);
            put++;
        }
        assert_int_equal(wire_flush(from), RESULT_OK);
        if (round % 3)
            wire_fill(to);
        while (wire_take(to, &arena, &got) == RESULT_OK) {
            assert_int_equal(got.call.ticket, taken++);
            arena_reset(&arena);
        }
    }
    /* One byte at a time. */
    static unsigned char bytes[MESSAGE_BYTES_MAX];
    size_t len = message_write(&message, bytes, sizeof bytes);
    for (size_t i = 0; i < len; i++) {
        assert_int_equal(wire_take(to, &arena, &got), RESULT_NOT_FOUND);
        assert_int_equal(write(from->fd, bytes + i, 1), 1);
        wire_fill(to);
    }
    assert_int_equal(wire_take(to, &arena, &got), RESULT_OK);
    /* The end is seen, after what came before it; and nobody can be told any more. */
    assert_int_equal(wire_put(from, &message), RESULT_OK);
    assert_int_equal(wire_flush(from), RESULT_OK);
    wire_close(from);
    wire_fill(to);
    assert_true(to->ended);
    assert_int_equal(wire_take(to, &arena, &got), RESULT_OK);
    assert_int_equal(wire_take(to, &arena, &got), RESULT_NOT_FOUND);
    assert_int_equal(wire_put(to, &message), RESULT_OK);
    assert_int_equal(wire_flush(to), RESULT_FAILED);
    wire_close(to);
    arena_free(&arena);
    free(from);
    free(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(message__arrives_as_it_was_meant),
        cmocka_unit_test(message__is_refused_in_any_other_form),
        cmocka_unit_test(message__is_not_written_when_it_could_not_be_read),
        cmocka_unit_test(wire__gives_every_message_whole_however_it_comes),
    };
    return cmocka_run_group_tests_name("message", tests, NULL, NULL);
}
