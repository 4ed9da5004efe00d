/* Where in an HTML document one is, character by character, so that the template compiler knows which escape a value
 * needs there, or that none would do. Words are returned as errors in English, NULL when all is well. */
#ifndef MEISHI_CONTEXT_H
#define MEISHI_CONTEXT_H

#include <stdbool.h>
#include "cards/base/str.h"

enum place {
    PLACE_TEXT,
    PLACE_TAG_OPEN,  /* after < */
    PLACE_BANG,      /* after <! */
    PLACE_BANG_DASH, /* after <!- */
    PLACE_COMMENT,
    PLACE_DECLARATION, /* <!doctype … */
    PLACE_TAG_NAME,
    PLACE_TAG_SPACE, /* an attribute may begin */
    PLACE_TAG_GLUE,  /* white space, / or > must come first */
    PLACE_ATTRIBUTE, /* in its name */
    PLACE_EQUALS,    /* after = */
    PLACE_DOUBLE,    /* in a double-quoted value */
    PLACE_SINGLE,
    PLACE_BARE,
    PLACE_RAW,    /* in script or style */
    PLACE_RCDATA, /* in title or textarea: text without tags */
    PLACE_JSON,   /* in a JSON script, outside strings */
    PLACE_JSON_STRING,
    PLACE_JSON_ESCAPE /* after \ in a string */
};

enum url_place {
    URL_NONE,    /* not in a URL */
    URL_START,   /* nothing yet: a value here is the whole URL */
    URL_SCHEME,  /* letters that may become a scheme */
    URL_SLASH,   /* after the first / */
    URL_FIRST,   /* after / and a value */
    URL_SLASHES, /* between a scheme and its host */
    URL_HOST,
    URL_OPAQUE, /* after mailto: and the like */
    URL_PART,   /* in a path, query or fragment: a value here is one component */
    URL_WHOLE,  /* after a value that was the whole URL */
    URL_ODD     /* nothing that we can judge */
};

enum escape { ESCAPE_HTML, ESCAPE_ATTR, ESCAPE_URL, ESCAPE_URL_PART, ESCAPE_JSON };

enum { CONTEXT_WORD_SIZE = 40 };

struct context {
    enum place place;
    enum url_place url;
    int pre;                              /* how many <pre> are open */
    int matched;                          /* characters of </script that have been seen, or dashes of a comment's end */
    bool spaced;                          /* the last thing written was white space that may absorb more */
    bool closing;                         /* in an end tag */
    bool json;                            /* a script whose type is JSON */
    bool rel_is_inert;                    /* a link that loads nothing that could act */
    bool http_equiv, has_dynamic_content; /* of a meta element */
    char tag[CONTEXT_WORD_SIZE], attribute[CONTEXT_WORD_SIZE], value[CONTEXT_WORD_SIZE]; /* lower case, cut */
};

/* The beginning of a document. */
void context_start(struct context *context);
/* One character of literal text: appends what is to be sent to OUT. */
MUST_CHECK const char *context_literal(struct context *context, char c, struct str *out);
/* A value is to be put here: how it is to be escaped. */
MUST_CHECK const char *context_value(struct context *context, enum escape *out);
/* An if, else, for or end stands here. */
MUST_CHECK const char *context_control(struct context *context);
/* Two ways through the template meet: CONTEXT becomes what holds for both. */
MUST_CHECK const char *context_join(struct context *context, const struct context *other);
/* One more turn of a loop that began at START may begin here. */
MUST_CHECK const char *context_repeat(const struct context *start, const struct context *context);

#endif
