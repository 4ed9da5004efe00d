/* See fault_sweep.h. */
#include "tests/support/fault_sweep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "server/store/db.h"

static uint64_t mix(uint64_t hash, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3u;
    return hash;
}

/* "SELECT quote(a) || ',' || quote(b) FROM t", so that a row is one text. */
static const char *select_all(struct db *db, const char *table, struct arena *arena)
{
    struct db_rows *rows;
    const char *columns = NULL;
    assert_int_equal(db_query(db, "SELECT name FROM pragma_table_info($1)", DB_ARGS(db_text(table)), &rows), RESULT_OK);
    while (db_next(rows) == RESULT_OK) {
        const char *name = db_column_text(rows, 0, arena);
        columns = columns ? arena_printf(arena, "%s || ',' || quote(\"%s\")", columns, name)
                          : arena_printf(arena, "quote(\"%s\")", name);
    }
    db_finish(&rows);
    return arena_printf(arena, "SELECT %s FROM \"%s\" ORDER BY 1", columns, table);
}

uint64_t fault_fingerprint(struct store_place *place)
{
    struct db *db;
    struct db_rows *tables, *rows;
    struct arena arena;
    uint64_t hash = 0xcbf29ce484222325u;
    arena_init(&arena);
    assert_int_equal(db_sqlite.open(place->url, DB_MAIN, DB_READ, &db), RESULT_OK);
    assert_int_equal(
        db_query(db, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name", NULL, 0, &tables), RESULT_OK);
    while (db_next(tables) == RESULT_OK) {
        const char *table = db_column_text(tables, 0, &arena);
        hash = mix(hash, table, strlen(table));
        assert_int_equal(db_query(db, select_all(db, table, &arena), NULL, 0, &rows), RESULT_OK);
        while (db_next(rows) == RESULT_OK) {
            size_t len;
            const char *row = db_column_bytes(rows, 0, &len);
            hash = mix(hash, row, len);
        }
        db_finish(&rows);
    }
    db_finish(&tables);
    db_sqlite.close(db);
    arena_free(&arena);
    return hash;
}

void fault_sweep(const struct fault_verb *verb, struct fault_plan plan)
{
    struct store_place *place = store_place_make(&db_faulty);
    if (verb->before)
        verb->before(place);
    uint64_t before = fault_fingerprint(place);
    int n = 1;
    for (; n < FAULTS_MAX; n++) {
        plan.fail_at = n;
        faults_plan(&plan);
        enum result result = verb->run(place);
        int struck = faults_struck(), violations = faults_violations();
        faults_plan(&(struct fault_plan){0});
        bool changed = fault_fingerprint(place) != before;
        if (verb->loose && struck && result == RESULT_OK && changed) {
            store_place_drop(place);
            place = store_place_make(&db_faulty);
            if (verb->before)
                verb->before(place);
            before = fault_fingerprint(place);
            continue;
        }
        if ((violations && !verb->loose) || (struck && changed))
            print_message("%s, call %d: result %d, struck %d, changed %d, violations %d\n", verb->name, n, result,
                          struck, changed, violations);
        assert_true(violations == 0 || verb->loose);
        if (!struck) {
            assert_int_equal(result, RESULT_OK);
            break;
        }
        assert_false(changed);
        if (!verb->loose)
            assert_int_equal(result, RESULT_FAILED);
    }
    assert_in_range(n, 2, FAULTS_MAX - 1);
    store_place_drop(place);
}

void fault_sweep_busy(const struct fault_verb *verb)
{
    for (int n = 1; n < FAULTS_MAX; n++) {
        struct store_place *place = store_place_make(&db_faulty);
        if (verb->before)
            verb->before(place);
        uint64_t before = fault_fingerprint(place);
        faults_plan(&(struct fault_plan){.fail_at = n, .with = RESULT_BUSY});
        enum result result = verb->run(place);
        int struck = faults_struck();
        faults_plan(&(struct fault_plan){0});
        if (!verb->loose)
            assert_int_equal(result, RESULT_OK);
        else if (result != RESULT_OK)
            assert_true(result == RESULT_FAILED && fault_fingerprint(place) == before);
        store_place_drop(place);
        if (!struck)
            break;
    }
}
