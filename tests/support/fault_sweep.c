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

static void mix_row(void *context, const char *table, const char *row, size_t len)
{
    uint64_t *hash = context;
    *hash = mix(mix(*hash, table, strlen(table)), row, len);
}

uint64_t fault_fingerprint(struct store_place *place)
{
    struct db *db;
    uint64_t hash = 0xcbf29ce484222325u;
    assert_int_equal(engine_driver()->open(place->url, DB_MAIN, DB_READ, &db), RESULT_OK);
    engine_read_all(db, mix_row, &hash);
    db->driver->close(db);
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
