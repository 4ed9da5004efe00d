/* What is told to the member's other systems: the event types and their JSON bodies (Standard Webhooks 1.0.0: type,
 * timestamp, data). */
#ifndef MEISHI_EVENT_H
#define MEISHI_EVENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "cards/card.h"
#include "cards/lead.h"
#include "cards/share.h"

enum event_type {
    EVENT_LEAD_POTENTIAL,
    EVENT_LEAD_CREATED,
    EVENT_LEAD_UPDATED,
    EVENT_LEAD_ERASED,
    EVENT_SHARE_CREATED,
    EVENT_SHARE_PASSED_ON,
    EVENT_CARD_SCANNED,
    EVENT_FOLLOW_UP_DUE,
    EVENT_WEBHOOK_PING,
    EVENT_COUNT
};

enum { EVENT_BODY_MAX = 20000 };

const char *event_name(enum event_type type);  /* "lead.created" */
enum event_type event_parse(const char *name); /* EVENT_COUNT if none */

/* The JSON of a lead as the API and the webhooks show it; new reference. BASE_URL has no trailing slash. */
json_t *lead_to_json(const struct lead *lead);
/* {"id","token","url","qr_png_url","qr_svg_url","card_id","channel","label","recipient","parent","sharer","chain",
 * "created_at","expires_at","revoked_at"}; new reference. */
json_t *share_to_json(const struct share *share, const char *base_url);
/* [{"share_id","token","channel","sharer":{"id","handle","name"},"vouch"}, …] from the first hand on. */
json_t *chain_to_json(const struct share *share);
/* RFC 3339 in UTC with milliseconds, "2026-11-22T05:33:16.123Z", into the arena; NULL for 0. */
const char *time_text(int64_t time_ms, struct arena *arena);
json_t *time_json(int64_t time_ms); /* the same as JSON, null for 0 */

/* The minified body {"type","timestamp","data"} as it is kept; takes over DATA's reference. Short enough that what is sent of
 * it holds EVENT_BODY_MAX: longer free text in it is cut to fit, and "cut":true says so. */
const char *event_body(enum event_type type, int64_t now_ms, json_t *data, struct arena *arena);
/* The body that an endpoint gets, with the number the event has there: {"type","timestamp","sequence","data"}. NULL if BODY is
 * not of event_body, as when erasing emptied it. */
const char *event_number(const char *body, int64_t sequence, struct arena *arena);
/* The same body with ids, kind and API address in place of everything that tells of a person; new reference, NULL as above. */
json_t *event_thin(const char *body, int64_t sequence, const char *base_url);

#endif
