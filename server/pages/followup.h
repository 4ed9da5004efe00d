/* Follow-ups in the member's pages. */
#ifndef MEISHI_FOLLOWUP_PAGES_H
#define MEISHI_FOLLOWUP_PAGES_H

#include "cards/followup.h"
#include "cards/lead.h"
#include "server/app.h"
#include "server/http/request.h"
#include "server/pages/views.h"

/* What is still promised to a lead, the next first. */
enum result followup_views_of_lead(struct app *app, const struct lead *lead, struct arena *arena,
                                   struct followup_view **out, int *count) MUST_CHECK;
/* What is due to anybody, the longest due first: for the inbox. */
enum result followup_views_due(struct app *app, int64_t member_id, struct arena *arena, struct followup_view **out,
                               int *count) MUST_CHECK;
/* Promises what the form says to the lead, with what was typed and what is wrong in VIEW. INVALID: nothing was promised. */
enum result followup_promise(struct app *app, struct request *request, int64_t lead_id,
                             struct lead_view *view) MUST_CHECK;

#endif
