/* Reading a batch of the inbox and settling it: which act belongs to which hit, who is the same visitor, what is the
 * verdict. Writes nothing, so the fold and the readers of the tail come to the same answer by the same code.
 *
 * Everything is sorted by owner, share and id first. So acts meet their hits in one walk, tables are read and written in
 * the order of their index, and no hash table is needed. */
#include "server/store/fold.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "server/store/db.h"
#include "server/store/inbox.h"

enum { TEXT_SLOTS = 256 }; /* a power of two */

/* Agents' families and referrers repeat: each text is kept once as long as no other takes its slot. */
struct texts {
    const char *slots[TEXT_SLOTS];
};

static const char *texts_keep(struct texts *texts, struct arena *arena, const char *text, size_t len)
{
    if (!len)
        return "";
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)text[i]) * 16777619u;
    const char **slot = &texts->slots[hash & (TEXT_SLOTS - 1)];
    if (!*slot || strlen(*slot) != len || memcmp(*slot, text, len) != 0)
        *slot = arena_strndup(arena, text, len);
    return *slot;
}

static int compare_numbers(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

int kept_compare(const struct kept *a, const struct kept *b)
{
    if (a->owner_id != b->owner_id)
        return compare_numbers(a->owner_id, b->owner_id);
    if (a->share_id != b->share_id)
        return compare_numbers(a->share_id, b->share_id);
    return compare_numbers(a->id, b->id);
}

static int compare_kept(const void *a, const void *b)
{
    return kept_compare(*(struct kept *const *)a, *(struct kept *const *)b);
}

static int compare_acts(const void *a, const void *b)
{
    const struct act *one = a, *other = b;
    if (one->owner_id != other->owner_id)
        return compare_numbers(one->owner_id, other->owner_id);
    if (one->share_id != other->share_id)
        return compare_numbers(one->share_id, other->share_id);
    if (one->id != other->id)
        return compare_numbers(one->id, other->id);
    return compare_numbers(one->seq, other->seq);
}

/* ---- reading ---- */

static struct act act_of(const struct hit *hit, int64_t seq)
{
    return (struct act){.seq = seq,
                        .id = hit->id,
                        .owner_id = hit->owner_id,
                        .share_id = hit->share_id,
                        .at_ms = hit->act_at_ms,
                        .earlier_id = hit->earlier_id,
                        .acts = hit->acts};
}

static struct kept *keep(struct batch *batch, struct texts *texts, const struct hit *hit, int64_t seq)
{
    struct kept *kept = arena_alloc_raw(&batch->arena, sizeof *kept);
    *kept = (struct kept){
        .seq = seq,
        .id = hit->id,
        .owner_id = hit->owner_id,
        .share_id = hit->share_id,
        .facts = hit->facts,
        .channel = hit->channel,
        .visitor_hash = hit->visitor_hash,
        .times = 1 + hit->repeats,
        .family = texts_keep(texts, &batch->arena, hit->family, strlen(hit->family)),
        .referrer = texts_keep(texts, &batch->arena, hit->referrer, strlen(hit->referrer)),
        .day = day_of(hit->id),
        .month = month_of(hit->id),
    };
    return kept;
}

void batch_start(struct batch *batch)
{
    *batch = (struct batch){0};
    arena_init(&batch->arena);
}

/* What a batch grows by while it is read. */
struct reading {
    struct batch *batch;
    struct db *db;
    const struct tail *tail;
    struct texts texts;
    size_t hit_room, act_room;
};

static void add(struct reading *reading, const struct hit *hit, int64_t seq)
{
    struct batch *batch = reading->batch;
    if (hit->acts) {
        batch->acts =
            db_rows_grow(&batch->arena, batch->acts, batch->act_count, &reading->act_room, sizeof *batch->acts);
        batch->acts[batch->act_count++] = act_of(hit, seq);
        return;
    }
    batch->hits = db_rows_grow(&batch->arena, batch->hits, batch->hit_count, &reading->hit_room, sizeof(struct kept *));
    batch->hits[batch->hit_count++] = keep(batch, &reading->texts, hit, seq);
}

static enum result read_lane(struct reading *reading, struct lane *lane, int64_t rows_max, size_t acts_max)
{
    const struct tail *tail = reading->tail;
    size_t acts_before = reading->batch->act_count;
    int64_t rows = 0;
    struct hit hit;
    struct inbox_reader reader;
    enum result result = inbox_begin(reading->db, lane->after, &reader);
    while (result == RESULT_OK && rows < rows_max && reading->batch->act_count - acts_before < acts_max &&
           (result = inbox_next(&reader, &hit, &lane->last)) == RESULT_OK) {
        if ((tail->owner_id && hit.owner_id != tail->owner_id) || (tail->share_id && hit.share_id != tail->share_id))
            continue;
        rows++;
        add(reading, &hit, lane->last);
    }
    inbox_end(&reader);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

static size_t count_filled(const struct lanes *lanes)
{
    size_t filled = 0;
    for (size_t i = 0; i < lanes->count; i++)
        filled += lanes->list[i].end > lanes->list[i].after;
    return filled;
}

enum result batch_read(struct batch *batch, struct db *db, const struct tail *tail)
{
    struct reading reading = {.batch = batch, .db = db, .tail = tail};
    size_t filled = count_filled(&batch->lanes);
    enum result result = RESULT_OK;
    for (size_t i = 0; i < batch->lanes.count && result == RESULT_OK; i++) {
        struct lane *lane = &batch->lanes.list[i];
        if (lane->end > lane->after)
            result =
                read_lane(&reading, lane, 1 + (tail->limit - 1) / (int64_t)filled, 1 + (tail->acts_max - 1) / filled);
    }
    return result;
}

bool batch_is_cut(const struct batch *batch)
{
    for (size_t i = 0; i < batch->lanes.count; i++)
        if (batch->lanes.list[i].end > batch->lanes.list[i].last)
            return true;
    return false;
}

static bool is_within(const struct batch *batch, int64_t seq)
{
    const struct lane *lane = lanes_find(&batch->lanes, seq);
    return lane && seq > lane->after && seq <= lane->last;
}

/* Drops what its lane's stretch holds no longer; the dropped hits' ids into DROPPED unless NULL. */
static void fit(struct batch *batch, int64_t *dropped, size_t *dropped_count)
{
    size_t hits = 0, acts = 0;
    for (size_t i = 0; i < batch->hit_count; i++) {
        if (is_within(batch, batch->hits[i]->seq))
            batch->hits[hits++] = batch->hits[i];
        else if (dropped)
            dropped[(*dropped_count)++] = batch->hits[i]->id;
    }
    for (size_t i = 0; i < batch->act_count; i++)
        if (is_within(batch, batch->acts[i].seq))
            batch->acts[acts++] = batch->acts[i];
    batch->hit_count = hits;
    batch->act_count = acts;
}

enum result batch_trim(struct batch *batch, struct db *db)
{
    enum result result = lanes_see_marks(db, &batch->lanes);
    if (result == RESULT_OK)
        fit(batch, NULL, NULL);
    return result;
}

void batch_free(struct batch *batch)
{
    arena_free(&batch->arena);
    *batch = (struct batch){0};
}

/* ---- settling ---- */

void kept_from_row(struct kept *out, const struct db_rows *rows, struct arena *arena)
{
    const struct db_driver *driver = rows->db->driver;
    *out = (struct kept){
        .owner_id = driver->integer(rows, MONTH_OWNER),
        .share_id = driver->integer(rows, MONTH_SHARE),
        .id = driver->integer(rows, MONTH_ID),
        .visitor_id = driver->integer(rows, MONTH_VISITOR),
        .verdict = (enum verdict)driver->integer(rows, MONTH_VERDICT),
        .rule = (uint8_t)driver->integer(rows, MONTH_RULE),
        .channel = (enum channel)driver->integer(rows, MONTH_CHANNEL),
        .facts = (uint32_t)driver->integer(rows, MONTH_FACTS),
        .acts = (uint32_t)driver->integer(rows, MONTH_ACTS),
        .visitor_hash = (uint64_t)driver->integer(rows, MONTH_HASH),
        .times = driver->integer(rows, MONTH_TIMES),
        .folded = true,
    };
    out->day = day_of(out->id);
    out->month = month_of(out->id);
    out->family = db_column_text(rows, MONTH_FAMILY, arena);
    out->referrer = db_column_text(rows, MONTH_REFERRER, arena);
    out->family = out->family ? out->family : "";
    out->referrer = out->referrer ? out->referrer : "";
    out->old_verdict = out->verdict;
    out->old_rule = out->rule;
    out->old_acts = out->acts;
    out->old_visitor_id = out->visitor_id;
}

void kept_judge(struct kept *kept, struct judgements *known)
{
    /* Texts are kept once, so the address of the family stands for it. */
    uint64_t hash = ((uint64_t)(uintptr_t)kept->family ^ (uint64_t)kept->facts << 40 ^ (uint64_t)kept->acts << 20) *
                    0x9e3779b97f4a7c15u;
    struct judged *slot = &known->slots[hash >> 56];
    if (!slot->family || slot->family != kept->family || slot->facts != kept->facts || slot->acts != kept->acts) {
        struct judgement judgement = judge(kept->facts, kept->acts, kept->family);
        *slot = (struct judged){kept->family, kept->facts, kept->acts, judgement.verdict, rule_code(judgement.rule)};
    }
    kept->verdict = slot->verdict;
    kept->rule = slot->rule;
}

/* What settling needs at hand. */
struct settling {
    struct batch *batch;
    struct db *db;
    struct months *months;
    struct month_list list;
    size_t older_room;
    struct judgements judgements;
};

/* NOT_FOUND: it was never recorded, or its month is forgotten. */
static enum result find_folded(struct settling *settling, const struct kept *key, struct kept *out)
{
    int32_t month = month_of(key->id);
    if (!months_has(&settling->list, month))
        return RESULT_NOT_FOUND;
    struct db_rows *rows;
    struct db *db = settling->db;
    enum result result = db_query(db, months_get(settling->months, month)->find,
                                  DB_ARGS(DB_INT(key->owner_id), DB_INT(key->share_id), DB_INT(key->id)), &rows);
    if (result != RESULT_OK)
        return result;
    result = db_next(rows);
    if (result == RESULT_OK)
        kept_from_row(out, rows, &settling->batch->arena);
    db_finish(&rows);
    return result;
}

enum result batch_drop_kept(struct batch *batch, struct db *db, struct months *months)
{
    struct settling settling = {.batch = batch, .db = db, .months = months};
    struct kept folded, **left = arena_alloc_raw(&batch->arena, (batch->hit_count + 1) * sizeof *left);
    size_t count = 0;
    enum result result = months_list(db, &batch->arena, &settling.list);
    if (batch->hit_count)
        qsort(batch->hits, batch->hit_count, sizeof *batch->hits, compare_kept);
    for (size_t i = 0; i < batch->hit_count && result == RESULT_OK; i++) {
        if (count && kept_compare(left[count - 1], batch->hits[i]) == 0)
            continue;
        result = find_folded(&settling, batch->hits[i], &folded);
        if (result != RESULT_NOT_FOUND)
            continue;
        left[count++] = batch->hits[i];
        result = RESULT_OK;
    }
    if (result != RESULT_OK)
        return result;
    batch->hits = left;
    batch->hit_count = count;
    return RESULT_OK;
}

static struct kept *find_in(struct kept **list, size_t count, const struct kept *key)
{
    struct kept **found = count ? bsearch(&key, list, count, sizeof *list, compare_kept) : NULL;
    return found ? *found : NULL;
}

static void apply(struct kept *hit, const struct act *act)
{
    hit->acts |= act->acts;
    if (!hit->act_at_ms)
        hit->act_at_ms = act->at_ms;
    if (act->acts & ACT_AGAIN && act->earlier_id && !hit->earlier_id)
        hit->earlier_id = act->earlier_id;
}

/* Walks acts and hits side by side; what is not in the batch is fetched from its month. An act whose hit is nowhere is
 * passed over: the hit was not recorded when the queue was full. */
static enum result apply_acts(struct settling *settling)
{
    struct batch *batch = settling->batch;
    size_t at = 0;
    struct kept *hit = NULL;
    for (size_t i = 0; i < batch->act_count; i++) {
        const struct act *act = &batch->acts[i];
        struct kept key = {.owner_id = act->owner_id, .share_id = act->share_id, .id = act->id};
        if (hit && kept_compare(hit, &key) == 0) {
            apply(hit, act);
            continue;
        }
        while (at < batch->hit_count && kept_compare(batch->hits[at], &key) < 0)
            at++;
        if (at < batch->hit_count && kept_compare(batch->hits[at], &key) == 0) {
            hit = batch->hits[at];
            apply(hit, act);
            continue;
        }
        struct kept folded;
        enum result result = find_folded(settling, &key, &folded);
        if (result == RESULT_NOT_FOUND)
            continue;
        if (result != RESULT_OK)
            return result;
        batch->older =
            db_rows_grow(&batch->arena, batch->older, batch->older_count, &settling->older_room, sizeof(struct kept *));
        hit = arena_memdup(&batch->arena, &folded, sizeof folded);
        batch->older[batch->older_count++] = hit;
        apply(hit, act);
    }
    return RESULT_OK;
}

/* A page that named an earlier hit belongs to that one's visitor. Lists are in the order of ids and an earlier hit has a
 * smaller one, so by the time a hit is reached the one it names knows its own first: one step is enough. When the earlier
 * hit is unknown the visitor is new, and the hit counts by itself. */
static enum result tie_visitor(struct settling *settling, struct kept *hit)
{
    if (!hit->earlier_id)
        return RESULT_OK;
    struct batch *batch = settling->batch;
    struct kept key = {.owner_id = hit->owner_id, .share_id = hit->share_id, .id = hit->earlier_id}, folded;
    struct kept *earlier = NULL;
    if (key.id < hit->id) {
        earlier = find_in(batch->hits, batch->hit_count, &key);
        if (!earlier)
            earlier = find_in(batch->older, batch->older_count, &key);
        if (!earlier) {
            enum result result = find_folded(settling, &key, &folded);
            if (result != RESULT_OK && result != RESULT_NOT_FOUND)
                return result;
            earlier = result == RESULT_OK ? &folded : NULL;
        }
    }
    if (earlier)
        hit->visitor_id = earlier->visitor_id;
    else if (!(hit->old_acts & ACT_AGAIN))
        hit->acts &= ~(uint32_t)ACT_AGAIN;
    return RESULT_OK;
}

static enum result judge_all(struct settling *settling, struct kept **list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        enum result result = tie_visitor(settling, list[i]);
        if (result != RESULT_OK)
            return result;
        kept_judge(list[i], &settling->judgements);
    }
    return RESULT_OK;
}

enum result batch_settle(struct batch *batch, struct db *db, struct months *months)
{
    struct settling settling = {.batch = batch, .db = db, .months = months};
    batch->older = NULL;
    batch->older_count = 0;
    for (size_t i = 0; i < batch->hit_count; i++) {
        struct kept *hit = batch->hits[i];
        assert(!hit->folded);
        hit->visitor_id = hit->id;
        hit->acts = 0;
        hit->earlier_id = hit->act_at_ms = 0;
    }
    if (batch->hit_count)
        qsort(batch->hits, batch->hit_count, sizeof *batch->hits, compare_kept);
    if (batch->act_count) {
        qsort(batch->acts, batch->act_count, sizeof *batch->acts, compare_acts);
        enum result result = months_list(db, &batch->arena, &settling.list);
        if (result == RESULT_OK)
            result = apply_acts(&settling);
        if (result != RESULT_OK)
            return result;
    }
    enum result result = judge_all(&settling, batch->older, batch->older_count);
    return result == RESULT_OK ? judge_all(&settling, batch->hits, batch->hit_count) : result;
}

/* ---- holding back ---- */

struct ids {
    int64_t *list; /* sorted */
    size_t count;
};

static int compare_ids(const void *a, const void *b)
{
    return compare_numbers(*(const int64_t *)a, *(const int64_t *)b);
}

static void sort_ids(struct ids *ids)
{
    if (ids->count)
        qsort(ids->list, ids->count, sizeof *ids->list, compare_ids);
}

static bool is_among(int64_t id, const struct ids *ids)
{
    return ids->count && bsearch(&id, ids->list, ids->count, sizeof id, compare_ids);
}

/* The hits that an act builds on: its own, and the earlier one that the page named, or 0. */
static void needs_of(const struct act *act, int64_t out[2])
{
    out[0] = act->id;
    out[1] = act->acts & ACT_AGAIN ? act->earlier_id : 0;
}

/* What acts need that is neither in the batch nor folded: still ahead, or never recorded. */
static enum result find_missing(struct settling *settling, struct ids *out)
{
    struct batch *batch = settling->batch;
    struct ids present = {arena_alloc_raw(&batch->arena, (batch->hit_count + 1) * sizeof(int64_t)), 0};
    *out = (struct ids){arena_alloc_raw(&batch->arena, (2 * batch->act_count + 1) * sizeof(int64_t)), 0};
    for (size_t i = 0; i < batch->hit_count; i++)
        present.list[present.count++] = batch->hits[i]->id;
    sort_ids(&present);
    for (size_t i = 0; i < batch->act_count; i++) {
        const struct act *act = &batch->acts[i];
        int64_t needs[2];
        needs_of(act, needs);
        for (int j = 0; j < 2; j++) {
            struct kept key = {.owner_id = act->owner_id, .share_id = act->share_id, .id = needs[j]}, folded;
            if (!needs[j] || is_among(needs[j], &present))
                continue;
            enum result result = find_folded(settling, &key, &folded);
            if (result == RESULT_NOT_FOUND)
                out->list[out->count++] = needs[j];
            else if (result != RESULT_OK)
                return result;
        }
    }
    sort_ids(out);
    return RESULT_OK;
}

/* Which of them the lanes hold beyond the batch. */
static enum result find_ahead(const struct batch *batch, struct db *db, const struct ids *missing, struct ids *out)
{
    enum result result = RESULT_OK;
    for (size_t i = 0; i < batch->lanes.count && result == RESULT_OK; i++) {
        const struct lane *lane = &batch->lanes.list[i];
        struct inbox_reader reader;
        struct hit hit;
        int64_t seq;
        if (lane->end <= lane->last)
            continue;
        result = inbox_begin(db, lane->last, &reader);
        while (result == RESULT_OK && (result = inbox_next(&reader, &hit, &seq)) == RESULT_OK)
            if (!hit.acts && is_among(hit.id, missing))
                out->list[out->count++] = hit.id;
        inbox_end(&reader);
        if (result == RESULT_NOT_FOUND)
            result = RESULT_OK;
    }
    sort_ids(out);
    return result;
}

/* Ends each lane before its first act that needs a hit of AHEAD. False when there is none. */
static bool end_before(struct batch *batch, const struct ids *ahead)
{
    bool any = false;
    for (size_t i = 0; i < batch->act_count; i++) {
        const struct act *act = &batch->acts[i];
        struct lane *lane = lanes_find(&batch->lanes, act->seq);
        int64_t needs[2];
        needs_of(act, needs);
        if (act->seq > lane->last || !(is_among(needs[0], ahead) || is_among(needs[1], ahead)))
            continue;
        lane->last = act->seq - 1;
        any = true;
    }
    return any;
}

enum result batch_hold_back(struct batch *batch, struct db *db, struct months *months)
{
    struct settling settling = {.batch = batch, .db = db, .months = months};
    struct ids missing = {NULL, 0};
    if (count_filled(&batch->lanes) < 2) /* in one lane what is needed comes before */
        return RESULT_OK;
    enum result result = months_list(db, &batch->arena, &settling.list);
    if (result == RESULT_OK)
        result = find_missing(&settling, &missing);
    if (result != RESULT_OK || !missing.count)
        return result;
    struct ids ahead = {arena_alloc_raw(&batch->arena, (missing.count + batch->hit_count + 1) * sizeof(int64_t)), 0};
    result = find_ahead(batch, db, &missing, &ahead);
    /* What is held back is ahead itself, for acts of other lanes. */
    while (result == RESULT_OK && end_before(batch, &ahead)) {
        fit(batch, ahead.list, &ahead.count);
        sort_ids(&ahead);
    }
    return result;
}
