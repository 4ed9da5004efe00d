/* GET /privacy: what is kept of a visit, in words that follow from how this installation is set up. */
#include <string.h>

#include "server/http/request.h"
#include "server/pages/pages.h"
#include "server/pages/views.h"
#include "templates.h"

enum { PAGE_MAX = 32 * 1024 };

enum result privacy_page(struct app *app, struct request *request)
{
    const char *host = strstr(app->config->url, "://");
    struct str html;
    str_init(&html, &request->arena, PAGE_MAX);
    template_privacy(&html, &(struct privacy_view){.host = host ? host + 3 : app->config->url});
    reply_html(request, 200, html.data, html.len);
    return RESULT_OK;
}
