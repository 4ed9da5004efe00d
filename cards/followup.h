/* A follow-up: a dated promise on a lead. Who follows up after a day, a week and a month is remembered; who means to, is not. */
#ifndef MEISHI_FOLLOWUP_H
#define MEISHI_FOLLOWUP_H

#include <jansson.h>
#include <stdint.h>
#include "cards/base/arena.h"
#include "cards/base/complaints.h"

enum {
    FOLLOWUP_NOTE_MAX = 500,  /* characters */
    FOLLOWUP_OPEN_MAX = 50,   /* of one lead at once */
    FOLLOWUP_YEARS_AHEAD = 10 /* further is a slip of the finger */
};

struct followup {
    int64_t id, owner_id, lead_id;
    int64_t due_ms, created_ms;
    int64_t done_ms; /* 0 while it is open */
    const char *note;
    const char *lead_name; /* filled by readers: by what the lead is known; NULL when by nothing */
};

/* How long after something: the 1-1-1 preset is all three. */
enum followup_after { FOLLOWUP_DAY, FOLLOWUP_WEEK, FOLLOWUP_MONTH, FOLLOWUP_AFTER_COUNT };
const char *followup_after_name(enum followup_after after); /* "day" */
enum followup_after followup_after_parse(const char *name); /* FOLLOWUP_AFTER_COUNT if none */
/* The same time of day (UTC) a day, a week or a calendar month later; the month's last day where it has no such one. */
int64_t followup_due(int64_t from_ms, enum followup_after after);

/* Complains under FIELD about a day that is over or further ahead than FOLLOWUP_YEARS_AHEAD. */
void followup_check_due(int64_t due_ms, int64_t now_ms, const char *field, struct complaints *complaints);

/* {"id","lead_id","due_at","note","created_at","done_at"} as the API and the webhooks show it; new reference. */
json_t *followup_to_json(const struct followup *followup);

#endif
