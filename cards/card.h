/* A card: what a member hands over. The fields and their limits, JSON in and out, and what makes a card valid.
 *
 * Text is UTF-8, NFC, without control characters; optional text is NULL when absent, never "". Text of a parsed card
 * lives in the arena it was parsed into. */
#ifndef MEISHI_CARD_H
#define MEISHI_CARD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "cards/base/arena.h"
#include "cards/base/complaints.h"

enum {
    CARD_NAME_MAX = 120, /* code points, as all limits on text here */
    CARD_LINE_MAX = 120,
    CARD_NOTE_MAX = 500,
    CARD_LABEL_MAX = 40,
    CARD_URL_MAX = 500,
    CARD_PHONES_MAX = 8,
    CARD_EMAILS_MAX = 8,
    CARD_LINKS_MAX = 12,
    CARD_ADDRESSES_MAX = 4,
    CARD_HANDLE_MAX = 32
};

/* One accent of a fixed palette, each checked for contrast in light and dark. The value is the class name. */
#define CARD_ACCENTS "vermilion", "indigo", "pine", "plum", "ochre", "slate"
/* How the page is lit: the visitor's own setting, or always light or dark. */
#define CARD_THEMES "auto", "light", "dark"

struct card_point {
    const char *label; /* "mobile", "work"; NULL when none was given */
    const char *value; /* the number as typed, the address, the URL */
};

struct card_address {
    const char *label, *street, *city, *region, *postcode, *country;
};

struct card {
    int64_t id;          /* 0 until stored */
    int64_t owner_id;    /* the member */
    int64_t revision;    /* 1 and up; with the id, the key of everything rendered from it */
    int64_t portrait_id; /* 0 for none */
    int64_t updated_ms;
    const char *handle; /* of the standing link /@HANDLE: lower-case letters, digits, - */
    const char *name;   /* as displayed; the one required field */
    const char *prefix, *given, *additional, *family, *suffix; /* name parts, for the vCard's N */
    const char *pronunciation, *pronouns;
    const char *title; /* the role */
    const char *organization, *department;
    const char *note;
    const char *lang;   /* BCP 47 tag of the card's words, NULL for the installation's; decides nothing but lang= */
    const char *accent; /* one of CARD_ACCENTS, never NULL once checked */
    const char *theme;  /* one of CARD_THEMES, never NULL once checked */
    struct card_point phones[CARD_PHONES_MAX], emails[CARD_EMAILS_MAX], links[CARD_LINKS_MAX];
    struct card_address addresses[CARD_ADDRESSES_MAX];
    int phone_count, email_count, link_count, address_count;
};

/* Reads the API's shape of a card ({"name","title","organization","emails":[{"label","address"}],"phones":[{"label",
 * "number"}],"links":[{"label","url"}],"addresses":[…],"note",…}) over CARD, so that absent members keep what stands
 * there (PATCH) and null removes. Unknown members are complaints. INVALID with at least one complaint, or OK; on INVALID
 * the card holds what could be read, so a form can show it again. */
enum result card_from_json(struct card *card, const json_t *json, struct arena *arena,
                           struct complaints *complaints) MUST_CHECK;
/* The same shape, without id, handle and times; the caller owns the reference. Never NULL. */
json_t *card_to_json(const struct card *card);
/* Trims, normalises and checks every field in place; fills accent and theme when absent. */
enum result card_check(struct card *card, struct arena *arena, struct complaints *complaints) MUST_CHECK;
/* Whether TEXT can be a handle: 2 to 32 of a-z 0-9 -, not starting or ending with -, not a reserved word. */
bool handle_is_valid(const char *text);
/* One or two letters for the seal: initials of given and family, or the first character of a CJK name. Never NULL. */
const char *card_initials(const struct card *card, struct arena *arena);
/* "rtl" if the first strong character of TEXT is right-to-left (Unicode bidi R or AL), else "ltr". */
const char *text_direction(const char *text);

#endif
