/* Whether a User-Agent belongs to a known crawler, by the table of the crawler-user-agents project (assets/crawlers.tsv):
 * 1500 patterns looked for in one pass, in about a microsecond, without allocation. It knows names, it does not guess: an
 * unknown agent is CRAWLER_NONE, and so is a browser. */
#ifndef MEISHI_CRAWLERS_H
#define MEISHI_CRAWLERS_H

#include <stddef.h>

enum {
    CRAWLER_NONE = 0,
    CRAWLER_BOT = 1 << 0,     /* any of them; always set with the others */
    CRAWLER_PREVIEW = 1 << 1, /* fetches a page to show a preview of a link */
    CRAWLER_SCANNER = 1 << 2, /* looks for weaknesses or malware */
    CRAWLER_TOOL = 1 << 3     /* an HTTP library or a command line tool */
};

/* AGENT is LEN bytes, not necessarily NUL-terminated; NULL is CRAWLER_NONE. */
unsigned crawler_match(const char *agent, size_t len);

#endif
