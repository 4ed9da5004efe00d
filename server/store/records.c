/* What became of deliveries that were handed out: the log of attempts, the end or the next try, what it says about the
 * endpoint, and whose turn that makes it.
 *
 * Outcomes of one endpoint are taken together: it is read once, and finds its place in line when the last of them is counted.
 *
 * If the sender dies between sending and recording, nothing here has happened: the lease ends, and the same event is sent
 * again with the same id. If the commit fails, likewise. */
#include <stdlib.h>
#include <string.h>
#include "server/ids.h"
#include "server/store/deliveries.h"
#include "server/store/endpoints.h"
#include "server/store/lead_steps.h"

enum { CALLED_AT_ONCE = 2 };

struct flight {
    const struct outcome *outcome;
    struct delivery delivery;
    struct endpoint *endpoint;
    int64_t target, leased_until_ms;
};

static enum result find_flight(struct db *db, struct arena *arena, int64_t delivery_id, struct flight *out)
{
    struct db_rows *rows;
    enum result result =
        db_one(db, "SELECT " DELIVERY_COLUMNS ", leased_target, leased_until_ms FROM deliveries WHERE id = $1",
               DB_ARGS(DB_INT(delivery_id)), &rows);
    if (result != RESULT_OK)
        return result;
    delivery_from_row(rows, arena, &out->delivery);
    out->target = db_column_int(rows, DELIVERY_COLUMN_COUNT);
    out->leased_until_ms = db_column_int(rows, DELIVERY_COLUMN_COUNT + 1);
    db_finish(&rows);
    return RESULT_OK;
}

/* ---- one attempt ---- */

static enum result log_attempt(struct db *db, const struct delivery *delivery, const struct attempt *attempt)
{
    return db_run(
        db,
        "INSERT INTO delivery_attempts (owner_id, delivery_id, id, at_ms, status, latency_ms, error, webhook_id) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        DB_ARGS(DB_INT(delivery->owner_id), DB_INT(delivery->id), DB_INT(id_new()), DB_INT(attempt->at_ms),
                DB_INT(attempt->status), DB_INT(attempt->latency_ms), db_text(attempt->error),
                DB_INT(delivery->webhook_id)));
}

static enum result move_on(struct recording *recording, struct db *db, const struct outcome *outcome,
                           struct flight *flight)
{
    const struct delivery *delivery = &flight->delivery;
    bool pending = outcome->state == DELIVERY_PENDING;
    if (!pending) {
        flight->endpoint->webhook.pending--;
        recording->store->ended[outcome->state]++;
    }
    return db_run(db,
                  "UPDATE deliveries SET state = $3, due_ms = $4, finished_ms = $5, last_status = $6, last_error = $7, "
                  "leased_until_ms = NULL, attempts = attempts + 1, queue = 1 WHERE owner_id = $1 AND id = $2",
                  DB_ARGS(DB_INT(delivery->owner_id), DB_INT(delivery->id), DB_INT(outcome->state),
                          DB_INT(pending ? outcome->retry_at_ms : delivery->due_ms),
                          db_int_or_null(pending ? 0 : recording->now_ms), db_int_or_null(outcome->attempt.status),
                          db_text(outcome->attempt.error)));
}

/* The host of an endpoint's URL, for the lead's timeline. */
static const char *host_of(const char *url, struct arena *arena)
{
    const char *host = url ? strstr(url, "://") : NULL;
    return host ? arena_strndup(arena, host + 3, strcspn(host + 3, "/?")) : url;
}

static enum result note_told(struct db *db, struct arena *arena, const struct flight *flight, int64_t at_ms)
{
    const struct delivery *delivery = &flight->delivery;
    if (!delivery->lead_id || delivery->type != EVENT_LEAD_CREATED)
        return RESULT_OK;
    return lead_moment_add(db, delivery->owner_id, delivery->lead_id, at_ms, "told",
                           host_of(flight->endpoint->webhook.url, arena));
}

/* OK with *WHY not NULL: the endpoint is to be turned off. */
static enum result note_attempt(struct recording *recording, struct db *db, struct arena *arena,
                                const struct outcome *outcome, struct flight *flight, const char **why)
{
    const struct attempt *attempt = &outcome->attempt;
    const struct attempt_facts facts = {.success = outcome->state == DELIVERY_DELIVERED,
                                        .certificate = outcome->certificate,
                                        .refused = outcome->refused,
                                        .gone = outcome->gone,
                                        .answered = attempt->status != 0,
                                        .latency_ms = attempt->latency_ms};
    enum result result = log_attempt(db, &flight->delivery, attempt);
    if (result == RESULT_OK)
        result = move_on(recording, db, outcome, flight);
    if (result == RESULT_OK && facts.success)
        result = note_told(db, arena, flight, attempt->at_ms);
    *why = endpoint_note_attempt(&flight->endpoint->webhook.health, &facts, recording->now_ms);
    return result;
}

/* By our own fault: nobody's attempt. It keeps its place among the fresh or the retries. */
static enum result put_back(struct db *db, const struct outcome *outcome, const struct delivery *delivery)
{
    return db_run(db, "UPDATE deliveries SET due_ms = $3, leased_until_ms = NULL WHERE owner_id = $1 AND id = $2",
                  DB_ARGS(DB_INT(delivery->owner_id), DB_INT(delivery->id), DB_INT(outcome->retry_at_ms)));
}

/* ---- whose turn that makes it ---- */

/* A place came free: those of the crowd who have waited longest are looked at again. Two, because one may find that it
 * waits for another crowd as well. */
static enum result call_crowd(struct db *db, int64_t crowd_id, int64_t now_ms)
{
    return db_run(db,
                  "UPDATE webhooks SET waits_for = NULL, next_due_ms = $2 WHERE waits_for = $1 AND id IN (SELECT id "
                  "FROM webhooks WHERE waits_for = $1 ORDER BY turn_ms LIMIT $3)",
                  DB_ARGS(DB_INT(crowd_id), DB_INT(now_ms), DB_INT(CALLED_AT_ONCE)));
}

static enum result record_one(struct recording *recording, struct db *db, struct arena *arena, struct flight *flight,
                              const char **why)
{
    const struct outcome *outcome = flight->outcome;
    const struct webhook *webhook = &flight->endpoint->webhook;
    /* As it stood when it last failed: the last day begins between two attempts. */
    enum endpoint_warning before = endpoint_warning(&webhook->health, webhook->health.last_failure_ms);
    enum result result = outcome->interrupted ? put_back(db, outcome, &flight->delivery)
                                              : note_attempt(recording, db, arena, outcome, flight, why);
    if (result != RESULT_OK)
        return result;
    if ((*why || endpoint_warning(&webhook->health, recording->now_ms) > before) &&
        recording->troubled_count < TROUBLED_MAX) {
        recording->troubled[recording->troubled_count].owner_id = webhook->owner_id;
        recording->troubled[recording->troubled_count++].webhook_id = webhook->id;
    }
    return RESULT_OK;
}

static bool is_of(const struct flight *flight, const struct flight *other)
{
    return flight->delivery.owner_id == other->delivery.owner_id &&
           flight->delivery.webhook_id == other->delivery.webhook_id;
}

/* This sender was away for longer than its lease, and another has it now or had it: what becomes of it is for that one to say,
 * unless it arrived. */
static bool is_overtaken(const struct flight *flight)
{
    const struct outcome *outcome = flight->outcome;
    return outcome->leased_until_ms && outcome->leased_until_ms != flight->leased_until_ms &&
           outcome->state != DELIVERY_DELIVERED;
}

/* Those of one endpoint. Erased, disabled or recorded meanwhile: that end stands. */
static enum result record_some(struct recording *recording, struct db *db, struct arena *arena, struct flight *flights,
                               size_t count)
{
    struct endpoint endpoint;
    const char *why = NULL;
    bool any = false;
    enum result result = endpoint_read(db, arena, flights->delivery.owner_id, flights->delivery.webhook_id, &endpoint);
    for (size_t i = 0; i < count && result == RESULT_OK; i++) {
        const char *now_why = NULL;
        flights[i].endpoint = &endpoint;
        if (flights[i].delivery.state != DELIVERY_PENDING || is_overtaken(&flights[i]))
            continue;
        any = true;
        result = record_one(recording, db, arena, &flights[i], &now_why);
        why = why ? why : now_why;
    }
    if (result != RESULT_OK || !any)
        return result == RESULT_NOT_FOUND ? RESULT_OK : result;
    return why ? endpoint_disable(recording->store, db, &endpoint, why, recording->now_ms)
               : endpoint_settle(db, &endpoint, recording->now_ms);
}

/* Mostly nobody waits for a crowd, and then nobody needs to be called for each outcome. */
static enum result is_anybody_waiting(struct db *db, bool *out)
{
    struct db_rows *rows;
    enum result result = db_one(db, "SELECT 1 FROM webhooks WHERE waits_for IS NOT NULL LIMIT 1", NULL, 0, &rows);
    *out = result == RESULT_OK;
    if (result == RESULT_OK)
        db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

static enum result call_crowds(struct db *db, const struct flight *flight, int64_t now_ms)
{
    enum result result = call_crowd(db, flight->delivery.owner_id, now_ms);
    return result == RESULT_OK && flight->target ? call_crowd(db, flight->target, now_ms) : result;
}

/* By endpoint, and as they came. */
static int compare_flights(const void *a, const void *b)
{
    const struct flight *one = a, *other = b;
    int64_t mine[] = {one->delivery.owner_id, one->delivery.webhook_id, one->outcome->attempt.at_ms, one->delivery.id};
    int64_t theirs[] = {other->delivery.owner_id, other->delivery.webhook_id, other->outcome->attempt.at_ms,
                        other->delivery.id};
    int i = 0;
    while (i < 3 && mine[i] == theirs[i])
        i++;
    return (mine[i] > theirs[i]) - (mine[i] < theirs[i]);
}

static enum result find_flights(const struct recording *recording, struct db *db, struct arena *arena,
                                struct flight *out, size_t *count)
{
    enum result result = RESULT_OK;
    *count = 0;
    for (size_t i = 0; i < recording->count && result == RESULT_OK; i++) {
        out[*count].outcome = &recording->outcomes[i];
        result = find_flight(db, arena, recording->outcomes[i].delivery_id, &out[*count]);
        *count += result == RESULT_OK;
        result = result == RESULT_NOT_FOUND ? RESULT_OK : result;
    }
    qsort(out, *count, sizeof *out, compare_flights);
    return result;
}

static enum result record_all(struct recording *recording, struct db *db, struct arena *arena)
{
    bool waiting;
    size_t count = 0, next;
    struct flight *flights = arena_alloc_raw(arena, sizeof *flights * (recording->count + 1));
    enum result result = is_anybody_waiting(db, &waiting);
    if (result == RESULT_OK)
        result = find_flights(recording, db, arena, flights, &count);
    for (size_t i = 0; result == RESULT_OK && i < count; i = next) {
        for (next = i + 1; next < count && is_of(&flights[next], &flights[i]);)
            next++;
        result = record_some(recording, db, arena, &flights[i], next - i);
    }
    for (size_t i = 0; result == RESULT_OK && waiting && i < count; i++)
        result = call_crowds(db, &flights[i], recording->now_ms);
    return result;
}

enum result delivery_record_all(struct recording *recording, struct db *db)
{
    struct arena arena;
    arena_init(&arena);
    recording->troubled_count = 0;
    enum result result = record_all(recording, db, &arena);
    arena_free(&arena);
    return result;
}

void delivery_tell_troubles(const struct recording *recording)
{
    const struct store *store = recording->store;
    for (size_t i = 0; i < recording->troubled_count && store->tell_trouble; i++)
        store->tell_trouble(store->trouble_context, recording->troubled[i].owner_id, recording->troubled[i].webhook_id);
}

static enum result record_body(struct db *db, void *context)
{
    return delivery_record_all(context, db);
}

enum result store_delivery_record(struct store *store, const struct outcome *outcomes, size_t count, int64_t now_ms)
{
    struct recording recording = {.store = store, .outcomes = outcomes, .count = count, .now_ms = now_ms};
    enum result result = store_write(store, "delivery_record", record_body, &recording);
    if (result == RESULT_OK)
        delivery_tell_troubles(&recording);
    return result;
}

void store_on_trouble(struct store *store, void (*tell)(void *context, int64_t owner_id, int64_t webhook_id),
                      void *context)
{
    store->tell_trouble = tell;
    store->trouble_context = context;
}
