/* See api.h. The counts are in memory and of this process: they keep one runaway program from everybody else's server, and a
 * guesser of tokens from trying many; they guard no account. */
#include "server/api/api.h"
#include "server/auth/caller.h"
#include "server/auth/throttle.h"
#include "server/http/assets.h"
#include "server/ids.h"

enum result api_count_call(struct app *app, struct request *request)
{
    const int64_t *member_id = &request_caller(request)->member.id, now = now_ms();
    int64_t count = throttle_count(app->throttle, "api", member_id, sizeof *member_id, API_WINDOW_MS, now, 1);
    int64_t left = count < API_CALLS_MAX ? API_CALLS_MAX - count : 0,
            reset_s = (API_WINDOW_MS - now % API_WINDOW_MS) / 1000 + 1;
    reply_header(request, "RateLimit-Policy",
                 arena_printf(&request->arena, "\"api\";q=%d;w=%d", API_CALLS_MAX, API_WINDOW_MS / 1000));
    reply_header(request, "RateLimit",
                 arena_printf(&request->arena, "\"api\";r=%lld;t=%lld", (long long)left, (long long)reset_s));
    return count <= API_CALLS_MAX ? RESULT_OK : RESULT_LIMITED;
}

enum result api_count_guess(struct app *app, struct request *request)
{
    struct net_address network = address_network(&request->client);
    int64_t count =
        throttle_count(app->throttle, "token", network.bytes, sizeof network.bytes, API_WINDOW_MS, now_ms(), 1);
    return count <= API_GUESSES_MAX ? RESULT_OK : RESULT_LIMITED;
}

enum result api_description(struct app *app, struct request *request)
{
    (void)app;
    return asset_reply(request, "openapi.yaml");
}

enum result api_guide(struct app *app, struct request *request)
{
    (void)app;
    return asset_reply(request, "api.html");
}
