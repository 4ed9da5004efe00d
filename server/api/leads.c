/* /api/v1/leads and /api/v1/leads/{id}. */
#include <string.h>

#include "cards/base/text.h"
#include "cards/event.h"
#include "server/api/api.h"
#include "server/api/body.h"
#include "server/api/condition.h"
#include "server/api/problem.h"
#include "server/auth/caller.h"
#include "server/ids.h"
#include "server/store/store.h"

/* The filters of the query; complains about what is none. */
static void read_filter(struct request *request, struct lead_filter *filter, struct complaints *complaints)
{
    const char *kind = request_query(request, "kind"), *stage = request_query(request, "stage");
    const char *channel = request_query(request, "channel"), *share = request_query(request, "share");
    const char *since = request_query(request, "since"), *aside = request_query(request, "set_aside");
    if (kind && !strcmp(kind, "lead"))
        filter->kind = LEAD_KIND_LEAD;
    else if (kind && !strcmp(kind, "referral"))
        filter->kind = LEAD_KIND_REFERRAL;
    else if (kind)
        complaints_add_parameter(complaints, "kind", "kind is lead or referral.");
    if (stage && (filter->stage = (int)stage_parse(stage)) == STAGE_COUNT)
        complaints_add_parameter(complaints, "stage", "There is no such stage.");
    if (channel && (filter->channel = (int)channel_parse(channel)) == CHANNEL_COUNT)
        complaints_add_parameter(complaints, "channel", "There is no such channel.");
    if (share && !(filter->share_id = id_parse("shr", share)))
        complaints_add_parameter(complaints, "share", "share is the id of a share.");
    filter->q = request_query(request, "q");
    if (since && !(filter->since_ms = time_parse(since)) && (filter->q || !id_parse("chg", since)))
        complaints_add_parameter(
            complaints, "since",
            filter->q ? "since is a time like 2026-11-22T09:00:00Z."
                      : "since is a time like 2026-11-22T09:00:00Z, or the next_since of an earlier answer.");
    filter->set_aside = aside ? !strcmp(aside, "true") : since && !filter->q ? -1 : 0;
    if (aside && !filter->set_aside && strcmp(aside, "false"))
        complaints_add_parameter(complaints, "set_aside", "set_aside is true or false.");
}

/* ---- the feed ---- */

/* The change after which a feed starts: that of ?cursor=, or of ?since=, or the last one before a time. */
static int64_t feed_start(struct request *request, const struct page *page, int64_t since_ms)
{
    if (page->before)
        return page->before;
    if (!since_ms)
        return id_parse("chg", request_query(request, "since"));
    return id_at_ms(id_time_bounded(since_ms)) - 1;
}

/* With ?since= the list is one to keep a copy by: in the order of the changes, and read on from where one was. */
static enum result answer_feed(struct app *app, struct request *request, const struct page *page,
                               struct lead_filter *filter)
{
    struct lead_feed feed;
    char id[ID_TEXT_SIZE];
    filter->limit = page->limit;
    enum result result = store_lead_feed(app->store, &request->arena, request_caller(request)->member.id, filter,
                                         feed_start(request, page, filter->since_ms), &feed);
    if (result != RESULT_OK)
        return result;
    json_t *data = json_array(), *gone = json_array();
    for (size_t i = 0; i < feed.count; i++)
        json_array_append_new(data, lead_to_json(&feed.leads[i]));
    for (size_t i = 0; i < feed.gone_count; i++)
        json_array_append_new(gone, json_string(id_format(id, "led", feed.gone[i].id)));
    json_t *json = json_pack("{s:o, s:s}", "gone", gone, "next_since", id_format(id, "chg", feed.last));
    answer_page_with(request, json, data, "chg", feed.more ? feed.last : 0);
    return RESULT_OK;
}

static bool is_feed(struct request *request)
{
    return request_query(request, "since") && !request_query(request, "q");
}

enum result api_lead_list(struct app *app, struct request *request)
{
    struct page page;
    struct complaints complaints = {0};
    struct lead_filter filter = {.stage = -2, .channel = -1};
    struct lead *leads;
    size_t count;
    static const char *const NAMES[] = {"limit", "cursor", "kind", "stage",     "channel",
                                        "share", "since",  "q",    "set_aside", NULL};
    page_read(request, is_feed(request) ? "chg" : "led", &page, &complaints);
    parameters_only(request, NAMES, &complaints);
    read_filter(request, &filter, &complaints);
    if (complaints_answer(request, &complaints) != RESULT_OK)
        return RESULT_OK;
    if (is_feed(request))
        return answer_feed(app, request, &page, &filter);
    filter.before = page.before;
    filter.limit = page.limit + 1;
    enum result result =
        store_lead_list(app->store, &request->arena, request_caller(request)->member.id, &filter, &leads, &count);
    if (result != RESULT_OK)
        return result;
    bool more = page_cut(&page, &count);
    json_t *data = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(data, lead_to_json(&leads[i]));
    answer_page(request, data, "led", more ? leads[count - 1].id : 0);
    return RESULT_OK;
}

static void answer_lead(struct request *request, const struct lead *lead, json_t *timeline)
{
    json_t *json = lead_to_json(lead);
    if (timeline)
        json_object_set_new(json, "timeline", timeline);
    answer_json(request, 200, json);
    if (timeline)
        answer_etag_of_body(request, lead->revision); /* a line may be added without a change of the lead */
    else
        answer_etag(request, lead->revision);
}

enum result api_lead_get(struct app *app, struct request *request)
{
    struct lead lead;
    struct lead_moment *moments;
    size_t count;
    int64_t owner_id = request_caller(request)->member.id, id = path_id(request, "led");
    enum result result = store_lead_find(app->store, &request->arena, owner_id, id, &lead);
    if (result == RESULT_OK)
        result = store_lead_timeline(app->store, &request->arena, owner_id, id, &moments, &count);
    if (result != RESULT_OK)
        return result;
    json_t *timeline = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(timeline, json_pack("{s:o, s:s, s:s?}", "at", time_json(moments[i].at_ms), "kind",
                                                  moments[i].kind, "words", moments[i].words));
    answer_lead(request, &lead, timeline);
    return RESULT_OK;
}

/* {"stage", "note" (or "notes"), "set_aside"}. INVALID: answered. */
static enum result read_change(struct request *request, struct lead_change *change)
{
    static const char *const NAMES[] = {"stage", "note", "notes", "set_aside", NULL};
    struct complaints complaints = {0};
    json_t *json;
    enum result result = body_read(request, &json);
    if (result != RESULT_OK)
        return result;
    members_only(json, NAMES, &request->arena, &complaints);
    const char *stage = member_text(json, "stage", &complaints), *note = member_text(json, "note", &complaints);
    const char *notes = member_text(json, "notes", &complaints);
    if (stage && (change->stage = (int)stage_parse(stage)) == STAGE_COUNT)
        complaints_add(&complaints, "stage", "There is no such stage.");
    if (note && notes)
        complaints_add(&complaints, "notes", "This is another name for note: send one of them.");
    change->note = arena_strdup(&request->arena, note ? note : notes);
    text_check(&change->note, LEAD_NOTE_MAX, TEXT_LINES, note ? "note" : "notes", &request->arena, &complaints);
    change->set_aside = member_flag(json, "set_aside", &complaints);
    result = complaints_answer(request, &complaints);
    json_decref(json);
    return result;
}

enum result api_lead_change(struct app *app, struct request *request)
{
    struct lead lead;
    struct lead_change change = {.stage = -1, .set_aside = -1, .revision = if_match(request)};
    if (read_change(request, &change) != RESULT_OK)
        return RESULT_OK;
    enum result result = store_lead_change(app->store, &request->arena, request_caller(request)->member.id,
                                           path_id(request, "led"), &change, now_ms(), &lead);
    if (result == RESULT_CONFLICT && change.revision) {
        problem_reply(request, 412, NULL, NULL);
        return RESULT_OK;
    }
    if (result == RESULT_INVALID) {
        problem_reply(request, 422, "A lead with details cannot become a potential one again.", NULL);
        return RESULT_OK;
    }
    if (result == RESULT_OK)
        answer_lead(request, &lead, NULL);
    return result;
}

enum result api_lead_erase(struct app *app, struct request *request)
{
    struct lead lead;
    int64_t owner_id = request_caller(request)->member.id, id = path_id(request, "led");
    enum result result = store_lead_find(app->store, &request->arena, owner_id, id, &lead);
    if (result == RESULT_OK && if_match_answer(request, lead.revision) != RESULT_OK)
        return RESULT_OK;
    if (result == RESULT_OK)
        result = store_lead_erase(app->store, owner_id, id, now_ms());
    if (result != RESULT_OK)
        return result;
    reply_bytes(request, 204, NULL, "", 0);
    return RESULT_OK;
}
