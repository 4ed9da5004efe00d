/* See device.h. The cookie is a random name and its seal for this member; nothing is stored. Who steals it may try passwords
 * at the pace of one browser. */
#include "server/auth/device.h"

#include <sodium.h>
#include <string.h>

#include "server/http/request.h"
#include "server/ids.h"

enum { NAME_BYTES = 16, SEAL_BYTES = 16, COOKIE_BYTES = NAME_BYTES + SEAL_BYTES, COOKIE_S = 180 * 86400 };

static const char PURPOSE[] = "known device";

static const char *cookie_name(const struct app *app)
{
    return app->config->url_is_https ? "__Host-dev" : "dev";
}

static void make_seal(const struct app *app, const unsigned char name[NAME_BYTES], int64_t member_id,
                      unsigned char out[SEAL_BYTES])
{
    unsigned char message[sizeof PURPOSE + sizeof member_id + NAME_BYTES];
    memcpy(message, PURPOSE, sizeof PURPOSE);
    memcpy(message + sizeof PURPOSE, &member_id, sizeof member_id);
    memcpy(message + sizeof PURPOSE + sizeof member_id, name, NAME_BYTES);
    crypto_generichash(out, SEAL_BYTES, message, sizeof message, app->keys.form, KEY_SIZE);
}

const char *device_of(struct app *app, struct request *request, int64_t member_id)
{
    const char *cookie = request_cookie(request, cookie_name(app));
    unsigned char bytes[COOKIE_BYTES], seal[SEAL_BYTES];
    char name[2 * NAME_BYTES + 1];
    size_t len;
    if (!cookie || sodium_base642bin(bytes, sizeof bytes, cookie, strlen(cookie), NULL, &len, NULL,
                                     sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0)
        return NULL;
    make_seal(app, bytes, member_id, seal);
    if (len != COOKIE_BYTES || sodium_memcmp(bytes + NAME_BYTES, seal, SEAL_BYTES) != 0)
        return NULL;
    return arena_strdup(&request->arena, sodium_bin2hex(name, sizeof name, bytes, NAME_BYTES));
}

void device_remember(struct app *app, struct request *request, int64_t member_id)
{
    unsigned char bytes[COOKIE_BYTES];
    char text[sodium_base64_ENCODED_LEN(COOKIE_BYTES, sodium_base64_VARIANT_URLSAFE_NO_PADDING)];
    if (device_of(app, request, member_id))
        return;
    random_bytes(bytes, NAME_BYTES);
    make_seal(app, bytes, member_id, bytes + NAME_BYTES);
    sodium_bin2base64(text, sizeof text, bytes, sizeof bytes, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    reply_cookie(request, cookie_name(app), text, COOKIE_S, app->config->url_is_https);
}
