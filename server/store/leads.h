/* Leads and their timeline. */
#ifndef MEISHI_STORE_LEADS_H
#define MEISHI_STORE_LEADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cards/lead.h"
#include "server/store/members.h"

struct store;

/* A visitor's form, one transaction: the lead (the visitor's potential one becomes identified), its timeline, the consent,
 * the outbox rows. LEAD has owner, card, share, visitor_hit_id and the checked fields; kind and endorser are decided here
 * from the share's chain. RECEIPT_HASH is of the secret in the receipt's address.
 * The same visitor_hit_id again: CONFLICT, *out is the lead it made and nothing changed (the caller shows the receipt it
 * already has). A known e-mail of the same owner joins the existing lead's timeline: OK, *out is that lead. Set-aside
 * leads tell nobody. */
enum result store_lead_add(struct store *store, struct arena *arena, struct lead *lead,
                           const unsigned char receipt_hash[HASH_SIZE], int64_t now_ms, struct lead *out) MUST_CHECK;

enum lead_kind { LEAD_KIND_ANY, LEAD_KIND_LEAD, LEAD_KIND_REFERRAL };
struct lead_filter {
    enum lead_kind kind;
    int stage;        /* enum stage, or -1 for any but potential and junk, -2 for truly any */
    int channel;      /* enum channel or -1 */
    int64_t share_id; /* 0: any */
    int64_t since_ms; /* changed at or after; 0: any */
    const char *q;    /* words, folded by the verb; NULL: any */
    int set_aside;    /* 1 only those set aside, 0 only the others; -1 any, of the feed alone */
    int64_t before;   /* lead id of the cursor; newest first */
    size_t limit;
};
enum result store_lead_list(struct store *store, struct arena *arena, int64_t owner_id,
                            const struct lead_filter *filter, struct lead **out, size_t *count) MUST_CHECK;
/* The same leads in the order in which they changed, from the change after AFTER on, up to filter->limit with those that are
 * gone; `stage` is one or negative for any, `since_ms`, `q` and `before` are not looked at. Whoever goes on from `last` misses
 * nothing, whatever is written meanwhile: see lead_changes.c. The ids of those that were erased, or that turned out to be
 * another, come whatever the filter. */
struct gone {
    int64_t change, id;
};
struct lead_feed {
    struct lead *leads;
    struct gone *gone;
    size_t count, gone_count;
    int64_t last; /* AFTER when nothing has changed */
    bool more;
};
enum result store_lead_feed(struct store *store, struct arena *arena, int64_t owner_id,
                            const struct lead_filter *filter, int64_t after, struct lead_feed *out) MUST_CHECK;
/* What the inbox's tabs say. Potential ones are counted to 10,000 and no further. */
struct lead_totals {
    int64_t referrals_new, referrals, leads_new, leads, customers, potential, set_aside;
};
enum result store_lead_totals(struct store *store, int64_t owner_id, struct lead_totals *out) MUST_CHECK;
enum result store_lead_find(struct store *store, struct arena *arena, int64_t owner_id, int64_t lead_id,
                            struct lead *out) MUST_CHECK;

/* What may be changed by the member; unset members (NULL, -1) stay. REVISION 0 skips the check, else CONFLICT.
 * INVALID: the stage may not follow the one it has. */
struct lead_change {
    int stage;        /* or -1 */
    const char *note; /* added to the timeline */
    int set_aside;    /* 0 takes it in (and tells the webhooks), 1 sets it aside, -1 */
    int64_t revision;
};
enum result store_lead_change(struct store *store, struct arena *arena, int64_t owner_id, int64_t lead_id,
                              const struct lead_change *change, int64_t now_ms, struct lead *out) MUST_CHECK;

struct lead_moment { /* one line of a timeline */
    int64_t id, at_ms;
    const char *kind;  /* "scan", "seen", "saved", "form", "passed-on", "stage", "note", "told", "set-aside",
                        * "follow-up", "followed-up" */
    const char *words; /* what to show: the note, "new → contacted", the message */
};
enum result store_lead_timeline(struct store *store, struct arena *arena, int64_t owner_id, int64_t lead_id,
                                struct lead_moment **out, size_t *count) MUST_CHECK;

/* The visitor's side, by the secret of their receipt. Of a form that joined a lead by its e-mail it shows only what that
 * form said, and erasing by it takes back only that: knowing an address proves nothing. */
enum result store_receipt_find(struct store *store, struct arena *arena, const unsigned char hash[HASH_SIZE],
                               struct lead *out) MUST_CHECK;
/* Rows, outbox bodies, search text and free pages; deliveries under way end `erased`, and lead.erased is told with ids
 * only. The hits stay, without the tie to the lead. By the visitor (HASH) or the member (OWNER_ID and LEAD_ID). */
enum result store_lead_erase_by_receipt(struct store *store, const unsigned char hash[HASH_SIZE],
                                        int64_t now_ms) MUST_CHECK;
enum result store_lead_erase(struct store *store, int64_t owner_id, int64_t lead_id, int64_t now_ms) MUST_CHECK;

#endif
