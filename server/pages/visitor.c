/* See visitor.h. All of it lives in memory and ends with the process: the salt of the day is random, is never written down
 * and is overwritten when its day (UTC) is over, so that yesterday's hints can be tied to nothing. */
#include "server/pages/visitor.h"

#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "server/ids.h"

enum {
    AGENTS = 1024,   /* remembered answers of facts_of: a hall full of phones has a few dozen agents */
    NETWORKS = 4096, /* remembered for the burst rule */
    BURST_SHARES = 4,
    BURST_MS = 5000,
    DAY_MS = 86400000,
    HASHED_MAX = 1024
};

struct agent {
    uint64_t hash[2];
    uint32_t facts;
    char family[AGENT_FAMILY_SIZE];
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
    unsigned char key[crypto_shorthash_siphashx24_KEYBYTES];
    unsigned char salt[crypto_shorthash_KEYBYTES];
    _Atomic int64_t salt_day;
    struct agent agents[AGENTS];
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

/* facts_of costs microseconds and depends on the agent for the most part: its answer is remembered by a keyed hash of the
 * agent. What differs from request to request is judged by a call without an agent, which is cheap. */
static uint32_t facts_remembered(struct visits *visits, const struct request_signs *signs, const uint64_t hash[2],
                                 char family[AGENT_FAMILY_SIZE])
{
    struct agent *agent = &visits->agents[hash[0] % AGENTS];
    if (agent->hash[0] != hash[0] || agent->hash[1] != hash[1]) {
        struct request_signs only_agent = {.user_agent = signs->user_agent, .accept_language = "x"};
        agent->facts = facts_of(&only_agent, agent->family);
        memcpy(agent->hash, hash, sizeof agent->hash);
    }
    memcpy(family, agent->family, AGENT_FAMILY_SIZE);
    struct request_signs others = *signs;
    others.user_agent = "-"; /* present, and nobody's */
    char unused[AGENT_FAMILY_SIZE];
    uint32_t moment = facts_of(&others, unused) & ~(uint32_t)(FACT_NO_AGENT | FACT_TOOL | FACT_CRAWLER | FACT_IN_APP);
    return agent->facts | moment;
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

static uint64_t short_hash(const void *bytes, size_t len, const unsigned char *key)
{
    uint64_t hash;
    crypto_shorthash((unsigned char *)&hash, bytes, len, key);
    return hash;
}

/* With the lock held. */
static void renew_salt(struct visits *visits, int64_t now_ms)
{
    int64_t day = now_ms / DAY_MS;
    if (visits->salt_day == day)
        return;
    visits->salt_day = day;
    random_bytes(visits->salt, sizeof visits->salt);
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
    size_t agent_len = signs.user_agent ? strnlen(signs.user_agent, HASHED_MAX) : 0;
    uint64_t agent_hash[2];
    crypto_shorthash_siphashx24((unsigned char *)agent_hash, (const unsigned char *)(agent_len ? signs.user_agent : ""),
                                agent_len, visits->key);
    struct net_address network = address_network(&request->client);
    struct {
        struct net_address network;
        uint64_t agent;
        int64_t owner_id;
    } who = {network, agent_hash[0], 0};

    pthread_mutex_lock(&visits->lock);
    renew_salt(visits, now_ms);
    signs.burst = is_burst(visits, short_hash(&who, sizeof who, visits->key), share_id, now_ms);
    out->facts = facts_remembered(visits, &signs, agent_hash, out->family);
    who.owner_id = owner_id;
    out->hash = signs.quiet || facts_are_a_robots(out->facts) ? 0 : short_hash(&who, sizeof who, visits->salt);
    pthread_mutex_unlock(&visits->lock);
    referrer_host(signs.referrer, out->referrer);
}
