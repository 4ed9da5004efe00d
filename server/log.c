/* See log.h. A full or closed stderr never stops the service: the line is dropped.
 *
 * Stderr is shared with whoever started us, so it is not made non-blocking; it is asked first whether it has room, which for
 * a pipe means a page and a line is shorter. Libc's lock on the stream keeps another thread from taking that room between. */
#include "server/log.h"

#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 1024 };

static void write_unless_full(const char *line, size_t len)
{
    struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};
    flockfile(stderr);
    if (poll(&room, 1, 0) == 1 && room.revents == POLLOUT)
        (void)!write(STDERR_FILENO, line, len); /* there is nowhere to say that it failed */
    funlockfile(stderr);
}

static void write_line(enum log_level level, const char *word, const char *event, const char *format, va_list args)
{
    char line[LINE_MAX_BYTES];
    char stamp[32] = "";
    time_t now = time(NULL);
    struct tm utc;
    bool journal = getenv("JOURNAL_STREAM") != NULL;
    if (!journal && gmtime_r(&now, &utc))
        strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ ", &utc);
    int len = journal ? snprintf(line, sizeof line, "<%d>level=%s event=%s ", level, word, event)
                      : snprintf(line, sizeof line, "%slevel=%s event=%s ", stamp, word, event);
    size_t used = (size_t)len;
    int more = vsnprintf(line + used, sizeof line - used - 1, format, args);
    if (more > 0)
        used += (size_t)more < sizeof line - used - 1 ? (size_t)more : sizeof line - used - 2;
    for (size_t i = 0; i < used; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    line[used++] = '\n';
    write_unless_full(line, used);
}

#define LOG_FUNCTION(name, level, word)                   \
    void name(const char *event, const char *format, ...) \
    {                                                     \
        va_list args;                                     \
        va_start(args, format);                           \
        write_line(level, word, event, format, args);     \
        va_end(args);                                     \
    }

LOG_FUNCTION(log_error, LOG_LEVEL_ERROR, "error")
LOG_FUNCTION(log_warning, LOG_LEVEL_WARNING, "warning")
LOG_FUNCTION(log_info, LOG_LEVEL_INFO, "info")
