/* See error.h. Each status has its own plain words; none says more of us than it must, and none blames. */
#include "server/pages/error.h"

#include "server/http/request.h"
#include "server/pages/views.h"
#include "templates.h"

enum { PAGE_MAX = 32 * 1024 };

static const struct error_view PAGES[] = {
    {400, "That did not arrive whole",
     "Something in the request could not be read. Please go back, reload the page and try again."},
    {403, "Not from here",
     "This can only be done from our own pages, by somebody who may. Please go back, reload the page and try again."},
    {404, "This page is not here",
     "The address may have been typed wrong, or the card is no longer handed out. Whoever gave it to you can send a new one."},
    {405, "That cannot be done here",
     "This address answers other questions than the one it was asked. Please go back and try another way."},
    {408, "That took too long", "The connection was too slow for the whole request to arrive. Please try again."},
    {409, "Somebody was faster",
     "This was changed in the meantime. Please go back, reload the page and look at what it is now."},
    {411, "That did not arrive whole",
     "The request did not say how long it is. Please try again from another browser."},
    {413, "That is too large", "What was sent is more than fits here. Please send something smaller."},
    {414, "That address is too long", "Nothing here has an address so long. Please check the link."},
    {415, "That is not a form",
     "What was sent is of a kind that cannot be read here. Please go back, reload the page and try again."},
    {422, "That cannot be used yet", "Something in what you sent needs another look. Please go back and check it."},
    {429, "A little slower, please",
     "Too much came from your network in a short time. Please wait a few minutes and try again."},
    {431, "That is too much",
     "Your browser sent more about itself than fits here. Clearing this site’s cookies helps."},
    {503, "One moment", "That could not be done just now. Please try again in a minute."},
    {505, "That is too new or too old",
     "Your browser speaks a version of the web that is not understood here. Please try another one."},
};

static const struct error_view OURS = {
    500, "Something broke", "It is our fault, not yours, and it has been noted. Please try again in a minute."};

void error_page(struct app *app, struct request *request, int status, const char *words)
{
    (void)app;
    struct error_view view = OURS;
    for (size_t i = 0; i < sizeof PAGES / sizeof *PAGES; i++)
        if (PAGES[i].status == status)
            view = PAGES[i];
    view.status = status;
    if (words)
        view.words = words;
    struct str html;
    str_init(&html, &request->arena, PAGE_MAX);
    template_error(&html, &view);
    reply_html(request, status, html.data, html.len);
}
