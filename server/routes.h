/* The route table and what stands between it and the handlers: who may call, forged forms, and one place that turns an
 * outcome into HTTP. */
#ifndef MEISHI_ROUTES_H
#define MEISHI_ROUTES_H

#include "server/http/http.h"

struct app;

/* The four functions http needs. */
struct http_handlers routes_handlers(struct app *app);

/* For tests: calls VISIT for each line of the table ("GET", "/c/{}"). */
void routes_each(void (*visit)(const char *method, const char *pattern, void *context), void *context);

#endif
