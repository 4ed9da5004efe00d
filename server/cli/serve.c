/* meishi serve: start in order, wait for a signal, stop in reverse.
 *
 * SIGTERM drains: nothing new is accepted, what is under way is answered, every acknowledged hit is folded. A second one
 * ends at once, which loses nothing either. When the disk fails in a way after which SQLite's word cannot be trusted (a
 * failed fsync), the store stops acknowledging and the process starts itself anew, so recovery is the one path that a crash
 * takes too. */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "server/api/waiting_room.h"
#include "server/auth/throttle.h"
#include "server/cli/cli.h"
#include "server/cli/control.h"
#include "server/cli/open.h"
#include "server/cli/welcome.h"
#include "server/http/http.h"
#include "server/http/systemd.h"
#include "server/ids.h"
#include "server/log.h"
#include "server/notify/courier.h"
#include "server/notify/deliver.h"
#include "server/notify/mail.h"
#include "server/pages/hook_mail.h"
#include "server/pages/page_cache.h"
#include "server/pages/visitor.h"
#include "server/routes.h"
#include "server/store/store.h"
#include "server/turnstile.h"

enum {
    WORKERS = 8, /* one more than the turnstiles can hold, so that somebody always answers the rest */
    PAGE_CACHE_BYTES = 64 * 1024 * 1024,
    DRAIN_MS = 10000,
    FILES_WANTED = 65536,
    STEADY_MS = 5000,
    WELCOME_MAX = 64 * 1024
};

struct server {
    struct config config; /* with the address that was bound */
    struct app app;
    struct control *control;
    atomic_bool broken;
};

static void on_broken(void *context)
{
    struct server *server = context;
    if (!atomic_exchange(&server->broken, true)) {
        log_error("store-broken", "action=\"restarting to recover\"");
        kill(getpid(), SIGTERM);
    }
}

static void forget_change(void *context, const struct change *change)
{
    const struct app *app = context;
    page_cache_forget(app->pages, change);
}

static void take_salt(void *context, int64_t day, const unsigned char salt[DAY_SALT_SIZE])
{
    const struct app *app = context;
    visits_take_salt(app->visits, day, salt, app->keys.tally);
}

static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        return;
    rlim_t wanted = limit.rlim_max < FILES_WANTED ? limit.rlim_max : FILES_WANTED;
    if (limit.rlim_cur < wanted) {
        limit.rlim_cur = wanted;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Signals are for the main thread, which waits for them; every other thread is started with them blocked. */
static sigset_t block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    return set;
}

/* What to listen on if this process starts anew: the port that was picked, instead of port 0. */
static const char *listen_again(const struct http *http, const char *listen, struct arena *arena)
{
    const char *host = strstr(http_address(http), "://");
    return host ? arena_strdup(arena, host + 3) : listen;
}

/* The address that links are made of, when none is set: the one that is listened on. */
static void settle_url(struct server *server, struct arena *arena)
{
    if (server->config.url)
        return;
    const char *address = http_address(server->app.http);
    server->config.url = strncmp(address, "unix:", 5) ? arena_strdup(arena, address) : "http://localhost";
}

/* The address is bound first, since links are made of it, and answered last. */
static enum result start(struct server *server, struct arena *arena, const char **why)
{
    struct app *app = &server->app;
    struct http_options options = {.listen = server->config.listen,
                                   .trusted_proxies = &server->config.trusted_proxies,
                                   .is_https = server->config.url_is_https,
                                   .unix_is_trusted = true,
                                   .workers = WORKERS,
                                   .handlers = routes_handlers(app)};
    enum result result = address_policy_parse(server->config.webhook_allow, &app->webhook_policy, why);
    if (result != RESULT_OK) {
        *why = arena_printf(arena, "MEISHI_WEBHOOK_ALLOW: %s", *why);
        return result;
    }
    result = http_open(&options, &app->http, why);
    if (result != RESULT_OK) {
        *why = arena_printf(arena, "MEISHI_LISTEN %s: %s.", server->config.listen, *why);
        return result;
    }
    server->config.listen = listen_again(app->http, server->config.listen, arena);
    settle_url(server, arena);
    app->config = &server->config;
    result = app_open(app, arena, false, on_broken, server, why);
    if (result != RESULT_OK)
        return result;
    app->throttle = throttle_open();
    throttle_share(app->throttle, app->store, app->keys.tally);
    app->visits = visits_open();
    app->passwords = turnstile_open(2, 2);
    app->portraits = turnstile_open(2, 1);
    app->pages = page_cache_open(PAGE_CACHE_BYTES);
    store_on_change(app->store, forget_change, app);
    store_on_day(app->store, take_salt, app);
    result = store_start(app->store);
    if (result == RESULT_OK)
        result = store_watch(app->store);
    if (result == RESULT_OK && server->config.smtp_url) {
        *why = "The thread that sends mail could not be started.";
        result = mailer_open(server->config.smtp_url, server->config.mail_from, &app->mailer);
        if (result == RESULT_OK)
            store_on_trouble(app->store, hook_mail_trouble, app);
    }
    if (result == RESULT_OK && server->config.send_webhooks)
        result = sender_start(app->store, server->config.webhook_allow, arena, &app->sender, why);
    if (result == RESULT_OK)
        result = waiting_room_open(app, &app->waiting_room);
    const char *folder = store_folder(server->config.store, arena);
    if (result == RESULT_OK && folder) {
        server->control = control_open(app, folder, arena, why);
        result = server->control ? RESULT_OK : RESULT_FAILED;
    }
    return result == RESULT_OK ? http_run(app->http) : result;
}

static void stop(struct server *server)
{
    struct app *app = &server->app;
    waiting_room_empty(app->waiting_room);
    if (app->http)
        http_stop(app->http, DRAIN_MS);
    waiting_room_close(app->waiting_room);
    control_close(server->control);
    sender_stop(app->sender);
    mailer_close(app->mailer);
    app_close(app);
    page_cache_close(app->pages);
    turnstile_close(app->portraits);
    turnstile_close(app->passwords);
    visits_close(app->visits);
    throttle_close(app->throttle);
}

/* This process again, with the settings it has, since flags are gone, and the address it already has. */
static void start_anew(const struct server *server)
{
    char *own_words[] = {"meishi", "serve", NULL};
    config_to_environment(&server->config);
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    execv("/proc/self/exe", own_words);
    log_error("restart", "error=\"cannot start anew\"");
}

static int greet(struct app *app, struct arena *arena)
{
    struct str words;
    str_init(&words, arena, WELCOME_MAX);
    if (welcome(app, &words) != RESULT_OK)
        return EX_SOFTWARE;
    fputs(words.data, stdout);
    return EX_OK;
}

int cli_serve(const struct config *config, struct arena *arena, int argc, char **argv)
{
    struct server server = {.config = *config};
    const char *why = "see the log above";
    bool with_welcome = cli_flag(&argc, argv, "--welcome");
    if (argc) {
        fprintf(stderr, "meishi: \"%s\" is not understood here; see --help.\n", argv[0]);
        return EX_USAGE;
    }
    prctl(PR_SET_DUMPABLE, 0); /* secrets of members are in memory: no core files */
    raise_file_limit();
    courier_scrub_environment();
    sigset_t signals = block_signals();
    int64_t started_ms = monotonic_ms();
    enum result result = start(&server, arena, &why);
    if (result != RESULT_OK) {
        fprintf(stderr, "meishi: %s\n", why);
        stop(&server);
        return result == RESULT_CONFLICT ? EX_TEMPFAIL : result == RESULT_INVALID ? EX_CONFIG : EX_UNAVAILABLE;
    }
    int code = with_welcome ? greet(&server.app, arena) : EX_OK;
    printf("listening on %s\n", http_address(server.app.http));
    fflush(stdout);
    systemd_notify("READY=1");
    int signal = SIGHUP;
    while (signal == SIGHUP)
        sigwait(&signals, &signal);
    systemd_notify("STOPPING=1");
    pthread_sigmask(SIG_UNBLOCK, &signals, NULL); /* a second one ends at once */
    bool steady = monotonic_ms() - started_ms > STEADY_MS;
    stop(&server);
    if (!atomic_load(&server.broken))
        return code;
    if (steady)
        start_anew(&server);
    return EX_IOERR;
}
