/* meishi card import|export: cards as the API's JSON. */
#include <jansson.h>
#include <string.h>
#include <sysexits.h>

#include "server/cli/cli.h"
#include "server/ids.h"
#include "server/store/store.h"

int cli_card_import(struct app *app, struct cli_call *call, int argc, char **argv)
{
    const char *member = cli_option(&argc, argv, "member"), *handle = cli_option(&argc, argv, "handle");
    int64_t owner_id;
    int code = cli_no_more(call, argc, argv);
    if (code || (code = cli_member(app, call, member, &owner_id)))
        return code;
    if (handle && !handle_is_valid(handle))
        return cli_say(call, EX_USAGE, "--handle must be 2 to 32 of a-z, 0-9 and -, like --handle jane.");
    json_error_t error;
    json_t *json = json_loads(call->input, JSON_REJECT_DUPLICATES, &error);
    if (!json)
        return cli_say(call, EX_DATAERR, "The file is not JSON: %s, line %d.", error.text, error.line);
    struct card card = {.owner_id = owner_id, .handle = handle};
    struct complaints complaints = {0};
    enum result result = card_from_json(&card, json, call->arena, &complaints);
    json_decref(json);
    if (result == RESULT_OK)
        result = card_check(&card, call->arena, &complaints);
    for (int i = 0; i < complaints.count; i++)
        cli_say(call, EX_DATAERR, "%s: %s", complaints.list[i].field, complaints.list[i].words);
    if (result == RESULT_OK)
        result = store_card_add(app->store, call->arena, &card, now_ms());
    if (result != RESULT_OK)
        return complaints.count ? EX_DATAERR : cli_outcome(call, result, "The card");
    char id[ID_TEXT_SIZE];
    const char *url = arena_printf(call->arena, "%s/@%s", app->config->url, card.handle);
    if (call->json)
        cli_json(call,
                 json_pack("{s:s, s:s, s:s}", "id", id_format(id, "crd", card.id), "handle", card.handle, "url", url));
    else
        str_addf(&call->out, "%s\n", url);
    return EX_OK;
}

int cli_card_export(struct app *app, struct cli_call *call, int argc, char **argv)
{
    const char *member = cli_option(&argc, argv, "member"), *handle = cli_option(&argc, argv, "handle");
    int64_t owner_id;
    int code = cli_no_more(call, argc, argv);
    if (code || (code = cli_member(app, call, member, &owner_id)))
        return code;
    struct card *cards;
    size_t count;
    enum result result = store_card_list(app->store, call->arena, owner_id, &cards, &count);
    if (result != RESULT_OK)
        return cli_outcome(call, result, "The cards");
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        if (handle && strcmp(handle, cards[i].handle))
            continue;
        json_array_append_new(list, card_to_json(&cards[i]));
    }
    bool none = handle && !json_array_size(list);
    if (handle && !none) /* one card is printed so that `card import` reads it back */
        cli_json(call, json_incref(json_array_get(list, 0)));
    else if (!none)
        cli_json(call, json_incref(list));
    json_decref(list);
    return none ? cli_say(call, EX_DATAERR, "That member has no card \"%s\".", handle) : EX_OK;
}
