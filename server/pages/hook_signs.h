/* What is drawn of webhooks: a sign for a state, and a day's messages as bars. Shapes first; colour only repeats them. */
#ifndef MEISHI_HOOK_SIGNS_H
#define MEISHI_HOOK_SIGNS_H

#include <stddef.h>
#include "server/pages/views.h"
#include "server/store/webhooks.h"

enum sign { SIGN_FINE, SIGN_SLOW, SIGN_FAILING, SIGN_OFF, SIGN_NEW };

struct sign_view hook_sign(enum sign sign, const char *word);

enum { DAY_ROWS_MAX = 200 }; /* of the deliveries that are looked at */
/* The messages of the last 24 hours, newest first and at most DAY_ROWS_MAX of them: if there were more, of the time since the
 * oldest. Members are NULL when there was none. */
struct day_view hook_day(const struct delivery *rows, size_t count, int64_t now_ms, struct arena *arena);

#endif
