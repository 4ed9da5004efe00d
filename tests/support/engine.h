/* The engine that the stores of this run lie in: SQLite, or PostgreSQL when MEISHI_TEST_STORE names a database of it, in which
 * each store gets a schema of its own. tests/run.sh sets it. */
#ifndef MEISHI_TESTS_ENGINE_H
#define MEISHI_TESTS_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include "server/store/db.h"

enum { ENGINE_URL_SIZE = 256 };

const struct db_driver *engine_driver(void);
/* For tests of SQLite's own files: they have nothing to say about others. */
bool engine_is_sqlite(void);
/* The URL of a store that is not there yet: on SQLite at PATH; on PostgreSQL with its schema's name as the application's, by which a
 * test finds its own connections among those of others. */
void engine_url(const char *path, char out[ENGINE_URL_SIZE]);
/* Whether the store that DB reads has a table of that name. */
bool engine_has_table(struct db *db, const char *name);
/* All that stands in the store, table by table and row by row, as TELL is told. */
void engine_read_all(struct db *db, void (*tell)(void *context, const char *table, const char *row, size_t len),
                     void *context);
/* Takes away what a store left that its folder did not hold. */
void engine_drop(const char *url);

#endif
