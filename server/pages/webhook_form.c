/* /webhooks/new and /webhooks/{id}/edit: where to send, and of what. Whatever is wrong is said beside it, and nothing that
 * was typed is lost. */
#include "cards/base/text.h"
#include "cards/webhook_format.h"
#include "server/auth/caller.h"
#include "server/ids.h"
#include "server/notify/webhook_url.h"
#include "server/pages/desk.h"
#include "server/pages/hook_words.h"
#include "server/pages/pages.h"
#include "server/pages/webhook.h"
#include "server/store/store.h"
#include "templates.h"

/* A test goes to its own endpoint alone. */
static const uint32_t OFFERED = (1u << EVENT_COUNT) - 1 - (1u << EVENT_WEBHOOK_PING);
static const uint32_t AT_FIRST = 1u << EVENT_LEAD_CREATED | 1u << EVENT_LEAD_UPDATED | 1u << EVENT_LEAD_ERASED;

static void fill_events(struct webhook_form_view *view, uint32_t chosen, struct arena *arena)
{
    struct option_view *events = arena_alloc(arena, EVENT_COUNT * sizeof *events);
    for (int type = 0; type < EVENT_COUNT; type++)
        if (OFFERED & 1u << type)
            events[view->events_count++] =
                (struct option_view){event_name((enum event_type)type), hook_event_title((enum event_type)type),
                                     hook_event_sentence((enum event_type)type), chosen & 1u << type};
    view->events = events;
}

static void fill_formats(struct webhook_form_view *view, enum webhook_format chosen, struct arena *arena)
{
    struct option_view *formats = arena_alloc(arena, FORMAT_COUNT * sizeof *formats);
    for (enum webhook_format format = FORMAT_STANDARD; format < FORMAT_COUNT; format++)
        formats[view->formats_count++] = (struct option_view){webhook_format_name(format), webhook_format_label(format),
                                                              webhook_format_hint(format), format == chosen};
    view->formats = formats;
}

static enum result show(struct request *request, int status, const struct webhook *webhook,
                        struct webhook_form_view *view)
{
    struct arena *arena = &request->arena;
    struct str html;
    view->desk = desk_frame(request, webhook->id ? "Change the webhook" : "A new webhook", "webhooks");
    view->is_new = !webhook->id;
    view->back_href = webhook->id ? desk_href(arena, "webhooks", "whk", webhook->id) : "/webhooks";
    view->action = webhook->id ? arena_printf(arena, "%s/edit", view->back_href) : "/webhooks/new";
    view->url = webhook->url;
    view->is_thin = webhook->thin;
    view->is_asymmetric = webhook->asymmetric;
    fill_formats(view, webhook->format, arena);
    fill_events(view, webhook->events, arena);
    desk_begin(request, &html);
    template_webhook_form(&html, view);
    return desk_reply(request, status, &html);
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

/* Fills WEBHOOK from the form; false with the complaints in VIEW. */
static bool read_form(struct app *app, struct request *request, struct webhook *webhook, struct webhook_form_view *view)
{
    struct arena *arena = &request->arena;
    if (text_clean(request_form(request, "url"), TEXT_LINE, arena, &webhook->url) != RESULT_OK || !webhook->url)
        webhook->url = "";
    webhook->format = webhook_format_parse(request_form(request, "format"));
    if (webhook->format == FORMAT_COUNT)
        webhook->format = FORMAT_STANDARD;
    webhook->thin = desk_form_is(request, "payload", "thin");
    webhook->asymmetric = desk_form_is(request, "asymmetric", "1");
    webhook->events = read_events(request);
    view->url_error =
        *webhook->url ? webhook_url_complaint(webhook->url, &app->webhook_policy) : "Please say where to send it.";
    if (!view->url_error)
        view->url_error = webhook_format_complaint(webhook->format, webhook->url);
    view->events_error = webhook->events ? NULL : "Please choose at least one.";
    return !view->url_error && !view->events_error;
}

enum result webhook_new_page(struct app *app, struct request *request)
{
    (void)app;
    return show(request, 200, &(struct webhook){.url = "", .events = AT_FIRST}, &(struct webhook_form_view){0});
}

enum result webhook_add(struct app *app, struct request *request)
{
    struct webhook webhook = {.owner_id = request_caller(request)->member.id};
    struct webhook_form_view view = {0};
    if (!read_form(app, request, &webhook, &view))
        return show(request, 422, &webhook, &view);
    random_bytes(webhook.secret, sizeof webhook.secret);
    enum result result = store_webhook_add(app->store, &webhook, now_ms());
    if (result == RESULT_LIMITED) {
        webhook.id = 0;
        view.url_error = "You have 20 webhooks already. Remove one first.";
        return show(request, 422, &webhook, &view);
    }
    return result == RESULT_OK ? webhook_show_secret(app, request, webhook.id, webhook.secret,
                                                     "It is on. This secret proves that a message comes from here.")
                               : result;
}

/* A program that listens has no address to change. */
static enum result find(struct app *app, struct request *request, struct webhook *out)
{
    enum result result = store_webhook_find(app->store, &request->arena, request_caller(request)->member.id,
                                            desk_id(request, "whk"), out);
    return result == RESULT_OK && out->listener ? RESULT_NOT_FOUND : result;
}

enum result webhook_edit_page(struct app *app, struct request *request)
{
    struct webhook webhook;
    enum result result = find(app, request, &webhook);
    return result == RESULT_OK ? show(request, 200, &webhook, &(struct webhook_form_view){0}) : result;
}

enum result webhook_edit(struct app *app, struct request *request)
{
    struct webhook webhook;
    struct webhook_form_view view = {0};
    enum result result = find(app, request, &webhook);
    if (result != RESULT_OK)
        return result;
    if (!read_form(app, request, &webhook, &view))
        return show(request, 422, &webhook, &view);
    result = store_webhook_change(app->store, &webhook, now_ms());
    if (result == RESULT_OK)
        reply_see_other(request, desk_href(&request->arena, "webhooks", "whk", webhook.id));
    return result;
}
