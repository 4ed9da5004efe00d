/* What putting a backup in a store's place has in common on every engine, for restore.c and its halves: what the old store knows
 * that the backup does not, and must go on holding. */
#ifndef MEISHI_STORE_RESTORE_H
#define MEISHI_STORE_RESTORE_H

#include <stdbool.h>
#include "server/store/db.h"

/* Who was erased and who was shut out until now. */
struct carried {
    struct carried_row {
        int lock; /* -1: an erased one, else of which kind */
        struct db_value values[3];
    } * rows;
    size_t count;
};
/* FAILED: the old store cannot be read; what could be is in OUT. */
enum result restore_carry(struct db *old, struct arena *arena, struct carried *out) MUST_CHECK;
/* In the running transaction on the restored tables: nobody's session, whoever was erased erased again, whoever was shut out
 * shut out. */
enum result restore_make_ready(struct db *db, const struct carried *carried) MUST_CHECK;

/* restore_postgres.c: store_restore on PostgreSQL. */
enum result restore_postgres(const char *url, const char *path, bool replace, struct arena *arena, const char **kept,
                             const char **why) MUST_CHECK;

#endif
