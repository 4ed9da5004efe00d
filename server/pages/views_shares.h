/* What the templates of "My card" and of its shares are given: the code, the ways to send it, and what came of them.
 * Read together with views_desk.h, which it builds on. */
#ifndef MEISHI_VIEWS_SHARES_H
#define MEISHI_VIEWS_SHARES_H

#include "server/pages/views_desk.h"

/* A channel to send by. */
struct way_out_view {
    const char *channel, *words;
    bool is_chosen;
};

/* One share of a list. */
struct share_row_view {
    const char *href, *words, *recipient;
    const char *by;            /* through whose hands it went, NULL for none */
    const char *scans, *leads; /* "9 scans", "2 leads" */
    const char *closed;        /* why it cannot be opened any more */
    struct when_view when;
};

struct share_form_view {
    const char *label, *recipient, *print_run, *expires;
    const char *label_error, *recipient_error, *print_run_error, *expires_error;
    bool is_open;
};

/* "My card": the code, and every way to send it. */
struct my_card_view {
    struct desk_view desk;
    const char *id; /* "crd_…" */
    const char *name, *role, *firm, *initials, *accent;
    const char *token; /* of the code that is shown */
    const char *hold_href;
    const char *standing_url, *standing_shown, *standing_href;
    const struct way_out_view *ways;
    int ways_count;
    const struct way_out_view *channels; /* of the form */
    int channels_count;
    struct share_form_view form;
    const struct share_row_view *shares;
    int shares_count;
    const char *next_href;
};

struct count_view {
    const char *what;
    long long number;
};

/* One request for a share's page. */
struct hit_view {
    const char *what, *why, *from;
    struct when_view when;
    const char *clock;
    bool is_person;
};

struct share_view {
    struct desk_view desk;
    const char *id, *token;
    const char *words, *name, *card_href;
    const char *url, *shown;
    const char *send_href, *send_words;
    const char *recipient, *print_run, *by, *vouch, *expires, *closed;
    struct when_view when;
    bool is_open, is_standing;
    const struct count_view *counts;
    int counts_count;
    const struct hit_view *hits;
    int hits_count;
    const char *next_href;
};

/* The code held up. */
struct hold_view {
    const char *id, *token, *name, *role, *label, *count, *back_href;
    bool is_long; /* the name: it is set smaller */
};

struct distance_view {
    int cm;
    const char *words;
    bool is_chosen;
};

/* The code for a printer. */
struct print_view {
    struct desk_view desk;
    const char *id, *token, *name, *label, *width, *distance, *shown;
    int pixels; /* of CSS, 96 to the inch */
    bool is_large, has_logo, lacks_room /* for it */;
    const struct distance_view *distances;
    int distances_count;
};

#endif
