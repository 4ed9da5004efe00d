/* How a webhook is doing, in a word and a sentence, and whether the member must be told wherever they are. */
#ifndef MEISHI_HOOK_HEALTH_H
#define MEISHI_HOOK_HEALTH_H

#include "server/pages/views.h"
#include "server/store/webhooks.h"

/* The reason that is kept when the member switched it off. */
#define HOOK_OFF_BY_HAND "switched off"

struct app;
struct request;

struct hook_health {
    struct sign_view sign; /* Fine, Slow, Failing, Off, or New */
    const char *words;     /* a sentence */
    const char *warning;   /* when it will be switched off, unless; NULL */
    const char *advice;    /* what to do; NULL */
};

struct hook_health hook_health(const struct webhook *webhook, int64_t now_ms, struct arena *arena);

/* The one that must be seen to most, NULL when none must: switched off by itself, or warned of (cards/delivery.h). */
const struct webhook *hook_worst(const struct webhook *webhooks, size_t count, int64_t now_ms);
const char *hook_alarm_words(const struct webhook *webhook, int64_t now_ms, struct arena *arena);
/* Both as the one line above every page of the desk. */
void hook_alarm(struct app *app, struct request *request, struct desk_view *desk);

#endif
