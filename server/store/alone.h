/* Being the only one at a store, for what must not meet a server: copying it, and putting a backup in its place.
 *
 * On SQLite the lock file says so (lock.c). Where several may serve one database, each says that it is there (presence.c), and
 * whoever is alone shuts the door: nobody comes until that connection is closed. */
#ifndef MEISHI_STORE_ALONE_H
#define MEISHI_STORE_ALONE_H

#include "server/store/db.h"

/* For a connection that writes the main part, once, outside transactions; it lasts until that is closed. CONFLICT with *WHY,
 * which names who else is there. */
enum result alone_take(struct db *db, struct arena *arena, const char **why) MUST_CHECK;

#endif
