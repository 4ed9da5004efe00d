/* Word to a member, by mail, that a webhook of theirs fails or was turned off: who does not open the desk for a week would lose
 * a week's events otherwise. */
#ifndef MEISHI_HOOK_MAIL_H
#define MEISHI_HOOK_MAIL_H

#include <stdint.h>

/* For store_on_trouble; APP is the struct app *. Nothing is sent without a mail server. */
void hook_mail_trouble(void *app, int64_t owner_id, int64_t webhook_id);

#endif
