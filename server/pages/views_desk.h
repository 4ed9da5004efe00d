/* What the templates of the member's pages share: their frame, times, tabs, and messages on their way to webhooks.
 * What only one family of pages is given stands in its own header, such as views_people.h, which builds on this. */
#ifndef MEISHI_VIEWS_DESK_H
#define MEISHI_VIEWS_DESK_H

#include <stdbool.h>

/* A time: for machines (RFC 3339) and for people. */
struct when_view {
    const char *iso, *words;
};

/* The frame around every member's page. */
struct desk_view {
    const char *title, *here, *name;
    const char *form_token;
    const char *alarm, *alarm_href; /* a webhook that fails */
};

struct tab_view {
    const char *href, *name;
    long long count;
    bool is_open;
};

/* A state by shape and word, never by colour alone. */
struct sign_view {
    const char *name; /* "ok", "slow", "failing", "off", "new" */
    const char *word;
    const char *path; /* SVG path data in 24 by 24 */
};

/* One message on its way to a webhook, or what became of it. */
struct delivery_view {
    const char *id, *href, *event, *host, *words;
    struct sign_view sign;
    struct when_view when;
    const char *clock;
    const char *lead_href;
    bool may_resend;
};

#endif
