/* See faulty.h. */
#include "tests/support/faulty.h"

#include <stdatomic.h>
#include <stddef.h>
#include "server/store/db.h"

static atomic_int left; /* calls until the one that fails; 0: none will */
static atomic_bool fired;
static atomic_int armed_kind;
static const struct db_driver *inner; /* of the connection it was put on */

static bool is_due(enum faulty_kind kind)
{
    if (atomic_load(&armed_kind) != (int)kind || atomic_load(&left) <= 0 || atomic_fetch_sub(&left, 1) != 1)
        return false;
    atomic_store(&fired, true);
    return true;
}

static enum result begin(struct db *db)
{
    return is_due(FAULTY_CALL) ? RESULT_FAILED : inner->begin(db);
}

static enum result end(struct db *db, bool commit)
{
    if (!commit)
        return inner->end(db, false);
    if (is_due(FAULTY_CALL)) {
        enum result undone = inner->end(db, false);
        (void)undone;
        return RESULT_FAILED;
    }
    enum result result = inner->end(db, true);
    return is_due(FAULTY_COMMIT) ? RESULT_FAILED : result;
}

static enum result query(struct db *db, const char *sql, const struct db_value *args, int arg_count,
                         struct db_rows **out)
{
    *out = NULL;
    return is_due(FAULTY_CALL) ? RESULT_FAILED : inner->query(db, sql, args, arg_count, out);
}

static enum result next(struct db_rows *rows)
{
    return is_due(FAULTY_CALL) ? RESULT_FAILED : inner->next(rows);
}

static enum result append(struct db *db, const char *insert, const struct db_value *values, int column_count,
                          int row_count)
{
    return is_due(FAULTY_CALL) ? RESULT_FAILED : inner->append(db, insert, values, column_count, row_count);
}

void faulty_put(struct db *db)
{
    static struct db_driver faulty;
    inner = db->driver;
    faulty = *inner;
    faulty.begin = begin;
    faulty.end = end;
    faulty.query = query;
    faulty.next = next;
    faulty.append = append;
    db->driver = &faulty;
}

void faulty_arm(enum faulty_kind kind, int nth)
{
    atomic_store(&fired, false);
    atomic_store(&armed_kind, (int)kind);
    atomic_store(&left, nth);
}

bool faulty_disarm(void)
{
    atomic_store(&left, 0);
    return atomic_load(&fired);
}
