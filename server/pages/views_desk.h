/* What the templates of the member's pages are given; read together with views.h, which includes it. */
#ifndef MEISHI_VIEWS_DESK_H
#define MEISHI_VIEWS_DESK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A time: for machines (RFC 3339) and for people. */
struct when_view {
    const char *iso, *words;
};

/* The frame around every member's page. */
struct desk_view {
    const char *title, *here, *name;
    const char *form_token;
    const char *alarm, *alarm_href; /* a webhook that fails */
};

/* A state by shape and word, never by colour alone. */
struct sign_view {
    const char *name; /* "ok", "slow", "failing", "off", "new" */
    const char *word;
    const char *path; /* SVG path data in 24 by 24 */
};

/* What went to a webhook in a day, hour by hour: what arrived above the line, what did not below. */
struct day_view {
    const char *arrived, *missed; /* SVG path data in 95 by 22; NULL: there was nothing */
    const char *words;
};

/* One message on its way to a webhook, or what became of it. */
struct delivery_view {
    const char *id, *href, *event, *host, *words;
    struct sign_view sign;
    struct when_view when;
    const char *clock;
    const char *lead_href;
    bool may_resend;
};

struct sign_in_view {
    const char *who, *next, *error, *said;
    const char *link_name, *link_secret; /* of a one-time link: whom it signs in */
    bool mails;                          /* a link can be had by mail */
};

struct token_view {
    const char *id, *name, *scopes; /* scopes in words */
    struct when_view made, used;
};

/* One kind of things that a token may be for. */
struct scope_view {
    const char *name, *words;
    bool is_ticked;
};

struct account_view {
    struct desk_view desk;
    const char *handle, *email, *name, *short_name;
    bool has_password, needs_current; /* the password is asked again when the sign-in was a while ago */
    bool is_new;                      /* signed in by a link and without a password yet */
    const char *said;
    const char *current_error, *password_error, *token_error;
    const struct token_view *tokens;
    int tokens_count;
    const struct scope_view *scopes; /* of the form for a new one */
    int scopes_count;
    bool may_write;
    const char *token_name;
    const char *secret; /* of a token that was made a moment ago */
};

struct tab_view {
    const char *href, *name;
    long long count;
    bool is_open;
};

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

/* A channel to send by. */
struct way_out_view {
    const char *channel, *words;
    bool is_chosen;
};

/* One share of a list. */
struct share_row_view {
    const char *href, *words, *recipient;
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
    bool is_large;
    const struct distance_view *distances;
    int distances_count;
};

struct card_row_view {
    const char *id, *name, *role, *firm, *initials, *accent, *portrait_href, *shown;
};

struct card_list_view {
    struct desk_view desk;
    const struct card_row_view *cards;
    int cards_count;
};

struct field_view {
    const char *name, *label, *fill /* autocomplete */, *value, *error;
    int max;
    bool is_long, is_required, takes_focus;
};

struct row_view {
    int number; /* from 1 */
    const char *label, *value, *error;
    bool takes_focus;
};

/* Rows of a label and a value. */
struct list_view {
    const char *name, *one, *value_name, *label_name, *heading, *more, *type, *fill, *hint;
    struct row_view *rows;
    int rows_count;
};

struct place_form_view {
    int number; /* from 1 */
    struct field_view fields[6];
    int fields_count;
    bool takes_focus;
};

struct choice_view {
    const char *value, *words;
    bool is_chosen;
};

struct card_form_view {
    struct desk_view desk;
    const char *action, *id, *words;
    bool is_new, is_detailed;
    long long revision;
    const char *portrait_href, *initials;
    struct field_view fields[8], details[12];
    int fields_count, details_count;
    struct list_view lists[3];
    int lists_count;
    const struct place_form_view *places;
    int places_count;
    bool may_add_place;
    struct choice_view accents[6], themes[3];
    int accents_count, themes_count;
    const char *handle, *handle_error;
};

#endif
