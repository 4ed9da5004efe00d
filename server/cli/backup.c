/* meishi backup|restore. */
#include <errno.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "server/cli/cli.h"
#include "server/store/store.h"

int cli_backup(struct app *app, struct cli_call *call, int argc, char **argv)
{
    const char *why = NULL;
    if (argc != 1)
        return cli_say(call, EX_USAGE, "usage: meishi backup FILE");
    enum result result = store_backup(app->store, argv[0], call->arena, &why);
    if (result == RESULT_CONFLICT)
        return cli_say(call, EX_CANTCREAT, "%s exists already.", argv[0]);
    if (result != RESULT_OK)
        return cli_say(call, EX_IOERR, "The backup failed: %s", why ? why : "see the log");
    if (call->json)
        cli_json(call, json_pack("{s:s}", "file", argv[0]));
    return cli_say(call, EX_OK, "Written to %s. Keep the key file safe too: without it webhook secrets cannot be read.",
                   argv[0]);
}

int cli_restore(const struct config *config, struct cli_call *call, int argc, char **argv)
{
    const char *kept, *why;
    bool replace = cli_flag(&argc, argv, "--replace");
    if (argc != 1)
        return cli_say(call, EX_USAGE, "usage: meishi restore FILE [--replace]");
    if (access(argv[0], R_OK))
        return cli_say(call, EX_NOINPUT, "%s cannot be read: %s.", argv[0], strerror(errno));
    enum result result = store_restore(config->store, argv[0], replace, call->arena, &kept, &why);
    if (result == RESULT_CONFLICT)
        return cli_say(call, EX_TEMPFAIL, "%s", why ? why : "A server has this store open; stop it first.");
    if (result != RESULT_OK)
        return cli_say(call, EX_DATAERR, "Nothing was restored: %s", why ? why : "see the log");
    if (call->json)
        cli_json(call, json_pack("{s:s, s:s?}", "file", argv[0], "kept", kept));
    return kept ? cli_say(call, EX_OK, "Restored from %s. What was there before is kept as %s.", argv[0], kept)
                : cli_say(call, EX_OK, "Restored from %s.", argv[0]);
}
