/* See hook_health.h. */
#include "server/pages/hook_health.h"

#include <string.h>

#include "server/app.h"
#include "server/auth/caller.h"
#include "server/ids.h"
#include "server/pages/desk.h"
#include "server/pages/hook_signs.h"
#include "server/pages/hook_words.h"
#include "server/pages/when.h"
#include "server/store/store.h"

static bool is_off_by_hand(const struct webhook *webhook)
{
    return webhook->disabled_why && !strcmp(webhook->disabled_why, HOOK_OFF_BY_HAND);
}

/* "just now", "9 min ago", "on 3 May 2026". */
static const char *ago(int64_t at_ms, int64_t now_ms, struct arena *arena)
{
    struct when_view when = when_ago(at_ms, now_ms, arena);
    if (!strcmp(when.words, "now"))
        return "just now";
    return strpbrk(when.words, "ADFJMNOS") ? arena_printf(arena, "on %s", when.words)
                                           : arena_printf(arena, "%s ago", when.words);
}

static struct hook_health off(const struct webhook *webhook, int64_t now_ms, struct arena *arena)
{
    const char *when = ago(webhook->disabled_ms, now_ms, arena);
    if (is_off_by_hand(webhook))
        return (struct hook_health){.sign = hook_sign(SIGN_OFF, "Off"),
                                    .words = arena_printf(arena, "You switched it off %s.", when)};
    return (struct hook_health){
        .sign = hook_sign(SIGN_OFF, "Off"),
        .words = arena_printf(arena, "It was switched off %s: %s.", when, webhook->disabled_why),
        .advice = "Mend the receiver, or change the address. Then switch it on: what it missed in the last 30 days can "
                  "still be sent.",
    };
}

static struct hook_health failing(const struct webhook *webhook, int64_t now_ms, struct arena *arena)
{
    const struct endpoint_health *facts = &webhook->health;
    struct hook_health health = {.sign = hook_sign(SIGN_FAILING, "Failing")};
    if (facts->failures_in_a_row == 1)
        health.words = "The last try failed. It is tried again by itself.";
    else if (facts->failing_since_ms)
        health.words = arena_printf(arena, "It failed %lld times in a row, first %s.",
                                    (long long)facts->failures_in_a_row, ago(facts->failing_since_ms, now_ms, arena));
    else
        health.words = arena_printf(arena, "It failed %lld times in a row.", (long long)facts->failures_in_a_row);
    if (endpoint_is_resting(facts, now_ms))
        health.advice = arena_printf(arena, "It is left in peace for now; the next try is %s.",
                                     when_until(facts->breaker_until_ms, now_ms, arena));
    int64_t disabled_at_ms = endpoint_disabled_at(facts);
    if (disabled_at_ms)
        health.warning = arena_printf(arena, "It will be switched off on %s, unless it answers.",
                                      when_weekday(disabled_at_ms, arena));
    return health;
}

struct hook_health hook_health(const struct webhook *webhook, int64_t now_ms, struct arena *arena)
{
    const struct endpoint_health *facts = &webhook->health;
    if (webhook->disabled_ms)
        return off(webhook, now_ms, arena);
    if (facts->failures_in_a_row)
        return failing(webhook, now_ms, arena);
    if (webhook->listener)
        return (struct hook_health){.sign = hook_sign(SIGN_NEW, "On"),
                                    .words = "It asks for what is new; nothing is sent to an address."};
    if (!facts->last_success_ms)
        return (struct hook_health){.sign = hook_sign(SIGN_NEW, "New"), .words = "Nothing was sent yet."};
    const char *when = ago(facts->last_success_ms, now_ms, arena);
    if (endpoint_is_prompt(facts))
        return (struct hook_health){.sign = hook_sign(SIGN_FINE, "Fine"),
                                    .words = arena_printf(arena, "The last message arrived %s.", when)};
    return (struct hook_health){
        .sign = hook_sign(SIGN_SLOW, "Slow"),
        .words = arena_printf(arena, "The last message arrived %s; the answer took %s.", when,
                              hook_latency(facts->last_latency_ms, arena)),
        .advice = "Receivers that answer within a second are served first. Let yours answer at once, and do its work "
                  "afterwards.",
    };
}

/* ---- on every page ---- */

enum { WARNING_IS_OFF = WARNING_LAST_DAY + 1 };

/* How much WEBHOOK must be seen to: 0 for not at all. A program that listens is its developer's own affair. */
static int urgency(const struct webhook *webhook, int64_t now_ms)
{
    if (webhook->listener || (webhook->disabled_ms && is_off_by_hand(webhook)))
        return WARNING_NONE;
    return webhook->disabled_ms ? WARNING_IS_OFF : (int)endpoint_warning(&webhook->health, now_ms);
}

const struct webhook *hook_worst(const struct webhook *webhooks, size_t count, int64_t now_ms)
{
    const struct webhook *worst = NULL;
    for (size_t i = 0; i < count; i++)
        if (urgency(&webhooks[i], now_ms) > (worst ? urgency(worst, now_ms) : WARNING_NONE))
            worst = &webhooks[i];
    return worst;
}

const char *hook_alarm_words(const struct webhook *webhook, int64_t now_ms, struct arena *arena)
{
    const char *name = hook_name(webhook, arena);
    int64_t disabled_at_ms = endpoint_disabled_at(&webhook->health);
    if (webhook->disabled_ms)
        return arena_printf(arena, "%s is switched off", name);
    if (endpoint_warning(&webhook->health, now_ms) == WARNING_LAST_DAY)
        return arena_printf(arena, "%s fails and will be off %s", name, when_until(disabled_at_ms, now_ms, arena));
    return arena_printf(arena, "%s has failed %lld times", name, (long long)webhook->health.failures_in_a_row);
}

void hook_alarm(struct app *app, struct request *request, struct desk_view *desk)
{
    struct webhook *webhooks;
    size_t count;
    int64_t now = now_ms();
    enum result result =
        store_webhook_list(app->store, &request->arena, request_caller(request)->member.id, &webhooks, &count);
    const struct webhook *worst = result == RESULT_OK ? hook_worst(webhooks, count, now) : NULL;
    if (!worst)
        return; /* or it is not known: the page itself is worth more than this line */
    desk->alarm_href = desk_href(&request->arena, "webhooks", "whk", worst->id);
    desk->alarm = hook_alarm_words(worst, now, &request->arena);
}
