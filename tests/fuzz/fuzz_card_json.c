/* Any bytes as a card's JSON: refused with words, or a card that its own JSON makes again. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "cards/base/text.h"
#include "cards/card.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A property that fails must stop the fuzzer in every build. */
static void require(int holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *json = json_loadb((const char *)data, size, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
    if (!json)
        return 0;
    struct arena arena;
    arena_init(&arena);
    struct complaints complaints = {0};
    struct card card = {0}, again = {0};
    enum result result = card_from_json(&card, json, &arena, &complaints);
    require((result == RESULT_OK) == !complaints.count);
    result = card_check(&card, &arena, &complaints);
    const char *initials = card_initials(&card, &arena);
    require(text_is_utf8(initials, strlen(initials)));
    text_direction(card.name);
    if (result == RESULT_OK) {
        complaints.count = 0;
        json_t *out = card_to_json(&card);
        require(card_from_json(&again, out, &arena, &complaints) == RESULT_OK);
        require(card_check(&again, &arena, &complaints) == RESULT_OK);
        json_t *out_again = card_to_json(&again);
        require(json_equal(out, out_again));
        json_decref(out);
        json_decref(out_again);
    }
    json_decref(json);
    arena_free(&arena);
    return 0;
}
