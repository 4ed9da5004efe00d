/* /api/v1/account, /api/v1/tokens and /api/v1/inbox: who one is, with what one came, and how much waits. A password is set on
 * the account page alone: whoever holds a token must not be able to turn it into the whole account. */
#include <string.h>

#include "cards/base/text.h"
#include "cards/card.h"
#include "cards/event.h"
#include "server/api/api.h"
#include "server/api/body.h"
#include "server/api/problem.h"
#include "server/auth/api_token.h"
#include "server/auth/caller.h"
#include "server/ids.h"
#include "server/store/store.h"

const char *api_role_name(enum role role)
{
    static const char *const NAMES[] = {"member", "admin", "owner"};
    return NAMES[role];
}

static json_t *scopes_json(const char *text)
{
    json_t *list = json_array();
    for (const char *at = text; *at;) {
        size_t len = strcspn(at, " ");
        json_array_append_new(list, json_stringn(at, len));
        at += len + (at[len] == ' ');
    }
    return list;
}

static json_t *token_json(const struct api_token *token, const struct caller *caller)
{
    char id[ID_TEXT_SIZE];
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:b}", "id", id_format(id, "tok", token->id), "name", token->name,
                     "scopes", scopes_json(token->scopes), "created_at", time_json(token->created_ms), "used_at",
                     time_json(token->used_ms), "revoked_at", time_json(token->revoked_ms), "current",
                     token->id == caller->token.id);
}

static void answer_account(struct app *app, struct request *request, const struct member *member)
{
    const struct caller *caller = request_caller(request);
    char id[ID_TEXT_SIZE];
    answer_json(request, 200,
                json_pack("{s:s, s:s, s:s, s:s?, s:s, s:o, s:b, s:s, s:o}", "id", id_format(id, "mem", member->id),
                          "handle", member->handle, "name", member->name, "email", member->email, "role",
                          api_role_name(member->role), "created_at", time_json(member->created_ms), "has_password",
                          member->password_hash != NULL, "url", app->config->url, "token",
                          token_json(&caller->token, caller)));
}

enum result api_account(struct app *app, struct request *request)
{
    answer_account(app, request, &request_caller(request)->member);
    return RESULT_OK;
}

/* {"name"}. Not the e-mail, by which a sign-in link is had: as with the password, that is done on the account page. */
enum result api_account_change(struct app *app, struct request *request)
{
    static const char *const NAMES[] = {"name", NULL};
    struct member member = request_caller(request)->member;
    struct complaints complaints = {0};
    json_t *json;
    enum result result = body_read(request, &json);
    if (result != RESULT_OK)
        return RESULT_OK;
    members_only(json, NAMES, &request->arena, &complaints);
    if (json_object_get(json, "name")) {
        member.name = arena_strdup(&request->arena, member_text(json, "name", &complaints));
        text_check(&member.name, CARD_NAME_MAX, TEXT_LINE, "name", &request->arena, &complaints);
        if (!member.name && !complaints_about(&complaints, "name"))
            complaints_add(&complaints, "name", "Say a name, or leave it out to keep the one there is.");
    }
    result = complaints_answer(request, &complaints);
    json_decref(json);
    if (result != RESULT_OK)
        return RESULT_OK;
    result = store_member_set_profile(app->store, member.id, member.name, member.email);
    if (result == RESULT_OK)
        answer_account(app, request, &member);
    return result;
}

/* ---- tokens ---- */

enum result api_token_list(struct app *app, struct request *request)
{
    const struct caller *caller = request_caller(request);
    struct api_token *tokens;
    size_t count;
    enum result result = store_token_list(app->store, &request->arena, caller->member.id, &tokens, &count);
    if (result != RESULT_OK)
        return result;
    json_t *data = json_array();
    for (size_t i = 0; i < count; i++)
        if (!tokens[i].revoked_ms)
            json_array_append_new(data, token_json(&tokens[i], caller));
    answer_page(request, data, "tok", 0); /* API_TOKENS_MAX at most */
    return RESULT_OK;
}

/* A revoked one too: it says when it was used last. */
static enum result find_token(struct app *app, struct request *request, struct api_token *out)
{
    struct api_token *tokens;
    size_t count;
    int64_t id = path_id(request, "tok");
    enum result result =
        store_token_list(app->store, &request->arena, request_caller(request)->member.id, &tokens, &count);
    for (size_t i = 0; result == RESULT_OK && i < count; i++)
        if (tokens[i].id == id) {
            *out = tokens[i];
            return RESULT_OK;
        }
    return result == RESULT_OK ? RESULT_NOT_FOUND : result;
}

enum result api_token_get(struct app *app, struct request *request)
{
    struct api_token token;
    enum result result = find_token(app, request, &token);
    if (result == RESULT_OK)
        answer_json(request, 200, token_json(&token, request_caller(request)));
    return result;
}

static void read_scopes(const json_t *list, const struct scopes *own, struct scopes *out, struct arena *arena,
                        struct complaints *complaints)
{
    if (!json_is_array(list) || !json_array_size(list)) {
        complaints_add(complaints, "scopes", "Name at least one scope, like \"leads:read\".");
        return;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *name = json_array_get(list, i);
        struct scopes one = {0};
        const char *words = NULL;
        if (!json_is_string(name) || !scope_add(&one, json_string_value(name), json_string_length(name)))
            words = "There is no such scope.";
        else if (!scopes_cover(own, &one))
            words = "Your token has not got this scope, so it cannot give it.";
        if (words)
            complaints_add(complaints, arena_printf(arena, "scopes/%zu", i), words);
        out->read |= one.read;
        out->write |= one.write;
    }
}

/* {"name","scopes"}. INVALID: answered. */
static enum result read_token(struct request *request, struct api_token *token)
{
    static const char *const NAMES[] = {"name", "scopes", NULL};
    struct complaints complaints = {0};
    struct scopes scopes = {0};
    json_t *json;
    enum result result = body_read(request, &json);
    if (result != RESULT_OK)
        return result;
    members_only(json, NAMES, &request->arena, &complaints);
    token->name = arena_strdup(&request->arena, member_text(json, "name", &complaints));
    text_check(&token->name, API_TOKEN_NAME_MAX, TEXT_LINE, "name", &request->arena, &complaints);
    if (!token->name && !complaints_about(&complaints, "name"))
        complaints_add(&complaints, "name", "Say what the token is for.");
    read_scopes(json_object_get(json, "scopes"), &request_caller(request)->scopes, &scopes, &request->arena,
                &complaints);
    token->scopes = scopes_text(&scopes, &request->arena);
    result = complaints_answer(request, &complaints);
    json_decref(json);
    return result;
}

enum result api_token_add(struct app *app, struct request *request)
{
    const struct caller *caller = request_caller(request);
    struct api_token token = {.member_id = caller->member.id};
    const char *secret;
    if (read_token(request, &token) != RESULT_OK)
        return RESULT_OK;
    enum result result = api_token_make(app, &request->arena, &token, &secret);
    if (result == RESULT_LIMITED) {
        problem_reply(request, 422, "You have 100 tokens already; revoke one first.", NULL);
        return RESULT_OK;
    }
    if (result != RESULT_OK)
        return result;
    char id[ID_TEXT_SIZE];
    json_t *json = token_json(&token, caller);
    json_object_set_new(json, "token", json_string(secret));
    answer_json(request, 201, json);
    reply_header(request, "Location",
                 arena_printf(&request->arena, "/api/v1/tokens/%s", id_format(id, "tok", token.id)));
    return RESULT_OK;
}

enum result api_token_revoke(struct app *app, struct request *request)
{
    struct api_token token;
    enum result result = find_token(app, request, &token);
    if (result == RESULT_OK && !token.revoked_ms)
        result = store_token_revoke(app->store, token.member_id, token.id, now_ms());
    if (result == RESULT_OK)
        reply_bytes(request, 204, NULL, "", 0);
    return result;
}

/* ---- the inbox ---- */

enum result api_inbox(struct app *app, struct request *request)
{
    struct lead_totals totals;
    enum result result = store_lead_totals(app->store, request_caller(request)->member.id, &totals);
    if (result == RESULT_OK)
        answer_json(request, 200,
                    json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "referrals", (json_int_t)totals.referrals,
                              "referrals_new", (json_int_t)totals.referrals_new, "leads", (json_int_t)totals.leads,
                              "leads_new", (json_int_t)totals.leads_new, "customers", (json_int_t)totals.customers,
                              "potential", (json_int_t)totals.potential, "set_aside", (json_int_t)totals.set_aside));
    return result;
}
