/* /cards: the member's cards, the form that makes and edits them, the portrait. The form works without scripts: rows that
 * are blank are ignored, and "one more" shows the form again with one more row and everything that was typed. */
#include "cards/card.h"

#include <stdlib.h>
#include <string.h>

#include "cards/base/id.h"
#include "server/auth/caller.h"
#include "server/ids.h"
#include "server/pages/card_form.h"
#include "server/pages/desk.h"
#include "server/pages/pages.h"
#include "server/pages/when.h"
#include "server/portrait.h"
#include "server/store/store.h"
#include "server/turnstile.h"
#include "templates.h"

static const char *portrait_href(const struct card *card, struct arena *arena)
{
    return card->portrait_id ? arena_printf(arena, "/portrait/%s.jpg", desk_id_text(arena, "pic", card->portrait_id))
                             : NULL;
}

static enum result find(struct app *app, struct request *request, struct card *out)
{
    return store_card_find(app->store, &request->arena, request_caller(request)->member.id, desk_id(request, "crd"),
                           out);
}

enum result card_list_page(struct app *app, struct request *request)
{
    struct arena *arena = &request->arena;
    struct card *cards;
    size_t count;
    struct str html;
    enum result result = store_card_list(app->store, arena, request_caller(request)->member.id, &cards, &count);
    if (result != RESULT_OK)
        return result;
    struct card_row_view *rows = arena_alloc(arena, (count + 1) * sizeof *rows);
    for (size_t i = 0; i < count; i++)
        rows[i] = (struct card_row_view){.id = desk_id_text(arena, "crd", cards[i].id),
                                         .name = cards[i].name,
                                         .role = cards[i].title,
                                         .firm = cards[i].organization,
                                         .initials = card_initials(&cards[i], arena),
                                         .accent = cards[i].accent,
                                         .portrait_href = portrait_href(&cards[i], arena),
                                         .shown = arena_printf(arena, "/@%s", cards[i].handle)};
    desk_begin(request, &html);
    template_cards(&html, &(struct card_list_view){.desk = desk_frame(request, "My cards", "cards"),
                                                   .cards = rows,
                                                   .cards_count = (int)count});
    return desk_reply(request, 200, &html);
}

/* ---- the form ---- */

static enum result show(struct request *request, int status, const struct card *card, struct card_form_view *view,
                        const struct complaints *complaints)
{
    struct arena *arena = &request->arena;
    struct str html;
    view->is_new = !card->id;
    view->desk = desk_frame(request, card->id ? "Edit the card" : "A new card", "cards");
    view->action = card->id ? arena_printf(arena, "%s/edit", desk_href(arena, "cards", "crd", card->id)) : "/cards/new";
    view->id = card->id ? desk_id_text(arena, "crd", card->id) : NULL;
    view->revision = card->revision;
    view->portrait_href = portrait_href(card, arena);
    view->initials = card->name ? card_initials(card, arena) : "";
    card_form_fill(view, card, request->method == HTTP_POST ? request_form(request, "more") : NULL, complaints, arena);
    desk_begin(request, &html);
    template_card_form(&html, view);
    return desk_reply(request, status, &html);
}

enum result card_new_page(struct app *app, struct request *request)
{
    (void)app;
    struct card card = {.name = request_caller(request)->member.name, .accent = "vermilion", .theme = "auto"};
    return show(request, 200, &card, &(struct card_form_view){0}, &(struct complaints){0});
}

/* Whether the form asks for another row instead of being kept. */
static bool asks_for_more(struct request *request)
{
    return request_form(request, "more") != NULL;
}

enum result card_new(struct app *app, struct request *request)
{
    struct complaints complaints = {0};
    struct card_form_view view = {0};
    struct card card = {.owner_id = request_caller(request)->member.id};
    card_form_read(request, &card);
    if (asks_for_more(request))
        return show(request, 200, &card, &view, &complaints);
    if (card.handle && !handle_is_valid(card.handle))
        complaints_add(&complaints, "handle", "Please use 2 to 32 of the letters a to z, digits and hyphens.");
    if (card_check(&card, &request->arena, &complaints) != RESULT_OK || complaints.count)
        return show(request, 422, &card, &view, &complaints);
    enum result result = store_card_add(app->store, &request->arena, &card, now_ms());
    if (result == RESULT_CONFLICT) {
        card.id = 0;
        complaints_add(&complaints, "handle", "This address is taken. Please choose another.");
        return show(request, 422, &card, &view, &complaints);
    }
    if (result == RESULT_OK)
        reply_see_other(request,
                        arena_printf(&request->arena, "%s/share", desk_href(&request->arena, "cards", "crd", card.id)));
    return result;
}

enum result card_edit_page(struct app *app, struct request *request)
{
    struct card card;
    enum result result = find(app, request, &card);
    return result == RESULT_OK ? show(request, 200, &card, &(struct card_form_view){0}, &(struct complaints){0})
                               : result;
}

enum result card_edit(struct app *app, struct request *request)
{
    struct card card;
    struct complaints complaints = {0};
    struct card_form_view view = {0};
    enum result result = find(app, request, &card);
    if (result != RESULT_OK)
        return result;
    const char *revision = request_form(request, "revision");
    int64_t current = card.revision, read_at = revision ? strtoll(revision, NULL, 10) : 0;
    card_form_read(request, &card);
    card.revision = read_at;
    if (asks_for_more(request))
        return show(request, 200, &card, &view, &complaints);
    if (card_check(&card, &request->arena, &complaints) != RESULT_OK)
        return show(request, 422, &card, &view, &complaints);
    result = read_at == current ? store_card_update(app->store, &card, now_ms()) : RESULT_CONFLICT;
    if (result == RESULT_CONFLICT) {
        card.revision = current;
        view.words =
            "This card was changed somewhere else while you were writing. What you wrote is still here: save again to keep it, "
            "or leave this page to keep the other.";
        return show(request, 409, &card, &view, &complaints);
    }
    if (result != RESULT_OK)
        return result;
    reply_see_other(request,
                    arena_printf(&request->arena, "%s/share", desk_href(&request->arena, "cards", "crd", card.id)));
    return RESULT_OK;
}

enum result card_retire(struct app *app, struct request *request)
{
    int64_t id = desk_id(request, "crd");
    enum result result = store_card_retire(app->store, request_caller(request)->member.id, id, now_ms());
    if (result != RESULT_OK)
        return result;
    reply_see_other(request, "/cards");
    return RESULT_OK;
}

/* ---- the portrait ---- */

/* The picture itself is the body; a script sends it, which also wants the new revision for the form beside it. */
enum result card_portrait(struct app *app, struct request *request)
{
    struct arena *arena = &request->arena;
    struct card card;
    const void *jpeg;
    size_t len;
    const char *why = NULL;
    enum result result = find(app, request, &card);
    if (result != RESULT_OK)
        return result;
    if (turnstile_enter(app->portraits) != RESULT_OK) {
        reply_text(request, 503, "Others are sending pictures at this moment. Please try again.");
        return RESULT_OK;
    }
    result = portrait_make(request->body, request->body_len, arena, &jpeg, &len, &why);
    turnstile_leave(app->portraits);
    if (result == RESULT_INVALID || (result == RESULT_FAILED && why)) {
        reply_text(request, result == RESULT_INVALID ? 422 : 503, why);
        return RESULT_OK;
    }
    if (result == RESULT_OK)
        result = store_portrait_set(app->store, &card, jpeg, len, now_ms());
    if (result != RESULT_OK)
        return result;
    const char *json = arena_printf(arena, "{\"href\":\"%s\",\"revision\":%lld}", portrait_href(&card, arena),
                                    (long long)card.revision);
    reply_json(request, 200, json, strlen(json));
    return RESULT_OK;
}

enum result card_portrait_remove(struct app *app, struct request *request)
{
    struct card card;
    enum result result = find(app, request, &card);
    if (result == RESULT_OK)
        result = store_portrait_set(app->store, &card, NULL, 0, now_ms());
    if (result != RESULT_OK)
        return result;
    reply_see_other(request,
                    arena_printf(&request->arena, "%s/edit", desk_href(&request->arena, "cards", "crd", card.id)));
    return RESULT_OK;
}
