/* See lead.h. E-mail addresses and phone numbers are checked for their shape alone: whether they exist is found out by
 * writing to them, and a rule that is too clever turns away real people. */
#include "cards/lead.h"

#include <assert.h>
#include <string.h>
#include <unictype.h>
#include "cards/base/str.h"
#include "cards/base/text.h"

static const struct {
    const char *name, *words;
} STAGES[STAGE_COUNT] = {
    [STAGE_POTENTIAL] = {"potential", "Potential"},
    [STAGE_NEW] = {"new", "New"},
    [STAGE_CONTACTED] = {"contacted", "Contacted"},
    [STAGE_MARKETING_QUALIFIED] = {"marketing-qualified", "Marketing qualified"},
    [STAGE_SALES_QUALIFIED] = {"sales-qualified", "Sales qualified"},
    [STAGE_OPPORTUNITY] = {"opportunity", "Opportunity"},
    [STAGE_WON] = {"won", "Won"},
    [STAGE_LOST] = {"lost", "Lost"},
    [STAGE_JUNK] = {"junk", "Junk"},
};

const char *stage_name(enum stage stage)
{
    assert((unsigned)stage < STAGE_COUNT);
    return STAGES[stage].name;
}

const char *stage_words(enum stage stage)
{
    assert((unsigned)stage < STAGE_COUNT);
    return STAGES[stage].words;
}

enum stage stage_parse(const char *name)
{
    enum stage stage = STAGE_POTENTIAL;
    while (stage < STAGE_COUNT && (!name || strcmp(STAGES[stage].name, name)))
        stage++;
    return stage;
}

bool stage_may_follow(enum stage from, enum stage to)
{
    return (unsigned)to < STAGE_COUNT && (to != STAGE_POTENTIAL || from == STAGE_POTENTIAL);
}

/* ------------------------------------------------------------------------------------------------ ways to reach */

enum { EMAIL_BYTES_MAX = 254, LOCAL_BYTES_MAX = 64, LABEL_BYTES_MAX = 63 };
enum { PHONE_DIGITS_MIN = 7, PHONE_DIGITS_MAX = 15, EXTENSION_DIGITS_MAX = 6 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A dot-atom (RFC 5321 4.1.2, RFC 6531 3.3): quoted forms exist and nobody has one. */
static bool is_local_part(const char *text, size_t len)
{
    if (!len || len > LOCAL_BYTES_MAX || text[0] == '.' || text[len - 1] == '.')
        return false;
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] <= ' ' || text[i] == 0x7F || strchr("()<>[]:;@\\,\"", text[i]))
            return false;
        if (text[i] == '.' && text[i + 1] == '.')
            return false;
    }
    return true;
}

/* A host name of two labels or more whose last one is no number. */
static bool is_mail_domain(const char *text)
{
    size_t label = 0;
    int dots = 0;
    bool last_numeric = true;
    for (const char *at = text; *at; at++) {
        if (*at == '.') {
            if (!label || at[-1] == '-')
                return false;
            dots++;
            label = 0;
            last_numeric = true;
            continue;
        }
        bool letter = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (unsigned char)*at >= 0x80;
        if (!(letter || is_digit(*at) || (*at == '-' && label)) || ++label > LABEL_BYTES_MAX)
            return false;
        last_numeric = last_numeric && is_digit(*at);
    }
    return dots && label && !last_numeric && text[strlen(text) - 1] != '-';
}

bool email_is_valid(const char *text)
{
    if (!text || strlen(text) > EMAIL_BYTES_MAX || !text_is_utf8(text, strlen(text)))
        return false;
    for (const char *at = text; *at;) {
        uint32_t point = text_next(&at);
        if (uc_is_property_white_space(point) || uc_is_general_category_withtable(point, UC_CATEGORY_MASK_C))
            return false;
    }
    const char *sign = strrchr(text, '@');
    return sign && is_local_part(text, (size_t)(sign - text)) && is_mail_domain(sign + 1);
}

/* The digits of an extension and nothing else, after "x", "ext" or "ext." */
static bool is_extension(const char *text)
{
    if (!strncasecmp(text, "ext", 3))
        text += text[3] == '.' ? 4 : 3;
    else if (*text == 'x' || *text == 'X')
        text++;
    else
        return false;
    text += strspn(text, " ");
    size_t digits = strspn(text, "0123456789");
    return digits >= 1 && digits <= EXTENSION_DIGITS_MAX && !text[digits];
}

bool phone_is_valid(const char *text)
{
    if (!text)
        return false;
    int digits = 0;
    for (const char *at = text; *at; at++) {
        if (is_digit(*at))
            digits++;
        else if (*at == '+' && digits)
            return false;
        else if (!strchr("+-.()/ ", *at)) {
            if (!is_extension(at))
                return false;
            break;
        }
    }
    const char *plus = strchr(text, '+');
    return digits >= PHONE_DIGITS_MIN && digits <= PHONE_DIGITS_MAX && !(plus && strchr(plus + 1, '+'));
}

const char *phone_normalise(const char *text, struct arena *arena)
{
    if (!text || !text_is_utf8(text, strlen(text)))
        return text;
    struct str out;
    str_init(&out, arena, strlen(text));
    for (const char *at = text, *here = at; *here; here = at) {
        uint32_t point = text_next(&at);
        int digit = uc_decimal_value(point);
        if (digit >= 0)
            str_add_char(&out, (char)('0' + digit));
        else if (point == 0xFF0B)
            str_add_char(&out, '+');
        else if (point >= 0x80 && uc_is_general_category_withtable(point, UC_CATEGORY_MASK_Pd))
            str_add_char(&out, '-');
        else if (point >= 0x80 && uc_is_property_white_space(point))
            str_add_char(&out, ' ');
        else if (point == 0xFF08 || point == 0xFF09)
            str_add_char(&out, point == 0xFF08 ? '(' : ')');
        else if (point != 0x200E && point != 0x200F) /* direction marks come along when pasted */
            str_add_n(&out, here, (size_t)(at - here));
    }
    return out.data;
}

const char *email_key(const char *email, struct arena *arena)
{
    return email ? text_lower(email, arena) : NULL;
}

/* --------------------------------------------------------------------------------------------------- the form */

static bool is_ticked(const char *box)
{
    return box && *box && strcmp(box, "0") && strcmp(box, "false") && strcmp(box, "no");
}

/* Checks a way to reach somebody that was typed into a field of its own kind. */
static const char *checked(const char *typed, bool (*is_valid)(const char *), const char *field, const char *words,
                           struct arena *arena, struct complaints *complaints)
{
    if (text_check(&typed, LEAD_REACH_MAX, TEXT_LINE, field, arena, complaints) && typed) {
        if (is_valid == phone_is_valid)
            typed = phone_normalise(typed, arena);
        if (!is_valid(typed))
            complaints_add(complaints, field, words);
    }
    return typed;
}

/* Tells what stands in the one field for both. A field of its own kind goes before it. */
static void sort_reach(const char *typed, struct lead *lead, struct arena *arena, struct complaints *complaints)
{
    if (!text_check(&typed, LEAD_REACH_MAX, TEXT_LINE, "reach", arena, complaints) || !typed)
        return;
    const char *number = phone_normalise(typed, arena);
    bool is_email = email_is_valid(typed), is_phone = phone_is_valid(number);
    if (is_email && !lead->email)
        lead->email = typed;
    if (is_phone && !lead->phone)
        lead->phone = number;
    if (is_email || is_phone)
        return;
    complaints_add(complaints, "reach",
                   strchr(typed, '@') ? "This e-mail address looks incomplete. An example: jane@example.org."
                                      : "This is neither an e-mail address nor a phone number.");
}

enum result lead_from_form(const struct lead_form *form, struct lead *lead, struct arena *arena,
                           struct complaints *complaints)
{
    int before = complaints->count;
    lead->name = form->name;
    lead->company = form->company;
    lead->message = form->message;
    text_check(&lead->name, LEAD_NAME_MAX, TEXT_LINE, "name", arena, complaints);
    text_check(&lead->company, LEAD_COMPANY_MAX, TEXT_LINE, "company", arena, complaints);
    text_check(&lead->message, LEAD_MESSAGE_MAX, TEXT_LINES, "message", arena, complaints);
    lead->email = checked(form->email, email_is_valid, "email", "This is not an e-mail address.", arena, complaints);
    lead->phone = checked(form->phone, phone_is_valid, "phone", "This is not a phone number.", arena, complaints);
    sort_reach(form->reach, lead, arena, complaints);
    if (!lead->name && !complaints_about(complaints, "name"))
        complaints_add(complaints, "name", "Please give your name.");
    bool said_so = complaints_about(complaints, "email") || complaints_about(complaints, "phone") ||
                   complaints_about(complaints, "reach");
    if (!lead->email && !lead->phone && !said_so)
        complaints_add(complaints, "reach", "Please give an e-mail address or a phone number.");
    lead->consent_contact = is_ticked(form->consent);
    if (form->trap && *form->trap)
        lead->set_aside = "a field that people do not see was filled in";
    return complaints->count > before ? RESULT_INVALID : RESULT_OK;
}

/* -------------------------------------------------------------------------------------------------- the search */

enum { SEARCH_TEXT_MAX = 128 * 1024 };

const char *search_fold(const char *text, struct arena *arena)
{
    return text_fold(text, arena);
}

const char *lead_search_text(const struct lead *lead, struct arena *arena)
{
    /* The message last: folding can make a few odd letters very long, and then only it is left out. */
    const char *fields[] = {lead->name,      lead->email,         lead->phone,  lead->company,
                            lead->recipient, lead->endorser_name, lead->message};
    struct str words;
    str_init(&words, arena, SEARCH_TEXT_MAX);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (!fields[i])
            continue;
        if (words.len)
            str_add_char(&words, ' ');
        str_add(&words, search_fold(fields[i], arena));
    }
    return words.data;
}
