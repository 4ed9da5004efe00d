/* Lets a few in at a time and a few more wait: for what costs so much memory or time that many at once would starve everybody
 * else, and whose waiting would take up all workers. */
#ifndef MEISHI_TURNSTILE_H
#define MEISHI_TURNSTILE_H

#include "cards/base/result.h"

struct turnstile;

/* Whoever comes when RUNNING_MAX are in and WAITING_MAX wait is turned away. */
struct turnstile *turnstile_open(int running_max, int waiting_max);
void turnstile_close(struct turnstile *turnstile);
/* OK, perhaps after a wait: call turnstile_leave when done. BUSY: turned away. */
enum result turnstile_enter(struct turnstile *turnstile) MUST_CHECK;
void turnstile_leave(struct turnstile *turnstile);

#endif
