/* How many visitors of one network are listed one by one. */
#ifndef MEISHI_CROWD_H
#define MEISHI_CROWD_H

#include "server/app.h"
#include "server/http/request.h"

/* For an act that may make a visitor a person: counts it, and answers the acts to record, ACT with ACT_CROWDED if there are too
 * many. On a worker all servers count together, in a loop this one alone. */
uint32_t crowd_act(struct app *app, const struct request *request, int64_t share_id, uint32_t act) MUST_CHECK;

#endif
