/* Rows of members (members.c) and of links to sign in (sign_in.c), for the transactions of both. */
#ifndef MEISHI_STORE_MEMBER_ROWS_H
#define MEISHI_STORE_MEMBER_ROWS_H

#include "server/store/db.h"
#include "server/store/members.h"

/* members.c: a member from row columns FIRST and on, selected as MEMBER_COLUMNS from `members AS m`. */
#define MEMBER_COLUMNS "m.id, m.handle, m.name, m.email, m.password_hash, m.role, m.created_ms, m.disabled_ms"
enum { MEMBER_COLUMN_COUNT = 8 };
/* sign_in.c: a link for an active member, in the running transaction. */
enum result sign_in_link_insert(struct db *db, const unsigned char hash[HASH_SIZE], int64_t member_id, int64_t now_ms,
                                int64_t expires_ms) MUST_CHECK;
/* OK when there is such a member and it is not disabled, else NOT_FOUND. */
enum result member_is_active(struct db *db, int64_t id) MUST_CHECK;
void member_from_row(struct member *out, const struct db_rows *rows, int first, struct arena *arena);

#endif
