/* Which pages of other sites may call the API from a browser (https://fetch.spec.whatwg.org/#http-cors-protocol): those that
 * MEISHI_API_ORIGINS names, and without it none. A token is sent by the page itself, so cookies are never let along. */
#include <string.h>

#include "server/api/api.h"
#include "server/config.h"
#include "server/http/request.h"

static bool is_named(const char *list, const char *origin)
{
    size_t origin_len = strlen(origin);
    for (const char *at = list; *at;) {
        at += strspn(at, " ,");
        size_t len = strcspn(at, " ,");
        if (len && len == origin_len && !memcmp(at, origin, len))
            return true;
        at += len;
    }
    return false;
}

/* The request's Origin if it may call, else NULL. */
static const char *admitted(const struct app *app, const struct request *request)
{
    const char *origin = request_header(request, "Origin");
    return origin && is_named(app->config->api_origins, origin) ? origin : NULL;
}

void api_allow_origin(const struct app *app, struct request *request)
{
    if (!*app->config->api_origins)
        return;
    reply_header(request, "Vary", "Origin");
    const char *origin = admitted(app, request);
    if (!origin)
        return;
    reply_header(request, "Access-Control-Allow-Origin", origin);
    reply_header(
        request, "Access-Control-Expose-Headers",
        "ETag, Link, Location, RateLimit, RateLimit-Policy, Retry-After, Idempotent-Replayed, WWW-Authenticate");
}

bool api_preflight(const struct app *app, struct request *request)
{
    if (!request_header(request, "Access-Control-Request-Method") || !admitted(app, request))
        return false;
    reply_bytes(request, 204, NULL, "", 0);
    reply_header(request, "Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE");
    reply_header(request, "Access-Control-Allow-Headers",
                 "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match");
    reply_header(request, "Access-Control-Max-Age", "600");
    return true;
}
