/* How leads are found by words. */
#ifndef MEISHI_STORE_SEARCH_H
#define MEISHI_STORE_SEARCH_H

#include "server/store/db.h"

/* WORDS, folded, are what the lead is found by; and nothing is. */
enum result search_put(struct db *db, int64_t owner_id, int64_t lead_id, const char *words) MUST_CHECK;
enum result search_remove(struct db *db, int64_t owner_id, int64_t lead_id) MUST_CHECK;
/* Ids of up to MAX leads made before BEFORE that hold every word of Q (folded), newest first. */
enum result search_find(struct db *db, struct arena *arena, int64_t owner_id, const char *q, int64_t before, size_t max,
                        int64_t *out, size_t *count) MUST_CHECK;
/* What search_prepare makes on PostgreSQL beside its table; not in a backup's tables, so made anew after it. */
#define SEARCH_INDEX "lead_search_by_gram"
/* Makes what the engine needs for finding words, after the migrations, in their transaction. */
enum result search_prepare(struct db *db) MUST_CHECK;

#endif
