/* Which servers use a database that several share. On other engines nothing happens. */
#ifndef MEISHI_STORE_PRESENCE_H
#define MEISHI_STORE_PRESENCE_H

#include "server/store/db.h"

/* Come: one at a time, waits; the door is shut until stay. Stay: it is there now, with a node of its own for its ids. LIMITED:
 * as many are there as may be. */
enum result presence_come(struct db *db) MUST_CHECK;
enum result presence_stay(struct db *db) MUST_CHECK;
/* Between the two: BUSY when somebody else is there. */
enum result presence_alone(struct db *db) MUST_CHECK;
void presence_not_alone(struct db *db);

#endif
