/* See send.h. */
#include "server/pages/send.h"

#include "cards/base/escape.h"
#include "cards/base/str.h"

enum { LINK_MAX = 8192 };

/* PREFIX ONE, then MIDDLE TWO if there is a middle; both values percent-encoded. */
static const char *link_of(struct arena *arena, const char *prefix, const char *one, const char *middle,
                           const char *two)
{
    struct str link;
    str_init(&link, arena, LINK_MAX);
    str_add(&link, prefix);
    escape_url_part(&link, one);
    if (middle) {
        str_add(&link, middle);
        escape_url_part(&link, two);
    }
    return link.failed ? NULL : link.data;
}

const char *send_href(enum channel channel, const char *subject, const char *text, const char *url, struct arena *arena)
{
    const char *whole = arena_printf(arena, "%s %s", text, url);
    switch (channel) {
    case CHANNEL_WHATSAPP:
        return link_of(arena, "https://wa.me/?text=", whole, NULL, NULL);
    case CHANNEL_LINKEDIN: /* LinkedIn and Facebook take their words from the page's own preview */
        return link_of(arena, "https://www.linkedin.com/sharing/share-offsite/?url=", url, NULL, NULL);
    case CHANNEL_FACEBOOK:
        return link_of(arena, "https://www.facebook.com/sharer/sharer.php?u=", url, NULL, NULL);
    case CHANNEL_X:
        return link_of(arena, "https://twitter.com/intent/tweet?text=", text, "&url=", url);
    case CHANNEL_TELEGRAM:
        return link_of(arena, "https://t.me/share/url?url=", url, "&text=", text);
    case CHANNEL_EMAIL:
        return link_of(arena, "mailto:?subject=", subject, "&body=", whole);
    case CHANNEL_SMS: /* both old and new iPhones take it so */
        return link_of(arena, "sms:?&body=", whole, NULL, NULL);
    default:
        return NULL;
    }
}
