/* meishi migrate|rejudge|forget|key accept. */
#include <stdlib.h>
#include <sysexits.h>

#include "server/cli/cli.h"
#include "server/cli/open.h"
#include "server/ids.h"
#include "server/store/store.h"

int cli_migrate(struct app *app, struct cli_call *call, int argc, char **argv)
{
    (void)app; /* opening the store migrated it */
    int code = cli_no_more(call, argc, argv);
    if (!code && call->json)
        cli_json(call, json_pack("{s:b}", "current", 1));
    return code ? code : cli_say(call, EX_OK, "The store has this version's tables.");
}

int cli_key_accept(const struct config *config, struct cli_call *call, int argc, char **argv)
{
    const char *why = "see the log";
    int code = cli_no_more(call, argc, argv);
    if (code)
        return code;
    enum result result = app_accept_key(config, call->arena, &why);
    if (result == RESULT_CONFLICT)
        return cli_say(call, EX_TEMPFAIL, "%s", why);
    if (result != RESULT_OK)
        return cli_say(call, EX_UNAVAILABLE, "%s", why);
    if (call->json)
        cli_json(call, json_pack("{s:s}", "key_file", app_key_file(config, call->arena)));
    return cli_say(call, EX_OK, "The key file %s is the store's now. Webhooks need new secrets.",
                   app_key_file(config, call->arena));
}

int cli_rejudge(struct app *app, struct cli_call *call, int argc, char **argv)
{
    struct rejudged rejudged = {0};
    int code = cli_no_more(call, argc, argv);
    if (code)
        return code;
    enum result result = store_rejudge(app->store, &rejudged);
    if (result != RESULT_OK)
        return cli_outcome(call, result, "The hits");
    if (call->json)
        cli_json(call, json_pack("{s:I, s:I}", "looked_at", (json_int_t)rejudged.looked_at, "changed",
                                 (json_int_t)rejudged.changed));
    else
        str_addf(&call->out, "%lld hits looked at, %lld judged anew.\n", (long long)rejudged.looked_at,
                 (long long)rejudged.changed);
    return EX_OK;
}

int cli_forget(struct app *app, struct cli_call *call, int argc, char **argv)
{
    const char *text = cli_option(&argc, argv, "months");
    int code = cli_no_more(call, argc, argv);
    char *end = NULL;
    long months = text ? strtol(text, &end, 10) : 0;
    if (code)
        return code;
    if (!text || *end || months < 1 || months > HITS_KEPT_MONTHS_MAX)
        return cli_say(call, EX_USAGE, "--months must say how many months of visits to keep, like --months 13.");
    enum result result = store_hits_forget(app->store, (int)months, now_ms());
    if (result != RESULT_OK)
        return cli_outcome(call, result, "The hits");
    if (call->json)
        cli_json(call, json_pack("{s:i}", "kept_months", (int)months));
    return cli_say(call, EX_OK,
                   "Visits of months that ended more than %ld months ago are gone, with the potential leads that were "
                   "no more than those; the counts stay.",
                   months);
}
