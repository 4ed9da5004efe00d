/* What API handlers share: reading a JSON body strictly, pages of a list with their cursor, ids and ETags. */
#ifndef MEISHI_API_BODY_H
#define MEISHI_API_BODY_H

#include <jansson.h>
#include <stdbool.h>
#include "cards/base/complaints.h"
#include "server/http/request.h"

enum { PAGE_LIMIT_DEFAULT = 50, PAGE_LIMIT_MAX = 200 };

/* The body as one JSON object: no duplicate members, no text behind it. INVALID: the problem is answered already. The
 * caller drops the reference. */
enum result body_read(struct request *request, json_t **out) MUST_CHECK;
/* The id in the path, 0 if it is none of that KIND ("crd"). */
int64_t path_id(const struct request *request, const char *kind);
/* Text member NAME of an object; complains when it is something else. null and absent give NULL. */
const char *member_text(const json_t *json, const char *name, struct complaints *complaints);
/* An id member of that kind, 0 when absent or null. */
int64_t member_id(const json_t *json, const char *name, const char *kind, struct complaints *complaints);
/* A time member (RFC 3339), 0 when absent or null. */
int64_t member_time(const json_t *json, const char *name, struct complaints *complaints);
/* Complains about every member that is not in the NULL-terminated list. */
void members_only(const json_t *json, const char *const *names, struct complaints *complaints);
/* RFC 3339 text to milliseconds; 0 if it is none. */
int64_t time_parse(const char *text);

/* ?limit= and ?cursor= of a list of ids of KIND. INVALID: the problem is answered already. */
struct page { size_t limit; int64_t before; };
enum result page_read(struct request *request, const char *kind, struct page *out) MUST_CHECK;

/* Answers JSON and drops the reference. */
void answer_json(struct request *request, int status, json_t *json);
/* {"data":[…],"next_cursor":…} with a Link header (RFC 8288). DATA's reference is taken over. There is a next page when
 * COUNT reached the limit; LAST_ID is the last row's. */
void answer_page(struct request *request, json_t *data, const struct page *page, size_t count, const char *kind, int64_t last_id);
/* Sets a strong ETag of a revision: "r7". */
void answer_etag(struct request *request, int64_t revision);
/* The revision that If-Match asks for, 0 when there is no such header or it is *; -1 when it names none of ours. */
int64_t if_match(const struct request *request);
/* After body_read: answers 422 if anything was complained about; INVALID then. */
enum result complaints_answer(struct request *request, const struct complaints *complaints) MUST_CHECK;

#endif
