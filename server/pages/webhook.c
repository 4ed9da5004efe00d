/* /webhooks/{id}: how one webhook is doing, what was sent to it, and what its buttons (webhook_acts.c) lead to. A secret is shown
 * once, on the answer to the form that made it. */
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

enum { DELIVERIES_SHOWN = 30, COUNT_DIGITS = 6 };

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

/* What the newest message that has not arrived met with: why it fails, or why it was switched off. */
static void fill_trouble(const struct webhook *webhook, const struct delivery *rows, size_t count, struct arena *arena,
                         struct webhook_view *view)
{
    enum { GONE = 410 /* then the reason it is off says all of it */ };
    if (!webhook->health.failures_in_a_row)
        return;
    for (size_t i = 0; i < count && !view->trouble; i++)
        if (rows[i].last_error && rows[i].state != DELIVERY_DELIVERED && rows[i].last_status != GONE) {
            struct trouble trouble = hook_trouble(rows[i].last_error, rows[i].last_status, arena);
            view->trouble = arena_printf(arena, "%s: %s", trouble.what, trouble.means);
            view->todo = webhook->disabled_ms ? NULL : trouble.todo;
        }
}

static enum result fill_day(struct app *app, struct arena *arena, const struct webhook *webhook,
                            struct webhook_view *view)
{
    struct delivery *rows;
    size_t count;
    enum result result = list(app, arena, webhook, -1, 0, DAY_ROWS_MAX, &rows, &count);
    if (result != RESULT_OK)
        return result;
    view->day = hook_day(rows, count, now_ms(), arena);
    fill_trouble(webhook, rows, count, arena, view);
    return RESULT_OK;
}

/* How quickly it answers, and what it has not got. */
static enum result fill_figures(struct app *app, struct arena *arena, const struct webhook *webhook,
                                struct webhook_view *view)
{
    struct webhook_stats stats;
    int64_t missed = 0;
    enum result result = store_webhook_stats(app->store, webhook->owner_id, webhook->id, now_ms(), &stats);
    if (result == RESULT_OK)
        result = store_webhook_missed(app->store, webhook->owner_id, webhook->id, 0, &missed);
    if (result != RESULT_OK)
        return result;
    if (stats.attempts && !webhook->disabled_ms && !webhook->health.failures_in_a_row)
        view->answers = arena_printf(arena, "Half of its answers came within %s, 95 of 100 within %s.",
                                     hook_latency(stats.median_ms, arena), hook_latency(stats.p95_ms, arena));
    if (missed)
        view->missed = missed == 1 ? "1 message" : arena_printf(arena, "%lld messages", (long long)missed);
    return RESULT_OK;
}

static const char *public_key_text(const struct webhook *webhook, struct arena *arena)
{
    char text[WEBHOOK_PUBLIC_KEY_TEXT_SIZE];
    return webhook->asymmetric ? arena_strdup(arena, webhook_public_key_text(text, webhook->public_key)) : NULL;
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
    view->is_replaying = webhook->replaying;
    view->public_key = public_key_text(webhook, arena);
    view->old_until = webhook->old_until_ms > now ? when_weekday(webhook->old_until_ms, arena) : NULL;
}

static enum result show(struct app *app, struct request *request, const struct webhook *webhook,
                        struct webhook_view *view)
{
    struct str html;
    fill(request, webhook, view);
    enum result result = fill_deliveries(app, request, webhook, view);
    if (result == RESULT_OK)
        result = fill_day(app, &request->arena, webhook, view);
    if (result == RESULT_OK)
        result = fill_figures(app, &request->arena, webhook, view);
    if (result != RESULT_OK)
        return result;
    desk_begin(request, &html);
    template_webhook(&html, view);
    return desk_reply(request, 200, &html);
}

/* "12", as the form that sent them left it in the address. */
static const char *resent_words(const char *count, struct arena *arena)
{
    size_t len = strspn(count, "0123456789");
    if (!len || count[len] || len > COUNT_DIGITS)
        return NULL;
    if (!strcmp(count, "0"))
        return "Nothing went missing in that time.";
    return strcmp(count, "1") ? arena_printf(arena, "%s messages are sent again, five a second.", count)
                              : "One message is sent again.";
}

enum result webhook_page(struct app *app, struct request *request)
{
    struct webhook webhook;
    struct webhook_view view = {0};
    const char *sent = request_query(request, "sent"), *resent = request_query(request, "resent");
    enum result result = find(app, request, desk_id(request, "whk"), &webhook);
    if (result != RESULT_OK)
        return result;
    if (sent && id_parse("dlv", sent)) {
        view.said = "It is on its way.";
        view.delivery_href = desk_href(&request->arena, "deliveries", "dlv", id_parse("dlv", sent));
    } else if (resent) {
        view.said = resent_words(resent, &request->arena);
    }
    return show(app, request, &webhook, &view);
}

enum result webhook_show_secret(struct app *app, struct request *request, int64_t id,
                                const unsigned char secret[WEBHOOK_SECRET_SIZE], const char *words)
{
    struct webhook webhook;
    char text[WEBHOOK_SECRET_TEXT_SIZE];
    enum result result = find(app, request, id, &webhook);
    if (result != RESULT_OK)
        return result;
    struct webhook_view view = {.secret_words = words};
    if (webhook.format == FORMAT_STANDARD)
        view.secret = arena_strdup(&request->arena, webhook_secret_text(text, secret));
    else
        view.said = "It is on. “Send a test” shows it in the chat.";
    return show(app, request, &webhook, &view);
}
