/* See open.h. */
#include "server/cli/open.h"

#include <sodium.h>
#include <unistd.h>

#include "server/store/paths.h"
#include "server/store/store.h"

enum { READERS = 8 };

enum result app_open(struct app *app, struct arena *arena, bool read_only, void (*on_broken)(void *context),
                     void *broken_context, const char **why)
{
    const struct config *config = app->config;
    const char *key_file = config->key_file, *folder = store_folder(config->store, arena);
    if (sodium_init() < 0)
        return RESULT_FAILED;
    if (!key_file && !folder) {
        *why = "MEISHI_KEY_FILE must name the key file, since this store is not a folder of this machine.";
        return RESULT_INVALID;
    }
    if (folder && paths_make_folder(folder) != RESULT_OK) {
        *why = arena_printf(arena, "The folder %s cannot be made.", folder);
        return RESULT_FAILED;
    }
    if (!key_file)
        key_file = arena_printf(arena, "%s/meishi.key", folder);
    if (access(key_file, F_OK) != 0 && store_is_made(config->store, arena)) {
        *why = arena_printf(
            arena,
            "The key file %s is missing, and secrets in this store are sealed with it. Put it back. If it is "
            "lost for good: head -c 32 /dev/urandom > %s && chmod 600 %s; webhooks then need new secrets.",
            key_file, key_file, key_file);
        return RESULT_FAILED;
    }
    enum result result = keys_open(key_file, arena, &app->keys, why);
    if (result != RESULT_OK)
        return result;
    struct store_options options = {.url = config->store,
                                    .base_url = config->url,
                                    .seal_key = app->keys.seal,
                                    .read_only = read_only,
                                    .readers = READERS,
                                    .keep_hits_months = config->keep_hits_months,
                                    .on_broken = on_broken,
                                    .broken_context = broken_context};
    return store_open(&options, arena, &app->store, why);
}

void app_close(struct app *app)
{
    if (app->store)
        store_close(app->store);
    sodium_memzero(&app->keys, sizeof app->keys);
}
