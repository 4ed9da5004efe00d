/* See sign_in_link.h. */
#include "server/auth/sign_in_link.h"

#include <sodium.h>
#include <string.h>

#include "server/ids.h"
#include "server/store/store.h"

enum { SECRET_BYTES = 20, SECRET_TEXT_SIZE = 33 };

static void hash_of(const char *secret, unsigned char out[HASH_SIZE])
{
    crypto_hash_sha256(out, (const unsigned char *)secret, strlen(secret));
}

const char *sign_in_link_new(const struct app *app, struct arena *arena, int minutes, int64_t now_ms,
                             unsigned char hash[HASH_SIZE], int64_t *out_until_ms)
{
    unsigned char bytes[SECRET_BYTES];
    char secret[SECRET_TEXT_SIZE];
    random_bytes(bytes, sizeof bytes);
    base32_encode(secret, bytes, sizeof bytes);
    hash_of(secret, hash);
    *out_until_ms = now_ms + minutes * 60000LL;
    return arena_printf(arena, "%s/sign-in/%s", app->config->url, secret);
}

enum result sign_in_link_make(struct app *app, struct arena *arena, int64_t member_id, int minutes,
                              const char **out_url)
{
    unsigned char hash[HASH_SIZE];
    int64_t now = now_ms(), until_ms;
    const char *url = sign_in_link_new(app, arena, minutes, now, hash, &until_ms);
    enum result result = store_sign_in_link_add(app->store, hash, member_id, now, until_ms);
    if (result == RESULT_OK)
        *out_url = url;
    return result;
}

enum result sign_in_link_find(struct app *app, const char *secret, int64_t *out_member_id)
{
    unsigned char hash[HASH_SIZE];
    hash_of(secret, hash);
    return store_sign_in_link_find(app->store, hash, now_ms(), out_member_id);
}

enum result sign_in_link_use(struct app *app, const char *secret, int64_t *out_member_id)
{
    unsigned char hash[HASH_SIZE];
    hash_of(secret, hash);
    return store_sign_in_link_use(app->store, hash, now_ms(), out_member_id);
}
