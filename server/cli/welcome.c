/* See welcome.h. The first member is whoever runs this, by the name the machine knows them by. */
#include "server/cli/welcome.h"

#include <ctype.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "cards/qr.h"
#include "server/auth/sign_in_link.h"
#include "server/ids.h"
#include "server/pages/card_files.h"
#include "server/store/store.h"

/* The login name as a handle, "me" for root and for names that cannot be one. */
static const char *handle_of(const struct passwd *user, struct arena *arena)
{
    char *handle = arena_strdup(arena, user && user->pw_uid ? user->pw_name : "me");
    for (char *at = handle; *at; at++)
        *at = isalnum((unsigned char)*at) ? (char)tolower((unsigned char)*at) : '-';
    return handle_is_valid(handle) ? handle : "me";
}

/* The full name of the account, or the login name with a capital. */
static const char *name_of(const struct passwd *user, const char *handle, struct arena *arena)
{
    if (user && user->pw_uid && user->pw_gecos && *user->pw_gecos && *user->pw_gecos != ',')
        return arena_strndup(arena, user->pw_gecos, strcspn(user->pw_gecos, ","));
    if (!strcmp(handle, "me"))
        return "Your Name";
    char *name = arena_strdup(arena, handle);
    *name = (char)toupper((unsigned char)*name);
    return name;
}

static enum result make_first(struct app *app, struct arena *arena, struct member *member)
{
    const struct passwd *user = getpwuid(geteuid());
    const char *handle = handle_of(user, arena);
    *member = (struct member){.handle = handle, .name = name_of(user, handle, arena)};
    enum result result = store_member_add(app->store, member, now_ms());
    if (result != RESULT_OK)
        return result;
    struct card card = {.owner_id = member->id, .name = member->name};
    struct complaints complaints = {0};
    result = card_check(&card, arena, &complaints);
    return result == RESULT_OK ? store_card_add(app->store, arena, &card, now_ms()) : result;
}

enum result welcome(struct app *app, struct str *out)
{
    struct arena *arena = out->arena;
    struct member *members, first;
    struct card *cards;
    size_t count;
    enum result result = store_member_list(app->store, arena, &members, &count);
    if (result != RESULT_OK)
        return result;
    if (count)
        first = members[0];
    else if ((result = make_first(app, arena, &first)) != RESULT_OK)
        return result;
    const char *sign_in;
    result = sign_in_link_make(app, arena, first.id, SIGN_IN_LINK_HOURS * 60, &sign_in);
    if (result == RESULT_OK)
        result = store_card_list(app->store, arena, first.id, &cards, &count);
    if (result != RESULT_OK)
        return result;
    if (count) {
        struct share share;
        struct qr qr;
        result = store_share_find_by_handle(app->store, arena, cards[0].handle, &share);
        if (result == RESULT_OK)
            result = qr_encode(card_file_qr_text(app->config->url, share.token, arena), QR_LEVEL_M, arena, &qr);
        if (result != RESULT_OK)
            return result;
        qr_terminal(out, &qr);
        str_addf(out, "\nThe card of %s: %s/@%s\n", cards[0].name, app->config->url, cards[0].handle);
    }
    str_addf(out, "Sign in once, within %d hours: %s\n\n", SIGN_IN_LINK_HOURS, sign_in);
    return RESULT_OK;
}
