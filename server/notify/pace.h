/* How a thread that may wait makes room for those who may not: pages first. Two signs say that they want all there is. The kernel
 * tells how long this thread stood in line for a processor: when that is much longer than it ran, somebody does. When it stood in
 * line at all while the server's other threads were busy, they do. Then it rests for many times what it used, itself and the
 * process that works for it. It is judged some times a second, since a few milliseconds say little. On a machine with
 * processors to spare it never rests.
 *
 * It is no lower in rank than others meanwhile: whoever yields to each packet that a receiver gets is interrupted twice for
 * each call, and so is the receiver's work. */
#ifndef MEISHI_PACE_H
#define MEISHI_PACE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct pace {
    int figures; /* a descriptor; -1: this kernel does not tell, and there is no rest */
    bool crowded;
    int64_t ran_ns, waited_ns, at_ns, server_ns, helper_ns; /* as of the last call */
    int64_t work_ns, line_ns, others_ns, passed_ns;         /* since it was last judged */
};

/* For the calling thread, which interrupts nobody from now on. */
void pace_open(struct pace *pace);
/* How long to rest for what was done since the last call; 0: not at all. On the same thread. HELPER works for it, 0: none does. */
int pace_rest_ms(struct pace *pace, pid_t helper);
void pace_close(struct pace *pace);

#endif
