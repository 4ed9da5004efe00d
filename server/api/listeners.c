/* /api/v1/listeners: for programs that ask for a member's events instead of being sent them, as `meishi listen` does. What is
 * handed out is a whole request, signed as it would be sent, so that a receiver behind the program sees no difference. */
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/api.h"
#include "server/api/body.h"
#include "server/api/problem.h"
#include "server/api/waiting_room.h"
#include "server/auth/caller.h"
#include "server/ids.h"
#include "server/notify/sign.h"
#include "server/store/store.h"

enum { WAIT_MAX_S = 30, LATENCY_MAX_MS = 60 * 60 * 1000, STATUS_MIN = 200, STATUS_MAX = 599 };

static const char URL[] = "meishi listen"; /* what stands where other endpoints have their address */
/* A test goes to its own endpoint alone. */
static const uint32_t EVERYTHING = (1u << EVENT_COUNT) - 1 - (1u << EVENT_WEBHOOK_PING);

/* ---- making and removing ---- */

static json_t *listener_json(const struct webhook *webhook)
{
    char id[ID_TEXT_SIZE], secret[WEBHOOK_SECRET_TEXT_SIZE];
    json_t *events = json_array();
    for (int type = 0; type < EVENT_COUNT; type++)
        if (webhook->events & 1u << type)
            json_array_append_new(events, json_string(event_name((enum event_type)type)));
    return json_pack("{s:s, s:o, s:s, s:o}", "id", id_format(id, "whk", webhook->id), "events", events, "secret",
                     webhook_secret_text(secret, webhook->secret), "created_at", time_json(webhook->created_ms));
}

static void read_events(const json_t *list, struct webhook *webhook, struct arena *arena, struct complaints *complaints)
{
    webhook->events = EVERYTHING;
    if (!list || json_is_null(list))
        return;
    webhook->events = 0;
    if (!json_is_array(list) || !json_array_size(list))
        complaints_add(complaints, "events", "Name at least one event, like \"lead.created\", or leave this out.");
    for (size_t i = 0; i < json_array_size(list); i++) {
        enum event_type type = event_parse(json_string_value(json_array_get(list, i)));
        if (type == EVENT_COUNT)
            complaints_add(complaints, arena_printf(arena, "events/%zu", i), "There is no such event.");
        else
            webhook->events |= 1u << type;
    }
}

/* A secret that the program kept from its last listener, so that its receiver need not be told another. */
static void read_secret(const json_t *json, struct webhook *webhook, struct complaints *complaints)
{
    const char *text = member_text(json, "secret", complaints);
    size_t len = 0;
    if (text && (strncmp(text, "whsec_", 6) ||
                 sodium_base642bin(webhook->secret, sizeof webhook->secret, text + 6, strlen(text + 6), NULL, &len,
                                   NULL, sodium_base64_VARIANT_ORIGINAL) ||
                 len != sizeof webhook->secret || sodium_is_zero(webhook->secret, len)))
        complaints_add(complaints, "secret",
                       "A secret is whsec_ and 32 random bytes as base64; left out, one is made.");
}

enum result api_listener_add(struct app *app, struct request *request)
{
    static const char *const NAMES[] = {"events", "secret", NULL};
    struct webhook webhook = {.owner_id = request_caller(request)->member.id, .url = URL, .listener = true};
    struct complaints complaints = {0};
    json_t *json;
    if (body_read(request, &json) != RESULT_OK)
        return RESULT_OK;
    members_only(json, NAMES, &request->arena, &complaints);
    read_events(json_object_get(json, "events"), &webhook, &request->arena, &complaints);
    read_secret(json, &webhook, &complaints);
    enum result result = complaints_answer(request, &complaints);
    json_decref(json);
    if (result != RESULT_OK)
        return RESULT_OK;
    result = store_webhook_add(app->store, &webhook, now_ms());
    if (result == RESULT_LIMITED) {
        problem_reply(request, 422,
                      "You have 20 webhooks and listeners already; a listener that nobody asks ends after 10 minutes.",
                      NULL);
        return RESULT_OK;
    }
    if (result != RESULT_OK)
        return result;
    answer_json(request, 201, listener_json(&webhook));
    char id[ID_TEXT_SIZE];
    reply_header(request, "Location",
                 arena_printf(&request->arena, "/api/v1/webhooks/%s", id_format(id, "whk", webhook.id)));
    return RESULT_OK;
}

static enum result find(struct app *app, struct request *request, struct webhook *out)
{
    enum result result = store_webhook_find(app->store, &request->arena, request_caller(request)->member.id,
                                            path_id(request, "whk"), out);
    return result == RESULT_OK && !out->listener ? RESULT_NOT_FOUND : result;
}

enum result api_listener_remove(struct app *app, struct request *request)
{
    struct webhook webhook;
    enum result result = find(app, request, &webhook);
    if (result == RESULT_OK)
        result = store_webhook_remove(app->store, webhook.owner_id, webhook.id, now_ms());
    if (result == RESULT_OK)
        reply_bytes(request, 204, NULL, "", 0);
    return result;
}

/* ---- handing out ---- */

/* NULL: its lead was erased meanwhile, and there is nothing left to tell. */
static json_t *claimed_json(struct app *app, struct delivery *delivery, struct arena *arena)
{
    char id[ID_TEXT_SIZE], message_id[ID_TEXT_SIZE], signature[WEBHOOK_SIGNATURE_SIZE], timestamp[24];
    int64_t now_s = now_ms() / 1000;
    struct webhook_message message;
    const struct webhook_event event = {
        .sequence = delivery->sequence, .url = URL, .body = delivery->body, .base_url = store_base_url(app->store)};
    if (webhook_format_write(&event, arena, &message) != RESULT_OK)
        return NULL;
    id_format(message_id, "msg", delivery->event_id);
    webhook_sign(signature, delivery->keys.secret, message_id, now_s, message.body);
    sodium_memzero(&delivery->keys, sizeof delivery->keys);
    snprintf(timestamp, sizeof timestamp, "%" PRId64, now_s);
    return json_pack("{s:s, s:s, s:s, s:i, s:{s:s, s:s, s:s, s:s, s:s}, s:s}", "id", id_format(id, "dlv", delivery->id),
                     "event_id", message_id, "type", event_name(delivery->type), "attempts", delivery->attempts,
                     "headers", "Content-Type", "application/json", "User-Agent", "Meishi-Webhooks/1", "webhook-id",
                     message_id, "webhook-timestamp", timestamp, "webhook-signature", signature, "body", message.body);
}

static void answer(struct app *app, struct request *request, struct delivery *deliveries, size_t count)
{
    json_t *data = json_array(), *one;
    for (size_t i = 0; i < count; i++)
        if ((one = claimed_json(app, &deliveries[i], &request->arena)))
            json_array_append_new(data, one);
    answer_json(request, 200, json_pack("{s:o}", "data", data));
}

static enum result claim(struct app *app, struct request *request, const struct poll *poll, struct delivery **out,
                         size_t *count)
{
    return store_listener_claim(app->store, &request->arena, poll->owner_id, poll->listener_id, now_ms(), poll->limit,
                                out, count);
}

/* For the room. Nobody is behind it to turn an outcome into an answer. */
static enum result answer_later(struct app *app, struct request *request, const struct poll *poll)
{
    struct delivery *deliveries = NULL;
    size_t count = 0;
    enum result result = poll->limit ? claim(app, request, poll, &deliveries, &count) : RESULT_OK;
    if (result == RESULT_OK)
        answer(app, request, deliveries, count);
    else
        problem_reply(request, result == RESULT_NOT_FOUND ? 404 : 503, NULL, NULL);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

/* A number of the query from 0 or 1 up to MAX. */
static long read_number(struct request *request, const char *name, long least, long most, long otherwise,
                        struct complaints *complaints)
{
    const char *text = request_query(request, name);
    char *end;
    if (!text)
        return otherwise;
    long number = strtol(text, &end, 10);
    if (*text >= '0' && *text <= '9' && !*end && number >= least && number <= most)
        return number;
    complaints_add_parameter(complaints, arena_printf(&request->arena, "%s", name),
                             arena_printf(&request->arena, "%s is a number from %ld to %ld.", name, least, most));
    return otherwise;
}

enum result api_listener_claim(struct app *app, struct request *request)
{
    static const char *const NAMES[] = {"wait", "limit", NULL};
    struct complaints complaints = {0};
    struct caller *caller = request_caller(request);
    long wait_s = read_number(request, "wait", 0, WAIT_MAX_S, 0, &complaints);
    long limit = read_number(request, "limit", 1, LISTENER_CLAIM_MAX, LISTENER_CLAIM_MAX, &complaints);
    parameters_only(request, NAMES, &complaints);
    if (complaints_answer(request, &complaints) != RESULT_OK)
        return RESULT_OK;
    struct poll poll = {.owner_id = caller->member.id,
                        .listener_id = path_id(request, "whk"),
                        .limit = (size_t)limit,
                        .until_ms = monotonic_ms() + wait_s * 1000,
                        .answer = answer_later};
    struct webhook webhook;
    struct delivery *deliveries = NULL;
    size_t count = 0;
    bool only_looks = request->method == HTTP_HEAD; /* what is handed out must be read by somebody */
    enum result result = only_looks ? find(app, request, &webhook) : claim(app, request, &poll, &deliveries, &count);
    if (result != RESULT_OK)
        return result;
    if (count || only_looks || !wait_s)
        answer(app, request, deliveries, count);
    else
        caller->poll = arena_memdup(&request->arena, &poll, sizeof poll);
    return RESULT_OK;
}

/* ---- what became of it ---- */

static const char *const ERRORS[] = {"connect", "name not found", "timeout", "tls", "protocol", "too large", NULL};

static bool is_unreached(const char *error)
{
    return !strcmp(error, "connect") || !strcmp(error, "name not found");
}

/* The class of error as the log spells it, since it may be shown to the member. */
static const char *known_error(const char *text)
{
    for (const char *const *known = ERRORS; *known; known++)
        if (!strcmp(*known, text))
            return *known;
    return NULL;
}

static int64_t read_integer(const json_t *json, const char *name, int64_t least, int64_t most,
                            struct complaints *complaints)
{
    const json_t *value = json_object_get(json, name);
    if (!value || json_is_null(value))
        return -1;
    if (json_is_integer(value) && json_integer_value(value) >= least && json_integer_value(value) <= most)
        return json_integer_value(value);
    complaints_add(complaints, name, "This number is out of range.");
    return -1;
}

static void read_outcome(const json_t *json, struct listener_outcome *out, struct complaints *complaints)
{
    const char *error = member_text(json, "error", complaints);
    int64_t status = read_integer(json, "status", STATUS_MIN, STATUS_MAX, complaints);
    int64_t latency_ms = read_integer(json, "latency_ms", 0, LATENCY_MAX_MS, complaints);
    if (!complaints->count && (status < 0) == !error)
        complaints_add(complaints, "status",
                       "Say what the receiver answered (status) or why it did not (error), not both.");
    out->attempt =
        (struct attempt){.status = status < 0 ? 0 : (int)status, .latency_ms = latency_ms < 0 ? 0 : latency_ms};
    if (error && !(out->attempt.error = known_error(error)))
        complaints_add(complaints, "error", "This is none of the classes of error.");
    else if (error)
        out->unreached = is_unreached(error);
    else if (status >= 300 || status < 200)
        out->attempt.error = status >= 300 && status < 400 ? "redirect" : "status";
}

enum result api_listener_record(struct app *app, struct request *request)
{
    static const char *const NAMES[] = {"status", "error", "latency_ms", NULL};
    struct complaints complaints = {0};
    struct listener_outcome outcome = {.owner_id = request_caller(request)->member.id,
                                       .listener_id = path_id(request, "whk"),
                                       .delivery_id = id_parse("dlv", request->params[1])};
    int64_t now = now_ms(), retry_at_ms;
    struct webhook webhook;
    json_t *json;
    enum result result = find(app, request, &webhook);
    if (result != RESULT_OK || body_read(request, &json) != RESULT_OK)
        return result;
    members_only(json, NAMES, &request->arena, &complaints);
    read_outcome(json, &outcome, &complaints);
    outcome.attempt.at_ms = now - outcome.attempt.latency_ms;
    result = complaints_answer(request, &complaints);
    json_decref(json);
    if (result != RESULT_OK)
        return RESULT_OK;
    result = store_listener_record(app->store, &outcome, now, &retry_at_ms);
    if (result == RESULT_OK)
        answer_json(
            request, 200,
            json_pack("{s:s, s:o}", "state", retry_at_ms ? "pending" : "delivered", "due_at", time_json(retry_at_ms)));
    return result;
}
