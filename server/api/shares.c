/* /api/v1/cards/{id}/shares, /api/v1/shares/{id} and its hits. */
#include <string.h>

#include "cards/event.h"
#include "server/api/api.h"
#include "server/api/body.h"
#include "server/api/problem.h"
#include "server/auth/caller.h"
#include "server/ids.h"
#include "server/store/store.h"

static json_t *counts_json(const struct share_counts *counts)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "person", (json_int_t)counts->person, "unconfirmed",
                     (json_int_t)counts->unconfirmed, "preview", (json_int_t)counts->preview, "scanner",
                     (json_int_t)counts->scanner, "prefetch", (json_int_t)counts->prefetch, "bot",
                     (json_int_t)counts->bot, "self", (json_int_t)counts->self);
}

/* The shape of cards/event.h and what only the owner is told. */
static json_t *share_json(const struct app *app, const struct share *share)
{
    json_t *json = share_to_json(share, app->config->url);
    json_object_set_new(json, "print_run", share->print_run ? json_string(share->print_run) : json_null());
    json_object_set_new(json, "standing", json_boolean(share->standing));
    return json;
}

static void add_counts(json_t *json, const struct share_row *row)
{
    json_object_set_new(json, "hits", counts_json(&row->counts));
    json_object_set_new(json, "leads", json_integer(row->leads));
}

/* A row of the list may come without its chain: that is left out, and the sharer's name filled in where it is the caller. */
static json_t *row_json(const struct app *app, const struct share_row *row, const struct member *caller)
{
    json_t *json = share_json(app, &row->share);
    json_object_del(json, "chain");
    if (row->share.sharer_member_id == caller->id) {
        json_t *sharer = json_object_get(json, "sharer");
        json_object_set_new(sharer, "handle", json_string(caller->handle));
        json_object_set_new(sharer, "name", json_string(caller->name));
    }
    add_counts(json, row);
    return json;
}

enum result api_share_list(struct app *app, struct request *request)
{
    struct page page;
    struct share_row *rows;
    struct card card;
    size_t count;
    const struct member *caller = &request_caller(request)->member;
    int64_t card_id = path_id(request, "crd");
    if (page_read_only(request, "shr", &page) != RESULT_OK)
        return RESULT_OK;
    enum result result = store_card_find(app->store, &request->arena, caller->id, card_id, &card);
    if (result == RESULT_OK)
        result = store_share_list(app->store, &request->arena, caller->id, card_id, page.before, page.limit + 1, &rows,
                                  &count);
    if (result != RESULT_OK)
        return result;
    bool more = page_cut(&page, &count);
    json_t *data = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(data, row_json(app, &rows[i], caller));
    answer_page(request, data, "shr", more ? rows[count - 1].share.id : 0);
    return RESULT_OK;
}

/* INVALID: answered. */
static enum result read_share(struct request *request, struct share *share)
{
    static const char *const NAMES[] = {"channel", "label", "recipient",  "print_run",
                                        "parent",  "vouch", "expires_at", NULL};
    struct complaints complaints = {0};
    json_t *json;
    enum result result = body_read(request, &json);
    if (result != RESULT_OK)
        return result;
    members_only(json, NAMES, &request->arena, &complaints);
    const char *channel = member_text(json, "channel", &complaints);
    share->channel = channel ? channel_parse(channel) : CHANNEL_LINK;
    if (share->channel == CHANNEL_COUNT)
        complaints_add(&complaints, "channel",
                       "There is no such channel; link, qr, nfc, email, sms, whatsapp, print and event are some.");
    share->label = arena_strdup(&request->arena, member_text(json, "label", &complaints));
    share->recipient = arena_strdup(&request->arena, member_text(json, "recipient", &complaints));
    share->print_run = arena_strdup(&request->arena, member_text(json, "print_run", &complaints));
    share->vouch = arena_strdup(&request->arena, member_text(json, "vouch", &complaints));
    share->parent_id = member_id(json, "parent", "shr", &complaints);
    share->expires_ms = member_time(json, "expires_at", &complaints);
    if (share->channel != CHANNEL_COUNT && share_check(share, now_ms(), &request->arena, &complaints) != RESULT_OK)
        result = RESULT_INVALID; /* the complaints say why */
    result = complaints_answer(request, &complaints);
    json_decref(json);
    return result;
}

/* A parent must be a share of the same owner, of any card. INVALID: answered. */
static enum result check_parent(struct app *app, struct request *request, const struct share *share)
{
    struct share parent;
    struct complaints complaints = {0};
    enum result result = RESULT_OK;
    if (share->parent_id)
        result = store_share_find(app->store, &request->arena, share->owner_id, share->parent_id, &parent);
    if (result != RESULT_NOT_FOUND)
        return result;
    complaints_add(&complaints, "parent", "There is no such share.");
    return complaints_answer(request, &complaints);
}

enum result api_share_add(struct app *app, struct request *request)
{
    int64_t owner_id = request_caller(request)->member.id;
    struct share share = {.owner_id = owner_id, .card_id = path_id(request, "crd"), .sharer_member_id = owner_id};
    struct card card;
    enum result result = store_card_find(app->store, &request->arena, owner_id, share.card_id, &card);
    if (result != RESULT_OK)
        return result;
    if (read_share(request, &share) != RESULT_OK)
        return RESULT_OK;
    result = check_parent(app, request, &share);
    if (result != RESULT_OK)
        return result == RESULT_INVALID ? RESULT_OK : result;
    token_new(share.token);
    result = store_share_add(app->store, &request->arena, &share, now_ms());
    if (result == RESULT_LIMITED) {
        problem_reply(request, 422, "The card has passed through too many hands to be passed on again.", NULL);
        return RESULT_OK;
    }
    if (result != RESULT_OK)
        return result;
    char id[ID_TEXT_SIZE];
    answer_json(request, 201, share_json(app, &share));
    reply_header(request, "Location",
                 arena_printf(&request->arena, "/api/v1/shares/%s", id_format(id, "shr", share.id)));
    return RESULT_OK;
}

static enum result find(struct app *app, struct request *request, struct share *out)
{
    return store_share_find(app->store, &request->arena, request_caller(request)->member.id, path_id(request, "shr"),
                            out);
}

enum result api_share_get(struct app *app, struct request *request)
{
    struct share share;
    struct share_row *rows;
    size_t count;
    enum result result = find(app, request, &share);
    if (result == RESULT_OK) /* its row of the list, the first before the next id */
        result = store_share_list(app->store, &request->arena, share.owner_id, share.card_id, share.id + 1, 1, &rows,
                                  &count);
    if (result != RESULT_OK)
        return result;
    json_t *json = share_json(app, &share);
    if (count && rows[0].share.id == share.id)
        add_counts(json, &rows[0]);
    answer_json(request, 200, json);
    return RESULT_OK;
}

enum result api_share_revoke(struct app *app, struct request *request)
{
    struct share share;
    enum result result = find(app, request, &share);
    if (result == RESULT_OK && share.standing) {
        problem_reply(request, 409, "The card's own link cannot be revoked; retire the card instead.", NULL);
        return RESULT_OK;
    }
    if (result == RESULT_OK)
        result = store_share_revoke(app->store, share.owner_id, share.id, now_ms());
    if (result != RESULT_OK)
        return result;
    reply_bytes(request, 204, NULL, "", 0);
    return RESULT_OK;
}

static json_t *acts_json(uint32_t acts)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } ACTS[] = {{ACT_SEEN, "seen"}, {ACT_TAP, "tap"},           {ACT_SAVE, "saved"},
                {ACT_FORM, "form"}, {ACT_PASS_ON, "passed-on"}, {ACT_AGAIN, "again"}};
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof ACTS / sizeof *ACTS; i++)
        if (acts & ACTS[i].bit)
            json_array_append_new(list, json_string(ACTS[i].name));
    return list;
}

static json_t *hit_json(const struct hit_row *hit)
{
    char id[ID_TEXT_SIZE], visitor[ID_TEXT_SIZE];
    return json_pack("{s:s, s:o, s:s, s:s, s:s, s:s, s:s?, s:s?, s:o, s:I, s:s}", "id", id_format(id, "hit", hit->id),
                     "at", time_json(hit->at_ms), "verdict", verdict_name(hit->verdict), "rule", hit->rule, "why",
                     rule_words(hit->rule), "channel", channel_name(hit->channel), "agent",
                     *hit->family ? hit->family : NULL, "referrer", *hit->referrer ? hit->referrer : NULL, "acts",
                     acts_json(hit->acts), "times", (json_int_t)hit->times, "visitor",
                     id_format(visitor, "hit", hit->visitor_id ? hit->visitor_id : hit->id));
}

enum result api_share_hits(struct app *app, struct request *request)
{
    struct page page;
    struct share share;
    struct hit_row *hits;
    size_t count;
    if (page_read_only(request, "hit", &page) != RESULT_OK)
        return RESULT_OK;
    enum result result = find(app, request, &share);
    if (result == RESULT_OK)
        result = store_hit_list(app->store, &request->arena, share.owner_id, share.id, page.before, page.limit + 1,
                                &hits, &count);
    if (result != RESULT_OK)
        return result;
    bool more = page_cut(&page, &count);
    json_t *data = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(data, hit_json(&hits[i]));
    answer_page(request, data, "hit", more ? hits[count - 1].id : 0);
    return RESULT_OK;
}
