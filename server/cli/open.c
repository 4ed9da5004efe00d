/* See open.h. */
#include "server/cli/open.h"

#include <sodium.h>

#include "server/store/store.h"

enum { READERS = 8 };

enum result app_open(const struct config *config, struct arena *arena, bool read_only, struct app *out, const char **why)
{
    *out = (struct app){.config = config};
    if (sodium_init() < 0)
        return RESULT_FAILED;
    const char *key_file = config->key_file;
    if (!key_file) {
        const char *folder = store_folder(config->store, arena);
        if (!folder) {
            *why = "MEISHI_KEY_FILE must name the key file, since this store is not a folder of this machine.";
            return RESULT_INVALID;
        }
        key_file = arena_printf(arena, "%s/meishi.key", folder);
    }
    enum result result = keys_open(key_file, arena, &out->keys, why);
    if (result != RESULT_OK)
        return result;
    struct store_options options = {.url = config->store, .base_url = config->url ? config->url : "http://127.0.0.1:8080",
                                    .seal_key = out->keys.seal, .read_only = read_only, .readers = READERS};
    return store_open(&options, arena, &out->store, why);
}

void app_close(struct app *app)
{
    if (app->store)
        store_close(app->store);
    sodium_memzero(&app->keys, sizeof app->keys);
}
