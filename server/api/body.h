/* What API handlers share: reading a JSON body strictly, pages of a list with their cursor, ids. */
#ifndef MEISHI_API_BODY_H
#define MEISHI_API_BODY_H

#include <jansson.h>
#include <stdbool.h>
#include "cards/base/complaints.h"
#include "server/http/request.h"

enum { PAGE_LIMIT_DEFAULT = 50, PAGE_LIMIT_MAX = 200 };

/* The body as one JSON object (RFC 8259): UTF-8, no duplicate members, no text behind it. INVALID: the problem is answered
 * already. The caller drops the reference. */
enum result body_read(struct request *request, json_t **out) MUST_CHECK;
/* The same where no body at all is as good as {}. */
enum result body_read_optional(struct request *request, json_t **out) MUST_CHECK;
/* The id in the path, 0 if it is none of that KIND ("crd"). */
int64_t path_id(const struct request *request, const char *kind);
/* Text member NAME of an object; complains when it is something else. null and absent give NULL. */
const char *member_text(const json_t *json, const char *name, struct complaints *complaints);
/* An id member of that kind, 0 when absent or null. */
int64_t member_id(const json_t *json, const char *name, const char *kind, struct complaints *complaints);
/* A time member (RFC 3339), 0 when absent or null. */
int64_t member_time(const json_t *json, const char *name, struct complaints *complaints);
/* Complains about every member that is not in the NULL-terminated list. */
void members_only(const json_t *json, const char *const *names, struct arena *arena, struct complaints *complaints);
/* true or false: 1 or 0; -1 when absent or null. */
int member_flag(const json_t *json, const char *name, struct complaints *complaints);
/* TIME_MS, or the last that an id can have been made at if that is later (2109). */
int64_t id_time_bounded(int64_t time_ms);
/* RFC 3339 text to milliseconds, 1 for times before 1970; 0 if it is none. */
int64_t time_parse(const char *text);

/* Complains about query parameters that are not in the NULL-terminated list, stand there twice or cannot be decoded: a filter
 * with a slip in it must not quietly find everything. */
void parameters_only(struct request *request, const char *const *names, struct complaints *complaints);

/* ?limit= and ?cursor= of a list of ids of KIND. A list is asked for one more than the limit, which page_cut takes off
 * again: only so is it known whether there is a next page. */
struct page {
    size_t limit;
    int64_t before;
};
void page_read(struct request *request, const char *kind, struct page *out, struct complaints *complaints);
/* The same for lists without filters. INVALID: the problem is answered already. */
enum result page_read_only(struct request *request, const char *kind, struct page *out) MUST_CHECK;
/* Cuts COUNT to the limit; whether it was more. */
bool page_cut(const struct page *page, size_t *count);

/* Answers JSON and drops the reference. */
void answer_json(struct request *request, int status, json_t *json);
/* {"data":[…],"next_cursor":…} with Link headers (RFC 8288). DATA's reference is taken over. LAST_ID is the last row's when
 * there is a next page, else 0. */
void answer_page(struct request *request, json_t *data, const char *kind, int64_t last_id);
/* The same added to what PAGE holds already, whose reference is taken over too. */
void answer_page_with(struct request *request, json_t *page, json_t *data, const char *kind, int64_t last_id);
/* After body_read: answers 422 if anything was complained about; INVALID then. */
enum result complaints_answer(struct request *request, const struct complaints *complaints) MUST_CHECK;

#endif
