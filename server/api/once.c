/* See api_once in api.h. An answer may hold a webhook's secret or a person's name, so what is kept of it is sealed with the
 * installation's key (XSalsa20-Poly1305): a copy of the database alone does not tell it. */
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
    crypto_hash_sha256_update(&state, (const unsigned char *)request->body, request->body_len);
    crypto_hash_sha256_final(&state, out);
}

enum { AROUND = crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES, BASE64 = sodium_base64_VARIANT_ORIGINAL };

static const char *seal(const struct app *app, struct arena *arena, const void *bytes, size_t len)
{
    size_t text_size = sodium_base64_ENCODED_LEN(AROUND + len, BASE64);
    unsigned char *sealed = arena_alloc(arena, AROUND + len);
    char *text = arena_alloc(arena, text_size);
    random_bytes(sealed, crypto_secretbox_NONCEBYTES);
    crypto_secretbox_easy(sealed + crypto_secretbox_NONCEBYTES, bytes, len, sealed, app->keys.seal);
    return sodium_bin2base64(text, text_size, sealed, AROUND + len, BASE64);
}

/* NULL when it was sealed with another key. */
static const char *unseal(const struct app *app, struct arena *arena, const char *text, size_t *len)
{
    size_t text_len = strlen(text), sealed_len;
    unsigned char *sealed = arena_alloc(arena, text_len + 1), *bytes = arena_alloc(arena, text_len + 1);
    if (sodium_base642bin(sealed, text_len + 1, text, text_len, NULL, &sealed_len, NULL, BASE64) || sealed_len < AROUND)
        return NULL;
    *len = sealed_len - AROUND;
    return crypto_secretbox_open_easy(bytes, sealed + crypto_secretbox_NONCEBYTES,
                                      sealed_len - crypto_secretbox_NONCEBYTES, sealed, app->keys.seal)
               ? NULL
               : (const char *)bytes;
}

static enum result replay(const struct app *app, struct request *request, const struct remembered *answer)
{
    size_t len;
    const char *body = unseal(app, &request->arena, answer->body, &len);
    if (!body)
        return RESULT_FAILED;
    reply_bytes(request, answer->status, answer->content_type, body, len);
    if (answer->location)
        reply_header(request, "Location", answer->location);
    reply_header(request, "Idempotent-Replayed", "true");
    return RESULT_OK;
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
        return replay(app, request, &answer);
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
    answer = (struct remembered){
        .status = result == RESULT_OK ? reply->status : 500,
        .content_type = reply->content_type,
        .body = seal(app, &request->arena, reply->body ? reply->body : "", reply->body ? reply->len : 0),
        .location = location_of(reply)};
    if (store_idempotency_finish(app->store, member_id, key, &answer) != RESULT_OK)
        log_warning("idempotency-finish", "error=\"the answer could not be kept\"");
    return result;
}
