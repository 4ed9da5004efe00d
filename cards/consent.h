/* What a visitor agrees to when they leave their details: one text, shown at the form and kept whole with the lead, so that
 * what was agreed to can be read years later. A text is never changed: a better one gets a new version. */
#ifndef MEISHI_CONSENT_H
#define MEISHI_CONSENT_H

#include <stdbool.h>
#include "cards/card.h"

struct consent {
    const char *version;  /* "2026-11"; a literal */
    const char *sentence; /* shown at the form: who sees it and how it is erased */
    const char *box;      /* beside the box that is never ticked beforehand: being contacted about other things */
};

/* Today's texts for CARD's form, with the card's first name in them; in the arena. */
struct consent consent_of(const struct card *card, struct arena *arena);
/* What is kept with the lead: version, sentence, and the box's words with whether it was ticked; in the arena. */
const char *consent_record(const struct consent *consent, bool ticked, struct arena *arena);
/* Of such a record, what was agreed to: the sentence, and the box's words when it was ticked. NULL for NULL. */
const char *consent_words(const char *record, struct arena *arena);
/* Of such a record, the box's words when it was ticked, else NULL; within RECORD. */
const char *consent_ticked(const char *record);
/* What friends call the card's owner: the given name, or the first word of the name, or a CJK name whole. */
const char *card_first_name(const struct card *card, struct arena *arena);

#endif
