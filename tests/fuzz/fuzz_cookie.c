/* Any text as a Cookie header: a value is found only where "name=" stands, and holds nothing that could end it. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "server/http/exchange.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const NAMES[] = {"a", "__Host-sid", "b"};
    struct arena arena;
    arena_init(&arena);
    char *text = arena_strndup(&arena, (const char *)data, size);
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        const char *value = request_cookie_in(&arena, text, NAMES[i]);
        if (!value)
            continue;
        require(strstr(text, arena_printf(&arena, "%s=", NAMES[i])) != NULL);
        require(strpbrk(value, " \t\r\n;,\\\"\x7f") == NULL);
        const char *again = request_cookie_in(&arena, arena_printf(&arena, "x=1; %s=%s", NAMES[i], value), NAMES[i]);
        require(again && strcmp(again, value) == 0);
    }
    arena_free(&arena);
    return 0;
}
