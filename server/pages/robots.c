/* GET /robots.txt (RFC 9309): cards may be found, what belongs to one visitor or one member may not. Previews of links are
 * drawn by robots, so nothing of a card is closed to them. */
#include "server/http/request.h"
#include "server/pages/pages.h"

enum result robots_page(struct app *app, struct request *request)
{
    (void)app;
    reply_text(request, 200,
               "User-agent: *\n"
               "Allow: /c/\n"
               "Allow: /@\n"
               "Allow: /assets/\n"
               "Allow: /portrait/\n"
               "Allow: /privacy\n"
               "Allow: /api$\n"
               "Disallow: /c/*/pass-on$\n"
               "Disallow: /\n");
    reply_cache(request, "public, max-age=86400");
    return RESULT_OK;
}
