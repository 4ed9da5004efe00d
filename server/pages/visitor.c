/* See visitor.h. All of it lives in memory and ends with the process: the salt of the day is random, is never written down
 * and is overwritten when its day (UTC) is over, so that yesterday's hints can be tied to nothing. Where several servers share a
 * database it is made of two halves: one is drawn for the day and taken out of the database after it, the other is in the key
 * file, so that no copy of the database tells it. */
#include "server/pages/visitor.h"

#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "server/ids.h"

enum {
    AGENTS = 512,    /* remembered, 256 KB: a hall full of phones has a few dozen */
    AGENT_MAX = 456, /* bytes; a longer one is judged anew each time */
    NETWORKS = 4096, /* remembered for the burst rule */
    BURST_SHARES = 4,
    BURST_MS = 5000,
    DAY_MS = 86400000,
};

/* What an agent says costs microseconds to find out, and is always the same. So it is remembered with the agent, whole. */
struct agent {
    uint32_t len; /* 0: nobody's place yet */
    uint32_t facts;
    enum channel channel;
    uint64_t hash; /* under the key */
    char family[AGENT_FAMILY_SIZE];
    char text[AGENT_MAX];
};

/* The last shares one network opened with one agent. Keyed by both: a hall's Wi-Fi is one network with many phones, a
 * scanner is one agent that goes through every link of a mail. */
struct opener {
    uint64_t hash;
    int64_t shares[BURST_SHARES];
    int64_t at_ms[BURST_SHARES];
    int next;
};

struct visits {
    pthread_mutex_t lock;
    unsigned char key[crypto_shorthash_KEYBYTES];
    unsigned char salt[crypto_shorthash_KEYBYTES];
    _Atomic int64_t salt_day;
    unsigned char next_salt[crypto_shorthash_KEYBYTES]; /* of next_day, that all servers have; 0: none yet */
    int64_t next_day;
    struct agent agents[AGENTS], unkept;
    struct opener openers[NETWORKS];
};

struct visits *visits_open(void)
{
    struct visits *visits = calloc(1, sizeof *visits);
    if (!visits)
        abort();
    pthread_mutex_init(&visits->lock, NULL);
    random_bytes(visits->key, sizeof visits->key);
    return visits;
}

void visits_close(struct visits *visits)
{
    if (!visits)
        return;
    sodium_memzero(visits->salt, sizeof visits->salt);
    sodium_memzero(visits->next_salt, sizeof visits->next_salt);
    pthread_mutex_destroy(&visits->lock);
    free(visits);
}

static const char *first_header(const struct request *request, const char *const *names)
{
    const char *value = NULL;
    for (; *names && !value; names++)
        value = request_header(request, *names);
    return value;
}

static struct request_signs signs_of(const struct request *request, bool self)
{
    static const char *const PURPOSES[] = {"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz", NULL};
    const char *privacy = request_header(request, "Sec-GPC"), *track = request_header(request, "DNT");
    return (struct request_signs){
        .head = request->method == HTTP_HEAD,
        .user_agent = request_header(request, "User-Agent"),
        .referrer = request_header(request, "Referer"),
        .accept_language = request_header(request, "Accept-Language"),
        .purpose = first_header(request, PURPOSES),
        .quiet = (privacy && !strcmp(privacy, "1")) || (track && !strcmp(track, "1")),
        .self = self,
    };
}

static uint64_t short_hash(const void *bytes, size_t len, const unsigned char *key)
{
    uint64_t hash;
    crypto_shorthash((unsigned char *)&hash, bytes, len, key);
    return hash;
}

/* Quick, and anybody can find two agents that share a place: then neither is remembered for long, which harms no answer. */
static size_t place_of(const char *text, size_t len)
{
    uint64_t hash = len, word = 0;
    if (len < sizeof word)
        memcpy(&word, text, len);
    for (size_t at = 0; at + sizeof word <= len; at += sizeof word) {
        memcpy(&word, text + at, sizeof word);
        hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 32;
    }
    if (len >= sizeof word)
        memcpy(&word, text + len - sizeof word, sizeof word);
    return (hash ^ word) * 0x9e3779b97f4a7c15u >> 32 & (AGENTS - 1);
}

/* With the lock held, and until it is given up. */
static const struct agent *agent_of(struct visits *visits, const char *text)
{
    size_t len = text ? strlen(text) : 0;
    bool kept = len && len <= AGENT_MAX;
    struct agent *agent = kept ? &visits->agents[place_of(text, len)] : &visits->unkept;
    if (kept && agent->len == len && memcmp(agent->text, text, len) == 0)
        return agent;
    agent->facts = facts_of_agent(text, agent->family);
    agent->channel = channel_of_agent(text);
    agent->hash = short_hash(text ? text : "", len, visits->key);
    if (kept)
        memcpy(agent->text, text, agent->len = (uint32_t)len);
    return agent;
}

/* Whether this opener has opened BURST_SHARES different shares within BURST_MS. */
static bool is_burst(struct visits *visits, uint64_t opener_hash, int64_t share_id, int64_t now_ms)
{
    struct opener *opener = &visits->openers[opener_hash % NETWORKS];
    if (opener->hash != opener_hash)
        *opener = (struct opener){.hash = opener_hash};
    int recent = 1;
    bool known = false;
    for (int i = 0; i < BURST_SHARES; i++) {
        if (opener->shares[i] == share_id) {
            opener->at_ms[i] = now_ms;
            known = true;
        } else if (opener->shares[i] && now_ms - opener->at_ms[i] < BURST_MS)
            recent++;
    }
    if (!known) {
        opener->shares[opener->next] = share_id;
        opener->at_ms[opener->next] = now_ms;
        opener->next = (opener->next + 1) % BURST_SHARES;
    }
    return recent >= BURST_SHARES;
}

/* With the lock held. */
static void renew_salt(struct visits *visits, int64_t now_ms)
{
    int64_t day = now_ms / DAY_MS;
    if (visits->salt_day == day)
        return;
    visits->salt_day = day;
    if (visits->next_day == day)
        memcpy(visits->salt, visits->next_salt, sizeof visits->salt);
    else
        random_bytes(visits->salt, sizeof visits->salt);
    if (visits->next_day > day)
        return;
    sodium_memzero(visits->next_salt, sizeof visits->next_salt);
    visits->next_day = 0;
}

/* What agents are hashed with goes into the hint as well, so it is the same for all servers too; those remembered are not. */
static void take_key(struct visits *visits, const unsigned char key[KEY_SIZE])
{
    unsigned char shared[sizeof visits->key];
    static const unsigned char agents[] = "agents";
    crypto_generichash(shared, sizeof shared, agents, sizeof agents, key, KEY_SIZE);
    if (memcmp(shared, visits->key, sizeof shared) == 0)
        return;
    memcpy(visits->key, shared, sizeof shared);
    for (size_t i = 0; i < AGENTS; i++)
        visits->agents[i].len = 0;
}

void visits_take_salt(struct visits *visits, int64_t day, const unsigned char salt[DAY_SALT_SIZE],
                      const unsigned char key[KEY_SIZE])
{
    pthread_mutex_lock(&visits->lock);
    unsigned char *place = day == visits->salt_day ? visits->salt : visits->next_salt;
    take_key(visits, key);
    crypto_generichash(place, sizeof visits->salt, salt, DAY_SALT_SIZE, key, KEY_SIZE);
    if (place == visits->next_salt)
        visits->next_day = day;
    pthread_mutex_unlock(&visits->lock);
}

void visits_renew(struct visits *visits, int64_t now_ms)
{
    if (atomic_load_explicit(&visits->salt_day, memory_order_relaxed) == now_ms / DAY_MS)
        return;
    pthread_mutex_lock(&visits->lock);
    renew_salt(visits, now_ms);
    pthread_mutex_unlock(&visits->lock);
}

void visit_of(struct visits *visits, const struct request *request, int64_t owner_id, int64_t share_id, bool self,
              int64_t now_ms, struct visit *out)
{
    struct request_signs signs = signs_of(request, self);
    struct {
        struct net_address network;
        uint64_t agent;
        int64_t owner_id;
    } who = {.network = address_network(&request->client)};

    pthread_mutex_lock(&visits->lock);
    renew_salt(visits, now_ms);
    const struct agent *agent = agent_of(visits, signs.user_agent);
    who.agent = agent->hash;
    signs.burst = is_burst(visits, short_hash(&who, sizeof who, visits->key), share_id, now_ms);
    out->facts = agent->facts | facts_of_moment(&signs);
    out->by_agent = agent->channel;
    memcpy(out->family, agent->family, sizeof out->family);
    who.owner_id = owner_id;
    out->hash = signs.quiet || facts_are_a_robots(out->facts) ? 0 : short_hash(&who, sizeof who, visits->salt);
    pthread_mutex_unlock(&visits->lock);
    referrer_host(signs.referrer, out->referrer);
}
