/* See hook_mail.h. The letter says what the desk's page says, when it is written: an endpoint that was mended meanwhile is not
 * written about. */
#include "server/pages/hook_mail.h"

#include <inttypes.h>
#include <stdio.h>

#include "cards/base/id.h"
#include "server/app.h"
#include "server/ids.h"
#include "server/log.h"
#include "server/notify/mail.h"
#include "server/pages/hook_health.h"
#include "server/pages/hook_words.h"
#include "server/store/store.h"

static const char *or_nothing(const char *sentence, struct arena *arena)
{
    return sentence ? arena_printf(arena, "%s\n\n", sentence) : "";
}

static enum result write_trouble(void *context, const char *about, struct arena *arena, struct mail *out)
{
    struct app *app = context;
    struct member member;
    struct webhook webhook;
    int64_t owner_id, webhook_id, now = now_ms();
    char id[ID_TEXT_SIZE];
    if (sscanf(about, "%" SCNd64 " %" SCNd64, &owner_id, &webhook_id) != 2)
        return RESULT_INVALID;
    enum result result = store_webhook_find(app->store, arena, owner_id, webhook_id, &webhook);
    if (result == RESULT_OK)
        result = store_member_find(app->store, arena, owner_id, &member);
    if (result != RESULT_OK)
        return result;
    if (!member.email || member.disabled_ms || (!webhook.disabled_ms && !endpoint_warning(&webhook.health, now)))
        return RESULT_NOT_FOUND;
    const struct hook_health health = hook_health(&webhook, now, arena);
    const char *name = hook_name(&webhook, arena);
    out->to = member.email;
    out->subject = arena_printf(
        arena, webhook.disabled_ms ? "Your webhook to %s is switched off" : "Your webhook to %s fails", name);
    out->text = arena_printf(
        arena,
        "Hello %s,\n\nyour webhook to %s: %s\n\n%s%sWhat became of each message, and how to go on:\n%s/webhooks/%s\n",
        member.name, name, health.words, or_nothing(health.warning, arena), or_nothing(health.advice, arena),
        app->config->url, id_format(id, "whk", webhook.id));
    return RESULT_OK;
}

void hook_mail_trouble(void *context, int64_t owner_id, int64_t webhook_id)
{
    struct app *app = context;
    char about[64];
    snprintf(about, sizeof about, "%" PRId64 " %" PRId64, owner_id, webhook_id);
    if (app->mailer && mailer_post(app->mailer, write_trouble, app, about) != RESULT_OK)
        log_warning("mail", "words=\"too many letters wait\"");
}
