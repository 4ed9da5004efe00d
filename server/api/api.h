/* The API's handlers, one line each: the verbs of the store as JSON, described by assets/openapi.yaml. */
#ifndef MEISHI_API_H
#define MEISHI_API_H

#include <stdbool.h>
#include "server/app.h"
#include "server/store/members.h"

handler api_account, api_account_change, api_token_list, api_token_add, api_token_get, api_token_revoke,
    api_inbox;                                                                       /* account.c */
handler api_card_list, api_card_add, api_card_get, api_card_change, api_card_retire; /* cards.c */
handler api_portrait_set, api_portrait_remove;
handler api_member_list, api_member_add_many, api_card_add_many;                        /* bulk.c */
handler api_share_list, api_share_add, api_share_get, api_share_revoke, api_share_hits; /* shares.c */
handler api_lead_list, api_lead_get, api_lead_change, api_lead_erase;                   /* leads.c */
handler api_followup_list, api_followup_list_of_lead, api_followup_add, api_followup_get, api_followup_change,
    api_followup_remove;                                                                            /* followups.c */
handler api_webhook_list, api_webhook_add, api_webhook_get, api_webhook_change, api_webhook_remove; /* webhooks.c */
handler api_webhook_rotate, api_webhook_enable, api_webhook_replay;
handler api_webhook_ping, api_delivery_list, api_delivery_get, api_delivery_redeliver;
handler api_listener_add, api_listener_remove, api_listener_claim, api_listener_record; /* listeners.c */

/* Runs a POST once for each Idempotency-Key (draft-ietf-httpapi-idempotency-key-header-07) of a caller: a repeat gets the
 * first answer again, 409 while that is under way, 422 with another body. Without the header it just runs. */
enum result api_once(struct app *app, struct request *request, handler *run);

/* limits.c: how often a member's programs may call, told with each answer (draft-ietf-httpapi-ratelimit-headers-10), and how
 * often a network may try tokens that are none. LIMITED: that was too often. */
enum { API_WINDOW_MS = 60000, API_CALLS_MAX = 30000, API_GUESSES_MAX = 60 };
enum result api_count_call(struct app *app, struct request *request) MUST_CHECK;
enum result api_count_guess(struct app *app, struct request *request) MUST_CHECK;

/* origins.c: what CORS wants on each answer; and whether the request was a preflight, which is answered then. */
void api_allow_origin(const struct app *app, struct request *request);
bool api_preflight(const struct app *app, struct request *request);

const char *api_role_name(enum role role); /* "admin" */

/* For what takes no parameters: answers 422 if there are any, naming each. */
void api_refuse_query(struct request *request);

handler api_description; /* GET /api/openapi.yaml: assets/openapi.yaml */
handler api_guide;       /* GET /api: the same for people, made by assets/guide.c */

#endif
