/* Webhook endpoints, and deliveries: rows born `pending` in the transaction of their cause, claimed with a lease. */
#ifndef MEISHI_STORE_WEBHOOKS_H
#define MEISHI_STORE_WEBHOOKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cards/base/arena.h"
#include "cards/event.h"

struct store;

enum { WEBHOOK_SECRET_SIZE = 32, WEBHOOKS_MAX = 20 /* a member */ };

struct webhook {
    int64_t id, owner_id, created_ms;
    const char *url;
    uint32_t events;     /* bit 1 << enum event_type */
    int64_t disabled_ms; /* 0: enabled */
    const char *disabled_why;
    int64_t last_success_ms, last_failure_ms, failures_in_a_row;
    unsigned char secret[WEBHOOK_SECRET_SIZE]; /* sealed at rest; readers leave it zero unless said */
};

/* Fills id, and the secret when it is all zero. LIMITED: WEBHOOKS_MAX. */
enum result store_webhook_add(struct store *store, struct webhook *webhook, int64_t now_ms) MUST_CHECK;
enum result store_webhook_list(struct store *store, struct arena *arena, int64_t owner_id, struct webhook **out,
                               size_t *count) MUST_CHECK;
enum result store_webhook_find(struct store *store, struct arena *arena, int64_t owner_id, int64_t id,
                               struct webhook *out) MUST_CHECK;
/* url, events, and disabled (0 re-enables) from WEBHOOK. */
enum result store_webhook_change(struct store *store, const struct webhook *webhook, int64_t now_ms) MUST_CHECK;
/* Its pending deliveries end `disabled`. */
enum result store_webhook_remove(struct store *store, int64_t owner_id, int64_t id, int64_t now_ms) MUST_CHECK;
/* One webhook.ping on its way to this endpoint alone; fills *out_delivery_id. CONFLICT: it is off. */
enum result store_webhook_ping(struct store *store, int64_t owner_id, int64_t id, int64_t now_ms,
                               int64_t *out_delivery_id) MUST_CHECK;

enum delivery_state { DELIVERY_PENDING, DELIVERY_DELIVERED, DELIVERY_FAILED, DELIVERY_DISABLED, DELIVERY_ERASED };
const char *delivery_state_name(enum delivery_state state);

struct delivery {
    int64_t id, owner_id, webhook_id, lead_id, created_ms, due_ms, finished_ms;
    int64_t event_id; /* shown as msg_…: the webhook-id, the same for every attempt */
    enum event_type type;
    enum delivery_state state;
    int attempts;
    int last_status;        /* HTTP, 0 when none came */
    const char *last_error; /* an error class: "timeout", "refused address", …; NULL */
    const char *body;       /* only from claim and delivery_find */
    struct webhook webhook; /* only from claim, with its secret */
};
struct attempt {
    int64_t at_ms;
    int status;
    int64_t latency_ms;
    const char *error;
};

enum result store_delivery_list(struct store *store, struct arena *arena, int64_t owner_id, int64_t webhook_id,
                                int64_t before, size_t limit, struct delivery **out, size_t *count) MUST_CHECK;
enum result store_delivery_list_of_lead(struct store *store, struct arena *arena, int64_t owner_id, int64_t lead_id,
                                        struct delivery **out, size_t *count) MUST_CHECK;
enum result store_delivery_find(struct store *store, struct arena *arena, int64_t owner_id, int64_t id,
                                struct delivery *out, struct attempt **attempts, size_t *attempt_count) MUST_CHECK;
/* Pending again, due now, same event id, the schedule from its start. CONFLICT: erased, pending already, or its endpoint is
 * off or removed. */
enum result store_delivery_redeliver(struct store *store, int64_t owner_id, int64_t id, int64_t now_ms) MUST_CHECK;

/* Claims up to LIMIT due deliveries of enabled endpoints until now + LEASE_MS; *next_due_ms is when the next one will be
 * due (0: none is waiting). */
enum result store_delivery_claim(struct store *store, struct arena *arena, int64_t now_ms, int64_t lease_ms,
                                 size_t limit, struct delivery **out, size_t *count, int64_t *next_due_ms) MUST_CHECK;
struct outcome {
    int64_t delivery_id;
    struct attempt attempt;
    enum delivery_state state; /* PENDING: to be tried again at retry_at_ms */
    int64_t retry_at_ms;
    bool interrupted;        /* by our own fault: due at retry_at_ms, and no attempt is recorded or counted */
    const char *disable_why; /* not NULL: the endpoint is disabled with its pending deliveries (410) */
};
/* Records the attempt and what follows; an outcome for a delivery that was erased meanwhile is dropped. */
enum result store_delivery_record(struct store *store, const struct outcome *outcomes, size_t count,
                                  int64_t now_ms) MUST_CHECK;
/* Called from the committing thread whenever outbox rows were committed; set once at start. */
void store_on_outbox(struct store *store, void (*wake)(void *context), void *context);

#endif
