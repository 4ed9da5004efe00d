/* Times as people say them. The server does not know where its readers are, so clock times are UTC and say so. */
#ifndef MEISHI_WHEN_H
#define MEISHI_WHEN_H

#include <stdbool.h>
#include <stdint.h>
#include "cards/base/arena.h"
#include "server/pages/views.h"

/* How long ago: "now", "9 min", "3 h", "7 d", then the day. Both texts NULL for AT_MS 0. */
struct when_view when_ago(int64_t at_ms, int64_t now_ms, struct arena *arena);
/* "22 November 2026", in UTC; with the time of day if asked. */
const char *when_day(int64_t at_ms, bool with_time, struct arena *arena);
/* How long until: "now", "in 9 min", "in 3 h", "in 7 d". */
const char *when_until(int64_t at_ms, int64_t now_ms, struct arena *arena);
/* "Tuesday 24 November, 14:00 UTC": of a day that is near. */
const char *when_weekday(int64_t at_ms, struct arena *arena);
/* The first moment of a day as a date field sends it, "2026-11-22"; 0 for none, -1 for what is no day. */
int64_t when_parse_day(const char *text);

#endif
