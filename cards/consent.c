/* See consent.h. */
#include "cards/consent.h"

#include <string.h>
#include "cards/base/text.h"
#include "cards/name.h"

static const char VERSION[] = "2026-11";

const char *card_first_name(const struct card *card, struct arena *arena)
{
    const char *name = card->name ? card->name : "", *at = name;
    if (text_is_cjk(text_next(&at)))
        return name; /* a given name alone is for family and friends there */
    struct name_parts parts;
    name_split(card, arena, &parts);
    return *parts.given ? parts.given : name;
}

struct consent consent_of(const struct card *card, struct arena *arena)
{
    const char *who = card_first_name(card, arena);
    return (struct consent){
        .version = VERSION,
        .sentence =
            arena_printf(arena,
                         "Only %s sees this and may answer you. You get a receipt with a link that shows what is "
                         "kept and erases it.",
                         who),
        .box = arena_printf(arena, "%s may also write to me about other things.", who),
    };
}

const char *consent_record(const struct consent *consent, bool ticked, struct arena *arena)
{
    return arena_printf(arena, "%s\n%s\n[%s] %s", consent->version, consent->sentence, ticked ? "x" : " ",
                        consent->box);
}

const char *consent_ticked(const char *record)
{
    static const char TICKED[] = "\n[x] ";
    const char *box = record ? strstr(record, TICKED) : NULL;
    return box ? box + sizeof TICKED - 1 : NULL;
}

const char *consent_words(const char *record, struct arena *arena)
{
    const char *sentence = record ? strchr(record, '\n') : NULL;
    if (!sentence)
        return record;
    size_t len = strcspn(++sentence, "\n");
    const char *box = consent_ticked(record);
    return box ? arena_printf(arena, "%.*s %s", (int)len, sentence, box) : arena_strndup(arena, sentence, len);
}
