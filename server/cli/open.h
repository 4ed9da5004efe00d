/* Opens what a process shares (keys, store), for the server and for commands that run on their own. */
#ifndef MEISHI_CLI_OPEN_H
#define MEISHI_CLI_OPEN_H

#include "server/app.h"

/* Keys and store, without threads or network, into an app of which the config is set. RESULT_CONFLICT: a server has the
 * store. ON_BROKEN (may be NULL) as in struct store_options. */
enum result app_open(struct app *app, struct arena *arena, bool read_only, void (*on_broken)(void *context),
                     void *broken_context, const char **why) MUST_CHECK;
/* The key file in force: MEISHI_KEY_FILE, or the one where it is looked for without. NULL when there is no such place. */
const char *app_key_file(const struct config *config, struct arena *arena);
/* Takes the key file for the store's, which was made with another. FAILED with a sentence in *WHY. */
enum result app_accept_key(const struct config *config, struct arena *arena, const char **why) MUST_CHECK;
void app_close(struct app *app);

#endif
