/* Web addresses that people type or systems send, checked and brought to one spelling (RFC 3986, IDNA 2008).
 *
 * The one module that parses URLs: libcurl's parser, so that what was checked is what libcurl will call. Only http and
 * https; never a user name in it. */
#ifndef MEISHI_URL_H
#define MEISHI_URL_H

#include <stdbool.h>
#include "cards/base/arena.h"

enum { URL_BYTES_MAX = 2048 };

enum {
    URL_GUESS_SCHEME = 1 << 0, /* "example.org/me" is read as https://example.org/me */
    URL_NO_FRAGMENT = 1 << 1,  /* refuses #… */
    URL_BASE = 1 << 2          /* refuses path, query and fragment; the text gets no trailing slash */
};

struct url {
    const char *text;     /* the whole address: lower-case scheme and host, no default port, no dot segments */
    const char *scheme;   /* "http" or "https" */
    const char *host;     /* lower case, A-labels; IPv6 without brackets */
    const char *path;     /* "/" at least */
    int port;             /* as given, or the scheme's own */
    bool host_is_address; /* an IPv4 or IPv6 literal */
};

/* INVALID, and OUT untouched, if TEXT is not such an address. FLAGS are URL_ bits. OUT's text is in the arena. */
enum result url_parse(const char *text, unsigned flags, struct arena *arena, struct url *out) MUST_CHECK;

#endif
