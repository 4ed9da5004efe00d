/* What an engine's own check does not look at: whether every row that refers to another finds it, and, on PostgreSQL, which has
 * no check that needs no superuser, whether each table holds as many rows as the index of its key. Both read everything once. */
#ifndef MEISHI_STORE_CHECK_TABLES_H
#define MEISHI_STORE_CHECK_TABLES_H

#include "cards/base/complaints.h"
#include "server/store/db.h"

/* For a DB_READ connection, outside transactions. Sentences about what is wrong into COMPLAINTS; FAILED: it could not be read. */
enum result check_tables(struct db *db, struct arena *arena, struct complaints *complaints) MUST_CHECK;

#endif
