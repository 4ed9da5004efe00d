/* What the templates of the sign-in and of the member's account are given: the password, and the tokens for programs.
 * Read together with views_desk.h, which it builds on. */
#ifndef MEISHI_VIEWS_ACCOUNT_H
#define MEISHI_VIEWS_ACCOUNT_H

#include "server/pages/views_desk.h"

struct sign_in_view {
    const char *who, *next, *error, *said;
    const char *link_name, *link_secret; /* of a one-time link: whom it signs in */
    bool mails;                          /* a link can be had by mail */
};

struct token_view {
    const char *id, *name, *scopes; /* scopes in words */
    struct when_view made, used;
};

/* One kind of things that a token may be for. */
struct scope_view {
    const char *name, *words;
    bool is_ticked;
};

struct account_view {
    struct desk_view desk;
    const char *handle, *email, *name, *short_name;
    bool has_password, needs_current; /* the password is asked again when the sign-in was a while ago */
    bool is_new;                      /* signed in by a link and without a password yet */
    const char *said, *profile_said;
    const char *current_error, *password_error, *token_error;
    const char *typed_name, *typed_email, *name_error, *email_error, *change_error; /* of the form for both */
    const struct token_view *tokens;
    int tokens_count;
    const struct scope_view *scopes; /* of the form for a new one */
    int scopes_count;
    bool may_write;
    const char *token_name;
    const char *secret; /* of a token that was made a moment ago */
};

#endif
