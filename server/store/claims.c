/* Handing deliveries out. A lease is a due time in the future: who claims a delivery pushes its due_ms to the lease's end,
 * so that if the sender dies the delivery becomes due again by itself, with the same event id.
 *
 * Whose turn it is, is told in endpoints.h. What is under way is read once a claim, some dozens of rows, and every bound
 * is counted from it: so those of an endpoint, a member and a target hold for all senders of one store together, and an
 * endpoint on probe gets one attempt from all of them. Only places are each sender's own.
 *
 * Claims of several senders take turns, as all writers do; where an engine lets two through, the second finds due_ms moved when
 * it comes to the row, and begins anew. Clocks must agree to within what a lease is longer than an attempt,
 * half a minute.
 *
 * What a killed sender had in hand waits for its lease to end while others serve the store, though they could see that its
 * session with the database is over. That would prove too little. A session also ends when the line is cut or an administrator
 * ends it; the sender hears of it only when it next asks, has requests out meanwhile, and nobody can call those back. To be sure it
 * would have to stop by itself when it has not heard from the database for some time, and the others to wait for longer than that:
 * which is a lease once more, of the length of an attempt and what clocks differ by. */
#include <string.h>
#include "cards/base/url.h"
#include "server/store/deliveries.h"
#include "server/store/endpoints.h"
#include "server/store/seal.h"

enum {
    CLAIM_MAX = 64,
    LOOKS_MAX = 256,               /* endpoints looked at in one claim, so that it is short */
    UNDER_WAY_MAX = 4096,          /* of all senders together; beyond that bounds are looser */
    LEASE_MAX_MS = 10 * 60 * 1000, /* what claims to end later was leased by a clock that was wrong */
    ENDPOINT_MAX = 2,
    MEMBER_MAX = 8,
    TARGET_MAX = 4
};

struct under_way {
    int64_t until_ms, owner_id, webhook_id, target;
};

struct claim {
    struct store *store;
    struct arena *arena;
    int64_t now_ms, lease_ms;
    struct delivery_load asked, load; /* what it adds is counted in */
    struct recording *recording;      /* to be done first; NULL: only a claim */
    size_t count, looks;
    struct delivery *deliveries;
    struct under_way *under_way;
    size_t under_way_count;
    int64_t next_due_ms;
};

/* Whose secret and seed they are, as the row keeps them. */
struct sealed {
    const void *bytes;
    size_t len;
};
struct candidate {
    struct endpoint endpoint;
    struct sealed secret, seed, old_secret, old_seed;
};

/* ---- what is under way ---- */

/* A listener's deliveries are under way to nobody: they have no target. */
static enum result read_under_way(struct claim *claim, struct db *db)
{
    struct db_rows *rows;
    claim->under_way = arena_alloc_raw(claim->arena, sizeof *claim->under_way * (UNDER_WAY_MAX + CLAIM_MAX));
    claim->under_way_count = 0;
    enum result result =
        db_query(db,
                 "SELECT leased_until_ms, owner_id, webhook_id, leased_target FROM deliveries WHERE "
                 "leased_until_ms > $1 AND leased_until_ms <= $2 AND leased_target IS NOT NULL LIMIT $3",
                 DB_ARGS(DB_INT(claim->now_ms), DB_INT(claim->now_ms + LEASE_MAX_MS), DB_INT(UNDER_WAY_MAX)), &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK)
        claim->under_way[claim->under_way_count++] = (struct under_way){db_column_int(rows, 0), db_column_int(rows, 1),
                                                                        db_column_int(rows, 2), db_column_int(rows, 3)};
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

struct crowd {
    int count;
    int64_t first_end_ms;
};

static void join(struct crowd *crowd, const struct under_way *one)
{
    if (!crowd->count++ || one->until_ms < crowd->first_end_ms)
        crowd->first_end_ms = one->until_ms;
}

static void count_crowds(const struct claim *claim, const struct webhook *webhook, int64_t target, struct crowd *own,
                         struct crowd *members, struct crowd *targets)
{
    *own = *members = *targets = (struct crowd){0};
    for (size_t i = 0; i < claim->under_way_count; i++) {
        const struct under_way *one = &claim->under_way[i];
        if (one->owner_id == webhook->owner_id && one->webhook_id == webhook->id)
            join(own, one);
        if (one->owner_id == webhook->owner_id)
            join(members, one);
        if (one->target == target)
            join(targets, one);
    }
}

static int least_of(int one, int other)
{
    return one < other ? one : other;
}

/* Shares of the places, rounded up. Those of the prompt that were claimed ahead take none from the others. */
static int lane_room(const struct claim *claim, enum endpoint_lane lane)
{
    const int *in_hand = claim->load.in_hand, places = claim->load.places, ahead = claim->load.ahead;
    int prompt_max = (places * 7 + 7) / 8, prompt = in_hand[LANE_PROMPT];
    int retries = in_hand[LANE_RETRIES], others = in_hand[LANE_UNPROVEN] + retries;
    int most = claim->load.most, claimable = (most ? most : CLAIM_MAX) - (int)claim->count;
    int free_places = least_of(places - least_of(prompt, prompt_max) - others, claimable);
    switch (lane) {
    case LANE_PROMPT:
        claimable -= most / 8;
        return least_of(least_of(claimable, places + ahead - prompt - others), prompt_max + ahead - prompt);
    case LANE_UNPROVEN:
        return least_of(free_places, (places * 3 + 3) / 4 - others);
    case LANE_RETRIES:
        return least_of(least_of(free_places, (places * 3 + 3) / 4 - others), (places + 1) / 2 - retries);
    default:
        return 1;
    }
}

/* When the first stands at the front of a line that is open: to another claim, when this one has got all that one may. */
static enum result next_due(const struct claim *claim, struct db *db, int64_t *out)
{
    struct claim next = *claim;
    next.count = 0;
    *out = 0;
    for (int lane = 0; lane < LANE_COUNT; lane++) {
        struct db_rows *rows;
        if (lane_room(&next, (enum endpoint_lane)lane) <= 0)
            continue;
        enum result result =
            db_one(db, "SELECT MIN(next_due_ms) FROM webhooks WHERE lane = $1 AND next_due_ms IS NOT NULL",
                   DB_ARGS(DB_INT(lane)), &rows);
        if (result != RESULT_OK)
            return result;
        int64_t due_ms = db_column_int(rows, 0);
        db_finish(&rows);
        if (due_ms && (!*out || due_ms < *out))
            *out = due_ms;
    }
    return RESULT_OK;
}

/* ---- one endpoint's turn ---- */

/* Host and port as a number that nobody without our key can aim at. What the name leads to, the courier counts. */
static int64_t target_of(struct claim *claim, const char *text)
{
    unsigned char hash[crypto_generichash_BYTES];
    struct url url;
    const char *target = url_parse(text, URL_NO_FRAGMENT, claim->arena, &url) == RESULT_OK
                             ? arena_printf(claim->arena, "%s:%d", url.host, url.port)
                             : text;
    crypto_generichash(hash, sizeof hash, (const unsigned char *)target, strlen(target), claim->store->seal_key,
                       sizeof claim->store->seal_key);
    int64_t number;
    memcpy(&number, hash, sizeof number);
    number &= INT64_MAX;
    return number ? number : 1;
}

static bool open_keys(const struct claim *claim, const struct sealed *secret, const struct sealed *seed,
                      struct webhook_keys *out)
{
    out->has_seed = seed->len;
    return webhook_unseal(claim->store, secret->bytes, secret->len, out->secret) == RESULT_OK &&
           (!out->has_seed || webhook_unseal(claim->store, seed->bytes, seed->len, out->seed) == RESULT_OK);
}

/* The rows of the first MOST that are due of a queue, MOST being ENDPOINT_MAX at most. */
static enum result read_due(struct claim *claim, struct db *db, const struct candidate *candidate,
                            enum delivery_queue queue, int most)
{
    const struct webhook *webhook = &candidate->endpoint.webhook;
    struct db_rows *rows;
    enum result result = db_query(
        db,
        "SELECT " DELIVERY_COLUMNS " FROM deliveries WHERE owner_id = $1 AND webhook_id = $2 AND state = 0 "
        "AND queue = $3 AND due_ms <= $4 ORDER BY due_ms, id LIMIT $5",
        DB_ARGS(DB_INT(webhook->owner_id), DB_INT(webhook->id), DB_INT(queue), DB_INT(claim->now_ms), DB_INT(most)),
        &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK) {
        struct delivery *delivery = &claim->deliveries[claim->count++];
        delivery_from_row(rows, claim->arena, delivery);
        delivery->webhook = *webhook;
        delivery->leased_until_ms = claim->now_ms + claim->lease_ms;
        delivery->lane = candidate->endpoint.lane;
    }
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

/* Read, then leased one by one: SQLite takes twice as long over an UPDATE that finds its rows itself and returns them, and still
 * longer over one that names two. */
static enum result lease_one(const struct claim *claim, struct db *db, struct delivery *delivery, int64_t target)
{
    enum result result =
        db_run(db,
               "UPDATE deliveries SET leased_until_ms = $3, due_ms = $3, leased_target = $4 WHERE owner_id = $1 AND "
               "id = $2 AND due_ms <= $5",
               DB_ARGS(DB_INT(delivery->owner_id), DB_INT(delivery->id), DB_INT(delivery->leased_until_ms),
                       DB_INT(target), DB_INT(claim->now_ms)));
    delivery->due_ms = delivery->leased_until_ms;
    return result == RESULT_OK && db_changes(db) != 1 ? RESULT_BUSY : result;
}

static enum result lease_from(struct claim *claim, struct db *db, const struct candidate *candidate,
                              enum delivery_queue queue, int most, int64_t target, int *leased)
{
    const struct webhook *webhook = &candidate->endpoint.webhook;
    const int64_t until_ms = claim->now_ms + claim->lease_ms;
    size_t first = claim->count;
    enum result result = read_due(claim, db, candidate, queue, most);
    for (size_t i = first; i < claim->count && result == RESULT_OK; i++) {
        result = lease_one(claim, db, &claim->deliveries[i], target);
        claim->load.in_hand[candidate->endpoint.lane]++;
        claim->under_way[claim->under_way_count++] =
            (struct under_way){until_ms, webhook->owner_id, webhook->id, target};
        ++*leased;
    }
    return result;
}

static const char LOST_KEY[] =
    "its secret was sealed with another key file: put that one back, or make the webhook anew";

/* Fresh before retries. *LEASED says how many. */
static enum result lease(struct claim *claim, struct db *db, struct candidate *candidate, int room, int64_t target,
                         int *leased)
{
    struct webhook_keys keys = {0}, old_keys = {0};
    const struct webhook *webhook = &candidate->endpoint.webhook;
    bool has_old = webhook->old_until_ms > claim->now_ms && candidate->old_secret.len;
    size_t first = claim->count;
    *leased = 0;
    if (!open_keys(claim, &candidate->secret, &candidate->seed, &keys))
        return RESULT_INVALID;
    has_old = has_old && open_keys(claim, &candidate->old_secret, &candidate->old_seed, &old_keys);
    enum result result = lease_from(claim, db, candidate, QUEUE_FRESH, room, target, leased);
    if (result == RESULT_OK && *leased < room)
        result = lease_from(claim, db, candidate, QUEUE_AGAIN, room - *leased, target, leased);
    for (size_t i = first; i < claim->count; i++) {
        claim->deliveries[i].keys = keys;
        claim->deliveries[i].has_old_keys = has_old;
        if (has_old)
            claim->deliveries[i].old_keys = old_keys;
    }
    sodium_memzero(&keys, sizeof keys);
    sodium_memzero(&old_keys, sizeof old_keys);
    return result;
}

/* Out of its line until somebody of that crowd is back, or died. */
static enum result wait_for(struct db *db, struct endpoint *endpoint, int64_t crowd_id, const struct crowd *crowd)
{
    endpoint->waits_for = crowd_id;
    endpoint->next_due_ms = crowd->first_end_ms;
    return endpoint_write(db, endpoint);
}

static enum result give_turn(struct claim *claim, struct db *db, struct candidate *candidate)
{
    struct endpoint *endpoint = &candidate->endpoint;
    struct crowd own, members, targets;
    int64_t target = target_of(claim, endpoint->webhook.url);
    int leased;
    count_crowds(claim, &endpoint->webhook, target, &own, &members, &targets);
    int most = endpoint_is_on_probe(&endpoint->webhook.health, claim->now_ms) ? 1 : ENDPOINT_MAX;
    if (own.count < most && members.count >= MEMBER_MAX)
        return wait_for(db, endpoint, endpoint->webhook.owner_id, &members);
    if (own.count < most && targets.count >= TARGET_MAX)
        return wait_for(db, endpoint, target, &targets);
    int room = least_of(least_of(most - own.count, lane_room(claim, endpoint->lane)),
                        least_of(MEMBER_MAX - members.count, TARGET_MAX - targets.count));
    if (room > 0) {
        enum result result = lease(claim, db, candidate, room, target, &leased);
        if (result == RESULT_INVALID) /* nobody's data goes out unsigned, and nothing waits for ever unseen */
            return endpoint_disable(claim->store, db, endpoint, LOST_KEY, claim->now_ms);
        if (result != RESULT_OK)
            return result;
        if (leased)
            endpoint->turn_ms = claim->now_ms + leased * ENDPOINT_PACE_MS;
        own.count += leased;
        if (!own.first_end_ms)
            own.first_end_ms = claim->now_ms + claim->lease_ms;
    }
    if (own.count < most)
        return endpoint_settle(db, endpoint, claim->now_ms);
    /* It has its fill: whatever comes back calls it; a lease that ends does if nothing comes back. */
    endpoint->next_due_ms = own.first_end_ms;
    return endpoint_write(db, endpoint);
}

/* ---- the lines ---- */

static void sealed_from_row(const struct db_rows *rows, int column, struct arena *arena, struct sealed *out)
{
    const void *bytes = db_column_bytes(rows, column, &out->len);
    out->bytes = bytes ? arena_memdup(arena, bytes, out->len) : NULL;
    out->len = bytes ? out->len : 0;
}

static enum result front_of(struct claim *claim, struct db *db, enum endpoint_lane lane, int64_t most,
                            struct candidate *out, size_t *count)
{
    struct db_rows *rows;
    *count = 0;
    enum result result = db_query(db,
                                  "SELECT " ENDPOINT_COLUMNS
                                  ", sealed_secret, sealed_seed, old_sealed_secret, old_sealed_seed FROM webhooks "
                                  "WHERE lane = $1 AND next_due_ms <= $2 ORDER BY next_due_ms, id LIMIT $3",
                                  DB_ARGS(DB_INT(lane), DB_INT(claim->now_ms), DB_INT(most)), &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK) {
        struct candidate *candidate = &out[(*count)++];
        endpoint_from_row(rows, claim->arena, &candidate->endpoint);
        sealed_from_row(rows, ENDPOINT_COLUMN_COUNT, claim->arena, &candidate->secret);
        sealed_from_row(rows, ENDPOINT_COLUMN_COUNT + 1, claim->arena, &candidate->seed);
        sealed_from_row(rows, ENDPOINT_COLUMN_COUNT + 2, claim->arena, &candidate->old_secret);
        sealed_from_row(rows, ENDPOINT_COLUMN_COUNT + 3, claim->arena, &candidate->old_seed);
    }
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

/* Turns for those at the front, until the places are taken or nobody in this line is due. */
static enum result serve_line(struct claim *claim, struct db *db, enum endpoint_lane lane)
{
    struct candidate *candidates = arena_alloc_raw(claim->arena, sizeof *candidates * CLAIM_MAX);
    enum result result = RESULT_OK;
    size_t count = CLAIM_MAX;
    while (count && result == RESULT_OK && claim->looks < LOOKS_MAX && lane_room(claim, lane) > 0) {
        result = front_of(claim, db, lane, lane_room(claim, lane), candidates, &count);
        for (size_t i = 0; i < count && result == RESULT_OK && lane_room(claim, lane) > 0; i++, claim->looks++)
            result = give_turn(claim, db, &candidates[i]);
    }
    return result;
}

static enum result do_a_chore(struct claim *claim, struct db *db)
{
    struct candidate *candidate = arena_alloc_raw(claim->arena, sizeof *candidate);
    size_t count;
    enum result result = front_of(claim, db, LANE_CHORES, 1, candidate, &count);
    return result == RESULT_OK && count ? endpoint_do_chore(claim->store, db, &candidate->endpoint, claim->now_ms)
                                        : result;
}

static enum result claim_body(struct db *db, void *context)
{
    struct claim *claim = context;
    claim->count = claim->looks = 0;
    claim->load = claim->asked;
    enum result result = claim->recording ? delivery_record_all(claim->recording, db) : RESULT_OK;
    if (result == RESULT_OK)
        result = read_under_way(claim, db);
    for (int lane = 0; lane < LANE_CHORES && result == RESULT_OK; lane++)
        result = serve_line(claim, db, (enum endpoint_lane)lane);
    if (result == RESULT_OK)
        result = do_a_chore(claim, db);
    for (size_t i = 0; i < claim->count && result == RESULT_OK; i++)
        result = delivery_read_body(db, claim->arena, &claim->deliveries[i]);
    return result == RESULT_OK ? next_due(claim, db, &claim->next_due_ms) : result;
}

static enum result look_body(struct db *db, void *context)
{
    struct claim *claim = context;
    enum result result = read_under_way(claim, db);
    return result == RESULT_OK ? next_due(claim, db, &claim->next_due_ms) : result;
}

enum result store_delivery_claim(struct store *store, struct arena *arena, int64_t now_ms, int64_t lease_ms,
                                 const struct delivery_load *load, struct delivery **out, size_t *count,
                                 int64_t *next_due_ms)
{
    struct claim claim = {
        .store = store, .arena = arena, .now_ms = now_ms, .lease_ms = lease_ms, .asked = *load, .load = *load};
    /* Mostly nothing is due: looking costs no turn at the writing connection. A lease need not outlive a power failure, after which
     * what it was for is sent again anyway. */
    enum result result = store_read(store, look_body, &claim);
    if (result == RESULT_OK && claim.next_due_ms && claim.next_due_ms <= now_ms) {
        claim.deliveries = arena_alloc(arena, sizeof *claim.deliveries * CLAIM_MAX);
        result = store_write_lazily(store, "delivery_claim", claim_body, &claim);
    }
    *out = claim.deliveries;
    *count = result == RESULT_OK ? claim.count : 0;
    *next_due_ms = claim.next_due_ms;
    return result;
}

enum result store_delivery_exchange(struct store *store, struct arena *arena, const struct outcome *outcomes,
                                    size_t outcome_count, int64_t now_ms, int64_t lease_ms,
                                    const struct delivery_load *load, struct delivery **out, size_t *count,
                                    int64_t *next_due_ms)
{
    struct recording recording = {.store = store, .outcomes = outcomes, .count = outcome_count, .now_ms = now_ms};
    struct claim claim = {.store = store,
                          .arena = arena,
                          .now_ms = now_ms,
                          .lease_ms = lease_ms,
                          .asked = *load,
                          .recording = &recording};
    claim.deliveries = arena_alloc(arena, sizeof *claim.deliveries * CLAIM_MAX);
    enum result result = store_write_lazily(store, "delivery_exchange", claim_body, &claim);
    if (result == RESULT_OK)
        delivery_tell_troubles(&recording);
    *out = claim.deliveries;
    *count = result == RESULT_OK ? claim.count : 0;
    *next_due_ms = claim.next_due_ms;
    return result;
}

/* ---- after a crash ---- */

static enum result release_one(struct db *db, int64_t owner_id, int64_t webhook_id, int64_t now_ms)
{
    struct arena arena;
    struct endpoint endpoint;
    arena_init(&arena);
    enum result result = endpoint_read(db, &arena, owner_id, webhook_id, &endpoint);
    if (result == RESULT_OK)
        result = endpoint_settle(db, &endpoint, now_ms);
    arena_free(&arena);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

struct left_over {
    int64_t now_ms, until_ms; /* what is leased for longer is another's, who came later */
};

static enum result release_body(struct db *db, void *context)
{
    const struct left_over *left_over = context;
    const int64_t now_ms = left_over->now_ms;
    struct under_way left[UNDER_WAY_MAX];
    struct db_rows *rows;
    size_t count = 0;
    enum result result = db_query(
        db,
        "UPDATE deliveries SET due_ms = $1, leased_until_ms = NULL WHERE id IN (SELECT id FROM deliveries WHERE "
        "leased_until_ms > $1 AND leased_until_ms <= $2 AND leased_target IS NOT NULL LIMIT $3) AND state = 0 "
        "RETURNING owner_id, webhook_id",
        DB_ARGS(DB_INT(now_ms), DB_INT(left_over->until_ms), DB_INT(UNDER_WAY_MAX)), &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK)
        left[count++] = (struct under_way){.owner_id = db_column_int(rows, 0), .webhook_id = db_column_int(rows, 1)};
    db_finish(&rows);
    if (result == RESULT_NOT_FOUND)
        result = RESULT_OK;
    for (size_t i = 0; i < count && result == RESULT_OK; i++)
        result = release_one(db, left[i].owner_id, left[i].webhook_id, now_ms);
    /* Nobody's crowd is full any more. */
    return result == RESULT_OK
               ? db_run(db, "UPDATE webhooks SET waits_for = NULL, next_due_ms = $1 WHERE waits_for IS NOT NULL",
                        DB_ARGS(DB_INT(now_ms)))
               : result;
}

enum result store_delivery_release(struct store *store, int64_t now_ms, int64_t lease_ms)
{
    struct left_over left_over = {now_ms, store->lock ? INT64_MAX : store->alone_ms + lease_ms};
    return store->alone_ms ? store_write(store, "delivery_release", release_body, &left_over) : RESULT_OK;
}
