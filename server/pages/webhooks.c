/* /webhooks: where events are told, whether that goes well, and everything that was sent. A secret is shown once, on the
 * answer to the form that made it. */
#include <string.h>

#include "cards/base/id.h"
#include "server/auth/caller.h"
#include "server/ids.h"
#include "server/notify/courier.h"
#include "server/notify/sign.h"
#include "server/pages/deliveries.h"
#include "server/pages/desk.h"
#include "server/pages/pages.h"
#include "server/pages/when.h"
#include "server/store/store.h"
#include "templates.h"

enum { DELIVERIES_SHOWN = 30, EVENTS_WORDS_MAX = 1024 };

static const char *const EVENTS[EVENT_COUNT] = {
    [EVENT_LEAD_POTENTIAL] = "Somebody scanned",
    [EVENT_LEAD_CREATED] = "Somebody left their details",
    [EVENT_LEAD_UPDATED] = "A lead changed",
    [EVENT_LEAD_ERASED] = "A lead was erased",
    [EVENT_SHARE_CREATED] = "A link was made",
    [EVENT_SHARE_PASSED_ON] = "Somebody passed a card on",
    [EVENT_CARD_SCANNED] = "A card was opened",
    [EVENT_FOLLOW_UP_DUE] = "A follow-up is due",
    [EVENT_WEBHOOK_PING] = "Test",
};
/* A test goes to its own endpoint alone; follow-ups are not kept yet. */
static const uint32_t OFFERED = (1u << EVENT_COUNT) - 1 - (1u << EVENT_WEBHOOK_PING) - (1u << EVENT_FOLLOW_UP_DUE);
static const uint32_t AT_FIRST = 1u << EVENT_LEAD_CREATED | 1u << EVENT_LEAD_UPDATED | 1u << EVENT_LEAD_ERASED;

static const char *without_scheme(const char *url)
{
    const char *host = strstr(url, "://");
    return host ? host + 3 : url;
}

static const char *health_of(const struct webhook *webhook, struct arena *arena)
{
    if (webhook->disabled_ms)
        return webhook->disabled_why ? arena_printf(arena, "Off: %s", webhook->disabled_why) : "Off";
    if (webhook->health.failures_in_a_row)
        return webhook->health.failures_in_a_row == 1 ? "The last message did not arrive"
                                                      : arena_printf(arena, "The last %lld tries did not arrive",
                                                                     (long long)webhook->health.failures_in_a_row);
    return webhook->health.last_success_ms ? "All is well" : "On; nothing was sent yet";
}

static int64_t later_of(int64_t one, int64_t other)
{
    return one > other ? one : other;
}

/* ---- the list, and a new one ---- */

static void fill_events(struct webhooks_view *view, uint32_t chosen, struct arena *arena)
{
    struct event_view *events = arena_alloc(arena, EVENT_COUNT * sizeof *events);
    for (int type = 0; type < EVENT_COUNT; type++)
        if (OFFERED & 1u << type)
            events[view->events_count++] =
                (struct event_view){event_name((enum event_type)type), EVENTS[type], chosen & 1u << type};
    view->events = events;
}

static enum result show_list(struct app *app, struct request *request, int status, uint32_t chosen,
                             struct webhooks_view *view)
{
    struct arena *arena = &request->arena;
    struct webhook *webhooks;
    size_t count;
    struct str html;
    int64_t now = now_ms();
    enum result result = store_webhook_list(app->store, arena, request_caller(request)->member.id, &webhooks, &count);
    if (result != RESULT_OK)
        return result;
    struct hook_view *hooks = arena_alloc(arena, (count + 1) * sizeof *hooks);
    for (size_t i = 0; i < count; i++)
        hooks[i] = (struct hook_view){
            .href = desk_href(arena, "webhooks", "whk", webhooks[i].id),
            .shown = without_scheme(webhooks[i].url),
            .health = health_of(&webhooks[i], arena),
            .when =
                when_ago(later_of(webhooks[i].health.last_success_ms, webhooks[i].health.last_failure_ms), now, arena),
            .is_bad =
                webhooks[i].health.failures_in_a_row || (webhooks[i].disabled_ms && webhooks[i].health.last_failure_ms),
        };
    view->desk = desk_frame(request, "Webhooks", "webhooks");
    view->hooks = hooks;
    view->hooks_count = (int)count;
    fill_events(view, chosen, arena);
    desk_begin(request, &html);
    template_webhooks(&html, view);
    return desk_reply(request, status, &html);
}

enum result webhook_list_page(struct app *app, struct request *request)
{
    return show_list(app, request, 200, AT_FIRST, &(struct webhooks_view){0});
}

static uint32_t read_events(struct request *request)
{
    uint32_t events = 0;
    const char *name;
    for (int i = 0; (name = request_form_nth(request, "event", i)); i++) {
        enum event_type type = event_parse(name);
        if (type != EVENT_COUNT)
            events |= 1u << type;
    }
    return events & OFFERED;
}

enum result webhook_add(struct app *app, struct request *request)
{
    struct arena *arena = &request->arena;
    const char *url = request_form(request, "url");
    struct webhook webhook = {
        .owner_id = request_caller(request)->member.id, .url = url ? url : "", .events = read_events(request)};
    struct webhooks_view view = {.url = webhook.url};
    view.url_error =
        *webhook.url ? webhook_url_complaint(webhook.url, &app->webhook_policy) : "Please say where to send it.";
    view.events_error = webhook.events ? NULL : "Please choose at least one.";
    if (view.url_error || view.events_error)
        return show_list(app, request, 422, webhook.events, &view);
    random_bytes(webhook.secret, sizeof webhook.secret);
    enum result result = store_webhook_add(app->store, &webhook, now_ms());
    if (result == RESULT_LIMITED) {
        view.url_error = "You have 20 webhooks already. Remove one first.";
        return show_list(app, request, 422, webhook.events, &view);
    }
    if (result != RESULT_OK)
        return result;
    char secret[WEBHOOK_SECRET_TEXT_SIZE];
    return show_list(app, request, 200, AT_FIRST,
                     &(struct webhooks_view){.secret = arena_strdup(arena, webhook_secret_text(secret, webhook.secret)),
                                             .made_href = desk_href(arena, "webhooks", "whk", webhook.id)});
}

/* ---- one ---- */

static const char *events_words(uint32_t events, struct arena *arena)
{
    struct str words;
    str_init(&words, arena, EVENTS_WORDS_MAX);
    for (int type = 0; type < EVENT_COUNT; type++)
        if (events & 1u << type)
            str_addf(&words, "%s%s", words.len ? "\n" : "", EVENTS[type]);
    return words.data;
}

static const char *why_words(const struct delivery *delivery, struct arena *arena)
{
    if (delivery->last_status)
        return arena_printf(arena, "answer %d", delivery->last_status);
    return delivery->last_error ? delivery->last_error : "no answer";
}

const char *delivery_words(const struct delivery *delivery, struct arena *arena)
{
    const char *tries = delivery->attempts == 1 ? "1 try" : arena_printf(arena, "%d tries", delivery->attempts);
    switch (delivery->state) {
    case DELIVERY_PENDING:
        return !delivery->attempts ? "On its way"
                                   : arena_printf(arena, "Not yet arrived: %s. Next try %s.",
                                                  why_words(delivery, arena), when_day(delivery->due_ms, true, arena));
    case DELIVERY_DELIVERED:
        return arena_printf(arena, "Arrived, %s%s", tries,
                            delivery->last_status ? arena_printf(arena, ", answer %d", delivery->last_status) : "");
    case DELIVERY_FAILED:
        return arena_printf(arena, "Did not arrive: %s, %s", why_words(delivery, arena), tries);
    case DELIVERY_DISABLED:
        return "Not sent: the webhook was off";
    case DELIVERY_ERASED:
        return "Not sent: the lead was erased";
    }
    return "";
}

static enum result fill_deliveries(struct app *app, struct request *request, const struct webhook *webhook,
                                   struct webhook_view *view)
{
    struct arena *arena = &request->arena;
    const char *before = request_query(request, "before");
    struct delivery *rows;
    size_t count;
    int64_t now = now_ms();
    const struct delivery_filter filter = {.webhook_id = webhook->id,
                                           .state = -1,
                                           .before = before ? id_parse("dlv", before) : 0,
                                           .limit = DELIVERIES_SHOWN + 1};
    enum result result = store_delivery_list(app->store, arena, webhook->owner_id, &filter, &rows, &count);
    if (result != RESULT_OK)
        return result;
    struct delivery_view *deliveries = arena_alloc(arena, (count + 1) * sizeof *deliveries);
    for (size_t i = 0; i < count && i < DELIVERIES_SHOWN; i++)
        deliveries[view->deliveries_count++] = (struct delivery_view){
            .id = desk_id_text(arena, "dlv", rows[i].id),
            .words = EVENTS[rows[i].type],
            .state = delivery_words(&rows[i], arena),
            .lead_href = rows[i].lead_id && rows[i].state != DELIVERY_ERASED && rows[i].type != EVENT_LEAD_ERASED
                             ? desk_href(arena, "leads", "led", rows[i].lead_id)
                             : NULL,
            .clock = when_day(rows[i].created_ms, true, arena),
            .when = when_ago(rows[i].created_ms, now, arena),
            .may_resend =
                rows[i].state != DELIVERY_PENDING && rows[i].state != DELIVERY_ERASED && !webhook->disabled_ms,
        };
    if (count > DELIVERIES_SHOWN)
        view->next_href = arena_printf(arena, "/webhooks/%s?before=%s", view->id, deliveries[DELIVERIES_SHOWN - 1].id);
    view->deliveries = deliveries;
    return RESULT_OK;
}

static enum result find(struct app *app, struct request *request, struct webhook *out)
{
    return store_webhook_find(app->store, &request->arena, request_caller(request)->member.id, desk_id(request, "whk"),
                              out);
}

enum result webhook_page(struct app *app, struct request *request)
{
    struct arena *arena = &request->arena;
    struct webhook webhook;
    struct str html;
    int64_t now = now_ms();
    enum result result = find(app, request, &webhook);
    if (result != RESULT_OK)
        return result;
    struct webhook_view view = {
        .desk = desk_frame(request, without_scheme(webhook.url), "webhooks"),
        .id = desk_id_text(arena, "whk", webhook.id),
        .url = webhook.url,
        .shown = without_scheme(webhook.url),
        .health = health_of(&webhook, arena),
        .events = events_words(webhook.events, arena),
        .said =
            request_query(request, "sent") ? "It is on its way. Load this page again to see whether it arrived." : NULL,
        .success = when_ago(webhook.health.last_success_ms, now, arena),
        .failure = when_ago(webhook.health.last_failure_ms, now, arena),
        .is_on = !webhook.disabled_ms,
    };
    result = fill_deliveries(app, request, &webhook, &view);
    if (result != RESULT_OK)
        return result;
    desk_begin(request, &html);
    template_webhook(&html, &view);
    return desk_reply(request, 200, &html);
}

static enum result switch_to(struct app *app, struct webhook *webhook, bool on)
{
    webhook->disabled_ms = on ? 0 : now_ms();
    webhook->disabled_why = on ? NULL : "switched off";
    return store_webhook_change(app->store, webhook, now_ms());
}

/* The buttons of one webhook: ping, off, on, resend, remove. */
enum result webhook_act(struct app *app, struct request *request)
{
    struct webhook webhook;
    int64_t delivery_id;
    const char *delivery = request_form(request, "delivery");
    enum result result = find(app, request, &webhook);
    if (result != RESULT_OK)
        return result;
    const char *page = desk_href(&request->arena, "webhooks", "whk", webhook.id);
    const char *sent = arena_printf(&request->arena, "%s?sent=1", page), *next = page;
    if (desk_form_is(request, "do", "ping")) {
        result = store_webhook_ping(app->store, webhook.owner_id, webhook.id, now_ms(), &delivery_id);
        next = sent;
    } else if (desk_form_is(request, "do", "off") || desk_form_is(request, "do", "on")) {
        result = switch_to(app, &webhook, desk_form_is(request, "do", "on"));
    } else if (desk_form_is(request, "do", "resend") && delivery) {
        result = store_delivery_redeliver(app->store, webhook.owner_id, id_parse("dlv", delivery), now_ms());
        next = sent;
    } else if (desk_form_is(request, "do", "remove")) {
        result = store_webhook_remove(app->store, webhook.owner_id, webhook.id, now_ms());
        next = "/webhooks";
    } else {
        result = RESULT_INVALID;
    }
    if (result == RESULT_OK)
        reply_see_other(request, next);
    return result;
}
