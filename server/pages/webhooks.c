/* /webhooks: where events are told, and whether that goes well, at a glance. */
#include "cards/webhook_format.h"
#include "server/auth/caller.h"
#include "server/ids.h"
#include "server/pages/desk.h"
#include "server/pages/hook_health.h"
#include "server/pages/hook_signs.h"
#include "server/pages/hook_words.h"
#include "server/pages/pages.h"
#include "server/store/store.h"
#include "templates.h"

static enum result fill_hook(struct app *app, struct arena *arena, const struct webhook *webhook, int64_t now,
                             struct hook_view *out)
{
    const struct delivery_filter filter = {.webhook_id = webhook->id, .state = -1, .limit = DAY_ROWS_MAX};
    struct delivery *rows;
    size_t count;
    enum result result = store_delivery_list(app->store, arena, webhook->owner_id, &filter, &rows, &count);
    if (result != RESULT_OK)
        return result;
    struct hook_health health = hook_health(webhook, now, arena);
    *out = (struct hook_view){
        .href = desk_href(arena, "webhooks", "whk", webhook->id),
        .name = hook_name(webhook, arena),
        .rest = webhook->listener ? NULL : hook_rest(webhook->url, arena),
        .health = health.words,
        .warning = health.warning,
        .waiting = webhook->pending ? arena_printf(arena, "%lld waiting", (long long)webhook->pending) : NULL,
        .told = webhook->format == FORMAT_STANDARD
                    ? hook_events(webhook->events, " · ", arena)
                    : arena_printf(arena, "%s · %s", webhook_format_label(webhook->format),
                                   hook_events(webhook->events, " · ", arena)),
        .sign = health.sign,
        .day = hook_day(rows, count, now, arena),
    };
    return RESULT_OK;
}

enum result webhook_list_page(struct app *app, struct request *request)
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
    for (size_t i = 0; i < count && result == RESULT_OK; i++)
        result = fill_hook(app, arena, &webhooks[i], now, &hooks[i]);
    if (result != RESULT_OK)
        return result;
    struct webhooks_view view = {
        .desk = desk_frame(request, "Webhooks", "webhooks"),
        .hooks = hooks,
        .hooks_count = (int)count,
        .may_add = count < WEBHOOKS_MAX,
    };
    desk_begin(request, &html);
    template_webhooks(&html, &view);
    return desk_reply(request, 200, &html);
}
