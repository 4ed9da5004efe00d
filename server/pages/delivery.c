/* /deliveries/{id}: one message to one webhook: every try, what it means, what to do about it, and the bytes that were sent. */
#include <string.h>

#include "cards/base/escape.h"
#include "cards/base/id.h"
#include "cards/webhook_format.h"
#include "server/auth/caller.h"
#include "server/ids.h"
#include "server/pages/desk.h"
#include "server/pages/hook_words.h"
#include "server/pages/pages.h"
#include "server/pages/when.h"
#include "server/store/store.h"
#include "templates.h"

enum { JSON_MAX = 4096 };

struct shown {
    struct delivery delivery;
    struct attempt *attempts;
    size_t attempt_count;
    struct webhook webhook; /* id 0: it was removed */
};

static enum result find(struct app *app, struct request *request, struct shown *out)
{
    int64_t owner_id = request_caller(request)->member.id;
    enum result result = store_delivery_find(app->store, &request->arena, owner_id, desk_id(request, "dlv"),
                                             &out->delivery, &out->attempts, &out->attempt_count);
    if (result != RESULT_OK)
        return result;
    result = store_webhook_find(app->store, &request->arena, owner_id, out->delivery.webhook_id, &out->webhook);
    if (result == RESULT_NOT_FOUND)
        out->webhook = (struct webhook){0};
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

/* What a page that waits for it asks: whether it was tried since it was sent, and what came of that. */
static enum result answer_json(struct request *request, const struct shown *shown)
{
    struct str json;
    const struct delivery *delivery = &shown->delivery;
    const char *words = hook_delivery_words(delivery, now_ms(), &request->arena);
    str_init(&json, &request->arena, JSON_MAX);
    str_addf(&json, "{\"tried\":%s,\"arrived\":%s,\"words\":\"",
             delivery->attempts || delivery->state != DELIVERY_PENDING ? "true" : "false",
             delivery->state == DELIVERY_DELIVERED ? "true" : "false");
    escape_json(&json, hook_delivery_sign(delivery).word);
    if (words) {
        str_add(&json, ". ");
        escape_json(&json, words);
    }
    str_add(&json, "\"}");
    if (json.failed)
        return RESULT_FAILED;
    reply_json(request, 200, json.data, json.len);
    return RESULT_OK;
}

/* The bytes that leave, which are made anew for each try: what is kept is the event, the webhook says in which words. */
static const char *body_of(const struct shown *shown, const char *base_url, struct arena *arena)
{
    struct webhook_message message;
    const struct webhook_event event = {.format = shown->webhook.format,
                                        .thin = shown->webhook.thin,
                                        .sequence = shown->delivery.sequence,
                                        .url = shown->webhook.id ? shown->webhook.url : "",
                                        .body = shown->delivery.body,
                                        .base_url = base_url};
    return webhook_format_write(&event, arena, &message) == RESULT_OK ? message.body : NULL;
}

static void fill_tries(const struct shown *shown, struct arena *arena, struct delivery_page_view *view)
{
    struct try_view *tries = arena_alloc(arena, (shown->attempt_count + 1) * sizeof *tries);
    for (size_t i = shown->attempt_count; i-- > 0;) {
        const struct attempt *attempt = &shown->attempts[i];
        struct trouble trouble = hook_trouble(attempt->error, attempt->status, arena);
        tries[view->tries_count++] = (struct try_view){
            .what = trouble.what,
            .means = trouble.means,
            .todo = trouble.todo,
            .took = hook_latency(attempt->latency_ms, arena),
            .clock = when_day(attempt->at_ms, true, arena),
            .when = when_ago(attempt->at_ms, now_ms(), arena),
        };
    }
    view->tries = tries;
}

static enum result show(struct app *app, struct request *request, int status, const char *error)
{
    struct arena *arena = &request->arena;
    struct shown shown;
    struct str html;
    enum result result = find(app, request, &shown);
    if (result != RESULT_OK)
        return result;
    const char *accept = request_header(request, "Accept");
    if (accept && strstr(accept, "application/json"))
        return answer_json(request, &shown);
    const struct delivery *delivery = &shown.delivery;
    struct delivery_view line = hook_delivery_view(delivery, now_ms(), arena);
    struct delivery_page_view view = {
        .desk = desk_frame(request, line.event, "webhooks"),
        .id = line.id,
        .event = line.event,
        .name = shown.webhook.id ? hook_name(&shown.webhook, arena) : "a webhook that you removed",
        .hook_href = shown.webhook.id ? desk_href(arena, "webhooks", "whk", shown.webhook.id) : NULL,
        .lead_href = line.lead_href,
        .sign = line.sign,
        .words = line.words,
        .said = request_query(request, "sent") && delivery->state == DELIVERY_PENDING ? "It is on its way." : NULL,
        .error = error,
        .message_id = desk_id_text(arena, "msg", delivery->event_id),
        .type = event_name(delivery->type),
        .clock = line.clock,
        .body = body_of(&shown, store_base_url(app->store), arena),
    };
    view.may_resend = line.may_resend && shown.webhook.id && !shown.webhook.disabled_ms && view.body;
    fill_tries(&shown, arena, &view);
    desk_begin(request, &html);
    template_delivery(&html, &view);
    return desk_reply(request, status, &html);
}

enum result delivery_page(struct app *app, struct request *request)
{
    return show(app, request, 200, NULL);
}

enum result delivery_resend(struct app *app, struct request *request)
{
    int64_t id = desk_id(request, "dlv");
    enum result result = store_delivery_redeliver(app->store, request_caller(request)->member.id, id, now_ms());
    if (result == RESULT_LIMITED)
        return show(app, request, 429, "You sent ten again within a minute. Please wait a moment.");
    /* Pressed twice, or changed meanwhile: its page says how it stands. */
    if (result != RESULT_OK && result != RESULT_CONFLICT)
        return result;
    reply_see_other(request,
                    arena_printf(&request->arena, "%s?sent=1", desk_href(&request->arena, "deliveries", "dlv", id)));
    return RESULT_OK;
}
