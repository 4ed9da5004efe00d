/* Where a share is sent from: the addresses that open WhatsApp, a mail program and so on with the link filled in. */
#ifndef MEISHI_SEND_H
#define MEISHI_SEND_H

#include "cards/base/arena.h"
#include "cards/share.h"

/* The address that sends URL by CHANNEL, with TEXT where the channel takes one and SUBJECT where mail wants it; NULL when
 * the channel has none, as a QR code or a plain link. In the arena. */
const char *send_href(enum channel channel, const char *subject, const char *text, const char *url,
                      struct arena *arena);

#endif
