/* Any bytes as the text of a card: a vCard with the lines that were meant and no other, each at most 75 octets, and never a
 * character of sound UTF-8 cut in two. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "cards/base/text.h"
#include "cards/vcard.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

/* The next piece up to a NUL; NULL when it is empty. */
static const char *piece(const uint8_t **data, size_t *size, struct arena *arena)
{
    size_t len = strnlen((const char *)*data, *size);
    const char *text = len ? arena_strndup(arena, (const char *)*data, len) : NULL;
    size_t used = len < *size ? len + 1 : len;
    *data += used;
    *size -= used;
    return text;
}

static void check(const struct str *out, int lines_meant, int sound)
{
    int lines = 0;
    for (const char *line = out->data; *line;) {
        size_t len = strcspn(line, "\r\n");
        require(line[len] == '\r' && line[len + 1] == '\n');
        require(len >= 2 && len <= 75);
        require(!sound || text_is_utf8(line, len));
        lines += *line != ' ';
        line += len + 2;
    }
    require(lines == lines_meant);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    if (size > 20000)
        return 0;
    arena_init(&arena);
    int sound = text_is_utf8((const char *)data, size);
    const char *name = piece(&data, &size, &arena), *label = piece(&data, &size, &arena),
               *number = piece(&data, &size, &arena);
    struct card card = {
        .name = name ? name : "x", .title = piece(&data, &size, &arena), .note = piece(&data, &size, &arena)};
    card.phones[0] = (struct card_point){label, number ? number : "1"};
    card.phone_count = 1;
    struct vcard_extras extras = {.url = NULL};
    for (int version = VCARD_3; version <= VCARD_4; version++) {
        struct str out;
        str_init(&out, &arena, VCARD_MAX);
        vcard_write(&out, &card, (enum vcard_version)version, &extras);
        require(!out.failed);
        /* BEGIN VERSION PRODID FN N TEL END, KIND in 4.0, and a label's own line. */
        int meant = 7 + (version == VCARD_4) + (card.title != NULL) + (card.note != NULL) +
                    (strstr(out.data, "\r\nitem1.X-ABLabel:") != NULL);
        check(&out, meant, sound);
    }
    arena_free(&arena);
    return 0;
}
