/* The steps of a lead that the transactions of other subjects need; each says which file has it. */
#ifndef MEISHI_STORE_LEAD_STEPS_H
#define MEISHI_STORE_LEAD_STEPS_H

#include "server/store/db.h"
#include "server/store/leads.h"
#include "server/store/shares.h"

struct store;

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
/* lead_changes.c: the number of the owner's next change, in the running transaction; the lead takes one; it is no more; and many
 * are no more. */
enum result lead_change_next(struct db *db, int64_t owner_id, int64_t *out) MUST_CHECK;
enum result lead_changed(struct db *db, int64_t owner_id, int64_t lead_id) MUST_CHECK;
enum result lead_gone(struct db *db, int64_t owner_id, int64_t lead_id) MUST_CHECK;
enum result leads_gone(struct db *db, int64_t owner_id, const int64_t *lead_ids, size_t count) MUST_CHECK;
/* lead_rows.c: the lead with its share, chain and consent. */
enum result lead_read(struct db *db, struct arena *arena, int64_t owner_id, int64_t lead_id,
                      struct lead *out) MUST_CHECK;
/* lead_age.c: forgets the potential leads of visits from before the hit BEFORE_ID, unless somebody made more of them. In
 * transactions of its own. LIMITED: there are more, but it is UNTIL_MS (monotonic). */
enum result leads_forget_visits(struct store *store, int64_t before_id, int64_t until_ms, int64_t now_ms) MUST_CHECK;
/* erasure.c: erases again the leads and joined forms that `erased` names, after a restore, in the running transaction; nobody
 * is told, and STORE is NULL. */
enum result lead_erase_again(struct store *store, struct db *db, int64_t now_ms) MUST_CHECK;

#endif
