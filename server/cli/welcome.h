/* What `make run` greets with: on an empty store a first member with a card; always the card's address, its QR code drawn in
 * the terminal, and a one-time sign-in link. */
#ifndef MEISHI_WELCOME_H
#define MEISHI_WELCOME_H

#include "cards/base/str.h"
#include "server/app.h"

enum result welcome(struct app *app, struct str *out) MUST_CHECK;

#endif
