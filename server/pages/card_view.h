/* From a card and the share it came by to what its page shows. Nothing is asked of the store here. */
#ifndef MEISHI_CARD_VIEW_H
#define MEISHI_CARD_VIEW_H

#include "cards/base/str.h"
#include "cards/card.h"
#include "cards/share.h"
#include "server/app.h"
#include "server/pages/views.h"

/* Fills OUT for one page; its text borrows from CARD, SHARE and ARENA. TOKEN and STAMP are what stands in links and forms:
 * the share's own and a hit's, or the cache's placeholders. SHARE needs its chain. */
void card_view_fill(const char *base_url, struct arena *arena, const struct card *card, const struct share *share,
                    const char *token, const char *stamp, struct card_view *out);
/* Appends the whole page of SHARE with the cache's placeholders for token and stamp. FAILED when OUT is too small. */
enum result card_view_render(struct app *app, struct arena *arena, const struct card *card, const struct share *share,
                             struct str *out) MUST_CHECK;
/* The policy of card pages: nothing foreign, and of inline styles only our own, by their hashes. */
extern const char CARD_VIEW_CSP[];

/* The hand that the visitor is told of: the endorser, else the last visitor who said a name or a word; NULL when the card
 * came straight from its owner. */
const struct hand *card_view_hand(const struct share *share);

#endif
