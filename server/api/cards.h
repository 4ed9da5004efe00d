/* A card's shapes in the API, for those who make one and those who make many. */
#ifndef MEISHI_API_CARDS_H
#define MEISHI_API_CARDS_H

#include <jansson.h>
#include "cards/card.h"
#include "server/app.h"

/* As it is shown; new reference. */
json_t *api_card_json(const struct app *app, const struct card *card);
/* Reads JSON over CARD and checks it; "handle" is taken, out of JSON too, where a card is made. */
void api_card_read(json_t *json, struct card *card, bool is_new, struct arena *arena, struct complaints *complaints);

#endif
