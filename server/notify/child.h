/* The server's own sending process (sending.h): started from the binary that runs, looked after, and started again after a pause
 * that doubles while it keeps dying and is forgotten once it has lived calmly. */
#ifndef MEISHI_CHILD_H
#define MEISHI_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "cards/base/result.h"

struct child {
    pid_t pid; /* 0: there is none */
    int64_t started_ms, next_ms;
    int deaths; /* in a row */
};

/* Starts it unless it lives or its pause is not over; *out is our end of its socket. NOT_FOUND: not yet, ask again at
 * child->next_ms. FAILED: it could not be started, which is logged and paused for like a death. */
enum result child_start(struct child *child, int *out) MUST_CHECK;
/* It has gone, or shall: kills it if it lives, waits for it, says in the log how it ended, and sets the pause. IN_ORDER: it
 * had said that it would leave. */
void child_end(struct child *child, bool in_order);
/* The same at the server's end: no words, no pause. */
void child_stop(struct child *child);

#endif
