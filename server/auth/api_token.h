/* API tokens: "msh_" and 32 random bytes as base64url; the store keeps their SHA-256. */
#ifndef MEISHI_API_TOKEN_H
#define MEISHI_API_TOKEN_H

#include "server/app.h"
#include "server/store/members.h"

/* Stores TOKEN (member_id, name, scopes) and fills its id; *OUT_SECRET is shown once, in the arena. */
enum result api_token_make(struct app *app, struct arena *arena, struct api_token *token,
                           const char **out_secret) MUST_CHECK;

#endif
