/* See waiting_room.h. The lock guards who waits; nobody holds it while the store is asked. Whoever takes a request out of the
 * room is the one who finishes it. */
#include "server/api/waiting_room.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "server/app.h"
#include "server/auth/caller.h"
#include "server/http/request.h"
#include "server/ids.h"
#include "server/log.h"
#include "server/store/store.h"

struct waiting_room {
    struct app *app;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_closed; /* nobody waits any more */
    size_t count;
    struct request *requests[WAITING_MAX];
};

static const struct poll *poll_of(const struct request *request)
{
    return request_caller(request)->poll;
}

/* The request is out of the room. */
static void answer(struct app *app, struct request *request)
{
    const struct poll *poll = poll_of(request);
    if (poll->answer(app, request, poll) != RESULT_OK)
        log_error("listener-answer", "words=\"a listener's request could not be answered\"");
    request_finish(request);
}

static void answer_empty(struct app *app, struct request *request)
{
    request_caller(request)->poll->limit = 0;
    answer(app, request);
}

/* With the lock held. */
static struct request *take_out(struct waiting_room *room, size_t at)
{
    struct request *request = room->requests[at];
    room->requests[at] = room->requests[--room->count];
    return request;
}

static struct request *take_out_earlier(struct waiting_room *room, int64_t listener_id)
{
    for (size_t i = 0; i < room->count; i++)
        if (poll_of(room->requests[i])->listener_id == listener_id)
            return take_out(room, i);
    return NULL;
}

void waiting_room_admit(struct app *app, struct request *request)
{
    const struct caller *caller = request_caller(request);
    struct waiting_room *room = app->waiting_room;
    if (request->reply.status || !caller || !caller->poll)
        return;
    request_wait(request);
    pthread_mutex_lock(&room->lock);
    bool is_admitted = !room->is_closed && room->count < WAITING_MAX;
    struct request *earlier = is_admitted ? take_out_earlier(room, caller->poll->listener_id) : NULL;
    if (is_admitted)
        room->requests[room->count++] = request;
    if (room->count == 1)
        pthread_cond_signal(&room->changed); /* its thread sleeps long only while nobody is here */
    pthread_mutex_unlock(&room->lock);
    if (earlier)
        answer_empty(app, earlier);
    if (!is_admitted)
        answer_empty(app, request);
}

/* Who waits, and of those, with the lock held again, who is to be answered: due, or long enough here. */
static size_t note_places(struct waiting_room *room, struct listener_place *places)
{
    for (size_t i = 0; i < room->count; i++)
        places[i] = (struct listener_place){.owner_id = poll_of(room->requests[i])->owner_id,
                                            .id = poll_of(room->requests[i])->listener_id};
    return room->count;
}

static bool is_due(const struct listener_place *places, size_t count, int64_t listener_id)
{
    for (size_t i = 0; i < count; i++)
        if (places[i].id == listener_id)
            return places[i].is_due;
    return false;
}

static size_t take_ready(struct waiting_room *room, const struct listener_place *places, size_t place_count,
                         struct request **out)
{
    size_t count = 0;
    int64_t now = monotonic_ms();
    for (size_t i = room->count; i-- > 0;) {
        const struct poll *poll = poll_of(room->requests[i]);
        /* Mostly who stood there is still there; otherwise the place is looked for. */
        bool due = i < place_count && places[i].id == poll->listener_id
                       ? places[i].is_due
                       : is_due(places, place_count, poll->listener_id);
        if (due || now >= poll->until_ms || room->is_closed)
            out[count++] = take_out(room, i);
    }
    return count;
}

static void look(struct waiting_room *room, struct listener_place *places, struct request **ready)
{
    pthread_mutex_lock(&room->lock);
    size_t count = note_places(room, places);
    pthread_mutex_unlock(&room->lock);
    if (count && store_listener_look(room->app->store, places, count, now_ms()) != RESULT_OK)
        log_warning("listener-look", "words=\"the store did not say who has something waiting\"");
    pthread_mutex_lock(&room->lock);
    count = take_ready(room, places, count, ready);
    pthread_mutex_unlock(&room->lock);
    for (size_t i = 0; i < count; i++)
        answer(room->app, ready[i]);
}

/* Sleeps with the lock held: until somebody comes, or for MS. */
static void nap(struct waiting_room *room, int ms)
{
    struct timespec until = monotonic_in(ms);
    pthread_cond_timedwait(&room->changed, &room->lock, &until);
}

static void *run(void *context)
{
    struct waiting_room *room = context;
    struct listener_place *places = calloc(WAITING_MAX, sizeof *places);
    struct request **ready = calloc(WAITING_MAX, sizeof *ready);
    int64_t sweep_ms = monotonic_ms() + WAITING_SWEEP_MS;
    if (!places || !ready)
        abort();
    for (;;) {
        pthread_mutex_lock(&room->lock);
        if (!room->is_closed)
            nap(room, room->count ? WAITING_LOOK_MS : WAITING_SWEEP_MS);
        bool is_over = room->is_closed && !room->count;
        pthread_mutex_unlock(&room->lock);
        if (is_over)
            break;
        look(room, places, ready);
        if (monotonic_ms() < sweep_ms)
            continue;
        sweep_ms = monotonic_ms() + WAITING_SWEEP_MS;
        if (store_listener_expire(room->app->store, now_ms()) != RESULT_OK)
            log_warning("listener-expire", "words=\"listeners that nobody asks could not be removed\"");
    }
    free(places);
    free(ready);
    return NULL;
}

enum result waiting_room_open(struct app *app, struct waiting_room **out)
{
    struct waiting_room *room = calloc(1, sizeof *room);
    if (!room)
        return RESULT_FAILED;
    room->app = app;
    pthread_mutex_init(&room->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&room->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (pthread_create(&room->thread, NULL, run, room)) {
        free(room);
        return RESULT_FAILED;
    }
    *out = room;
    return RESULT_OK;
}

void waiting_room_empty(struct waiting_room *room)
{
    if (!room)
        return;
    pthread_mutex_lock(&room->lock);
    room->is_closed = true;
    pthread_cond_signal(&room->changed);
    pthread_mutex_unlock(&room->lock);
}

void waiting_room_close(struct waiting_room *room)
{
    if (!room)
        return;
    waiting_room_empty(room);
    pthread_join(room->thread, NULL);
    pthread_cond_destroy(&room->changed);
    pthread_mutex_destroy(&room->lock);
    free(room);
}
