/* /api/v1/webhooks, their deliveries, ping and redelivery. */
#include <string.h>

#include "server/api/api.h"
#include "server/api/body.h"
#include "server/api/problem.h"
#include "server/auth/caller.h"
#include "server/ids.h"
#include "server/notify/courier.h"
#include "server/notify/sign.h"
#include "server/store/store.h"

static json_t *webhook_json(const struct webhook *webhook)
{
    char id[ID_TEXT_SIZE];
    json_t *events = json_array();
    for (int type = 0; type < EVENT_COUNT; type++)
        if (webhook->events & 1u << type)
            json_array_append_new(events, json_string(event_name((enum event_type)type)));
    return json_pack(
        "{s:s, s:b, s:s?, s:o, s:s, s:s, s:b, s:s?, s:o, s:o, s:o, s:I}", "id", id_format(id, "whk", webhook->id),
        "listener", webhook->listener, "url", webhook->listener ? NULL : webhook->url, "events", events, "format",
        webhook_format_name(webhook->format), "payload", webhook->thin ? "thin" : "full", "enabled",
        !webhook->disabled_ms, "disabled_why", webhook->disabled_why, "created_at", time_json(webhook->created_ms),
        "last_success_at", time_json(webhook->health.last_success_ms), "last_failure_at",
        time_json(webhook->health.last_failure_ms), "failures_in_a_row", (json_int_t)webhook->health.failures_in_a_row);
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

/* {"url","events","format","payload","enabled"} over WEBHOOK. INVALID: answered. */
static enum result read_webhook(struct app *app, struct request *request, struct webhook *webhook, bool is_new)
{
    static const char *const NAMES[] = {"url", "events", "format", "payload", "enabled", NULL};
    struct complaints complaints = {0};
    json_t *json;
    enum result result = body_read(request, &json);
    if (result != RESULT_OK)
        return result;
    members_only(json, NAMES, &request->arena, &complaints);
    const char *url = member_text(json, "url", &complaints), *why = NULL;
    const json_t *events = json_object_get(json, "events");
    int enabled = member_flag(json, "enabled", &complaints);
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

enum result api_webhook_get(struct app *app, struct request *request)
{
    struct webhook webhook;
    enum result result = find(app, request, &webhook);
    if (result == RESULT_OK)
        answer_json(request, 200, webhook_json(&webhook));
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

static json_t *delivery_json(const struct delivery *delivery)
{
    char id[ID_TEXT_SIZE], webhook[ID_TEXT_SIZE], event[ID_TEXT_SIZE], lead[ID_TEXT_SIZE];
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:s?, s:s?, s:o, s:o, s:o}", "id",
                     id_format(id, "dlv", delivery->id), "webhook_id", id_format(webhook, "whk", delivery->webhook_id),
                     "event_id", id_format(event, "msg", delivery->event_id), "type", event_name(delivery->type),
                     "state", delivery_state_name(delivery->state), "attempts", delivery->attempts, "last_status",
                     delivery->last_status, "last_error", delivery->last_error, "lead_id",
                     delivery->lead_id ? id_format(lead, "led", delivery->lead_id) : NULL, "created_at",
                     time_json(delivery->created_ms), "due_at",
                     delivery->state == DELIVERY_PENDING ? time_json(delivery->due_ms) : json_null(), "finished_at",
                     time_json(delivery->finished_ms));
}

enum result api_delivery_list(struct app *app, struct request *request)
{
    struct page page;
    struct webhook webhook;
    struct delivery *deliveries;
    size_t count;
    if (page_read_only(request, "dlv", &page) != RESULT_OK)
        return RESULT_OK;
    enum result result = find(app, request, &webhook);
    if (result == RESULT_OK)
        result = store_delivery_list(app->store, &request->arena, webhook.owner_id,
                                     &(struct delivery_filter){webhook.id, -1, page.before, page.limit + 1},
                                     &deliveries, &count);
    if (result != RESULT_OK)
        return result;
    bool more = page_cut(&page, &count);
    json_t *data = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(data, delivery_json(&deliveries[i]));
    answer_page(request, data, "dlv", more ? deliveries[count - 1].id : 0);
    return RESULT_OK;
}

enum result api_delivery_get(struct app *app, struct request *request)
{
    struct delivery delivery;
    struct attempt *attempts;
    size_t count;
    enum result result = store_delivery_find(app->store, &request->arena, request_caller(request)->member.id,
                                             path_id(request, "dlv"), &delivery, &attempts, &count);
    if (result != RESULT_OK)
        return result;
    json_t *json = delivery_json(&delivery), *log = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(log, json_pack("{s:o, s:i, s:I, s:s?}", "at", time_json(attempts[i].at_ms), "status",
                                             attempts[i].status, "latency_ms", (json_int_t)attempts[i].latency_ms,
                                             "error", attempts[i].error));
    json_object_set_new(json, "attempt_log", log);
    answer_json(request, 200, json);
    return RESULT_OK;
}

enum result api_delivery_redeliver(struct app *app, struct request *request)
{
    enum result result =
        store_delivery_redeliver(app->store, request_caller(request)->member.id, path_id(request, "dlv"), now_ms());
    if (result == RESULT_CONFLICT) {
        problem_reply(request, 409, "It is on its way already, its webhook is off or gone, or its lead was erased.",
                      NULL);
        return RESULT_OK;
    }
    if (result == RESULT_OK)
        answer_json(request, 202, json_pack("{s:s}", "state", "pending"));
    return result;
}
