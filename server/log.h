/* One line per event on stderr, logfmt: level, event, then key=value pairs, values escaped so that a line is an event.
 * Never bodies, cookies, tokens, e-mails or addresses. A "<N>" priority leads each line under the systemd journal. */
#ifndef MEISHI_LOG_H
#define MEISHI_LOG_H

#include "cards/base/result.h"

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARNING = 4, LOG_LEVEL_INFO = 6 };

/* EVENT is a stable name, one for each call site ("hit-write-failed"). The rest is one formatted text: key=value pairs,
 * where a value that may hold spaces is written by %s inside quotes: log_error("store-open", "path=\"%s\"", path). */
void log_error(const char *event, const char *format, ...) PRINTF_LIKE(2, 3);
void log_warning(const char *event, const char *format, ...) PRINTF_LIKE(2, 3);
void log_info(const char *event, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
