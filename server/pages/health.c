/* What a load balancer asks: alive, and ready. */
#include "server/http/request.h"
#include "server/pages/pages.h"
#include "server/store/store.h"

enum result health_alive(struct app *app, struct request *request)
{
    (void)app;
    reply_text(request, 200, "alive\n");
    return RESULT_OK;
}

enum result health_ready(struct app *app, struct request *request)
{
    bool ready = store_ping(app->store) == RESULT_OK;
    const char *forgets = store_forgets(app->store), *clock = store_clock_off(app->store, &request->arena);
    reply_text(request, ready ? 200 : 503,
               arena_printf(&request->arena, "%s\n%s%s%s%s", ready ? "ready" : "the store does not answer",
                            forgets ? forgets : "", forgets ? "\n" : "", clock ? clock : "", clock ? "\n" : ""));
    return RESULT_OK;
}
