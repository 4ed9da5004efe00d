/* See deliver.h. */
#include "server/notify/deliver.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "server/ids.h"
#include "server/log.h"
#include "server/notify/courier.h"
#include "server/notify/pace.h"
#include "server/notify/sending.h"
#include "server/notify/sign.h"
#include "server/store/store.h"

enum {
    LEASE_MS = 60000, /* well over COURIER_DEADLINE_MS and the time to record */
    SLEEP_MAX_MS = 60000,
    PAUSE_MS = 1000, /* after the store would not answer */
    AGAIN_MS = 1,
    INTERRUPTED_MS = 1000,
    GATHER_MS = 5,
    FOLLOWUPS_MS = 5000,
    HANDFUL = COURIER_CALLS_MAX / 2,                    /* of outcomes, worth a transaction */
    ENOUGH = COURIER_CALLS_MAX + COURIER_CALLS_MAX / 2, /* in the sending process, so that it need not wait for one */
    SYNC_MS = 50,      /* for what was recorded to be on disk: until then it might be sent again */
    CROWDED_MOST = 16, /* handed out at once while others want the machine */
    STOP_MS = 5000
};

/* What must be remembered of a delivery until its outcome is known. */
struct flight {
    int64_t delivery_id; /* 0: free */
    int64_t at_ms, leased_until_ms;
    int attempts; /* before this one */
    enum endpoint_lane lane;
};

struct sender {
    struct store *store;
    struct courier *courier;
    pthread_t thread;
    atomic_bool stopping, woken;
    atomic_llong attempts, delivered, in_flight;
    int64_t sync_ms;      /* on the monotonic clock: when what was recorded must be on disk; 0: it is */
    int64_t followups_ms; /* when to look for what has come due */
    bool crowded;         /* others want the machine */
    struct flight flights[COURIER_JOBS_MAX];
};

static void wake(void *context)
{
    struct sender *sender = context;
    atomic_store(&sender->woken, true);
    courier_wake(sender->courier);
}

static struct flight *flight_of(struct sender *sender, int64_t delivery_id)
{
    for (int i = 0; i < COURIER_JOBS_MAX; i++)
        if (sender->flights[i].delivery_id == delivery_id)
            return &sender->flights[i];
    return NULL;
}

/* ---- out ---- */

static void send_one(struct sender *sender, const struct delivery *delivery, struct arena *arena)
{
    char message_id[ID_TEXT_SIZE];
    int64_t now = now_ms(), now_s = now / 1000;
    struct webhook_message message;
    const struct webhook_event event = {.format = delivery->webhook.format,
                                        .thin = delivery->webhook.thin,
                                        .sequence = delivery->sequence,
                                        .url = delivery->webhook.url,
                                        .body = delivery->body,
                                        .base_url = store_base_url(sender->store)};
    if (webhook_format_write(&event, arena, &message) != RESULT_OK)
        return; /* erased since it was claimed: there is nothing left to tell */
    id_format(message_id, "msg", delivery->event_id);
    const char *signatures = webhook_signatures(&delivery->keys, delivery->has_old_keys ? &delivery->old_keys : NULL,
                                                message_id, now_s, message.body, arena);
    struct send_job job = {
        .id = delivery->id,
        .group = delivery->owner_id,
        .place = delivery->webhook_id,
        .url = message.url,
        .headers = {"Content-Type: application/json", "User-Agent: Meishi-Webhooks/1",
                    arena_printf(arena, "webhook-id: %s", message_id),
                    arena_printf(arena, "webhook-timestamp: %" PRId64, now_s),
                    arena_printf(arena, "webhook-signature: %s", signatures)},
        .body = message.body,
    };
    struct flight *flight = flight_of(sender, 0);
    if (!flight || courier_add(sender->courier, &job) != RESULT_OK)
        return; /* cannot be: only as many are claimed as are free; the lease would bring it back */
    *flight = (struct flight){.delivery_id = delivery->id,
                              .at_ms = now,
                              .leased_until_ms = delivery->leased_until_ms,
                              .attempts = delivery->attempts,
                              .lane = delivery->lane};
    atomic_fetch_add(&sender->attempts, 1);
    atomic_fetch_add(&sender->in_flight, 1);
}

static struct delivery_load load_of(const struct sender *sender)
{
    struct delivery_load load = {.places = COURIER_CALLS_MAX,
                                 .ahead = COURIER_JOBS_MAX - COURIER_CALLS_MAX,
                                 .most = sender->crowded ? CROWDED_MOST : 0};
    for (int i = 0; i < COURIER_JOBS_MAX; i++)
        if (sender->flights[i].delivery_id)
            load.in_hand[sender->flights[i].lane]++;
    return load;
}

/* ---- back ---- */

static bool is_slow(const struct send_outcome *sent)
{
    return send_error_is_timeout(sent->error) || sent->status == 429 || (sent->status >= 502 && sent->status <= 504);
}

static struct outcome judge_outcome(const struct send_outcome *sent, const struct flight *flight)
{
    struct outcome outcome = {
        .delivery_id = sent->id,
        .attempt = {.at_ms = flight->at_ms,
                    .status = sent->status,
                    .latency_ms = sent->latency_ms,
                    .error = send_error_name(sent->error)},
        .state = DELIVERY_DELIVERED,
        .leased_until_ms = flight->leased_until_ms,
    };
    if (sent->error == SEND_OK)
        return outcome;
    if (sent->error == SEND_INTERRUPTED) {
        outcome.interrupted = true;
        outcome.state = DELIVERY_PENDING;
        outcome.retry_at_ms = now_ms() + INTERRUPTED_MS + (int64_t)(random_u64() % INTERRUPTED_MS);
        return outcome;
    }
    if (sent->status == 410) {
        outcome.state = DELIVERY_DISABLED;
        outcome.gone = true;
        return outcome;
    }
    if (sent->error == SEND_CRASH) { /* it would for ever */
        outcome.state = DELIVERY_FAILED;
        return outcome;
    }
    outcome.certificate = send_error_is_certificate(sent->error);
    outcome.refused = sent->error == SEND_REFUSED_ADDRESS;
    outcome.retry_at_ms =
        delivery_retry_at(flight->attempts + 1, now_ms(), random_u64(), is_slow(sent), sent->retry_after_ms);
    outcome.state = outcome.retry_at_ms ? DELIVERY_PENDING : DELIVERY_FAILED;
    return outcome;
}

/* Frees their places. */
static void take_back(struct sender *sender, const struct send_outcome *sent, size_t count, struct outcome *out)
{
    for (size_t i = 0; i < count; i++) {
        struct flight *flight = flight_of(sender, sent[i].id);
        assert(flight);
        out[i] = judge_outcome(&sent[i], flight);
        if (out[i].state == DELIVERY_DELIVERED)
            atomic_fetch_add(&sender->delivered, 1);
        *flight = (struct flight){0};
        atomic_fetch_sub(&sender->in_flight, 1);
    }
}

/* What came back and is not recorded yet. Recording a handful costs little more than recording one, so they are gathered while
 * there is enough to send without asking the store, and no longer than GATHER_MS. */
struct gathered {
    struct outcome outcomes[COURIER_JOBS_MAX];
    size_t count;
    int64_t until_ms; /* monotonic */
};

/* What the store would not record, because it is away: nobody else can have it either. Once it answers and still will not, what is
 * beyond its lease is another's, and is let go. */
static void keep_for_later(struct sender *sender, struct gathered *gathered)
{
    size_t kept = 0;
    int64_t now = now_ms();
    bool answers = store_ping(sender->store) == RESULT_OK;
    for (size_t i = 0; i < gathered->count; i++)
        if (!answers || gathered->outcomes[i].leased_until_ms > now)
            gathered->outcomes[kept++] = gathered->outcomes[i];
    if (kept < gathered->count)
        log_error("webhook-record", "count=%zu words=\"sent but not recorded, will be sent again\"",
                  gathered->count - kept);
    gathered->count = kept;
}

static void record(struct sender *sender, struct gathered *gathered)
{
    if (!gathered->count)
        return;
    if (store_delivery_record(sender->store, gathered->outcomes, gathered->count, now_ms()) == RESULT_OK)
        gathered->count = 0;
    else
        keep_for_later(sender, gathered);
}

/* ---- round and round ---- */

/* A sync for each handful of deliveries would be most of what a busy sender waits for. */
static void sync_when_due(struct sender *sender, int64_t now)
{
    if (!sender->sync_ms || now < sender->sync_ms)
        return;
    if (store_sync(sender->store) != RESULT_OK)
        log_error("webhook-sync", "words=\"what was recorded may be sent again after a power failure\"");
    sender->sync_ms = 0;
}

/* Records what came back, claims as many as there are places for, in the same transaction, and sends them; says how long
 * nothing more will be due. A claim does a bounded part of what is to be done, so what is left is looked at again at once,
 * and other writers come in between. */
static int exchange(struct sender *sender, struct gathered *gathered)
{
    struct arena arena;
    struct delivery *deliveries;
    const struct delivery_load load = load_of(sender);
    size_t count, outcome_count = gathered->count;
    int64_t now = now_ms(), next_due_ms;
    arena_init(&arena);
    enum result result =
        outcome_count
            ? store_delivery_exchange(sender->store, &arena, gathered->outcomes, outcome_count, now, LEASE_MS, &load,
                                      &deliveries, &count, &next_due_ms)
            : store_delivery_claim(sender->store, &arena, now, LEASE_MS, &load, &deliveries, &count, &next_due_ms);
    for (size_t i = 0; i < count; i++) {
        send_one(sender, &deliveries[i], &arena);
        sodium_memzero(&deliveries[i].keys, sizeof deliveries[i].keys);
        sodium_memzero(&deliveries[i].old_keys, sizeof deliveries[i].old_keys);
    }
    arena_free(&arena);
    if (result == RESULT_OK && outcome_count && !sender->sync_ms)
        sender->sync_ms = monotonic_ms() + SYNC_MS;
    if (result != RESULT_OK) { /* what cannot be claimed must not keep what was sent from being recorded */
        record(sender, gathered);
        return PAUSE_MS;
    }
    gathered->count = 0;
    int64_t wait = next_due_ms ? next_due_ms - now : SLEEP_MAX_MS;
    return wait < AGAIN_MS ? AGAIN_MS : wait < SLEEP_MAX_MS ? (int)wait : SLEEP_MAX_MS;
}

static void gather(struct sender *sender, struct gathered *gathered, int wait_ms)
{
    struct send_outcome sent[COURIER_JOBS_MAX];
    size_t count = courier_run(sender->courier, wait_ms, sent, COURIER_JOBS_MAX - gathered->count);
    if (count && !gathered->count)
        gathered->until_ms = monotonic_ms() + GATHER_MS;
    take_back(sender, sent, count, gathered->outcomes + gathered->count);
    gathered->count += count;
}

static bool is_time(const struct sender *sender, const struct gathered *gathered, int64_t now)
{
    return gathered->count &&
           (courier_busy(sender->courier) < ENOUGH || gathered->count >= HANDFUL || now >= gathered->until_ms);
}

/* What has come due is put into the outbox, which is looked at next. A server that is told of it late tells late, so it asks
 * by itself, and not only when something is to be sent. */
static void tell_followups(struct sender *sender, int64_t now)
{
    int64_t next_ms;
    if (now < sender->followups_ms)
        return;
    if (store_followup_tell(sender->store, now_ms(), &next_ms) != RESULT_OK)
        log_error("follow-up-tell", "words=\"what is due is told later\"");
    sender->followups_ms = now + FOLLOWUPS_MS;
}

static int64_t earlier_of(int64_t one, int64_t other)
{
    return one < other ? one : other;
}

/* While others want the machine, little is sent at once too, so that nobody waits long behind it. */
static int rest_after(struct sender *sender, struct pace *pace)
{
    struct courier_figures courier;
    courier_figures(sender->courier, &courier);
    int rest_ms = pace_rest_ms(pace, (pid_t)courier.process);
    sender->crowded = pace->crowded;
    return rest_ms;
}

static void *run(void *context)
{
    struct sender *sender = context;
    struct pace pace;
    struct gathered gathered = {.count = 0};
    pace_open(&pace);
    if (store_delivery_release(sender->store, now_ms(), LEASE_MS) != RESULT_OK)
        log_error("webhook-release", "words=\"what was under way at a crash waits for its lease to end\"");
    /* On the monotonic clock: when to look at the outbox again, until when to rest, when to give up. */
    int64_t look_ms = 0, rest_ms = 0, stop_ms = 0;
    for (;;) {
        int64_t now = monotonic_ms();
        tell_followups(sender, now);
        if (atomic_load(&sender->stopping)) {
            if (!stop_ms)
                stop_ms = now + STOP_MS;
            if (now >= rest_ms || now >= stop_ms) {
                record(sender, &gathered);
                rest_ms = now + (gathered.count ? PAUSE_MS : 0);
            }
            if ((!courier_busy(sender->courier) && !gathered.count) || now >= stop_ms)
                break;
            look_ms = stop_ms;
            atomic_store(&sender->woken, false); /* nothing more is sent */
        } else if (now >= rest_ms &&
                   (is_time(sender, &gathered, now) || atomic_exchange(&sender->woken, false) || now >= look_ms)) {
            look_ms = now + exchange(sender, &gathered);
            rest_ms = now + (gathered.count ? PAUSE_MS : rest_after(sender, &pace));
        }
        now = monotonic_ms();
        sync_when_due(sender, now);
        int64_t until_ms = gathered.count ? earlier_of(look_ms, gathered.until_ms) : look_ms;
        if (atomic_load(&sender->woken)) /* in its rest, for one: then it looks as soon as that is over */
            until_ms = now;
        if (until_ms < rest_ms)
            until_ms = rest_ms;
        if (sender->sync_ms)
            until_ms = earlier_of(until_ms, sender->sync_ms);
        until_ms = earlier_of(until_ms, sender->followups_ms);
        gather(sender, &gathered, until_ms > now ? (int)(until_ms - now) : 0);
    }
    if (gathered.count)
        log_error("webhook-record", "count=%zu words=\"sent but not recorded, will be sent again\"", gathered.count);
    sync_when_due(sender, INT64_MAX);
    pace_close(&pace);
    return NULL;
}

/* ---- start and stop ---- */

enum result sender_start(struct store *store, const char *webhook_allow, struct arena *arena, struct sender **out,
                         const char **why)
{
    struct address_policy policy;
    enum result result = address_policy_parse(webhook_allow, &policy, why);
    if (result != RESULT_OK) {
        *why = arena_printf(arena, "MEISHI_WEBHOOK_ALLOW: %s", *why);
        return result;
    }
    struct sender *sender = calloc(1, sizeof *sender);
    *why = "The thread that sends webhooks could not be started.";
    if (!sender)
        return RESULT_FAILED;
    sender->store = store;
    if (courier_open(&policy, NULL, &sender->courier) != RESULT_OK)
        goto failed;
    store_on_outbox(store, wake, sender);
    if (!pthread_create(&sender->thread, NULL, run, sender)) {
        *out = sender;
        return RESULT_OK;
    }
    store_on_outbox(store, NULL, NULL);
    courier_close(sender->courier);
failed:
    free(sender);
    return RESULT_FAILED;
}

void sender_stop(struct sender *sender)
{
    if (!sender)
        return;
    atomic_store(&sender->stopping, true);
    courier_wake(sender->courier);
    pthread_join(sender->thread, NULL);
    store_on_outbox(sender->store, NULL, NULL);
    courier_close(sender->courier);
    free(sender);
}

void sender_figures(struct sender *sender, struct sender_figures *out)
{
    struct courier_figures courier;
    *out = (struct sender_figures){0};
    if (!sender)
        return;
    courier_figures(sender->courier, &courier);
    *out = (struct sender_figures){.attempts = atomic_load(&sender->attempts),
                                   .delivered = atomic_load(&sender->delivered),
                                   .in_flight = atomic_load(&sender->in_flight),
                                   .restarts = courier.restarts,
                                   .worker = courier.worker};
}

enum result sender_attach(struct sender *sender, int fd)
{
    return courier_attach(sender->courier, fd);
}
