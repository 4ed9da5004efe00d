/* What the member's pages have in common: the frame around each, and how they answer. Handlers behind MEMBER routes. */
#ifndef MEISHI_DESK_H
#define MEISHI_DESK_H

#include "cards/base/str.h"
#include "server/app.h"
#include "server/http/request.h"
#include "server/pages/views.h"

/* The frame of a page called TITLE, in the part of the desk called HERE ("people", "cards", "webhooks", "account"). */
struct desk_view desk_frame(struct request *request, const char *title, const char *here);
/* Room for a page. */
void desk_begin(struct request *request, struct str *html);
/* Answers with it; FAILED when it did not fit. */
enum result desk_reply(struct request *request, int status, const struct str *html) MUST_CHECK;
/* The id of that KIND ("led") in the path, 0 for none. */
int64_t desk_id(const struct request *request, const char *kind);
/* "led_…" */
const char *desk_id_text(struct arena *arena, const char *kind, int64_t id);
/* "/leads/led_…" */
const char *desk_href(struct arena *arena, const char *folder, const char *kind, int64_t id);
/* PREFIX, then TEXT percent-encoded. */
const char *desk_link(struct arena *arena, const char *prefix, const char *text);
/* Whether a form's field is there with that value. */
bool desk_form_is(struct request *request, const char *name, const char *value);

#endif
