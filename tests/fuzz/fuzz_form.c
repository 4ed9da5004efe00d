/* Any bytes as a form's body, NULs included and no NUL behind it: nothing beyond its end is read, the n-th fields of a name
 * come to an end, and a body with few fields is never called one with many. */
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const NAMES[] = {"a", "", "name", "phones"};
    struct request request = {0};
    char *body = malloc(size ? size : 1); /* exactly as long, so that a read too far is seen */
    if (!body)
        return 0;
    if (size)
        memcpy(body, data, size);
    arena_init(&request.arena);
    request.body = body;
    request.body_len = size;
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        for (int nth = 0; nth <= FORM_FIELDS_MAX; nth++) {
            const char *value = request_form_nth(&request, NAMES[i], nth);
            require(!value || nth < FORM_FIELDS_MAX);
            require(!value || !u8_check((const uint8_t *)value, strlen(value)));
        }
    }
    if (size < FORM_FIELDS_MAX)
        require(!request_has_too_many_fields(&request));
    arena_free(&request.arena);
    free(body);
    return 0;
}
