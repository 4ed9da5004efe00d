/* Hits: every request for a share's page, and the acts that followed it.
 *
 * A hit is submitted by a loop thread, joins the writer's next group commit to the inbox, and its page is answered when
 * DONE is called. Within a second the fold moves it, sorted by owner, into the month's table and counters. Acts travel the
 * same way as rows of their own that name the hit. */
#ifndef MEISHI_STORE_HITS_H
#define MEISHI_STORE_HITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cards/share.h"
#include "cards/verdict.h"

struct store;

struct hit {
    struct hit *next; /* the queue's; the caller leaves it alone until DONE */
    /* Called once from the writer's thread, OK when the hit is on disk. */
    void (*done)(struct hit *hit, enum result result);
    void *owner; /* the caller's own, e.g. the waiting request */
    bool last; /* set for DONE: no other hit of this commit is told after it, so what was gathered can go on together */

    int64_t id;        /* of the hit; for an act: the hit it followed */
    int64_t act_at_ms; /* acts only */
    int64_t owner_id, share_id;
    int64_t earlier_id; /* acts with ACT_AGAIN: the earlier hit that the page named */
    uint32_t facts;
    uint32_t acts;         /* 0 makes this a hit, else an act */
    uint64_t visitor_hash; /* the daily hint, 0 for none */
    enum channel channel;  /* refined */
    int64_t repeats;       /* how many more like it this one stands for; see store_hit_repeats */
    char family[AGENT_FAMILY_SIZE];
    char referrer[REFERRER_HOST_SIZE];
};

/* Queues a hit. LIMITED: the queue is full; it is counted as not recorded and DONE is never called. Never blocks. */
enum result store_hit_submit(struct store *store, struct hit *hit) MUST_CHECK;
/* A hit of this share is about to be judged: fetches from memory what store_hit_repeats will look at. */
void store_hit_foresee(struct store *store, int64_t share_id);
/* For a hit of a robot, before it is submitted. True: such hits keep coming, and it was counted; it is not to be submitted,
 * and within a second it is on disk as part of one hit that stands for many. A crash until then loses it. */
bool store_hit_repeats(struct store *store, const struct hit *hit) MUST_CHECK;
/* Wakes the writer if anything waits: once at the end of a loop's turn, so that what arrived together commits together. */
void store_hits_wake(struct store *store);

struct hit_row {
    int64_t id, at_ms, share_id;
    enum verdict verdict;
    const char *rule;
    enum channel channel;
    const char *family, *referrer; /* "" for none */
    uint32_t acts;
    int64_t times;      /* how many requests it stands for: more than one for robots only */
    int64_t visitor_id; /* the visitor's first hit: this one's id, or an earlier one named by the page */
};
/* Newest first, before hit id BEFORE (0: from the newest), the unfolded ones too. */
enum result store_hit_list(struct store *store, struct arena *arena, int64_t owner_id, int64_t share_id, int64_t before,
                           size_t limit, struct hit_row **out, size_t *count) MUST_CHECK;

/* Counts of one day (UTC) and channel. */
struct day_count {
    int32_t day /* days since 1970 */;
    enum channel channel;
    int64_t by_verdict[VERDICT_COUNT];
    int64_t saves, forms;
};
enum result store_day_counts(struct store *store, struct arena *arena, int64_t owner_id, int32_t first_day,
                             int32_t last_day, struct day_count **out, size_t *count) MUST_CHECK;

/* Applies today's rules to every kept hit and restates the counts. */
struct rejudged {
    int64_t looked_at, changed;
};
enum result store_rejudge(struct store *store, struct rejudged *out) MUST_CHECK;
/* Folds everything that was committed before the call; returns when it is readable. For tests, backup and shutdown. */
enum result store_fold_now(struct store *store) MUST_CHECK;
/* Drops the months that ended more than MONTHS (1 to HITS_KEPT_MONTHS_MAX) of 31 days ago, so what is kept is never less than
 * was asked for, and the potential leads that those visits made, unless somebody made more of them; the counters stay. */
enum { HITS_KEPT_MONTHS_MAX = 1200 };
enum result store_hits_forget(struct store *store, int months, int64_t now_ms) MUST_CHECK;

#endif
