/* The tables that hits end in: one a month (UTC), so that a fold's writes stay together and forgetting is a drop. A hit's
 * id holds its time, so the id alone tells the table. The SQL of a month is made once and lives as long as the store,
 * because connections keep prepared statements by the address of their text. */
#ifndef MEISHI_STORE_MONTHS_H
#define MEISHI_STORE_MONTHS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cards/base/arena.h"

struct db;
struct months; /* safe from any thread */

/* 202611 for an id made in November 2026; days since 1970 (UTC) of the same. */
int32_t month_of(int64_t hit_id);
int32_t day_of(int64_t hit_id);

enum { MONTH_SQL_SIZE = 320 };
struct month {
    struct month *next;
    int32_t month;
    char create[2 * MONTH_SQL_SIZE], insert[MONTH_SQL_SIZE], update[MONTH_SQL_SIZE], drop[MONTH_SQL_SIZE];
    char find[MONTH_SQL_SIZE]; /* one hit by owner, share, id; the columns are those of enum month_column */
    char list[MONTH_SQL_SIZE]; /* a share's hits before an id, newest first: owner, share, id, limit */
    char walk[MONTH_SQL_SIZE]; /* all after owner, share, id in that order, at most limit */
};
enum month_column {
    MONTH_OWNER,
    MONTH_SHARE,
    MONTH_ID,
    MONTH_VISITOR,
    MONTH_VERDICT,
    MONTH_RULE,
    MONTH_CHANNEL,
    MONTH_FACTS,
    MONTH_ACTS,
    MONTH_HASH,
    MONTH_FAMILY,
    MONTH_REFERRER,
    MONTH_TIMES,
    MONTH_COLUMNS
};

struct months *months_new(void);
void months_free(struct months *months);
/* The SQL of a month; never NULL, whether or not its table exists. */
const struct month *months_get(struct months *months, int32_t month);

/* The months whose tables exist, newest first, as this connection's transaction sees them. */
struct month_list {
    int32_t *months;
    size_t count;
};
enum result months_list(struct db *db, struct arena *arena, struct month_list *out) MUST_CHECK;
bool months_has(const struct month_list *list, int32_t month);
/* Makes the month's table in the running transaction if there is none. */
enum result months_ensure(struct db *db, const struct month *month) MUST_CHECK;
/* Takes it off the list and drops it in the running transaction, if it is there. BUSY: somebody is reading it at length. */
enum result months_drop(struct db *db, const struct month *month) MUST_CHECK;
/* The first hit of the visitor of HIT_ID, as far as it is folded: HIT_ID itself when nothing else is known. */
enum result months_visitor(struct db *db, struct months *months, int64_t owner_id, int64_t share_id, int64_t hit_id,
                           int64_t *out) MUST_CHECK;

#endif
