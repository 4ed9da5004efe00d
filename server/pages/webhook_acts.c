/* The buttons of one webhook: test, off, on, send again what was missed, a new secret, remove. Each is a form; where another
 * tab was quicker, the page that follows shows how it stands. */
#include <string.h>

#include "server/auth/caller.h"
#include "server/ids.h"
#include "server/pages/desk.h"
#include "server/pages/hook_health.h"
#include "server/pages/pages.h"
#include "server/pages/webhook.h"
#include "server/pages/when.h"
#include "server/store/store.h"

enum { HOUR_MS = 60 * 60 * 1000, DAY_MS = 24 * HOUR_MS };

/* What the forms offer to choose from. */
static const struct {
    const char *name;
    int64_t ms;
} PERIODS[] = {{"0", 0}, {"1h", HOUR_MS}, {"24h", DAY_MS}, {"7d", 7 * DAY_MS}, {"30d", 30 * (int64_t)DAY_MS}};

/* -1: none of them. */
static int64_t chosen_period(struct request *request, const char *field)
{
    for (size_t i = 0; i < sizeof PERIODS / sizeof *PERIODS; i++)
        if (desk_form_is(request, field, PERIODS[i].name))
            return PERIODS[i].ms;
    return -1;
}

static enum result ping(struct app *app, struct request *request, const struct webhook *webhook, const char **next)
{
    int64_t delivery_id;
    enum result result = store_webhook_ping(app->store, webhook->owner_id, webhook->id, now_ms(), &delivery_id);
    if (result == RESULT_OK)
        *next = arena_printf(&request->arena, "%s?sent=%s", *next, desk_id_text(&request->arena, "dlv", delivery_id));
    return result;
}

static enum result switch_off(struct app *app, struct webhook *webhook)
{
    webhook->disabled_ms = now_ms();
    webhook->disabled_why = HOOK_OFF_BY_HAND;
    return store_webhook_change(app->store, webhook, now_ms());
}

static enum result replay(struct app *app, struct request *request, const struct webhook *webhook, const char **next)
{
    int64_t period_ms = chosen_period(request, "since"), now = now_ms(), count;
    if (period_ms < 0)
        return RESULT_INVALID;
    enum result result = store_webhook_replay(app->store, webhook->owner_id, webhook->id, now - period_ms, now, &count);
    if (result == RESULT_OK)
        *next = arena_printf(&request->arena, "%s?resent=%lld", *next, (long long)count);
    return result;
}

/* Answers by itself, with the secret. */
static enum result rotate(struct app *app, struct request *request, const struct webhook *webhook)
{
    struct arena *arena = &request->arena;
    unsigned char secret[WEBHOOK_SECRET_SIZE];
    int64_t keep_ms = chosen_period(request, "keep"), now = now_ms();
    if (keep_ms < 0 || keep_ms > WEBHOOK_KEEP_OLD_MAX_MS)
        return RESULT_INVALID;
    enum result result = store_webhook_rotate(app->store, webhook->owner_id, webhook->id, keep_ms, now, secret);
    if (result != RESULT_OK)
        return result;
    const char *words = keep_ms ? arena_printf(arena,
                                               "Here is the new secret. Until %s messages carry both signatures, so "
                                               "nothing is lost while you change it.",
                                               when_weekday(now + keep_ms, arena))
                                : "Here is the new secret. The one before proves nothing any more: change it in your "
                                  "program now.";
    return webhook_show_secret(app, request, webhook->id, secret, words);
}

enum result webhook_act(struct app *app, struct request *request)
{
    struct webhook webhook;
    int64_t owner_id = request_caller(request)->member.id, id = desk_id(request, "whk");
    enum result result = store_webhook_find(app->store, &request->arena, owner_id, id, &webhook);
    if (result != RESULT_OK)
        return result;
    const char *next = desk_href(&request->arena, "webhooks", "whk", id);
    if (desk_form_is(request, "do", "ping")) {
        result = ping(app, request, &webhook, &next);
    } else if (desk_form_is(request, "do", "off")) {
        result = switch_off(app, &webhook);
    } else if (desk_form_is(request, "do", "on") || desk_form_is(request, "do", "on-missed")) {
        result = store_webhook_enable(app->store, owner_id, id, desk_form_is(request, "do", "on-missed"), now_ms());
    } else if (desk_form_is(request, "do", "replay")) {
        result = replay(app, request, &webhook, &next);
    } else if (desk_form_is(request, "do", "rotate")) {
        return rotate(app, request, &webhook);
    } else if (desk_form_is(request, "do", "remove")) {
        result = store_webhook_remove(app->store, owner_id, id, now_ms());
        next = "/webhooks";
    } else {
        result = RESULT_INVALID;
    }
    if (result != RESULT_OK && result != RESULT_CONFLICT)
        return result;
    reply_see_other(request, next);
    return RESULT_OK;
}
