/* Bringing a database to today's tables: what steps promise to those who go on beside them, and who may take them when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "server/ids.h"
#include "server/store/internal.h"
#include "server/store/migrations.h"
#include "server/store/presence.h"
#include "tests/support/engine.h"

static const unsigned char SEAL_KEY[32] = "thirty-two bytes that seal well";

struct place {
    char folder[64], url[ENGINE_URL_SIZE];
    struct arena arena;
};

static int make_place(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    snprintf(place->folder, sizeof place->folder, "/tmp/meishi-steps-XXXXXX");
    if (!mkdtemp(place->folder))
        return -1;
    arena_init(&place->arena);
    engine_url(arena_printf(&place->arena, "%s/store.db", place->folder), place->url);
    *state = place;
    return 0;
}

static int drop_place(void **state)
{
    struct place *place = *state;
    char command[128];
    engine_drop(place->url);
    snprintf(command, sizeof command, "rm -rf '%s'", place->folder);
    int removed = system(command);
    arena_free(&place->arena);
    free(place);
    return removed;
}

static struct db *open_db(struct place *place)
{
    struct db *db;
    assert_int_equal(engine_driver()->open(place->url, DB_MAIN, DB_WRITE, &db), RESULT_OK);
    return db;
}

static void run_sql(struct place *place, const char *sql)
{
    struct db *db = open_db(place);
    assert_int_equal(db->driver->script(db, sql), RESULT_OK);
    db->driver->close(db);
}

static enum result open_store(struct place *place, struct store **out, const char **why)
{
    const struct store_options options = {.url = place->url,
                                          .driver = engine_driver(),
                                          .base_url = "https://cards.example",
                                          .seal_key = SEAL_KEY,
                                          .readers = 1};
    return store_open(&options, &place->arena, out, why);
}

static int64_t number(struct place *place, const char *sql)
{
    struct db *db = open_db(place);
    struct db_rows *rows;
    assert_int_equal(db_one(db, sql, NULL, 0, &rows), RESULT_OK);
    int64_t found = db_column_int(rows, 0);
    db_finish(&rows);
    db->driver->close(db);
    return found;
}

/* ---- what a step does to those who know the tables from before ---- */

/* Every column, and every index that refuses rows, of what lies in the database: one line each. */
struct shape {
    size_t count;
    struct trait {
        const char *table, *name, *nature;
        bool optional; /* who does not know it can still insert */
    } traits[1024];
};

static struct shape *shape_of(struct db *db, struct arena *arena)
{
    static const char *const POSTGRES[] = {
        "SELECT CAST(table_name AS TEXT), CAST(column_name AS TEXT), CAST(data_type AS TEXT) || ' ' || is_nullable, CASE "
        "WHEN is_nullable = 'YES' OR column_default IS NOT NULL THEN 1 ELSE 0 END FROM information_schema.columns WHERE "
        "table_schema = current_schema()",
        "SELECT CAST(t.relname AS TEXT), CAST(i.relname AS TEXT), 'unique', 0 FROM pg_index AS x JOIN pg_class AS i ON "
        "i.oid = x.indexrelid JOIN pg_class AS t ON t.oid = x.indrelid JOIN pg_namespace AS n ON n.oid = t.relnamespace "
        "WHERE n.nspname = current_schema() AND x.indisunique",
        "SELECT CAST(t.relname AS TEXT), CAST(c.conname AS TEXT), 'constraint', 0 FROM pg_constraint AS c JOIN pg_class AS "
        "t ON t.oid = c.conrelid JOIN pg_namespace AS n ON n.oid = t.relnamespace WHERE n.nspname = current_schema() AND "
        "c.contype IN ('c', 'f')",
    };
    static const char *const SQLITE[] = {
        "SELECT t.name, c.name, c.type || c.\"notnull\" || c.pk, c.\"notnull\" = 0 OR c.dflt_value IS NOT NULL FROM "
        "sqlite_master AS t JOIN pragma_table_info(t.name) AS c WHERE t.type = 'table'",
        "SELECT t.name, i.name, 'unique', 0 FROM sqlite_master AS t JOIN pragma_index_list(t.name) AS i WHERE t.type = "
        "'table' AND i.\"unique\"",
    };
    struct shape *shape = arena_alloc(arena, sizeof *shape);
    size_t queries = engine_is_sqlite() ? sizeof SQLITE / sizeof *SQLITE : sizeof POSTGRES / sizeof *POSTGRES;
    for (size_t i = 0; i < queries; i++) {
        struct db_rows *rows;
        enum result result = db_query(db, (engine_is_sqlite() ? SQLITE : POSTGRES)[i], NULL, 0, &rows);
        while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK) {
            assert_true(shape->count < 1024);
            shape->traits[shape->count++] =
                (struct trait){db_column_text(rows, 0, arena), db_column_text(rows, 1, arena),
                               db_column_text(rows, 2, arena), db_column_int(rows, 3) != 0};
        }
        db_finish(&rows);
        assert_int_equal(result, RESULT_NOT_FOUND);
    }
    return shape;
}

static const struct trait *find_trait(const struct shape *shape, const char *table, const char *name)
{
    for (size_t i = 0; i < shape->count; i++)
        if (!strcmp(shape->traits[i].table, table) && (!name || !strcmp(shape->traits[i].name, name)))
            return &shape->traits[i];
    return NULL;
}

/* What a program from before would trip over, or NULL. */
static const char *find_obstacle(const struct shape *before, const struct shape *after, struct arena *arena)
{
    for (size_t i = 0; i < before->count; i++) {
        const struct trait *old = &before->traits[i], *now = find_trait(after, old->table, old->name);
        if ((!now && strcmp(old->nature, "unique") != 0) || (now && strcmp(now->nature, old->nature) != 0))
            return arena_printf(arena, "%s.%s is gone or another", old->table, old->name);
    }
    for (size_t i = 0; i < after->count; i++) {
        const struct trait *new = &after->traits[i];
        if (find_trait(before, new->table, NULL) && !find_trait(before, new->table, new->name) && !new->optional)
            return arena_printf(arena, "%s.%s is new and cannot be left out", new->table, new->name);
    }
    return NULL;
}

static void steps__that_go_beside_old_servers_only_add(void **state)
{
    struct place *place = *state;
    struct db *db = open_db(place);
    int beside = 0;
    for (int i = 0; i < migrations_count; i++) {
        const struct shape *before = shape_of(db, &place->arena);
        assert_int_equal(db->driver->script(db, migrations[i].sql), RESULT_OK);
        const char *obstacle = find_obstacle(before, shape_of(db, &place->arena), &place->arena);
        beside += migrations[i].beside_old;
        if (migrations[i].beside_old && obstacle)
            fail_msg("step %d says that old servers can go on beside it, but %s", i + 1, obstacle);
    }
    assert_true(beside > 0);
    db->driver->close(db);
}

static void steps__say_to_one_engine_alone_how_it_stores_rows(void **state)
{
    struct place *place = *state;
    struct store *store;
    const char *why = NULL;
    assert_int_equal(open_store(place, &store, &why), RESULT_OK); /* which the other takes for a remark */
    store_close(store);
    if (!engine_is_sqlite())
        assert_int_equal(number(place,
                                "SELECT count(*) FROM pg_class WHERE relname = 'share_counts' AND relnamespace = "
                                "CAST(current_schema() AS regnamespace) AND 'fillfactor=50' = ANY (reloptions)"),
                         1);
}

static void steps__that_take_away_are_seen(void **state)
{
    struct place *place = *state;
    static const char *const bad[] = {
        "ALTER TABLE cards DROP COLUMN name",
        "ALTER TABLE cards RENAME COLUMN name TO title",
        "DROP TABLE cards",
        "CREATE UNIQUE INDEX cards_by_name ON cards (name)",
        "DROP TABLE cards; CREATE TABLE cards (id BIGINT NOT NULL PRIMARY KEY, name TEXT, size BIGINT NOT NULL)",
        "DROP TABLE cards; CREATE TABLE cards (id BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL)",
    };
    static const char *const good[] = {
        "ALTER TABLE cards ADD COLUMN size BIGINT; CREATE INDEX cards_by_size ON cards (size)",
        "ALTER TABLE cards ADD COLUMN weight BIGINT NOT NULL DEFAULT 0",
        "CREATE TABLE more (id BIGINT NOT NULL PRIMARY KEY, words TEXT NOT NULL)",
    };
    struct db *db = open_db(place);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(db->driver->script(db, "CREATE TABLE cards (id BIGINT NOT NULL PRIMARY KEY, name TEXT)"),
                         RESULT_OK);
        const struct shape *before = shape_of(db, &place->arena);
        assert_int_equal(db->driver->script(db, bad[i]), RESULT_OK);
        if (!find_obstacle(before, shape_of(db, &place->arena), &place->arena))
            fail_msg("%s was not seen", bad[i]);
        assert_int_equal(db->driver->script(db, "DROP TABLE IF EXISTS cards"), RESULT_OK);
    }
    assert_int_equal(db->driver->script(db, "CREATE TABLE cards (id BIGINT NOT NULL PRIMARY KEY, name TEXT)"),
                     RESULT_OK);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        const struct shape *before = shape_of(db, &place->arena);
        assert_int_equal(db->driver->script(db, good[i]), RESULT_OK);
        assert_null(find_obstacle(before, shape_of(db, &place->arena), &place->arena));
    }
    db->driver->close(db);
}

/* ---- an older program ---- */

static void store__goes_on_beside_newer_steps_that_let_it(void **state)
{
    struct place *place = *state;
    struct store *store;
    const char *why = NULL;
    assert_int_equal(open_store(place, &store, &why), RESULT_OK);
    store_close(store);
    run_sql(place, "INSERT INTO schema_version VALUES (900, 'kind', 1); INSERT INTO schema_beside VALUES (900)");
    assert_int_equal(open_store(place, &store, &why), RESULT_OK);
    struct member member = {.handle = "ann", .name = "Ann"};
    assert_int_equal(store_member_add(store, &member, now_ms()), RESULT_OK);
    store_close(store);
    run_sql(place, "INSERT INTO schema_version VALUES (901, 'unkind', 1)");
    assert_int_equal(open_store(place, &store, &why), RESULT_FAILED);
    assert_non_null(strstr(why, "newer Meishi"));
    assert_non_null(strstr(why, "901"));
}

/* ---- several processes ---- */

struct opener {
    pthread_t thread;
    struct place place;
    struct store *store;
    const char *why;
    enum result result;
};

static void *open_at_once(void *context)
{
    struct opener *opener = context;
    opener->result = open_store(&opener->place, &opener->store, &opener->why);
    return NULL;
}

static int nodes_taken(struct place *place)
{
    int taken = 0;
    struct db *db = open_db(place);
    for (int32_t node = 0; node < ID_NODES; node++) {
        enum result result = db->driver->hold(db, DB_LOCK_NODE, node, false);
        taken += result == RESULT_BUSY;
        if (result == RESULT_OK)
            db->driver->release(db, DB_LOCK_NODE, node);
    }
    db->driver->close(db);
    return taken;
}

static void migrators__at_once_take_each_step_once(void **state)
{
    struct place *place = *state;
    struct opener openers[4] = {0};
    for (int i = 0; i < 4; i++) {
        openers[i].place = *place;
        arena_init(&openers[i].place.arena);
        assert_int_equal(pthread_create(&openers[i].thread, NULL, open_at_once, &openers[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(openers[i].thread, NULL);
        if (openers[i].result != RESULT_OK)
            fail_msg("%s", openers[i].why);
    }
    assert_int_equal(number(place, "SELECT COUNT(*) FROM schema_version"), migrations_count);
    assert_int_equal(nodes_taken(place), 4); /* ids of each are unlike the others' */
    for (int i = 0; i < 4; i++) {
        store_close(openers[i].store);
        arena_free(&openers[i].place.arena);
    }
}

static void steps__that_go_beside_nobody_wait_until_all_have_left(void **state)
{
    struct place *place = *state;
    struct store *old, *new;
    const char *why = NULL;
    int last = 0;
    assert_int_equal(open_store(place, &old, &why), RESULT_OK);
    /* The first two tables' step is one of those, and as if OLD were from before it. */
    for (int i = 0; i < migrations_count; i++)
        last = migrations[i].beside_old ? last : migrations[i].number;
    assert_true(last > 0);
    run_sql(place, arena_printf(&place->arena, "DELETE FROM schema_version WHERE number = %d", last));
    assert_int_equal(open_store(place, &new, &why), RESULT_FAILED);
    assert_non_null(strstr(why, "Stop every meishi serve"));
    assert_non_null(strstr(why, arena_printf(&place->arena, "step %d", last)));
    struct member member = {.handle = "ann", .name = "Ann"};
    assert_int_equal(store_member_add(old, &member, now_ms()), RESULT_OK);
    store_close(old);
    /* Now nobody is in the way: it gets as far as the step itself, whose tables are there already. */
    struct db *db = open_db(place);
    assert_int_equal(presence_come(db), RESULT_OK);
    assert_int_equal(presence_alone(db), RESULT_OK);
    db->driver->close(db);
}

static void steps__that_go_beside_old_servers_disturb_none(void **state)
{
    struct place *place = *state;
    struct store *old, *new;
    const char *why = NULL;
    assert_int_equal(open_store(place, &old, &why), RESULT_OK);
    run_sql(place, "DROP TABLE changes; DROP TABLE change_marks; DROP TABLE tallies; DROP TABLE day_salts; "
                   "DELETE FROM schema_beside WHERE number = 7; DELETE FROM schema_version WHERE number = 7");
    assert_int_equal(open_store(place, &new, &why), RESULT_OK);
    assert_int_equal(number(place, "SELECT COUNT(*) FROM schema_beside WHERE number = 7"), 1);
    struct member ann = {.handle = "ann", .name = "Ann"}, found;
    assert_int_equal(store_member_add(old, &ann, now_ms()), RESULT_OK);
    assert_int_equal(store_member_find(new, &place->arena, ann.id, &found), RESULT_OK);
    assert_int_equal(store_member_disable(new, ann.id, now_ms()), RESULT_OK);
    store_close(old);
    store_close(new);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_place, drop_place)

int main(void)
{
    const struct CMUnitTest of_all[] = {
        TEST(steps__that_go_beside_old_servers_only_add),
        TEST(steps__say_to_one_engine_alone_how_it_stores_rows),
        TEST(steps__that_take_away_are_seen),
        TEST(store__goes_on_beside_newer_steps_that_let_it),
    };
    const struct CMUnitTest of_many[] = {
        TEST(migrators__at_once_take_each_step_once),
        TEST(steps__that_go_beside_nobody_wait_until_all_have_left),
        TEST(steps__that_go_beside_old_servers_disturb_none),
    };
    int failed = cmocka_run_group_tests_name("all engines", of_all, NULL, NULL);
    return engine_is_sqlite() ? failed : failed + cmocka_run_group_tests_name("many", of_many, NULL, NULL);
}
