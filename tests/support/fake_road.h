/* A sender on a clock of its own: claims, "sends" to receivers that a test plays, records, and leaps to whatever is next. A
 * week passes in moments, with every verb called as the real sender calls it. */
#ifndef MEISHI_TEST_FAKE_ROAD_H
#define MEISHI_TEST_FAKE_ROAD_H

#include "tests/support/deliveries.h"

enum { FAKE_PLACES = 64 };

/* What a receiver does with one attempt; error NULL and 2xx is well. */
struct fake_answer {
    int status;
    int64_t latency_ms;
    const char *error;
};

struct fake_road {
    struct fresh *fresh;
    struct fake_answer (*answer)(void *context, const struct delivery *delivery, int64_t now_ms);
    void *context;
    struct {
        int64_t id, at_ms, end_ms; /* id 0: free */
        int attempts;
        enum endpoint_lane lane;
        struct fake_answer answer;
    } flights[FAKE_PLACES];
    uint64_t random;
};

/* Everything that happens up to UNTIL_MS, which is what the clock then shows. */
void fake_road_run(struct fake_road *road, int64_t until_ms);
int fake_road_busy(const struct fake_road *road);

#endif
