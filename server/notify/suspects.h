/* Places that the sending process was busy with when it crashed. Most of them did nothing: what was under way beside the culprit is
 * suspected with it, until a call to them ends well. Kept in memory: a server that starts anew has nobody in suspicion. */
#ifndef MEISHI_SUSPECTS_H
#define MEISHI_SUSPECTS_H

#include <stdint.h>

enum {
    SUSPECTS_MAX = 256,   /* beyond that the one of the longest ago is forgotten */
    SUSPECT_ALONE = 2,    /* after so many crashes in company it is called from a process of its own */
    SUSPECT_CONVICTED = 4 /* and after so many in all a crash is taken for its doing */
};

struct suspects {
    int count;
    struct {
        int64_t place, at_ms;
        int crashes;
    } list[SUSPECTS_MAX];
};

/* How many crashes PLACE had a call in hand at; 0 for 0, which is no place. */
int suspects_crashes(const struct suspects *suspects, int64_t place);
/* It had at one more; how many that makes. */
int suspects_add(struct suspects *suspects, int64_t place, int64_t now_ms);
/* A call to it ended, well or badly. */
void suspects_clear(struct suspects *suspects, int64_t place);

#endif
