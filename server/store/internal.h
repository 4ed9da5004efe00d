/* What the files of server/store share among themselves and nobody else: the store's insides, and how a verb borrows a
 * connection. The steps of one subject that another's transaction needs stand in headers of their own: outbox.h, lead_steps.h,
 * share_rows.h and so on. */
#ifndef MEISHI_STORE_INTERNAL_H
#define MEISHI_STORE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include "server/store/db.h"
#include "server/store/once.h"
#include "server/store/pool.h"
#include "server/store/replica.h"
#include "server/store/store.h"
#include "server/store/turns.h"

struct hit_log;
struct store_lock;
struct watch;

enum { CHANGES_NOTED_MAX = 16 };

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

    struct onces onces;        /* once.c */
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
    atomic_llong clock_ahead_ms;   /* this machine's of the database's, as it was measured last; clocks.c */
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
 * others wrote may come a moment later (replica.c). When that breaks off BODY is called once more, on the main database: it
 * begins with an empty list each time. */
enum result store_list(struct store *store, int64_t owner_id, db_body *body, void *context) MUST_CHECK;
/* Checkpoints the main part if it is worth it, or empties its WAL when IDLE. For the fold's thread, after each round, and
 * with IDLE after an erasure. */
void store_tidy(struct store *store, bool idle);
/* upkeep.c: takes away what ended long ago: kept answers, tries, sessions, links, deliveries, and hits beyond the months that
 * are to be kept. For the fold's thread, at its start and every hour. */
enum result store_clean(struct store *store, int64_t now_ms) MUST_CHECK;
/* rejudge.c: store_hits_forget that ends at UNTIL_MS (monotonic) with potential leads still to go, and the months then too. */
enum result hits_forget(struct store *store, int months, int64_t until_ms, int64_t now_ms) MUST_CHECK;
/* clocks.c: compares the clocks by a connection that is in no transaction. Only where several processes may serve. */
enum result clocks_compare(struct store *store, struct db *db) MUST_CHECK;
/* Called by whoever meets a broken connection; from any thread, as often as one likes. */
void store_broken(struct store *store);

#endif
