/* See condition.h. */
#include "server/api/condition.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/problem.h"
#include "server/http/request.h"

enum { ETAG_HASH_BYTES = 16 };

void answer_etag(struct request *request, int64_t revision)
{
    reply_header(request, "ETag", arena_printf(&request->arena, "\"r%lld\"", (long long)revision));
}

/* Of the answer's body, as hexadecimal. */
static const char *hash_of_body(struct request *request)
{
    unsigned char hash[ETAG_HASH_BYTES];
    char *text = arena_alloc(&request->arena, 2 * sizeof hash + 1);
    crypto_generichash(hash, sizeof hash, request->reply.body, request->reply.len, NULL, 0);
    return sodium_bin2hex(text, 2 * sizeof hash + 1, hash, sizeof hash);
}

void answer_etag_of_body(struct request *request, int64_t revision)
{
    reply_header(request, "ETag",
                 arena_printf(&request->arena, "\"r%lld-%s\"", (long long)revision, hash_of_body(request)));
}

int64_t if_match(const struct request *request)
{
    const char *header = request_header(request, "If-Match");
    if (!header || !strcmp(header, "*"))
        return 0;
    char *end;
    long long revision = strncmp(header, "\"r", 2) ? 0 : strtoll(header + 2, &end, 10);
    if (revision <= 0)
        return -1;
    if (*end == '-')
        end += 1 + strspn(end + 1, "0123456789abcdef");
    return !strcmp(end, "\"") ? revision : -1;
}

enum result if_match_answer(struct request *request, int64_t revision)
{
    int64_t wanted = if_match(request);
    if (!wanted || wanted == revision)
        return RESULT_OK;
    problem_reply(request, 412, NULL, NULL);
    return RESULT_INVALID;
}

static const char *etag_of(struct request *request)
{
    const struct reply *reply = &request->reply;
    for (int i = 0; i < reply->header_count; i++)
        if (!strcmp(reply->headers[i].name, "ETag"))
            return reply->headers[i].value;
    const char *etag = arena_printf(&request->arena, "\"%s\"", hash_of_body(request));
    reply_header(request, "ETag", etag);
    return etag;
}

/* Whether a list of entity tags has this one, by weak comparison (RFC 9110 8.8.3.2). Ours hold neither commas nor quotes. */
static bool list_has(const char *list, const char *etag)
{
    size_t etag_len = strlen(etag);
    for (const char *at = list; *at;) {
        at += strspn(at, " \t,");
        at += strncmp(at, "W/", 2) ? 0 : 2;
        size_t len = strcspn(at, " \t,");
        if ((len == 1 && *at == '*') || (len == etag_len && !memcmp(at, etag, len)))
            return true;
        at += len;
    }
    return false;
}

void answer_unchanged(struct request *request)
{
    if ((request->method != HTTP_GET && request->method != HTTP_HEAD) || request->reply.status != 200)
        return;
    const char *etag = etag_of(request), *list = request_header(request, "If-None-Match");
    if (list && list_has(list, etag))
        request->reply.status = 304;
}
