/* /api/v1/members, /api/v1/members/bulk and /api/v1/cards/bulk: many at once, for those who move in with a list.
 *
 * All or nothing: when one row is wrong none is kept, and every row's mistakes are named at once. ?dry_run=true goes the same way
 * to the end and then takes all back, so what it says is what would happen. */
#include <string.h>

#include "cards/base/text.h"
#include "cards/event.h"
#include "cards/lead.h"
#include "server/api/api.h"
#include "server/api/body.h"
#include "server/api/cards.h"
#include "server/api/problem.h"
#include "server/auth/caller.h"
#include "server/auth/sign_in_link.h"
#include "server/ids.h"
#include "server/store/store.h"

enum { ROWS_MAX = 500 };

static bool is_admin(const struct request *request)
{
    return request_caller(request)->member.role >= ROLE_ADMIN;
}

/* ---- the request ---- */

struct bulk {
    json_t *body, *rows; /* rows borrows from the body */
    json_t *errors;      /* what is wrong, of all rows */
    size_t count;
    bool dry_run;
};

/* The body {NAME: [ … ]} and ?dry_run. INVALID: answered, and nothing is held. */
static enum result begin(struct request *request, const char *name, struct bulk *out)
{
    static const char *const PARAMETERS[] = {"dry_run", NULL};
    const char *const names[] = {name, NULL};
    struct complaints complaints = {0};
    const char *dry_run = request_query(request, "dry_run");
    *out = (struct bulk){.dry_run = dry_run && !strcmp(dry_run, "true")};
    enum result result = body_read(request, &out->body);
    if (result != RESULT_OK)
        return result;
    parameters_only(request, PARAMETERS, &complaints);
    members_only(out->body, names, &request->arena, &complaints);
    if (dry_run && !out->dry_run && strcmp(dry_run, "false"))
        complaints_add_parameter(&complaints, "dry_run", "dry_run is true or false.");
    out->rows = json_object_get(out->body, name);
    out->count = json_array_size(out->rows);
    if (out->count < 1 || out->count > ROWS_MAX)
        complaints_add(&complaints, name, "This must be a list of 1 to 500.");
    result = complaints_answer(request, &complaints);
    if (result != RESULT_OK)
        json_decref(out->body);
    else
        out->errors = json_array();
    return result;
}

/* Notes what is wrong with row I of NAME. */
static void note(struct bulk *bulk, struct arena *arena, const char *name, size_t i,
                 const struct complaints *complaints)
{
    problem_add_errors(bulk->errors, arena_printf(arena, "/%s/%zu", name, i), complaints);
}

/* The I-th row; complains and answers NULL if it is no object. */
static json_t *row_at(const struct bulk *bulk, size_t i, struct complaints *complaints)
{
    json_t *row = json_array_get(bulk->rows, i);
    if (json_is_object(row))
        return row;
    complaints_add(complaints, "", "This must be an object.");
    return NULL;
}

/* Answers 422 if any row was wrong; INVALID then, and what was held is let go. */
static enum result check_errors(struct request *request, struct bulk *bulk)
{
    if (!json_array_size(bulk->errors))
        return RESULT_OK;
    json_decref(bulk->body);
    problem_reply_errors(request, bulk->errors);
    return RESULT_INVALID;
}

/* 201, or 200 for a dry run; takes over DATA and lets go what is held. */
static void finish(struct request *request, struct bulk *bulk, json_t *data)
{
    json_decref(bulk->body);
    json_decref(bulk->errors);
    answer_json(request, bulk->dry_run ? 200 : 201, json_pack("{s:b, s:o}", "dry_run", bulk->dry_run, "data", data));
}

static enum result give_up(struct bulk *bulk, enum result result)
{
    json_decref(bulk->body);
    json_decref(bulk->errors);
    return result;
}

/* ---- members ---- */

static json_t *member_json(const struct member *member, bool has_id)
{
    char id[ID_TEXT_SIZE];
    return json_pack("{s:s?, s:s, s:s, s:s?, s:s}", "id", has_id ? id_format(id, "mem", member->id) : NULL, "handle",
                     member->handle, "name", member->name, "email", member->email, "role", api_role_name(member->role));
}

static enum role read_role(const json_t *row, enum role highest, struct complaints *complaints)
{
    const char *text = member_text(row, "role", complaints);
    int role = ROLE_MEMBER;
    while (text && role <= ROLE_OWNER && strcmp(text, api_role_name((enum role)role)))
        role++;
    if (role > ROLE_OWNER)
        complaints_add(complaints, "role", "A role is member, admin or owner.");
    else if (role > (int)highest)
        complaints_add(complaints, "role", "Nobody gives a role above their own.");
    return role > ROLE_OWNER ? ROLE_MEMBER : (enum role)role;
}

static void read_member(const json_t *row, enum role highest, struct member *out, struct arena *arena,
                        struct complaints *complaints)
{
    static const char *const NAMES[] = {"handle", "name", "email", "role", NULL};
    members_only(row, NAMES, arena, complaints);
    out->handle = arena_strdup(arena, member_text(row, "handle", complaints));
    if (!complaints_about(complaints, "handle") && (!out->handle || !handle_is_valid(out->handle)))
        complaints_add(complaints, "handle", "A handle is 2 to 32 of a-z, 0-9 and -.");
    out->name = arena_strdup(arena, member_text(row, "name", complaints));
    text_check(&out->name, CARD_NAME_MAX, TEXT_LINE, "name", arena, complaints);
    if (!out->name && !complaints_about(complaints, "name"))
        complaints_add(complaints, "name", "Please give a name.");
    const char *email = arena_strdup(arena, member_text(row, "email", complaints));
    if (email && !complaints_about(complaints, "email") && !email_is_valid(email))
        complaints_add(complaints, "email", "This is not an e-mail address.");
    out->email = email_key(email, arena);
    out->role = read_role(row, highest, complaints);
}

/* All rows. INVALID: answered. */
static enum result read_members(struct app *app, struct request *request, struct bulk *bulk,
                                struct member_addition *additions, const char **links)
{
    struct arena *arena = &request->arena;
    int64_t now = now_ms();
    for (size_t i = 0; i < bulk->count; i++) {
        struct complaints complaints = {0};
        json_t *row = row_at(bulk, i, &complaints);
        if (row)
            read_member(row, request_caller(request)->member.role, &additions[i].member, arena, &complaints);
        note(bulk, arena, "members", i, &complaints);
        links[i] = sign_in_link_new(app, arena, SIGN_IN_LINK_HOURS * 60, now, additions[i].link_hash,
                                    &additions[i].link_until_ms);
    }
    return check_errors(request, bulk);
}

static void note_taken(struct bulk *bulk, struct arena *arena, const struct member_addition *additions)
{
    for (size_t i = 0; i < bulk->count; i++) {
        struct complaints complaints = {0};
        if (additions[i].handle_is_taken)
            complaints_add(&complaints, "handle", "That handle is taken.");
        if (additions[i].email_is_taken)
            complaints_add(&complaints, "email", "A member has that e-mail already.");
        note(bulk, arena, "members", i, &complaints);
    }
}

enum result api_member_add_many(struct app *app, struct request *request)
{
    struct bulk bulk;
    if (!is_admin(request)) {
        problem_reply(request, 403, "Only an owner or an admin may add members.", NULL);
        return RESULT_OK;
    }
    if (begin(request, "members", &bulk) != RESULT_OK)
        return RESULT_OK;
    struct member_addition *additions = arena_alloc(&request->arena, bulk.count * sizeof *additions);
    const char **links = arena_alloc(&request->arena, bulk.count * sizeof(const char *));
    if (read_members(app, request, &bulk, additions, links) != RESULT_OK)
        return RESULT_OK;
    enum result result = store_member_add_many(app->store, additions, bulk.count, bulk.dry_run, now_ms());
    if (result == RESULT_CONFLICT) {
        note_taken(&bulk, &request->arena, additions);
        if (check_errors(request, &bulk) != RESULT_OK)
            return RESULT_OK;
    }
    if (result != RESULT_OK)
        return give_up(&bulk, result);
    json_t *data = json_array();
    for (size_t i = 0; i < bulk.count; i++) {
        json_t *json = member_json(&additions[i].member, !bulk.dry_run);
        json_object_set_new(json, "sign_in_url", bulk.dry_run ? json_null() : json_string(links[i]));
        json_array_append_new(data, json);
    }
    finish(request, &bulk, data);
    return RESULT_OK;
}

enum result api_member_list(struct app *app, struct request *request)
{
    struct page page;
    struct member *members;
    size_t count, taken = 0;
    if (!is_admin(request)) {
        problem_reply(request, 403, "Only an owner or an admin may list the members.", NULL);
        return RESULT_OK;
    }
    if (page_read_only(request, "mem", &page) != RESULT_OK)
        return RESULT_OK;
    enum result result = store_member_list(app->store, &request->arena, &members, &count);
    if (result != RESULT_OK)
        return result;
    json_t *data = json_array();
    int64_t last_id = 0;
    for (size_t i = count; i-- > 0 && taken <= page.limit;) { /* oldest first in the store */
        if (page.before && members[i].id >= page.before)
            continue;
        if (taken++ == page.limit)
            break;
        last_id = members[i].id;
        json_t *json = member_json(&members[i], true);
        json_object_set_new(json, "created_at", time_json(members[i].created_ms));
        json_object_set_new(json, "disabled_at", time_json(members[i].disabled_ms));
        json_array_append_new(data, json);
    }
    answer_page(request, data, "mem", taken > page.limit ? last_id : 0);
    return RESULT_OK;
}

/* ---- cards ---- */

/* Whose card a row is: the caller's, or that of the member whose handle "member" says, which is for admins. */
static enum result read_owner(struct app *app, struct request *request, json_t *row, struct card *card,
                              struct complaints *complaints)
{
    struct member member;
    const char *handle = arena_strdup(&request->arena, member_text(row, "member", complaints));
    const struct member *caller = &request_caller(request)->member;
    json_object_del(row, "member");
    card->owner_id = caller->id;
    if (!handle || !strcmp(handle, caller->handle) || complaints_about(complaints, "member"))
        return RESULT_OK;
    if (!is_admin(request)) {
        complaints_add(complaints, "member", "Only an owner or an admin may make cards for others.");
        return RESULT_OK;
    }
    enum result result = store_member_find_by_handle(app->store, &request->arena, handle, &member);
    if (result == RESULT_OK && !member.disabled_ms)
        card->owner_id = member.id;
    else if (result == RESULT_OK || result == RESULT_NOT_FOUND)
        complaints_add(complaints, "member", "There is no such member.");
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

/* All rows. INVALID: answered. */
static enum result read_cards(struct app *app, struct request *request, struct bulk *bulk, struct card *cards)
{
    for (size_t i = 0; i < bulk->count; i++) {
        struct complaints complaints = {0};
        json_t *row = row_at(bulk, i, &complaints);
        enum result result = row ? read_owner(app, request, row, &cards[i], &complaints) : RESULT_OK;
        if (result != RESULT_OK)
            return give_up(bulk, result);
        if (row)
            api_card_read(row, &cards[i], true, &request->arena, &complaints);
        note(bulk, &request->arena, "cards", i, &complaints);
    }
    return check_errors(request, bulk);
}

/* Before it is made a card has neither id nor revision. */
static json_t *draft_json(const struct app *app, const struct card *card)
{
    return json_pack("{s:s, s:o, s:s}", "handle", card->handle, "url",
                     json_sprintf("%s/@%s", app->config->url, card->handle), "name", card->name);
}

enum result api_card_add_many(struct app *app, struct request *request)
{
    struct bulk bulk;
    if (begin(request, "cards", &bulk) != RESULT_OK)
        return RESULT_OK;
    struct card *cards = arena_alloc(&request->arena, bulk.count * sizeof *cards);
    bool *taken = arena_alloc(&request->arena, bulk.count * sizeof *taken);
    enum result result = read_cards(app, request, &bulk, cards);
    if (result != RESULT_OK)
        return result == RESULT_INVALID ? RESULT_OK : result;
    result = store_card_add_many(app->store, &request->arena, cards, bulk.count, bulk.dry_run, now_ms(), taken);
    for (size_t i = 0; result == RESULT_CONFLICT && i < bulk.count; i++) {
        struct complaints complaints = {0};
        if (taken[i])
            complaints_add(&complaints, "handle", "That handle is taken.");
        note(&bulk, &request->arena, "cards", i, &complaints);
    }
    if (result == RESULT_CONFLICT && check_errors(request, &bulk) != RESULT_OK)
        return RESULT_OK;
    if (result != RESULT_OK)
        return give_up(&bulk, result);
    json_t *data = json_array();
    for (size_t i = 0; i < bulk.count; i++)
        json_array_append_new(data, bulk.dry_run ? draft_json(app, &cards[i]) : api_card_json(app, &cards[i]));
    finish(request, &bulk, data);
    return RESULT_OK;
}
