/* What leads.c, which writes leads, and lead_rows.c, which reads them, share with erasure.c: the trays and the receipts. */
#ifndef MEISHI_LEAD_TRAYS_H
#define MEISHI_LEAD_TRAYS_H

#include <jansson.h>
#include "server/store/internal.h"

/* leads.tray: which list a lead lies in. The numbers stand in the migration and in the SQL. */
enum tray { TRAY_LEADS, TRAY_REFERRALS, TRAY_POTENTIAL, TRAY_JUNK, TRAY_SET_ASIDE, TRAY_COUNT };

static inline enum tray lead_tray(const struct lead *lead)
{
    if (lead->set_aside)
        return TRAY_SET_ASIDE;
    if (lead->stage == STAGE_POTENTIAL)
        return TRAY_POTENTIAL;
    if (lead->stage == STAGE_JUNK)
        return TRAY_JUNK;
    return lead->referral ? TRAY_REFERRALS : TRAY_LEADS;
}

struct receipt {
    int64_t owner_id, lead_id, moment_id, visitor_hit_id /* 0 for none */, created_ms;
    const char *said; /* what a form that joined said, as JSON; NULL for the one that made the lead */
};
enum result receipt_read(struct db *db, struct arena *arena, const unsigned char hash[HASH_SIZE],
                         struct receipt *out) MUST_CHECK;

/* What a form that joined said, of receipt->said; SHARE_ID 0 when that was not written yet. */
void lead_of_form(const char *said, struct arena *arena, struct lead *out);

/* Fills the endorser's name, handle and word from the share's chain. */
void lead_name_endorser(struct lead *lead);
/* {"lead": …}; new reference. */
json_t *lead_event_data(const struct lead *lead);

#endif
