/* The store: every verb the rest of the server may ask of the database, one transaction each, grouped by subject in the
 * headers included below. Verbs are safe to call from any thread; readers borrow a connection from a pool, writers take
 * turns at the one writing connection. Structures a verb fills borrow from the arena passed in.
 *
 * Every verb that reads or changes what a member owns takes the owner's id and answers NOT_FOUND for other people's. */
#ifndef MEISHI_STORE_H
#define MEISHI_STORE_H

#include <stdbool.h>
#include "cards/base/histogram.h"
#include "server/store/cards.h"
#include "server/store/claims.h"
#include "server/store/changes.h"
#include "server/store/followups.h"
#include "server/store/hits.h"
#include "server/store/leads.h"
#include "server/store/listeners.h"
#include "server/store/members.h"
#include "server/store/shares.h"
#include "server/store/webhooks.h"

struct store;
struct db_driver;

enum { STORE_READERS_MAX = 64 };

struct store_options {
    const char *url;                /* sqlite:FOLDER, sqlite:FILE.db, or postgres:// as libpq takes it */
    const struct db_driver *driver; /* NULL: the one that URL names; tests give their own */
    const char *read_url;           /* a standby of it that lists are read from; NULL or "": none */
    const char *base_url;           /* goes into event bodies */
    const unsigned char *seal_key;  /* 32 bytes: seals webhook secrets; NULL: none, for tests */
    bool accepts_key;               /* also if the store was made with another one, which is then forgotten */
    bool read_only;                 /* no writer, no lock, no threads */
    int readers;                    /* connections in the pool, 0: a few; at most STORE_READERS_MAX */
    bool unsafe;                    /* takes a database that may lose in a crash what it acknowledged */
    bool patient;                   /* a command's: nobody waits for an answer, and a verb may take its time */
    int keep_hits_months;           /* single hits of older months are forgotten every hour; 0: never */
    /* Called once, from any thread, when what is on disk cannot be trusted any more (a failed fsync, damage): nothing more
     * is acknowledged, and the process should end so that it is started anew. */
    void (*on_broken)(void *context);
    void *broken_context;
};

/* Opens, takes the exclusive lock (CONFLICT: another process serves this store), migrates, and recovers what a crash left
 * unfolded. FAILED with a sentence in *WHY, which says what to do: damaged, newer than this program, no space. */
enum result store_open(const struct store_options *options, struct arena *arena, struct store **out,
                       const char **why) MUST_CHECK;
/* Starts the threads that write and fold hits. */
enum result store_start(struct store *store) MUST_CHECK;
/* Everything queued is committed and folded, then all is closed. */
void store_close(struct store *store);

/* Whether other processes may serve it at the same time. */
bool store_is_shared(const struct store *store);
/* Where Meishi is reached from outside, as store_open was told. */
const char *store_base_url(const struct store *store);

/* Whether the database answers a read and, unless it says 503 itself, takes writes. */
enum result store_ping(struct store *store) MUST_CHECK;
/* Why what the database acknowledges may be lost in a crash, as a sentence's part; NULL when it is not. */
const char *store_forgets(struct store *store);
/* Compares this machine's clock with the database's, which a server does by itself every ten seconds. NOT_FOUND: it is the same. */
enum { STORE_CLOCKS_DIFFER_MS = 2000 /* they may, so much */ };
enum result store_compare_clocks(struct store *store) MUST_CHECK;
/* That they differed by more when they were last compared, as a sentence's part; NULL when they did not. */
const char *store_clock_off(struct store *store, struct arena *arena);
/* When it says OK, what verbs wrote lazily before is on disk. */
enum result store_sync(struct store *store) MUST_CHECK;
/* Whether lists can be read from the standby; NOT_FOUND: there is none. */
enum result store_ping_standby(struct store *store) MUST_CHECK;
/* A member changed something: lists that are read for them from now on show it, also on a standby and by other servers. */
enum result store_note_written(struct store *store, int64_t owner_id) MUST_CHECK;
/* A consistent copy of everything acknowledged so far, in one new file. CONFLICT if PATH exists. */
enum result store_backup(struct store *store, const char *path, struct arena *arena, const char **why) MUST_CHECK;
/* Puts a copy in place of the store at URL, which no server may have open. What was there is kept, *KEPT says where, NULL when
 * nothing was; unless it is to be REPLACED for good, which only PostgreSQL can. CONFLICT: somebody has it open. */
enum result store_restore(const char *url, const char *path, bool replace, struct arena *arena, const char **kept,
                          const char **why) MUST_CHECK;
/* The engine's own consistency check and ours (counts, outbox, watermark); sentences about what is wrong into COMPLAINTS. */
enum result store_check(struct store *store, struct arena *arena, struct complaints *complaints) MUST_CHECK;
/* Where the SQLite files lie, for the control socket; NULL for other engines. */
const char *store_folder(const char *url, struct arena *arena);
/* Where the key file lies if no setting names it: beside an SQLite store, else in the XDG data folder, where every server of the
 * store needs a copy. NULL when there is no such folder. */
const char *store_key_folder(const char *url, struct arena *arena);
/* OK when something was stored there before, NOT_FOUND when not yet; FAILED with a sentence in *WHY when it cannot be told. */
enum result store_is_made(const char *url, struct arena *arena, const char **why) MUST_CHECK;

struct store_figures { /* for /metrics: monotonic counts since start unless said */
    int64_t hits_committed, hits_unrecorded, hits_folded, folds, fold_ms, queue_length /* now */, unfolded /* now */,
        write_failures;
    int64_t hits_by_verdict[VERDICT_COUNT]; /* requests, by the verdict that their hit was folded with; */
    int64_t hits_confirmed;                 /* and of those, hits that an act made a person's afterwards */
    struct distribution commit_rows, commit_us;
    /* The pool of connections that read: how many there may be, how many are lent now; how often somebody waited for one, how
     * long in all, and how often in vain. */
    int64_t pool_size, pool_in_use /* now */, pool_waits, pool_wait_ms, pool_timeouts;
    int64_t clock_ahead_ms /* now */; /* this machine's clock of the database's, or behind it */
    /* Lists that were read from a standby; that were not because it was behind; and how often it did not answer. */
    int64_t standby_reads, standby_behind, standby_failures;
};
void store_figures(struct store *store, struct store_figures *out);

#endif
