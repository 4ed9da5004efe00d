/* API tokens: "msh_" and 32 random bytes as base64url; the store keeps their SHA-256. */
#ifndef MEISHI_API_TOKEN_H
#define MEISHI_API_TOKEN_H

#include "server/app.h"
#include "server/store/members.h"

enum { API_TOKENS_MAX = 100 /* in force, a member */, API_TOKEN_NAME_MAX = 80 };

/* Stores TOKEN (member_id, name, scopes as scopes_text writes them) and fills its id; *OUT_SECRET is shown once, in the
 * arena. LIMITED: the member has API_TOKENS_MAX. */
enum result api_token_make(struct app *app, struct arena *arena, struct api_token *token,
                           const char **out_secret) MUST_CHECK;

#endif
