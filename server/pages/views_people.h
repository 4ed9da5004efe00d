/* What the templates of the inbox and of a lead's page are given: people, and what was promised to them.
 * Read together with views_desk.h, which it builds on. */
#ifndef MEISHI_VIEWS_PEOPLE_H
#define MEISHI_VIEWS_PEOPLE_H

#include "server/pages/views_desk.h"

/* One person of a list. */
struct person_view {
    const char *href, *name, *firm;
    const char *vouch, *stage, *message, *way;
    struct when_view when;
    bool is_new;
};

/* A promise to somebody. */
struct followup_view {
    const char *id; /* "fol_…" */
    const char *lead_href, *name, *note;
    const char *words; /* "in 3 d"; of what is due, for how long: "2 d" */
    const char *clock;
    struct when_view when;
    bool is_due;
};

/* Referrals or leads: the two are never mixed. */
struct people_view {
    const char *heading; /* NULL when the page's own heading says it */
    const char *id;
    const struct person_view *people;
    int people_count;
};

/* What one share brought on one day, of people who left nothing. */
struct scans_view {
    const char *href, *words;
    const char *count; /* "3 people" */
    struct when_view when;
};

struct inbox_view {
    struct desk_view desk;
    const char *hello, *today;
    const struct tab_view *tabs;
    int tabs_count;
    struct people_view groups[2];
    int groups_count;
    const struct scans_view *scans;
    int scans_count;
    const struct followup_view *due; /* promises that are due */
    int due_count;
    const char *heading; /* what the list is, for screen readers and above what was found */
    const char *q, *none;
    const char *next_href, *junk_href, *back_href, *make_href;
};

/* One line of a timeline. */
struct moment_view {
    const char *what, *words;
    struct when_view when;
    const char *clock;
};

struct stage_view {
    const char *name, *words;
    bool is_now;
};

struct lead_view {
    struct desk_view desk;
    const char *id; /* "led_…" */
    const char *name, *firm, *stage, *kind;
    const char *endorser, *vouch;
    const char *call_href, *write_href, *message_href;
    const char *phone, *email, *message, *way, *set_aside;
    const char *share_href;
    const char *consent;
    bool is_identified;
    struct when_view when;
    const char *clock;
    const struct stage_view *stages;
    int stages_count;
    const struct moment_view *moments;
    int moments_count;
    const struct delivery_view *told, *told_before; /* messages to webhooks: the latest, and the rest */
    int told_count, told_before_count;
    const char *note, *note_error, *error;
    const struct followup_view *followups;
    int followups_count;
    const char *promise, *day; /* of the form for a new one, as they were typed */
    const char *promise_error, *day_error;
    long long revision;
};

#endif
