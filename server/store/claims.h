/* What a sender asks of the store: claims deliveries (claims.c), records what came of them (records.c), and is told when there
 * are more. */
#ifndef MEISHI_STORE_CLAIMS_H
#define MEISHI_STORE_CLAIMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "server/store/webhooks.h"

/* What a sender has in hand, by line, and how many places in all: no line may fill them alone. AHEAD more of the prompt may
 * be claimed than there are places, so that none stands empty while the store is asked for the next. MOST are claimed at once, 0:
 * as many as the store likes; of those too the prompt leave an eighth. */
struct delivery_load {
    int places, ahead, most, in_hand[LANE_CHORES];
};
/* Claims due deliveries of enabled endpoints for the places that are free until now + LEASE_MS; *next_due_ms is when the next
 * one will be due that there is a place for (0: none is waiting). Listeners' are never claimed. */
enum result store_delivery_claim(struct store *store, struct arena *arena, int64_t now_ms, int64_t lease_ms,
                                 const struct delivery_load *load, struct delivery **out, size_t *count,
                                 int64_t *next_due_ms) MUST_CHECK;
/* At the start of a sender: what the one before left under way when it died is due now, and need not wait for its lease of
 * LEASE_MS to end. Does nothing when another process used the store as this one came, for that may be sending it. */
enum result store_delivery_release(struct store *store, int64_t now_ms, int64_t lease_ms) MUST_CHECK;
struct outcome {
    int64_t delivery_id;
    struct attempt attempt;
    bool certificate, refused, gone; /* what kind of failure: see struct attempt_facts */
    enum delivery_state state;       /* PENDING: to be tried again at retry_at_ms; DISABLED: gone */
    int64_t retry_at_ms;
    bool interrupted; /* by our own fault: due at retry_at_ms, and no attempt is recorded or counted */
    /* The lease under which it was sent: if another sender has it by now, only that it arrived is recorded. 0: not looked at. */
    int64_t leased_until_ms;
};
/* Records the attempts and what follows for the endpoints, which may be turned off; an outcome for a delivery that was
 * erased or ended otherwise meanwhile is dropped. */
enum result store_delivery_record(struct store *store, const struct outcome *outcomes, size_t count,
                                  int64_t now_ms) MUST_CHECK;
/* The recording and then a claim in one transaction, as a busy sender does them; LOAD is without those recorded. If it fails
 * nothing is recorded either. Lazily: it is on disk after the next store_sync; if the power fails before, the same events are
 * sent again with the same ids. */
enum result store_delivery_exchange(struct store *store, struct arena *arena, const struct outcome *outcomes,
                                    size_t outcome_count, int64_t now_ms, int64_t lease_ms,
                                    const struct delivery_load *load, struct delivery **out, size_t *count,
                                    int64_t *next_due_ms) MUST_CHECK;
/* Called from the committing thread whenever outbox rows were committed; set once at start. */
void store_on_outbox(struct store *store, void (*wake)(void *context), void *context);

/* Called after the commit, from the thread that records, for each endpoint whose member should now hear that it fails: its
 * warning became graver (endpoint_warning), or it was turned off. Set once at start. */
void store_on_trouble(struct store *store, void (*tell)(void *context, int64_t owner_id, int64_t webhook_id),
                      void *context);

#endif
