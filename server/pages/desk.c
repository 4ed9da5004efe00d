/* See desk.h. */
#include "server/pages/desk.h"

#include <string.h>

#include "cards/base/escape.h"
#include "cards/base/id.h"
#include "server/auth/caller.h"
#include "server/pages/hook_health.h"

enum { PAGE_MAX = 512 * 1024, LINK_MAX = 8192 };

struct desk_view desk_frame(struct request *request, const char *title, const char *here)
{
    const struct caller *caller = request_caller(request);
    struct desk_view desk = {
        .title = title, .here = here, .form_token = caller->form_token, .name = caller->member.name};
    if (strcmp(here, "webhooks")) /* those say it themselves */
        hook_alarm(request_app(request), request, &desk);
    return desk;
}

void desk_begin(struct request *request, struct str *html)
{
    str_init(html, &request->arena, PAGE_MAX);
}

enum result desk_reply(struct request *request, int status, const struct str *html)
{
    if (html->failed)
        return RESULT_FAILED;
    reply_html(request, status, html->data, html->len);
    return RESULT_OK;
}

int64_t desk_id(const struct request *request, const char *kind)
{
    return id_parse(kind, request->params[0]);
}

const char *desk_id_text(struct arena *arena, const char *kind, int64_t id)
{
    char text[ID_TEXT_SIZE];
    return arena_strdup(arena, id_format(text, kind, id));
}

const char *desk_href(struct arena *arena, const char *folder, const char *kind, int64_t id)
{
    char text[ID_TEXT_SIZE];
    return arena_printf(arena, "/%s/%s", folder, id_format(text, kind, id));
}

const char *desk_link(struct arena *arena, const char *prefix, const char *text)
{
    struct str link;
    str_init(&link, arena, LINK_MAX);
    str_add(&link, prefix);
    escape_url_part(&link, text);
    return link.failed ? prefix : link.data;
}

bool desk_form_is(struct request *request, const char *name, const char *value)
{
    const char *given = request_form(request, name);
    return given && !strcmp(given, value);
}
