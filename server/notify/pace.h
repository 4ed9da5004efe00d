/* How a thread that may wait makes room for those who may not: it asks the kernel how long it stood in line for a processor. When
 * that is much longer than it ran, others want all there is, pages first, and it rests for many times what it used. On a
 * machine with processors to spare it never rests. */
#ifndef MEISHI_PACE_H
#define MEISHI_PACE_H

#include <stdint.h>

struct pace {
    int figures; /* a descriptor; -1: this kernel does not tell, and there is no rest */
    int64_t ran_ns, waited_ns;
};

/* For the calling thread, which takes what the others leave from now on (nice NICE, and it interrupts nobody). */
void pace_open(struct pace *pace, int nice);
/* How long to rest for what was done since the last call; 0: not at all. On the same thread. */
int pace_rest_ms(struct pace *pace);
void pace_close(struct pace *pace);

#endif
