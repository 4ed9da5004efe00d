/* How an event gets into the outbox, in the transaction of what brought it forth, and how it is taken out again. */
#ifndef MEISHI_STORE_OUTBOX_H
#define MEISHI_STORE_OUTBOX_H

#include <jansson.h>
#include <stdbool.h>
#include "cards/event.h"
#include "server/store/db.h"

struct endpoint;
struct store;

/* One event with a pending delivery for each enabled endpoint of the owner that wants it, in the running transaction.
 * Takes over DATA's reference. LEAD_ID 0: about no lead. */
enum result outbox_add(struct store *store, struct db *db, int64_t owner_id, enum event_type type, json_t *data,
                       int64_t lead_id, int64_t now_ms) MUST_CHECK;

/* Its two halves, for a ping to one endpoint alone. ENDPOINT (endpoints.h) is changed and written. */
enum result outbox_add_event(struct db *db, int64_t owner_id, enum event_type type, json_t *data, int64_t lead_id,
                             int64_t now_ms, int64_t *out_id) MUST_CHECK;
enum result outbox_add_delivery(struct store *store, struct db *db, struct endpoint *endpoint, int64_t event_id,
                                enum event_type type, int64_t lead_id, int64_t now_ms, int64_t *out_id) MUST_CHECK;
/* Whether any endpoint of the owner wants the event, also one that is off: from memory, so the fold may ask for every
 * row. */
bool outbox_wanted(struct store *store, struct db *db, int64_t owner_id, enum event_type type);
/* Endpoints were changed in the running transaction; and at the store's end. */
void outbox_forget_wants(struct store *store);
/* What waits about a lead ends `erased`. STORE may be NULL. */
enum result outbox_erase(struct store *store, struct db *db, int64_t owner_id, int64_t lead_id,
                         int64_t now_ms) MUST_CHECK;

#endif
