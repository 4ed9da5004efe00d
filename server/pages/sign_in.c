/* Coming in and going out: by password, or by a one-time link. A wrong password, an unknown member and a disabled one get
 * the same answer after the same time. Tries are counted for each account in the store, so that waits outlive a restart,
 * for each browser that was used before by itself, and for each network in memory. */
#include <ctype.h>
#include <sodium.h>
#include <string.h>

#include "cards/base/text.h"
#include "cards/lead.h"
#include "server/auth/caller.h"
#include "server/auth/device.h"
#include "server/auth/password.h"
#include "server/auth/sign_in_link.h"
#include "server/auth/throttle.h"
#include "server/ids.h"
#include "server/notify/mail.h"
#include "server/pages/desk.h"
#include "server/pages/pages.h"
#include "server/store/store.h"
#include "templates.h"

enum {
    NETWORK_MAX = 20, /* tries of one /32 or /64 within NETWORK_MS */
    SITE_MAX = 160,   /* of one /48 */
    NETWORK_MS = 10 * 60 * 1000,
    SITE_BYTES = 6,
    FREE_TRIES = 3, /* of one account, before each costs a wait twice as long as the last */
    WAIT_MAX_S = 900,
    STRAIGHT_MAX = 100, /* tries without a success: only a link helps then */
    TRIES_KEPT_MS = 24 * 3600 * 1000,
    PASSWORD_BYTES_MAX = 4 * PASSWORD_MAX,
    WHO_MAX = 254,
    NEXT_MAX = 500
};

static enum result show(struct request *request, int status, const struct sign_in_view *view)
{
    const struct app *app = request_app(request);
    struct sign_in_view whole = *view;
    struct str html;
    whole.mails = app->mailer;
    desk_begin(request, &html);
    template_sign_in(&html, &whole);
    return desk_reply(request, status, &html);
}

/* TEXT if it is a path of ours and nothing that a browser could take for another host, else NULL. */
static const char *local_path(const char *text)
{
    if (!text || text[0] != '/' || text[1] == '/' || strlen(text) > NEXT_MAX)
        return NULL;
    for (const char *at = text; *at; at++)
        if (*at <= ' ' || *at >= 0x7f || *at == '\\')
            return NULL;
    return text;
}

enum result sign_in_root(struct app *app, struct request *request)
{
    struct caller *caller;
    enum result result = caller_of_cookie(app, request, &caller);
    if (result == RESULT_OK || result == RESULT_NOT_FOUND)
        reply_see_other(request, result == RESULT_OK ? "/inbox" : "/sign-in");
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

enum result sign_in_page(struct app *app, struct request *request)
{
    struct caller *caller;
    const char *next = local_path(request_query(request, "next"));
    enum result result = caller_of_cookie(app, request, &caller);
    if (result == RESULT_OK)
        reply_see_other(request, next ? next : "/inbox");
    if (result != RESULT_NOT_FOUND)
        return result;
    return show(
        request, 200,
        &(struct sign_in_view){.next = next, .said = request_query(request, "out") ? "You are signed out." : NULL});
}

/* ---- how often ---- */

/* Adds AMOUNT refused tries of this network, 0 to look only, and says whether it had too many. Those that succeed are not
 * counted: an office has one address. What arrives at once is bounded by the turnstile of the passwords. */
static bool count_network(struct app *app, const struct request *request, int64_t now, int amount)
{
    struct net_address network = address_network(&request->client);
    int64_t near = throttle_count_together(app->throttle, "sign in", &network, sizeof network, NETWORK_MS, now, amount,
                                           NETWORK_MAX);
    int64_t wide = throttle_count_together(app->throttle, "sign in, wide", network.bytes, SITE_BYTES, NETWORK_MS, now,
                                           amount, SITE_MAX);
    static const unsigned char V4[SITE_BYTES]; /* mapped addresses all begin so: they have no /48 */
    return near >= NETWORK_MAX || (wide >= SITE_MAX && memcmp(network.bytes, V4, SITE_BYTES) != 0);
}

/* What a stranger's tries are counted under: what was typed, whether anybody is called so or not, or the answers would tell. */
static const char *account_key(const char *who, struct arena *arena)
{
    unsigned char hash[16];
    char text[2 * sizeof hash + 1];
    const char *name = text_lower(who, arena);
    crypto_generichash(hash, sizeof hash, (const unsigned char *)name, strlen(name), NULL, 0);
    return arena_printf(arena, "sign-in:%s", sodium_bin2hex(text, sizeof text, hash, sizeof hash));
}

/* Counts this try. LIMITED: the account's wait is not over; *OUT_WAIT_S is how long it is at most. The last admitted try
 * opens a window as long as the wait, and whoever comes second in it is early. */
static enum result count_try(struct app *app, struct arena *arena, const char *key, int64_t now, int *out_wait_s)
{
    int64_t tries, in_window;
    enum result result = store_throttle_count(app->store, key, TRIES_KEPT_MS, now, &tries);
    if (result != RESULT_OK || tries <= FREE_TRIES)
        return result;
    int64_t doublings = tries - FREE_TRIES - 1;
    *out_wait_s = doublings < 10 && 1 << doublings < WAIT_MAX_S ? 1 << doublings : WAIT_MAX_S;
    if (tries > STRAIGHT_MAX)
        return RESULT_LIMITED;
    result =
        store_throttle_count(app->store, arena_printf(arena, "%s:wait", key), *out_wait_s * 1000LL, now, &in_window);
    return result == RESULT_OK && in_window > 1 ? RESULT_LIMITED : result;
}

static enum result forget_tries(struct app *app, struct arena *arena, const char *key)
{
    enum result result = store_throttle_clear(app->store, key);
    return result == RESULT_OK ? store_throttle_clear(app->store, arena_printf(arena, "%s:wait", key)) : result;
}

/* ---- by password ---- */

/* The member with this e-mail or handle, or zeroes. */
static enum result find_member(struct app *app, struct arena *arena, const char *who, struct member *out)
{
    const char *key = strchr(who, '@') ? email_key(who, arena) : text_lower(who, arena);
    enum result result = strchr(who, '@') ? store_member_find_by_email(app->store, arena, key, out)
                                          : store_member_find_by_handle(app->store, arena, key, out);
    if (result == RESULT_NOT_FOUND || (result == RESULT_OK && out->disabled_ms)) {
        *out = (struct member){0};
        result = RESULT_OK;
    }
    return result;
}

static enum result too_many(struct request *request, struct sign_in_view *view, const char *words, int wait_s)
{
    view->error = words;
    reply_header(request, "Retry-After", arena_printf(&request->arena, "%d", wait_s));
    return show(request, 429, view);
}

/* A hash with weaker parameters than today's is made anew while the password is at hand; sessions elsewhere end by that. */
static enum result renew_hash(struct app *app, const struct member *member, const char *password)
{
    char hash[PASSWORD_HASH_SIZE];
    enum result result = password_hash(app->passwords, password, hash);
    return result == RESULT_OK ? store_member_set_password(app->store, member->id, hash, NULL) : result;
}

static enum result welcome(struct app *app, struct request *request, const struct member *member, const char *next)
{
    enum result result = caller_sign_in(app, request, member->id);
    if (result != RESULT_OK)
        return result;
    device_remember(app, request, member->id);
    reply_see_other(request, next ? next : "/inbox");
    return RESULT_OK;
}

enum result sign_in_try(struct app *app, struct request *request)
{
    struct arena *arena = &request->arena;
    const char *who = NULL, *password = request_form(request, "password");
    struct sign_in_view view = {.next = local_path(request_form(request, "next"))};
    struct member member = {0};
    int wait_s = 0;
    bool stale = false;
    int64_t now = now_ms();
    if (text_clean(request_form(request, "who"), TEXT_LINE, arena, &who) != RESULT_OK || !who || !password ||
        strlen(who) > WHO_MAX) {
        view.error = "Please give your e-mail or handle, and your password.";
        return show(request, 422, &view);
    }
    view.who = who;
    enum result result = find_member(app, arena, who, &member);
    if (result != RESULT_OK)
        return result;
    const char *device = member.id ? device_of(app, request, member.id) : NULL;
    if (!device && count_network(app, request, now, 0))
        return too_many(request, &view, "Too many tries came from your network. Please wait ten minutes and try again.",
                        NETWORK_MS / 1000);
    const char *key = device ? arena_printf(arena, "sign-in:device:%s", device) : account_key(who, arena);
    result = count_try(app, arena, key, now, &wait_s);
    if (result == RESULT_LIMITED) {
        count_network(app, request, now, 1);
        return too_many(request, &view,
                        arena_printf(arena,
                                     "That was often. Please wait %d seconds and try again, or ask for a sign-in link.",
                                     wait_s),
                        wait_s);
    }
    if (result != RESULT_OK)
        return result;
    bool fits = strlen(password) <= PASSWORD_BYTES_MAX;
    result = password_verify(app->passwords, fits ? password : "", fits ? member.password_hash : NULL, &stale);
    if (result == RESULT_DENIED) {
        count_network(app, request, now, 1);
        view.error = "That is not right: the name, the password, or both.";
        return show(request, 422, &view);
    }
    if (result == RESULT_OK && stale)
        result = renew_hash(app, &member, password);
    if (result == RESULT_OK)
        result = forget_tries(app, arena, key);
    return result == RESULT_OK ? welcome(app, request, &member, view.next) : result;
}

/* ---- by link ---- */

static enum result show_spent(struct request *request)
{
    return show(request, 404,
                &(struct sign_in_view){.error = "This link was used already, or it is older than a day. "
                                                "Please ask for a new one, or sign in with your password."});
}

enum result sign_in_link_page(struct app *app, struct request *request)
{
    struct member member;
    int64_t member_id;
    enum result result = sign_in_link_find(app, request->params[0], &member_id);
    if (result == RESULT_OK)
        result = store_member_find(app->store, &request->arena, member_id, &member);
    if (result == RESULT_NOT_FOUND)
        return show_spent(request);
    return result != RESULT_OK
               ? result
               : show(request, 200,
                      &(struct sign_in_view){.link_name = member.name, .link_secret = request->params[0]});
}

enum result sign_in_link_redeem(struct app *app, struct request *request)
{
    struct arena *arena = &request->arena;
    struct member member = {0};
    int64_t member_id;
    enum result result = sign_in_link_use(app, request->params[0], &member_id);
    if (result == RESULT_NOT_FOUND)
        return show_spent(request);
    if (result == RESULT_OK)
        result = store_member_find(app->store, &request->arena, member_id, &member);
    if (result == RESULT_OK)
        result = forget_tries(app, arena, account_key(member.handle, arena));
    if (result == RESULT_OK && member.email)
        result = forget_tries(app, arena, account_key(member.email, arena));
    const char *next = member.password_hash ? NULL : "/account?new=1";
    return result == RESULT_OK ? welcome(app, request, &member, next) : result;
}

/* ---- a link by mail ---- */

enum { LINKS_NETWORK_MAX = 5, LINKS_ACCOUNT_MAX = 3, LINKS_ACCOUNT_MS = 60 * 60 * 1000 };

/* On the mailer's thread, so that the answer comes as fast for strangers as for members. */
static enum result write_link(void *context, const char *who, struct arena *arena, struct mail *out)
{
    struct app *app = context;
    struct member member;
    const char *url;
    enum result result = find_member(app, arena, who, &member);
    if (result == RESULT_OK && (!member.id || !member.email))
        result = RESULT_NOT_FOUND;
    if (result == RESULT_OK)
        result = sign_in_link_make(app, arena, member.id, MAILED_LINK_MINUTES, &url);
    if (result != RESULT_OK)
        return result;
    const char *host = strstr(app->config->url, "://") + 3;
    *out = (struct mail){
        .to = member.email,
        .subject = arena_printf(arena, "Your sign-in link for %s", host),
        .text = arena_printf(arena,
                             "Hello %s,\n\nthis link signs you in at %s, once and within %d minutes:\n\n%s\n\n"
                             "If it was not you who asked for it, nobody has been signed in, and there is "
                             "nothing to do.\n",
                             member.name, host, MAILED_LINK_MINUTES, url)};
    return RESULT_OK;
}

enum result sign_in_mail(struct app *app, struct request *request)
{
    struct arena *arena = &request->arena;
    struct sign_in_view view = {0};
    int64_t now = now_ms();
    if (!app->mailer)
        return RESULT_NOT_FOUND;
    if (text_clean(request_form(request, "who"), TEXT_LINE, arena, &view.who) != RESULT_OK || !view.who ||
        strlen(view.who) > WHO_MAX) {
        view.error = "Please give your e-mail or handle.";
        return show(request, 422, &view);
    }
    struct net_address network = address_network(&request->client);
    if (throttle_count_together(app->throttle, "link", &network, sizeof network, NETWORK_MS, now, 1,
                                LINKS_NETWORK_MAX) > LINKS_NETWORK_MAX)
        return too_many(request, &view, "Your network asked for many links. Please wait ten minutes and try again.",
                        NETWORK_MS / 1000);
    const char *key = account_key(view.who, arena);
    bool again = throttle_count_together(app->throttle, "link to", key, strlen(key), LINKS_ACCOUNT_MS, now, 1,
                                         LINKS_ACCOUNT_MAX) > LINKS_ACCOUNT_MAX;
    if (!again && mailer_post(app->mailer, write_link, app, view.who) != RESULT_OK)
        return RESULT_BUSY;
    view.said = arena_printf(arena,
                             "If a member goes by that, a link is on its way to their e-mail. It works once, within %d "
                             "minutes.",
                             MAILED_LINK_MINUTES);
    return show(request, 200, &view);
}

enum result sign_out(struct app *app, struct request *request)
{
    enum result result = caller_sign_out(app, request);
    if (result == RESULT_OK)
        reply_see_other(request, "/sign-in?out=1");
    return result;
}
