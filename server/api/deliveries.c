/* /api/v1/webhooks/{id}/deliveries and /api/v1/deliveries/{id}: what became of each event, attempt by attempt, and sending one
 * again. */
#include <string.h>

#include "server/api/api.h"
#include "server/api/body.h"
#include "server/api/problem.h"
#include "server/auth/caller.h"
#include "server/ids.h"
#include "server/store/store.h"

static json_t *delivery_json(const struct delivery *delivery)
{
    char id[ID_TEXT_SIZE], webhook[ID_TEXT_SIZE], event[ID_TEXT_SIZE], lead[ID_TEXT_SIZE];
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:s, s:b, s:i, s:i, s:s?, s:s?, s:o, s:o, s:o}", "id",
                     id_format(id, "dlv", delivery->id), "webhook_id", id_format(webhook, "whk", delivery->webhook_id),
                     "event_id", id_format(event, "msg", delivery->event_id), "type", event_name(delivery->type),
                     "sequence", (json_int_t)delivery->sequence, "state", delivery_state_name(delivery->state),
                     "paused", delivery->paused, "attempts", delivery->attempts, "last_status", delivery->last_status,
                     "last_error", delivery->last_error, "lead_id",
                     delivery->lead_id ? id_format(lead, "led", delivery->lead_id) : NULL, "created_at",
                     time_json(delivery->created_ms), "due_at",
                     delivery->state == DELIVERY_PENDING ? time_json(delivery->due_ms) : json_null(), "finished_at",
                     time_json(delivery->finished_ms));
}

/* ?limit=, ?cursor= and ?state=. INVALID: answered. */
static enum result read_filter(struct request *request, struct page *page, struct delivery_filter *out)
{
    static const char *const NAMES[] = {"limit", "cursor", "state", NULL};
    struct complaints complaints = {0};
    const char *state = request_query(request, "state");
    page_read(request, "dlv", page, &complaints);
    parameters_only(request, NAMES, &complaints);
    *out = (struct delivery_filter){.state = -1, .before = page->before, .limit = page->limit + 1};
    if (state && (out->state = (int)delivery_state_parse(state)) == DELIVERY_STATE_COUNT)
        complaints_add_parameter(&complaints, "state", "state is pending, delivered, failed, disabled or erased.");
    return complaints_answer(request, &complaints);
}

enum result api_delivery_list(struct app *app, struct request *request)
{
    struct page page;
    struct delivery_filter filter;
    struct webhook webhook;
    struct delivery *deliveries;
    size_t count;
    if (read_filter(request, &page, &filter) != RESULT_OK)
        return RESULT_OK;
    enum result result = store_webhook_find(app->store, &request->arena, request_caller(request)->member.id,
                                            path_id(request, "whk"), &webhook);
    if (result != RESULT_OK)
        return result;
    filter.webhook_id = webhook.id;
    result = store_delivery_list(app->store, &request->arena, webhook.owner_id, &filter, &deliveries, &count);
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
