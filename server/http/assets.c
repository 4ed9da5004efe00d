/* Serves what the binary carries. By its hashed address an asset may be kept for ever; by its plain name it is asked for
 * again each time and mostly answered 304. No path of the file system is ever made of a URL. */
#include "server/http/assets.h"

#include <string.h>
#include <strings.h>
#include "server/http/request.h"

/* Whether a coding is acceptable by name, its weight not being 0 (RFC 9110 12.5.3). */
static bool accepts(const char *list, const char *coding)
{
    size_t len = strlen(coding);
    for (const char *at = list; at && *at;) {
        at += strspn(at, " \t,");
        size_t item = strcspn(at, ",");
        size_t name = strcspn(at, ",; \t");
        if (name == len && strncasecmp(at, coding, len) == 0) {
            const char *weight = memchr(at, '=', item);
            return !weight || strspn(weight + 1, "0. \t") < (size_t)(at + item - weight - 1);
        }
        at += item;
    }
    return false;
}

enum result asset_reply(struct request *request, const char *name)
{
    const struct asset *asset = asset_find(name);
    if (!asset)
        return RESULT_NOT_FOUND;
    const char *codings = request_header(request, "Accept-Encoding");
    struct ready_options options = {
        .content_type = asset->type,
        .csp = CSP_DEFAULT,
        .varies = asset->gzip.bytes || asset->brotli.bytes,
        .cache = strcmp(request->path, asset->url) == 0 ? "public, max-age=31536000, immutable" : "no-cache"};
    const struct asset_form *form = &asset->plain;
    if (asset->brotli.bytes && accepts(codings, "br")) {
        form = &asset->brotli;
        options.encoding = "br";
    } else if (asset->gzip.bytes && accepts(codings, "gzip")) {
        form = &asset->gzip;
        options.encoding = "gzip";
    }
    options.etag = form->etag;
    struct ready_reply *ready = ready_new(form->bytes, form->len, true, &options);
    reply_ready(request, ready);
    ready_drop(ready);
    return RESULT_OK;
}

enum result asset_serve(struct app *app, struct request *request)
{
    (void)app;
    return asset_reply(request, request->params[0]);
}
