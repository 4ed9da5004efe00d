/* Opens what a process shares (keys, store), for the server and for commands that run on their own. */
#ifndef MEISHI_CLI_OPEN_H
#define MEISHI_CLI_OPEN_H

#include "server/app.h"

/* Keys and store, without threads or network. RESULT_CONFLICT: a server has the store. */
enum result app_open(const struct config *config, struct arena *arena, bool read_only, struct app *out, const char **why) MUST_CHECK;
void app_close(struct app *app);

#endif
