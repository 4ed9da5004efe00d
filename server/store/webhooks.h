/* Webhook endpoints, and deliveries: rows born `pending` in the transaction of their cause, claimed with a lease. */
#ifndef MEISHI_STORE_WEBHOOKS_H
#define MEISHI_STORE_WEBHOOKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cards/base/arena.h"
#include "cards/delivery.h"
#include "cards/event.h"
#include "cards/webhook_format.h"

struct store;

enum { WEBHOOK_SECRET_SIZE = 32, WEBHOOK_PUBLIC_KEY_SIZE = 32, WEBHOOKS_MAX = 20 /* a member */ };

/* What attempts are signed with: the secret for HMAC, the seed of an ed25519 key when `has_seed`. */
struct webhook_keys {
    unsigned char secret[WEBHOOK_SECRET_SIZE], seed[WEBHOOK_SECRET_SIZE];
    bool has_seed;
};

struct webhook {
    int64_t id, owner_id, created_ms;
    const char *url;
    uint32_t events;            /* bit 1 << enum event_type */
    enum webhook_format format; /* what it gets */
    bool thin;                  /* ids without words */
    bool listener;              /* it asks for its deliveries: nothing is pushed to it */
    bool asymmetric;            /* attempts are signed with ed25519 too; public_key says by which key */
    unsigned char public_key[WEBHOOK_PUBLIC_KEY_SIZE];
    int64_t old_until_ms; /* the secret before the last rotation signs too until then; 0: there is none */
    int64_t disabled_ms;  /* 0: enabled */
    const char *disabled_why;
    struct endpoint_health health;
    int64_t pending, paused; /* deliveries that wait; of them, retries that pause because too many wait */
    int64_t sequence;        /* the number of its last delivery */
    bool replaying;          /* what did not arrive is being sent again, some at a time */
    unsigned char secret[WEBHOOK_SECRET_SIZE]; /* only for add; readers leave it zero */
};

/* Fills id, and the secret when it is all zero; a key too when `asymmetric`. LIMITED: WEBHOOKS_MAX. */
enum result store_webhook_add(struct store *store, struct webhook *webhook, int64_t now_ms) MUST_CHECK;
enum result store_webhook_list(struct store *store, struct arena *arena, int64_t owner_id, struct webhook **out,
                               size_t *count) MUST_CHECK;
enum result store_webhook_find(struct store *store, struct arena *arena, int64_t owner_id, int64_t id,
                               struct webhook *out) MUST_CHECK;
/* url, events, format, thin, asymmetric (a new key when it is turned on) and disabled (0 re-enables, without what was missed)
 * from WEBHOOK. */
enum result store_webhook_change(struct store *store, const struct webhook *webhook, int64_t now_ms) MUST_CHECK;
/* On again, its health as new; with SEND_MISSED as by store_webhook_replay of all that is kept. CONFLICT: it is on. */
enum result store_webhook_enable(struct store *store, int64_t owner_id, int64_t id, bool send_missed,
                                 int64_t now_ms) MUST_CHECK;
/* A new secret (and a new key if it has one), said here and never again; the one before signs too for KEEP_OLD_MS, and any
 * older one no more. */
enum { WEBHOOK_KEEP_OLD_MS = 24 * 60 * 60 * 1000, WEBHOOK_KEEP_OLD_MAX_MS = 7 * 24 * 60 * 60 * 1000 };
enum result store_webhook_rotate(struct store *store, int64_t owner_id, int64_t id, int64_t keep_old_ms, int64_t now_ms,
                                 unsigned char out_secret[WEBHOOK_SECRET_SIZE]) MUST_CHECK;
/* Its pending deliveries end `disabled`. */
enum result store_webhook_remove(struct store *store, int64_t owner_id, int64_t id, int64_t now_ms) MUST_CHECK;
/* One webhook.ping on its way to this endpoint alone; fills *out_delivery_id. CONFLICT: it is off. */
enum result store_webhook_ping(struct store *store, int64_t owner_id, int64_t id, int64_t now_ms,
                               int64_t *out_delivery_id) MUST_CHECK;

/* Of its last thousand attempts at most, within 24 hours. */
struct webhook_stats {
    int64_t attempts, failures;
    int64_t median_ms, p95_ms; /* of all of them; 0 when there are none */
};
enum result store_webhook_stats(struct store *store, int64_t owner_id, int64_t id, int64_t now_ms,
                                struct webhook_stats *out) MUST_CHECK;

enum delivery_state { DELIVERY_PENDING, DELIVERY_DELIVERED, DELIVERY_FAILED, DELIVERY_DISABLED, DELIVERY_ERASED };
const char *delivery_state_name(enum delivery_state state);
enum { DELIVERY_STATE_COUNT = DELIVERY_ERASED + 1 };
enum delivery_state delivery_state_parse(const char *name); /* DELIVERY_STATE_COUNT: none */

/* The lines in which endpoints stand for a place: how they answered last, and what they wait for. The last is for what the
 * store itself has to do for them. */
enum endpoint_lane { LANE_PROMPT, LANE_UNPROVEN, LANE_RETRIES, LANE_CHORES, LANE_COUNT };

struct delivery {
    int64_t id, owner_id, webhook_id, lead_id, created_ms, due_ms, finished_ms;
    int64_t event_id; /* shown as msg_…: the webhook-id, the same for every attempt */
    int64_t sequence; /* counts the deliveries of its endpoint from 1; 0: born before they were counted */
    enum event_type type;
    enum delivery_state state;
    bool paused; /* pending, but too many are before it */
    int attempts;
    int last_status;         /* HTTP, 0 when none came */
    int64_t last_latency_ms; /* of the last attempt; only from the lists and find */
    const char *last_error;  /* an error class: "timeout", "refused address", …; NULL */
    const char *url;         /* of its endpoint; only from list_of_lead and find */
    const char *body;        /* only from claim and delivery_find: event_body's */
    enum endpoint_lane lane; /* only from claim, like what follows */
    int64_t leased_until_ms;
    struct webhook webhook;
    struct webhook_keys keys, old_keys;
    bool has_old_keys;
};
struct attempt {
    int64_t at_ms;
    int status;
    int64_t latency_ms;
    const char *error; /* an error class; NULL: it arrived */
};

struct delivery_filter {
    int64_t webhook_id;
    int state;      /* enum delivery_state, -1 for all */
    int64_t before; /* an id, 0: from the newest on */
    size_t limit;
};
enum result store_delivery_list(struct store *store, struct arena *arena, int64_t owner_id,
                                const struct delivery_filter *filter, struct delivery **out, size_t *count) MUST_CHECK;
/* Who was told of it and when: finished_ms of those that are `delivered`. */
enum result store_delivery_list_of_lead(struct store *store, struct arena *arena, int64_t owner_id, int64_t lead_id,
                                        struct delivery **out, size_t *count) MUST_CHECK;
enum result store_delivery_find(struct store *store, struct arena *arena, int64_t owner_id, int64_t id,
                                struct delivery *out, struct attempt **attempts, size_t *attempt_count) MUST_CHECK;
/* Pending again, due now, same event id, the schedule from its start. CONFLICT: erased, pending already, or its endpoint is
 * off or removed. LIMITED: the member did so ten times within a minute. */
enum result store_delivery_redeliver(struct store *store, int64_t owner_id, int64_t id, int64_t now_ms) MUST_CHECK;
/* The same for all of an endpoint's that failed or found it off and were made at SINCE_MS or later, oldest first, five a
 * second; what is asked again meanwhile starts over. *out_count (up to MISSED_COUNTED_MAX) is how many there are. CONFLICT: it
 * is off. */
enum { MISSED_COUNTED_MAX = 10000 };
enum result store_webhook_replay(struct store *store, int64_t owner_id, int64_t id, int64_t since_ms, int64_t now_ms,
                                 int64_t *out_count) MUST_CHECK;
/* How many a replay would send. */
enum result store_webhook_missed(struct store *store, int64_t owner_id, int64_t id, int64_t since_ms,
                                 int64_t *out_count) MUST_CHECK;

struct webhook_figures {
    int64_t waiting, resting, pending;   /* now: endpoints that have something waiting, that rest of them, deliveries */
    int64_t ended[DELIVERY_STATE_COUNT]; /* deliveries since the start of the process */
};
enum result store_webhook_figures(struct store *store, int64_t now_ms, struct webhook_figures *out) MUST_CHECK;

#endif
