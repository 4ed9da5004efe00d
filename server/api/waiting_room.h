/* Where requests of listeners wait for something to be told, each for some seconds and none on a worker: a thousand idle
 * listeners cost one thread that looks for all of them at once, a few times a second.
 *
 * Looking beats being woken by commits, since an event may be committed by another server of the same store. */
#ifndef MEISHI_WAITING_ROOM_H
#define MEISHI_WAITING_ROOM_H

#include <stddef.h>
#include <stdint.h>
#include "cards/base/result.h"

struct app;
struct request;
struct waiting_room;

enum { WAITING_LOOK_MS = 200, WAITING_MAX = 4096, WAITING_SWEEP_MS = 60000 };

/* What a handler leaves in request_caller()->poll when it answers OK without a reply. */
struct poll {
    int64_t owner_id, listener_id;
    size_t limit;
    int64_t until_ms; /* monotonic */
    /* Puts deliveries of the listener, or none, into the reply. From the room's thread. */
    enum result (*answer)(struct app *app, struct request *request, const struct poll *poll);
};

/* Starts its thread, which also removes listeners that nobody asks any more. */
enum result waiting_room_open(struct app *app, struct waiting_room **out) MUST_CHECK;
/* The dispatcher's last step: a request that has its reply passes through, one with a poll waits. When two wait for one
 * listener, the earlier one is answered empty; when the room is full, the new one is. */
void waiting_room_admit(struct app *app, struct request *request);
/* Answers all that wait, and from now on whoever comes, at once. Before http_stop; of NULL: nothing. */
void waiting_room_empty(struct waiting_room *room);
/* After http_stop; of NULL: nothing. */
void waiting_room_close(struct waiting_room *room);

#endif
