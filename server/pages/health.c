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
    if (store_ping(app->store) == RESULT_OK)
        reply_text(request, 200, "ready\n");
    else
        reply_text(request, 503, "the store does not answer\n");
    return RESULT_OK;
}
