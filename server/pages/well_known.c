/* Small addresses that browsers and people who find a hole know by heart. */
#include <string.h>
#include <time.h>

#include "server/http/assets.h"
#include "server/http/request.h"
#include "server/ids.h"
#include "server/notify/mail.h"
#include "server/pages/pages.h"

enum { DAY_S = 86400, EXPIRES_DAYS = 180, SECURITY_MAX = 2048 };

enum result favicon_page(struct app *app, struct request *request)
{
    (void)app;
    return asset_reply(request, "touch.png");
}

enum result manifest_page(struct app *app, struct request *request)
{
    (void)app;
    return asset_reply(request, "manifest.webmanifest");
}

/* Percent-encodes what a mailto: may not hold as it is (RFC 6068 2). */
static void add_mailto(struct str *out, const char *address)
{
    str_add(out, "mailto:");
    for (const char *at = address; *at; at++)
        str_addf(out, (unsigned char)*at < 0x80 && !strchr("%/?#[]&;= \"", *at) ? "%c" : "%%%02X", (unsigned char)*at);
}

enum result security_txt_page(struct app *app, struct request *request)
{
    const char *address = mail_address_in(app->config->mail_from, &request->arena);
    if (!address)
        return RESULT_NOT_FOUND;
    struct str text;
    struct tm utc;
    char expires[32];
    time_t until = (time_t)(now_ms() / 1000 / DAY_S + EXPIRES_DAYS) * DAY_S;
    str_init(&text, &request->arena, SECURITY_MAX);
    gmtime_r(&until, &utc);
    strftime(expires, sizeof expires, "%Y-%m-%dT%H:%M:%SZ", &utc);
    str_add(&text, "Contact: ");
    add_mailto(&text, address);
    str_addf(&text, "\nExpires: %s\nPreferred-Languages: en\nCanonical: %s/.well-known/security.txt\n", expires,
             app->config->url);
    reply_text(request, 200, text.data);
    reply_cache(request, "public, max-age=86400");
    return RESULT_OK;
}

enum result change_password_page(struct app *app, struct request *request)
{
    (void)app;
    reply_see_other(request, "/account");
    return RESULT_OK;
}
