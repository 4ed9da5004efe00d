/* What the templates of the member's cards are given: their list, and the form that makes or changes one.
 * Read together with views_desk.h, which it builds on. */
#ifndef MEISHI_VIEWS_CARDS_H
#define MEISHI_VIEWS_CARDS_H

#include "server/pages/views_desk.h"

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
