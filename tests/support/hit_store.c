/* See hit_store.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "server/store/fold.h"
#include "server/store/inbox.h"
#include "server/store/internal.h"
#include "tests/support/hit_store.h"

static enum result put_people(struct db *db, void *context)
{
    (void)context;
    enum result result =
        db_run(db, "INSERT INTO members (id, handle, name, role, created_ms) VALUES ($1, 'jane', 'Jane Doe', 0, 1)",
               DB_ARGS(DB_INT(PLACE_OWNER)));
    if (result == RESULT_OK)
        result = db_run(
            db,
            "INSERT INTO cards (owner_id, id, handle, revision, body, standing_share_id, created_ms, updated_ms) "
            "VALUES ($1, $2, 'jane', 1, '{\"name\":\"Jane Doe\"}', $3, 1, 1)",
            DB_ARGS(DB_INT(PLACE_OWNER), DB_INT(PLACE_CARD), DB_INT(PLACE_SHARE)));
    for (int i = 0; i < PLACE_SHARES && result == RESULT_OK; i++) {
        char token[TOKEN_SIZE];
        snprintf(token, sizeof token, "000000000000000%d", i);
        result = db_run(
            db,
            "INSERT INTO shares (owner_id, id, card_id, sharer_member_id, token, channel, standing, created_ms) "
            "VALUES ($1, $2, $3, $1, $4, 1, $5, 1)",
            DB_ARGS(DB_INT(PLACE_OWNER), DB_INT(PLACE_SHARE + i), DB_INT(PLACE_CARD), db_text(token), DB_INT(i == 0)));
    }
    return result;
}

void place_make(struct place *place)
{
    *place = (struct place){0};
    snprintf(place->folder, sizeof place->folder, "/tmp/meishi-hits-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    arena_init(&place->arena);
    engine_url(arena_printf(&place->arena, "%s/store", place->folder), place->url);
    place_open(place, false);
    assert_int_equal(store_write(place->store, "people", put_people, NULL), RESULT_OK);
    place_close(place);
}

void place_drop(struct place *place)
{
    if (place->store)
        place_close(place);
    engine_drop(place->url);
    arena_free(&place->arena);
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", place->folder);
    assert_int_equal(system(command), 0);
}

void place_open(struct place *place, bool start)
{
    static const unsigned char key[32];
    const char *why = NULL;
    struct store_options options = {
        .url = place->url, .driver = engine_driver(), .base_url = "http://localhost", .seal_key = key, .readers = 4};
    if (store_open(&options, &place->arena, &place->store, &why) != RESULT_OK)
        fail_msg("store_open: %s", why ? why : "no word");
    if (start)
        assert_int_equal(store_start(place->store), RESULT_OK);
}

void place_close(struct place *place)
{
    store_close(place->store);
    place->store = NULL;
}

void place_bring(struct place *place, const struct hit *rows, size_t count)
{
    assert_null(place->store);
    struct db *db;
    assert_int_equal(engine_driver()->open(place->url, DB_INBOX, DB_WRITE, &db), RESULT_OK);
    assert_int_equal(engine_driver()->begin(db), RESULT_OK);
    struct inbox_room room = {0};
    for (size_t i = 0; i < count; i++) {
        struct hit hit = rows[i];
        hit.next = NULL;
        assert_int_equal(inbox_append(db, &hit, 1, ++place->inbox_seq, &room), RESULT_OK);
    }
    free(room.bytes);
    assert_int_equal(engine_driver()->end(db, true), RESULT_OK);
    engine_driver()->close(db);
}

struct hit hit_at(int64_t id, int share)
{
    return (struct hit){.id = id,
                        .owner_id = PLACE_OWNER,
                        .share_id = PLACE_SHARE + share,
                        .channel = CHANNEL_QR,
                        .visitor_hash = 42,
                        .family = "Safari on iOS"};
}

struct hit act_on(const struct hit *hit, uint32_t acts, int64_t earlier_id)
{
    return (struct hit){.id = hit->id,
                        .owner_id = hit->owner_id,
                        .share_id = hit->share_id,
                        .acts = acts,
                        .earlier_id = earlier_id,
                        .act_at_ms = id_time_ms(hit->id) + 1500};
}

int64_t place_number(struct place *place, const char *sql)
{
    struct db *db;
    struct db_rows *rows;
    assert_int_equal(store_read_begin(place->store, &db), RESULT_OK);
    assert_int_equal(db_one(db, sql, NULL, 0, &rows), RESULT_OK);
    int64_t number = db_column_int(rows, 0);
    db_finish(&rows);
    store_read_end(place->store, db);
    return number;
}

bool place_has_table(struct place *place, const char *name)
{
    struct db *db;
    assert_int_equal(store_read_begin(place->store, &db), RESULT_OK);
    bool has = engine_has_table(db, name);
    store_read_end(place->store, db);
    return has;
}

static enum result run(struct db *db, void *context)
{
    return db_run(db, context, NULL, 0);
}

void place_run(struct place *place, const char *sql)
{
    assert_int_equal(store_write(place->store, "test", run, (void *)sql), RESULT_OK);
}

size_t place_list(struct place *place, int share, struct hit_row **out)
{
    enum { PAGE = 3 };
    size_t all = 0, room = 0, count = PAGE;
    int64_t before = 0;
    for (*out = NULL; count == PAGE;) {
        struct hit_row *page;
        assert_int_equal(
            store_hit_list(place->store, &place->arena, PLACE_OWNER, PLACE_SHARE + share, before, PAGE, &page, &count),
            RESULT_OK);
        assert_true(count <= PAGE);
        if (all + count > room) {
            struct hit_row *wider = arena_alloc_raw(&place->arena, (room = 2 * room + PAGE) * sizeof *wider);
            if (all)
                memcpy(wider, *out, all * sizeof *wider);
            *out = wider;
        }
        for (size_t i = 0; i < count; i++) {
            assert_true(!before || page[i].id < before);
            before = page[i].id;
            (*out)[all++] = page[i];
        }
    }
    return all;
}

struct day_count place_counts(struct place *place)
{
    struct day_count *days, sum = {0};
    size_t count;
    assert_int_equal(store_day_counts(place->store, &place->arena, PLACE_OWNER, 0, INT32_MAX, &days, &count),
                     RESULT_OK);
    for (size_t i = 0; i < count; i++) {
        assert_true(i == 0 || days[i].day > days[i - 1].day ||
                    (days[i].day == days[i - 1].day && days[i].channel > days[i - 1].channel));
        for (int v = 0; v < VERDICT_COUNT; v++)
            sum.by_verdict[v] += days[i].by_verdict[v];
        sum.saves += days[i].saves;
        sum.forms += days[i].forms;
    }
    return sum;
}

void place_check_counts(struct place *place)
{
    struct db *db;
    struct month_list months;
    assert_int_equal(store_read_begin(place->store, &db), RESULT_OK);
    assert_int_equal(months_list(db, &place->arena, &months), RESULT_OK);
    store_read_end(place->store, db);
    for (int v = 0; v < VERDICT_COUNT; v++) {
        char sql[160];
        int64_t rows = 0;
        for (size_t i = 0; i < months.count; i++) {
            snprintf(sql, sizeof sql, "SELECT COALESCE(sum(times), 0) FROM hits_%06d WHERE verdict = %d",
                     months.months[i], v);
            rows += place_number(place, sql);
        }
        snprintf(sql, sizeof sql, "SELECT COALESCE(sum(%s), 0) FROM day_counts", verdict_name((enum verdict)v));
        assert_int_equal(place_number(place, sql), rows);
        snprintf(sql, sizeof sql, "SELECT COALESCE(sum(%s), 0) FROM share_counts", verdict_name((enum verdict)v));
        assert_int_equal(place_number(place, sql), rows);
    }
}
