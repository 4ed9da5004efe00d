/* Archives of a PostgreSQL store in pg_dump's custom format, made and read by the server's own programs, which are run as
 * children: they find the database by variables of their environment, so no password stands on a command line. */
#ifndef MEISHI_DB_POSTGRES_ARCHIVE_H
#define MEISHI_DB_POSTGRES_ARCHIVE_H

#include "server/store/db.h"

/* The driver's copy_to: pg_dump of the schema's tables into a new file, all in one snapshot of the server's. */
enum result db_postgres_dump(struct db *db, const char *path) MUST_CHECK;
/* Runs the SQL that pg_restore writes to SCRIPT, in the running transaction; closes it. FAILED with the engine's words. */
enum result db_postgres_load(struct db *db, int script) MUST_CHECK;
/* Which version's programs fit: 15. */
int db_postgres_version(const struct db *db);

#endif
