/* Makes the calls, with libcurl: the inside of the process that sends webhooks (sending.h). It is given addresses, never asks
 * for one, and judges whom it speaks to once more when a socket is opened and when a connection stands. Our own clock ends
 * whatever libcurl's time-outs let through. Once a reply's headers are complete its status decides; the body is read only to
 * be polite. */
#ifndef MEISHI_CALLS_H
#define MEISHI_CALLS_H

#include <poll.h>
#include <stdbool.h>
#include "server/notify/message.h"

struct calls;

/* Reads the authorities' certificates at once: afterwards no file is opened. SETTINGS are copied. */
enum result calls_open(const struct call_settings *settings, struct calls **out) MUST_CHECK;
/* Copies the call, which begins when fewer than COURIER_CALLS_MAX are made, or comes back as SEND_INTERRUPTED when that takes longer
 * than courier_turn_ms. LIMITED: COURIER_JOBS_MAX are not taken yet. */
enum result calls_add(struct calls *calls, const struct call *call) MUST_CHECK;
/* Moves everything on, then sleeps at most WAIT_MS for something to happen to a call or to one of OTHERS, whose revents are
 * filled in. */
void calls_run(struct calls *calls, struct pollfd *others, unsigned count, int wait_ms);
/* Takes one outcome. NOT_FOUND: there is none. */
enum result calls_take(struct calls *calls, struct send_outcome *out) MUST_CHECK;
/* How many have not been taken; of those, how many have not begun. */
size_t calls_busy(const struct calls *calls);
size_t calls_queued(const struct calls *calls);
/* Since when the first that is done waits to be taken, on the monotonic clock; INT64_MAX: none does. */
int64_t calls_done_since(const struct calls *calls);
/* Drops what is under way. */
void calls_close(struct calls *calls);

#endif
