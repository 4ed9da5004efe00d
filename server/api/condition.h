/* Conditional requests (RFC 9110 13): what keeps one client from overwriting another's change, and from reading again what it
 * has. */
#ifndef MEISHI_CONDITION_H
#define MEISHI_CONDITION_H

#include <stdint.h>
#include "cards/base/result.h"

struct request;

/* Sets a strong ETag of a revision: "r7". For answers that say no more than the revision does. */
void answer_etag(struct request *request, int64_t revision);
/* The same for an answer that may change without it, after the body is set: "r7-" and a hash. Either is taken by If-Match. */
void answer_etag_of_body(struct request *request, int64_t revision);
/* The revision that If-Match asks for, 0 when there is no such header or it is *; -1 when it names none of ours. */
int64_t if_match(const struct request *request);
/* Answers 412 if If-Match asks for another revision; INVALID then. */
enum result if_match_answer(struct request *request, int64_t revision) MUST_CHECK;
/* Once a GET is answered: gives it an ETag if it has none, and makes it 304 if If-None-Match has that. */
void answer_unchanged(struct request *request);

#endif
