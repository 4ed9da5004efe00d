/* One-time sign-in links: how a first member comes in, and anybody who forgot their password. */
#ifndef MEISHI_SIGN_IN_LINK_H
#define MEISHI_SIGN_IN_LINK_H

#include "server/app.h"
#include "server/store/members.h"

struct request;

enum { SIGN_IN_LINK_HOURS = 24, MAILED_LINK_MINUTES = 30 };

/* A new one, good for MINUTES, that the caller stores by its HASH with *OUT_UNTIL_MS. Returns its address, in the arena. */
const char *sign_in_link_new(const struct app *app, struct arena *arena, int minutes, int64_t now_ms,
                             unsigned char hash[HASH_SIZE], int64_t *out_until_ms);
/* Mints a link for the member, good for MINUTES; its address, in the arena, is shown once: the store keeps only a hash. */
enum result sign_in_link_make(struct app *app, struct arena *arena, int64_t member_id, int minutes,
                              const char **out_url) MUST_CHECK;
/* Whom the link of SECRET would sign in; it stays as it is. NOT_FOUND: unknown, used or too old. */
enum result sign_in_link_find(struct app *app, const char *secret, int64_t *out_member_id) MUST_CHECK;
/* Redeems the SECRET of a link, once. NOT_FOUND: unknown, used or too old. */
enum result sign_in_link_use(struct app *app, const char *secret, int64_t *out_member_id) MUST_CHECK;

#endif
