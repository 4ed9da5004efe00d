/* See notice.h. */
#include "cards/notice.h"

#include <string.h>
#include "cards/base/str.h"
#include "cards/chat_text.h"
#include "cards/event.h"

static const char *text_of(const json_t *json, const char *name)
{
    return json_string_value(json_object_get(json, name));
}

static struct notice_fact *add(struct notice *notice, const char *label, const char *text)
{
    if (!text || !*text || notice->fact_count == NOTICE_FACTS_MAX)
        return NULL;
    struct notice_fact *fact = &notice->facts[notice->fact_count++];
    *fact = (struct notice_fact){.label = label, .text = text};
    return fact;
}

static void add_email(struct notice *notice, const char *email, struct arena *arena)
{
    struct notice_fact *fact = add(notice, "E-mail", email);
    if (fact && strchr(email, '@') && chat_is_address(email))
        fact->address = arena_printf(arena, "mailto:%s", email);
}

static void add_phone(struct notice *notice, const char *phone, struct arena *arena)
{
    struct str url;
    struct notice_fact *fact = add(notice, "Phone", phone);
    if (!fact || strchr(phone, '@') || !chat_is_address(phone))
        return;
    str_init(&url, arena, strlen(phone) + sizeof "tel:");
    str_add(&url, "tel:");
    for (; *phone; phone++)
        if ((*phone >= '0' && *phone <= '9') || (*phone == '+' && url.len == strlen("tel:")))
            str_add_char(&url, *phone);
    fact->address = url.data;
}

static const char *name_of(const json_t *person)
{
    const char *name = text_of(person, "name"), *handle = text_of(person, "handle");
    return name ? name : handle ? handle : "somebody";
}

/* "QR code, Berlin fair" */
static const char *source_of(const json_t *share, struct arena *arena)
{
    const char *name = text_of(share, "channel"), *label = text_of(share, "label");
    enum channel channel = name ? channel_parse(name) : CHANNEL_COUNT;
    if (channel == CHANNEL_COUNT)
        return label;
    return label ? arena_printf(arena, "%s, %s", channel_words(channel), label) : channel_words(channel);
}

static void add_hands(struct notice *notice, const json_t *told, struct arena *arena)
{
    enum { NAMES_MAX = 4096 };
    const json_t *chain = json_object_get(told, "chain"), *hand;
    const json_t *endorser = json_object_get(told, "endorser"), *sharer = json_object_get(told, "sharer");
    size_t index;
    struct str names;
    if (json_is_object(sharer))
        add(notice, "Shared by", name_of(sharer));
    if (json_is_object(endorser)) {
        const char *vouch = text_of(endorser, "vouch");
        add(notice, "Endorsed by",
            vouch ? arena_printf(arena, "%s: “%s”", name_of(endorser), vouch) : name_of(endorser));
    }
    if (json_array_size(chain) < 2)
        return;
    str_init(&names, arena, NAMES_MAX);
    json_array_foreach(chain, index, hand)
    {
        str_add(&names, index ? " → " : "");
        str_add(&names, name_of(json_object_get(hand, "sharer")));
    }
    if (!names.failed)
        add(notice, "Through", names.data);
}

static void read_lead(const json_t *lead, enum event_type type, const char *base_url, struct arena *arena,
                      struct notice *out)
{
    static const char *const HEADINGS[EVENT_COUNT][2] = {
        [EVENT_LEAD_POTENTIAL] = {"Potential lead", "Potential referral"},
        [EVENT_LEAD_CREATED] = {"New lead", "New referral"},
        [EVENT_LEAD_UPDATED] = {"Lead updated", "Referral updated"},
        [EVENT_FOLLOW_UP_DUE] = {"Lead to follow up", "Referral to follow up"},
    };
    const char *kind = text_of(lead, "kind"), *id = text_of(lead, "id"), *stage = text_of(lead, "stage");
    if (type == EVENT_LEAD_ERASED) {
        out->heading = "Lead erased";
        out->hint = "Please erase what you keep of this person elsewhere, too.";
        add(out, "Lead", id);
        return;
    }
    out->heading = HEADINGS[type][kind && !strcmp(kind, "referral")];
    out->who = text_of(lead, "name");
    out->url = arena_printf(arena, "%s/leads/%s", base_url, id ? id : "");
    add_email(out, text_of(lead, "email"), arena);
    add_phone(out, text_of(lead, "phone"), arena);
    add(out, "Company", text_of(lead, "company"));
    add(out, "Sent to", text_of(lead, "recipient"));
    add(out, "From", source_of(json_object_get(lead, "share"), arena));
    add_hands(out, lead, arena);
    if (type == EVENT_LEAD_UPDATED && stage && stage_parse(stage) != STAGE_COUNT)
        add(out, "Stage", stage_words(stage_parse(stage)));
    out->message = text_of(lead, "message");
}

static void read_share(const json_t *share, enum event_type type, const char *base_url, struct arena *arena,
                       struct notice *out)
{
    const char *id = text_of(share, "id");
    const json_t *chain = json_object_get(share, "chain");
    out->heading = type == EVENT_CARD_SCANNED      ? "Card scanned"
                   : type == EVENT_SHARE_PASSED_ON ? "Card passed on"
                                                   : "Card shared";
    out->url = arena_printf(arena, "%s/shares/%s", base_url, id ? id : "");
    add(out, "From", source_of(share, arena));
    add(out, "Sent to", text_of(share, "recipient"));
    add_hands(out, share, arena);
    if (type == EVENT_SHARE_PASSED_ON && json_array_size(chain))
        out->message = text_of(json_array_get(chain, json_array_size(chain) - 1), "vouch");
}

bool notice_read(const json_t *event, const char *base_url, struct arena *arena, struct notice *out)
{
    enum event_type type = event_parse(text_of(event, "type"));
    const json_t *data = json_object_get(event, "data"), *lead = json_object_get(data, "lead"),
                 *share = json_object_get(data, "share");
    *out = (struct notice){.time = text_of(event, "timestamp")};
    if (type == EVENT_WEBHOOK_PING) {
        const char *id = text_of(json_object_get(data, "webhook"), "id");
        out->heading = "It works";
        out->hint = "This is the test you asked for.";
        out->url = arena_printf(arena, "%s/webhooks/%s", base_url, id ? id : "");
    } else if (type == EVENT_SHARE_CREATED || type == EVENT_SHARE_PASSED_ON || type == EVENT_CARD_SCANNED)
        read_share(share, type, base_url, arena, out);
    else if (type != EVENT_COUNT) {
        add(out, "Promised", text_of(json_object_get(data, "follow_up"), "note"));
        read_lead(lead, type, base_url, arena, out);
    }
    return type != EVENT_COUNT && json_is_object(data);
}
