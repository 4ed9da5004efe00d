/* meishi token add|list|revoke: what other programs sign in with. */
#include <jansson.h>
#include <string.h>
#include <sysexits.h>

#include "cards/base/text.h"
#include "cards/event.h"
#include "server/auth/api_token.h"
#include "server/auth/scope.h"
#include "server/cli/cli.h"
#include "server/ids.h"
#include "server/store/store.h"

static const char SCOPES_THERE_ARE[] =
    "write read, write, or RESOURCE:read and RESOURCE:write with account, cards, leads, members, metrics, shares or "
    "webhooks, and commas between them.";

int cli_token_add(struct app *app, struct cli_call *call, int argc, char **argv)
{
    const char *handle = cli_option(&argc, argv, "member"), *name = cli_option(&argc, argv, "name");
    const char *list = cli_option(&argc, argv, "scope"), *wrong;
    bool read_only = cli_flag(&argc, argv, "--read-only");
    struct scopes scopes = {0};
    int64_t member_id;
    int code = cli_no_more(call, argc, argv);
    if (code || (code = cli_member(app, call, handle, &member_id)))
        return code;
    struct complaints complaints = {0};
    if (!text_check(&name, CARD_LABEL_MAX, TEXT_LINE, "name", call->arena, &complaints))
        return cli_say(call, EX_USAGE, "--name can have at most %d characters.", CARD_LABEL_MAX);
    if (list && read_only)
        return cli_say(call, EX_USAGE, "--read-only is another word for --scope read: write one of them.");
    if (!list)
        scopes_grant(&scopes, SCOPE_NONE, !read_only);
    else if (!scopes_add(&scopes, list, &wrong))
        return cli_say(call, EX_USAGE, "\"%.*s\" is no scope; %s", (int)strcspn(wrong, " ,"), wrong, SCOPES_THERE_ARE);
    else if (scopes_are_none(&scopes))
        return cli_say(call, EX_USAGE, "--scope names none; %s", SCOPES_THERE_ARE);
    struct api_token token = {.member_id = member_id,
                              .name = name ? name : "made by the operator",
                              .scopes = scopes_text(&scopes, call->arena)};
    const char *secret;
    enum result result = api_token_make(app, call->arena, &token, &secret);
    if (result == RESULT_LIMITED)
        return cli_say(call, EX_TEMPFAIL, "The member has %d tokens already; revoke one first.", API_TOKENS_MAX);
    if (result != RESULT_OK)
        return cli_outcome(call, result, "The token");
    char id[ID_TEXT_SIZE];
    if (call->json)
        cli_json(call, json_pack("{s:s, s:s, s:s}", "id", id_format(id, "tok", token.id), "token", secret, "scopes",
                                 token.scopes));
    else
        str_addf(&call->out, "%s\n", secret);
    return call->json ? EX_OK : cli_say(call, EX_OK, "Keep this token: it is shown only now.");
}

int cli_token_list(struct app *app, struct cli_call *call, int argc, char **argv)
{
    const char *handle = cli_option(&argc, argv, "member");
    int64_t member_id;
    int code = cli_no_more(call, argc, argv);
    if (code || (code = cli_member(app, call, handle, &member_id)))
        return code;
    struct api_token *tokens;
    size_t count;
    enum result result = store_token_list(app->store, call->arena, member_id, &tokens, &count);
    if (result != RESULT_OK)
        return cli_outcome(call, result, "The list");
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        char id[ID_TEXT_SIZE];
        id_format(id, "tok", tokens[i].id);
        if (!call->json)
            str_addf(&call->out, "%s  %-10s  %-15s  %s%s\n", id, tokens[i].scopes,
                     tokens[i].used_ms
                         ? arena_printf(call->arena, "used %.10s", time_text(tokens[i].used_ms, call->arena))
                         : "never used",
                     tokens[i].name, tokens[i].revoked_ms ? " (revoked)" : "");
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:s, s:o, s:o, s:o}", "id", id, "name", tokens[i].name, "scopes",
                                        tokens[i].scopes, "created_at", time_json(tokens[i].created_ms), "used_at",
                                        time_json(tokens[i].used_ms), "revoked_at", time_json(tokens[i].revoked_ms)));
    }
    if (call->json)
        cli_json(call, list);
    else
        json_decref(list);
    return EX_OK;
}

int cli_token_revoke(struct app *app, struct cli_call *call, int argc, char **argv)
{
    const char *handle = cli_option(&argc, argv, "member"), *id_text = cli_option(&argc, argv, "id");
    int64_t member_id, id = id_text ? id_parse("tok", id_text) : 0;
    int code = cli_no_more(call, argc, argv);
    if (code || (code = cli_member(app, call, handle, &member_id)))
        return code;
    if (!id)
        return cli_say(call, EX_USAGE, "--id must be the id of a token, like tok_0…; `meishi token list` shows them.");
    enum result result = store_token_revoke(app->store, member_id, id, now_ms());
    if (result == RESULT_OK && call->json)
        cli_json(call, json_pack("{s:s, s:b}", "id", id_text, "revoked", 1));
    return result == RESULT_OK ? cli_say(call, EX_OK, "Revoked.") : cli_outcome(call, result, "The token");
}
