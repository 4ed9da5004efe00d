/* Captured requests of any bytes: reading and judging them ends, and nothing unsigned is ever called genuine. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cards/webhook_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct webhook_capture capture;
    struct webhook_verdict verdict;
    struct webhook_check_keys keys = {.secret = "no fuzzer guesses this one", .secret_len = 32, .has_public = true};
    const char *why;
    arena_init(&arena);
    char *text = arena_strndup(&arena, (const char *)data, size);
    size = strlen(text);
    if (webhook_check_request(text, size, &arena, &capture, &why) == RESULT_OK) {
        webhook_check(&capture, &keys, 1795338000, WEBHOOK_TOLERANCE_S, &arena, &verdict);
        if (verdict.genuine)
            abort();
    }
    if (webhook_check_headers(text, &arena, &capture, &why) == RESULT_OK) {
        capture.body = text;
        capture.body_len = size;
        webhook_check(&capture, &keys, 1795338000, WEBHOOK_TOLERANCE_S, &arena, &verdict);
        if (verdict.genuine)
            abort();
    }
    struct webhook_check_keys read = {0};
    if (webhook_check_read_secret(text, &read, &why) == RESULT_OK && read.secret_len < WEBHOOK_KEY_MIN)
        abort();
    arena_free(&arena);
    return 0;
}
