/* What guards.c does in the transactions of others: counts, the day's salt, kept answers. */
#ifndef MEISHI_STORE_GUARDS_H
#define MEISHI_STORE_GUARDS_H

#include "server/store/changes.h"
#include "server/store/db.h"

struct store;

/* store_throttle_count in the running transaction. */
enum result guard_count(struct db *db, const char *key, int64_t window_ms, int64_t now_ms, int64_t *out) MUST_CHECK;
/* The salt of DAY (since 1970) that all servers have, drawn by the first that asks; those before TODAY are gone. */
enum result day_salt(struct store *store, int64_t day, int64_t today, unsigned char out[DAY_SALT_SIZE]) MUST_CHECK;
/* Answers kept for the member's Idempotency-Keys that hold TEXT are gone, in the running transaction. */
enum result answers_forget(const struct store *store, struct db *db, int64_t member_id, const char *text) MUST_CHECK;
/* Who comes when nobody else is there: what an Idempotency-Key was to do and had not done went down with an earlier process, and
 * whoever asks again has it done now. A db_body; takes no CONTEXT. */
enum result answers_let_go(struct db *db, void *context) MUST_CHECK;

#endif
