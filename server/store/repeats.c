/* See repeats.h. A small table of fixed size: a kind that finds no place in it is kept row by row, which is slower and as
 * true. */
#include "server/store/repeats.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "server/ids.h"

enum {
    KINDS = 4096, /* a power of two */
    PROBES = 16,
    SILENCE_MS = 1000, /* after which the next of a kind is a first again */
    TAKE_MS = 800      /* readable within a second; each take is a row a kind to write and to fold */
};

/* What hits have in common, and how many came. Robots bring no referrer and few have a long name, so mostly the first line of
 * the processor's cache is all that is looked at. */
struct kind {
    _Alignas(64) int64_t share_id; /* 0: free */
    int64_t until_ms, count;
    uint32_t facts;
    uint16_t channel;
    bool referred;
    char family[AGENT_FAMILY_SIZE];
    int64_t owner_id;
    char referrer[REFERRER_HOST_SIZE];
};

struct repeats {
    pthread_mutex_t lock;
    _Atomic int64_t due_ms;
    struct kind kinds[KINDS];
};

struct repeats *repeats_new(void)
{
    struct repeats *repeats = aligned_alloc(_Alignof(struct repeats), sizeof *repeats);
    if (!repeats)
        abort();
    memset(repeats, 0, sizeof *repeats);
    pthread_mutex_init(&repeats->lock, NULL);
    atomic_init(&repeats->due_ms, INT64_MAX);
    return repeats;
}

void repeats_free(struct repeats *repeats)
{
    if (!repeats)
        return;
    pthread_mutex_destroy(&repeats->lock);
    free(repeats);
}

static bool is_of(const struct hit *hit, const struct kind *kind)
{
    return hit->share_id == kind->share_id && hit->facts == kind->facts && hit->channel == kind->channel &&
           !hit->referrer[0] == !kind->referred && strcmp(hit->family, kind->family) == 0 &&
           (!kind->referred || strcmp(hit->referrer, kind->referrer) == 0);
}

static void become(struct kind *kind, const struct hit *hit)
{
    kind->share_id = hit->share_id;
    kind->owner_id = hit->owner_id;
    kind->facts = hit->facts;
    kind->channel = (uint16_t)hit->channel;
    kind->referred = hit->referrer[0];
    memcpy(kind->family, hit->family, sizeof kind->family);
    memcpy(kind->referrer, hit->referrer, sizeof kind->referrer);
}

/* The kinds of one share are neighbours, so that where they begin is known before the hit is. */
static struct kind *place_of(struct repeats *repeats, int64_t share_id, size_t probe)
{
    uint64_t hash = (uint64_t)share_id * 0x9e3779b97f4a7c15u >> 40;
    return &repeats->kinds[(hash + probe) & (KINDS - 1)];
}

void repeats_foresee(struct repeats *repeats, int64_t share_id)
{
    __builtin_prefetch(place_of(repeats, share_id, 0), true);
}

/* The kind of HIT, or a place for it, or NULL. */
static struct kind *find(struct repeats *repeats, const struct hit *hit, int64_t now_ms, bool *known)
{
    struct kind *place = NULL;
    *known = true;
    for (size_t i = 0; i < PROBES; i++) {
        struct kind *kind = place_of(repeats, hit->share_id, i);
        if (is_of(hit, kind))
            return kind;
        if (!place && !kind->count && kind->until_ms <= now_ms)
            place = kind;
    }
    *known = false;
    return place;
}

bool repeats_count(struct repeats *repeats, const struct hit *hit, bool *first)
{
    int64_t now_ms = monotonic_coarse_ms();
    bool known;
    pthread_mutex_lock(&repeats->lock);
    struct kind *kind = find(repeats, hit, now_ms, &known);
    bool again = known && kind->until_ms > now_ms;
    if (again)
        kind->count++;
    else if (kind)
        become(kind, hit);
    if (kind)
        kind->until_ms = now_ms + SILENCE_MS;
    *first = again && atomic_load_explicit(&repeats->due_ms, memory_order_relaxed) == INT64_MAX;
    if (*first)
        atomic_store(&repeats->due_ms, now_ms + TAKE_MS);
    pthread_mutex_unlock(&repeats->lock);
    return again;
}

int64_t repeats_due_ms(const struct repeats *repeats)
{
    return atomic_load(&repeats->due_ms);
}

static void done(struct hit *hit, enum result result)
{
    (void)result; /* the log has counted it as unrecorded */
    free(hit);
}

/* A hit of its own id, which no page carries: an act can only follow a hit that was kept. */
static struct hit *hit_for(const struct kind *kind, struct hit *next)
{
    struct hit *hit = calloc(1, sizeof *hit);
    if (!hit)
        abort();
    *hit = (struct hit){.next = next,
                        .done = done,
                        .id = id_new(),
                        .owner_id = kind->owner_id,
                        .share_id = kind->share_id,
                        .facts = kind->facts,
                        .channel = kind->channel,
                        .repeats = kind->count - 1};
    memcpy(hit->family, kind->family, sizeof hit->family);
    memcpy(hit->referrer, kind->referrer, sizeof hit->referrer);
    return hit;
}

struct hit *repeats_take(struct repeats *repeats, struct hit *first, size_t *count)
{
    if (repeats_due_ms(repeats) == INT64_MAX)
        return first;
    pthread_mutex_lock(&repeats->lock);
    for (size_t i = 0; i < KINDS; i++) {
        struct kind *kind = &repeats->kinds[i];
        if (!kind->count)
            continue;
        first = hit_for(kind, first);
        kind->count = 0;
        (*count)++;
    }
    atomic_store(&repeats->due_ms, INT64_MAX);
    pthread_mutex_unlock(&repeats->lock);
    return first;
}
