/* See page_cache.h. One hash table and one list in order of use for three kinds of things: shares, card pages, ready
 * replies. One mutex, held for a look-up and a copy of a few kilobytes at most; nothing is rendered under it. */
#include "server/pages/page_cache.h"

#include <assert.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "server/ids.h"

enum { BUCKETS_MIN = 256, BUCKETS_MAX = 1 << 16 };

enum kind { KIND_SHARE, KIND_PAGE, KIND_READY };

struct page {
    int64_t card_id, owner_id;
    struct page_mould *mould;
};

/* What a look-up reads comes first, on two lines of the processor's cache: among thousands of cards that is its cost. */
struct entry {
    _Atomic(struct entry *) same_bucket;
    uint64_t key[2];
    enum kind kind;
    bool used;     /* since it was linked as the newest */
    bool doubtful; /* it may be outdated: good for nothing but when the database cannot be asked */
    union {
        struct {
            struct open_share share;
            /* Or NULL, found when PAGES_CHANGED was PAGE_AS_OF; the mould is the page's, to be fetched together with it. */
            struct entry *its_page;
            const struct page_mould *its_mould;
            uint64_t page_as_of;
        };
        struct page page;
        struct ready_reply *ready;
    };
    struct entry *newer, *older;
    size_t bytes;
};
enum { CACHE_LINE = 64 };

struct page_cache {
    pthread_mutex_t lock;
    unsigned char key[crypto_shorthash_siphashx24_KEYBYTES];
    struct page_placeholders placeholders;
    /* BUCKETS_MAX of them, of which a power of two is used, about as many as there are entries: a small cache is looked up in
     * fast memory. Written under the lock, and read without it where only a hint is wanted. */
    _Atomic(struct entry *) *buckets;
    _Atomic size_t bucket_count;
    size_t count;
    struct entry *newest, *oldest;
    size_t bytes, bytes_max;
    uint64_t generation;    /* how often something was forgotten */
    uint64_t pages_changed; /* how often a page came or went; from 1 */
};

struct page_cache *page_cache_open(size_t bytes_max)
{
    struct page_cache *cache = calloc(1, sizeof *cache);
    if (!cache)
        abort();
    cache->buckets = calloc(BUCKETS_MAX, sizeof *cache->buckets);
    if (!cache->buckets)
        abort();
    pthread_mutex_init(&cache->lock, NULL);
    random_bytes(cache->key, sizeof cache->key);
    cache->bytes_max = bytes_max;
    cache->bucket_count = BUCKETS_MIN;
    cache->pages_changed = 1;
    unsigned char drawn[STAMP_LEN * 5 / 8];
    random_bytes(drawn, sizeof drawn);
    base32_encode(cache->placeholders.stamp, drawn, sizeof drawn);
    token_new(cache->placeholders.token);
    return cache;
}

const struct page_placeholders *page_cache_placeholders(const struct page_cache *cache)
{
    return &cache->placeholders;
}

/* 128 bits under a random key: nobody can make two names fall on one. */
static void hash_name(const struct page_cache *cache, enum kind kind, const void *name, size_t len, uint64_t out[2])
{
    unsigned char bytes[PAGE_KEY_MAX + 1] = {(unsigned char)kind};
    if (len > PAGE_KEY_MAX)
        len = PAGE_KEY_MAX;
    memcpy(bytes + 1, name, len);
    crypto_shorthash_siphashx24((unsigned char *)out, bytes, len + 1, cache->key);
}

/* A share's token is as long and as random as a hash, and what is asked for finds only what was drawn here: it needs none. */
static void take_token(const char *token, uint64_t out[2])
{
    _Static_assert(TOKEN_LEN == 2 * sizeof *out, "a token is a key");
    memcpy(out, token, TOKEN_LEN);
}

static _Atomic(struct entry *) *bucket_of(struct page_cache *cache, const uint64_t key[2])
{
    uint64_t mix = key[0] ^ key[1];
    mix = (mix ^ mix >> 32) * 0x9e3779b97f4a7c15u;
    return &cache->buckets[mix >> 32 & (cache->bucket_count - 1)];
}

static struct entry *find(struct page_cache *cache, const uint64_t key[2])
{
    struct entry *entry = *bucket_of(cache, key);
    while (entry && (entry->key[0] != key[0] || entry->key[1] != key[1]))
        entry = entry->same_bucket;
    return entry;
}

static void link_bucket(struct page_cache *cache, struct entry *entry)
{
    _Atomic(struct entry *) *bucket = bucket_of(cache, entry->key);
    entry->same_bucket = atomic_load(bucket);
    *bucket = entry;
}

static void widen(struct page_cache *cache)
{
    size_t count = cache->bucket_count;
    for (size_t i = 0; i < count; i++)
        cache->buckets[i] = NULL;
    cache->bucket_count = 2 * count;
    for (struct entry *entry = cache->newest; entry; entry = entry->older)
        link_bucket(cache, entry);
}

static void unlink_use(struct page_cache *cache, struct entry *entry)
{
    *(entry->newer ? &entry->newer->older : &cache->newest) = entry->older;
    *(entry->older ? &entry->older->newer : &cache->oldest) = entry->newer;
}

static void link_newest(struct page_cache *cache, struct entry *entry)
{
    entry->newer = NULL;
    entry->older = cache->newest;
    *(cache->newest ? &cache->newest->newer : &cache->oldest) = entry;
    cache->newest = entry;
}

/* Moving an entry to the head of the list at each use would write to four others that are not at hand. So a use is only
 * noted, and the list is put in order when something must go: what was used since it was last looked at stays. */
static void touch(struct entry *entry)
{
    if (!entry->used)
        entry->used = true;
}

static void entry_free(struct entry *entry)
{
    if (entry->kind == KIND_PAGE)
        mould_drop(entry->page.mould);
    if (entry->kind == KIND_READY)
        ready_drop(entry->ready);
    free(entry);
}

static void drop(struct page_cache *cache, struct entry *entry)
{
    _Atomic(struct entry *) *at = bucket_of(cache, entry->key);
    while (*at != entry)
        at = &atomic_load(at)->same_bucket;
    *at = atomic_load(&entry->same_bucket);
    unlink_use(cache, entry);
    cache->pages_changed += entry->kind == KIND_PAGE;
    cache->count--;
    cache->bytes -= entry->bytes;
    entry_free(entry);
}

void page_cache_close(struct page_cache *cache)
{
    if (!cache)
        return;
    while (cache->oldest)
        drop(cache, cache->oldest);
    pthread_mutex_destroy(&cache->lock);
    free(cache->buckets);
    free(cache);
}

/* Drops the oldest, or when it was used keeps it as the newest. */
static void make_room(struct page_cache *cache)
{
    struct entry *oldest = cache->oldest;
    if (!oldest->used) {
        drop(cache, oldest);
        return;
    }
    oldest->used = false;
    unlink_use(cache, oldest);
    link_newest(cache, oldest);
}

/* Puts a filled entry in, in place of an older one of that name, and makes room. Takes the lock. An entry made from what
 * was read before something was forgotten is thrown away. */
static void insert(struct page_cache *cache, struct entry *entry, uint64_t generation)
{
    pthread_mutex_lock(&cache->lock);
    if (generation != cache->generation) {
        pthread_mutex_unlock(&cache->lock);
        entry_free(entry);
        return;
    }
    struct entry *older = find(cache, entry->key);
    if (older)
        drop(cache, older);
    if (cache->count++ == cache->bucket_count && cache->bucket_count < BUCKETS_MAX)
        widen(cache);
    link_bucket(cache, entry);
    link_newest(cache, entry);
    cache->pages_changed += entry->kind == KIND_PAGE;
    cache->bytes += entry->bytes;
    entry->used = true; /* its turn to go comes after the others' */
    while (cache->bytes > cache->bytes_max && cache->oldest != cache->newest)
        make_room(cache);
    pthread_mutex_unlock(&cache->lock);
}

static struct entry *entry_new(enum kind kind, size_t more_bytes)
{
    size_t size = (sizeof(struct entry) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    struct entry *entry = aligned_alloc(CACHE_LINE, size);
    if (!entry)
        abort();
    *entry = (struct entry){.kind = kind, .bytes = size + more_bytes};
    return entry;
}

static struct entry *find_sure(struct page_cache *cache, const uint64_t key[2])
{
    struct entry *entry = find(cache, key);
    return entry && !entry->doubtful ? entry : NULL;
}

static void hash_page(const struct page_cache *cache, const struct open_share *share, uint64_t out[2])
{
    int64_t name[3] = {share->card_id, share->card_revision, share->own_page ? share->share_id : 0};
    hash_name(cache, KIND_PAGE, name, sizeof name, out);
}

/* The page of a share, sure or not, looked up once for as long as pages neither come nor go. */
static struct entry *page_of(struct page_cache *cache, struct entry *share)
{
    if (share->page_as_of != cache->pages_changed) {
        uint64_t key[2];
        hash_page(cache, &share->share, key);
        share->its_page = find(cache, key);
        share->its_mould = share->its_page ? share->its_page->page.mould : NULL;
        share->page_as_of = cache->pages_changed;
    }
    return share->its_page;
}

void page_cache_foresee(struct page_cache *cache, const char *token)
{
    uint64_t key[2];
    take_token(token, key);
    /* Mostly the only one of its bucket; if it is gone by now, that does no harm. */
    const char *entry = (const char *)atomic_load(bucket_of(cache, key));
    __builtin_prefetch(entry);
    __builtin_prefetch(entry + CACHE_LINE);
}

bool page_cache_share(struct page_cache *cache, const char *token, struct open_share *out, struct page_mould **out_page)
{
    uint64_t key[2];
    take_token(token, key);
    pthread_mutex_lock(&cache->lock);
    struct entry *entry = find_sure(cache, key), *page = NULL;
    if (entry) {
        __builtin_prefetch(entry->its_mould, true); /* its count of references will be written to */
        *out = entry->share;
        touch(entry);
        page = out_page ? page_of(cache, entry) : NULL;
        page = page && !page->doubtful ? page : NULL;
    }
    if (page)
        touch(page);
    if (out_page)
        *out_page = page ? mould_hold(page->page.mould) : NULL;
    pthread_mutex_unlock(&cache->lock);
    return entry != NULL;
}

bool page_cache_share_kept(struct page_cache *cache, const char *token, struct open_share *out,
                           struct page_mould **out_page)
{
    uint64_t key[2];
    take_token(token, key);
    pthread_mutex_lock(&cache->lock);
    struct entry *entry = find(cache, key), *page = entry ? page_of(cache, entry) : NULL;
    if (page) {
        *out = entry->share;
        *out_page = mould_hold(page->page.mould);
        touch(entry);
        touch(page);
    }
    pthread_mutex_unlock(&cache->lock);
    return page != NULL;
}

uint64_t page_cache_generation(struct page_cache *cache)
{
    pthread_mutex_lock(&cache->lock);
    uint64_t generation = cache->generation;
    pthread_mutex_unlock(&cache->lock);
    return generation;
}

void page_cache_add_share(struct page_cache *cache, const struct open_share *share, uint64_t generation)
{
    struct entry *entry = entry_new(KIND_SHARE, 0);
    take_token(share->token, entry->key);
    entry->share = *share;
    insert(cache, entry, generation);
}

void page_cache_add_card_page(struct page_cache *cache, const struct open_share *share, const char *html, size_t len,
                              const struct ready_options *options, uint64_t generation)
{
    struct page_mould *mould = mould_new(
        html, len, (const char *const[]){cache->placeholders.token, cache->placeholders.stamp, NULL}, options);
    struct entry *entry = entry_new(KIND_PAGE, mould_size(mould));
    hash_page(cache, share, entry->key);
    entry->page = (struct page){share->card_id, share->owner_id, mould};
    insert(cache, entry, generation);
}

struct ready_reply *page_cache_get(struct page_cache *cache, const char *name)
{
    uint64_t key[2];
    hash_name(cache, KIND_READY, name, strlen(name), key);
    struct ready_reply *ready = NULL;
    pthread_mutex_lock(&cache->lock);
    struct entry *entry = find(cache, key);
    if (entry) {
        ready = ready_hold(entry->ready);
        touch(entry);
    }
    pthread_mutex_unlock(&cache->lock);
    return ready;
}

void page_cache_put(struct page_cache *cache, const char *name, struct ready_reply *ready)
{
    struct entry *entry = entry_new(KIND_READY, ready_size(ready));
    hash_name(cache, KIND_READY, name, strlen(name), entry->key);
    entry->ready = ready_hold(ready);
    insert(cache, entry, page_cache_generation(cache)); /* named by what it was made from, so never outdated */
}

void page_cache_forget_share(struct page_cache *cache, const char *token)
{
    uint64_t key[2];
    take_token(token, key);
    pthread_mutex_lock(&cache->lock);
    struct entry *entry = find(cache, key);
    if (entry) { /* else who asks for what is not there would keep everything from being kept */
        cache->generation++;
        drop(cache, entry);
    }
    pthread_mutex_unlock(&cache->lock);
}

static bool is_touched(const struct entry *entry, const struct change *change)
{
    const struct open_share *share = entry->kind == KIND_SHARE ? &entry->share : NULL;
    const struct page *page = entry->kind == KIND_PAGE ? &entry->page : NULL;
    switch (change->kind) {
    case CHANGE_ALL:
        return share || page;
    case CHANGE_CARD:
        return (share && share->card_id == change->subject) || (page && page->card_id == change->subject);
    case CHANGE_SHARE:
        return share && share->share_id == change->subject;
    case CHANGE_MEMBER:
        return (share && share->owner_id == change->subject) || (page && page->owner_id == change->subject);
    case CHANGE_WEBHOOKS:
    case CHANGE_KIND_COUNT:
        break;
    }
    return false;
}

/* Walks everything: an edit is rare, and the walk of a full cache takes milliseconds. */
void page_cache_forget(struct page_cache *cache, const struct change *change)
{
    if (change->kind == CHANGE_WEBHOOKS)
        return;
    pthread_mutex_lock(&cache->lock);
    cache->generation++;
    for (struct entry *entry = cache->newest, *older; entry; entry = older) {
        older = entry->older;
        if (!is_touched(entry, change))
            continue;
        if (change->kind == CHANGE_ALL)
            entry->doubtful = true;
        else
            drop(cache, entry);
    }
    pthread_mutex_unlock(&cache->lock);
}
