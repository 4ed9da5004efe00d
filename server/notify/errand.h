/* One request on its way through the courier (courier.h), and what is asked of it at each step. */
#ifndef MEISHI_ERRAND_H
#define MEISHI_ERRAND_H

#include <stdbool.h>
#include "cards/base/arena.h"
#include "cards/base/url.h"
#include "server/notify/message.h"
#include "server/notify/resolver.h"

struct carrier;

enum step { STEP_FREE, STEP_NAMING, STEP_WAITING, STEP_CALLING, STEP_DONE };

struct errand {
    enum step step;
    struct arena arena;
    int64_t id, place, started_ms;
    int64_t step_ms;  /* since when it is in this step */
    int64_t named_ms; /* how long the name took */
    struct url url;
    bool plain;  /* http */
    bool capped; /* to an address of a stranger */
    struct call call;
    struct carrier *carrier; /* while it is called */
    struct send_outcome outcome;
};

/* Judges every answer and keeps the first few. False: one of them may not be called. */
bool errand_judge(struct errand *errand, const struct address_policy *policy, const struct resolved *answer);
/* Whether ADDRESS is one of those kept. */
bool errand_goes_to(const struct errand *errand, const struct sockaddr_storage *address);
/* When its step has taken too long, on the monotonic clock; INT64_MAX: it may take any time. */
int64_t errand_deadline(const struct errand *errand, const struct courier_limits *limits);

#endif
