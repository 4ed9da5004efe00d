/* Any bytes as what the other side of the sender's socket said: read whole or refused, and what was read can be written again
 * as the same bytes, so nothing is understood in two ways. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "server/notify/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

static void require_sane(const struct message *message)
{
    if (message->kind == MESSAGE_CALL) {
        const struct call *call = &message->call;
        require(call->address_count >= 1 && call->address_count <= CALL_ADDRESSES_MAX && call->deadline_ms > 0);
        require(strlen(call->url) <= COURIER_URL_MAX);
        for (int i = 0; i < COURIER_HEADERS_MAX && call->headers[i]; i++)
            require(!strpbrk(call->headers[i], "\r\n"));
    }
    if (message->kind == MESSAGE_OUTCOME) {
        const struct send_outcome *outcome = &message->outcome;
        require(outcome->error >= SEND_OK && outcome->error < SEND_ERROR_COUNT && outcome->latency_ms >= 0);
        require((outcome->error == SEND_OK) == (outcome->status >= 200 && outcome->status < 300));
    }
    if (message->kind == MESSAGE_SETTINGS)
        require(message->settings.policy.count >= 0 && message->settings.policy.count <= ADDRESS_RULES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct message message;
    size_t len;
    if (message_length(data, size, &len) != RESULT_OK || len > size)
        len = size;
    arena_init(&arena);
    if (message_read(data, len, &arena, &message) == RESULT_OK) {
        static unsigned char again[MESSAGE_BYTES_MAX];
        require_sane(&message);
        require(message_write(&message, again, sizeof again) == len && !memcmp(again, data, len));
    }
    arena_free(&arena);
    return 0;
}
