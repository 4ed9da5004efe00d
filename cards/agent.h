/* What a User-Agent says of the program that sent it, reduced to a product and a device class: enough to judge a hit and
 * to tell a member "Safari on iOS", never enough to know a visitor again. */
#ifndef MEISHI_AGENT_H
#define MEISHI_AGENT_H

#include <stdbool.h>

enum agent_kind {
    AGENT_NONE,    /* nothing was said */
    AGENT_BROWSER, /* a person's, as far as it says */
    AGENT_IN_APP,  /* an app's own browser: a person's */
    AGENT_PREVIEW, /* draws link previews */
    AGENT_SCANNER, /* looks for weaknesses or malware */
    AGENT_CRAWLER, /* any other robot that gives its name */
    AGENT_TOOL,    /* an HTTP library or command line tool by its own name */
    AGENT_UNKNOWN  /* a product nobody here knows */
};

enum { AGENT_FAMILY_SIZE = 32 };

/* Fills FAMILY: "Safari on iOS", "Instagram in-app on Android", "WhatsApp", "curl", the first product's name of what is
 * unknown, "" for none. USER_AGENT may be NULL. */
enum agent_kind agent_read(const char *user_agent, char family[AGENT_FAMILY_SIZE]);
/* The same from a family alone, by today's crawler table; never AGENT_IN_APP or AGENT_TOOL. Cheap for browsers. */
enum agent_kind agent_look_up(const char *family);

#endif
