/* Foreign keys while a copy is made: off, so that rows may come in any order and quickly, and proved whole at the end. */
#ifndef MEISHI_STORE_COPY_KEYS_H
#define MEISHI_STORE_COPY_KEYS_H

#include "server/store/db.h"

/* On SQLite the connection stops looking at them; outside a transaction, each time it is opened. Nothing elsewhere. */
enum result copy_keys_off(struct db *db) MUST_CHECK;
/* On PostgreSQL, where only a superuser may do so, they are written down in copy_keys and dropped, in the running transaction;
 * again and again as one likes. */
enum result copy_keys_aside(struct db *db) MUST_CHECK;
/* All are there again, in the running transaction. INVALID: a row refers to one that is not there. */
enum result copy_keys_back(struct db *db) MUST_CHECK;
/* The running transaction may take and rest as long as it likes. */
enum result copy_keys_wait_long(struct db *db) MUST_CHECK;

#endif
