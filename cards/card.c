/* See card.h. JSON comes in here and in card_from_json alone: every member is in one table, so that reading, writing and
 * checking cannot drift apart. */
#include "cards/card.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unictype.h>
#include "cards/base/text.h"
#include "cards/base/url.h"
#include "cards/lead.h"

enum { COUNTRY_MAX = 60, LANG_MAX = 35, JSON_STRING_MAX = 16 * 1024 };

/* One text of a struct: its JSON name, where it stands, how long it may be. */
struct field {
    const char *name;
    size_t offset;
    size_t max;
    enum text_kind kind;
};

#define FIELD(name, max)                                   \
    {                                                      \
#name, offsetof(struct card, name), max, TEXT_LINE \
    }
static const struct field FIELDS[] = {
    FIELD(name, CARD_NAME_MAX),
    FIELD(prefix, CARD_LINE_MAX),
    FIELD(given, CARD_LINE_MAX),
    FIELD(additional, CARD_LINE_MAX),
    FIELD(family, CARD_LINE_MAX),
    FIELD(suffix, CARD_LINE_MAX),
    FIELD(pronunciation, CARD_LINE_MAX),
    FIELD(pronouns, CARD_LABEL_MAX),
    FIELD(title, CARD_LINE_MAX),
    FIELD(organization, CARD_LINE_MAX),
    FIELD(department, CARD_LINE_MAX),
    {"note", offsetof(struct card, note), CARD_NOTE_MAX, TEXT_LINES},
    FIELD(lang, LANG_MAX),
    FIELD(accent, CARD_LABEL_MAX),
    FIELD(theme, CARD_LABEL_MAX),
};

#define ADDRESS_FIELD(name, max)                                   \
    {                                                              \
#name, offsetof(struct card_address, name), max, TEXT_LINE \
    }
static const struct field ADDRESS_FIELDS[] = {
    ADDRESS_FIELD(label, CARD_LABEL_MAX),
    {"street", offsetof(struct card_address, street), CARD_LINE_MAX, TEXT_LINES},
    ADDRESS_FIELD(city, CARD_LINE_MAX),
    ADDRESS_FIELD(region, CARD_LINE_MAX),
    ADDRESS_FIELD(postcode, CARD_LABEL_MAX),
    ADDRESS_FIELD(country, COUNTRY_MAX),
};

/* A list of labelled points. */
struct list {
    const char *name, *member; /* "emails", "address" */
    size_t offset, count_offset;
    int max;
    size_t value_max;
    const char *missing, *wrong; /* what is said */
};

enum { LIST_PHONES, LIST_EMAILS, LIST_LINKS };

static const struct list LISTS[] = {
    [LIST_PHONES] = {"phones", "number", offsetof(struct card, phones), offsetof(struct card, phone_count),
                     CARD_PHONES_MAX, LEAD_REACH_MAX, "Please give the number.", "This is not a phone number."},
    [LIST_EMAILS] = {"emails", "address", offsetof(struct card, emails), offsetof(struct card, email_count),
                     CARD_EMAILS_MAX, LEAD_REACH_MAX, "Please give the address.", "This is not an e-mail address."},
    [LIST_LINKS] = {"links", "url", offsetof(struct card, links), offsetof(struct card, link_count), CARD_LINKS_MAX,
                    CARD_URL_MAX, "Please give the link.",
                    "This is not a web address. An example: https://example.org."},
};

/* Shown, and never taken: a client may send back what it was given only without them. */
static const char *const READ_ONLY[] = {"id", "handle", "url", "revision", "created_at", "updated_at", "portrait"};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char **text_at(void *of, const struct field *field)
{
    return (const char **)((char *)of + field->offset);
}

static struct card_point *points_of(const struct card *card, const struct list *list)
{
    return (struct card_point *)((char *)card + list->offset);
}

static int *count_of(const struct card *card, const struct list *list)
{
    return (int *)((char *)card + list->count_offset);
}

/* ---------------------------------------------------------------------------------------------------- JSON in */

/* A string, or null for none, into OUT. PATH is the pointer for complaints. */
static void read_text(const json_t *json, const char *path, struct arena *arena, struct complaints *complaints,
                      const char **out)
{
    if (json_is_null(json)) {
        *out = NULL;
        return;
    }
    if (!json_is_string(json)) {
        complaints_add(complaints, path, "This must be text.");
        return;
    }
    size_t len = json_string_length(json);
    if (len > JSON_STRING_MAX)
        complaints_add(complaints, path, "This is much too long.");
    else if (memchr(json_string_value(json), '\0', len))
        complaints_add(complaints, path, "This holds a character that cannot be kept (U+0000).");
    else
        *out = arena_strndup(arena, json_string_value(json), len);
}

/* The length of the list at NAME that is to be read: 0 for null, -1 with a complaint when it is none or too long. */
static int list_length(const json_t *json, const char *name, int max, struct arena *arena,
                       struct complaints *complaints)
{
    if (json_is_null(json))
        return 0;
    if (!json_is_array(json)) {
        complaints_add(complaints, name, "This must be a list.");
        return -1;
    }
    if (json_array_size(json) > (size_t)max) {
        complaints_add(complaints, name, arena_printf(arena, "Please keep this to %d at most.", max));
        return -1;
    }
    return (int)json_array_size(json);
}

static void complain_unknown(const char *path, struct complaints *complaints)
{
    complaints_add(complaints, path, "There is no such field.");
}

static void read_point(const struct list *list, int index, const json_t *json, struct arena *arena,
                       struct complaints *complaints, struct card_point *out)
{
    const char *base = arena_printf(arena, "%s/%d", list->name, index);
    if (!json_is_object(json)) {
        complaints_add(complaints, base, "This must be an object.");
        return;
    }
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)json, key, value)
    {
        const char *path = arena_printf(arena, "%s/%s", base, complaints_key(key, arena));
        if (!strcmp(key, "label"))
            read_text(value, path, arena, complaints, &out->label);
        else if (!strcmp(key, list->member))
            read_text(value, path, arena, complaints, &out->value);
        else
            complain_unknown(path, complaints);
    }
    if (!json_object_get(json, list->member) || json_is_null(json_object_get(json, list->member)))
        complaints_add(complaints, arena_printf(arena, "%s/%s", base, list->member), list->missing);
}

static void read_list(struct card *card, const struct list *list, const json_t *json, struct arena *arena,
                      struct complaints *complaints)
{
    int length = list_length(json, list->name, list->max, arena, complaints);
    if (length < 0)
        return;
    struct card_point *points = points_of(card, list);
    memset(points, 0, (size_t)list->max * sizeof *points);
    *count_of(card, list) = length;
    for (int i = 0; i < length; i++)
        read_point(list, i, json_array_get(json, (size_t)i), arena, complaints, &points[i]);
}

static const struct field *find_field(const struct field *fields, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(fields[i].name, name))
            return &fields[i];
    return NULL;
}

static void read_address(int index, const json_t *json, struct arena *arena, struct complaints *complaints,
                         struct card_address *out)
{
    const char *base = arena_printf(arena, "addresses/%d", index);
    if (!json_is_object(json)) {
        complaints_add(complaints, base, "This must be an object.");
        return;
    }
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)json, key, value)
    {
        const char *path = arena_printf(arena, "%s/%s", base, complaints_key(key, arena));
        const struct field *field = find_field(ADDRESS_FIELDS, COUNT(ADDRESS_FIELDS), key);
        if (field)
            read_text(value, path, arena, complaints, text_at(out, field));
        else
            complain_unknown(path, complaints);
    }
}

static void read_addresses(struct card *card, const json_t *json, struct arena *arena, struct complaints *complaints)
{
    int length = list_length(json, "addresses", CARD_ADDRESSES_MAX, arena, complaints);
    if (length < 0)
        return;
    memset(card->addresses, 0, sizeof card->addresses);
    card->address_count = length;
    for (int i = 0; i < length; i++)
        read_address(i, json_array_get(json, (size_t)i), arena, complaints, &card->addresses[i]);
}

static void read_member(struct card *card, const char *key, const json_t *value, struct arena *arena,
                        struct complaints *complaints)
{
    const struct field *field = find_field(FIELDS, COUNT(FIELDS), key);
    if (field) {
        read_text(value, field->name, arena, complaints, text_at(card, field));
        return;
    }
    if (!strcmp(key, "addresses")) {
        read_addresses(card, value, arena, complaints);
        return;
    }
    for (size_t i = 0; i < COUNT(LISTS); i++)
        if (!strcmp(LISTS[i].name, key)) {
            read_list(card, &LISTS[i], value, arena, complaints);
            return;
        }
    for (size_t i = 0; i < COUNT(READ_ONLY); i++)
        if (!strcmp(READ_ONLY[i], key)) {
            complaints_add(complaints, READ_ONLY[i], "This cannot be set here.");
            return;
        }
    complain_unknown(complaints_key(key, arena), complaints);
}

enum result card_from_json(struct card *card, const json_t *json, struct arena *arena, struct complaints *complaints)
{
    int before = complaints->count;
    if (!json_is_object(json)) {
        complaints_add(complaints, "", "A card is a JSON object.");
        return RESULT_INVALID;
    }
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)json, key, value) read_member(card, key, value, arena, complaints);
    return complaints->count > before ? RESULT_INVALID : RESULT_OK;
}

/* --------------------------------------------------------------------------------------------------- JSON out */

/* Absent text is left out, and so is what is not UTF-8: JSON has no way to say it. */
static void set_text(json_t *object, const char *name, const char *text)
{
    json_t *value = text ? json_string(text) : NULL;
    if (value && json_object_set_new(object, name, value))
        abort();
}

static json_t *points_to_json(const struct card *card, const struct list *list)
{
    json_t *array = json_array();
    const struct card_point *points = points_of(card, list);
    for (int i = 0; i < *count_of(card, list); i++) {
        json_t *point = json_object();
        set_text(point, "label", points[i].label);
        set_text(point, list->member, points[i].value ? points[i].value : "");
        json_array_append_new(array, point);
    }
    return array;
}

static json_t *addresses_to_json(const struct card *card)
{
    json_t *array = json_array();
    for (int i = 0; i < card->address_count; i++) {
        json_t *address = json_object();
        for (size_t j = 0; j < COUNT(ADDRESS_FIELDS); j++)
            set_text(address, ADDRESS_FIELDS[j].name, *text_at((void *)&card->addresses[i], &ADDRESS_FIELDS[j]));
        json_array_append_new(array, address);
    }
    return array;
}

json_t *card_to_json(const struct card *card)
{
    json_t *json = json_object();
    if (!json)
        abort();
    for (size_t i = 0; i < COUNT(FIELDS); i++)
        set_text(json, FIELDS[i].name, *text_at((void *)card, &FIELDS[i]));
    for (size_t i = 0; i < COUNT(LISTS); i++)
        json_object_set_new(json, LISTS[i].name, points_to_json(card, &LISTS[i]));
    json_object_set_new(json, "addresses", addresses_to_json(card));
    return json;
}

/* ---------------------------------------------------------------------------------------------------- checking */

static bool is_one_of(const char *text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(text, words[i]))
            return true;
    return false;
}

/* A language tag by its shape (RFC 5646 2.1): subtags of 1 to 8 letters and digits, the first of letters. */
static bool is_language_tag(const char *text)
{
    size_t len = 0;
    bool first = true;
    for (const char *at = text;; at++) {
        bool letter = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z');
        if (letter || (!first && *at >= '0' && *at <= '9')) {
            if (++len > 8)
                return false;
            continue;
        }
        if (len < (first ? 2U : 1U) || (*at && *at != '-'))
            return false;
        if (!*at)
            return true;
        first = false;
        len = 0;
    }
}

static void check_fields(void *of, const struct field *fields, size_t count, const char *base, struct arena *arena,
                         struct complaints *complaints)
{
    for (size_t i = 0; i < count; i++) {
        const char *path = base ? arena_printf(arena, "%s/%s", base, fields[i].name) : fields[i].name;
        text_check(text_at(of, &fields[i]), fields[i].max, fields[i].kind, path, arena, complaints);
    }
}

/* Checks the value of a point whose text is clean; numbers and links are brought to one spelling. What to say, or NULL. */
static const char *check_value(const struct list *list, struct card_point *point, struct arena *arena)
{
    struct url url;
    if (list == &LISTS[LIST_PHONES]) {
        point->value = phone_normalise(point->value, arena);
        return phone_is_valid(point->value) ? NULL : list->wrong;
    }
    if (list == &LISTS[LIST_EMAILS])
        return email_is_valid(point->value) ? NULL : list->wrong;
    if (url_parse(point->value, URL_GUESS_SCHEME, arena, &url) != RESULT_OK)
        return list->wrong;
    if (strlen(url.text) > CARD_URL_MAX)
        return "This link is too long once it is spelt out.";
    point->value = url.text;
    return NULL;
}

static void check_list(struct card *card, const struct list *list, struct arena *arena, struct complaints *complaints)
{
    struct card_point *points = points_of(card, list);
    for (int i = 0; i < *count_of(card, list); i++) {
        const char *base = arena_printf(arena, "%s/%d", list->name, i);
        const char *path = arena_printf(arena, "%s/%s", base, list->member);
        text_check(&points[i].label, CARD_LABEL_MAX, TEXT_LINE, arena_printf(arena, "%s/label", base), arena,
                   complaints);
        if (!text_check(&points[i].value, list->value_max, TEXT_LINE, path, arena, complaints) || !points[i].value)
            continue;
        const char *words = check_value(list, &points[i], arena);
        if (words)
            complaints_add(complaints, path, words);
    }
}

static bool address_is_empty(const struct card_address *address)
{
    return !address->street && !address->city && !address->region && !address->postcode && !address->country;
}

/* Rows that a form left blank go, once there is nothing to complain about: complaints name rows by their number. */
static void drop_blank_rows(struct card *card)
{
    for (size_t i = 0; i < COUNT(LISTS); i++) {
        struct card_point *points = points_of(card, &LISTS[i]);
        int *count = count_of(card, &LISTS[i]), kept = 0;
        for (int j = 0; j < *count; j++)
            if (points[j].value)
                points[kept++] = points[j];
        *count = kept;
    }
    int kept = 0;
    for (int i = 0; i < card->address_count; i++)
        if (!address_is_empty(&card->addresses[i]))
            card->addresses[kept++] = card->addresses[i];
    card->address_count = kept;
}

enum result card_check(struct card *card, struct arena *arena, struct complaints *complaints)
{
    static const char *const accents[] = {CARD_ACCENTS}, *const themes[] = {CARD_THEMES};
    int before = complaints->count;
    check_fields(card, FIELDS, COUNT(FIELDS), NULL, arena, complaints);
    if (!card->name && !complaints_about(complaints, "name"))
        complaints_add(complaints, "name", "Please give a name.");
    if (card->lang && !is_language_tag(card->lang))
        complaints_add(complaints, "lang", "This is not a language tag. Examples: en, ja, pt-BR.");
    if (!card->accent)
        card->accent = accents[0];
    else if (!is_one_of(card->accent, accents, COUNT(accents)))
        complaints_add(complaints, "accent", "There is no such colour.");
    if (!card->theme)
        card->theme = themes[0];
    else if (!is_one_of(card->theme, themes, COUNT(themes)))
        complaints_add(complaints, "theme", "There is no such theme.");
    for (size_t i = 0; i < COUNT(LISTS); i++)
        check_list(card, &LISTS[i], arena, complaints);
    for (int i = 0; i < card->address_count; i++)
        check_fields(&card->addresses[i], ADDRESS_FIELDS, COUNT(ADDRESS_FIELDS), arena_printf(arena, "addresses/%d", i),
                     arena, complaints);
    if (complaints->count > before || !card->name)
        return RESULT_INVALID;
    drop_blank_rows(card);
    return RESULT_OK;
}

bool handle_is_valid(const char *text)
{
    /* Names that would pass for the house itself. */
    static const char *const reserved[] = {"abuse",      "admin",      "administrator", "api",       "help",
                                           "hostmaster", "me",         "meishi",        "no-reply",  "noreply",
                                           "null",       "postmaster", "root",          "security",  "staff",
                                           "support",    "system",     "undefined",     "webmaster", "www"};
    size_t len = text ? strlen(text) : 0;
    if (len < 2 || len > CARD_HANDLE_MAX || text[0] == '-' || text[len - 1] == '-')
        return false;
    return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == len && !is_one_of(text, reserved, COUNT(reserved));
}

/* -------------------------------------------------------------------------------------------- how a name is set */

/* Letters of these are joined, so that two initials would read as a syllable. */
static bool is_joined(uint32_t point)
{
    return uc_joining_type(point) == UC_JOINING_TYPE_D || uc_joining_type(point) == UC_JOINING_TYPE_R;
}

static bool is_letter(uint32_t point)
{
    return uc_is_general_category_withtable(point, UC_CATEGORY_MASK_L | UC_CATEGORY_MASK_N);
}

/* The first letter or digit of WORD, or its end. */
static const char *first_letter(const char *word)
{
    for (const char *at = word, *here = word;; here = at) {
        uint32_t point = text_next(&at);
        if (!point || is_letter(point))
            return here;
    }
}

/* The last word of NAME that begins with a letter; NULL if it is the first. */
static const char *last_word(const char *name)
{
    const char *first = first_letter(name), *last = NULL;
    for (const char *at = first; *at;) {
        const char *space = at;
        if (!uc_is_property_white_space(text_next(&at)))
            continue;
        const char *letter = first_letter(at);
        if (*letter && !memchr(at, ' ', (size_t)(letter - at)) && space > first)
            last = letter;
    }
    return last;
}

const char *card_initials(const struct card *card, struct arena *arena)
{
    const char *name = card->name ? card->name : "";
    const char *given = card->given ? first_letter(card->given) : "";
    const char *family = card->family ? first_letter(card->family) : "";
    const char *lead = *family ? family : first_letter(name), *peek = lead;
    uint32_t point = text_next(&peek);
    if (point && (text_is_cjk(point) || is_joined(point)))
        return text_initial(lead, arena);
    if (*given && *family)
        return arena_printf(arena, "%s%s", text_initial(given, arena), text_initial(family, arena));
    const char *first = first_letter(name), *last = last_word(name);
    if (*first && last)
        return arena_printf(arena, "%s%s", text_initial(first, arena), text_initial(last, arena));
    if (*first)
        return text_initial(first, arena);
    return *name ? text_initial(name, arena) : "";
}

const char *text_direction(const char *text)
{
    const char *at = text ? text : "";
    for (uint32_t point; (point = text_next(&at));) {
        int class = uc_bidi_class(point);
        if (class == UC_BIDI_R || class == UC_BIDI_AL)
            return "rtl";
        if (class == UC_BIDI_L)
            return "ltr";
    }
    return "ltr";
}
