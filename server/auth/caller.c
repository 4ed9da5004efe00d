/* See caller.h. The cookie holds 32 random bytes as base64url; the database holds their SHA-256. */
#include "server/auth/caller.h"

#include <sodium.h>
#include <string.h>
#include <strings.h>

#include "cards/verdict.h"
#include "server/ids.h"
#include "server/store/store.h"

enum { SESSION_BYTES = 32, SESSION_S = 30 * 86400, TOKEN_BYTES = 32 };

static const char SCHEME[] = "Bearer ", TOKEN_PREFIX[] = "msh_"; /* a scheme is known in any case (RFC 9110 11.1) */

/* Over https the name's prefix makes browsers refuse the cookie from anywhere but this very host. */
static const char *cookie_name(const struct app *app)
{
    return app->config->url_is_https ? "__Host-sid" : "sid";
}

static bool decode(const char *text, unsigned char out[SESSION_BYTES])
{
    size_t len;
    return text &&
           sodium_base642bin(out, SESSION_BYTES, text, strlen(text), NULL, &len, NULL,
                             sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0 &&
           len == SESSION_BYTES;
}

/* What a form token proves is the keyed hash of the session it belongs to: nothing to store, worthless elsewhere. It is
 * written under a mask that is new for each page, and the mask before it: a proxy that compresses pages would otherwise tell
 * by their length who guesses it letter by letter (the BREACH attack). */
static void make_form_token(const struct app *app, struct caller *caller)
{
    unsigned char masked[2 * FORM_TOKEN_BYTES];
    crypto_generichash(caller->form_secret, FORM_TOKEN_BYTES, caller->session_hash, HASH_SIZE, app->keys.form,
                       KEY_SIZE);
    random_bytes(masked, FORM_TOKEN_BYTES);
    for (int i = 0; i < FORM_TOKEN_BYTES; i++)
        masked[FORM_TOKEN_BYTES + i] = caller->form_secret[i] ^ masked[i];
    sodium_bin2base64(caller->form_token, sizeof caller->form_token, masked, sizeof masked,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

bool caller_has_cookie(struct request *request)
{
    const char *cookie = request_header(request, "Cookie");
    return cookie && strstr(cookie, "sid=");
}

enum result caller_of_cookie(struct app *app, struct request *request, struct caller **out)
{
    unsigned char secret[SESSION_BYTES];
    if (!decode(request_cookie(request, cookie_name(app)), secret))
        return RESULT_NOT_FOUND;
    struct caller *caller = arena_alloc(&request->arena, sizeof *caller);
    struct session session;
    crypto_hash_sha256(caller->session_hash, secret, sizeof secret);
    enum result result = store_session_find(app->store, &request->arena, caller->session_hash, now_ms(), &session);
    if (result != RESULT_OK)
        return result;
    caller->member = session.member;
    make_form_token(app, caller);
    *out = caller;
    return RESULT_OK;
}

enum result caller_of_token(struct app *app, struct request *request, struct caller **out)
{
    const char *header = request_header(request, "Authorization");
    unsigned char secret[TOKEN_BYTES], hash[HASH_SIZE];
    if (!header || strncasecmp(header, SCHEME, sizeof SCHEME - 1))
        return RESULT_NOT_FOUND;
    const char *text = header + sizeof SCHEME - 1;
    if (strncmp(text, TOKEN_PREFIX, sizeof TOKEN_PREFIX - 1) || !decode(text + sizeof TOKEN_PREFIX - 1, secret))
        return RESULT_NOT_FOUND;
    crypto_hash_sha256(hash, secret, sizeof secret);
    struct api_token token;
    enum result result = store_token_find(app->store, &request->arena, hash, now_ms(), &token);
    if (result != RESULT_OK)
        return result;
    struct caller *caller = arena_alloc(&request->arena, sizeof *caller);
    caller->member = token.member;
    caller->by_token = true;
    caller->token = token;
    (void)scopes_add(&caller->scopes, token.scopes, NULL); /* what it cannot read gives nothing */
    *out = caller;
    return RESULT_OK;
}

bool caller_form_is_genuine(struct app *app, struct request *request)
{
    (void)app;
    const struct caller *caller = request_caller(request);
    const char *token = request_form(request, "form_token");
    unsigned char masked[2 * FORM_TOKEN_BYTES];
    size_t len;
    if (!token)
        token = request_header(request, "X-Form-Token"); /* a portrait is posted as it is, without fields */
    if (!caller || caller->by_token || !token ||
        sodium_base642bin(masked, sizeof masked, token, strlen(token), NULL, &len, NULL,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
        len != sizeof masked)
        return false;
    for (int i = 0; i < FORM_TOKEN_BYTES; i++)
        masked[i] ^= masked[FORM_TOKEN_BYTES + i];
    return sodium_memcmp(masked, caller->form_secret, FORM_TOKEN_BYTES) == 0;
}

enum result caller_sign_in(struct app *app, struct request *request, int64_t member_id)
{
    unsigned char secret[SESSION_BYTES], hash[HASH_SIZE];
    char text[SESSION_TEXT_SIZE], family[AGENT_FAMILY_SIZE];
    random_bytes(secret, sizeof secret);
    crypto_hash_sha256(hash, secret, sizeof secret);
    (void)facts_of_agent(request_header(request, "User-Agent"), family);
    int64_t now = now_ms();
    enum result result = store_session_add(app->store, hash, member_id, family, now, now + (int64_t)SESSION_S * 1000);
    if (result != RESULT_OK)
        return result;
    sodium_bin2base64(text, sizeof text, secret, sizeof secret, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    reply_cookie(request, cookie_name(app), arena_strdup(&request->arena, text), SESSION_S, app->config->url_is_https);
    return RESULT_OK;
}

enum result caller_sign_out(struct app *app, struct request *request)
{
    const struct caller *caller = request_caller(request);
    reply_cookie(request, cookie_name(app), "", 0, app->config->url_is_https);
    reply_header(request, "Clear-Site-Data", "\"cache\", \"storage\"");
    return caller && !caller->by_token ? store_session_end(app->store, caller->session_hash) : RESULT_OK;
}
