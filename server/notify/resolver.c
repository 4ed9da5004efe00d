/* See resolver.h. One lock, one table of questions; a question is a slot that goes free → waiting → running → answered.
 *
 * A thread can hang for ever: the C library reads an answer over TCP without any limit of time. So no thread is waited for. A
 * question that is forgotten while it runs leaves its thread out of the count, another is started in its place, and whoever
 * comes back to find the house full goes home. */
#include "server/notify/resolver.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "server/ids.h"
#include "server/log.h"

enum {
    TRY_MS = 1000, /* after which the system's resolver tries again: courier_scrub_environment */
    PROVEN_SLOTS = 1024
};

enum slot_state { SLOT_FREE, SLOT_WAITING, SLOT_RUNNING, SLOT_ANSWERED };

struct slot {
    enum slot_state state;
    bool forgotten; /* while running */
    bool unproven;  /* while running: counted so */
    uint64_t turn;  /* first come, first served */
    int64_t group;
    char host[RESOLVER_HOST_MAX + 1], port[6];
    struct resolved answer;
};

struct resolver {
    pthread_mutex_t lock;
    pthread_cond_t work, left;
    int threads, forgotten, unproven; /* all that live; of those, behind a forgotten question; for a group not proven */
    bool closing, abandoned;
    uint64_t turns;
    void (*done)(void *context);
    void *context;
    int64_t proven[PROVEN_SLOTS]; /* groups whose last name came, each at its own place; a later one takes it over */
    struct slot slots[RESOLVER_QUEUE_MAX];
};

static int64_t *proven_place(struct resolver *resolver, int64_t group)
{
    uint64_t mixed = (uint64_t)group * 0x9e3779b97f4a7c15;
    return &resolver->proven[(mixed >> 32) % PROVEN_SLOTS];
}

static bool is_proven(struct resolver *resolver, int64_t group)
{
    return *proven_place(resolver, group) == group;
}

static void note_proven(struct resolver *resolver, int64_t group, bool came)
{
    int64_t *place = proven_place(resolver, group);
    if (came)
        *place = group;
    else if (*place == group)
        *place = 0;
}

static bool group_is_running(const struct resolver *resolver, int64_t group)
{
    for (int i = 0; i < RESOLVER_QUEUE_MAX; i++)
        if (resolver->slots[i].state == SLOT_RUNNING && resolver->slots[i].group == group)
            return true;
    return false;
}

/* The longest waiting question whose group may have a thread; NULL: none. */
static struct slot *next_question(struct resolver *resolver)
{
    struct slot *first = NULL;
    for (int i = 0; i < RESOLVER_QUEUE_MAX; i++) {
        struct slot *slot = &resolver->slots[i];
        if (slot->state != SLOT_WAITING || (first && slot->turn > first->turn) ||
            group_is_running(resolver, slot->group))
            continue;
        if (resolver->unproven < RESOLVER_UNPROVEN_MAX || is_proven(resolver, slot->group))
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

static void release(struct resolver *resolver)
{
    pthread_cond_destroy(&resolver->work);
    pthread_cond_destroy(&resolver->left);
    pthread_mutex_destroy(&resolver->lock);
    free(resolver);
}

/* With the lock, which is let go while the name is looked up. */
static void run_question(struct resolver *resolver, struct slot *slot)
{
    slot->state = SLOT_RUNNING;
    slot->unproven = !is_proven(resolver, slot->group);
    resolver->unproven += slot->unproven;
    pthread_mutex_unlock(&resolver->lock);
    look_up(slot->host, slot->port, &slot->answer);
    pthread_mutex_lock(&resolver->lock);
    resolver->unproven -= slot->unproven;
    resolver->forgotten -= slot->forgotten;
    note_proven(resolver, slot->group, !slot->answer.timed_out && !slot->forgotten);
    slot->state = slot->forgotten ? SLOT_FREE : SLOT_ANSWERED;
    if (!resolver->closing)
        resolver->done(resolver->context);
}

static void *run(void *context)
{
    struct resolver *resolver = context;
    pthread_mutex_lock(&resolver->lock);
    while (!resolver->closing && resolver->threads - resolver->forgotten <= RESOLVER_THREADS) {
        struct slot *slot = next_question(resolver);
        if (slot)
            run_question(resolver, slot);
        else
            pthread_cond_wait(&resolver->work, &resolver->lock);
    }
    pthread_cond_signal(&resolver->work); /* what it would have looked up next, another may */
    bool last = --resolver->threads == 0 && resolver->abandoned;
    pthread_cond_signal(&resolver->left);
    pthread_mutex_unlock(&resolver->lock);
    if (last)
        release(resolver);
    return NULL;
}

static bool start_thread(struct resolver *resolver)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, resolver))
        return false;
    pthread_detach(thread);
    resolver->threads++;
    return true;
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
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&resolver->left, &monotonic);
    pthread_condattr_destroy(&monotonic);
    bool started = true;
    pthread_mutex_lock(&resolver->lock);
    for (int i = 0; i < RESOLVER_THREADS && started; i++)
        started = start_thread(resolver);
    pthread_mutex_unlock(&resolver->lock);
    if (!started) {
        resolver_close(resolver);
        return RESULT_FAILED;
    }
    *out = resolver;
    return RESULT_OK;
}

static bool is_address(const char *host, int port, struct resolved *answer)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)&answer->addresses[0];
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&answer->addresses[0];
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
    } else if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
    } else {
        return false;
    }
    answer->count = 1;
    return true;
}

static struct slot *free_slot(struct resolver *resolver)
{
    for (int i = 0; i < RESOLVER_QUEUE_MAX; i++)
        if (resolver->slots[i].state == SLOT_FREE)
            return &resolver->slots[i];
    return NULL;
}

enum result resolver_ask(struct resolver *resolver, int64_t ticket, int64_t group, const char *host, int port)
{
    struct slot question = {.state = SLOT_WAITING, .group = group, .answer = {.ticket = ticket}};
    if (strlen(host) > RESOLVER_HOST_MAX)
        return RESULT_LIMITED;
    snprintf(question.host, sizeof question.host, "%s", host);
    snprintf(question.port, sizeof question.port, "%u", (unsigned)port & 0xffff);
    if (is_address(host, port, &question.answer)) /* it needs no looking up, and no thread */
        question.state = SLOT_ANSWERED;
    pthread_mutex_lock(&resolver->lock);
    struct slot *slot = free_slot(resolver);
    if (slot) {
        *slot = question;
        slot->turn = ++resolver->turns;
        if (slot->state == SLOT_WAITING)
            pthread_cond_signal(&resolver->work);
    }
    pthread_mutex_unlock(&resolver->lock);
    return slot ? RESULT_OK : RESULT_LIMITED;
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

/* Whoever waited has given up, so this takes longer than the system's resolver is set to try: perhaps for ever. */
static void leave_behind(struct resolver *resolver, struct slot *slot)
{
    slot->forgotten = true;
    resolver->forgotten++;
    resolver->unproven -= slot->unproven;
    slot->unproven = false;
    note_proven(resolver, slot->group, false);
    pthread_cond_signal(&resolver->work); /* one more of those not proven may run */
    if (resolver->threads - resolver->forgotten >= RESOLVER_THREADS)
        return;
    if (resolver->threads == RESOLVER_THREADS_MAX || !start_thread(resolver))
        log_error("webhook-names", "hanging=%d words=\"look-ups of names hang, fewer are left for the others\"",
                  resolver->forgotten);
}

void resolver_forget(struct resolver *resolver, int64_t ticket)
{
    pthread_mutex_lock(&resolver->lock);
    for (int i = 0; i < RESOLVER_QUEUE_MAX; i++) {
        struct slot *slot = &resolver->slots[i];
        if (slot->state == SLOT_FREE || slot->forgotten || slot->answer.ticket != ticket)
            continue;
        if (slot->state == SLOT_RUNNING)
            leave_behind(resolver, slot);
        else
            slot->state = SLOT_FREE;
    }
    pthread_mutex_unlock(&resolver->lock);
}

void resolver_close(struct resolver *resolver)
{
    if (!resolver)
        return;
    struct timespec end = monotonic_in(RESOLVER_CLOSE_MS);
    pthread_mutex_lock(&resolver->lock);
    resolver->closing = true;
    pthread_cond_broadcast(&resolver->work);
    while (resolver->threads && !pthread_cond_timedwait(&resolver->left, &resolver->lock, &end))
        continue;
    bool empty = !resolver->threads;
    resolver->abandoned = !empty;
    pthread_mutex_unlock(&resolver->lock);
    if (empty)
        release(resolver);
}
