/* Every key of every table that grows begins with whose rows they are, so that the store can be divided by owner: between
 * databases, or by an engine that distributes tables by a column (Citus). The catalogue of the engine is asked, so a table that
 * a later migration makes is looked at too; what may be otherwise stands here, with the reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "server/ids.h"
#include "server/store/fold.h"
#include "server/store/internal.h"
#include "tests/support/fresh_store.h"

static const struct {
    const char *key; /* a table, or one key of it by its first column */
    const char *why;
} EXCEPTIONS[] = {
    {"members", "one row a person; each part has them all"},
    {"consent_texts", "one row a version of the text; each part has them all"},
    /* What comes from outside names a secret or a name and no owner: these are the way to the owner, and where the rest is divided
     * they stand together, before it. */
    {"shares.token", "the way from a token to its owner"},
    {"cards.handle", "the way from a handle to its owner"},
    {"receipts.hash", "the way from a receipt to its owner"},
    {"sessions", "the way from a cookie to its member; ends by itself"},
    {"sign_in_links", "the way from a link to its member; ends by itself"},
    {"api_tokens.hash", "the way from a token to its member"},
    /* What does not grow: swept as it is used, or a row for each of a few. */
    {"hit_inbox", "emptied every second"},
    {"fold_mark", "a row for each that folds"},
    {"hit_months", "one row a month"},
    {"throttles", "swept after eight days"},
    {"tallies", "swept within hours"},
    {"changes", "swept within minutes"},
    {"change_marks", "one row a kind"},
    {"day_salts", "one row a day, of two"},
    {"store_key", "one row"},
    {"schema_version", "one row a migration"},
    {"schema_beside", "one row a migration"},
    {"copy_progress", "one row a table, while a copy is made"},
    {"copy_keys", "one row a foreign key, while a copy is made"},
    {"erased", "it must not say whose they were"},
};

static bool is_excepted(const char *table, const char *column)
{
    for (size_t i = 0; i < sizeof EXCEPTIONS / sizeof *EXCEPTIONS; i++) {
        const char *key = EXCEPTIONS[i].key;
        size_t len = strlen(table);
        if (!strcmp(key, table) || (!strncmp(key, table, len) && key[len] == '.' && !strcmp(key + len + 1, column)))
            return true;
    }
    return false;
}

static bool is_owner(const char *column)
{
    return !strcmp(column, "owner_id") || !strcmp(column, "member_id");
}

/* A table's name and the first column of each of its unique keys; "" where a table has none. What FTS5 makes for itself is
 * SQLite's own affair. */
static const char *keys_sql(void)
{
    return engine_is_sqlite()
               ? "SELECT m.name, COALESCE((SELECT t.name FROM pragma_table_info(m.name) AS t WHERE t.pk = 1), '') "
                 "FROM sqlite_master AS m WHERE m.type = 'table' AND m.name NOT LIKE 'lead_search%' "
                 "UNION ALL SELECT m.name, i.name FROM sqlite_master AS m JOIN pragma_index_list(m.name) AS l "
                 "JOIN pragma_index_info(l.name) AS i WHERE m.type = 'table' AND l.\"unique\" = 1 AND i.seqno = 0 AND l.origin <> 'pk' "
                 "AND m.name NOT LIKE 'lead_search%'"
               : "SELECT CAST(c.relname AS TEXT), CAST(COALESCE(a.attname, '') AS TEXT) FROM pg_class AS c "
                 "LEFT JOIN pg_index AS i ON i.indrelid = c.oid AND i.indisunique "
                 "LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = i.indkey[0] "
                 "WHERE c.relkind IN ('r', 'p') AND c.relnamespace = CAST(current_schema() AS regnamespace)";
}

/* A table's name, and of each of its foreign keys the first column, and the table and column that it names. */
static const char *references_sql(void)
{
    return engine_is_sqlite()
               ? "SELECT m.name, f.\"from\", f.\"table\", f.\"to\" FROM sqlite_master AS m "
                 "JOIN pragma_foreign_key_list(m.name) AS f ON f.seq = 0 WHERE m.type = 'table'"
               : "SELECT CAST(c.relname AS TEXT), CAST(a.attname AS TEXT), CAST(t.relname AS TEXT), CAST(b.attname AS TEXT) "
                 "FROM pg_constraint AS f JOIN pg_class AS c ON c.oid = f.conrelid JOIN pg_class AS t ON t.oid = f.confrelid "
                 "JOIN pg_attribute AS a ON a.attrelid = f.conrelid AND a.attnum = f.conkey[1] "
                 "JOIN pg_attribute AS b ON b.attrelid = f.confrelid AND b.attnum = f.confkey[1] "
                 "WHERE f.contype = 'f' AND c.relnamespace = CAST(current_schema() AS regnamespace)";
}

struct look {
    struct arena *arena;
    int keys, wrong;
    bool months, search;
};

static enum result look_at_keys(struct db *db, void *context)
{
    struct look *look = context;
    struct db_rows *rows;
    enum result result = db_query(db, keys_sql(), NULL, 0, &rows);
    for (look->keys = look->wrong = 0; result == RESULT_OK && (result = db_next(rows)) == RESULT_OK; look->keys++) {
        const char *table = db_column_text(rows, 0, look->arena), *column = db_column_text(rows, 1, look->arena);
        look->months = look->months || !strncmp(table, "hits_", 5);
        look->search = look->search || !strcmp(table, "lead_search");
        if (is_owner(column) || is_excepted(table, column))
            continue;
        print_message("a key of %s begins with \"%s\"\n", table, column);
        look->wrong++;
    }
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

static enum result look_at_references(struct db *db, void *context)
{
    struct look *look = context;
    struct db_rows *rows;
    enum result result = db_query(db, references_sql(), NULL, 0, &rows);
    for (look->keys = look->wrong = 0; result == RESULT_OK && (result = db_next(rows)) == RESULT_OK; look->keys++) {
        const char *table = db_column_text(rows, 0, look->arena), *column = db_column_text(rows, 1, look->arena),
                   *other = db_column_text(rows, 2, look->arena), *its = db_column_text(rows, 3, look->arena);
        if ((is_owner(column) && is_owner(its)) || !strcmp(other, "members") || !strcmp(other, "consent_texts"))
            continue;
        print_message("%s.%s names %s.%s without the owner\n", table, column, other, its);
        look->wrong++;
    }
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

#define MUST(call) assert_int_equal(call, RESULT_OK)

static enum result make_month(struct db *db, void *context)
{
    struct fresh *fresh = context;
    return months_ensure(db, months_get(hits_months(fresh->store), month_of(id_new())));
}

static void keys__of_what_grows_begin_with_the_owner(void **state)
{
    struct fresh *fresh = *state;
    struct look look = {.arena = &fresh->arena};
    MUST(store_write(fresh->store, "month", make_month, fresh));
    MUST(store_read(fresh->store, look_at_keys, &look));
    assert_true(look.keys > 25 && look.months && look.search == !engine_is_sqlite());
    assert_int_equal(look.wrong, 0);
    MUST(store_read(fresh->store, look_at_references, &look));
    assert_true(look.keys > 10);
    assert_int_equal(look.wrong, 0);
}

static enum result run(struct db *db, void *context)
{
    return db_run(db, context, NULL, 0);
}

static void keys__that_do_not_are_told_of(void **state)
{
    static const char *const WRONG[] = {
        "CREATE TABLE wrong_key (id BIGINT NOT NULL PRIMARY KEY, owner_id BIGINT NOT NULL)",
        "CREATE UNIQUE INDEX leads_by_word ON leads (name)",
        "CREATE TABLE no_key (owner_id BIGINT NOT NULL)",
        "CREATE TABLE wrong_way (owner_id BIGINT NOT NULL PRIMARY KEY, wrong_id BIGINT REFERENCES wrong_key (id))",
    };
    struct fresh *fresh = *state;
    struct look look = {.arena = &fresh->arena};
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++)
        MUST(store_write(fresh->store, "wrong", run, (void *)WRONG[i]));
    MUST(store_read(fresh->store, look_at_keys, &look));
    assert_int_equal(look.wrong, 3);
    MUST(store_read(fresh->store, look_at_references, &look));
    assert_int_equal(look.wrong, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keys__of_what_grows_begin_with_the_owner, fresh_setup, fresh_teardown),
        cmocka_unit_test_setup_teardown(keys__that_do_not_are_told_of, fresh_setup, fresh_teardown),
    };
    return cmocka_run_group_tests_name("keys", tests, NULL, NULL);
}
