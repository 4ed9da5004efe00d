/* meishi worker: the process that sends webhooks (server/notify/sending.h), started by the operator, so that it can have a user, a
 * unit and a firewall of its own. It asks the server that has the store to be used, by the control socket, and wants nothing else
 * of the store; then it gives up its user and becomes that process, with the socket, standard output and error, and no
 * environment. The server keeps a process of its own at hand and goes back to it when the worker leaves. */
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "server/cli/cli.h"
#include "server/cli/control.h"
#include "server/notify/sending.h"
#include "server/store/store.h"

static bool become_user(const struct passwd *user)
{
    return !setgroups(1, &user->pw_gid) && !setresgid(user->pw_gid, user->pw_gid, user->pw_gid) &&
           !setresuid(user->pw_uid, user->pw_uid, user->pw_uid);
}

/* Returns only when it cannot. */
static void become_sender(int socket)
{
    static char name[] = "meishi", word[] = SENDING_WORKER;
    char *arguments[] = {name, word, NULL}, *environment[] = {NULL};
    if (dup2(socket, STDIN_FILENO) >= 0 && !close_range(STDERR_FILENO + 1, ~0U, 0))
        execve("/proc/self/exe", arguments, environment);
}

static int attach(const char *folder, struct cli_call *call, int *out)
{
    int code = EX_UNAVAILABLE;
    switch (control_attach(folder, call, &code, out)) {
    case RESULT_OK:
        return EX_OK;
    case RESULT_NOT_FOUND:
        return cli_say(call, EX_UNAVAILABLE, "No server that may be asked has the store at %s.", folder);
    case RESULT_CONFLICT:
        return code;
    default:
        return cli_say(call, EX_UNAVAILABLE, "The server that has this store did not answer.");
    }
}

int cli_worker(const struct config *config, struct cli_call *call, int argc, char **argv)
{
    const char *name = cli_option(&argc, argv, "user");
    int socket, code = cli_no_more(call, argc, argv);
    if (code)
        return code;
    const char *folder = store_folder(config->store, call->arena);
    if (!folder)
        return cli_say(call, EX_UNAVAILABLE, "A worker needs a store that is a folder of this machine.");
    const struct passwd *user = name ? getpwnam(name) : NULL;
    if (name && !user)
        return cli_say(call, EX_NOUSER, "There is no user \"%s\" on this machine.", name);
    if (name && geteuid() != 0)
        return cli_say(call, EX_NOPERM, "Only root can become another user.");
    code = attach(folder, call, &socket);
    if (code)
        return code;
    if (!user || become_user(user)) {
        fprintf(stderr, "meishi: sending the webhooks of the server at %s\n", folder);
        become_sender(socket);
    }
    return cli_say(call, EX_OSERR, "The worker cannot give up what it does not need.");
}
