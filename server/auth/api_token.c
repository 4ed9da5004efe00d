/* See api_token.h. */
#include "server/auth/api_token.h"

#include <sodium.h>

#include "server/ids.h"
#include "server/store/store.h"

enum { SECRET_BYTES = 32, SECRET_TEXT_SIZE = 44 };

enum result api_token_make(struct app *app, struct arena *arena, struct api_token *token, const char **out_secret)
{
    unsigned char bytes[SECRET_BYTES], hash[HASH_SIZE];
    char text[SECRET_TEXT_SIZE];
    random_bytes(bytes, sizeof bytes);
    sodium_bin2base64(text, sizeof text, bytes, sizeof bytes, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    crypto_hash_sha256(hash, bytes, sizeof bytes);
    *out_secret = arena_printf(arena, "msh_%s", text);
    sodium_memzero(bytes, sizeof bytes);
    return store_token_add(app->store, token, hash, now_ms());
}
