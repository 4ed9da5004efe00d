/* See resolver.h. One lock, one table of questions; a question is a slot that goes free → waiting → running → answered. */
#include "server/notify/resolver.h"

#include <netdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "server/ids.h"

enum { TRY_MS = 1000 }; /* after which the system's resolver tries again: courier_scrub_environment */

enum slot_state { SLOT_FREE, SLOT_WAITING, SLOT_RUNNING, SLOT_ANSWERED };

struct slot {
    enum slot_state state;
    bool forgotten; /* while running */
    uint64_t turn;  /* first come, first served */
    int64_t group;
    char host[RESOLVER_HOST_MAX + 1], port[6];
    struct resolved answer;
};

struct resolver {
    pthread_mutex_t lock;
    pthread_cond_t work;
    pthread_t threads[RESOLVER_THREADS];
    int thread_count;
    bool closing;
    uint64_t turns;
    void (*done)(void *context);
    void *context;
    struct slot slots[RESOLVER_QUEUE_MAX];
};

static bool group_is_running(const struct resolver *resolver, int64_t group)
{
    for (int i = 0; i < RESOLVER_QUEUE_MAX; i++)
        if (resolver->slots[i].state == SLOT_RUNNING && resolver->slots[i].group == group)
            return true;
    return false;
}

/* The longest waiting question whose group has no thread yet; NULL: none. */
static struct slot *next_question(struct resolver *resolver)
{
    struct slot *first = NULL;
    for (int i = 0; i < RESOLVER_QUEUE_MAX; i++) {
        struct slot *slot = &resolver->slots[i];
        if (slot->state == SLOT_WAITING && (!first || slot->turn < first->turn) &&
            !group_is_running(resolver, slot->group))
            first = slot;
    }
    return first;
}

static void look_up(const char *host, const char *port, struct resolved *answer)
{
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV};
    struct addrinfo *list;
    int64_t started_ms = monotonic_ms();
    int error = getaddrinfo(host, port, &hints, &list);
    /* It does not tell a server that said "I cannot" from one that said nothing; only the time it took does. */
    answer->timed_out = error == EAI_AGAIN && monotonic_ms() - started_ms >= TRY_MS;
    answer->failed = error && error != EAI_NONAME && error != EAI_NODATA;
    if (error)
        return;
    for (const struct addrinfo *at = list; at && answer->count < RESOLVER_ADDRESSES_MAX; at = at->ai_next)
        if (at->ai_addrlen <= sizeof *answer->addresses)
            memcpy(&answer->addresses[answer->count++], at->ai_addr, at->ai_addrlen);
    freeaddrinfo(list);
}

static void *run(void *context)
{
    struct resolver *resolver = context;
    pthread_mutex_lock(&resolver->lock);
    while (!resolver->closing) {
        struct slot *slot = next_question(resolver);
        if (!slot) {
            pthread_cond_wait(&resolver->work, &resolver->lock);
            continue;
        }
        slot->state = SLOT_RUNNING;
        pthread_mutex_unlock(&resolver->lock);
        look_up(slot->host, slot->port, &slot->answer);
        pthread_mutex_lock(&resolver->lock);
        slot->state = slot->forgotten ? SLOT_FREE : SLOT_ANSWERED;
        pthread_cond_broadcast(&resolver->work); /* its group may go on */
        resolver->done(resolver->context);
    }
    pthread_mutex_unlock(&resolver->lock);
    return NULL;
}

enum result resolver_open(void (*done)(void *context), void *context, struct resolver **out)
{
    struct resolver *resolver = calloc(1, sizeof *resolver);
    if (!resolver)
        return RESULT_FAILED;
    resolver->done = done;
    resolver->context = context;
    pthread_mutex_init(&resolver->lock, NULL);
    pthread_cond_init(&resolver->work, NULL);
    for (int i = 0; i < RESOLVER_THREADS; i++) {
        if (pthread_create(&resolver->threads[i], NULL, run, resolver)) {
            resolver_close(resolver);
            return RESULT_FAILED;
        }
        resolver->thread_count++;
    }
    *out = resolver;
    return RESULT_OK;
}

enum result resolver_ask(struct resolver *resolver, int64_t ticket, int64_t group, const char *host, int port)
{
    enum result result = RESULT_LIMITED;
    if (strlen(host) > RESOLVER_HOST_MAX)
        return RESULT_LIMITED;
    pthread_mutex_lock(&resolver->lock);
    for (int i = 0; i < RESOLVER_QUEUE_MAX; i++) {
        struct slot *slot = &resolver->slots[i];
        if (slot->state != SLOT_FREE)
            continue;
        memset(slot, 0, sizeof *slot);
        slot->state = SLOT_WAITING;
        slot->turn = ++resolver->turns;
        slot->group = group;
        slot->answer.ticket = ticket;
        snprintf(slot->host, sizeof slot->host, "%s", host);
        snprintf(slot->port, sizeof slot->port, "%u", (unsigned)port & 0xffff);
        pthread_cond_signal(&resolver->work);
        result = RESULT_OK;
        break;
    }
    pthread_mutex_unlock(&resolver->lock);
    return result;
}

enum result resolver_take(struct resolver *resolver, struct resolved *out)
{
    enum result result = RESULT_NOT_FOUND;
    pthread_mutex_lock(&resolver->lock);
    for (int i = 0; i < RESOLVER_QUEUE_MAX; i++) {
        if (resolver->slots[i].state != SLOT_ANSWERED)
            continue;
        *out = resolver->slots[i].answer;
        resolver->slots[i].state = SLOT_FREE;
        result = RESULT_OK;
        break;
    }
    pthread_mutex_unlock(&resolver->lock);
    return result;
}

void resolver_forget(struct resolver *resolver, int64_t ticket)
{
    pthread_mutex_lock(&resolver->lock);
    for (int i = 0; i < RESOLVER_QUEUE_MAX; i++) {
        struct slot *slot = &resolver->slots[i];
        if (slot->state == SLOT_FREE || slot->forgotten || slot->answer.ticket != ticket)
            continue;
        if (slot->state == SLOT_RUNNING)
            slot->forgotten = true;
        else
            slot->state = SLOT_FREE;
    }
    pthread_mutex_unlock(&resolver->lock);
}

void resolver_close(struct resolver *resolver)
{
    if (!resolver)
        return;
    pthread_mutex_lock(&resolver->lock);
    resolver->closing = true;
    pthread_cond_broadcast(&resolver->work);
    pthread_mutex_unlock(&resolver->lock);
    for (int i = 0; i < resolver->thread_count; i++)
        pthread_join(resolver->threads[i], NULL);
    pthread_cond_destroy(&resolver->work);
    pthread_mutex_destroy(&resolver->lock);
    free(resolver);
}
