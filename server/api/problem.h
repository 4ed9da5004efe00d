/* Errors of the API as application/problem+json (RFC 9457): type, title, status, detail, and for wrong input "errors", each
 * with the JSON pointer (RFC 6901) of what is wrong, or the name of the query parameter, and a sentence. */
#ifndef MEISHI_PROBLEM_H
#define MEISHI_PROBLEM_H

#include <jansson.h>
#include "cards/base/complaints.h"

struct request;

/* DETAIL is a sentence for people, NULL for the status's own. COMPLAINTS may be NULL. */
void problem_reply(struct request *request, int status, const char *detail, const struct complaints *complaints);
/* Adds complaints about the part of the body at PREFIX ("/cards/3", "" for the whole) to a JSON array of errors. */
void problem_add_errors(json_t *errors, const char *prefix, const struct complaints *complaints);
/* 422 with these errors, whose reference is taken over. */
void problem_reply_errors(struct request *request, json_t *errors);
/* 422 with every complaint. */
void problem_reply_complaints(struct request *request, const struct complaints *complaints);

#endif
