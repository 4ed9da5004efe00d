/* See api_token.h. */
#include "server/auth/api_token.h"

#include <sodium.h>

#include "server/ids.h"
#include "server/store/store.h"

enum { SECRET_BYTES = 32, SECRET_TEXT_SIZE = 44 };

/* Those that were revoked count no more: who changes their tokens every month must not run out of them. */
static enum result has_room(struct app *app, struct arena *arena, int64_t member_id)
{
    struct api_token *tokens;
    size_t count, in_force = 0;
    enum result result = store_token_list(app->store, arena, member_id, &tokens, &count);
    for (size_t i = 0; result == RESULT_OK && i < count; i++)
        in_force += !tokens[i].revoked_ms;
    return result == RESULT_OK && in_force >= API_TOKENS_MAX ? RESULT_LIMITED : result;
}

enum result api_token_make(struct app *app, struct arena *arena, struct api_token *token, const char **out_secret)
{
    unsigned char bytes[SECRET_BYTES], hash[HASH_SIZE];
    char text[SECRET_TEXT_SIZE];
    enum result result = has_room(app, arena, token->member_id);
    if (result != RESULT_OK)
        return result;
    random_bytes(bytes, sizeof bytes);
    sodium_bin2base64(text, sizeof text, bytes, sizeof bytes, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    crypto_hash_sha256(hash, bytes, sizeof bytes);
    *out_secret = arena_printf(arena, "msh_%s", text);
    sodium_memzero(bytes, sizeof bytes);
    return store_token_add(app->store, token, hash, now_ms());
}
