/* /shares/{id}: one way the card went, who came by it and why each was judged so; the code held up, and for a printer. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cards/base/id.h"
#include "cards/base/text.h"
#include "cards/qr.h"
#include "cards/verdict.h"
#include "server/auth/caller.h"
#include "server/ids.h"
#include "server/pages/card_files.h"
#include "server/pages/desk.h"
#include "server/pages/pages.h"
#include "server/pages/send.h"
#include "server/pages/way.h"
#include "server/pages/when.h"
#include "server/store/store.h"
#include "templates.h"

enum { HITS_SHOWN = 50, A4_MM = 190, DISTANCE_CM = 40, CM_MAX = 5000, LONG_NAME = 30 };

static const char *const VERDICTS[VERDICT_COUNT] = {
    [VERDICT_PERSON] = "A person",
    [VERDICT_UNCONFIRMED] = "Opened, nothing seen yet",
    [VERDICT_PREVIEW] = "A link preview",
    [VERDICT_SCANNER] = "A security check",
    [VERDICT_PREFETCH] = "Loaded ahead",
    [VERDICT_BOT] = "A program",
    [VERDICT_SELF] = "You",
};

static enum result find(struct app *app, struct request *request, struct share *share, struct card *card)
{
    int64_t owner_id = request_caller(request)->member.id;
    enum result result = store_share_find(app->store, &request->arena, owner_id, desk_id(request, "shr"), share);
    return result == RESULT_OK ? store_card_find(app->store, &request->arena, owner_id, share->card_id, card) : result;
}

/* The counts of one share: its own row of the list. */
static enum result find_counts(struct app *app, struct arena *arena, const struct share *share, struct share_row *out)
{
    struct share_row *rows;
    size_t count;
    enum result result =
        store_share_list(app->store, arena, share->owner_id, share->card_id, share->id + 1, 1, &rows, &count);
    if (result == RESULT_OK && (!count || rows[0].share.id != share->id))
        result = RESULT_NOT_FOUND;
    if (result == RESULT_OK)
        *out = rows[0];
    return result;
}

/* How a link looks on paper: without its scheme. */
static const char *without_scheme(const char *url)
{
    const char *host = strstr(url, "://");
    return host ? host + 3 : url;
}

static void fill_counts(struct share_view *view, const struct share_row *row, struct arena *arena)
{
    const struct share_counts *counts = &row->counts;
    const struct count_view all[] = {
        {"People", counts->person},
        {"Left their details", row->leads},
        {"Opened, nothing seen yet", counts->unconfirmed},
        {"Link previews", counts->preview},
        {"Security checks", counts->scanner},
        {"Loaded ahead", counts->prefetch},
        {"Programs", counts->bot},
        {"You yourself", counts->self},
    };
    struct count_view *shown = arena_alloc(arena, sizeof all);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (i < 2 || all[i].number)
            shown[view->counts_count++] = all[i];
    view->counts = shown;
}

static enum result fill_hits(struct app *app, struct request *request, const struct share *share,
                             struct share_view *view)
{
    struct arena *arena = &request->arena;
    const char *before = request_query(request, "before");
    struct hit_row *rows;
    size_t count;
    int64_t now = now_ms();
    enum result result = store_hit_list(app->store, arena, share->owner_id, share->id,
                                        before ? id_parse("hit", before) : 0, HITS_SHOWN + 1, &rows, &count);
    if (result != RESULT_OK)
        return result;
    struct hit_view *hits = arena_alloc(arena, (count + 1) * sizeof *hits);
    for (size_t i = 0; i < count && i < HITS_SHOWN; i++)
        hits[view->hits_count++] = (struct hit_view){
            .what = VERDICTS[rows[i].verdict],
            .why = rule_words(rows[i].rule),
            .from = rows[i].referrer && *rows[i].referrer
                        ? arena_printf(arena, "%s, from %s", rows[i].family, rows[i].referrer)
                        : rows[i].family,
            .when = when_ago(rows[i].at_ms, now, arena),
            .clock = when_day(rows[i].at_ms, true, arena),
            .is_person = rows[i].verdict == VERDICT_PERSON,
        };
    if (count > HITS_SHOWN)
        view->next_href =
            arena_printf(arena, "/shares/%s?before=%s", view->id, desk_id_text(arena, "hit", rows[HITS_SHOWN - 1].id));
    view->hits = hits;
    return RESULT_OK;
}

static const char *closed_words(const struct share *share, int64_t now, struct arena *arena)
{
    if (share_may_open(share, now))
        return NULL;
    return share->revoked_ms
               ? arena_printf(arena, "You stopped this link on %s.", when_day(share->revoked_ms, false, arena))
               : arena_printf(arena, "This link worked until %s.", when_day(share->expires_ms, false, arena));
}

static void fill(struct app *app, struct request *request, const struct share *share, const struct card *card,
                 struct share_view *view)
{
    struct arena *arena = &request->arena;
    int64_t now = now_ms();
    view->words = share_words(share, arena);
    view->desk = desk_frame(request, view->words, "cards");
    view->id = desk_id_text(arena, "shr", share->id);
    view->token = share->token;
    view->name = card->name;
    view->card_href = arena_printf(arena, "%s/share", desk_href(arena, "cards", "crd", card->id));
    view->url = share->standing ? arena_printf(arena, "%s/@%s", app->config->url, card->handle)
                                : arena_printf(arena, "%s/c/%s", app->config->url, share->token);
    view->shown = without_scheme(view->url);
    view->send_href =
        send_href(share->channel, card->name, arena_printf(arena, "The card of %s", card->name), view->url, arena);
    view->send_words = arena_printf(arena, "Send by %s",
                                    share->channel == CHANNEL_EMAIL ? "e-mail"
                                    : share->channel == CHANNEL_SMS ? "text message"
                                                                    : channel_words(share->channel));
    view->recipient = share->recipient;
    view->print_run = share->print_run;
    view->by = hands_words(share, arena);
    view->vouch = share->vouch;
    view->expires = share->expires_ms ? when_day(share->expires_ms, false, arena) : NULL;
    view->closed = closed_words(share, now, arena);
    view->is_open = !view->closed;
    view->is_standing = share->standing;
    view->when = when_ago(share->created_ms, now, arena);
}

enum result share_page(struct app *app, struct request *request)
{
    struct share share;
    struct card card;
    struct share_row row;
    struct share_view view = {0};
    struct str html;
    enum result result = find(app, request, &share, &card);
    if (result == RESULT_OK)
        result = find_counts(app, &request->arena, &share, &row);
    if (result != RESULT_OK)
        return result;
    fill(app, request, &share, &card, &view);
    fill_counts(&view, &row, &request->arena);
    result = fill_hits(app, request, &share, &view);
    if (result != RESULT_OK)
        return result;
    desk_begin(request, &html);
    template_share(&html, &view);
    return desk_reply(request, 200, &html);
}

enum result share_revoke(struct app *app, struct request *request)
{
    struct share share;
    struct card card;
    enum result result = find(app, request, &share, &card);
    if (result == RESULT_OK)
        result = store_share_revoke(app->store, share.owner_id, share.id, now_ms());
    if (result != RESULT_OK)
        return result;
    reply_see_other(request, desk_href(&request->arena, "shares", "shr", share.id));
    return RESULT_OK;
}

enum result share_hold_page(struct app *app, struct request *request)
{
    struct arena *arena = &request->arena;
    struct share share;
    struct card card;
    struct share_row row;
    struct str html;
    enum result result = find(app, request, &share, &card);
    if (result == RESULT_OK)
        result = find_counts(app, arena, &share, &row);
    if (result == RESULT_OK && !share_may_open(&share, now_ms()))
        result = RESULT_NOT_FOUND;
    if (result != RESULT_OK)
        return result;
    struct hold_view view = {
        .id = desk_id_text(arena, "shr", share.id),
        .token = share.token,
        .name = card.name,
        .role = card.title,
        .label = share.label,
        .count = row.counts.person == 1 ? "1 scan" : arena_printf(arena, "%lld scans", (long long)row.counts.person),
        .is_long = text_count(card.name) > LONG_NAME,
        .back_href = arena_printf(arena, "%s/share", desk_href(arena, "cards", "crd", card.id)),
    };
    const char *accept = request_header(request, "Accept");
    if (accept && strstr(accept, "application/json")) { /* the page asks while it is held up */
        const char *json = arena_printf(arena, "{\"count\":\"%s\"}", view.count);
        reply_json(request, 200, json, strlen(json));
        return RESULT_OK;
    }
    desk_begin(request, &html);
    template_hold(&html, &view);
    return desk_reply(request, 200, &html);
}

/* ---- for a printer ---- */

static const struct distance_view DISTANCES[] = {
    {20, "In the hand (20 cm)", false},  {40, "On a table or a badge (40 cm)", false},
    {100, "On a counter (1 m)", false},  {200, "At a stand (2 m)", false},
    {500, "Across a room (5 m)", false}, {1000, "From the stage (10 m)", false},
};
enum { DISTANCE_COUNT = sizeof DISTANCES / sizeof *DISTANCES };

static int distance_of(struct request *request)
{
    const char *text = request_query(request, "distance");
    char *end = NULL;
    long cm = text ? strtol(text, &end, 10) : 0;
    return text && end != text && !*end && cm > 0 && cm <= CM_MAX ? (int)cm : DISTANCE_CM;
}

enum result share_print_page(struct app *app, struct request *request)
{
    struct arena *arena = &request->arena;
    struct share share;
    struct card card;
    struct qr qr;
    struct str html;
    const char *logo = request_query(request, "logo");
    bool has_logo = logo && !strcmp(logo, "1");
    enum result result = find(app, request, &share, &card);
    if (result == RESULT_OK && !share_may_open(&share, now_ms()))
        result = RESULT_NOT_FOUND;
    if (result == RESULT_OK)
        result =
            card_file_qr(app, share.token, has_logo ? QR_LEVEL_Q : QR_LEVEL_M, has_logo ? &card : NULL, arena, &qr);
    if (result != RESULT_OK)
        return result;
    int cm = distance_of(request);
    double width_mm = ceil(qr_print_width_mm(&qr, cm * 10.0));
    struct distance_view *distances = arena_memdup(arena, DISTANCES, sizeof DISTANCES);
    for (int i = 0; i < DISTANCE_COUNT; i++)
        distances[i].is_chosen = distances[i].cm == cm;
    struct print_view view = {
        .desk = desk_frame(request, "Print the code", "cards"),
        .id = desk_id_text(arena, "shr", share.id),
        .token = share.token,
        .name = card.name,
        .label = share.label,
        .width = arena_printf(arena, "%.0f", width_mm),
        .distance = cm % 100 ? arena_printf(arena, "%d cm", cm) : arena_printf(arena, "%d m", cm / 100),
        .shown = without_scheme(arena_printf(arena, "%s/c/%s", app->config->url, share.token)),
        .pixels = (int)ceil(width_mm * 96 / 25.4),
        .is_large = width_mm > A4_MM,
        .has_logo = has_logo,
        .lacks_room = has_logo && !qr.mark,
        .distances = distances,
        .distances_count = DISTANCE_COUNT,
    };
    desk_begin(request, &html);
    template_print(&html, &view);
    return desk_reply(request, 200, &html);
}
