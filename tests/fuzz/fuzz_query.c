/* Any bytes as a query: each answer is UTF-8 without NUL, and a value that is encoded again is found again. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistr.h>
#include "server/http/exchange.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static char *encode(struct arena *arena, const char *text)
{
    char *out = arena_alloc(arena, strlen(text) * 3 + 1), *at = out;
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        *at++ = '%';
        *at++ = "0123456789abcdef"[c >> 4];
        *at++ = "0123456789ABCDEF"[c & 15];
    }
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const NAMES[] = {"a", "", "name", "phones[]", "\xc3\xa4"};
    struct request request = {0};
    arena_init(&request.arena);
    request.query = arena_strndup(&request.arena, (const char *)data, size);
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        const char *value = request_query(&request, NAMES[i]);
        if (!value)
            continue;
        require(!u8_check((const uint8_t *)value, strlen(value)));
        struct request again = {.query = arena_printf(&request.arena, "x=1&%s=%s", encode(&request.arena, NAMES[i]),
                                                      encode(&request.arena, value))};
        arena_init(&again.arena);
        const char *found = request_query(&again, NAMES[i]);
        require(found && strcmp(found, value) == 0);
        arena_free(&again.arena);
    }
    arena_free(&request.arena);
    return 0;
}
