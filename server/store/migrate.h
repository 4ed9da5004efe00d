/* Brings a database to today's tables, by the steps of migrations.h. */
#ifndef MEISHI_STORE_MIGRATE_H
#define MEISHI_STORE_MIGRATE_H

#include "server/store/db.h"

/* Brings a part to today's tables, each step in a transaction of its own. FAILED with a sentence in *WHY. */
enum result migrate_part(struct db *db, enum db_part part, struct arena *arena, const char **why) MUST_CHECK;
/* The newest step that a newer program took and this one cannot go on beside; 0 for none. */
enum result migrate_find_newer(struct db *db, int64_t *out) MUST_CHECK;
/* All steps of both parts in the running transaction, for an engine that keeps them in one place. */
enum result migrate_within(struct db *db, struct arena *arena, const char **why) MUST_CHECK;
/* Whether this program can read it as it stands, for those who may not write. FAILED with a sentence in *WHY. */
enum result migrate_check(struct db *db, enum db_part part, struct arena *arena, const char **why) MUST_CHECK;

#endif
