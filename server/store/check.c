/* What `meishi doctor` asks of a store: the engine's own verdict on its files, then ours on what must agree with what. */
#include "server/store/check_tables.h"
#include "server/store/internal.h"

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

enum result store_check(struct store *store, struct arena *arena, struct complaints *complaints)
{
    struct checking checking = {arena, complaints};
    int before = complaints->count;
    enum result main = check_engine(store, DB_MAIN, &checking), inbox = check_engine(store, DB_INBOX, &checking);
    /* Rules read what the engine says is unreadable: then its word is enough. */
    if (main == RESULT_OK && inbox == RESULT_OK) {
        enum result result = store_read(store, check_rules, &checking);
        if (result != RESULT_OK)
            return RESULT_FAILED;
    }
    return complaints->count == before ? RESULT_OK : RESULT_INVALID;
}
