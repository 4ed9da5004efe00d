/* The fold: what turns rows of the inbox into hits with verdicts, counts and potential leads. The same batch, read and
 * settled in the same way but not written, is what readers add to the tables as the unfolded tail. */
#ifndef MEISHI_STORE_FOLD_H
#define MEISHI_STORE_FOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cards/base/arena.h"
#include "cards/share.h"
#include "cards/verdict.h"
#include "server/store/db.h"
#include "server/store/lanes.h"
#include "server/store/months.h"

struct store;

/* A hit with all that followed it. */
struct kept {
    int64_t seq, owner_id, share_id, id;
    int64_t visitor_id; /* the visitor's first hit: this one's id or an earlier one's */
    int64_t earlier_id; /* what the page named in this batch's acts; 0 none */
    int64_t act_at_ms;  /* of the batch's first act on it; 0 none */
    uint64_t visitor_hash;
    int64_t times; /* requests it stands for */
    uint32_t facts, acts;
    enum channel channel;
    enum verdict verdict;
    uint8_t rule;
    int32_t day, month;
    const char *family, *referrer; /* "" for none */
    bool folded;                   /* it stands in its month's table already, as follows: */
    enum verdict old_verdict;
    uint8_t old_rule;
    uint32_t old_acts;
    int64_t old_visitor_id;
};

struct act {
    int64_t owner_id, share_id, id, seq, at_ms, earlier_id;
    uint32_t acts;
};

struct batch {
    struct arena arena;
    struct lanes lanes; /* the inbox's rows with after < seq <= last of each; equal when there were none */
    struct kept **hits; /* once settled, sorted by owner, share, id, as all three are */
    size_t hit_count;
    struct kept **older; /* hits of earlier batches that this one's acts name */
    size_t older_count;
    struct act *acts;
    size_t act_count;
};

/* Which rows of the batch's lanes: at most LIMIT and not beyond ACTS_MAX acts, each lane its share of them, and of one owner and
 * share unless 0. */
struct tail {
    int64_t limit, owner_id, share_id;
    size_t acts_max;
};

/* A batch of no lanes; it owns its memory, its lanes' too, and is given back by batch_free. */
void batch_start(struct batch *batch);
/* Reads the inbox beyond the marks of its lanes by the connection DB: of several, in one snapshot. */
enum result batch_read(struct batch *batch, struct db *db, const struct tail *tail) MUST_CHECK;
/* Whether there was more than the limits let in. */
bool batch_is_cut(const struct batch *batch);
/* Holds back what must not be folded before hits that are still ahead in other lanes, with all that follows in its lane. By
 * the connection that read, in the same snapshot, which shows the main part too. */
enum result batch_hold_back(struct batch *batch, struct db *db, struct months *months) MUST_CHECK;
/* Drops what was folded between two reads: up to the marks that DB shows, a connection to the main part. */
enum result batch_trim(struct batch *batch, struct db *db) MUST_CHECK;
/* Drops hits that stand in their month's table already: looked for only when one of them was in the way. */
enum result batch_drop_kept(struct batch *batch, struct db *db, struct months *months) MUST_CHECK;
/* Ties acts to hits and judges, reading older hits by DB, a connection to the main part. May be called again after a
 * failure: nothing of an earlier call remains. */
enum result batch_settle(struct batch *batch, struct db *db, struct months *months) MUST_CHECK;
void batch_free(struct batch *batch);

/* The columns of enum month_column. */
void kept_from_row(struct kept *out, const struct db_rows *rows, struct arena *arena);
/* Gives the verdict. Looking an agent up in the crawler table takes a microsecond, and batches hold few different ones: KNOWN
 * remembers, starts zeroed, and must not outlive the texts of the hits it saw. */
struct judgements {
    struct judged {
        const char *family;
        uint32_t facts, acts;
        enum verdict verdict;
        uint8_t rule;
    } slots[256];
};
void kept_judge(struct kept *kept, struct judgements *known);
/* A row for the month's insert: MONTH_COLUMNS values, which borrow from the hit. */
void kept_values(struct db_value *out, const struct kept *hit);
/* Writes to the month's table what changed about a folded hit. */
enum result kept_update(struct db *db, struct months *months, const struct kept *hit) MUST_CHECK;
int kept_compare(const struct kept *a, const struct kept *b); /* by owner, share, id */

struct folding {
    int64_t lane, mark; /* in: where an engine of one lane stands; out: the mark of that lane now, of any engine */
    int64_t limit;      /* rows at most */
    int64_t rows;       /* that were read */
    bool more;          /* than the limit let in */
};
/* One pass over all lanes beyond their marks, in one transaction, which moves the marks. INBOX is a connection that reads. */
enum result fold_pass(struct store *store, struct db *inbox, struct folding *folding) MUST_CHECK;

/* In counts.c: adds to the counters of days and shares what became of these hits, which are sorted as kept_compare does. */
enum result counts_add(struct db *db, struct kept *const *hits, size_t count, struct arena *arena) MUST_CHECK;

/* In tail.c: what is not folded yet of an owner's hits (of one share unless 0), settled against a snapshot in which BODY then
 * reads the tables: both make a whole. BODY may be called twice, as by store_list. The batch is to be freed in any case. */
enum result tail_read(struct store *store, struct batch *batch, int64_t owner_id, int64_t share_id, db_body *body,
                      void *context) MUST_CHECK;

/* In hit_log.c: what was folded, for the figures. */
void hits_note_fold(struct store *store, const struct batch *batch);
/* In hit_log.c. The last mark this process knows of, of its own lane: the true one or one before it. */
int64_t hits_mark(struct store *store);
/* Whether rows of this owner may be in the lane beyond MARK. */
bool hits_may_wait(struct store *store, int64_t owner_id, int64_t lane, int64_t mark);
/* The connection by which readers look into the inbox, one at a time; NULL when it cannot be opened. Always give back. */
struct db *hits_reader_take(struct store *store);
void hits_reader_give(struct store *store);
struct months *hits_months(struct store *store);

#endif
