/* The page of one webhook, for those who lead there with a secret to show. */
#ifndef MEISHI_PAGES_WEBHOOK_H
#define MEISHI_PAGES_WEBHOOK_H

#include "server/app.h"
#include "server/store/webhooks.h"

/* Answers with the page of the caller's webhook ID and, this once, its SECRET with WORDS above it; a chat needs none. */
enum result webhook_show_secret(struct app *app, struct request *request, int64_t id,
                                const unsigned char secret[WEBHOOK_SECRET_SIZE], const char *words) MUST_CHECK;

#endif
