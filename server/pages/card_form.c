/* See card_form.h. */
#include "server/pages/card_form.h"

#include <stddef.h>
#include <string.h>

#include "cards/base/text.h"

static const char *const ACCENTS[] = {CARD_ACCENTS};
static const char *const THEMES[] = {CARD_THEMES};

/* A text field: its name in the form, which card_check also complains by, and how it is asked for. */
struct form_field {
    const char *name, *label, *fill /* autocomplete */;
    size_t offset;
    int max;
    bool is_long, is_main;
};

static const struct form_field FIELDS[] = {
    {"name", "Your name, as it is shown", "name", offsetof(struct card, name), CARD_NAME_MAX, false, true},
    {"title", "What you do", "organization-title", offsetof(struct card, title), CARD_LINE_MAX, false, true},
    {"organization", "Firm", "organization", offsetof(struct card, organization), CARD_LINE_MAX, false, true},
    {"department", "Department", "off", offsetof(struct card, department), CARD_LINE_MAX, false, true},
    {"note", "A sentence or two", "off", offsetof(struct card, note), CARD_NOTE_MAX, true, true},
    {"pronunciation", "How it is said", "off", offsetof(struct card, pronunciation), CARD_LINE_MAX, false, false},
    {"pronouns", "Pronouns", "off", offsetof(struct card, pronouns), CARD_LINE_MAX, false, false},
    {"prefix", "Before the name (Dr)", "honorific-prefix", offsetof(struct card, prefix), CARD_NAME_MAX, false, false},
    {"given", "Given name", "given-name", offsetof(struct card, given), CARD_NAME_MAX, false, false},
    {"additional", "Middle names", "additional-name", offsetof(struct card, additional), CARD_NAME_MAX, false, false},
    {"family", "Family name", "family-name", offsetof(struct card, family), CARD_NAME_MAX, false, false},
    {"suffix", "After the name (Jr)", "honorific-suffix", offsetof(struct card, suffix), CARD_NAME_MAX, false, false},
    {"lang", "Language of the card (en, ja, pt-BR)", "off", offsetof(struct card, lang), CARD_LABEL_MAX, false, false},
};
enum { FIELD_COUNT = sizeof FIELDS / sizeof *FIELDS };

/* A list of labelled rows. */
struct form_list {
    const char *name, *one, *value_name, *label_name, *heading, *more, *type, *fill, *hint;
    size_t offset, count_offset;
    int max;
};

static const struct form_list LISTS[] = {
    {"phones", "Phone", "phone", "phone_label", "Phones", "One more phone", "tel", "tel", "mobile",
     offsetof(struct card, phones), offsetof(struct card, phone_count), CARD_PHONES_MAX},
    {"emails", "E-mail", "email", "email_label", "E-mails", "One more e-mail", "email", "email", "work",
     offsetof(struct card, emails), offsetof(struct card, email_count), CARD_EMAILS_MAX},
    {"links", "Link", "link", "link_label", "Links", "One more link", "url", "url", "web", offsetof(struct card, links),
     offsetof(struct card, link_count), CARD_LINKS_MAX},
};
enum { LIST_COUNT = sizeof LISTS / sizeof *LISTS };
/* What card_check calls a row's value in its complaints. */
static const char *const VALUE_MEMBERS[LIST_COUNT] = {"number", "address", "url"};

static const struct {
    const char *name, *label, *fill;
    size_t offset;
    int max;
} PLACE_FIELDS[] = {
    {"label", "What it is (office)", "off", offsetof(struct card_address, label), CARD_LABEL_MAX},
    {"street", "Street and number", "address-line1", offsetof(struct card_address, street), CARD_LINE_MAX},
    {"postcode", "Postcode", "postal-code", offsetof(struct card_address, postcode), CARD_LABEL_MAX},
    {"city", "Town", "address-level2", offsetof(struct card_address, city), CARD_LINE_MAX},
    {"region", "Region", "address-level1", offsetof(struct card_address, region), CARD_LINE_MAX},
    {"country", "Country", "country-name", offsetof(struct card_address, country), CARD_LINE_MAX},
};
enum { PLACE_FIELD_COUNT = sizeof PLACE_FIELDS / sizeof *PLACE_FIELDS };

static const char **text_at(void *of, size_t offset)
{
    return (const char **)((char *)of + offset);
}

static const char *text_in(const void *of, size_t offset)
{
    return *(const char *const *)((const char *)of + offset);
}

/* ---- in ---- */

static void read_list(struct request *request, const struct form_list *list, struct card *card)
{
    struct card_point *points = (struct card_point *)((char *)card + list->offset);
    int *count = (int *)((char *)card + list->count_offset);
    for (*count = 0; *count < list->max; ++*count) {
        const char *value = request_form_nth(request, list->value_name, *count);
        if (!value)
            return;
        points[*count] =
            (struct card_point){request_form_nth(request, list->label_name, *count), *value ? value : NULL};
    }
}

static void read_places(struct request *request, struct card *card)
{
    for (card->address_count = 0; card->address_count < CARD_ADDRESSES_MAX; card->address_count++) {
        struct card_address *address = &card->addresses[card->address_count];
        *address = (struct card_address){0};
        if (!request_form_nth(request, "street", card->address_count))
            return;
        for (int i = 0; i < PLACE_FIELD_COUNT; i++) {
            const char *name = i ? PLACE_FIELDS[i].name : "place_label";
            const char *value = request_form_nth(request, name, card->address_count);
            *text_at(address, PLACE_FIELDS[i].offset) = value && *value ? value : NULL;
        }
    }
}

void card_form_read(struct request *request, struct card *card)
{
    for (int i = 0; i < FIELD_COUNT; i++) {
        const char *value = request_form(request, FIELDS[i].name);
        *text_at(card, FIELDS[i].offset) = value && *value ? value : NULL;
    }
    for (int i = 0; i < LIST_COUNT; i++)
        read_list(request, &LISTS[i], card);
    read_places(request, card);
    card->accent = request_form(request, "accent");
    card->theme = request_form(request, "theme");
    const char *handle = request_form(request, "handle");
    if (!card->id)
        card->handle = handle && *handle ? text_lower(handle, &request->arena) : NULL;
}

/* ---- out ---- */

static void fill_fields(struct card_form_view *view, const struct card *card, const struct complaints *complaints)
{
    for (int i = 0; i < FIELD_COUNT; i++) {
        const struct form_field *field = &FIELDS[i];
        struct field_view *shown =
            field->is_main ? &view->fields[view->fields_count++] : &view->details[view->details_count++];
        *shown = (struct field_view){
            .name = field->name,
            .label = field->label,
            .fill = field->fill,
            .value = text_in(card, field->offset),
            .error = complaints_about(complaints, field->name),
            .max = field->max,
            .is_long = field->is_long,
            .is_required = !strcmp(field->name, "name"),
        };
        if (shown->error && !field->is_main)
            view->is_detailed = true;
    }
}

/* All rows there are, and a blank one at the end; one more if it was asked for. */
static void fill_list(struct list_view *view, int which, const struct card *card, bool more,
                      const struct complaints *complaints, struct arena *arena)
{
    const struct form_list *list = &LISTS[which];
    const struct card_point *points = (const struct card_point *)((const char *)card + list->offset);
    int count = *(const int *)((const char *)card + list->count_offset);
    bool ends_blank = count && !points[count - 1].value;
    int shown = count + (more || !ends_blank);
    if (shown > list->max)
        shown = list->max;
    struct row_view *rows = arena_alloc(arena, (size_t)shown * sizeof *rows);
    for (int i = 0; i < shown; i++) {
        rows[i] = (struct row_view){
            .number = i + 1,
            .label = i < count ? points[i].label : NULL,
            .value = i < count ? points[i].value : NULL,
            .error = complaints_about(complaints, arena_printf(arena, "%s/%d/%s", list->name, i, VALUE_MEMBERS[which])),
            .takes_focus = more && i == shown - 1,
        };
        if (!rows[i].error)
            rows[i].error = complaints_about(complaints, arena_printf(arena, "%s/%d/label", list->name, i));
    }
    *view = (struct list_view){
        .name = list->name,
        .one = list->one,
        .value_name = list->value_name,
        .label_name = list->label_name,
        .heading = list->heading,
        .more = shown < list->max ? list->more : NULL,
        .type = list->type,
        .fill = list->fill,
        .hint = list->hint,
        .rows = rows,
        .rows_count = shown,
    };
}

static void fill_places(struct card_form_view *view, const struct card *card, bool more,
                        const struct complaints *complaints, struct arena *arena)
{
    int shown = card->address_count + more;
    if (shown > CARD_ADDRESSES_MAX)
        shown = CARD_ADDRESSES_MAX;
    struct place_form_view *places = arena_alloc(arena, (size_t)(shown + 1) * sizeof *places);
    for (int i = 0; i < shown; i++) {
        places[i].number = i + 1;
        places[i].takes_focus = more && i == shown - 1;
        places[i].fields_count = PLACE_FIELD_COUNT;
        for (int j = 0; j < PLACE_FIELD_COUNT; j++)
            places[i].fields[j] = (struct field_view){
                .name = j ? PLACE_FIELDS[j].name : "place_label",
                .label = PLACE_FIELDS[j].label,
                .fill = PLACE_FIELDS[j].fill,
                .value = i < card->address_count ? text_in(&card->addresses[i], PLACE_FIELDS[j].offset) : NULL,
                .error = complaints_about(complaints, arena_printf(arena, "addresses/%d/%s", i, PLACE_FIELDS[j].name)),
                .max = PLACE_FIELDS[j].max,
            };
    }
    view->places = places;
    view->places_count = shown;
    view->may_add_place = shown < CARD_ADDRESSES_MAX;
}

static void fill_choices(struct choice_view *choices, int *count, const char *const *values, size_t value_count,
                         const char *const *words, const char *chosen)
{
    for (size_t i = 0; i < value_count; i++)
        choices[(*count)++] =
            (struct choice_view){values[i], words[i], !strcmp(values[i], chosen ? chosen : values[0])};
}

/* The first field that is wrong takes the focus, unless a new row wants it. */
static void focus_first_error(struct card_form_view *view)
{
    for (int i = 0; i < view->fields_count + view->details_count; i++) {
        struct field_view *field = i < view->fields_count ? &view->fields[i] : &view->details[i - view->fields_count];
        if (field->error) {
            field->takes_focus = true;
            return;
        }
    }
    for (int i = 0; i < view->lists_count; i++)
        for (int j = 0; j < view->lists[i].rows_count; j++)
            if (view->lists[i].rows[j].error) {
                view->lists[i].rows[j].takes_focus = true;
                return;
            }
}

void card_form_fill(struct card_form_view *view, const struct card *card, const char *more,
                    const struct complaints *complaints, struct arena *arena)
{
    static const char *const ACCENT_WORDS[] = {"Vermilion", "Indigo", "Pine", "Plum", "Ochre", "Slate"};
    static const char *const THEME_WORDS[] = {"As the visitor has it", "Always light", "Always dark"};
    fill_fields(view, card, complaints);
    for (int i = 0; i < LIST_COUNT; i++)
        fill_list(&view->lists[i], i, card, more && !strcmp(more, LISTS[i].name), complaints, arena);
    view->lists_count = LIST_COUNT;
    fill_places(view, card, more && !strcmp(more, "addresses"), complaints, arena);
    fill_choices(view->accents, &view->accents_count, ACCENTS, sizeof ACCENTS / sizeof *ACCENTS, ACCENT_WORDS,
                 card->accent);
    fill_choices(view->themes, &view->themes_count, THEMES, sizeof THEMES / sizeof *THEMES, THEME_WORDS, card->theme);
    view->handle = card->handle;
    view->handle_error = complaints_about(complaints, "handle");
    if (complaints->count && !view->words)
        view->words = complaints->count == 1 ? "One thing needs another look." : "A few things need another look.";
    if (!more)
        focus_first_error(view);
}
