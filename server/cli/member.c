/* meishi member add|list|change|disable|link. */
#include <jansson.h>
#include <sodium.h>
#include <string.h>
#include <sysexits.h>

#include "cards/base/text.h"
#include "cards/card.h"
#include "cards/event.h"
#include "cards/lead.h"
#include "server/auth/sign_in_link.h"
#include "server/cli/cli.h"
#include "server/ids.h"
#include "server/store/store.h"

static const char *const ROLES[] = {"member", "admin", "owner"};

static enum result role_of(const char *text, enum role *out)
{
    *out = ROLE_MEMBER;
    for (int i = 0; text && i < 3; i++)
        if (!strcmp(text, ROLES[i])) {
            *out = (enum role)i;
            return RESULT_OK;
        }
    return text ? RESULT_INVALID : RESULT_OK;
}

int cli_member_add(struct app *app, struct cli_call *call, int argc, char **argv)
{
    const char *handle = cli_option(&argc, argv, "handle"), *name = cli_option(&argc, argv, "name");
    const char *email = cli_option(&argc, argv, "email"), *role = cli_option(&argc, argv, "role");
    int code = cli_no_more(call, argc, argv);
    if (code)
        return code;
    struct complaints complaints = {0};
    struct member member = {.handle = handle, .email = email_key(email, call->arena)};
    if (!handle || !handle_is_valid(handle))
        return cli_say(call, EX_USAGE, "--handle must be 2 to 32 of a-z, 0-9 and -, like --handle jane.");
    if (!text_check(&name, CARD_NAME_MAX, TEXT_LINE, "name", call->arena, &complaints) || !name)
        return cli_say(call, EX_USAGE,
                       "--name must say the member's name, like --name \"Jane Doe\", in at most %d characters.",
                       CARD_NAME_MAX);
    member.name = name;
    if (email && !email_is_valid(email))
        return cli_say(call, EX_USAGE, "--email %s is not an e-mail address.", email);
    if (role_of(role, &member.role) != RESULT_OK)
        return cli_say(call, EX_USAGE, "--role is one of member, admin, owner.");
    enum result result = store_member_add(app->store, &member, now_ms());
    if (result == RESULT_CONFLICT)
        return cli_say(call, EX_DATAERR, "There is a member with that handle or e-mail already.");
    const char *url = NULL;
    if (result == RESULT_OK)
        result = sign_in_link_make(app, call->arena, member.id, SIGN_IN_LINK_HOURS * 60, &url);
    if (result != RESULT_OK)
        return cli_outcome(call, result, "The member");
    char id[ID_TEXT_SIZE];
    id_format(id, "mem", member.id);
    if (call->json)
        cli_json(call, json_pack("{s:s, s:s, s:s}", "id", id, "handle", handle, "sign_in_url", url));
    else
        str_addf(&call->out, "%s is a member now. Sign in once, within 24 hours, at\n%s\n", name, url);
    return EX_OK;
}

int cli_member_link(struct app *app, struct cli_call *call, int argc, char **argv)
{
    const char *handle = cli_option(&argc, argv, "handle"), *url;
    int64_t id;
    int code = cli_no_more(call, argc, argv);
    if (code || (code = cli_member(app, call, handle, &id)))
        return code;
    enum result result = sign_in_link_make(app, call->arena, id, SIGN_IN_LINK_HOURS * 60, &url);
    if (result != RESULT_OK)
        return cli_outcome(call, result, "The link");
    if (call->json)
        cli_json(call, json_pack("{s:s}", "sign_in_url", url));
    else
        str_addf(&call->out, "%s\n", url);
    return EX_OK;
}

int cli_member_list(struct app *app, struct cli_call *call, int argc, char **argv)
{
    struct member *members;
    size_t count;
    int code = cli_no_more(call, argc, argv);
    if (code)
        return code;
    enum result result = store_member_list(app->store, call->arena, &members, &count);
    if (result != RESULT_OK)
        return cli_outcome(call, result, "The list");
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        const struct member *member = &members[i];
        char id[ID_TEXT_SIZE];
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:s, s:s?, s:s, s:o, s:o}", "id", id_format(id, "mem", member->id),
                                        "handle", member->handle, "name", member->name, "email", member->email, "role",
                                        ROLES[member->role], "created_at", time_json(member->created_ms), "disabled_at",
                                        time_json(member->disabled_ms)));
        if (!call->json)
            str_addf(&call->out, "%-20s %-8s %s%s\n", member->handle, ROLES[member->role], member->name,
                     member->disabled_ms ? " (disabled)" : "");
    }
    if (call->json)
        cli_json(call, list);
    else
        json_decref(list);
    return EX_OK;
}

int cli_member_change(struct app *app, struct cli_call *call, int argc, char **argv)
{
    const char *handle = cli_option(&argc, argv, "handle"), *name = cli_option(&argc, argv, "name");
    const char *email = cli_option(&argc, argv, "email");
    struct complaints complaints = {0};
    struct member member;
    int64_t id;
    int code = cli_no_more(call, argc, argv);
    if (code || (code = cli_member(app, call, handle, &id)))
        return code;
    if (!name && !email)
        return cli_say(call, EX_USAGE, "Say what to change: --name \"Jane Doe\", --email jane@example.org, or both.");
    if (name && (!text_check(&name, CARD_NAME_MAX, TEXT_LINE, "name", call->arena, &complaints) || !name))
        return cli_say(call, EX_USAGE, "--name must be a name of at most %d characters.", CARD_NAME_MAX);
    if (email && !email_is_valid(email))
        return cli_say(call, EX_USAGE, "--email %s is not an e-mail address.", email);
    enum result result = store_member_find(app->store, call->arena, id, &member);
    if (result == RESULT_OK)
        result = store_member_set_profile(app->store, id, name ? name : member.name,
                                          email ? email_key(email, call->arena) : member.email);
    if (result == RESULT_CONFLICT)
        return cli_say(call, EX_DATAERR, "There is a member with that e-mail already.");
    if (result == RESULT_NOT_FOUND)
        return cli_say(call, EX_DATAERR, "%s is disabled.", handle);
    if (result != RESULT_OK)
        return cli_outcome(call, result, "The member");
    if (call->json)
        cli_json(call, json_pack("{s:s, s:b}", "handle", handle, "changed", 1));
    return cli_say(call, EX_OK, "%s is changed.", handle);
}

int cli_member_disable(struct app *app, struct cli_call *call, int argc, char **argv)
{
    const char *handle = cli_option(&argc, argv, "handle");
    int64_t id;
    int code = cli_no_more(call, argc, argv);
    if (code || (code = cli_member(app, call, handle, &id)))
        return code;
    enum result result = store_member_disable(app->store, id, now_ms());
    if (result == RESULT_NOT_FOUND) /* disabled before: that is what was asked for */
        result = RESULT_OK;
    if (result != RESULT_OK)
        return cli_outcome(call, result, "The member");
    if (call->json)
        cli_json(call, json_pack("{s:s, s:b}", "handle", handle, "disabled", 1));
    return cli_say(call, EX_OK, "%s can no longer sign in, and their cards are no longer shown.", handle);
}
