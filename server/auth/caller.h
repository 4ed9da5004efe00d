/* Who is calling: found once per request by routes.c from the session cookie or the API token, in request->session. */
#ifndef MEISHI_CALLER_H
#define MEISHI_CALLER_H

#include <stdbool.h>
#include "server/app.h"
#include "server/auth/scope.h"
#include "server/store/members.h"

struct request;
struct poll;

enum { FORM_TOKEN_BYTES = 32, FORM_TOKEN_SIZE = 87, SESSION_TEXT_SIZE = 44 };

struct caller {
    struct member member;
    bool by_token;                         /* API token, else session cookie */
    struct api_token token;                /* without its member */
    struct scopes scopes;                  /* of the token */
    unsigned char session_hash[HASH_SIZE]; /* of the cookie */
    unsigned char form_secret[FORM_TOKEN_BYTES];
    char form_token[FORM_TOKEN_SIZE]; /* goes into every form of a signed-in page as "form_token" */
    struct poll *poll;                /* what a handler left this request to wait for: server/api/waiting_room.h */
};

/* The caller, or NULL for a visitor. */
static inline struct caller *request_caller(const struct request *request);

/* Looks up the session cookie. NOT_FOUND: a visitor. */
enum result caller_of_cookie(struct app *app, struct request *request, struct caller **out) MUST_CHECK;
/* Looks up "Authorization: Bearer msh_…". NOT_FOUND: none or unknown. */
enum result caller_of_token(struct app *app, struct request *request, struct caller **out) MUST_CHECK;
/* Whether the request carries a session cookie at all: cheap, no look-up. */
bool caller_has_cookie(struct request *request);
/* Whether a form's "form_token" is this session's. */
bool caller_form_is_genuine(struct app *app, struct request *request);
/* Starts a session: sets the cookie. */
enum result caller_sign_in(struct app *app, struct request *request, int64_t member_id) MUST_CHECK;
enum result caller_sign_out(struct app *app, struct request *request) MUST_CHECK;

#include "server/http/request.h"
static inline struct caller *request_caller(const struct request *request)
{
    return request->session;
}

#endif
