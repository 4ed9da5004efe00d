/* What is made once at start and shared by all handlers. Nothing in it changes afterwards but through its own functions. */
#ifndef MEISHI_APP_H
#define MEISHI_APP_H

#include <stddef.h>
#include "cards/base/result.h"
#include "server/auth/keys.h"
#include "server/config.h"
#include "server/notify/address.h"

struct request;
struct store;
struct http;
struct sender;
struct mailer;
struct throttle;
struct page_cache;
struct visits;
struct turnstile;
struct waiting_room;

/* Requests whose hits are on disk, gathered until the whole commit has been told: then their loop wakes once. Of the store's
 * writer thread alone. */
struct recorded {
    struct request *requests[256];
    size_t count;
};

struct app {
    const struct config *config;
    struct keys keys;
    struct store *store;
    struct http *http;
    struct address_policy webhook_policy;    /* where webhooks may go */
    struct sender *sender;                   /* webhooks; NULL in the CLI, and where workers send them */
    struct mailer *mailer;                   /* NULL: no mail */
    struct throttle *throttle;               /* visitors and networks, in memory */
    struct turnstile *passwords, *portraits; /* each takes much memory or time */
    struct visits *visits;                   /* what tells visitors apart, in memory */
    struct waiting_room *waiting_room;       /* requests of listeners that wait for events; NULL in the CLI */
    struct recorded recorded;
    struct page_cache *pages; /* shares, and everything rendered from cards */
};

/* Answers a request by a reply_ function and says OK, or says what went wrong and leaves the answer to routes.c. */
typedef enum result handler(struct app *app, struct request *request);

#endif
