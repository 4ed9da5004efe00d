/* Any bytes as a request target: refused, or a path that starts with a slash, holds no NUL, control character or dot
 * segment however it is decoded, and gives target and query back. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "server/http/exchange.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* Decoded as leniently as the most careless reader would. */
static void look_decoded(const char *path)
{
    char decoded[TARGET_MAX + 1], *at = decoded;
    unsigned byte;
    for (const char *c = path; *c; c++) {
        if (*c == '%' && sscanf(c + 1, "%2x", &byte) == 1) {
            require(byte >= ' ' && byte != 0x7f && byte != '/');
            *at++ = (char)byte;
            c += 2;
        } else {
            *at++ = *c;
        }
    }
    *at = '\0';
    require(!strstr(decoded, "/../") && !strstr(decoded, "/./") && !strchr(decoded, '\\'));
    size_t len = (size_t)(at - decoded);
    require(len < 3 || strcmp(at - 3, "/..") != 0);
    require(len < 2 || strcmp(at - 2, "/.") != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct request request = {0};
    arena_init(&request.arena);
    char *target = arena_strndup(&request.arena, (const char *)data, size);
    int status = request_parse_target(&request, target);
    require(status == 0 || status == 400 || status == 414);
    require(request.path[0] == '/' && request.query);
    if (!status) {
        const char *again =
            arena_printf(&request.arena, "%s%s%s", request.path, strchr(target, '?') ? "?" : "", request.query);
        require(strcmp(again, target) == 0);
        look_decoded(request.path);
    }
    arena_free(&request.arena);
    return 0;
}
