/* What a person wants to know of an event at a glance: who, from where, how to reach them, where to read on. Made from the
 * event's JSON for the formats of chats, which differ in how they show it and not in what. */
#ifndef MEISHI_NOTICE_H
#define MEISHI_NOTICE_H

#include <jansson.h>
#include <stdbool.h>
#include "cards/base/arena.h"

enum { NOTICE_FACTS_MAX = 10 };

/* What is said of somebody may be a stranger's words; labels, the heading and the hint are ours. */
struct notice_fact {
    const char *label, *text;
    const char *address; /* mailto: or tel:, NULL unless it can be written to or called */
};

struct notice {
    const char *heading; /* "New referral" */
    const char *who;     /* NULL when nobody said, or when nobody is to be told */
    const char *hint;    /* NULL for none */
    const char *message; /* NULL for none */
    const char *url;     /* of the page in Meishi, NULL when there is none */
    const char *time;    /* RFC 3339 */
    struct notice_fact facts[NOTICE_FACTS_MAX];
    int fact_count;
};

/* EVENT is a body of event.h, full or thin, and outlives OUT. Whether it is an event. */
bool notice_read(const json_t *event, const char *base_url, struct arena *arena, struct notice *out);

#endif
