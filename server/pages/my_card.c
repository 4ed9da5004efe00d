/* /cards/{id}/share, "My card": the code, and a button for each way to send it. Every button mints a share of its own, by
 * POST; the page itself mints nothing. A script asks for JSON and opens the app at once, without one the share's page shows
 * what to press. */
#include <string.h>
#include <time.h>

#include "cards/base/escape.h"
#include "cards/base/id.h"
#include "server/auth/caller.h"
#include "server/ids.h"
#include "server/pages/desk.h"
#include "server/pages/pages.h"
#include "server/pages/send.h"
#include "server/pages/way.h"
#include "server/pages/when.h"
#include "server/store/store.h"
#include "templates.h"

enum { SHARES_SHOWN = 20, SHARES_READ = 100, JSON_MAX = 16 * 1024, TOKEN_TRIES = 3, DAY_MS = 24 * 3600 * 1000 };

static const struct way_out_view WAYS[] = {
    {"link", "Copy a link", false},  {"whatsapp", "WhatsApp", false}, {"email", "E-mail", false},
    {"sms", "Text message", false},  {"linkedin", "LinkedIn", false}, {"x", "X", false},
    {"facebook", "Facebook", false}, {"telegram", "Telegram", false},
};

static const enum channel FORM_CHANNELS[] = {CHANNEL_QR,        CHANNEL_PRINT,    CHANNEL_EVENT,     CHANNEL_NFC,
                                             CHANNEL_SIGNATURE, CHANNEL_LINK,     CHANNEL_EMAIL,     CHANNEL_SMS,
                                             CHANNEL_WHATSAPP,  CHANNEL_LINKEDIN, CHANNEL_TELEGRAM,  CHANNEL_SIGNAL,
                                             CHANNEL_X,         CHANNEL_FACEBOOK, CHANNEL_INSTAGRAM, CHANNEL_OTHER};
enum { FORM_CHANNEL_COUNT = sizeof FORM_CHANNELS / sizeof *FORM_CHANNELS };

static const char *number_of(int64_t count, const char *one, const char *many, struct arena *arena)
{
    return count == 1 ? one : arena_printf(arena, "%lld %s", (long long)count, many);
}

/* The code that is held up when no other is chosen: the newest plain one, so that it is not minted each time. */
static bool is_for_holding(const struct share *share, int64_t now)
{
    return share->channel == CHANNEL_QR && !share->label && !share->recipient && !share->print_run &&
           !share->parent_id && !share->standing && share_may_open(share, now);
}

static struct share_row_view row_of(const struct share_row *row, int64_t now, struct arena *arena)
{
    const struct share *share = &row->share;
    return (struct share_row_view){
        .href = desk_href(arena, "shares", "shr", share->id),
        .words = share_words(share, arena),
        .recipient = share->recipient,
        .by = hands_words(share, arena),
        .scans = number_of(row->counts.person, "1 scan", "scans", arena),
        .leads = row->leads ? number_of(row->leads, "1 lead", "leads", arena) : NULL,
        .closed = share_may_open(share, now) ? NULL
                  : share->revoked_ms        ? "stopped"
                                             : "over",
        .when = when_ago(share->created_ms, now, arena),
    };
}

/* Fills the list, and the share for holding up if there is one. */
static enum result fill_shares(struct app *app, struct request *request, const struct card *card,
                               struct my_card_view *view)
{
    struct arena *arena = &request->arena;
    const char *cursor = request->method == HTTP_POST ? NULL : request_query(request, "before");
    int64_t before = cursor ? id_parse("shr", cursor) : 0, now = now_ms();
    struct share_row *rows;
    size_t count;
    enum result result =
        store_share_list(app->store, arena, card->owner_id, card->id, before, SHARES_READ, &rows, &count);
    if (result != RESULT_OK)
        return result;
    struct share_row_view *shares = arena_alloc(arena, (count + 1) * sizeof *shares);
    for (size_t i = 0; i < count; i++) {
        if (!view->hold_href && !before && is_for_holding(&rows[i].share, now)) {
            view->token = arena_strdup(arena, rows[i].share.token);
            view->hold_href = arena_printf(arena, "%s/hold", desk_href(arena, "shares", "shr", rows[i].share.id));
        }
        if (i < SHARES_SHOWN)
            shares[view->shares_count++] = row_of(&rows[i], now, arena);
    }
    if (count > SHARES_SHOWN)
        view->next_href = arena_printf(arena, "/cards/%s/share?before=%s", view->id,
                                       desk_id_text(arena, "shr", rows[SHARES_SHOWN - 1].share.id));
    view->shares = shares;
    return RESULT_OK;
}

static void fill_channels(struct my_card_view *view, const char *chosen, struct arena *arena)
{
    struct way_out_view *channels = arena_alloc(arena, FORM_CHANNEL_COUNT * sizeof *channels);
    for (int i = 0; i < FORM_CHANNEL_COUNT; i++) {
        const char *name = channel_name(FORM_CHANNELS[i]);
        channels[i] = (struct way_out_view){name, channel_words(FORM_CHANNELS[i]), chosen && !strcmp(chosen, name)};
    }
    view->channels = channels;
    view->channels_count = FORM_CHANNEL_COUNT;
}

static enum result show(struct app *app, struct request *request, int status, const struct card *card,
                        struct my_card_view *view)
{
    struct arena *arena = &request->arena;
    struct share standing;
    struct str html;
    view->desk = desk_frame(request, card->name, "cards");
    view->id = desk_id_text(arena, "crd", card->id);
    view->name = card->name;
    view->role = card->title;
    view->firm = card->organization;
    view->initials = card_initials(card, arena);
    view->accent = card->accent;
    view->standing_href = arena_printf(arena, "/@%s", card->handle);
    view->ways = WAYS;
    view->ways_count = sizeof WAYS / sizeof *WAYS;
    enum result result = store_share_find_by_handle(app->store, arena, card->handle, &standing);
    if (result != RESULT_OK)
        return result;
    view->token = standing.token;
    result = fill_shares(app, request, card, view);
    if (result != RESULT_OK)
        return result;
    fill_channels(view, request->method == HTTP_POST ? request_form(request, "channel") : NULL, arena);
    desk_begin(request, &html);
    template_my_card(&html, view);
    return desk_reply(request, status, &html);
}

static enum result find_card(struct app *app, struct request *request, struct card *out)
{
    return store_card_find(app->store, &request->arena, request_caller(request)->member.id, desk_id(request, "crd"),
                           out);
}

enum result my_card_page(struct app *app, struct request *request)
{
    struct card card;
    enum result result = find_card(app, request, &card);
    return result == RESULT_OK ? show(app, request, 200, &card, &(struct my_card_view){0}) : result;
}

/* The end of a day; 0 for none, -1 for what is no day. */
static int64_t end_of_day(const char *text)
{
    int64_t begin_ms = when_parse_day(text);
    return begin_ms > 0 ? begin_ms + DAY_MS - 1000 : begin_ms;
}

/* INVALID with what was typed and what is wrong in FORM. */
static enum result read_share(struct request *request, struct share *share, struct share_form_view *form)
{
    struct complaints complaints = {0};
    share->channel = channel_parse(request_form(request, "channel"));
    share->label = form->label = request_form(request, "label");
    share->recipient = form->recipient = request_form(request, "recipient");
    share->print_run = form->print_run = request_form(request, "print_run");
    form->expires = request_form(request, "expires");
    share->expires_ms = end_of_day(form->expires);
    if (share->channel == CHANNEL_COUNT)
        share->channel = CHANNEL_LINK;
    if (share->expires_ms < 0) {
        share->expires_ms = 0;
        complaints_add(&complaints, "expires_at", "Please write the day like 2026-12-31.");
    }
    if (share_check(share, now_ms(), &request->arena, &complaints) == RESULT_OK && !complaints.count)
        return RESULT_OK;
    form->is_open = true;
    form->label_error = complaints_about(&complaints, "label");
    form->recipient_error = complaints_about(&complaints, "recipient");
    form->print_run_error = complaints_about(&complaints, "print_run");
    form->expires_error = complaints_about(&complaints, "expires_at");
    return RESULT_INVALID;
}

static void answer_json(struct app *app, struct request *request, const struct card *card, const struct share *share,
                        const char *page)
{
    struct arena *arena = &request->arena;
    const char *url = arena_printf(arena, "%s/c/%s", app->config->url, share->token);
    const char *text = arena_printf(arena, "The card of %s", card->name);
    const struct {
        const char *name, *value;
    } members[] = {
        {"url", url},
        {"page", page},
        {"title", card->name},
        {"text", text},
        {"href", send_href(share->channel, card->name, text, url, arena)},
    };
    struct str json;
    str_init(&json, arena, JSON_MAX);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        str_addf(&json, "%s\"%s\":\"", i ? "," : "{", members[i].name);
        escape_json(&json, members[i].value);
        str_add_char(&json, '"');
    }
    str_add_char(&json, '}');
    reply_json(request, 201, json.data, json.len);
}

enum result my_card_send(struct app *app, struct request *request)
{
    struct arena *arena = &request->arena;
    struct card card;
    struct my_card_view view = {0};
    enum result result = find_card(app, request, &card);
    if (result != RESULT_OK)
        return result;
    struct share share = {.owner_id = card.owner_id, .card_id = card.id, .sharer_member_id = card.owner_id};
    if (read_share(request, &share, &view.form) != RESULT_OK)
        return show(app, request, 422, &card, &view);
    result = RESULT_CONFLICT;
    for (int i = 0; result == RESULT_CONFLICT && i < TOKEN_TRIES; i++) {
        token_new(share.token);
        result = store_share_add(app->store, arena, &share, now_ms());
    }
    if (result != RESULT_OK)
        return result;
    const char *page = desk_href(arena, "shares", "shr", share.id), *accept = request_header(request, "Accept");
    if (accept && strstr(accept, "application/json"))
        answer_json(app, request, &card, &share, page);
    else
        reply_see_other(request, request_form(request, "hold") ? arena_printf(arena, "%s/hold", page) : page);
    return RESULT_OK;
}
