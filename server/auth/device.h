/* Browsers that a member has signed in with before. Their cookie lets nobody in: tries from a known browser are counted by
 * themselves, so that a stranger who keeps giving wrong passwords makes nobody wait but other strangers. */
#ifndef MEISHI_DEVICE_H
#define MEISHI_DEVICE_H

#include "server/app.h"

/* The name of the browser, in the request's arena, if MEMBER_ID has signed in with it; else NULL. */
const char *device_of(struct app *app, struct request *request, int64_t member_id);
/* Sets the cookie, unless it is there. */
void device_remember(struct app *app, struct request *request, int64_t member_id);

#endif
