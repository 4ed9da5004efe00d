/* What the pages of one visit share: who the visitor is not (no address, no agent is written down), the hint that tells phones
 * apart within a day, and whether one network opens card after card. */
#ifndef MEISHI_VISITOR_H
#define MEISHI_VISITOR_H

#include "cards/share.h"
#include "cards/verdict.h"
#include "server/app.h"
#include "server/http/request.h"
#include "server/store/changes.h"

struct visits; /* the day's salt and the agents and networks seen lately, in memory only */

struct visits *visits_open(void);
void visits_close(struct visits *visits);
/* Destroys the salt of a day that is over, also when nobody comes. Cheap: call it at every turn. */
void visits_renew(struct visits *visits, int64_t now_ms);

/* The SALT of DAY that all servers of the store have: with KEY, which the database does not, it makes the hints of that day.
 * Without it they are of this process alone. */
void visits_take_salt(struct visits *visits, int64_t day, const unsigned char salt[DAY_SALT_SIZE],
                      const unsigned char key[KEY_SIZE]);

/* Facts, family and referrer of a request for a share's page, and the app whose browser it is, if any. SELF: the member's own
 * session. HASH is the daily hint (owner, network, agent), 0 when the visitor asked for none and for robots. */
struct visit {
    uint32_t facts;
    enum channel by_agent; /* channel_of_agent */
    uint64_t hash;
    char family[AGENT_FAMILY_SIZE];
    char referrer[REFERRER_HOST_SIZE];
};
void visit_of(struct visits *visits, const struct request *request, int64_t owner_id, int64_t share_id, bool self,
              int64_t now_ms, struct visit *out);

#endif
