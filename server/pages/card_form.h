/* The card's form: from what was posted to a card, and from a card to what the form shows. Asks nothing of the store. */
#ifndef MEISHI_CARD_FORM_H
#define MEISHI_CARD_FORM_H

#include "cards/card.h"
#include "server/http/request.h"
#include "server/pages/views.h"

/* Reads every field of the form over CARD, unchecked; a list holds all its rows, blank ones too, until card_check. The
 * handle is read only while the card is not stored yet. */
void card_form_read(struct request *request, struct card *card);
/* Fields, rows and what is wrong with them. MORE names a list that gets one more row, NULL for none. */
void card_form_fill(struct card_form_view *view, const struct card *card, const char *more,
                    const struct complaints *complaints, struct arena *arena);

#endif
