/* A page that is opened and called seen, again and again, would make a potential lead each time, without end: a stamp is as
 * easily had as a page. So of what one network does to one share within an hour only so much is listed one by one. What is
 * beyond is a hit like any other, judged and counted, and who leaves their details is a lead as ever; only a line in a list that
 * nobody could go through is not made. The bound is far above what a table at a fair or a lecture room sees.
 *
 * A server alone counts the first, so that a common visit costs the database nothing. */
#include "server/pages/crowd.h"

#include "cards/verdict.h"
#include "server/auth/throttle.h"
#include "server/ids.h"

enum { HOUR_MS = 60 * 60 * 1000, LISTED_MAX = 300, ALONE_MAX = 30 };

static bool is_crowded(struct app *app, const struct request *request, int64_t share_id)
{
    const struct {
        struct net_address network;
        int64_t share_id;
    } key = {address_network(&request->client), share_id};
    int64_t now = now_ms();
    int64_t own = throttle_count(app->throttle, "acts on share", &key, sizeof key, HOUR_MS, now, 1);
    if (own <= ALONE_MAX || !request_is_on_worker(request))
        return own > LISTED_MAX;
    return throttle_count_together(app->throttle, "more acts on share", &key, sizeof key, HOUR_MS, now, 1,
                                   LISTED_MAX - ALONE_MAX) > LISTED_MAX - ALONE_MAX;
}

uint32_t crowd_act(struct app *app, const struct request *request, int64_t share_id, uint32_t act)
{
    return is_crowded(app, request, share_id) ? act | ACT_CROWDED : act;
}
