/* See ids.h. The id's state is one atomic word of (time << 11 | counter): it only ever grows, so ids stay unique and sorted
 * when the clock steps back or more than 2048 are made in one millisecond; they then run a little ahead of the clock. */
#include "server/ids.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum { COUNTER_BITS = 11, NODE_BITS = 10 };

_Static_assert(1 << NODE_BITS == ID_NODES, "a node fits its bits");

static int64_t clock_ms(clockid_t clock)
{
    struct timespec at;
    clock_gettime(clock, &at);
    return (int64_t)at.tv_sec * 1000 + at.tv_nsec / 1000000;
}

int64_t now_ms(void)
{
    return clock_ms(CLOCK_REALTIME);
}

int64_t monotonic_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}

int64_t monotonic_coarse_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC_COARSE);
}

int64_t monotonic_us(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (int64_t)at.tv_sec * 1000000 + at.tv_nsec / 1000;
}

struct timespec monotonic_in(int64_t ms)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    int64_t ns = at.tv_nsec + ms % 1000 * 1000000;
    at.tv_sec += (time_t)(ms / 1000 + ns / 1000000000);
    at.tv_nsec = (long)(ns % 1000000000);
    return at;
}

void random_bytes(void *out, size_t len)
{
    unsigned char *at = out;
    while (len) {
        ssize_t got = getrandom(at, len, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            perror("meishi: getrandom");
            abort();
        }
        at += got;
        len -= (size_t)got;
    }
}

uint64_t random_u64(void)
{
    uint64_t number;
    random_bytes(&number, sizeof number);
    return number;
}

/* With id_new's last the only process-wide state: what makes ids unique must be shared by all. 0: not chosen yet. */
static _Atomic uint32_t node;

void id_set_node(int32_t number)
{
    atomic_store(&node, (uint32_t)number | 1u << NODE_BITS);
}

bool id_is_own(int64_t id)
{
    uint32_t made_by = (uint32_t)(id >> COUNTER_BITS) & ((1u << NODE_BITS) - 1);
    return atomic_load(&node) == (made_by | 1u << NODE_BITS);
}

int64_t id_new(void)
{
    static _Atomic uint64_t last;

    uint32_t own = atomic_load_explicit(&node, memory_order_relaxed);
    if (!own) {
        uint32_t chosen = ((uint32_t)random_u64() & ((1u << NODE_BITS) - 1)) | 1u << NODE_BITS;
        own = atomic_compare_exchange_strong(&node, &own, chosen) ? chosen : own;
    }
    uint64_t clock = (uint64_t)now_ms() << COUNTER_BITS;
    uint64_t before = atomic_load_explicit(&last, memory_order_relaxed), next;
    do
        next = clock > before ? clock : before + 1;
    while (!atomic_compare_exchange_weak_explicit(&last, &before, next, memory_order_relaxed, memory_order_relaxed));
    uint64_t time = next >> COUNTER_BITS, counter = next & ((1u << COUNTER_BITS) - 1);
    return (int64_t)(time << (NODE_BITS + COUNTER_BITS) | (uint64_t)(own & ((1u << NODE_BITS) - 1)) << COUNTER_BITS |
                     counter);
}

void token_new(char out[TOKEN_SIZE])
{
    unsigned char bytes[TOKEN_LEN * 5 / 8];
    random_bytes(bytes, sizeof bytes);
    base32_encode(out, bytes, sizeof bytes);
}
