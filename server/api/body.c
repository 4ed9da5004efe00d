/* See body.h. */
#include "server/api/body.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cards/base/id.h"
#include "cards/base/str.h"
#include "cards/base/text.h"
#include "server/api/problem.h"

enum { LINK_MAX = 1024 };

enum result body_read(struct request *request, json_t **out)
{
    json_error_t error;
    *out = json_loadb(request->body, request->body_len, JSON_REJECT_DUPLICATES, &error);
    if (*out && json_is_object(*out))
        return RESULT_OK;
    const char *words = *out ? "The body must be a JSON object."
                             : arena_printf(&request->arena, "The body is not JSON: %s (line %d, column %d).", error.text, error.line,
                                            error.column);
    json_decref(*out);
    *out = NULL;
    problem_reply(request, 400, words, NULL);
    return RESULT_INVALID;
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
    return json_string_value(value);
}

int64_t member_id(const json_t *json, const char *name, const char *kind, struct complaints *complaints)
{
    const char *text = member_text(json, name, complaints);
    int64_t id = text ? id_parse(kind, text) : 0;
    if (text && !id)
        complaints_add(complaints, name, "This is not an id of that kind.");
    return id;
}

/* "2026-11-22T05:33:16.123Z", with or without a fraction, Z or an offset (RFC 3339). */
int64_t time_parse(const char *text)
{
    struct tm tm = {0};
    char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!rest)
        return 0;
    int64_t fraction_ms = 0, unit = 100;
    if (*rest == '.')
        for (rest++; *rest >= '0' && *rest <= '9'; rest++, unit /= 10)
            fraction_ms += (*rest - '0') * unit;
    int64_t offset_s = 0;
    if (*rest == '+' || *rest == '-') {
        int sign = *rest == '-' ? -1 : 1;
        struct tm offset = {0};
        rest = strptime(rest + 1, "%H:%M", &offset);
        if (!rest)
            return 0;
        offset_s = sign * (offset.tm_hour * 3600 + offset.tm_min * 60);
    } else if (*rest == 'Z' || *rest == 'z')
        rest++;
    else
        return 0;
    return *rest ? 0 : ((int64_t)timegm(&tm) - offset_s) * 1000 + fraction_ms;
}

int64_t member_time(const json_t *json, const char *name, struct complaints *complaints)
{
    const char *text = member_text(json, name, complaints);
    int64_t time_ms = text ? time_parse(text) : 0;
    if (text && !time_ms)
        complaints_add(complaints, name, "This must be a time like 2026-11-22T09:00:00Z.");
    return time_ms;
}

void members_only(const json_t *json, const char *const *names, struct complaints *complaints)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)json, key, value)
    {
        const char *const *name = names;
        while (*name && strcmp(*name, key))
            name++;
        if (!*name)
            complaints_add(complaints, key, "There is no such member here.");
    }
}

enum result page_read(struct request *request, const char *kind, struct page *out)
{
    struct complaints complaints = {0};
    *out = (struct page){.limit = PAGE_LIMIT_DEFAULT};
    const char *limit = request_query(request, "limit"), *cursor = request_query(request, "cursor");
    if (limit) {
        char *end;
        long number = strtol(limit, &end, 10);
        if (end == limit || *end || number < 1 || number > PAGE_LIMIT_MAX)
            complaints_add(&complaints, "limit", "limit is a number from 1 to 200.");
        else
            out->limit = (size_t)number;
    }
    if (cursor && !(out->before = id_parse(kind, cursor)))
        complaints_add(&complaints, "cursor", "This is not a cursor of this list.");
    return complaints_answer(request, &complaints);
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

/* The request's own address with another cursor. */
static const char *next_link(struct request *request, const char *cursor)
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
    str_addf(&link, "cursor=%s>; rel=\"next\"", cursor);
    return link.failed ? NULL : link.data;
}

void answer_page(struct request *request, json_t *data, const struct page *page, size_t count, const char *kind, int64_t last_id)
{
    char cursor[ID_TEXT_SIZE];
    bool more = count == page->limit;
    if (more)
        id_format(cursor, kind, last_id);
    answer_json(request, 200, json_pack("{s:o, s:o}", "data", data, "next_cursor", more ? json_string(cursor) : json_null()));
    const char *link = more ? next_link(request, cursor) : NULL;
    if (link)
        reply_header(request, "Link", link);
}

void answer_etag(struct request *request, int64_t revision)
{
    reply_header(request, "ETag", arena_printf(&request->arena, "\"r%lld\"", (long long)revision));
}

int64_t if_match(const struct request *request)
{
    const char *header = request_header(request, "If-Match");
    if (!header || !strcmp(header, "*"))
        return 0;
    char *end;
    long long revision = strncmp(header, "\"r", 2) ? 0 : strtoll(header + 2, &end, 10);
    return revision > 0 && !strcmp(end, "\"") ? revision : -1;
}

enum result complaints_answer(struct request *request, const struct complaints *complaints)
{
    if (!complaints->count)
        return RESULT_OK;
    problem_reply_complaints(request, complaints);
    return RESULT_INVALID;
}
