/* /account: the password, the keys of other programs, name and e-mail. The password is asked again before it or the e-mail is
 * changed, unless the sign-in was a moment ago: whoever came by a link has forgotten it. */
#include <stdlib.h>
#include <string.h>

#include "cards/base/id.h"
#include "cards/base/text.h"
#include "cards/card.h"
#include "cards/lead.h"
#include "server/auth/api_token.h"
#include "server/auth/scope.h"
#include "server/auth/caller.h"
#include "server/auth/password.h"
#include "server/ids.h"
#include "server/log.h"
#include "server/notify/mail.h"
#include "server/pages/desk.h"
#include "server/pages/pages.h"
#include "server/pages/way.h"
#include "server/pages/when.h"
#include "server/store/store.h"
#include "templates.h"

enum { FRESH_MS = 10 * 60 * 1000, SCOPES_WORDS_MAX = 256, CURRENT_WINDOW_MS = 15 * 60 * 1000, CURRENT_TRIES = 10 };

/* What a member may tick. A token for the figures of the server is the operator's, and made by the command. */
static const struct {
    enum scope_resource resource;
    const char *words;
} SCOPES[] = {
    {SCOPE_CARDS, "Your cards"},
    {SCOPE_SHARES, "Ways you share them, and who opened them"},
    {SCOPE_LEADS, "Leads and referrals"},
    {SCOPE_WEBHOOKS, "Webhooks"},
    {SCOPE_ACCOUNT, "Your account and these keys"},
};
enum { SCOPE_COUNT = sizeof SCOPES / sizeof *SCOPES };

/* Whether the form that was sent ticks NAME. */
static bool is_ticked(struct request *request, const char *name)
{
    const char *only;
    for (int i = 0; (only = request_form_nth(request, "only", i)); i++)
        if (!strcmp(only, name))
            return true;
    return false;
}

/* The form for a new token; what was ticked stays so while something is wrong with it. */
static void fill_scopes(struct request *request, struct account_view *view)
{
    struct scope_view *rows = arena_alloc(&request->arena, SCOPE_COUNT * sizeof *rows);
    for (int i = 0; i < SCOPE_COUNT; i++) {
        const char *name = scope_resource_name(SCOPES[i].resource);
        rows[i] = (struct scope_view){name, SCOPES[i].words, view->token_error && is_ticked(request, name)};
    }
    view->scopes = rows;
    view->scopes_count = SCOPE_COUNT;
}

/* "Reads and changes", or for which things: "Reads cards, leads; changes webhooks". */
static const char *scopes_words(const char *text, struct arena *arena)
{
    struct scopes scopes = {0};
    struct str words;
    str_init(&words, arena, SCOPES_WORDS_MAX);
    if (!strcmp(text, "read write"))
        return "Reads and changes everything";
    if (!strcmp(text, "read"))
        return "Only reads";
    (void)scopes_add(&scopes, text, NULL);
    for (int write = 0; write < 2; write++) {
        const char *before = write ? words.len ? "; changes " : "Changes " : "Reads ";
        for (int i = SCOPE_ACCOUNT; i < SCOPE_RESOURCE_COUNT; i++) {
            enum scope_resource resource = (enum scope_resource)i;
            bool changes = scopes_allow(&scopes, resource, true);
            if (write ? !changes : changes || !scopes_allow(&scopes, resource, false))
                continue;
            str_addf(&words, "%s%s", before, scope_resource_name(resource));
            before = ", ";
        }
    }
    return words.data;
}

static enum result list_tokens(struct app *app, struct request *request, struct account_view *view)
{
    struct arena *arena = &request->arena;
    struct api_token *tokens;
    size_t count;
    char id[ID_TEXT_SIZE];
    int64_t now = now_ms();
    enum result result = store_token_list(app->store, arena, request_caller(request)->member.id, &tokens, &count);
    if (result != RESULT_OK)
        return result;
    struct token_view *rows = arena_alloc(arena, (count + 1) * sizeof *rows);
    for (size_t i = 0; i < count; i++)
        if (!tokens[i].revoked_ms)
            rows[view->tokens_count++] = (struct token_view){
                .id = arena_strdup(arena, id_format(id, "tok", tokens[i].id)),
                .name = tokens[i].name,
                .scopes = scopes_words(tokens[i].scopes, arena),
                .made = when_ago(tokens[i].created_ms, now, arena),
                .used = when_ago(tokens[i].used_ms, now, arena),
            };
    view->tokens = rows;
    return RESULT_OK;
}

/* Whether the member signed in a moment ago. */
static enum result is_fresh(struct app *app, struct request *request, bool *out)
{
    struct session session;
    int64_t now = now_ms();
    enum result result =
        store_session_find(app->store, &request->arena, request_caller(request)->session_hash, now, &session);
    if (result == RESULT_OK)
        *out = now - session.created_ms < FRESH_MS;
    return result;
}

static enum result show(struct app *app, struct request *request, int status, struct account_view *view)
{
    const struct member *member = &request_caller(request)->member;
    struct str html;
    bool fresh = false;
    enum result result = is_fresh(app, request, &fresh);
    if (result == RESULT_OK)
        result = list_tokens(app, request, view);
    if (result != RESULT_OK)
        return result;
    fill_scopes(request, view);
    view->desk = desk_frame(request, "Account", "account");
    view->handle = member->handle;
    view->email = member->email;
    view->name = member->name;
    if (!view->typed_name) { /* else what was typed into its form stays */
        view->typed_name = member->name;
        view->typed_email = member->email;
    }
    view->short_name = first_name(member->name, &request->arena);
    view->has_password = member->password_hash;
    view->needs_current = member->password_hash && !fresh;
    view->is_new = !member->password_hash && request->method == HTTP_GET && request_query(request, "new");
    desk_begin(request, &html);
    template_account(&html, view);
    return desk_reply(request, status, &html);
}

enum result account_page(struct app *app, struct request *request)
{
    const char *saved = request_query(request, "saved");
    bool profile = saved && !strcmp(saved, "profile");
    return show(app, request, 200,
                &(struct account_view){.said = saved && !profile ? "Your new password is kept." : NULL,
                                       .profile_said = profile ? "Your name and e-mail are kept." : NULL});
}

/* INVALID, with the complaint in VIEW, when the password must be given again and is not right. */
static enum result check_current(struct app *app, struct request *request, const struct member *member,
                                 struct account_view *view)
{
    bool fresh = false, stale;
    int64_t tries;
    enum result result = is_fresh(app, request, &fresh);
    if (result != RESULT_OK || fresh || !member->password_hash)
        return result;
    const char *current = request_form(request, "current");
    const char *key = arena_printf(&request->arena, "current:%lld", (long long)member->id);
    result = store_throttle_count(app->store, key, CURRENT_WINDOW_MS, now_ms(), &tries);
    if (result == RESULT_OK && tries > CURRENT_TRIES)
        return RESULT_LIMITED;
    if (result == RESULT_OK)
        result = password_verify(app->passwords, current ? current : "", member->password_hash, &stale);
    if (result == RESULT_OK)
        return store_throttle_clear(app->store, key);
    view->current_error = "That is not your password.";
    return result == RESULT_DENIED ? RESULT_INVALID : result;
}

enum result account_set_password(struct app *app, struct request *request)
{
    const struct member *member = &request_caller(request)->member;
    const char *password = request_form(request, "password");
    char hash[PASSWORD_HASH_SIZE];
    struct account_view view = {.password_error = password_complaint(password, member->handle, member->name)};
    enum result result = check_current(app, request, member, &view);
    if (result == RESULT_INVALID || (result == RESULT_OK && view.password_error))
        return show(app, request, 422, &view);
    if (result == RESULT_OK)
        result = password_hash(app->passwords, password, hash);
    /* This session ends with all others and a new one begins: its old cookie may be known to whom the change is about. */
    if (result == RESULT_OK)
        result = store_member_set_password(app->store, member->id, hash, NULL);
    if (result == RESULT_OK)
        result = caller_sign_in(app, request, member->id);
    if (result == RESULT_OK)
        reply_see_other(request, "/account?saved=1");
    return result;
}

/* To the address that is not the member's any more: whoever reads it there may not have wished so. ABOUT: member and address. */
static enum result write_farewell(void *context, const char *about, struct arena *arena, struct mail *out)
{
    struct app *app = context;
    struct member member;
    char *address;
    enum result result = store_member_find(app->store, arena, strtoll(about, &address, 10), &member);
    if (result != RESULT_OK)
        return result;
    out->to = arena_strdup(arena, address + 1);
    out->subject = "Your e-mail address was changed";
    out->text =
        arena_printf(arena,
                     "Hello %s,\n\nyour account at %s has another e-mail address from now on. If that was not you, "
                     "tell whoever runs it, who can give you a new sign-in link.\n",
                     member.name, app->config->url);
    return RESULT_OK;
}

static void say_farewell(struct app *app, struct arena *arena, const struct member *before)
{
    const char *about = arena_printf(arena, "%lld %s", (long long)before->id, before->email);
    if (app->mailer && mailer_post(app->mailer, write_farewell, app, about) != RESULT_OK)
        log_warning("mail", "words=\"too many letters wait\"");
}

enum result account_set_profile(struct app *app, struct request *request)
{
    const struct member *member = &request_caller(request)->member;
    struct arena *arena = &request->arena;
    struct complaints complaints = {0};
    const char *name = request_form(request, "name"), *email = request_form(request, "email");
    struct account_view view = {.typed_name = name ? name : "", .typed_email = email};
    (void)text_check(&name, CARD_NAME_MAX, TEXT_LINE, "name", arena, &complaints);
    (void)text_check(&email, LEAD_REACH_MAX, TEXT_LINE, "email", arena, &complaints);
    view.name_error = name ? complaints_about(&complaints, "name") : "Please give your name.";
    view.email_error = complaints_about(&complaints, "email");
    if (email && !view.email_error && !email_is_valid(email))
        view.email_error = "That is not an e-mail address.";
    if (view.name_error || view.email_error)
        return show(app, request, 422, &view);
    email = email_key(email, arena);
    bool moved = strcmp(email ? email : "", member->email ? member->email : "") != 0;
    enum result result = moved ? check_current(app, request, member, &view) : RESULT_OK;
    if (result == RESULT_OK)
        result = store_member_set_profile(app->store, member->id, name, email);
    if (result == RESULT_CONFLICT)
        view.email_error = "Somebody else here has this e-mail.";
    if (result == RESULT_CONFLICT || result == RESULT_INVALID) {
        view.change_error = view.current_error;
        view.current_error = NULL; /* it stands beside the form that was sent */
        return show(app, request, 422, &view);
    }
    if (result == RESULT_OK && moved && member->email)
        say_farewell(app, arena, member);
    if (result == RESULT_OK)
        reply_see_other(request, "/account?saved=profile#profile");
    return result;
}

static const char *read_scopes(struct request *request)
{
    struct scopes scopes = {0};
    bool write = request_form(request, "write");
    for (int i = 0; i < SCOPE_COUNT; i++)
        if (is_ticked(request, scope_resource_name(SCOPES[i].resource)))
            scopes_grant(&scopes, SCOPES[i].resource, write);
    if (scopes_are_none(&scopes))
        scopes_grant(&scopes, SCOPE_NONE, write);
    return scopes_text(&scopes, &request->arena);
}

enum result account_add_token(struct app *app, struct request *request)
{
    struct complaints complaints = {0};
    struct account_view view = {0};
    struct api_token token = {
        .member_id = request_caller(request)->member.id,
        .name = request_form(request, "name"),
        .scopes = read_scopes(request),
    };
    text_check(&token.name, API_TOKEN_NAME_MAX, TEXT_LINE, "name", &request->arena, &complaints);
    view.token_error = complaints_about(&complaints, "name");
    if (!token.name && !view.token_error)
        view.token_error = "Please say what the key is for, so that you know it again.";
    view.token_name = request_form(request, "name");
    view.may_write = request_form(request, "write");
    if (view.token_error)
        return show(app, request, 422, &view);
    view.token_name = NULL; /* the next one is another */
    view.may_write = false;
    enum result result = api_token_make(app, &request->arena, &token, &view.secret);
    return result == RESULT_OK ? show(app, request, 200, &view) : result;
}

enum result account_revoke_token(struct app *app, struct request *request)
{
    enum result result =
        store_token_revoke(app->store, request_caller(request)->member.id, desk_id(request, "tok"), now_ms());
    if (result == RESULT_OK)
        reply_see_other(request, "/account#tokens");
    return result;
}
