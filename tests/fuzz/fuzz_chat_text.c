/* Whatever a stranger typed, in every format of chats: nothing that would call or link is left, what is said of lengths
 * holds, and every message is JSON. */
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "cards/chat_text.h"
#include "cards/event.h"
#include "cards/webhook_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool true_now)
{
    if (!true_now)
        abort();
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static void check_harmless(const char *text)
{
    must(!strstr(text, "://") && !strstr(text, "www.a"));
    for (const char *at = text; (at = strpbrk(at, "@#~")); at++)
        must(!is_word(at[1]));
    for (const char *at = text; (at = strchr(at, '.')); at++)
        must(at == text || !is_word(at[-1]) || !is_word(at[1]));
}

/* Whether every one of MARKS has a backslash of its own before it. */
static bool is_escaped(const char *text, const char *marks)
{
    for (; *text; text++) {
        if (*text == '\\')
            text++;
        else if (strchr(marks, *text))
            return false;
        if (!*text)
            return false;
    }
    return true;
}

static void check_text(const char *text, size_t max, struct arena *arena)
{
    for (enum chat_place place = CHAT_LITERAL; place <= CHAT_MATTERMOST; place++)
        for (enum text_unit unit = TEXT_POINTS; unit <= TEXT_BYTES; unit++) {
            const char *safe = chat_text(text, place, max, unit, arena);
            must(text_is_utf8(safe, strlen(safe)));
            must(text_measure(safe, unit) <= max);
            check_harmless(safe);
            must(place != CHAT_SLACK || !strpbrk(safe, "<>"));
            must(place != CHAT_DISCORD || is_escaped(safe, "*_~|`[]()<>"));
            must(place != CHAT_MATTERMOST || is_escaped(safe, "*_~|`[]()<>#&!$^{}="));
        }
}

static void check_formats(const struct lead *lead, struct arena *arena)
{
    const char *body = event_body(EVENT_LEAD_CREATED, 1, json_pack("{s:o}", "lead", lead_to_json(lead)), arena);
    for (enum webhook_format format = FORMAT_STANDARD; format < FORMAT_COUNT; format++) {
        struct webhook_message message;
        const struct webhook_event event = {.format = format,
                                            .sequence = 1,
                                            .url = "https://ntfy.example/topic",
                                            .body = body,
                                            .base_url = "https://cards.example"};
        must(webhook_format_write(&event, arena, &message) == RESULT_OK);
        json_t *json = json_loads(message.body, 0, NULL);
        must(json_is_object(json));
        json_decref(json);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    const char *text;
    if (!size || size > 8000)
        return 0;
    arena_init(&arena);
    if (text_clean(arena_strndup(&arena, (const char *)data + 1, size - 1), TEXT_LINES, &arena, &text) == RESULT_OK &&
        text) {
        check_text(text, 32 + data[0], &arena);
        const struct lead lead = {.id = 1,
                                  .created_ms = 1,
                                  .name = text_cut(text, LEAD_NAME_MAX, &arena),
                                  .email = text_cut(text, LEAD_REACH_MAX, &arena),
                                  .phone = text_cut(text, LEAD_REACH_MAX, &arena),
                                  .message = text_cut(text, LEAD_MESSAGE_MAX, &arena)};
        check_formats(&lead, &arena);
    }
    arena_free(&arena);
    return 0;
}
