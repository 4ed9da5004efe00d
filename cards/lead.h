/* A lead: a possible relationship. What a visitor's form must hold, how the same person is recognised, the stages.
 *
 * A lead is a stranger; a referral came through an endorser's hand. The kind is decided from the share's chain and the
 * two are never listed or counted together. */
#ifndef MEISHI_LEAD_H
#define MEISHI_LEAD_H

#include <stdbool.h>
#include <stdint.h>
#include "cards/base/arena.h"
#include "cards/base/complaints.h"
#include "cards/share.h"

enum {
    LEAD_NAME_MAX = 120,
    LEAD_REACH_MAX = 254,
    LEAD_COMPANY_MAX = 120,
    LEAD_MESSAGE_MAX = 2000,
    LEAD_NOTE_MAX = 4000
};

enum stage {
    STAGE_POTENTIAL,
    STAGE_NEW,
    STAGE_CONTACTED,
    STAGE_MARKETING_QUALIFIED,
    STAGE_SALES_QUALIFIED,
    STAGE_OPPORTUNITY,
    STAGE_WON,
    STAGE_LOST,
    STAGE_JUNK,
    STAGE_COUNT
};

const char *stage_name(enum stage stage);  /* "marketing-qualified" */
const char *stage_words(enum stage stage); /* "Marketing qualified" */
enum stage stage_parse(const char *name);  /* STAGE_COUNT if none */
/* Whether a member may move a lead so; anything but back to potential once there are details. */
bool stage_may_follow(enum stage from, enum stage to);

struct lead {
    int64_t id, owner_id, card_id, share_id;
    int64_t visitor_hit_id; /* the visitor's first hit on the share; 0 when born otherwise */
    bool referral;
    enum stage stage;
    int64_t endorser_member_id, endorser_lead_id;                 /* who makes it a referral; at most one is set */
    const char *endorser_name, *endorser_handle, *endorser_vouch; /* filled by readers */
    const char *name, *email, *phone, *company, *message;
    const char *recipient;    /* whom a potential lead's share was sent to */
    const char *set_aside;    /* why it is quarantined ("sent within 3 seconds"), NULL when it is not */
    const char *consent_text; /* the text that was agreed to, in full, NULL when none */
    bool consent_contact;     /* the box was ticked */
    int64_t created_ms, identified_ms, updated_ms; /* identified 0 while potential */
    int64_t revision;                              /* ETag of the API */
    int64_t change;                                /* orders all changes of the owner's leads; filled by readers */
    struct share *share;                           /* with its chain; filled by readers */
};

/* A form as it was typed. Every member may be NULL. */
struct lead_form {
    const char *name, *reach /* an e-mail or a phone */, *email, *phone, *company, *message, *consent;
    const char *trap; /* the honeypot: a person leaves it empty */
};

/* Checks and sorts a form into LEAD's name, email, phone, company, message, trimmed and NFC. A name and one way to
 * reach them are required. INVALID with complaints about the form's own field names. */
enum result lead_from_form(const struct lead_form *form, struct lead *lead, struct arena *arena,
                           struct complaints *complaints) MUST_CHECK;
/* The key by which an e-mail is the same one: NFC, lower case, no dots or tags guessed away. NULL for NULL. */
const char *email_key(const char *email, struct arena *arena);
/* Whether TEXT can be an e-mail address (RFC 5321 shape, UTF-8 allowed), a phone number (7 to 15 digits and the usual marks). */
bool email_is_valid(const char *text);
bool phone_is_valid(const char *text);
/* The number as typed, with digits and marks of other scripts (٠١٢, ０３－) made ASCII. NULL for NULL. */
const char *phone_normalise(const char *text, struct arena *arena);
/* The text for the search index: NFKC, case-folded, marks removed, words of all fields. Owned by the arena. */
const char *lead_search_text(const struct lead *lead, struct arena *arena);
const char *search_fold(const char *text, struct arena *arena);

#endif
