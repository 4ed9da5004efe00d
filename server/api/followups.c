/* /api/v1/follow-ups and /api/v1/leads/{id}/follow-ups: dated promises on leads. */
#include <string.h>

#include "cards/base/text.h"
#include "server/api/api.h"
#include "server/api/body.h"
#include "server/api/problem.h"
#include "server/auth/caller.h"
#include "server/ids.h"
#include "server/store/store.h"

static void answer_list(struct request *request, const struct followup *followups, size_t count, bool more)
{
    json_t *data = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(data, followup_to_json(&followups[i]));
    answer_page(request, data, "fol", more ? followups[count - 1].id : 0);
}

static enum result list(struct app *app, struct request *request, bool of_one_lead)
{
    static const char *const NAMES[] = {"limit", "cursor", "state", "due_before", NULL};
    struct page page;
    struct complaints complaints = {0};
    struct followup_filter filter = {.open = 1, .due_before_ms = INT64_MAX};
    struct followup *followups;
    struct lead lead;
    size_t count;
    int64_t owner_id = request_caller(request)->member.id;
    enum result result = RESULT_OK;
    const char *state = request_query(request, "state"), *before = request_query(request, "due_before");
    page_read(request, "fol", &page, &complaints);
    parameters_only(request, NAMES, &complaints);
    if (state && !strcmp(state, "done"))
        filter.open = 0;
    else if (state && !strcmp(state, "any"))
        filter.open = -1;
    else if (state && strcmp(state, "open"))
        complaints_add_parameter(&complaints, "state", "state is open, done or any.");
    if (before && !(filter.due_before_ms = time_parse(before)))
        complaints_add_parameter(&complaints, "due_before", "due_before is a time like 2026-11-22T09:00:00Z.");
    if (complaints_answer(request, &complaints) != RESULT_OK)
        return RESULT_OK;
    filter.before = page.before;
    filter.limit = page.limit + 1;
    if (of_one_lead) {
        filter.lead_id = path_id(request, "led");
        result = store_lead_find(app->store, &request->arena, owner_id, filter.lead_id, &lead);
    }
    if (result == RESULT_OK)
        result = store_followup_list(app->store, &request->arena, owner_id, &filter, &followups, &count);
    if (result != RESULT_OK)
        return result;
    bool more = page_cut(&page, &count);
    answer_list(request, followups, count, more);
    return RESULT_OK;
}

enum result api_followup_list(struct app *app, struct request *request)
{
    return list(app, request, false);
}

enum result api_followup_list_of_lead(struct app *app, struct request *request)
{
    return list(app, request, true);
}

/* ---- promising ---- */

static const char *read_note(const json_t *json, struct arena *arena, struct complaints *complaints)
{
    const char *note = arena_strdup(arena, member_text(json, "note", complaints));
    text_check(&note, FOLLOWUP_NOTE_MAX, TEXT_LINES, "note", arena, complaints);
    return note;
}

static int64_t read_due(const json_t *json, int64_t now, struct complaints *complaints)
{
    int64_t due_ms = member_time(json, "due_at", complaints);
    if (due_ms)
        followup_check_due(due_ms, now, "due_at", complaints);
    return due_ms;
}

/* {"due_at" or "after", "note"}. INVALID: answered. */
static enum result read_new(struct request *request, int64_t now, struct followup *out)
{
    static const char *const NAMES[] = {"due_at", "after", "note", NULL};
    struct complaints complaints = {0};
    json_t *json;
    enum result result = body_read(request, &json);
    if (result != RESULT_OK)
        return result;
    members_only(json, NAMES, &request->arena, &complaints);
    const char *after = member_text(json, "after", &complaints);
    enum followup_after wish = followup_after_parse(after);
    out->due_ms = read_due(json, now, &complaints);
    out->note = read_note(json, &request->arena, &complaints);
    if (after && wish == FOLLOWUP_AFTER_COUNT)
        complaints_add(&complaints, "after", "after is day, week or month.");
    else if (after && json_is_string(json_object_get(json, "due_at")))
        complaints_add(&complaints, "after", "Send due_at or after, not both.");
    else if (after)
        out->due_ms = followup_due(now, wish);
    if (!complaints.count && !out->due_ms)
        complaints_add(&complaints, "due_at", "Please say when: a time in due_at, or day, week or month in after.");
    result = complaints_answer(request, &complaints);
    json_decref(json);
    return result;
}

enum result api_followup_add(struct app *app, struct request *request)
{
    char id[ID_TEXT_SIZE];
    struct lead lead;
    int64_t now = now_ms();
    struct followup followup = {.owner_id = request_caller(request)->member.id, .lead_id = path_id(request, "led")};
    enum result result = store_lead_find(app->store, &request->arena, followup.owner_id, followup.lead_id, &lead);
    if (result != RESULT_OK)
        return result;
    if (read_new(request, now, &followup) != RESULT_OK)
        return RESULT_OK;
    result = store_followup_add(app->store, &followup, 1, now);
    if (result == RESULT_LIMITED) {
        problem_reply(request, 422, "This lead has 50 open follow-ups already.", NULL);
        return RESULT_OK;
    }
    if (result != RESULT_OK)
        return result;
    answer_json(request, 201, followup_to_json(&followup));
    reply_header(request, "Location",
                 arena_printf(&request->arena, "/api/v1/follow-ups/%s", id_format(id, "fol", followup.id)));
    return RESULT_OK;
}

/* ---- one ---- */

enum result api_followup_get(struct app *app, struct request *request)
{
    struct followup followup;
    enum result result = store_followup_find(app->store, &request->arena, request_caller(request)->member.id,
                                             path_id(request, "fol"), &followup);
    if (result == RESULT_OK)
        answer_json(request, 200, followup_to_json(&followup));
    return result;
}

/* {"due_at", "note", "done"}. INVALID: answered. */
static enum result read_change(struct request *request, int64_t now, struct followup_change *out)
{
    static const char *const NAMES[] = {"due_at", "note", "done", NULL};
    struct complaints complaints = {0};
    json_t *json;
    enum result result = body_read(request, &json);
    if (result != RESULT_OK)
        return result;
    members_only(json, NAMES, &request->arena, &complaints);
    out->due_ms = read_due(json, now, &complaints);
    out->note = read_note(json, &request->arena, &complaints);
    if (!out->note && json_object_get(json, "note"))
        out->note = ""; /* null or nothing but spaces: there is no note any more */
    out->done = member_flag(json, "done", &complaints);
    result = complaints_answer(request, &complaints);
    json_decref(json);
    return result;
}

enum result api_followup_change(struct app *app, struct request *request)
{
    struct followup followup;
    struct followup_change change;
    int64_t now = now_ms(), owner_id = request_caller(request)->member.id, id = path_id(request, "fol");
    enum result result = store_followup_find(app->store, &request->arena, owner_id, id, &followup);
    if (result != RESULT_OK)
        return result;
    if (read_change(request, now, &change) != RESULT_OK)
        return RESULT_OK;
    result = store_followup_change(app->store, &request->arena, owner_id, id, &change, now, &followup);
    if (result == RESULT_OK)
        answer_json(request, 200, followup_to_json(&followup));
    return result;
}

enum result api_followup_remove(struct app *app, struct request *request)
{
    enum result result = store_followup_remove(app->store, request_caller(request)->member.id, path_id(request, "fol"));
    if (result == RESULT_OK)
        reply_bytes(request, 204, NULL, "", 0);
    return result;
}
