/* A visitor passes the card on: POST /c/{token}/pass-on mints a share of their own below the one they hold, and GET on that
 * share's address shows the link with ways to send it. Who passes on is, as far as it is known: the signed-in member, the
 * visitor who left their details, or the page's own stamp; without any of them nothing is minted. */
#include <string.h>

#include "cards/base/escape.h"
#include "cards/consent.h"
#include "cards/stamp.h"
#include "server/auth/caller.h"
#include "server/auth/throttle.h"
#include "server/http/request.h"
#include "server/ids.h"
#include "server/pages/card_view.h"
#include "server/pages/error.h"
#include "server/pages/pages.h"
#include "server/pages/receipt.h"
#include "server/pages/scan.h"
#include "server/pages/send.h"
#include "server/store/store.h"
#include "templates.h"

enum {
    PAGE_MAX = 64 * 1024,
    LINK_MAX = 4096,
    HOUR_MS = 3600 * 1000,
    NETWORK_MAX = 60,
    VISITOR_MAX = 12,
    TOKEN_TRIES = 3
};

/* The visitor's lead, if the receipt of SECRET is one for this card's owner. */
static enum result find_sharer(struct app *app, struct request *request, const char *secret, struct share *child)
{
    unsigned char hash[HASH_SIZE];
    struct lead lead;
    receipt_hash(secret, hash);
    enum result result = store_receipt_find(app->store, &request->arena, hash, &lead);
    if (result == RESULT_OK && lead.owner_id == child->owner_id && !lead.set_aside) {
        child->sharer_lead_id = lead.id;
        child->sharer_name = lead.name;
    }
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

/* Fills in who passes the card on. DENIED: nobody we know of. */
static enum result name_sharer(struct app *app, struct request *request, int64_t hit_id, struct share *child)
{
    struct caller *caller = NULL;
    if (caller_has_cookie(request) && caller_of_cookie(app, request, &caller) == RESULT_OK) {
        child->sharer_member_id = caller->member.id;
        return RESULT_OK;
    }
    char derived[RECEIPT_SECRET_SIZE];
    const char *secret = request_form(request, "receipt");
    if (!secret && hit_id) {
        receipt_secret(&app->keys, hit_id, child->parent_id, derived);
        secret = derived;
    }
    child->sharer_name = request_form(request, "name");
    enum result result = secret ? find_sharer(app, request, secret, child) : RESULT_OK;
    if (result != RESULT_OK || child->sharer_lead_id)
        return result;
    child->sharer_hit_id = hit_id;
    return hit_id ? RESULT_OK : RESULT_DENIED;
}

static enum result mint(struct app *app, struct request *request, struct share *child)
{
    enum result result = RESULT_CONFLICT;
    for (int i = 0; result == RESULT_CONFLICT && i < TOKEN_TRIES; i++) {
        token_new(child->token);
        result = store_share_add(app->store, &request->arena, child, now_ms());
    }
    return result;
}

static bool wants_json(const struct request *request)
{
    const char *accept = request_header(request, "Accept");
    return accept && strstr(accept, "application/json");
}

static void answer(struct app *app, struct request *request, const char *token)
{
    const char *page = arena_printf(&request->arena, "/c/%s/pass-on", token);
    if (!wants_json(request)) {
        reply_see_other(request, page);
        return;
    }
    struct str json;
    str_init(&json, &request->arena, LINK_MAX);
    str_add(&json, "{\"url\":\"");
    escape_json(&json, app->config->url);
    str_addf(&json, "/c/%s\",\"token\":\"%s\",\"page\":\"%s\"}", token, token, page);
    reply_json(request, 201, json.data, json.len);
}

/* Twelve an hour are a person who tries each way to send it; more from one page fill the member's list with nothing. */
static bool is_too_much(struct app *app, const struct request *request, int64_t hit_id)
{
    struct net_address network = address_network(&request->client);
    int64_t now = now_ms();
    if (throttle_count_together(app->throttle, "pass on", &network, sizeof network, HOUR_MS, now, 1, NETWORK_MAX) >
        NETWORK_MAX)
        return true;
    return hit_id && throttle_count_together(app->throttle, "pass on of page", &hit_id, sizeof hit_id, HOUR_MS, now, 1,
                                             VISITOR_MAX) > VISITOR_MAX;
}

enum result visitor_pass_on(struct app *app, struct request *request)
{
    struct open_share open;
    struct complaints complaints = {0};
    enum result result = scan_open_share(app, request->params[0], true, &open);
    if (result != RESULT_OK)
        return result;
    int64_t hit_id = stamp_read(request_form(request, "stamp"), app->keys.stamp, open.share_id);
    if (is_too_much(app, request, hit_id))
        return RESULT_LIMITED;
    enum channel channel = channel_parse(request_form(request, "channel"));
    struct share child = {
        .owner_id = open.owner_id,
        .card_id = open.card_id,
        .parent_id = open.share_id,
        .channel = channel == CHANNEL_COUNT ? CHANNEL_LINK : channel,
        .vouch = request_form(request, "vouch"),
    };
    result = name_sharer(app, request, hit_id, &child);
    if (result != RESULT_OK)
        return result;
    if (share_check(&child, now_ms(), &request->arena, &complaints) != RESULT_OK) {
        error_page(app, request, 422, complaints.list[0].words);
        return RESULT_OK;
    }
    result = mint(app, request, &child);
    if (result == RESULT_LIMITED) {
        error_page(app, request, 422,
                   "This card has gone through so many hands that no further one can be kept. "
                   "You can still send the link you have.");
        return RESULT_OK;
    }
    if (result != RESULT_OK)
        return result;
    answer(app, request, child.token);
    if (hit_id)
        scan_act(app, request, &open, hit_id, ACT_PASS_ON, 0);
    return RESULT_OK;
}

static void fill_ways(struct passed_on_view *view, struct arena *arena)
{
    view->whatsapp_url = send_href(CHANNEL_WHATSAPP, view->name, view->text, view->url, arena);
    view->sms_href = send_href(CHANNEL_SMS, view->name, view->text, view->url, arena);
    view->telegram_url = send_href(CHANNEL_TELEGRAM, view->name, view->text, view->url, arena);
    view->email_href = send_href(CHANNEL_EMAIL, view->name, view->text, view->url, arena);
}

enum result pass_on_page(struct app *app, struct request *request)
{
    struct arena *arena = &request->arena;
    struct open_share open;
    struct share share = {0};
    struct card card;
    enum result result = scan_open_share(app, request->params[0], true, &open);
    if (result == RESULT_OK)
        result = store_share_find_by_token(app->store, arena, open.token, &share);
    if (result == RESULT_OK)
        result = store_card_open(app->store, arena, open.card_id, &card);
    if (result == RESULT_OK && !share.parent_id)
        result = RESULT_NOT_FOUND;
    if (result != RESULT_OK)
        return result;
    const struct hand *own = share.chain_len ? &share.chain[share.chain_len - 1] : NULL;
    struct passed_on_view view = {
        .name = card.name,
        .short_name = card_first_name(&card, arena),
        .initials = card_initials(&card, arena),
        .accent = card.accent,
        .by = own ? own->name : NULL,
        .vouch = share.vouch,
        .url = arena_printf(arena, "%s/c/%s", app->config->url, share.token),
        .text = share.vouch ? share.vouch : arena_printf(arena, "The card of %s", card.name),
        .token = share.token,
        .card_href = arena_printf(arena, "/c/%s", share.token),
    };
    const char *host = strstr(app->config->url, "://");
    view.host = host ? host + 3 : app->config->url;
    fill_ways(&view, arena);
    struct str html;
    str_init(&html, arena, PAGE_MAX);
    template_passed_on(&html, &view);
    reply_html(request, 200, html.data, html.len);
    return html.failed ? RESULT_FAILED : RESULT_OK;
}
