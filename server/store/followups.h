/* Follow-ups: dated promises on leads. */
#ifndef MEISHI_STORE_FOLLOWUPS_H
#define MEISHI_STORE_FOLLOWUPS_H

#include <stddef.h>
#include <stdint.h>
#include "cards/base/arena.h"
#include "cards/followup.h"

struct store;

/* COUNT promises on one lead, all or none, each with owner, lead, due and note; fills id and created_ms, and writes a line of
 * the lead's timeline. NOT_FOUND: no such lead. LIMITED: it has FOLLOWUP_OPEN_MAX open ones. */
enum result store_followup_add(struct store *store, struct followup *followups, size_t count,
                               int64_t now_ms) MUST_CHECK;

struct followup_filter {
    int64_t lead_id;       /* 0: of any */
    int open;              /* 1 only open ones, 0 only those that are done, -1 all */
    int64_t due_before_ms; /* INT64_MAX: whenever they are due */
    int64_t before;        /* id of the cursor */
    size_t limit;
};
/* Newest first. */
enum result store_followup_list(struct store *store, struct arena *arena, int64_t owner_id,
                                const struct followup_filter *filter, struct followup **out, size_t *count) MUST_CHECK;
/* Open ones that are due at BEFORE_MS or earlier, the longest due first. */
enum result store_followup_due(struct store *store, struct arena *arena, int64_t owner_id, int64_t before_ms,
                               size_t limit, struct followup **out, size_t *count) MUST_CHECK;
enum result store_followup_find(struct store *store, struct arena *arena, int64_t owner_id, int64_t id,
                                struct followup *out) MUST_CHECK;

struct followup_change {
    int64_t due_ms;   /* 0 stays; another day is told of once more */
    const char *note; /* NULL stays, "" takes it away */
    int done;         /* 1, 0 opens it again, -1 stays */
};
enum result store_followup_change(struct store *store, struct arena *arena, int64_t owner_id, int64_t id,
                                  const struct followup_change *change, int64_t now_ms,
                                  struct followup *out) MUST_CHECK;
enum result store_followup_remove(struct store *store, int64_t owner_id, int64_t id) MUST_CHECK;

/* Puts follow_up.due into the outbox for what has come due, once each, whichever server asks. *OUT_NEXT_MS is when something
 * comes due next, as far as is known now; 0: nothing. */
enum result store_followup_tell(struct store *store, int64_t now_ms, int64_t *out_next_ms) MUST_CHECK;

#endif
