/* See hook_words.h. */
#include "server/pages/hook_words.h"

#include <string.h>

#include "cards/base/str.h"
#include "server/pages/desk.h"
#include "server/pages/hook_signs.h"
#include "server/pages/when.h"

enum { EVENTS_WORDS_MAX = 1024, REST_HEAD = 12, REST_TAIL = 4 };

static const char LISTENER[] = "A program that listens"; /* it has no address */

static const struct {
    const char *title, *sentence;
} EVENTS[EVENT_COUNT] = {
    [EVENT_LEAD_POTENTIAL] = {"Somebody scanned", "A person looked at your card and left nothing yet."},
    [EVENT_LEAD_CREATED] = {"Somebody left their details", "A name and a way to reach them: the one most people want."},
    [EVENT_LEAD_UPDATED] = {"A lead changed", "You moved them on, or they wrote again."},
    [EVENT_LEAD_ERASED] = {"A lead was erased",
                           "They asked to be forgotten: your other systems should forget them too."},
    [EVENT_SHARE_CREATED] = {"A link was made", "You, or a program of yours, made a new link or code."},
    [EVENT_SHARE_PASSED_ON] = {"Somebody passed your card on", "A visitor sent your card to somebody they know."},
    [EVENT_CARD_SCANNED] = {"Your card was opened", "Every time a person opens it. This can be many messages."},
    [EVENT_FOLLOW_UP_DUE] = {"A follow-up is due", "A promise with a date has come to its day."},
    [EVENT_WEBHOOK_PING] = {"Test", "A message that says nothing."},
};

const char *hook_event_title(enum event_type type)
{
    return EVENTS[type].title;
}

const char *hook_event_sentence(enum event_type type)
{
    return EVENTS[type].sentence;
}

const char *hook_events(uint32_t events, const char *between, struct arena *arena)
{
    struct str words;
    str_init(&words, arena, EVENTS_WORDS_MAX);
    for (int type = 0; type < EVENT_COUNT; type++)
        if (events & 1u << type)
            str_addf(&words, "%s%s", words.len ? between : "", EVENTS[type].title);
    return words.data;
}

/* ---- addresses ---- */

static const char *after_scheme(const char *url)
{
    const char *host = strstr(url, "://");
    return host ? host + 3 : url;
}

const char *hook_host(const char *url, struct arena *arena)
{
    const char *host = after_scheme(url);
    return arena_strndup(arena, host, strcspn(host, "/?"));
}

const char *hook_rest(const char *url, struct arena *arena)
{
    const char *host = after_scheme(url), *rest = host + strcspn(host, "/?");
    size_t len = strlen(rest);
    if (len <= REST_HEAD + REST_TAIL + 2)
        return len > 1 ? rest : NULL;
    return arena_printf(arena, "%.*s…%s", REST_HEAD, rest, rest + len - REST_TAIL);
}

const char *hook_name(const struct webhook *webhook, struct arena *arena)
{
    return webhook->listener ? LISTENER : hook_host(webhook->url, arena);
}

const char *hook_latency(int64_t latency_ms, struct arena *arena)
{
    return latency_ms < 1000 ? arena_printf(arena, "%d ms", (int)latency_ms)
                             : arena_printf(arena, "%d.%d s", (int)(latency_ms / 1000), (int)(latency_ms % 1000 / 100));
}

/* ---- messages ---- */

struct sign_view hook_delivery_sign(const struct delivery *delivery)
{
    switch (delivery->state) {
    case DELIVERY_PENDING:
        return hook_sign(delivery->attempts ? SIGN_SLOW : SIGN_NEW, delivery->attempts ? "Waiting" : "On its way");
    case DELIVERY_DELIVERED:
        return hook_sign(SIGN_FINE, "Arrived");
    case DELIVERY_FAILED:
        return hook_sign(SIGN_FAILING, "Did not arrive");
    case DELIVERY_DISABLED:
    case DELIVERY_ERASED:
        break;
    }
    return hook_sign(SIGN_OFF, "Not sent");
}

static const char *tries_words(int attempts, struct arena *arena)
{
    return attempts == 1 ? "1 try" : arena_printf(arena, "%d tries", attempts);
}

const char *hook_delivery_words(const struct delivery *delivery, int64_t now_ms, struct arena *arena)
{
    const char *what = hook_trouble(delivery->last_error, delivery->last_status, arena).what;
    const char *tries = tries_words(delivery->attempts, arena);
    switch (delivery->state) {
    case DELIVERY_PENDING:
        if (delivery->paused)
            return "Too many wait before it.";
        return delivery->attempts ? arena_printf(arena, "%s, %s. Next try %s.", what, tries,
                                                 when_until(delivery->due_ms, now_ms, arena))
                                  : NULL;
    case DELIVERY_DELIVERED:
        what = arena_printf(arena, "%s in %s", what, hook_latency(delivery->last_latency_ms, arena));
        return delivery->attempts == 1 ? what : arena_printf(arena, "%s, %s", what, tries);
    case DELIVERY_FAILED:
        return arena_printf(arena, "%s, %s.", what, tries);
    case DELIVERY_DISABLED:
        return delivery->attempts ? arena_printf(arena, "%s, %s; then the webhook was off.", what, tries)
                                  : "The webhook was off.";
    case DELIVERY_ERASED:
        return "The lead was erased.";
    }
    return NULL;
}

struct delivery_view hook_delivery_view(const struct delivery *delivery, int64_t now_ms, struct arena *arena)
{
    bool has_lead = delivery->lead_id && delivery->state != DELIVERY_ERASED && delivery->type != EVENT_LEAD_ERASED;
    return (struct delivery_view){
        .id = desk_id_text(arena, "dlv", delivery->id),
        .href = desk_href(arena, "deliveries", "dlv", delivery->id),
        .event = hook_event_title(delivery->type),
        .host = !delivery->url   ? NULL
                : *delivery->url ? hook_host(delivery->url, arena)
                                 : LISTENER,
        .words = hook_delivery_words(delivery, now_ms, arena),
        .sign = hook_delivery_sign(delivery),
        .when = when_ago(delivery->created_ms, now_ms, arena),
        .clock = when_day(delivery->created_ms, true, arena),
        .lead_href = has_lead ? desk_href(arena, "leads", "led", delivery->lead_id) : NULL,
        .may_resend = delivery->state != DELIVERY_PENDING && delivery->state != DELIVERY_ERASED,
    };
}
