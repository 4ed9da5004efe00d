/* See followup.h. */
#include "cards/followup.h"

#include <string.h>
#include <time.h>
#include "cards/base/id.h"
#include "cards/event.h"

static const int64_t DAY_MS = 24 * 60 * 60 * 1000;

static const char *const AFTER[FOLLOWUP_AFTER_COUNT] = {
    [FOLLOWUP_DAY] = "day",
    [FOLLOWUP_WEEK] = "week",
    [FOLLOWUP_MONTH] = "month",
};

const char *followup_after_name(enum followup_after after)
{
    return AFTER[after];
}

enum followup_after followup_after_parse(const char *name)
{
    int after = 0;
    while (after < FOLLOWUP_AFTER_COUNT && (!name || strcmp(AFTER[after], name)))
        after++;
    return (enum followup_after)after;
}

static int64_t a_month_later(int64_t from_ms)
{
    time_t seconds = (time_t)(from_ms / 1000);
    struct tm day;
    gmtime_r(&seconds, &day);
    int wanted = (day.tm_mon + 1) % 12;
    day.tm_mon++;
    int64_t later = (int64_t)timegm(&day);
    if (day.tm_mon != wanted) { /* 31 January would be 3 March: back to the day before that month's first */
        day.tm_mday = 0;
        later = (int64_t)timegm(&day);
    }
    return later * 1000 + from_ms % 1000;
}

int64_t followup_due(int64_t from_ms, enum followup_after after)
{
    return after == FOLLOWUP_MONTH ? a_month_later(from_ms) : from_ms + (after == FOLLOWUP_WEEK ? 7 : 1) * DAY_MS;
}

void followup_check_due(int64_t due_ms, int64_t now_ms, const char *field, struct complaints *complaints)
{
    if (due_ms < now_ms - DAY_MS)
        complaints_add(complaints, field, "This day is over. Choose one that is to come.");
    else if (due_ms > now_ms + FOLLOWUP_YEARS_AHEAD * 366 * DAY_MS)
        complaints_add(complaints, field, "This is more than ten years ahead.");
}

json_t *followup_to_json(const struct followup *followup)
{
    char id[ID_TEXT_SIZE], lead_id[ID_TEXT_SIZE];
    return json_pack("{s:s, s:s, s:o, s:s?, s:o, s:o}", "id", id_format(id, "fol", followup->id), "lead_id",
                     id_format(lead_id, "led", followup->lead_id), "due_at", time_json(followup->due_ms), "note",
                     followup->note, "created_at", time_json(followup->created_ms), "done_at",
                     time_json(followup->done_ms));
}
