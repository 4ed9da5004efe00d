/* Cards, their revisions and portraits. */
#ifndef MEISHI_STORE_CARDS_H
#define MEISHI_STORE_CARDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cards/card.h"

struct store;

/* Stores a checked card as revision 1 with its standing share, in one transaction; fills id, revision, handle (in ARENA). It is
 * card->handle if given (CONFLICT when taken), else the member's own, else that with -2, -3, … */
enum result store_card_add(struct store *store, struct arena *arena, struct card *card, int64_t now_ms) MUST_CHECK;
/* Many at once, or none, each as store_card_add; one whose handle is taken, by a card before it in the list too, is marked in
 * TAKEN, and then it is CONFLICT and nothing was stored. DRY_RUN stores nothing and says what would come of it, ids aside. */
enum result store_card_add_many(struct store *store, struct arena *arena, struct card *cards, size_t count,
                                bool dry_run, int64_t now_ms, bool *taken) MUST_CHECK;
/* Stores the next revision; card->revision must be the one it was read at. CONFLICT: changed meanwhile. */
enum result store_card_update(struct store *store, struct card *card, int64_t now_ms) MUST_CHECK;
enum result store_card_find(struct store *store, struct arena *arena, int64_t owner_id, int64_t card_id,
                            struct card *out) MUST_CHECK;
/* For visitors: whoever owns it; NOT_FOUND when the member is disabled or the card is retired. */
enum result store_card_open(struct store *store, struct arena *arena, int64_t card_id, struct card *out) MUST_CHECK;
/* Oldest first: a member has few. */
enum result store_card_list(struct store *store, struct arena *arena, int64_t owner_id, struct card **out,
                            size_t *count) MUST_CHECK;
/* The card is no longer served nor listed, and gives its handle back; its leads stay. */
enum result store_card_retire(struct store *store, int64_t owner_id, int64_t card_id, int64_t now_ms) MUST_CHECK;

/* A 512 x 512 JPEG as portrait_make made it; becomes the card's portrait in a new revision. Fills card->portrait_id and
 * card->revision. A NULL picture removes it. */
enum result store_portrait_set(struct store *store, struct card *card, const void *jpeg, size_t len,
                               int64_t now_ms) MUST_CHECK;
enum result store_portrait_find(struct store *store, struct arena *arena, int64_t portrait_id, const void **jpeg,
                                size_t *len) MUST_CHECK;

#endif
