/* Numbers the changes of leads, see migrations/005: programs that keep a copy read on from the number they have.
 *
 * Neither the clock nor ids would do. Both are taken before a transaction commits, so of two that run at once the later may be
 * seen first, and who has read it would pass over the earlier. Here each takes the owner's next number by writing the owner's
 * row, and nobody else gets past that row until the first has committed. After an older store was put back the clock lifts
 * the numbers above those that were given out since. */
#include "server/ids.h"
#include "server/store/internal.h"
#include "server/store/lead_steps.h"

enum result lead_change_next(struct db *db, int64_t owner_id, int64_t *out)
{
    struct db_rows *rows;
    enum result result =
        db_one(db,
               "INSERT INTO lead_changes (owner_id, last) VALUES ($1, $2) ON CONFLICT (owner_id) DO UPDATE SET "
               "last = CASE WHEN excluded.last > lead_changes.last THEN excluded.last ELSE lead_changes.last + 1 END "
               "RETURNING last",
               DB_ARGS(DB_INT(owner_id), DB_INT(id_new())), &rows);
    if (result != RESULT_OK)
        return result;
    *out = db_column_int(rows, 0);
    db_finish(&rows);
    return RESULT_OK;
}

enum result lead_changed(struct db *db, int64_t owner_id, int64_t lead_id)
{
    int64_t change;
    enum result result = lead_change_next(db, owner_id, &change);
    return result == RESULT_OK ? db_run(db, "UPDATE leads SET change_seq = $3 WHERE owner_id = $1 AND id = $2",
                                        DB_ARGS(DB_INT(owner_id), DB_INT(lead_id), DB_INT(change)))
                               : result;
}

enum result leads_gone(struct db *db, int64_t owner_id, const int64_t *lead_ids, size_t count)
{
    enum { AT_ONCE = 50, COLUMNS = 3 };
    struct db_value values[AT_ONCE * COLUMNS];
    enum result result = RESULT_OK;
    for (size_t done = 0; done < count && result == RESULT_OK; done += AT_ONCE) {
        size_t rows = count - done < AT_ONCE ? count - done : AT_ONCE;
        int64_t first;
        result = lead_change_next(db, owner_id, &first);
        if (result == RESULT_OK && rows > 1)
            result = db_run(db, "UPDATE lead_changes SET last = last + $2 WHERE owner_id = $1",
                            DB_ARGS(DB_INT(owner_id), DB_INT((int64_t)rows - 1)));
        for (size_t i = 0; i < rows; i++) {
            values[i * COLUMNS] = DB_INT(owner_id);
            values[i * COLUMNS + 1] = DB_INT(first + (int64_t)i);
            values[i * COLUMNS + 2] = DB_INT(lead_ids[done + i]);
        }
        if (result == RESULT_OK)
            result = db->driver->append(db, "INSERT INTO leads_gone (owner_id, change_seq, lead_id)", values, COLUMNS,
                                        (int)rows);
    }
    return result;
}

enum result lead_gone(struct db *db, int64_t owner_id, int64_t lead_id)
{
    return leads_gone(db, owner_id, &lead_id, 1);
}
