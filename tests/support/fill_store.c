/* See fill_store.h. */
#include "tests/support/fill_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "server/store/fold.h"
#include "server/store/internal.h"
#include "server/store/outbox.h"

enum { RUN_ROWS = 40000 }; /* what one fold would have brought: rows lie in sorted runs of this length */

static void must(enum result result, const char *what)
{
    if (result == RESULT_OK)
        return;
    fprintf(stderr, "fill: %s failed (%d)\n", what, (int)result);
    abort();
}

/* Numbers that are the same in every run (xorshift, Marsaglia 2003). */
static uint64_t draw(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

int64_t filled_owner(const struct filling *filling, int64_t share)
{
    return id_at_ms(1700000000000) + 1 + share % filling->members;
}

int64_t filled_share(const struct filling *filling, int64_t share)
{
    (void)filling;
    return id_at_ms(1700000100000) + 1 + share;
}

void filled_token(int64_t share, char out[TOKEN_SIZE])
{
    unsigned char bytes[TOKEN_LEN * 5 / 8] = {'f', 'i'};
    for (int i = 0; i < 8; i++)
        bytes[2 + i] = (unsigned char)(share >> 8 * (7 - i));
    base32_encode(out, bytes, sizeof bytes);
}

static enum result put_people(struct db *db, void *context)
{
    const struct filling *filling = context;
    for (int64_t i = 0; i < filling->members; i++) {
        char handle[32], name[40], email[48], body[256];
        int64_t owner = filled_owner(filling, i), card = filled_share(filling, i) + (1 << 20);
        snprintf(handle, sizeof handle, "member%lld", (long long)i);
        snprintf(name, sizeof name, "Member %lld", (long long)i);
        snprintf(email, sizeof email, "member%lld@example.org", (long long)i);
        snprintf(body, sizeof body,
                 "{\"name\":\"%s\",\"title\":\"Head of Sales\",\"organization\":\"Example\","
                 "\"emails\":[{\"label\":\"work\",\"address\":\"%s\"}]}",
                 name, email);
        must(db_run(db, "INSERT INTO members (id, handle, name, email, role, created_ms) VALUES ($1, $2, $3, $4, 0, 1)",
                    DB_ARGS(DB_INT(owner), db_text(handle), db_text(name), db_text(email))),
             "member");
        must(
            db_run(
                db,
                "INSERT INTO cards (owner_id, id, handle, revision, body, standing_share_id, created_ms, updated_ms) "
                "VALUES ($1, $2, $3, 1, $4, $5, 1, 1)",
                DB_ARGS(DB_INT(owner), DB_INT(card), db_text(handle), db_text(body), DB_INT(filled_share(filling, i)))),
            "card");
        must(db_run(
                 db,
                 "INSERT INTO card_revisions (owner_id, card_id, revision, body, created_ms) VALUES ($1, $2, 1, $3, 1)",
                 DB_ARGS(DB_INT(owner), DB_INT(card), db_text(body))),
             "revision");
    }
    for (int64_t i = 0; i < filling->shares; i++) {
        char token[TOKEN_SIZE];
        filled_token(i, token);
        int64_t owner = filled_owner(filling, i), card = filled_share(filling, i % filling->members) + (1 << 20);
        must(
            db_run(db,
                   "INSERT INTO shares (owner_id, id, card_id, sharer_member_id, token, channel, standing, created_ms) "
                   "VALUES ($1, $2, $3, $1, $4, $5, $6, 1)",
                   DB_ARGS(DB_INT(owner), DB_INT(filled_share(filling, i)), DB_INT(card), db_text(token),
                           DB_INT(i < filling->members ? CHANNEL_LINK : CHANNEL_QR), DB_INT(i < filling->members))),
            "share");
    }
    return RESULT_OK;
}

static void make_hit(struct kept *hit, const struct filling *filling, int64_t at_ms, int64_t number, uint64_t *state,
                     struct judgements *known)
{
    static const char *const families[] = {"Safari on iOS", "Chrome on Android", "Chrome on Windows", "WhatsApp",
                                           "Firefox on Linux"};
    static const char *const referrers[] = {"", "", "", "www.linkedin.com", "t.co"};
    uint64_t random = draw(state);
    int64_t share = (int64_t)(random % (uint64_t)filling->shares);
    *hit = (struct kept){
        .owner_id = filled_owner(filling, share),
        .share_id = filled_share(filling, share),
        .id = id_at_ms(at_ms) + (number & 0x1fffff),
        .facts = (random >> 40) % 8 == 0 ? FACT_CRAWLER | FACT_CRAWLER_PREVIEW : 0,
        .acts = (random >> 44) % 4 == 0 ? 0 : ACT_SEEN,
        .channel = (random >> 48) % 2 ? CHANNEL_QR : CHANNEL_LINK,
        .visitor_hash = random,
        .times = 1,
        .family = families[(random >> 52) % 5],
        .referrer = referrers[(random >> 56) % 5],
    };
    hit->visitor_id = hit->id;
    hit->day = day_of(hit->id);
    hit->month = month_of(hit->id);
    kept_judge(hit, known);
}

static int compare(const void *a, const void *b)
{
    const struct kept *one = *(struct kept *const *)a, *other = *(struct kept *const *)b;
    return one->month != other->month ? (one->month > other->month) - (one->month < other->month)
                                      : kept_compare(one, other);
}

static int compare_keys(const void *a, const void *b)
{
    return kept_compare(*(struct kept *const *)a, *(struct kept *const *)b);
}

struct run {
    struct store *store;
    struct kept **hits;
    size_t count;
    struct db_value *values;
    struct arena arena;
};

static enum result put_run(struct db *db, void *context)
{
    struct run *run = context;
    enum result result = RESULT_OK;
    for (size_t first = 0, end; first < run->count && result == RESULT_OK; first = end) {
        for (end = first; end < run->count && run->hits[end]->month == run->hits[first]->month; end++)
            kept_values(&run->values[(end - first) * MONTH_COLUMNS], run->hits[end]);
        const struct month *month = months_get(hits_months(run->store), run->hits[first]->month);
        result = months_ensure(db, month);
        if (result == RESULT_OK)
            result = db->driver->append(db, month->insert, run->values, MONTH_COLUMNS, (int)(end - first));
    }
    qsort(run->hits, run->count, sizeof *run->hits, compare_keys);
    return result == RESULT_OK ? counts_add(db, run->hits, run->count, &run->arena) : result;
}

void fill_store(struct store *store, const struct filling *filling)
{
    if (store->driver == &db_sqlite)
        must(store->writer->driver->script(store->writer, "PRAGMA synchronous=OFF"), "synchronous");
    must(store_write(store, "fill", put_people, (void *)filling), "people");
    uint64_t state = 88172645463325252u;
    static struct judgements known; /* families are literals */
    struct run run = {.store = store};
    arena_init(&run.arena);
    struct kept *hits = calloc(RUN_ROWS, sizeof *hits);
    run.hits = calloc(RUN_ROWS, sizeof *run.hits);
    run.values = calloc((size_t)RUN_ROWS * MONTH_COLUMNS, sizeof *run.values);
    if (!hits || !run.hits || !run.values)
        abort();
    for (int64_t done = 0; done < filling->hits; done += (int64_t)run.count) {
        run.count = filling->hits - done < RUN_ROWS ? (size_t)(filling->hits - done) : RUN_ROWS;
        for (size_t i = 0; i < run.count; i++) {
            int64_t number = done + (int64_t)i;
            int64_t at_ms = filling->from_ms + (int64_t)((double)(filling->to_ms - filling->from_ms) * (double)number /
                                                         (double)filling->hits);
            make_hit(&hits[i], filling, at_ms, number, &state, &known);
            run.hits[i] = &hits[i];
        }
        qsort(run.hits, run.count, sizeof *run.hits, compare);
        must(store_write(store, "fill", put_run, &run), "hits");
        arena_reset(&run.arena);
        store_tidy(store, false);
    }
    arena_free(&run.arena);
    free(run.values);
    free(run.hits);
    free(hits);
    if (store->driver == &db_sqlite)
        must(store->writer->driver->script(store->writer, "PRAGMA synchronous=FULL"), "synchronous");
    store_tidy(store, true);
}

/* ---- webhooks ---- */

const char *place_of(int64_t number, int port, char out[PLACE_URL_SIZE])
{
    snprintf(out, PLACE_URL_SIZE, "http://127.%d.%d.%d:%d/hook", (int)(1 + number / 62500), (int)(number / 250 % 250),
             (int)(1 + number % 250), port);
    return out;
}

struct due {
    struct store *store;
    const struct filling *filling;
    int64_t endpoints, count, due_ms;
};

/* An event goes to all endpoints of its member. */
static enum result put_events(struct db *db, void *context)
{
    const struct due *due = context;
    int64_t members = due->filling->members, put = 0;
    for (int64_t event = 0; put < due->count; event++) {
        int64_t member = event % members;
        json_t *data = json_pack("{s:{s:s, s:s, s:s, s:I, s:s}}", "share", "id", "shr_00000000000000", "label",
                                 "Berlin fair, badge", "channel", "qr", "number", (json_int_t)event, "url",
                                 "https://cards.example/c/ABCDEFGHJKMNPQRS");
        /* One after the other, as they would have happened. */
        must(outbox_add(due->store, db, filled_owner(due->filling, member), EVENT_SHARE_CREATED, data, 0,
                        due->due_ms + event / 100),
             "event");
        put += due->endpoints / members + (member < due->endpoints % members);
    }
    return RESULT_OK;
}

void fill_deliveries(struct store *store, const struct filling *filling, int64_t endpoints, int64_t count, int port,
                     int64_t due_ms)
{
    char url[PLACE_URL_SIZE];
    for (int64_t i = 0; i < endpoints; i++) {
        struct webhook webhook = {.owner_id = filled_owner(filling, i % filling->members),
                                  .url = place_of(i, port, url),
                                  .events = 1u << EVENT_SHARE_CREATED | 1u << EVENT_WEBHOOK_PING};
        must(store_webhook_add(store, &webhook, due_ms), "endpoint");
    }
    struct due due = {store, filling, endpoints, count, due_ms};
    must(store_write(store, "deliveries", put_events, &due), "events");
}
