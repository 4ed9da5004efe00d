/* meishi worker, which sends webhooks and nothing else.
 *
 * Where several processes share a database it is a sender like that of a server: it claims deliveries, hands them
 * to a locked-up process of its own, and records what came of them. Start as many as it takes.
 *
 * Of a store that is a folder it is that locked-up process itself (server/notify/sending.h), started by the
 * operator, so that it can have a user, a unit and a firewall of its own. It asks the server that has the store to
 * be used, by the control socket, and wants nothing else of the store; then it gives up its user and becomes that
 * process, with the socket, standard output and error, and no environment. The server keeps a process of its own at
 * hand and goes back to it when the worker leaves. */
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

#include "server/cli/cli.h"
#include "server/cli/control.h"
#include "server/cli/open.h"
#include "server/http/systemd.h"
#include "server/log.h"
#include "server/notify/courier.h"
#include "server/notify/deliver.h"
#include "server/notify/mail.h"
#include "server/notify/sending.h"
#include "server/pages/hook_mail.h"
#include "server/store/store.h"

static bool become_user(const struct passwd *user)
{
    return !setgroups(1, &user->pw_gid) && !setresgid(user->pw_gid, user->pw_gid, user->pw_gid) &&
           !setresuid(user->pw_uid, user->pw_uid, user->pw_uid);
}

/* ---- on a shared database ---- */

struct worker {
    struct app app;
    atomic_bool broken;
};

static void on_broken(void *context)
{
    struct worker *worker = context;
    if (!atomic_exchange(&worker->broken, true))
        kill(getpid(), SIGTERM);
}

static enum result start(struct worker *worker, struct arena *arena, const char **why)
{
    struct app *app = &worker->app;
    enum result result = app_open(app, arena, false, on_broken, worker, why);
    if (result != RESULT_OK)
        return result;
    *why = "A thread could not be started.";
    result = store_watch(app->store);
    if (result == RESULT_OK && app->config->smtp_url) {
        result = mailer_open(app->config->smtp_url, app->config->mail_from, &app->mailer);
        if (result == RESULT_OK)
            store_on_trouble(app->store, hook_mail_trouble, app);
    }
    return result == RESULT_OK ? sender_start(app->store, app->config->webhook_allow, arena, &app->sender, why)
                               : result;
}

static void stop(struct worker *worker)
{
    sender_stop(worker->app.sender);
    mailer_close(worker->app.mailer);
    app_close(&worker->app);
}

/* Until SIGTERM or SIGINT; a second one ends at once, and what was under way is sent again when its lease ends. */
static int send_here(const struct config *config, struct cli_call *call)
{
    struct worker worker = {.app = {.config = config}};
    const char *why = "see the log above";
    sigset_t signals;
    int signal = SIGHUP;
    if (!config->url)
        return cli_say(call, EX_CONFIG,
                       "MEISHI_URL must say where the servers are reached: messages hold links to them.");
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    prctl(PR_SET_DUMPABLE, 0); /* secrets of members are in memory: no core files */
    courier_scrub_environment();
    enum result result = start(&worker, call->arena, &why);
    if (result == RESULT_OK) {
        fprintf(stderr, "meishi: sending the webhooks of this database\n");
        systemd_notify("READY=1");
        while (signal == SIGHUP)
            sigwait(&signals, &signal);
        systemd_notify("STOPPING=1");
        pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
    } else
        cli_say(call, EX_UNAVAILABLE, "%s", why);
    stop(&worker);
    if (result != RESULT_OK)
        return result == RESULT_INVALID ? EX_CONFIG : EX_UNAVAILABLE;
    return atomic_load(&worker.broken) ? EX_IOERR : EX_OK;
}

/* ---- of a server ---- */

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
    const struct passwd *user = name ? getpwnam(name) : NULL;
    if (name && !user)
        return cli_say(call, EX_NOUSER, "There is no user \"%s\" on this machine.", name);
    if (name && geteuid() != 0)
        return cli_say(call, EX_NOPERM, "Only root can become another user.");
    if (!folder && user && !become_user(user))
        return cli_say(call, EX_OSERR, "The worker cannot become that user.");
    if (!folder)
        return send_here(config, call);
    code = attach(folder, call, &socket);
    if (code)
        return code;
    if (!user || become_user(user)) {
        fprintf(stderr, "meishi: sending the webhooks of the server at %s\n", folder);
        become_sender(socket);
    }
    return cli_say(call, EX_OSERR, "The worker cannot give up what it does not need.");
}
