/* What each template is given: one struct a template, filled by its page, read only by build/gen/templates.c. Text is
 * as it was entered, unescaped, and belongs to the request's arena; NULL or "" means there is none. Whole addresses
 * (…_url) begin with the base URL; a …_href may also be tel:, mailto: or a path. */
#ifndef MEISHI_VIEWS_H
#define MEISHI_VIEWS_H

#include <stdbool.h>
#include <stddef.h>
#include "cards/card.h"
#include "server/pages/views_account.h"
#include "server/pages/views_cards.h"
#include "server/pages/views_people.h"
#include "server/pages/views_shares.h"
#include "server/pages/views_webhooks.h"

struct error_view {
    int status;        /* HTTP status code */
    const char *title; /* "This page is not here" */
    const char *words; /* what happened and what to do */
};

/* One way to reach the person: a row that can be tapped. */
struct way_view {
    const char *href, *text;
    const char *label; /* "mobile" */
};

struct place_view {
    const char *street, *city /* with postcode and region, as one line */, *country, *label;
};

/* The form as it is shown again: what was typed, and what is wrong beside its field. All NULL the first time. */
struct lead_form_view {
    const char *words; /* above the form: that nothing was sent, and why */
    const char *name, *reach, *message, *company;
    bool ticked;
    const char *name_error, *reach_error, *message_error, *company_error;
    bool focus_reach, focus_message; /* at most one field takes the focus: the first that is wrong */
    const char *challenge;           /* proof of work that is asked for (cards/proof_of_work.h) */
    int challenge_bits;
};

/* The card page. Everything but token, stamp and form is the same for all visitors of one share. */
struct card_view {
    const char *token, *stamp;
    const char *theme, *accent; /* of CARD_THEMES and CARD_ACCENTS */
    const char *ground;         /* the colour of the browser's own bars, when the theme is not the visitor's choice */
    const char *title, *description, *preview_alt, *modified /* YYYY-MM-DD */;
    const char *share_url, *canonical_url, *preview_url, *portrait_url;

    struct {
        const char *name;  /* who handed it over, NULL when nobody did but the card's owner, or nobody said */
        const char *vouch; /* their word for it */
    } by;

    const char *lang, *dir;
    const char *name, *name_class; /* classes: long, longest, cjk, rtl */
    const char *short_name;        /* in sentences: the given name if there is one */
    const char *given, *additional, *family;
    const char *reading; /* of a CJK name, shown above it */
    const char *say;     /* pronunciation and pronouns, beneath */
    const char *firm, *department, *role, *note, *initials;
    const char *portrait_href;
    struct way_view phones[CARD_PHONES_MAX], emails[CARD_EMAILS_MAX], links[CARD_LINKS_MAX];
    struct place_view places[CARD_ADDRESSES_MAX];
    int phones_count, emails_count, links_count, places_count;
    bool has_ways;

    const char *consent; /* what is agreed to by sending the form (cards/consent.h) */
    const char *box;     /* beside a box that is never ticked beforehand */
    struct lead_form_view form;
};

/* One line of what is kept: what it is, and the thing itself. */
struct fact_view {
    const char *what, *text;
};

/* The visitor's own page: what is kept about them and for whom. */
struct receipt_view {
    const char *secret;
    const char *name, *short_name, *initials, *accent, *firm; /* of the card's owner */
    const char *card_href, *save_href;                        /* NULL when the card is no longer handed out */
    const char *pass_on_href;                                 /* where the pass-on form goes, likewise */
    bool is_new;                                              /* the form was sent a moment ago */
    const struct fact_view *facts;
    int facts_count;
    const char *consent, *agreed_on; /* the text agreed to, and the day in words */
    const char *agreed_at;           /* the same for machines, RFC 3339 */
};

/* After the visitor erased what was kept: there is nothing left to tell. */
struct erased_view {
    char nothing;
};

/* A visitor's own link, ready to be sent. */
struct passed_on_view {
    const char *name, *short_name, *initials, *accent;
    const char *by, *vouch; /* what the next reader sees first */
    const char *url;
    const char *host, *token; /* the link as it looks on paper: HOST/c/TOKEN */
    const char *text;         /* what goes with it */
    const char *whatsapp_url, *telegram_url, *email_href, *sms_href;
    const char *card_href;
};

/* What is kept about visitors, from the facts of this installation. */
struct privacy_view {
    const char *host;
};

#endif
