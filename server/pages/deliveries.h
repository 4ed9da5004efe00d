/* What became of a message to another system, in words. */
#ifndef MEISHI_DELIVERIES_H
#define MEISHI_DELIVERIES_H

#include "cards/base/arena.h"
#include "server/store/webhooks.h"

/* "Arrived, 1 try, answer 204", "Not yet arrived: timeout. Next try …". A literal or in the arena. */
const char *delivery_words(const struct delivery *delivery, struct arena *arena);

#endif
