/* The lock by which one process at a time has a store that only one may serve. */
#ifndef MEISHI_STORE_LOCK_H
#define MEISHI_STORE_LOCK_H

#include <stdbool.h>
#include "cards/base/arena.h"

struct store_lock;

/* One process a store. CONFLICT with a sentence in *WHY that names the file and the other's process id. *CLEAN says
 * whether the last one closed the store itself. An engine that many may serve has no lock: OK and NULL. */
enum result lock_take(const char *url, struct arena *arena, struct store_lock **out, bool *clean,
                      const char **why) MUST_CHECK;
/* CLEAN: closed well. Of NULL: nothing. */
void lock_release(struct store_lock *lock, bool clean);

#endif
