/* What the binary carries: style sheets, scripts, drawings, the API's description. Made by assets/embed.c at build
 * time, with the compressed forms ready, so serving one is a lookup. */
#ifndef MEISHI_ASSETS_H
#define MEISHI_ASSETS_H

#include <stddef.h>
#include "cards/base/result.h"

struct app;
struct request;

struct asset_form {
    const char *bytes; /* NULL when this form would not be smaller */
    size_t len;
    const char *etag; /* strong, quotes included (RFC 9110 8.8.3); differs from form to form */
};

struct asset {
    const char *name; /* "card.css" */
    const char *url;  /* "/assets/card.3f9a21bc.css": changes with the bytes, so may be cached for ever */
    const char *type; /* of the content, charset included */
    struct asset_form plain, gzip, brotli;
};

/* By its name, or by the last part of its URL; NULL if there is none, or none of that content any more. */
const struct asset *asset_find(const char *name);

/* Answers with the asset of that name, in the best form the caller takes. NOT_FOUND: there is none. */
enum result asset_reply(struct request *request, const char *name) MUST_CHECK;
/* GET /assets/{name}, as a handler of the route table. NOT_FOUND: there is none. */
enum result asset_serve(struct app *app, struct request *request);

#endif
