/* /webhooks/{id}: how one webhook is doing, what was sent to it, and its buttons. A secret is shown once, on the answer to the
 * form that made it. */
#include "server/pages/webhook.h"

#include <string.h>

#include "cards/base/id.h"
#include "cards/webhook_format.h"
#include "server/auth/caller.h"
#include "server/ids.h"
#include "server/notify/sign.h"
#include "server/pages/desk.h"
#include "server/pages/hook_health.h"
#include "server/pages/hook_signs.h"
#include "server/pages/hook_words.h"
#include "server/pages/pages.h"
#include "server/pages/when.h"
#include "server/store/store.h"
#include "templates.h"

enum { DELIVERIES_SHOWN = 30 };

static enum result find(struct app *app, struct request *request, int64_t id, struct webhook *out)
{
    return store_webhook_find(app->store, &request->arena, request_caller(request)->member.id, id, out);
}

/* The lists one can choose: by state, in plain words. */
static const struct {
    int state;
    const char *name, *words;
} STATES[] = {
    {-1, "", "All"},
    {DELIVERY_DELIVERED, "delivered", "Arrived"},
    {DELIVERY_PENDING, "pending", "Waiting"},
    {DELIVERY_FAILED, "failed", "Did not arrive"},
    {DELIVERY_DISABLED, "disabled", "Not sent"},
};
enum { STATES_COUNT = sizeof STATES / sizeof *STATES };

static int chosen_state(struct request *request)
{
    const char *name = request_query(request, "state");
    for (int i = 1; name && i < STATES_COUNT; i++)
        if (!strcmp(STATES[i].name, name))
            return i;
    return 0;
}

static void fill_states(struct webhook_view *view, int chosen, struct arena *arena)
{
    struct tab_view *states = arena_alloc(arena, STATES_COUNT * sizeof *states);
    for (int i = 0; i < STATES_COUNT; i++)
        states[i] = (struct tab_view){
            .href = arena_printf(arena, "/webhooks/%s%s%s#deliveries", view->id, i ? "?state=" : "", STATES[i].name),
            .name = STATES[i].words,
            .is_open = i == chosen};
    view->states = states;
    view->states_count = STATES_COUNT;
}

static enum result list(struct app *app, struct arena *arena, const struct webhook *webhook, int state, int64_t before,
                        size_t limit, struct delivery **out, size_t *count)
{
    const struct delivery_filter filter = {.webhook_id = webhook->id, .state = state, .before = before, .limit = limit};
    return store_delivery_list(app->store, arena, webhook->owner_id, &filter, out, count);
}

static const char *none_words(const struct webhook *webhook, int chosen, bool is_older)
{
    if (is_older)
        return "There are no older ones.";
    if (chosen)
        return "None of these.";
    return webhook->disabled_ms ? "Nothing yet." : "Nothing yet. “Send a test” tells you at once whether it arrives.";
}

static enum result fill_deliveries(struct app *app, struct request *request, const struct webhook *webhook,
                                   struct webhook_view *view)
{
    struct arena *arena = &request->arena;
    const char *before = request_query(request, "before");
    struct delivery *rows;
    size_t count;
    int64_t now = now_ms();
    int chosen = chosen_state(request);
    enum result result = list(app, arena, webhook, STATES[chosen].state, before ? id_parse("dlv", before) : 0,
                              DELIVERIES_SHOWN + 1, &rows, &count);
    if (result != RESULT_OK)
        return result;
    struct delivery_view *deliveries = arena_alloc(arena, (count + 1) * sizeof *deliveries);
    for (size_t i = 0; i < count && i < DELIVERIES_SHOWN; i++) {
        struct delivery_view *delivery = &deliveries[view->deliveries_count++];
        *delivery = hook_delivery_view(&rows[i], now, arena);
        delivery->may_resend &= !webhook->disabled_ms && rows[i].state != DELIVERY_DELIVERED;
    }
    if (count > DELIVERIES_SHOWN)
        view->next_href = arena_printf(arena, "/webhooks/%s?state=%s&before=%s#deliveries", view->id,
                                       STATES[chosen].name, deliveries[DELIVERIES_SHOWN - 1].id);
    view->deliveries = deliveries;
    view->none = count ? NULL : none_words(webhook, chosen, before != NULL);
    if (count || chosen || before)
        fill_states(view, chosen, arena);
    return RESULT_OK;
}

static enum result fill_day(struct app *app, struct arena *arena, const struct webhook *webhook,
                            struct webhook_view *view)
{
    struct delivery *rows;
    size_t count;
    enum result result = list(app, arena, webhook, -1, 0, DAY_ROWS_MAX, &rows, &count);
    if (result == RESULT_OK)
        view->day = hook_day(rows, count, now_ms(), arena);
    return result;
}

static void fill(struct request *request, const struct webhook *webhook, struct webhook_view *view)
{
    struct arena *arena = &request->arena;
    int64_t now = now_ms();
    struct hook_health health = hook_health(webhook, now, arena);
    view->name = hook_name(webhook, arena);
    view->desk = desk_frame(request, view->name, "webhooks");
    view->id = desk_id_text(arena, "whk", webhook->id);
    view->url = webhook->url;
    view->sign = health.sign;
    view->health = health.words;
    view->warning = health.warning;
    view->advice = health.advice;
    view->success = when_ago(webhook->health.last_success_ms, now, arena);
    view->failure = when_ago(webhook->health.last_failure_ms, now, arena);
    view->failures = webhook->health.failures_in_a_row;
    view->format = webhook_format_label(webhook->format);
    view->payload = webhook->thin ? "Only that it happened" : "Everything";
    view->is_signed = webhook->format == FORMAT_STANDARD;
    view->events = hook_events(webhook->events, "\n", arena);
    view->waiting = webhook->pending;
    view->is_listener = webhook->listener;
    view->is_on = !webhook->disabled_ms;
}

static enum result show(struct app *app, struct request *request, const struct webhook *webhook,
                        struct webhook_view *view)
{
    struct str html;
    fill(request, webhook, view);
    enum result result = fill_deliveries(app, request, webhook, view);
    if (result == RESULT_OK)
        result = fill_day(app, &request->arena, webhook, view);
    if (result != RESULT_OK)
        return result;
    desk_begin(request, &html);
    template_webhook(&html, view);
    return desk_reply(request, 200, &html);
}

enum result webhook_page(struct app *app, struct request *request)
{
    struct webhook webhook;
    struct webhook_view view = {0};
    const char *sent = request_query(request, "sent");
    enum result result = find(app, request, desk_id(request, "whk"), &webhook);
    if (result != RESULT_OK)
        return result;
    if (sent && id_parse("dlv", sent)) {
        view.said = "It is on its way.";
        view.delivery_href = desk_href(&request->arena, "deliveries", "dlv", id_parse("dlv", sent));
    }
    return show(app, request, &webhook, &view);
}

enum result webhook_show_secret(struct app *app, struct request *request, int64_t id,
                                const unsigned char secret[WEBHOOK_SECRET_SIZE])
{
    struct webhook webhook;
    char text[WEBHOOK_SECRET_TEXT_SIZE];
    enum result result = find(app, request, id, &webhook);
    if (result != RESULT_OK)
        return result;
    struct webhook_view view = {.secret = arena_strdup(&request->arena, webhook_secret_text(text, secret))};
    return show(app, request, &webhook, &view);
}

/* ---- its buttons ---- */

static enum result ping(struct app *app, struct request *request, struct webhook *webhook, const char **next)
{
    int64_t delivery_id;
    enum result result = store_webhook_ping(app->store, webhook->owner_id, webhook->id, now_ms(), &delivery_id);
    *next = arena_printf(&request->arena, "%s?sent=%s", *next, desk_id_text(&request->arena, "dlv", delivery_id));
    return result;
}

static enum result switch_to(struct app *app, struct webhook *webhook, bool on)
{
    webhook->disabled_ms = on ? 0 : now_ms();
    webhook->disabled_why = on ? NULL : HOOK_OFF_BY_HAND;
    return store_webhook_change(app->store, webhook, now_ms());
}

enum result webhook_act(struct app *app, struct request *request)
{
    struct webhook webhook;
    enum result result = find(app, request, desk_id(request, "whk"), &webhook);
    if (result != RESULT_OK)
        return result;
    const char *next = desk_href(&request->arena, "webhooks", "whk", webhook.id);
    if (desk_form_is(request, "do", "ping")) {
        result = ping(app, request, &webhook, &next);
    } else if (desk_form_is(request, "do", "off") || desk_form_is(request, "do", "on")) {
        result = switch_to(app, &webhook, desk_form_is(request, "do", "on"));
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
