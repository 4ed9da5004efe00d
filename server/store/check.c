/* What `meishi doctor` asks of a store: the engine's own verdict on its files, then ours on what must agree with what. */
#include "cards/base/id.h"
#include "server/ids.h"
#include "server/store/check_tables.h"
#include "server/store/inbox.h"
#include "server/store/internal.h"
#include "server/store/lanes.h"

enum { FOLD_LATE_MS = 10 * 60 * 1000 /* it takes a second, and minutes after a crash in load */ };

struct rule {
    const char *sql;   /* how many break it */
    const char *words; /* after that number */
};

static const struct rule rules[] = {
    {"SELECT count(*) FROM (SELECT owner_id FROM (SELECT owner_id, person + unconfirmed + preview + scanner + prefetch + bot + "
     "self AS n FROM share_counts UNION ALL SELECT owner_id, -(person + unconfirmed + preview + scanner + prefetch + bot + self) "
     "FROM day_counts) AS counted GROUP BY owner_id HAVING sum(n) <> 0) AS wrong",
     "members have other counts by day than by share: run meishi rejudge."},
    {"SELECT count(*) FROM deliveries AS d JOIN webhooks AS w ON w.owner_id = d.owner_id AND w.id = d.webhook_id "
     "WHERE d.state = 0 AND w.removed_ms IS NOT NULL AND w.next_due_ms IS NULL",
     "deliveries wait for an endpoint that was removed."},
    {"SELECT count(*) FROM webhooks AS w WHERE w.listener = 0 AND w.next_due_ms IS NULL AND EXISTS (SELECT 1 FROM deliveries "
     "AS d WHERE d.owner_id = w.owner_id AND d.webhook_id = w.id AND d.state = 0)",
     "endpoints have deliveries waiting that are never due."},
    {"SELECT count(*) FROM webhooks AS w WHERE w.pending <> (SELECT count(*) FROM deliveries AS d WHERE d.owner_id = "
     "w.owner_id AND d.webhook_id = w.id AND d.state = 0) OR w.paused <> (SELECT count(*) FROM deliveries AS d WHERE "
     "d.owner_id = w.owner_id AND d.webhook_id = w.id AND d.state = 0 AND d.queue = 2)",
     "endpoints count their waiting deliveries wrongly."},
    {"SELECT count(*) FROM deliveries WHERE state <> 0 AND finished_ms IS NULL", "deliveries ended without a time."},
    {"SELECT count(*) FROM cards AS c WHERE NOT EXISTS (SELECT 1 FROM shares AS s WHERE s.owner_id = c.owner_id AND "
     "s.id = c.standing_share_id AND s.standing = 1)",
     "cards have no standing link."},
    {"SELECT count(*) FROM leads AS l WHERE l.identified_ms IS NOT NULL AND NOT EXISTS (SELECT 1 FROM lead_moments AS m "
     "WHERE m.owner_id = l.owner_id AND m.lead_id = l.id)",
     "leads have no timeline."},
};

struct checking {
    struct arena *arena;
    struct complaints *complaints;
};

static enum result check_rules(struct db *db, void *context)
{
    const struct checking *checking = context;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        struct db_rows *rows;
        enum result result = db_one(db, rules[i].sql, NULL, 0, &rows);
        if (result != RESULT_OK)
            return result;
        int64_t wrong = db_column_int(rows, 0);
        db_finish(&rows);
        if (wrong == 0)
            continue;
        complaints_add(checking->complaints, "store",
                       arena_printf(checking->arena, "%lld %s", (long long)wrong, rules[i].words));
    }
    return RESULT_OK;
}

static enum result check_engine(struct store *store, enum db_part part, struct checking *checking)
{
    struct db *db;
    enum result result = store->driver->open(store->url, part, DB_READ, &db);
    if (result == RESULT_NOT_FOUND && part == DB_INBOX)
        return RESULT_OK;
    const char *place = part == DB_MAIN ? "store" : "inbox";
    if (result != RESULT_OK) {
        complaints_add(checking->complaints, place,
                       store->driver->explain(store->url, part, DB_READ, result, checking->arena));
        return RESULT_INVALID;
    }
    db->patient = true;
    enum result read = part == DB_MAIN ? check_tables(db, checking->arena, checking->complaints) : RESULT_OK;
    result = store->driver->check(db, true); /* after all was read: what was met is counted */
    if (result == RESULT_OK && read != RESULT_OK)
        result = RESULT_FAILED;
    if (result != RESULT_OK)
        complaints_add(checking->complaints, place,
                       arena_printf(checking->arena, "The engine found damage: %s.", store->driver->error(db)));
    store->driver->close(db);
    return result;
}

/* ---- whether the fold goes on ---- */

/* Of what waits in a lane, the time of the first, if that is before *OLDEST_MS. */
static enum result look_at_lane(struct db *inbox, const struct lane *lane, int64_t *oldest_ms)
{
    struct inbox_reader reader;
    struct hit hit;
    int64_t seq;
    enum result result = inbox_begin(inbox, lane->after, &reader);
    if (result == RESULT_OK)
        result = inbox_next(&reader, &hit, &seq);
    inbox_end(&reader);
    if (result != RESULT_OK)
        return result == RESULT_NOT_FOUND ? RESULT_OK : result;
    int64_t at_ms = hit.acts ? hit.act_at_ms : id_time_ms(hit.id);
    if (at_ms < *oldest_ms)
        *oldest_ms = at_ms;
    return RESULT_OK;
}

struct waiting {
    struct store *store;
    struct arena *arena;
    struct lanes lanes;
    int64_t oldest_ms;
};

static enum result look_at_lanes(struct db *inbox, struct waiting *waiting)
{
    enum result result = RESULT_OK;
    for (size_t i = 0; i < waiting->lanes.count && result == RESULT_OK; i++)
        if (waiting->lanes.list[i].end > waiting->lanes.list[i].after)
            result = look_at_lane(inbox, &waiting->lanes.list[i], &waiting->oldest_ms);
    return result;
}

static enum result read_waiting(struct db *db, void *context)
{
    struct waiting *waiting = context;
    if (waiting->store->driver->shared) {
        enum result result = lanes_read(db, waiting->arena, &waiting->lanes);
        return result == RESULT_OK ? look_at_lanes(db, waiting) : result;
    }
    lanes_one(waiting->arena, 0, &waiting->lanes);
    return lanes_see_marks(db, &waiting->lanes);
}

/* An inbox of its own is read after the mark: what was folded meanwhile came of late. */
static enum result look_at_file(struct waiting *waiting)
{
    const struct db_driver *driver = waiting->store->driver;
    struct db *inbox;
    enum result result = driver->open(waiting->store->url, DB_INBOX, DB_READ, &inbox);
    if (result != RESULT_OK)
        return result == RESULT_NOT_FOUND ? RESULT_OK : result;
    result = driver->begin(inbox);
    if (result == RESULT_OK) {
        result = look_at_lanes(inbox, waiting);
        enum result ended = driver->end(inbox, false);
        (void)ended; /* it only read */
    }
    driver->close(inbox);
    return result;
}

/* Whatever stops it, a row that the engine will not have or a server that is not there: nothing is lost, and nobody counts it. */
static enum result check_fold(struct store *store, struct checking *checking)
{
    int64_t now = now_ms();
    struct waiting waiting = {.store = store, .arena = checking->arena, .oldest_ms = now};
    enum result result = store_read(store, read_waiting, &waiting);
    if (result == RESULT_OK && !store->driver->shared)
        result = look_at_file(&waiting);
    if (result == RESULT_OK && now - waiting.oldest_ms > FOLD_LATE_MS)
        complaints_add(
            checking->complaints, "inbox",
            arena_printf(checking->arena,
                         "Visits of %lld minutes ago wait to be counted: start meishi serve, or see in its log "
                         "why it does not count them.",
                         (long long)(now - waiting.oldest_ms) / 60000));
    return result;
}

enum result store_check(struct store *store, struct arena *arena, struct complaints *complaints)
{
    struct checking checking = {arena, complaints};
    int before = complaints->count;
    enum result main = check_engine(store, DB_MAIN, &checking), inbox = check_engine(store, DB_INBOX, &checking);
    /* Rules read what the engine says is unreadable: then its word is enough. */
    if (main == RESULT_OK && inbox == RESULT_OK) {
        enum result result = store_read(store, check_rules, &checking);
        if (result == RESULT_OK)
            result = check_fold(store, &checking);
        if (result != RESULT_OK)
            return RESULT_FAILED;
    }
    return complaints->count == before ? RESULT_OK : RESULT_INVALID;
}
