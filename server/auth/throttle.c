/* See throttle.h. Fixed tables of buckets found by a keyed hash: two keys that fall on one bucket share its count, which
 * only ever makes the limit stricter, and memory never grows. That holds as long as both have windows of one length, since a
 * short one would end the count of a long one: so there is a table for each length. */
#include "server/auth/throttle.h"

#include <pthread.h>
#include <stdbool.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "server/ids.h"
#include "server/store/store.h"

/* A prime, so that the lengths in use, of 1, 10, 30, 60 and 1440 minutes, fall on different tables. */
enum { TABLES = 7, MINUTE_MS = 60000, BUCKETS = 1 << 15, KIND_AND_KEY_MAX = 256 };

struct bucket {
    int64_t window_start_ms;
    uint32_t now, before;
};

struct throttle {
    pthread_mutex_t lock;
    unsigned char key[crypto_shorthash_KEYBYTES];
    struct bucket *buckets;
    struct store *store; /* NULL: nobody else counts */
    unsigned char shared_key[THROTTLE_KEY_SIZE];
};

struct throttle *throttle_open(void)
{
    struct throttle *throttle = calloc(1, sizeof *throttle);
    if (!throttle || !(throttle->buckets = calloc((size_t)TABLES * BUCKETS, sizeof *throttle->buckets)))
        abort();
    pthread_mutex_init(&throttle->lock, NULL);
    random_bytes(throttle->key, sizeof throttle->key);
    return throttle;
}

void throttle_close(struct throttle *throttle)
{
    if (!throttle)
        return;
    pthread_mutex_destroy(&throttle->lock);
    sodium_memzero(throttle->shared_key, sizeof throttle->shared_key);
    free(throttle->buckets);
    free(throttle);
}

static uint64_t hash_of(const struct throttle *throttle, const char *kind, const void *key, size_t key_len)
{
    unsigned char bytes[KIND_AND_KEY_MAX];
    size_t kind_len = strlen(kind) + 1; /* with its NUL, so kind and key cannot run together */
    if (kind_len > sizeof bytes / 2)
        kind_len = sizeof bytes / 2;
    memcpy(bytes, kind, kind_len);
    if (key_len > sizeof bytes - kind_len)
        key_len = sizeof bytes - kind_len;
    memcpy(bytes + kind_len, key, key_len);
    uint64_t hash;
    crypto_shorthash((unsigned char *)&hash, bytes, kind_len + key_len, throttle->key);
    return hash;
}

int64_t throttle_count(struct throttle *throttle, const char *kind, const void *key, size_t key_len, int64_t window_ms,
                       int64_t now_ms, int64_t amount)
{
    uint64_t hash = hash_of(throttle, kind, key, key_len);
    int64_t window_start_ms = now_ms - now_ms % window_ms;
    size_t table = (size_t)(window_ms / MINUTE_MS % TABLES);
    pthread_mutex_lock(&throttle->lock);
    struct bucket *bucket = &throttle->buckets[table * BUCKETS + hash % BUCKETS];
    bool outdated = window_start_ms - bucket->window_start_ms > window_ms;
    if (outdated)
        *bucket = (struct bucket){.window_start_ms = window_start_ms};
    else if (bucket->window_start_ms < window_start_ms)
        *bucket = (struct bucket){.window_start_ms = window_start_ms, .before = bucket->now};
    bucket->now += (uint32_t)amount;
    int64_t left_of_window_ms = window_ms - now_ms % window_ms;
    int64_t count = bucket->now + (int64_t)bucket->before * left_of_window_ms / window_ms;
    pthread_mutex_unlock(&throttle->lock);
    return count;
}

/* ---- with others ---- */

void throttle_share(struct throttle *throttle, struct store *store, const unsigned char key[THROTTLE_KEY_SIZE])
{
    throttle->store = store_is_shared(store) ? store : NULL;
    memcpy(throttle->shared_key, key, sizeof throttle->shared_key);
}

int64_t throttle_count_together(struct throttle *throttle, const char *kind, const void *key, size_t key_len,
                                int64_t window_ms, int64_t now_ms, int64_t amount, int64_t max)
{
    int64_t own = throttle_count(throttle, kind, key, key_len, window_ms, now_ms, amount), all;
    unsigned char hash[TALLY_KEY_SIZE];
    crypto_generichash_state state;
    if (!throttle->store || own > max) /* a flood must not keep the database writing */
        return own;
    crypto_generichash_init(&state, throttle->shared_key, sizeof throttle->shared_key, sizeof hash);
    crypto_generichash_update(&state, (const unsigned char *)kind, strlen(kind) + 1);
    crypto_generichash_update(&state, key, key_len);
    crypto_generichash_final(&state, hash, sizeof hash);
    return store_tally(throttle->store, hash, window_ms, now_ms, amount, &all) == RESULT_OK ? all : own;
}
