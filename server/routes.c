/* The table of contents: every address, who may call it, how much it may be sent, where it runs.
 *
 * Nothing is reachable that is not here, and the default is closed: a line says ANYONE or it is for signed-in members or API
 * tokens. A pattern's {} takes one path segment up to a dot, {*} one with its dots; more specific lines come first. Lines that
 * wait for the database run on a WORKER; INLINE ones may ask to be run again there (request_defer). */
#include "server/routes.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/api.h"
#include "server/api/condition.h"
#include "server/api/problem.h"
#include "server/api/waiting_room.h"
#include "server/app.h"
#include "server/auth/caller.h"
#include "server/http/assets.h"
#include "server/http/request.h"
#include "server/ids.h"
#include "server/log.h"
#include "server/pages/card_files.h"
#include "server/pages/error.h"
#include "server/pages/pages.h"
#include "server/pages/scan.h"
#include "server/pages/visitor.h"
#include "server/portrait.h"
#include "server/store/store.h"

enum who {
    ANYONE,
    VISITOR /* a form or script of a public page of ours */,
    MEMBER,
    TOKEN,
    OPERATOR /* this machine, or a token */
};
enum where { INLINE, WORKER };

struct route {
    struct http_route http; /* first: http knows a route by it */
    enum http_method method;
    const char *pattern;
    enum who who;
    handler *handler;
    enum scope_resource resource; /* what a token must have a scope for */
    bool takes_query;             /* else a call of the API with one is refused */
};

enum { QUERY = true };

enum { KB = 1024 };

#define FORM "application/x-www-form-urlencoded"
#define JSON "application/json"
#define PICTURE "image/jpeg image/png image/webp application/octet-stream"

/* Lines for tokens end with the resource. */
#define ROUTE(verb, path, caller, where, types, max, run, ...)                                                  \
    {                                                                                                           \
        .http = {.body_max = (max), .worker = (where) == WORKER, .body_types = (types)}, .method = HTTP_##verb, \
        .pattern = (path), .who = (caller), .handler = (run), ##__VA_ARGS__                                     \
    }

static const struct route ROUTES[] = {
    /* a share */
    ROUTE(GET, "/c/{}", ANYONE, INLINE, NULL, 0, scan_page),
    ROUTE(POST, "/c/{}/seen", VISITOR, WORKER, FORM, 1 * KB, visitor_seen),
    ROUTE(POST, "/c/{}/lead", VISITOR, WORKER, FORM, 64 * KB, visitor_lead),
    ROUTE(POST, "/c/{}/pass-on", VISITOR, WORKER, FORM, 8 * KB, visitor_pass_on),
    ROUTE(GET, "/c/{}/pass-on", ANYONE, WORKER, NULL, 0, pass_on_page),
    ROUTE(GET, "/c/{}.vcf", ANYONE, INLINE, NULL, 0, card_file_vcf),
    ROUTE(GET, "/c/{}.png", ANYONE, INLINE, NULL, 0, card_file_qr_png),
    ROUTE(GET, "/c/{}.svg", ANYONE, INLINE, NULL, 0, card_file_qr_svg),
    ROUTE(GET, "/c/{}/preview.png", ANYONE, INLINE, NULL, 0, card_file_preview),
    ROUTE(GET, "/portrait/{}.jpg", ANYONE, INLINE, NULL, 0, card_file_portrait),
    ROUTE(GET, "/@{}", ANYONE, WORKER, NULL, 0, scan_standing),
    ROUTE(GET, "/%40{}", ANYONE, WORKER, NULL, 0, scan_standing),
    ROUTE(GET, "/receipt/{}", ANYONE, WORKER, NULL, 0, receipt_page),
    ROUTE(POST, "/receipt/{}/erase", VISITOR, WORKER, FORM, 1 * KB, receipt_erase),
    ROUTE(GET, "/privacy", ANYONE, WORKER, NULL, 0, privacy_page),
    ROUTE(GET, "/robots.txt", ANYONE, INLINE, NULL, 0, robots_page),
    ROUTE(GET, "/favicon.ico", ANYONE, INLINE, NULL, 0, favicon_page),
    ROUTE(GET, "/manifest.webmanifest", ANYONE, INLINE, NULL, 0, manifest_page),
    ROUTE(GET, "/.well-known/security.txt", ANYONE, INLINE, NULL, 0, security_txt_page),
    ROUTE(GET, "/.well-known/change-password", ANYONE, INLINE, NULL, 0, change_password_page),

    /* the member's desk */
    ROUTE(GET, "/", ANYONE, WORKER, NULL, 0, sign_in_root),
    ROUTE(GET, "/sign-in", ANYONE, WORKER, NULL, 0, sign_in_page),
    ROUTE(POST, "/sign-in", VISITOR, WORKER, FORM, 8 * KB, sign_in_try),
    ROUTE(GET, "/sign-in/{}", ANYONE, WORKER, NULL, 0, sign_in_link_page),
    ROUTE(POST, "/sign-in/mail", VISITOR, WORKER, FORM, 8 * KB, sign_in_mail),
    ROUTE(POST, "/sign-in/{}", VISITOR, WORKER, FORM, 1 * KB, sign_in_link_redeem),
    ROUTE(POST, "/sign-out", MEMBER, WORKER, FORM, 1 * KB, sign_out),
    ROUTE(GET, "/account", MEMBER, WORKER, NULL, 0, account_page),
    ROUTE(POST, "/account/profile", MEMBER, WORKER, FORM, 4 * KB, account_set_profile),
    ROUTE(POST, "/account/password", MEMBER, WORKER, FORM, 8 * KB, account_set_password),
    ROUTE(POST, "/account/tokens", MEMBER, WORKER, FORM, 4 * KB, account_add_token),
    ROUTE(POST, "/account/tokens/{}/revoke", MEMBER, WORKER, FORM, 1 * KB, account_revoke_token),
    ROUTE(GET, "/inbox", MEMBER, WORKER, NULL, 0, inbox_page),
    ROUTE(GET, "/leads/{}", MEMBER, WORKER, NULL, 0, lead_page),
    ROUTE(POST, "/leads/{}", MEMBER, WORKER, FORM, 64 * KB, lead_change),
    ROUTE(POST, "/leads/{}/follow-ups", MEMBER, WORKER, FORM, 8 * KB, lead_follow_up),
    ROUTE(POST, "/follow-ups/{}", MEMBER, WORKER, FORM, 1 * KB, followup_act),
    ROUTE(GET, "/leads/{}/erase", MEMBER, WORKER, NULL, 0, lead_erase_page),
    ROUTE(POST, "/leads/{}/erase", MEMBER, WORKER, FORM, 1 * KB, lead_erase),
    ROUTE(GET, "/cards", MEMBER, WORKER, NULL, 0, card_list_page),
    ROUTE(GET, "/cards/new", MEMBER, WORKER, NULL, 0, card_new_page),
    ROUTE(POST, "/cards/new", MEMBER, WORKER, FORM, 64 * KB, card_new),
    ROUTE(GET, "/cards/{}/edit", MEMBER, WORKER, NULL, 0, card_edit_page),
    ROUTE(POST, "/cards/{}/edit", MEMBER, WORKER, FORM, 64 * KB, card_edit),
    ROUTE(POST, "/cards/{}/retire", MEMBER, WORKER, FORM, 1 * KB, card_retire),
    ROUTE(POST, "/cards/{}/portrait", MEMBER, WORKER, PICTURE, PORTRAIT_UPLOAD_MAX, card_portrait),
    ROUTE(POST, "/cards/{}/portrait/remove", MEMBER, WORKER, FORM, 1 * KB, card_portrait_remove),
    ROUTE(GET, "/cards/{}/share", MEMBER, WORKER, NULL, 0, my_card_page),
    ROUTE(POST, "/cards/{}/share", MEMBER, WORKER, FORM, 8 * KB, my_card_send),
    ROUTE(GET, "/shares/{}", MEMBER, WORKER, NULL, 0, share_page),
    ROUTE(POST, "/shares/{}/revoke", MEMBER, WORKER, FORM, 1 * KB, share_revoke),
    ROUTE(GET, "/shares/{}/hold", MEMBER, WORKER, NULL, 0, share_hold_page),
    ROUTE(GET, "/shares/{}/print", MEMBER, WORKER, NULL, 0, share_print_page),
    ROUTE(GET, "/webhooks", MEMBER, WORKER, NULL, 0, webhook_list_page),
    ROUTE(GET, "/webhooks/new", MEMBER, WORKER, NULL, 0, webhook_new_page),
    ROUTE(POST, "/webhooks/new", MEMBER, WORKER, FORM, 16 * KB, webhook_add),
    ROUTE(GET, "/webhooks/{}", MEMBER, WORKER, NULL, 0, webhook_page),
    ROUTE(POST, "/webhooks/{}", MEMBER, WORKER, FORM, 2 * KB, webhook_act),
    ROUTE(GET, "/webhooks/{}/edit", MEMBER, WORKER, NULL, 0, webhook_edit_page),
    ROUTE(POST, "/webhooks/{}/edit", MEMBER, WORKER, FORM, 16 * KB, webhook_edit),
    ROUTE(GET, "/deliveries/{}", MEMBER, WORKER, NULL, 0, delivery_page),
    ROUTE(POST, "/deliveries/{}", MEMBER, WORKER, FORM, 1 * KB, delivery_resend),

    /* the house */
    ROUTE(GET, "/assets/{*}", ANYONE, INLINE, NULL, 0, asset_serve),
    ROUTE(GET, "/healthz", ANYONE, INLINE, NULL, 0, health_alive),
    ROUTE(GET, "/readyz", ANYONE, WORKER, NULL, 0, health_ready),
    ROUTE(GET, "/metrics", OPERATOR, WORKER, NULL, 0, metrics_page, SCOPE_METRICS),

    /* the API */
    ROUTE(GET, "/api", ANYONE, INLINE, NULL, 0, api_guide),
    ROUTE(GET, "/api/openapi.yaml", ANYONE, INLINE, NULL, 0, api_description),
    ROUTE(GET, "/api/v1/account", TOKEN, WORKER, NULL, 0, api_account, SCOPE_ACCOUNT),
    ROUTE(PATCH, "/api/v1/account", TOKEN, WORKER, JSON, 4 * KB, api_account_change, SCOPE_ACCOUNT),
    ROUTE(GET, "/api/v1/members", TOKEN, WORKER, NULL, 0, api_member_list, SCOPE_MEMBERS, QUERY),
    ROUTE(POST, "/api/v1/members/bulk", TOKEN, WORKER, JSON, 512 * KB, api_member_add_many, SCOPE_MEMBERS, QUERY),
    ROUTE(GET, "/api/v1/tokens", TOKEN, WORKER, NULL, 0, api_token_list, SCOPE_ACCOUNT),
    ROUTE(POST, "/api/v1/tokens", TOKEN, WORKER, JSON, 4 * KB, api_token_add, SCOPE_ACCOUNT),
    ROUTE(GET, "/api/v1/tokens/{}", TOKEN, WORKER, NULL, 0, api_token_get, SCOPE_ACCOUNT),
    ROUTE(DELETE, "/api/v1/tokens/{}", TOKEN, WORKER, NULL, 0, api_token_revoke, SCOPE_ACCOUNT),
    ROUTE(GET, "/api/v1/cards", TOKEN, WORKER, NULL, 0, api_card_list, SCOPE_CARDS),
    ROUTE(POST, "/api/v1/cards", TOKEN, WORKER, JSON, 64 * KB, api_card_add, SCOPE_CARDS),
    ROUTE(POST, "/api/v1/cards/bulk", TOKEN, WORKER, JSON, 2048 * KB, api_card_add_many, SCOPE_CARDS, QUERY),
    ROUTE(GET, "/api/v1/cards/{}", TOKEN, WORKER, NULL, 0, api_card_get, SCOPE_CARDS),
    ROUTE(PATCH, "/api/v1/cards/{}", TOKEN, WORKER, JSON, 64 * KB, api_card_change, SCOPE_CARDS),
    ROUTE(DELETE, "/api/v1/cards/{}", TOKEN, WORKER, NULL, 0, api_card_retire, SCOPE_CARDS),
    ROUTE(PUT, "/api/v1/cards/{}/portrait", TOKEN, WORKER, PICTURE, PORTRAIT_UPLOAD_MAX, api_portrait_set, SCOPE_CARDS),
    ROUTE(DELETE, "/api/v1/cards/{}/portrait", TOKEN, WORKER, NULL, 0, api_portrait_remove, SCOPE_CARDS),
    ROUTE(GET, "/api/v1/cards/{}/shares", TOKEN, WORKER, NULL, 0, api_share_list, SCOPE_SHARES, QUERY),
    ROUTE(POST, "/api/v1/cards/{}/shares", TOKEN, WORKER, JSON, 16 * KB, api_share_add, SCOPE_SHARES),
    ROUTE(GET, "/api/v1/shares/{}", TOKEN, WORKER, NULL, 0, api_share_get, SCOPE_SHARES),
    ROUTE(DELETE, "/api/v1/shares/{}", TOKEN, WORKER, NULL, 0, api_share_revoke, SCOPE_SHARES),
    ROUTE(GET, "/api/v1/shares/{}/hits", TOKEN, WORKER, NULL, 0, api_share_hits, SCOPE_SHARES, QUERY),
    ROUTE(GET, "/api/v1/inbox", TOKEN, WORKER, NULL, 0, api_inbox, SCOPE_LEADS),
    ROUTE(GET, "/api/v1/leads", TOKEN, WORKER, NULL, 0, api_lead_list, SCOPE_LEADS, QUERY),
    ROUTE(GET, "/api/v1/leads/{}", TOKEN, WORKER, NULL, 0, api_lead_get, SCOPE_LEADS),
    ROUTE(PATCH, "/api/v1/leads/{}", TOKEN, WORKER, JSON, 32 * KB, api_lead_change, SCOPE_LEADS),
    ROUTE(DELETE, "/api/v1/leads/{}", TOKEN, WORKER, NULL, 0, api_lead_erase, SCOPE_LEADS),
    ROUTE(GET, "/api/v1/leads/{}/follow-ups", TOKEN, WORKER, NULL, 0, api_followup_list_of_lead, SCOPE_LEADS, QUERY),
    ROUTE(POST, "/api/v1/leads/{}/follow-ups", TOKEN, WORKER, JSON, 8 * KB, api_followup_add, SCOPE_LEADS),
    ROUTE(GET, "/api/v1/follow-ups", TOKEN, WORKER, NULL, 0, api_followup_list, SCOPE_LEADS, QUERY),
    ROUTE(GET, "/api/v1/follow-ups/{}", TOKEN, WORKER, NULL, 0, api_followup_get, SCOPE_LEADS),
    ROUTE(PATCH, "/api/v1/follow-ups/{}", TOKEN, WORKER, JSON, 8 * KB, api_followup_change, SCOPE_LEADS),
    ROUTE(DELETE, "/api/v1/follow-ups/{}", TOKEN, WORKER, NULL, 0, api_followup_remove, SCOPE_LEADS),
    ROUTE(GET, "/api/v1/webhooks", TOKEN, WORKER, NULL, 0, api_webhook_list, SCOPE_WEBHOOKS),
    ROUTE(POST, "/api/v1/webhooks", TOKEN, WORKER, JSON, 16 * KB, api_webhook_add, SCOPE_WEBHOOKS),
    ROUTE(GET, "/api/v1/webhooks/{}", TOKEN, WORKER, NULL, 0, api_webhook_get, SCOPE_WEBHOOKS),
    ROUTE(PATCH, "/api/v1/webhooks/{}", TOKEN, WORKER, JSON, 16 * KB, api_webhook_change, SCOPE_WEBHOOKS),
    ROUTE(DELETE, "/api/v1/webhooks/{}", TOKEN, WORKER, NULL, 0, api_webhook_remove, SCOPE_WEBHOOKS),
    ROUTE(POST, "/api/v1/webhooks/{}/ping", TOKEN, WORKER, JSON, 1 * KB, api_webhook_ping, SCOPE_WEBHOOKS),
    ROUTE(POST, "/api/v1/webhooks/{}/rotate", TOKEN, WORKER, JSON, 1 * KB, api_webhook_rotate, SCOPE_WEBHOOKS),
    ROUTE(POST, "/api/v1/webhooks/{}/enable", TOKEN, WORKER, JSON, 1 * KB, api_webhook_enable, SCOPE_WEBHOOKS),
    ROUTE(POST, "/api/v1/webhooks/{}/replay", TOKEN, WORKER, JSON, 1 * KB, api_webhook_replay, SCOPE_WEBHOOKS),
    ROUTE(GET, "/api/v1/webhooks/{}/deliveries", TOKEN, WORKER, NULL, 0, api_delivery_list, SCOPE_WEBHOOKS, QUERY),
    ROUTE(GET, "/api/v1/deliveries/{}", TOKEN, WORKER, NULL, 0, api_delivery_get, SCOPE_WEBHOOKS),
    ROUTE(POST, "/api/v1/deliveries/{}/redeliver", TOKEN, WORKER, JSON, 1 * KB, api_delivery_redeliver, SCOPE_WEBHOOKS),
    ROUTE(POST, "/api/v1/listeners", TOKEN, WORKER, JSON, 16 * KB, api_listener_add, SCOPE_WEBHOOKS),
    ROUTE(DELETE, "/api/v1/listeners/{}", TOKEN, WORKER, NULL, 0, api_listener_remove, SCOPE_WEBHOOKS),
    ROUTE(GET, "/api/v1/listeners/{}/deliveries", TOKEN, WORKER, NULL, 0, api_listener_claim, SCOPE_WEBHOOKS, QUERY),
    ROUTE(POST, "/api/v1/listeners/{}/deliveries/{}/outcome", TOKEN, WORKER, JSON, 1 * KB, api_listener_record,
          SCOPE_WEBHOOKS),
};
enum { ROUTE_COUNT = sizeof ROUTES / sizeof *ROUTES };

/* Whether PATH fits; fills PARAMS with pieces of it in the arena. Below /c/ letters outside {} match in any case, since a QR
 * code holds the address in capitals; everything else has one spelling. */
static bool fits(const char *pattern, const char *path, struct request *request, const char **params)
{
    int count = 0;
    bool any_case = !strncmp(pattern, "/c/", 3);
    while (*pattern) {
        char letter = any_case ? (char)tolower((unsigned char)*path) : *path;
        if (*pattern == '{') {
            bool with_dots = pattern[1] == '*';
            size_t len = strcspn(path, with_dots ? "/" : "/.");
            if (!len || count == PARAMS_MAX)
                return false;
            params[count++] = arena_strndup(&request->arena, path, len);
            path += len;
            pattern += with_dots ? 3 : 2;
        } else if (path++, *pattern++ != letter)
            return false;
    }
    return !*path;
}

static const char *method_name(enum http_method method)
{
    static const char *const NAMES[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", ""};
    return NAMES[method];
}

/* Adds METHOD to an Allow value that may hold it already. */
static void allow_add(struct str *allow, enum http_method method)
{
    if (!strstr(allow->data, method_name(method)))
        str_addf(allow, "%s%s", allow->len ? ", " : "", method_name(method));
}

static const struct http_route *match(void *app, struct request *request, int *status, const char **allow_header)
{
    (void)app;
    enum http_method method = request->method == HTTP_HEAD ? HTTP_GET : request->method;
    struct str allow = {0};
    bool is_named = false; /* by a line without {}: then it is none of those with */
    for (int i = 0; i < ROUTE_COUNT; i++) {
        const char *params[PARAMS_MAX] = {0};
        bool has_param = strchr(ROUTES[i].pattern, '{');
        if ((is_named && has_param) || !fits(ROUTES[i].pattern, request->path, request, params))
            continue;
        if (ROUTES[i].method == method) {
            memcpy(request->params, params, sizeof params);
            return &ROUTES[i].http;
        }
        is_named = is_named || !has_param;
        if (!allow.data)
            str_init(&allow, &request->arena, 64);
        allow_add(&allow, ROUTES[i].method);
        if (ROUTES[i].method == HTTP_GET)
            allow_add(&allow, HTTP_HEAD);
    }
    *status = allow.data ? 405 : 404;
    *allow_header = allow.data;
    return NULL;
}

static bool is_api(const struct request *request)
{
    return request->path && !strncmp(request->path, "/api/", 5);
}

/* What every answer of the API carries: where its description is (RFC 8631), and that it is no page. */
static void dress(struct app *app, struct request *request)
{
    api_allow_origin(app, request);
    reply_csp(request, "default-src 'none'; frame-ancestors 'none'");
    reply_header(request, "X-Robots-Tag", "noindex");
    reply_header(request, "Link",
                 "</api/openapi.yaml>; rel=\"service-desc\"; type=\"application/yaml\", "
                 "</api>; rel=\"service-doc\"; type=\"text/html\"");
}

static void refuse(void *context, struct request *request, int status, const char *words)
{
    if (is_api(request)) {
        bool is_told =
            status == 400 || status == 411 || status == 417; /* what the problem's own words do not know better */
        if (status == 415 && !strcmp(request->route->body_types, PICTURE)) {
            is_told = true;
            words = "Send the picture as image/jpeg, image/png or image/webp.";
        }
        if (status != 405 || !api_preflight(context, request))
            problem_reply(request, status, is_told ? words : NULL, NULL);
        dress(context, request);
    } else
        error_page(context, request, status, words);
}

static bool is_unsafe(enum http_method method)
{
    return method != HTTP_GET && method != HTTP_HEAD;
}

/* A member's page without a session: to the sign-in page and back again. */
static enum result ask_to_sign_in(struct request *request)
{
    if (is_unsafe(request->method))
        return RESULT_DENIED;
    struct str location;
    str_init(&location, &request->arena, 512);
    str_add(&location, "/sign-in?next=");
    for (const char *at = request->path; *at; at++)
        str_addf(&location, isalnum((unsigned char)*at) || strchr("/-_.@", *at) ? "%c" : "%%%02X", (unsigned char)*at);
    reply_see_other(request, location.failed ? "/sign-in" : location.data);
    return RESULT_OK;
}

static bool is_loopback(const struct net_address *address)
{
    static const uint8_t V6[16] = {[15] = 1};
    static const uint8_t V4[13] = {[10] = 0xff, [11] = 0xff, [12] = 127};
    return !memcmp(address->bytes, V6, sizeof V6) || !memcmp(address->bytes, V4, sizeof V4);
}

/* An API token's scopes. When one is missing that is answered, and which (RFC 6750 3.1). */
static enum result admit_token(struct app *app, struct request *request, const struct route *route)
{
    const struct caller *caller = request_caller(request);
    bool write = is_unsafe(request->method);
    enum result result = api_count_call(app, request);
    assert(route->resource);
    if (result != RESULT_OK)
        return result;
    if (scopes_allow(&caller->scopes, route->resource, write)) {
        if (!route->takes_query)
            api_refuse_query(request);
        return RESULT_OK;
    }
    const char *scope =
        arena_printf(&request->arena, "%s:%s", scope_resource_name(route->resource), write ? "write" : "read");
    problem_reply(request, 403, arena_printf(&request->arena, "This token lacks the scope %s.", scope), NULL);
    reply_header(
        request, "WWW-Authenticate",
        arena_printf(&request->arena, "Bearer realm=\"meishi\", error=\"insufficient_scope\", scope=\"%s\"", scope));
    return RESULT_OK;
}

/* From this machine, by its own name. What a proxy on this machine passes on looks alike but for the headers that proxies add,
 * or for the public name in Host. */
static bool is_operator(const struct request *request)
{
    static const char *const ADDED[] = {"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
                                        "Forwarded",       "X-Real-IP",        "Via"};
    static const char *const NAMES[] = {"localhost", "127.0.0.1", "[::1]"};
    for (size_t i = 0; i < sizeof ADDED / sizeof *ADDED; i++)
        if (request_header(request, ADDED[i]))
            return false;
    const char *host = request_header(request, "Host");
    for (size_t i = 0; host && i < sizeof NAMES / sizeof *NAMES; i++) {
        size_t len = strlen(NAMES[i]);
        if (!strncasecmp(host, NAMES[i], len) && (!host[len] || host[len] == ':'))
            return is_loopback(&request->client);
    }
    return false;
}

/* Finds the caller and checks that they may. OK with request->reply.status set: already answered. */
static enum result admit(struct app *app, struct request *request, const struct route *route)
{
    struct caller *caller = NULL;
    enum result result;
    switch (route->who) {
    case ANYONE:
        return RESULT_OK;
    case VISITOR:
        return request_is_same_origin(request, app->config->url, false) ? RESULT_OK : RESULT_DENIED;
    case OPERATOR:
        if (is_operator(request))
            return RESULT_OK;
        /* fall through */
    case TOKEN:
        result = caller_of_token(app, request, &caller);
        request->session = caller;
        if (result == RESULT_OK)
            return admit_token(app, request, route);
        if (result == RESULT_NOT_FOUND)
            result = request_header(request, "Authorization") ? api_count_guess(app, request) : RESULT_OK;
        if (result == RESULT_OK)
            problem_reply(request, 401, NULL, NULL);
        return result;
    case MEMBER:
        result = caller_of_cookie(app, request, &caller);
        request->session = caller;
        if (result == RESULT_NOT_FOUND)
            return ask_to_sign_in(request);
        if (result == RESULT_OK && is_unsafe(request->method) &&
            (!request_is_same_origin(request, app->config->url, true) || !caller_form_is_genuine(app, request)))
            return RESULT_DENIED;
        return result;
    }
    return RESULT_DENIED;
}

/* The one place that turns an outcome into HTTP. */
static void answer_for(struct app *app, struct request *request, enum result result)
{
    static const int STATUS[] = {
        [RESULT_OK] = 500,       [RESULT_NOT_FOUND] = 404, [RESULT_INVALID] = 400, [RESULT_DENIED] = 403,
        [RESULT_CONFLICT] = 409, [RESULT_LIMITED] = 429,   [RESULT_BUSY] = 503,    [RESULT_FAILED] = 503};
    refuse(app, request, STATUS[result], NULL);
}

/* Before the answer goes out: whoever then asks any server for a list finds in it what they changed. */
static void note_written(struct app *app, struct request *request, const struct route *route)
{
    const struct caller *caller = is_unsafe(route->method) ? request_caller(request) : NULL;
    if (caller && store_note_written(app->store, caller->member.id) != RESULT_OK)
        log_warning("written", "words=\"a list that is read from the standby may miss the last change\"");
}

static void dispatch(void *context, struct request *request)
{
    struct app *app = context;
    const struct route *route = (const struct route *)(const void *)request->route;
    assert(route->who == ANYONE || route->http.worker);
    enum result result = admit(app, request, route);
    if (result == RESULT_OK && !request->reply.status)
        result = route->who == TOKEN && route->method == HTTP_POST ? api_once(app, request, route->handler)
                                                                   : route->handler(app, request);
    note_written(app, request, route);
    if (result != RESULT_OK)
        answer_for(app, request, result);
    else if (is_api(request) && route->http.worker) {
        answer_unchanged(request);
        dress(app, request);
        waiting_room_admit(app, request);
    }
}

static void foresee(void *context, const char *path)
{
    scan_foresee(context, path);
}

static void turn_end(void *context)
{
    struct app *app = context;
    store_hits_wake(app->store);
    visits_renew(app->visits, now_ms());
}

struct http_handlers routes_handlers(struct app *app)
{
    return (struct http_handlers){
        .app = app, .match = match, .dispatch = dispatch, .refuse = refuse, .foresee = foresee, .turn_end = turn_end};
}

void routes_each(void (*visit)(const char *method, const char *pattern, void *context), void *context)
{
    for (int i = 0; i < ROUTE_COUNT; i++)
        visit(method_name(ROUTES[i].method), ROUTES[i].pattern, context);
}
