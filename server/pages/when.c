/* See when.h. */
#include "server/pages/when.h"

#include <time.h>

#include "cards/event.h"

enum { MINUTE_MS = 60 * 1000, HOUR_MS = 60 * MINUTE_MS, DAY_MS = 24 * HOUR_MS, DAYS_SHOWN = 30 };

static const char *const MONTHS[] = {"January", "February", "March",     "April",   "May",      "June",
                                     "July",    "August",   "September", "October", "November", "December"};

static struct tm utc_of(int64_t at_ms)
{
    struct tm utc;
    time_t seconds = (time_t)(at_ms / 1000);
    gmtime_r(&seconds, &utc);
    return utc;
}

const char *when_day(int64_t at_ms, bool with_time, struct arena *arena)
{
    struct tm utc = utc_of(at_ms);
    const char *day = arena_printf(arena, "%d %s %d", utc.tm_mday, MONTHS[utc.tm_mon], utc.tm_year + 1900);
    return with_time ? arena_printf(arena, "%s, %02d:%02d UTC", day, utc.tm_hour, utc.tm_min) : day;
}

struct when_view when_ago(int64_t at_ms, int64_t now_ms, struct arena *arena)
{
    if (!at_ms)
        return (struct when_view){0};
    int64_t past_ms = now_ms > at_ms ? now_ms - at_ms : 0;
    struct when_view when = {.iso = time_text(at_ms, arena), .words = "now"};
    if (past_ms >= (int64_t)DAYS_SHOWN * DAY_MS) {
        struct tm utc = utc_of(at_ms);
        when.words = arena_printf(arena, "%d %.3s %d", utc.tm_mday, MONTHS[utc.tm_mon], utc.tm_year + 1900);
    } else if (past_ms >= DAY_MS)
        when.words = arena_printf(arena, "%d d", (int)(past_ms / DAY_MS));
    else if (past_ms >= HOUR_MS)
        when.words = arena_printf(arena, "%d h", (int)(past_ms / HOUR_MS));
    else if (past_ms >= MINUTE_MS)
        when.words = arena_printf(arena, "%d min", (int)(past_ms / MINUTE_MS));
    return when;
}

const char *when_until(int64_t at_ms, int64_t now_ms, struct arena *arena)
{
    int64_t left_ms = at_ms - now_ms;
    if (left_ms <= 0)
        return "now";
    if (left_ms >= 2 * (int64_t)DAY_MS)
        return arena_printf(arena, "in %d d", (int)(left_ms / DAY_MS));
    if (left_ms >= 2 * HOUR_MS)
        return arena_printf(arena, "in %d h", (int)(left_ms / HOUR_MS));
    return arena_printf(arena, "in %d min", (int)((left_ms + MINUTE_MS - 1) / MINUTE_MS));
}

const char *when_weekday(int64_t at_ms, struct arena *arena)
{
    static const char *const DAYS[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
    struct tm utc = utc_of(at_ms);
    return arena_printf(arena, "%s %d %s, %02d:%02d UTC", DAYS[utc.tm_wday], utc.tm_mday, MONTHS[utc.tm_mon],
                        utc.tm_hour, utc.tm_min);
}

int64_t when_parse_day(const char *text)
{
    struct tm tm = {0};
    if (!text || !*text)
        return 0;
    const char *rest = strptime(text, "%Y-%m-%d", &tm);
    return rest && !*rest ? (int64_t)timegm(&tm) * 1000 : -1;
}
