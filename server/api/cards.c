/* /api/v1/cards and /api/v1/cards/{id}. A change makes a new revision; If-Match guards against overwriting another's. */
#include <assert.h>
#include <string.h>

#include "cards/event.h"
#include "server/api/api.h"
#include "server/api/body.h"
#include "server/api/cards.h"
#include "server/api/condition.h"
#include "server/api/problem.h"
#include "server/auth/caller.h"
#include "server/ids.h"
#include "server/portrait.h"
#include "server/store/store.h"
#include "server/turnstile.h"

json_t *api_card_json(const struct app *app, const struct card *card)
{
    char id[ID_TEXT_SIZE];
    json_t *json = card_to_json(card);
    json_object_set_new(json, "id", json_string(id_format(id, "crd", card->id)));
    json_object_set_new(json, "handle", json_string(card->handle));
    json_object_set_new(json, "url", json_sprintf("%s/@%s", app->config->url, card->handle));
    json_object_set_new(json, "revision", json_integer(card->revision));
    json_object_set_new(json, "updated_at", time_json(card->updated_ms));
    json_object_set_new(json, "portrait_url",
                        card->portrait_id ? json_sprintf("%s/portrait/%s.jpg", app->config->url,
                                                         id_format(id, "pic", card->portrait_id))
                                          : json_null());
    return json;
}

static void answer_card(struct app *app, struct request *request, int status, const struct card *card)
{
    answer_json(request, status, api_card_json(app, card));
    answer_etag(request, card->revision);
}

/* A choice is one of its words to the letter: here, unlike in a form, blank text is not a way to choose nothing. */
static void check_choice(const json_t *json, const char *name, const char *chosen, struct complaints *complaints)
{
    const char *text = json_string_value(json_object_get(json, name));
    if (text && strcmp(text, chosen) && !complaints_about(complaints, name))
        complaints_add(complaints, name, "There is no such choice.");
}

void api_card_read(json_t *json, struct card *card, bool is_new, struct arena *arena, struct complaints *complaints)
{
    if (is_new && json_object_get(json, "handle")) {
        card->handle = arena_strdup(arena, member_text(json, "handle", complaints));
        if (card->handle && !handle_is_valid(card->handle))
            complaints_add(complaints, "handle", "A handle is 2 to 32 of a-z, 0-9 and -.");
        json_object_del(json, "handle");
    }
    /* What could not be read is left out, so what could is checked all the same: every mistake is named at once. */
    enum result read = card_from_json(card, json, arena, complaints), checked = card_check(card, arena, complaints);
    assert((read == RESULT_OK && checked == RESULT_OK) || complaints->count);
    check_choice(json, "accent", card->accent, complaints);
    check_choice(json, "theme", card->theme, complaints);
}

/* INVALID: answered. */
static enum result read_card(struct request *request, struct card *card, bool is_new)
{
    json_t *json;
    struct complaints complaints = {0};
    enum result result = body_read(request, &json);
    if (result != RESULT_OK)
        return result;
    api_card_read(json, card, is_new, &request->arena, &complaints);
    json_decref(json);
    return complaints_answer(request, &complaints);
}

enum result api_card_list(struct app *app, struct request *request)
{
    struct card *cards;
    size_t count;
    enum result result =
        store_card_list(app->store, &request->arena, request_caller(request)->member.id, &cards, &count);
    if (result != RESULT_OK)
        return result;
    json_t *data = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(data, api_card_json(app, &cards[i]));
    answer_page(request, data, "crd", 0); /* a member has few: they come at once */
    return RESULT_OK;
}

enum result api_card_add(struct app *app, struct request *request)
{
    struct card card = {.owner_id = request_caller(request)->member.id};
    if (read_card(request, &card, true) != RESULT_OK)
        return RESULT_OK;
    enum result result = store_card_add(app->store, &request->arena, &card, now_ms());
    if (result == RESULT_CONFLICT) {
        problem_reply(request, 409, "That handle is taken.", NULL);
        return RESULT_OK;
    }
    if (result != RESULT_OK)
        return result;
    char id[ID_TEXT_SIZE];
    answer_card(app, request, 201, &card);
    reply_header(request, "Location", arena_printf(&request->arena, "/api/v1/cards/%s", id_format(id, "crd", card.id)));
    return RESULT_OK;
}

enum result api_card_get(struct app *app, struct request *request)
{
    struct card card;
    enum result result = store_card_find(app->store, &request->arena, request_caller(request)->member.id,
                                         path_id(request, "crd"), &card);
    if (result == RESULT_OK)
        answer_card(app, request, 200, &card);
    return result;
}

enum result api_card_change(struct app *app, struct request *request)
{
    struct card card;
    enum result result = store_card_find(app->store, &request->arena, request_caller(request)->member.id,
                                         path_id(request, "crd"), &card);
    if (result != RESULT_OK)
        return result;
    if (if_match_answer(request, card.revision) != RESULT_OK || read_card(request, &card, false) != RESULT_OK)
        return RESULT_OK;
    result = store_card_update(app->store, &card, now_ms());
    if (result == RESULT_CONFLICT && if_match(request)) {
        problem_reply(request, 412, NULL, NULL);
        return RESULT_OK;
    }
    if (result != RESULT_OK)
        return result;
    answer_card(app, request, 200, &card);
    return RESULT_OK;
}

enum result api_card_retire(struct app *app, struct request *request)
{
    struct card card;
    enum result result = store_card_find(app->store, &request->arena, request_caller(request)->member.id,
                                         path_id(request, "crd"), &card);
    if (result == RESULT_OK && if_match_answer(request, card.revision) != RESULT_OK)
        return RESULT_OK;
    if (result == RESULT_OK)
        result = store_card_retire(app->store, card.owner_id, card.id, now_ms());
    if (result != RESULT_OK)
        return result;
    reply_bytes(request, 204, NULL, "", 0);
    return RESULT_OK;
}

/* ---- the portrait ---- */

/* Makes JPEG, NULL for none, the card's portrait. */
static enum result set_portrait(struct app *app, struct request *request, struct card *card, const void *jpeg,
                                size_t len)
{
    enum result result = store_portrait_set(app->store, card, jpeg, len, now_ms());
    if (result == RESULT_CONFLICT && if_match(request)) {
        problem_reply(request, 412, NULL, NULL);
        return RESULT_OK;
    }
    if (result != RESULT_OK)
        return result;
    answer_card(app, request, 200, card);
    return RESULT_OK;
}

/* The picture itself is the body. */
enum result api_portrait_set(struct app *app, struct request *request)
{
    struct card card;
    const void *jpeg;
    size_t len;
    const char *why = NULL;
    enum result result = store_card_find(app->store, &request->arena, request_caller(request)->member.id,
                                         path_id(request, "crd"), &card);
    if (result != RESULT_OK || if_match_answer(request, card.revision) != RESULT_OK)
        return result;
    if (!portrait_may_be(request->body, request->body_len, &why)) {
        problem_reply(request, 422, why, NULL);
        return RESULT_OK;
    }
    if (turnstile_enter(app->portraits) != RESULT_OK)
        return RESULT_BUSY;
    result = portrait_make(request->body, request->body_len, &request->arena, &jpeg, &len, &why);
    turnstile_leave(app->portraits);
    if (result == RESULT_INVALID) {
        problem_reply(request, 422, why, NULL);
        return RESULT_OK;
    }
    return result == RESULT_OK ? set_portrait(app, request, &card, jpeg, len) : result;
}

enum result api_portrait_remove(struct app *app, struct request *request)
{
    struct card card;
    enum result result = store_card_find(app->store, &request->arena, request_caller(request)->member.id,
                                         path_id(request, "crd"), &card);
    if (result != RESULT_OK || if_match_answer(request, card.revision) != RESULT_OK)
        return result;
    return set_portrait(app, request, &card, NULL, 0);
}
