/* Rows of shares (shares.c), for other subjects' transactions and snapshots. */
#ifndef MEISHI_STORE_SHARE_ROWS_H
#define MEISHI_STORE_SHARE_ROWS_H

#include "server/store/db.h"
#include "server/store/shares.h"

/* Writes the row alone, without looking at anything. */
enum result share_insert(struct db *db, const struct share *share) MUST_CHECK;
/* The share with its chain. */
enum result share_read(struct db *db, struct arena *arena, int64_t owner_id, int64_t share_id,
                       struct share *out) MUST_CHECK;
/* The same of many, in few queries: *OUT[i] is the share of IDS[i]; the same share for the same id. */
enum result share_read_many(struct db *db, struct arena *arena, int64_t owner_id, const int64_t *ids, size_t count,
                            struct share **out) MUST_CHECK;

#endif
