/* What the templates of the webhooks' pages are given: the list, a webhook, its form, and one delivery of it.
 * Read together with views_desk.h, which it builds on. */
#ifndef MEISHI_VIEWS_WEBHOOKS_H
#define MEISHI_VIEWS_WEBHOOKS_H

#include "server/pages/views_desk.h"

/* What went to a webhook in a day, hour by hour: what arrived above the line, what did not below. */
struct day_view {
    const char *arrived, *missed; /* SVG path data in 95 by 22; NULL: there was nothing */
    const char *words;
};

/* One webhook of the list. */
struct hook_view {
    const char *href, *name, *rest; /* the rest of the address is cut: it may be all that guards a chat */
    const char *health, *warning;
    const char *told; /* its format and its events */
    const char *waiting;
    struct sign_view sign;
    struct day_view day;
};

struct webhooks_view {
    struct desk_view desk;
    const struct hook_view *hooks;
    int hooks_count;
    bool may_add;
};

/* Something to tick or to choose, with a sentence about it. */
struct option_view {
    const char *name, *words, *more;
    bool is_chosen;
};

struct webhook_form_view {
    struct desk_view desk;
    const char *action, *back_href;
    bool is_new;
    const struct option_view *formats;
    int formats_count;
    const char *url, *url_error, *events_error;
    const struct option_view *events;
    int events_count;
    bool is_thin, is_asymmetric;
};

struct webhook_view {
    struct desk_view desk;
    const char *id, *name, *url;
    const char *said, *delivery_href;  /* the message that was sent a moment ago, followed while it is on its way */
    const char *secret, *secret_words; /* one that was made a moment ago */
    bool is_listener, is_on, is_signed;
    struct sign_view sign;
    const char *health, *warning, *advice, *answers;
    const char *trouble, *todo; /* what the last failure was, and what to do about it */
    struct day_view day;
    struct when_view success, failure;
    long long failures, waiting;
    const char *missed; /* "12 messages", which failed or found it off; NULL: none */
    bool is_replaying;
    const char *format, *payload, *events;
    const char *public_key, *old_until;
    const struct tab_view *states;
    int states_count;
    const struct delivery_view *deliveries;
    int deliveries_count;
    const char *none, *next_href;
};

/* One attempt: what came of it, what that means and what to do about it. */
struct try_view {
    const char *what, *means, *todo, *took, *clock;
    struct when_view when;
};

struct delivery_page_view {
    struct desk_view desk;
    const char *id, *event, *name, *hook_href, *lead_href;
    struct sign_view sign;
    const char *words, *said, *error;
    const char *message_id, *type, *clock;
    const char *body;
    const struct try_view *tries;
    int tries_count;
    bool may_resend;
};

#endif
