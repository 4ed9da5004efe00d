/* What each template is given: one struct a template, filled by its page, read only by build/gen/templates.c. Text is
 * as it was entered, unescaped, and belongs to the request's arena; NULL or "" means there is none. */
#ifndef MEISHI_VIEWS_H
#define MEISHI_VIEWS_H

struct error_view {
    int status;        /* HTTP status code */
    const char *title; /* "This page is not here" */
    const char *words; /* what happened and what to do */
};

#endif
