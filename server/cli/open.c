/* See open.h. */
#include "server/cli/open.h"

#include <sodium.h>
#include <unistd.h>

#include "server/store/paths.h"
#include "server/store/store.h"

const char *app_key_file(const struct config *config, struct arena *arena)
{
    const char *folder = config->key_file ? NULL : store_key_folder(config->store, arena);
    return config->key_file ? config->key_file : folder ? arena_printf(arena, "%s/meishi.key", folder) : NULL;
}

/* A key is made for a store that is made. */
static enum result open_keys(struct app *app, struct arena *arena, const char **why)
{
    const struct config *config = app->config;
    const char *key_file = app_key_file(config, arena), *folder = store_key_folder(config->store, arena);
    if (sodium_init() < 0)
        return RESULT_FAILED;
    if (!key_file) {
        *why = "MEISHI_KEY_FILE must name the key file, since there is no home folder to look for it.";
        return RESULT_INVALID;
    }
    if (!config->key_file && paths_make_folder(folder) != RESULT_OK) {
        *why = arena_printf(arena, "The folder %s cannot be made.", folder);
        return RESULT_FAILED;
    }
    if (access(key_file, F_OK) == 0)
        return keys_open(key_file, arena, &app->keys, why);
    enum result made = store_is_made(config->store, arena, why);
    if (made == RESULT_NOT_FOUND)
        return keys_open(key_file, arena, &app->keys, why);
    if (made == RESULT_OK)
        *why = arena_printf(
            arena,
            "The key file %s is missing, and secrets in this store are sealed with it. Put it back%s. If it is "
            "lost for good: head -c 32 /dev/urandom > %s && chmod 600 %s && meishi key accept; webhooks then need new "
            "secrets.",
            key_file, store_folder(config->store, arena) ? "" : ", or bring it from another server of this store",
            key_file, key_file);
    return RESULT_FAILED;
}

enum result app_open(struct app *app, struct arena *arena, bool read_only, void (*on_broken)(void *context),
                     void *broken_context, const char **why)
{
    enum result result = open_keys(app, arena, why);
    if (result != RESULT_OK)
        return result;
    struct store_options options = {.url = app->config->store,
                                    .read_url = app->config->store_read,
                                    .base_url = app->config->url,
                                    .seal_key = app->keys.seal,
                                    .read_only = read_only,
                                    .readers = app->config->store_pool,
                                    .unsafe = app->config->store_unsafe,
                                    .patient = !on_broken, /* a command */
                                    .keep_hits_months = app->config->keep_hits_months,
                                    .on_broken = on_broken,
                                    .broken_context = broken_context};
    return store_open(&options, arena, &app->store, why);
}

enum result app_accept_key(const struct config *config, struct arena *arena, const char **why)
{
    struct app app = {.config = config};
    enum result result = open_keys(&app, arena, why);
    struct store_options options = {.url = config->store,
                                    .seal_key = app.keys.seal,
                                    .accepts_key = true,
                                    .unsafe = config->store_unsafe,
                                    .patient = true};
    if (result == RESULT_OK)
        result = store_open(&options, arena, &app.store, why);
    app_close(&app);
    return result;
}

void app_close(struct app *app)
{
    if (app->store)
        store_close(app->store);
    sodium_memzero(&app->keys, sizeof app->keys);
}
