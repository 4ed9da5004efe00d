/* See problem.h. */
#include "server/api/problem.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "server/http/request.h"

struct status_words {
    int status;
    const char *title, *detail;
};

/* Titles are those of RFC 9110, as RFC 9457 4.2.1 wants them of a problem without a type of its own. */
static const struct status_words WORDS[] = {
    {400, "Bad Request", "The request is not well formed."},
    {401, "Unauthorized", "Send Authorization: Bearer with a valid API token."},
    {403, "Forbidden", "This token may not do that."},
    {404, "Not Found", "There is no such thing here, or it is not yours."},
    {405, "Method Not Allowed", "The Allow header lists what this address understands."},
    {408, "Request Timeout", "The request took too long to arrive."},
    {409, "Conflict", "It exists already or has changed meanwhile."},
    {411, "Length Required", "Send the body with a Content-Length."},
    {412, "Precondition Failed", "It has changed since you read it."},
    {413, "Content Too Large", "The body is larger than this address takes."},
    {414, "URI Too Long", "The address is longer than any here."},
    {415, "Unsupported Media Type", "Send the body as application/json."},
    {417, "Expectation Failed", "Only Expect: 100-continue is understood."},
    {422, "Unprocessable Content", "Some of the input is wrong; see errors."},
    {429, "Too Many Requests", "Please try again later."},
    {431, "Request Header Fields Too Large", "The request's headers are too large."},
    {500, "Internal Server Error", "Something on our side failed."},
    {503, "Service Unavailable", "Something on our side failed. Please try again."},
    {505, "HTTP Version Not Supported", "HTTP/1.1 and HTTP/1.0 are understood."},
};

static const struct status_words *words_of(int status)
{
    static const struct status_words OTHER = {0, "Error", "The request could not be answered."};
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
        if (WORDS[i].status == status)
            return &WORDS[i];
    return &OTHER;
}

/* Text for json_pack, which takes nothing that is not UTF-8: a parser's message may quote half a character. */
static json_t *sound(const char *text)
{
    json_t *json = json_string(text);
    return json ? json : json_string("Some of the input is not UTF-8.");
}

static json_t *error_json(const char *prefix, const struct complaint *complaint)
{
    bool is_parameter = complaint->is_parameter;
    json_t *where = is_parameter        ? sound(complaint->field)
                    : *complaint->field ? json_sprintf("%s/%s", prefix, complaint->field)
                                        : json_string(prefix);
    return json_pack("{s:o, s:o}", is_parameter ? "parameter" : "pointer", where, "detail", sound(complaint->words));
}

/* RFC 6750 3: what was wrong with the token, if one came. */
static void say_how_to_sign_in(struct request *request)
{
    reply_header(request, "WWW-Authenticate",
                 request_header(request, "Authorization") ? "Bearer realm=\"meishi\", error=\"invalid_token\""
                                                          : "Bearer realm=\"meishi\"");
}

void problem_add_errors(json_t *errors, const char *prefix, const struct complaints *complaints)
{
    for (int i = 0; i < complaints->count; i++)
        json_array_append_new(errors, error_json(prefix, &complaints->list[i]));
}

/* ERRORS may be NULL; its reference is taken over. */
static void reply_problem(struct request *request, int status, const char *detail, json_t *errors)
{
    const struct status_words *words = words_of(status);
    json_t *problem =
        json_pack("{s:s, s:s, s:i, s:o, s:s}", "type", "about:blank", "title", words->title, "status", status, "detail",
                  sound(detail ? detail : words->detail), "instance", request->path ? request->path : "");
    if (errors)
        json_object_set_new(problem, "errors", errors);
    char *text = problem ? json_dumps(problem, JSON_COMPACT) : NULL;
    const char *body = arena_strdup(&request->arena, text ? text : "{}");
    free(text);
    json_decref(problem);
    reply_bytes(request, status, "application/problem+json", body, strlen(body));
    if (status == 401)
        say_how_to_sign_in(request);
}

void problem_reply(struct request *request, int status, const char *detail, const struct complaints *complaints)
{
    json_t *errors = complaints && complaints->count ? json_array() : NULL;
    if (errors)
        problem_add_errors(errors, "", complaints);
    reply_problem(request, status, detail, errors);
}

void problem_reply_errors(struct request *request, json_t *errors)
{
    reply_problem(request, 422, NULL, errors);
}

void problem_reply_complaints(struct request *request, const struct complaints *complaints)
{
    problem_reply(request, 422, NULL, complaints);
}
