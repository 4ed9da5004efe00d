/* POST /c/{token}/seen: the page is before somebody's eyes, or they tapped a way to reach the member. It is what makes a hit
 * a person, so it counts only with the stamp that the page carried. */
#include "cards/stamp.h"
#include "server/auth/caller.h"
#include "server/http/request.h"
#include "server/pages/crowd.h"
#include "server/pages/pages.h"
#include "server/pages/scan.h"

#include <string.h>

/* The member looks at their own card. */
static bool is_own(struct app *app, struct request *request, const struct open_share *share)
{
    struct caller *caller = NULL;
    return caller_has_cookie(request) && caller_of_cookie(app, request, &caller) == RESULT_OK &&
           caller->member.id == share->owner_id;
}

enum result visitor_seen(struct app *app, struct request *request)
{
    struct open_share share;
    enum result result = scan_open_share(app, request->params[0], true, &share);
    if (result != RESULT_OK)
        return result;
    int64_t hit_id = stamp_read(request_form(request, "stamp"), app->keys.stamp, share.share_id);
    if (!hit_id)
        return RESULT_INVALID;
    reply_bytes(request, 204, NULL, "", 0);
    if (is_own(app, request, &share))
        return RESULT_OK;
    const char *act = request_form(request, "act");
    if (act && !strcmp(act, "tap")) {
        scan_act(app, request, &share, hit_id, crowd_act(app, request, share.share_id, ACT_TAP), 0);
        return RESULT_OK;
    }
    int64_t earlier_id = stamp_read(request_form(request, "again"), app->keys.stamp, share.share_id);
    bool again = earlier_id && earlier_id < hit_id;
    uint32_t seen = crowd_act(app, request, share.share_id, ACT_SEEN);
    scan_act(app, request, &share, hit_id, again ? seen | ACT_AGAIN : seen, again ? earlier_id : 0);
    return RESULT_OK;
}
