/* See body.h. */
#include "server/api/body.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cards/base/id.h"
#include "cards/base/json_place.h"
#include "cards/base/str.h"
#include "cards/base/text.h"
#include "server/api/api.h"
#include "server/api/problem.h"

enum { LINK_MAX = 1024 };

static const char *words_about(const json_error_t *error, struct arena *arena)
{
    switch (json_error_code(error)) {
    case json_error_invalid_utf8:
        return "This is not UTF-8.";
    case json_error_premature_end_of_input:
        return "The body ends in the middle of this.";
    case json_error_end_of_input_expected:
        return "Something stands behind the end of the JSON.";
    case json_error_duplicate_key:
        return "This name stands here twice.";
    case json_error_null_byte_in_key:
        return "The name of a field cannot hold U+0000.";
    case json_error_numeric_overflow:
        return "This number is too large.";
    case json_error_stack_overflow:
        return "This is nested too deeply.";
    default:
        return arena_printf(arena, "This is not JSON: %s.", error->text);
    }
}

enum result body_read(struct request *request, json_t **out)
{
    json_error_t error;
    struct complaints complaints = {0};
    const char *detail = "The body must be a JSON object.";
    /* Escaped NULs are let in so that the field that holds one can be named: see member_text and cards/card.c. */
    *out =
        json_loadb(request->body, request->body_len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);
    if (*out && json_is_object(*out))
        return RESULT_OK;
    if (!*out && request->body_len) {
        const char *words = words_about(&error, &request->arena);
        size_t read_len = (size_t)error.position < request->body_len ? (size_t)error.position : request->body_len;
        complaints_add(&complaints, json_place(request->body, read_len, &request->arena), words);
        detail = arena_printf(&request->arena, "The body cannot be read from line %d, column %d on: %s", error.line,
                              error.column, words);
    }
    json_decref(*out);
    *out = NULL;
    problem_reply(request, 400, detail, &complaints);
    return RESULT_INVALID;
}

enum result body_read_optional(struct request *request, json_t **out)
{
    if (request->body_len)
        return body_read(request, out);
    *out = json_object();
    return RESULT_OK;
}

int64_t path_id(const struct request *request, const char *kind)
{
    return id_parse(kind, request->params[0]);
}

const char *member_text(const json_t *json, const char *name, struct complaints *complaints)
{
    const json_t *value = json_object_get(json, name);
    if (!value || json_is_null(value))
        return NULL;
    if (!json_is_string(value))
        complaints_add(complaints, name, "This must be text.");
    else if (strlen(json_string_value(value)) != json_string_length(value))
        complaints_add(complaints, name, "This holds a character that cannot be kept (U+0000).");
    return json_string_value(value);
}

int member_flag(const json_t *json, const char *name, struct complaints *complaints)
{
    const json_t *value = json_object_get(json, name);
    if (!value || json_is_null(value))
        return -1;
    if (!json_is_boolean(value))
        complaints_add(complaints, name, "This must be true or false.");
    return json_is_true(value);
}

int64_t member_id(const json_t *json, const char *name, const char *kind, struct complaints *complaints)
{
    const char *text = member_text(json, name, complaints);
    int64_t id = text ? id_parse(kind, text) : 0;
    if (text && !id)
        complaints_add(complaints, name, "This is not an id of that kind.");
    return id;
}

/* Whether TEXT begins as SHAPE, where a 0 stands for any digit. */
static bool has_shape(const char *text, const char *shape)
{
    for (; *shape; shape++, text++)
        if (*shape == '0' ? *text < '0' || *text > '9' : *text != *shape)
            return false;
    return true;
}

/* "2026-11-22T05:33:16.123Z", with or without a fraction, Z or an offset (RFC 3339). */
int64_t time_parse(const char *text)
{
    struct tm tm = {0};
    const char *rest = has_shape(text, "0000-00-00T00:00:00") ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
    if (!rest)
        return 0;
    int day = tm.tm_mday;
    int64_t time_s = timegm(&tm);
    if (tm.tm_mday != day && tm.tm_sec < 60) /* a 31st of April; a leap second may end a month */
        return 0;
    int64_t fraction_ms = 0, unit = 100;
    if (*rest == '.')
        for (rest++; *rest >= '0' && *rest <= '9'; rest++, unit /= 10)
            fraction_ms += (*rest - '0') * unit;
    int64_t offset_s = 0;
    if (*rest == '+' || *rest == '-') {
        int sign = *rest == '-' ? -1 : 1;
        struct tm offset = {0};
        rest = has_shape(rest + 1, "00:00") ? strptime(rest + 1, "%H:%M", &offset) : NULL;
        if (!rest)
            return 0;
        offset_s = sign * (offset.tm_hour * 3600 + offset.tm_min * 60);
    } else if (*rest == 'Z' || *rest == 'z')
        rest++;
    else
        return 0;
    int64_t time_ms = (time_s - offset_s) * 1000 + fraction_ms;
    return *rest ? 0 : time_ms > 0 ? time_ms : 1;
}

int64_t id_time_bounded(int64_t time_ms)
{
    static const int64_t MAX_MS = ((int64_t)1 << 42) - 1;
    return time_ms < MAX_MS ? time_ms : MAX_MS;
}

int64_t member_time(const json_t *json, const char *name, struct complaints *complaints)
{
    const char *text = member_text(json, name, complaints);
    int64_t time_ms = text ? time_parse(text) : 0;
    if (text && !time_ms)
        complaints_add(complaints, name, "This must be a time like 2026-11-22T09:00:00Z.");
    return time_ms;
}

static bool is_one_of(const char *name, size_t len, const char *const *names)
{
    while (*names && (strlen(*names) != len || memcmp(*names, name, len)))
        names++;
    return *names;
}

void members_only(const json_t *json, const char *const *names, struct arena *arena, struct complaints *complaints)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)json, key, value)
    {
        if (!is_one_of(key, strlen(key), names))
            complaints_add(complaints, complaints_key(key, arena), "There is no such field here.");
    }
}

static bool was_named_before(const char *query, const char *at, size_t name_len)
{
    for (const char *earlier = query; earlier < at; earlier += strcspn(earlier, "&") + 1)
        if (strcspn(earlier, "=&") == name_len && !memcmp(earlier, at, name_len))
            return true;
    return false;
}

static const char *words_about_parameter(struct request *request, const char *at, const char *name,
                                         const char *const *names)
{
    size_t name_len = strlen(name);
    if (!is_one_of(name, name_len, names))
        return "There is no such parameter here.";
    if (was_named_before(request->query, at, name_len))
        return "This stands here twice.";
    return request_query(request, name) ? NULL : "This is not UTF-8, or a % in it does not lead to a character.";
}

void parameters_only(struct request *request, const char *const *names, struct complaints *complaints)
{
    for (const char *at = request->query; *at;) {
        size_t len = strcspn(at, "&");
        const char *name = arena_strndup(&request->arena, at, strcspn(at, "=&"));
        const char *words = len ? words_about_parameter(request, at, name, names) : NULL;
        if (words)
            complaints_add_parameter(complaints, name, words);
        at += len + (at[len] == '&');
    }
}

void api_refuse_query(struct request *request)
{
    struct complaints complaints = {0};
    parameters_only(request, (const char *const[]){NULL}, &complaints);
    if (complaints.count)
        problem_reply_complaints(request, &complaints);
}

void page_read(struct request *request, const char *kind, struct page *out, struct complaints *complaints)
{
    *out = (struct page){.limit = PAGE_LIMIT_DEFAULT};
    const char *limit = request_query(request, "limit"), *cursor = request_query(request, "cursor");
    if (limit) {
        char *end;
        long number = strtol(limit, &end, 10);
        if (*limit < '0' || *limit > '9' || *end || number < 1 || number > PAGE_LIMIT_MAX)
            complaints_add_parameter(complaints, "limit", "limit is a number from 1 to 200.");
        else
            out->limit = (size_t)number;
    }
    if (cursor && !(out->before = id_parse(kind, cursor)))
        complaints_add_parameter(complaints, "cursor", "This is not a cursor of this list.");
}

enum result page_read_only(struct request *request, const char *kind, struct page *out)
{
    static const char *const NAMES[] = {"limit", "cursor", NULL};
    struct complaints complaints = {0};
    page_read(request, kind, out, &complaints);
    parameters_only(request, NAMES, &complaints);
    return complaints_answer(request, &complaints);
}

bool page_cut(const struct page *page, size_t *count)
{
    bool more = *count > page->limit;
    *count = more ? page->limit : *count;
    return more;
}

void answer_json(struct request *request, int status, json_t *json)
{
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (!text) {
        problem_reply(request, 500, NULL, NULL);
        return;
    }
    reply_json(request, status, arena_strdup(&request->arena, text), strlen(text));
    free(text);
}

/* The request's own address with another cursor, or without one for the first page. */
static const char *link_to(struct request *request, const char *rel, const char *cursor)
{
    struct str link;
    str_init(&link, &request->arena, LINK_MAX);
    str_addf(&link, "<%s?", request->path);
    for (const char *at = request->query; *at;) {
        size_t len = strcspn(at, "&");
        if (len && strncmp(at, "cursor=", 7)) {
            str_add_n(&link, at, len);
            str_add(&link, "&");
        }
        at += len + (at[len] == '&');
    }
    if (cursor)
        str_addf(&link, "cursor=%s", cursor);
    else if (!link.failed)
        link.len--; /* the & or ? before it */
    str_addf(&link, ">; rel=\"%s\"", rel);
    return link.failed ? NULL : link.data;
}

void answer_page(struct request *request, json_t *data, const char *kind, int64_t last_id)
{
    answer_page_with(request, json_object(), data, kind, last_id);
}

void answer_page_with(struct request *request, json_t *page, json_t *data, const char *kind, int64_t last_id)
{
    char cursor[ID_TEXT_SIZE];
    if (last_id)
        id_format(cursor, kind, last_id);
    json_object_set_new(page, "data", data);
    json_object_set_new(page, "next_cursor", last_id ? json_string(cursor) : json_null());
    answer_json(request, 200, page);
    const char *next = last_id ? link_to(request, "next", cursor) : NULL,
               *first = request_query(request, "cursor") ? link_to(request, "first", NULL) : NULL;
    if (next)
        reply_header(request, "Link", next);
    if (first)
        reply_header(request, "Link", first);
}

enum result complaints_answer(struct request *request, const struct complaints *complaints)
{
    if (!complaints->count)
        return RESULT_OK;
    problem_reply_complaints(request, complaints);
    return RESULT_INVALID;
}
