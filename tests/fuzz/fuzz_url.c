/* Any bytes as an address, by every set of flags: refused, or one spelling that is its own spelling, on an http or https
 * host and nowhere else. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "cards/base/text.h"
#include "cards/base/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    arena_init(&arena);
    const char *text = arena_strndup(&arena, (const char *)data, size);
    for (unsigned flags = 0; flags < 8; flags++) {
        struct url url, again;
        if (url_parse(text, flags, &arena, &url) != RESULT_OK)
            continue;
        require(!strcmp(url.scheme, "https") || !strcmp(url.scheme, "http"));
        require(url.port >= 1 && url.port <= 65535);
        require(*url.host && !strpbrk(url.host, "@/?#\\ %"));
        require(!strncmp(url.text, url.scheme, strlen(url.scheme)) &&
                !strncmp(url.text + strlen(url.scheme), "://", 3));
        for (const char *at = url.text; *at; at++)
            require(*at > ' ' && *at < 0x7F);
        require(url_parse(url.text, flags, &arena, &again) == RESULT_OK);
        require(!strcmp(url.text, again.text) && !strcmp(url.host, again.host) && url.port == again.port);
    }
    const char *clean;
    if (text_clean(text, TEXT_LINES, &arena, &clean) == RESULT_OK && clean)
        require(text_is_utf8(clean, strlen(clean)) && text_is_utf8(text_fold(clean, &arena), 0));
    arena_free(&arena);
    return 0;
}
