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

enum result lead_gone(struct db *db, int64_t owner_id, int64_t lead_id)
{
    int64_t change;
    enum result result = lead_change_next(db, owner_id, &change);
    return result == RESULT_OK
               ? db_run(db, "INSERT INTO leads_gone (owner_id, change_seq, lead_id) VALUES ($1, $2, $3)",
                        DB_ARGS(DB_INT(owner_id), DB_INT(change), DB_INT(lead_id)))
               : result;
}
