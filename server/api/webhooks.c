/* /api/v1/webhooks: making, changing, testing them, new secrets, and sending again what was missed. What became of each event
 * is told by deliveries.c. */
#include <string.h>

#include "server/api/api.h"
#include "server/api/body.h"
#include "server/api/problem.h"
#include "server/auth/caller.h"
#include "server/ids.h"
#include "server/notify/sign.h"
#include "server/notify/webhook_url.h"
#include "server/store/store.h"

/* How it fares, and what of it is to come. */
static void add_health(json_t *json, const struct webhook *webhook)
{
    const struct endpoint_health *health = &webhook->health;
    char key[WEBHOOK_PUBLIC_KEY_TEXT_SIZE];
    int64_t now = now_ms();
    bool is_resting = endpoint_is_resting(health, now), is_old_live = webhook->old_until_ms > now;
    json_object_set_new(json, "failing_since", time_json(health->failing_since_ms));
    json_object_set_new(json, "resting_until", time_json(is_resting ? health->breaker_until_ms : 0));
    json_object_set_new(json, "disables_at", time_json(webhook->disabled_ms ? 0 : endpoint_disabled_at(health)));
    json_object_set_new(json, "pending", json_integer(webhook->pending));
    json_object_set_new(json, "paused", json_integer(webhook->paused));
    json_object_set_new(json, "replaying", json_boolean(webhook->replaying));
    json_object_set_new(json, "old_secret_until", time_json(is_old_live ? webhook->old_until_ms : 0));
    json_object_set_new(json, "public_key",
                        webhook->asymmetric ? json_string(webhook_public_key_text(key, webhook->public_key))
                                            : json_null());
}

static json_t *webhook_json(const struct webhook *webhook)
{
    char id[ID_TEXT_SIZE];
    json_t *events = json_array();
    for (int type = 0; type < EVENT_COUNT; type++)
        if (webhook->events & 1u << type)
            json_array_append_new(events, json_string(event_name((enum event_type)type)));
    json_t *json = json_pack(
        "{s:s, s:b, s:s?, s:o, s:s, s:s, s:b, s:s?, s:o, s:o, s:o, s:I}", "id", id_format(id, "whk", webhook->id),
        "listener", webhook->listener, "url", webhook->listener ? NULL : webhook->url, "events", events, "format",
        webhook_format_name(webhook->format), "payload", webhook->thin ? "thin" : "full", "enabled",
        !webhook->disabled_ms, "disabled_why", webhook->disabled_why, "created_at", time_json(webhook->created_ms),
        "last_success_at", time_json(webhook->health.last_success_ms), "last_failure_at",
        time_json(webhook->health.last_failure_ms), "failures_in_a_row", (json_int_t)webhook->health.failures_in_a_row);
    add_health(json, webhook);
    return json;
}

static void read_events(const json_t *list, struct webhook *webhook, struct arena *arena, struct complaints *complaints)
{
    webhook->events = 0;
    if (!json_is_array(list) || !json_array_size(list)) {
        complaints_add(complaints, "events", "Name at least one event, like \"lead.created\".");
        return;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        enum event_type type = name ? event_parse(name) : EVENT_COUNT;
        if (type == EVENT_COUNT)
            complaints_add(complaints, arena_printf(arena, "events/%zu", i), "There is no such event.");
        else
            webhook->events |= 1u << type;
    }
}

static void read_format(const json_t *json, struct webhook *webhook, struct complaints *complaints)
{
    const char *format = member_text(json, "format", complaints), *payload = member_text(json, "payload", complaints);
    if (format && webhook_format_parse(format) == FORMAT_COUNT)
        complaints_add(complaints, "format", "This is one of standard, slack, discord, teams, mattermost, ntfy.");
    else if (format)
        webhook->format = webhook_format_parse(format);
    if (payload && strcmp(payload, "full") && strcmp(payload, "thin"))
        complaints_add(complaints, "payload", "This is full or thin.");
    else if (payload)
        webhook->thin = !strcmp(payload, "thin");
    /* A new format may not suit the old URL. */
    const char *why = webhook->url ? webhook_format_complaint(webhook->format, webhook->url) : NULL;
    if (why && !complaints_about(complaints, "url"))
        complaints_add(complaints, "url", why);
}

/* {"url","events","format","payload","ed25519","enabled"} over WEBHOOK. INVALID: answered. */
static enum result read_webhook(struct app *app, struct request *request, struct webhook *webhook, bool is_new)
{
    static const char *const NAMES[] = {"url", "events", "format", "payload", "ed25519", "enabled", NULL};
    struct complaints complaints = {0};
    json_t *json;
    enum result result = body_read(request, &json);
    if (result != RESULT_OK)
        return result;
    members_only(json, NAMES, &request->arena, &complaints);
    const char *url = member_text(json, "url", &complaints), *why = NULL;
    const json_t *events = json_object_get(json, "events");
    int enabled = member_flag(json, "enabled", &complaints), ed25519 = member_flag(json, "ed25519", &complaints);
    if (url && (why = webhook_url_complaint(url, &app->webhook_policy)))
        complaints_add(&complaints, "url", why);
    else if (url)
        webhook->url = arena_strdup(&request->arena, url);
    else if (is_new && !complaints_about(&complaints, "url"))
        complaints_add(&complaints, "url", "Say where events are to be sent.");
    if (url && webhook->listener && !why)
        complaints_add(&complaints, "url", "A listener has no address: nothing is sent to it.");
    read_format(json, webhook, &complaints);
    if (webhook->listener && (webhook->format != FORMAT_STANDARD || webhook->thin))
        complaints_add(&complaints, webhook->thin ? "payload" : "format",
                       "A listener is handed the standard format, in full.");
    if (is_new || (events && !json_is_null(events)))
        read_events(events, webhook, &request->arena, &complaints);
    webhook->asymmetric = ed25519 >= 0 ? ed25519 : webhook->asymmetric;
    if (enabled == 1) {
        webhook->disabled_ms = 0;
        webhook->disabled_why = NULL;
    } else if (enabled == 0 && !webhook->disabled_ms) {
        webhook->disabled_ms = now_ms();
        webhook->disabled_why = "switched off";
    }
    result = complaints_answer(request, &complaints);
    json_decref(json);
    return result;
}

static enum result find(struct app *app, struct request *request, struct webhook *out)
{
    return store_webhook_find(app->store, &request->arena, request_caller(request)->member.id, path_id(request, "whk"),
                              out);
}

enum result api_webhook_list(struct app *app, struct request *request)
{
    struct webhook *webhooks;
    size_t count;
    enum result result =
        store_webhook_list(app->store, &request->arena, request_caller(request)->member.id, &webhooks, &count);
    if (result != RESULT_OK)
        return result;
    json_t *data = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(data, webhook_json(&webhooks[i]));
    answer_page(request, data, "whk", 0); /* WEBHOOKS_MAX at most */
    return RESULT_OK;
}

enum result api_webhook_add(struct app *app, struct request *request)
{
    struct webhook webhook = {.owner_id = request_caller(request)->member.id};
    if (read_webhook(app, request, &webhook, true) != RESULT_OK)
        return RESULT_OK;
    random_bytes(webhook.secret, sizeof webhook.secret);
    enum result result = store_webhook_add(app->store, &webhook, now_ms());
    if (result == RESULT_LIMITED) {
        problem_reply(request, 422, "You have 20 webhooks already.", NULL);
        return RESULT_OK;
    }
    if (result != RESULT_OK)
        return result;
    if (webhook.disabled_ms)
        result = store_webhook_change(app->store, &webhook, now_ms());
    if (result != RESULT_OK)
        return result;
    char secret[WEBHOOK_SECRET_TEXT_SIZE], id[ID_TEXT_SIZE];
    webhook_secret_text(secret, webhook.secret);
    json_t *json = webhook_json(&webhook);
    json_object_set_new(json, "secret", json_string(secret));
    answer_json(request, 201, json);
    reply_header(request, "Location",
                 arena_printf(&request->arena, "/api/v1/webhooks/%s", id_format(id, "whk", webhook.id)));
    return RESULT_OK;
}

/* What is worth counting for one alone: how its attempts went lately, and what it missed. */
static enum result add_counts(struct app *app, const struct webhook *webhook, json_t *json)
{
    struct webhook_stats stats;
    int64_t missed;
    enum result result = store_webhook_stats(app->store, webhook->owner_id, webhook->id, now_ms(), &stats);
    if (result == RESULT_OK)
        result = store_webhook_missed(app->store, webhook->owner_id, webhook->id, 0, &missed);
    if (result != RESULT_OK)
        return result;
    json_object_set_new(json, "missed", json_integer(missed));
    json_object_set_new(json, "last_day",
                        json_pack("{s:I, s:I, s:I, s:I}", "attempts", (json_int_t)stats.attempts, "failures",
                                  (json_int_t)stats.failures, "median_ms", (json_int_t)stats.median_ms, "p95_ms",
                                  (json_int_t)stats.p95_ms));
    return RESULT_OK;
}

enum result api_webhook_get(struct app *app, struct request *request)
{
    struct webhook webhook;
    enum result result = find(app, request, &webhook);
    if (result != RESULT_OK)
        return result;
    json_t *json = webhook_json(&webhook);
    result = add_counts(app, &webhook, json);
    if (result == RESULT_OK)
        answer_json(request, 200, json);
    else
        json_decref(json);
    return result;
}

enum result api_webhook_change(struct app *app, struct request *request)
{
    struct webhook webhook;
    enum result result = find(app, request, &webhook);
    if (result != RESULT_OK || read_webhook(app, request, &webhook, false) != RESULT_OK)
        return result;
    result = store_webhook_change(app->store, &webhook, now_ms());
    return result == RESULT_OK ? api_webhook_get(app, request) : result; /* its health may be as new */
}

enum result api_webhook_remove(struct app *app, struct request *request)
{
    enum result result =
        store_webhook_remove(app->store, request_caller(request)->member.id, path_id(request, "whk"), now_ms());
    if (result == RESULT_OK)
        reply_bytes(request, 204, NULL, "", 0);
    return result;
}

enum result api_webhook_ping(struct app *app, struct request *request)
{
    int64_t delivery_id;
    char id[ID_TEXT_SIZE];
    enum result result = store_webhook_ping(app->store, request_caller(request)->member.id, path_id(request, "whk"),
                                            now_ms(), &delivery_id);
    if (result == RESULT_CONFLICT) {
        problem_reply(request, 409, "This webhook is switched off; enable it first.", NULL);
        return RESULT_OK;
    }
    if (result == RESULT_OK)
        answer_json(request, 202, json_pack("{s:s}", "delivery_id", id_format(id, "dlv", delivery_id)));
    return result;
}

/* ---- a new secret ---- */

/* {"keep_old_hours"}, or no body. INVALID: answered. */
static enum result read_rotation(struct request *request, int64_t *out_keep_ms)
{
    static const char *const NAMES[] = {"keep_old_hours", NULL};
    enum { HOUR_MS = 60 * 60 * 1000, HOURS_MAX = WEBHOOK_KEEP_OLD_MAX_MS / HOUR_MS };
    struct complaints complaints = {0};
    json_t *json;
    *out_keep_ms = WEBHOOK_KEEP_OLD_MS;
    enum result result = body_read_optional(request, &json);
    if (result != RESULT_OK)
        return result;
    members_only(json, NAMES, &request->arena, &complaints);
    const json_t *hours = json_object_get(json, "keep_old_hours");
    if (json_is_integer(hours) && json_integer_value(hours) >= 0 && json_integer_value(hours) <= HOURS_MAX)
        *out_keep_ms = json_integer_value(hours) * HOUR_MS;
    else if (hours && !json_is_null(hours))
        complaints_add(&complaints, "keep_old_hours", "This is a number from 0 to 168.");
    result = complaints_answer(request, &complaints);
    json_decref(json);
    return result;
}

enum result api_webhook_rotate(struct app *app, struct request *request)
{
    struct webhook webhook;
    int64_t keep_ms;
    unsigned char secret[WEBHOOK_SECRET_SIZE];
    char text[WEBHOOK_SECRET_TEXT_SIZE];
    enum result result = find(app, request, &webhook);
    if (result != RESULT_OK || read_rotation(request, &keep_ms) != RESULT_OK)
        return result;
    result = store_webhook_rotate(app->store, webhook.owner_id, webhook.id, keep_ms, now_ms(), secret);
    if (result == RESULT_OK)
        result = find(app, request, &webhook);
    if (result != RESULT_OK)
        return result;
    json_t *json = webhook_json(&webhook);
    json_object_set_new(json, "secret", json_string(webhook_secret_text(text, secret)));
    answer_json(request, 200, json);
    return RESULT_OK;
}

/* ---- on again, and what was missed ---- */

enum result api_webhook_enable(struct app *app, struct request *request)
{
    static const char *const NAMES[] = {"send_missed", NULL};
    struct complaints complaints = {0};
    struct webhook webhook;
    json_t *json;
    enum result result = find(app, request, &webhook);
    if (result != RESULT_OK || body_read_optional(request, &json) != RESULT_OK)
        return result;
    members_only(json, NAMES, &request->arena, &complaints);
    bool send_missed = member_flag(json, "send_missed", &complaints) == 1;
    json_decref(json);
    if (complaints_answer(request, &complaints) != RESULT_OK)
        return RESULT_OK;
    int64_t count;
    result = store_webhook_enable(app->store, webhook.owner_id, webhook.id, send_missed, now_ms());
    if (result == RESULT_CONFLICT) /* it is on: that is what was asked for */
        result = send_missed ? store_webhook_replay(app->store, webhook.owner_id, webhook.id, 0, now_ms(), &count)
                             : RESULT_OK;
    return result == RESULT_OK ? api_webhook_get(app, request) : result;
}

enum result api_webhook_replay(struct app *app, struct request *request)
{
    static const char *const NAMES[] = {"since", NULL};
    struct complaints complaints = {0};
    struct webhook webhook;
    int64_t count;
    json_t *json;
    enum result result = find(app, request, &webhook);
    if (result != RESULT_OK || body_read_optional(request, &json) != RESULT_OK)
        return result;
    members_only(json, NAMES, &request->arena, &complaints);
    int64_t since_ms = member_time(json, "since", &complaints);
    json_decref(json);
    if (complaints_answer(request, &complaints) != RESULT_OK)
        return RESULT_OK;
    result =
        store_webhook_replay(app->store, webhook.owner_id, webhook.id, id_time_bounded(since_ms), now_ms(), &count);
    if (result == RESULT_CONFLICT) {
        problem_reply(request, 409, "This webhook is switched off; enable it first.", NULL);
        return RESULT_OK;
    }
    if (result == RESULT_OK)
        answer_json(request, 202, json_pack("{s:I}", "deliveries", (json_int_t)count));
    return result;
}
