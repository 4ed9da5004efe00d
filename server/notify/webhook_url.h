/* Whether an address may be given to a webhook, said in the words of who typed it. */
#ifndef MEISHI_WEBHOOK_URL_H
#define MEISHI_WEBHOOK_URL_H

#include "server/notify/address.h"

/* What is wrong with URL, a literal sentence, or NULL when it is fine: https (or http, for receivers that POLICY allows), a
 * host, at most URL_BYTES_MAX bytes, no user, no fragment, a port that can be called, and, when the host is an address
 * already, one that may be. Names are judged when they are called. */
const char *webhook_url_complaint(const char *url, const struct address_policy *policy);

#endif
