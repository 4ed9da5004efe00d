/* What the files of server/store share among themselves and nobody else: the store's insides, how a verb borrows a
 * connection, and the steps of one subject that another's transaction needs. */
#ifndef MEISHI_STORE_INTERNAL_H
#define MEISHI_STORE_INTERNAL_H

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include "cards/event.h"
#include "server/store/db.h"
#include "server/store/store.h"
#include "server/store/pool.h"
#include "server/store/turns.h"

struct hit_log;
struct store_lock;

struct watch;

enum { CHANGES_NOTED_MAX = 16 };

struct replica {
    bool is_there; /* MEISHI_STORE_READ names one */
    char *url;
    struct pool pool;
    atomic_llong rests_until_ms; /* on the monotonic clock: not asked before; 0 while it answers */
    atomic_llong reads, behind, failures;
};

struct store {
    const struct db_driver *driver;
    char *url, *base_url;
    unsigned char seal_key[32];
    bool read_only, patient;
    int keep_hits_months; /* 0: all */

    struct turns writing;                        /* the one writing connection of DB_MAIN and what stands below it */
    struct db *writer;                           /* NULL when read_only */
    bool outbox_filled;                          /* set by outbox_add, looked at after the commit */
    int64_t ended[DELIVERY_STATE_COUNT];         /* deliveries that ended so in the running transaction, */
    atomic_llong ended_so[DELIVERY_STATE_COUNT]; /* and in all since the start */
    struct outbox_wants *wants;                  /* outbox.c: who wants which events; NULL when it must be read anew */
    int64_t wants_mark;                          /* the last change of endpoints that it knows of */
    bool wants_checked;                          /* in the running transaction: no other server changed one since */
    struct change noted[CHANGES_NOTED_MAX];      /* changes.c: of the running transaction */
    size_t noted_count;

    struct pool readers;    /* of DB_MAIN */
    struct replica replica; /* where lists may be read; replica.c */

    pthread_mutex_t tell_lock; /* guards the callbacks below: who took theirs back is not called any more */
    void (*wake_outbox)(void *context);
    void *wake_context;
    void (*tell_change)(void *context, const struct change *change);
    void *change_context;
    void (*tell_day)(void *context, int64_t day, const unsigned char salt[DAY_SALT_SIZE]);
    void *day_context;
    struct watch *watch; /* watch.c; NULL: nobody watches */
    void (*tell_trouble)(void *context, int64_t owner_id, int64_t webhook_id);
    void *trouble_context;
    void (*on_broken)(void *context); /* once: the process must restart */
    void *broken_context;
    atomic_bool broken;
    _Atomic(const char *) forgets; /* as its connections say */
    atomic_llong write_failures;

    atomic_bool last_write_failed;
    atomic_bool tidy_again; /* a reader was in the way of emptying the log: whoever reads next and ends tries again */

    struct store_lock *lock;
    bool clean;           /* may be called so once it is closed: the next start need not look it over */
    int64_t alone_ms;     /* when it came and no other process used the store; 0: one did */
    struct hit_log *hits; /* hits.c */
};

/* Runs BODY as one transaction on the writing connection, in turn; wakes the outbox if it was filled. FAILED when the
 * store is read-only. Not to be called from within a body. */
enum result store_write(struct store *store, const char *name, db_body *body, void *context) MUST_CHECK;
/* The same for what may be forgotten if the power fails before the next store_write or store_sync: nobody was told that it is
 * kept. */
enum result store_write_lazily(struct store *store, const char *name, db_body *body, void *context) MUST_CHECK;
/* Runs BODY in one snapshot on a connection of the pool. */
enum result store_read(struct store *store, db_body *body, void *context) MUST_CHECK;
/* The same in two halves, for what does not fit a body; always give it back when OK was answered. */
enum result store_read_begin(struct store *store, struct db **out) MUST_CHECK;
void store_read_end(struct store *store, struct db *db);
/* The same for lists and reports of a member, which may be read from a standby: what the owner wrote is there in any case, what
 * others wrote may come a moment later (replica.c). */
enum result store_list(struct store *store, int64_t owner_id, db_body *body, void *context) MUST_CHECK;
enum result store_list_begin(struct store *store, int64_t owner_id, struct db **out) MUST_CHECK; /* store_read_end */
/* replica.c. URL NULL or "": there is none. */
void replica_open(struct replica *replica, const struct db_driver *driver, const char *url, int size);
void replica_close(struct replica *replica);
void replica_figures(struct replica *replica, struct store_figures *out);
/* Checkpoints the main part if it is worth it, or empties its WAL when IDLE. For the fold's thread, after each round, and
 * with IDLE after an erasure. */
void store_tidy(struct store *store, bool idle);
/* upkeep.c: takes away what ended long ago: kept answers, tries, sessions, links, deliveries, and hits beyond the months that
 * are to be kept. For the fold's thread, at its start and every hour. */
enum result store_clean(struct store *store, int64_t now_ms) MUST_CHECK;
/* Called by whoever meets a broken connection; from any thread, as often as one likes. */
void store_broken(struct store *store);

/* changes.c: to be told once the running transaction is committed. STORE may be NULL. */
void change_note(struct store *store, enum change_kind kind, int64_t subject);
/* The body of every transaction of the store: BODY, then what it noted, for other servers. */
struct writing {
    struct store *store;
    db_body *body;
    void *context;
};
enum result changes_write(struct db *db, void *writing) MUST_CHECK;
/* Calls back whoever is to hear of these changes, and of the outbox. */
void changes_tell(struct store *store, const struct change *changes, size_t count, bool outbox_filled);
/* The number of the last change of KIND, of any for CHANGE_ALL. */
enum result changes_mark(struct db *db, enum change_kind kind, int64_t *out) MUST_CHECK;
/* Those after number AFTER, up to *MARK; one CHANGE_ALL when they are more than MAX or not all there any more. */
enum result changes_read(struct db *db, int64_t after, int64_t *mark, struct change *out, size_t max,
                         size_t *count) MUST_CHECK;
#define WORD_CHANGES "changes" /* what db.h's notify says */
#define WORD_OUTBOX "outbox"
/* watch.c. Of NULL: nothing. */
void watch_close(struct watch *watch);

/* hits.c. Open is called last in store_open, close first in store_close; it commits and folds what is queued. */
enum result hits_open(struct store *store, struct hit_log **out) MUST_CHECK;
enum result hits_start(struct hit_log *log) MUST_CHECK;
void hits_close(struct hit_log *log); /* of NULL: nothing */
void hits_figures(struct hit_log *log, struct store_figures *out);

/* members.c: a member from row columns FIRST and on, selected as MEMBER_COLUMNS from `members AS m`. */
#define MEMBER_COLUMNS "m.id, m.handle, m.name, m.email, m.password_hash, m.role, m.created_ms, m.disabled_ms"
enum { MEMBER_COLUMN_COUNT = 8 };
/* sign_in.c: a link for an active member, in the running transaction. */
enum result sign_in_link_insert(struct db *db, const unsigned char hash[HASH_SIZE], int64_t member_id, int64_t now_ms,
                                int64_t expires_ms) MUST_CHECK;
/* OK when there is such a member and it is not disabled, else NOT_FOUND. */
enum result member_is_active(struct db *db, int64_t id) MUST_CHECK;
void member_from_row(struct member *out, const struct db_rows *rows, int first, struct arena *arena);

/* shares.c: writes the row alone, without looking at anything. */
enum result share_insert(struct db *db, const struct share *share) MUST_CHECK;
/* The share with its chain, for other subjects' transactions and snapshots. */
enum result share_read(struct db *db, struct arena *arena, int64_t owner_id, int64_t share_id,
                       struct share *out) MUST_CHECK;
/* The same of many, in few queries: *OUT[i] is the share of IDS[i]; the same share for the same id. */
enum result share_read_many(struct db *db, struct arena *arena, int64_t owner_id, const int64_t *ids, size_t count,
                            struct share **out) MUST_CHECK;

/* leads.c: a lead without details, in the running transaction, with its timeline and the event lead.potential. For a
 * visitor's first person hit (HIT_ID) or a named recipient (share->recipient, HIT_ID 0). SHARE has its chain. OK and
 * nothing done when the visitor has a lead already. */
enum result lead_add_potential(struct store *store, struct db *db, struct arena *arena, const struct share *share,
                               int64_t hit_id, int64_t now_ms) MUST_CHECK;
/* leads.c: what the visitor of this hit of the share's page passed on becomes their lead's, if they left their details:
 * before or after, on this page or one of theirs before. */
enum result lead_claim_shares(struct store *store, struct db *db, int64_t owner_id, int64_t share_id,
                              int64_t visitor_hit_id) MUST_CHECK;
/* leads.c: one line of a lead's timeline, in the running transaction. WORDS may be NULL. */
enum result lead_moment_add(struct db *db, int64_t owner_id, int64_t lead_id, int64_t at_ms, const char *kind,
                            const char *words) MUST_CHECK;
/* lead_changes.c: the number of the owner's next change, in the running transaction; the lead takes one; and it is no more. */
enum result lead_change_next(struct db *db, int64_t owner_id, int64_t *out) MUST_CHECK;
enum result lead_changed(struct db *db, int64_t owner_id, int64_t lead_id) MUST_CHECK;
enum result lead_gone(struct db *db, int64_t owner_id, int64_t lead_id) MUST_CHECK;
/* lead_rows.c: the lead with its share, chain and consent. */
enum result lead_read(struct db *db, struct arena *arena, int64_t owner_id, int64_t lead_id,
                      struct lead *out) MUST_CHECK;
/* erasure.c: erases again the leads and joined forms that `erased` names, after a restore, in the running transaction; nobody
 * is told, and STORE is NULL. */
enum result lead_erase_again(struct store *store, struct db *db, int64_t now_ms) MUST_CHECK;

/* outbox.c: one event with a pending delivery for each enabled endpoint of the owner that wants it, in the running
 * transaction. Takes over DATA's reference. LEAD_ID 0: about no lead. */
enum result outbox_add(struct store *store, struct db *db, int64_t owner_id, enum event_type type, json_t *data,
                       int64_t lead_id, int64_t now_ms) MUST_CHECK;

/* outbox.c: its two halves, for a ping to one endpoint alone. ENDPOINT (endpoints.h) is changed and written. */
struct endpoint;
enum result outbox_add_event(struct db *db, int64_t owner_id, enum event_type type, json_t *data, int64_t lead_id,
                             int64_t now_ms, int64_t *out_id) MUST_CHECK;
enum result outbox_add_delivery(struct store *store, struct db *db, struct endpoint *endpoint, int64_t event_id,
                                enum event_type type, int64_t lead_id, int64_t now_ms, int64_t *out_id) MUST_CHECK;
/* outbox.c: whether any endpoint of the owner wants the event, also one that is off: from memory, so the fold may ask for
 * every row. */
bool outbox_wanted(struct store *store, struct db *db, int64_t owner_id, enum event_type type);
/* outbox.c: endpoints were changed in the running transaction; and at the store's end. */
void outbox_forget_wants(struct store *store);
/* outbox.c: what waits about a lead ends `erased`. STORE may be NULL. */
enum result outbox_erase(struct store *store, struct db *db, int64_t owner_id, int64_t lead_id,
                         int64_t now_ms) MUST_CHECK;

/* webhooks.c: an endpoint from row columns selected as WEBHOOK_COLUMNS from webhooks. */
#define WEBHOOK_COLUMNS                                                                                             \
    "owner_id, id, url, events, created_ms, disabled_ms, disabled_why, format, thin, listener, old_until_ms, "      \
    "pending, paused, sequence, public_key, last_success_ms, last_failure_ms, last_latency_ms, failures_in_a_row, " \
    "failing_since_ms, certificate_since_ms, refusals_in_a_row, window_ms, window_tries, window_failures, "         \
    "breaker_until_ms, breaker_ms, replay_due_ms"
enum { WEBHOOK_COLUMN_COUNT = 28 };
void webhook_from_row(const struct db_rows *rows, struct arena *arena, struct webhook *out);

/* guards.c: store_throttle_count in the running transaction. */
enum result guard_count(struct db *db, const char *key, int64_t window_ms, int64_t now_ms, int64_t *out) MUST_CHECK;
/* guards.c: the salt of DAY (since 1970) that all servers have, drawn by the first that asks; those before TODAY are gone. */
enum result day_salt(struct store *store, int64_t day, int64_t today, unsigned char out[DAY_SALT_SIZE]) MUST_CHECK;
/* guards.c: answers kept for the member's Idempotency-Keys that hold TEXT are gone, in the running transaction. */
enum result answers_forget(const struct store *store, struct db *db, int64_t member_id, const char *text) MUST_CHECK;

/* search.c: WORDS, folded, are what the lead is found by; and nothing is. */
enum result search_put(struct db *db, int64_t owner_id, int64_t lead_id, const char *words) MUST_CHECK;
enum result search_remove(struct db *db, int64_t owner_id, int64_t lead_id) MUST_CHECK;
/* search.c: ids of up to MAX leads made before BEFORE that hold every word of Q (folded), newest first. */
enum result search_find(struct db *db, struct arena *arena, int64_t owner_id, const char *q, int64_t before, size_t max,
                        int64_t *out, size_t *count) MUST_CHECK;
/* search.c: what search_prepare makes on PostgreSQL beside its table; not in a backup's tables, so made anew after it. */
#define SEARCH_INDEX "lead_search_by_gram"
/* search.c: makes what the engine needs for finding words, after the migrations, in their transaction. */
enum result search_prepare(struct db *db) MUST_CHECK;

/* presence.c, for engines that several share; on others nothing happens. Come: one at a time, waits; the door is shut until
 * stay. Stay: it is there now, with a node of its own for its ids. LIMITED: as many are there as may be. */
enum result presence_come(struct db *db) MUST_CHECK;
enum result presence_stay(struct db *db) MUST_CHECK;
/* Between the two: BUSY when somebody else is there. */
enum result presence_alone(struct db *db) MUST_CHECK;
void presence_not_alone(struct db *db);

/* migrate.c: brings a part to today's tables, each step in a transaction of its own. FAILED with a sentence in *WHY. */
enum result migrate_part(struct db *db, enum db_part part, struct arena *arena, const char **why) MUST_CHECK;
/* The newest step that a newer program took and this one cannot go on beside; 0 for none. */
enum result migrate_find_newer(struct db *db, int64_t *out) MUST_CHECK;
/* All steps of both parts in the running transaction, for an engine that keeps them in one place. */
enum result migrate_within(struct db *db, struct arena *arena, const char **why) MUST_CHECK;
/* Whether this program can read it as it stands, for those who may not write. FAILED with a sentence in *WHY. */
enum result migrate_check(struct db *db, enum db_part part, struct arena *arena, const char **why) MUST_CHECK;

/* store_key.c: whether KEY (32 bytes) is the one the store was made with, which is written down by the first who WRITES, and anew
 * by who does so and is to ACCEPT another. FAILED with a sentence in *WHY. */
enum result store_key_check(struct db *db, const unsigned char *key, bool writes, bool accept,
                            const char **why) MUST_CHECK;

/* copy.c: FAILED with a sentence in *WHY while the store is a copy that is not finished (copy.h). */
enum result copy_refuse_unfinished(struct db *db, struct arena *arena, const char **why) MUST_CHECK;

/* lock.c: one process a store. CONFLICT with a sentence in *WHY that names the file and the other's process id. *CLEAN says
 * whether the last one closed the store itself. An engine that many may serve has no lock: OK and NULL. */
enum result lock_take(const char *url, struct arena *arena, struct store_lock **out, bool *clean,
                      const char **why) MUST_CHECK;
/* CLEAN: closed well. Of NULL: nothing. */
void lock_release(struct store_lock *lock, bool clean);

#endif
