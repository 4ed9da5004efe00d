/* Being the only one at a store, for what must not meet a server: copying it, and putting a backup in its place.
 *
 * On SQLite the lock file says so (lock.c). Where several may serve one database, each says that it is there (presence.c), and
 * whoever is alone shuts the door: nobody comes until it is opened again. */
#ifndef MEISHI_STORE_ALONE_H
#define MEISHI_STORE_ALONE_H

#include "server/store/db.h"

/* For a connection that writes the main part, once, outside transactions. CONFLICT with *WHY, which names who else is there. */
enum result alone_take(struct db *db, struct arena *arena, const char **why) MUST_CHECK;
/* Others may come. Closing the connection opens the door too, but only when the database has noticed. */
void alone_give(struct db *db);

#endif
