/* See api_once in api.h. An answer may hold a webhook's secret or a person's name: the store keeps it sealed, and forgets it
 * when it forgets the person. */
#include <sodium.h>
#include <string.h>

#include "server/api/api.h"
#include "server/api/problem.h"
#include "server/auth/caller.h"
#include "server/ids.h"
#include "server/log.h"
#include "server/store/store.h"

enum { KEY_MAX = 255 };

/* What makes two requests the same: where they go and what they say. */
static void hash_request(const struct request *request, unsigned char out[HASH_SIZE])
{
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, (const unsigned char *)request->path, strlen(request->path) + 1);
    crypto_hash_sha256_update(&state, (const unsigned char *)request->query, strlen(request->query) + 1);
    crypto_hash_sha256_update(&state, (const unsigned char *)request->body, request->body_len);
    crypto_hash_sha256_final(&state, out);
}

static void replay(struct request *request, const struct remembered *answer)
{
    if (!answer->body) {
        problem_reply(request, answer->status,
                      answer->status == 409
                          ? "A request with this Idempotency-Key was carried out, and its answer is not "
                            "known: look for what it made before you send it under another key."
                          : "What was answered to this Idempotency-Key has been erased since.",
                      NULL);
        return;
    }
    reply_bytes(request, answer->status, answer->content_type, answer->body, strlen(answer->body));
    if (answer->location)
        reply_header(request, "Location", answer->location);
    reply_header(request, "Idempotent-Replayed", "true");
}

/* Visible ASCII and spaces, which the structured string of the draft and a bare UUID both are. */
static bool is_key(const char *key)
{
    size_t len = strlen(key);
    for (size_t i = 0; i < len; i++)
        if (key[i] < 0x20 || key[i] > 0x7e)
            return false;
    return len && len <= KEY_MAX;
}

static const char *location_of(const struct reply *reply)
{
    for (int i = 0; i < reply->header_count; i++)
        if (!strcmp(reply->headers[i].name, "Location"))
            return reply->headers[i].value;
    return NULL;
}

enum result api_once(struct app *app, struct request *request, handler *run)
{
    const char *key = request_header(request, "Idempotency-Key");
    if (!key)
        return run(app, request);
    if (!is_key(key)) {
        problem_reply(request, 400, "Idempotency-Key must have 1 to 255 characters of ASCII.", NULL);
        return RESULT_OK;
    }
    unsigned char hash[HASH_SIZE];
    struct remembered answer = {0};
    int64_t member_id = request_caller(request)->member.id;
    hash_request(request, hash);
    switch (store_idempotency_begin(app->store, &request->arena, member_id, key, hash, now_ms(), &answer)) {
    case RESULT_OK:
        break;
    case RESULT_LIMITED:
        replay(request, &answer);
        return RESULT_OK;
    case RESULT_CONFLICT:
        problem_reply(request, 409, "A request with this Idempotency-Key is still running.", NULL);
        return RESULT_OK;
    case RESULT_INVALID:
        problem_reply(request, 422, "This Idempotency-Key was used with another request.", NULL);
        return RESULT_OK;
    default:
        return RESULT_FAILED;
    }
    enum result result = run(app, request);
    const struct reply *reply = &request->reply;
    answer = (struct remembered){.status = result == RESULT_OK ? reply->status : 500,
                                 .content_type = reply->content_type,
                                 .body = reply->body ? arena_strndup(&request->arena, reply->body, reply->len) : "",
                                 .location = location_of(reply)};
    if (store_idempotency_finish(app->store, member_id, key, &answer) != RESULT_OK)
        log_warning("idempotency-finish", "error=\"the answer could not be kept\"");
    return result;
}
