/* The page that says what went wrong and what to do. */
#ifndef MEISHI_ERROR_PAGE_H
#define MEISHI_ERROR_PAGE_H

#include "server/app.h"

/* WORDS is a sentence for people, NULL for the status's own. */
void error_page(struct app *app, struct request *request, int status, const char *words);

#endif
