/* Shares and the chain of hands. */
#ifndef MEISHI_STORE_SHARES_H
#define MEISHI_STORE_SHARES_H

#include <stddef.h>
#include <stdint.h>
#include "cards/card.h"
#include "cards/share.h"

struct store;

/* Mints a share: owner, card, sharer, channel, label, recipient, print_run, vouch, expiry and, for a passed-on one, parent
 * are taken from SHARE (checked by share_check); id, token, created and chain are filled in. In the same transaction: the
 * event share.created, or share.passed_on when it has a parent; and for a named recipient the potential lead with its
 * event. TOKEN is 16 random base32 characters made by the caller (server/ids.h), CONFLICT if ever taken.
 * NOT_FOUND: no such card or parent of that owner. LIMITED: the chain is SHARE_CHAIN_MAX hands long. */
enum result store_share_add(struct store *store, struct arena *arena, struct share *share, int64_t now_ms) MUST_CHECK;
/* With its chain. Revoked and expired ones too: share_may_open decides. */
enum result store_share_find(struct store *store, struct arena *arena, int64_t owner_id, int64_t share_id,
                             struct share *out) MUST_CHECK;
enum result store_share_find_by_token(struct store *store, struct arena *arena, const char *token,
                                      struct share *out) MUST_CHECK;
/* The standing share of the card with this handle. */
enum result store_share_find_by_handle(struct store *store, struct arena *arena, const char *handle,
                                       struct share *out) MUST_CHECK;
/* DENIED: the standing link lives as long as its card. Revoking twice is OK and keeps the first time. */
enum result store_share_revoke(struct store *store, int64_t owner_id, int64_t share_id, int64_t now_ms) MUST_CHECK;

struct share_counts {
    int64_t person, unconfirmed, preview, scanner, prefetch, bot, self;
};
struct share_row {
    struct share share; /* with its chain if it has a parent */
    struct share_counts counts;
    int64_t leads; /* identified ones, not set aside */
};
/* Newest first, those made before id BEFORE (0: from the newest), at most LIMIT. CARD_ID 0: of all the owner's cards. */
enum result store_share_list(struct store *store, struct arena *arena, int64_t owner_id, int64_t card_id,
                             int64_t before, size_t limit, struct share_row **out, size_t *count) MUST_CHECK;

#endif
