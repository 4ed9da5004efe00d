/* What the templates of the member's pages are given; read together with views.h, which includes it. */
#ifndef MEISHI_VIEWS_DESK_H
#define MEISHI_VIEWS_DESK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A time: for machines (RFC 3339) and for people. */
struct when_view {
    const char *iso, *words;
};

/* The frame around every member's page. */
struct desk_view {
    const char *title, *here, *name;
    const char *form_token;
};

struct sign_in_view {
    const char *who, *next, *error, *said;
    const char *link_name, *link_secret; /* of a one-time link: whom it signs in */
};

struct token_view {
    const char *id, *name, *scopes; /* scopes in words */
    struct when_view made, used;
};

struct account_view {
    struct desk_view desk;
    const char *handle, *email, *name;
    bool has_password, needs_current; /* the password is asked again when the sign-in was a while ago */
    bool is_new;                      /* signed in by a link and without a password yet */
    const char *said;
    const char *current_error, *password_error, *token_error;
    const struct token_view *tokens;
    int tokens_count;
    const char *secret; /* of a token that was made a moment ago */
};

#endif
