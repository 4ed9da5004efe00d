/* The event loops. Each drives one daemon of libmicrohttpd from its own thread: an outer epoll waits for the daemon's epoll
 * descriptor and for one eventfd by which other threads say that waiting requests are complete. The library's own loops are
 * not used: they stall when exactly 128 connections are ready at once.
 *
 * Requests have a file of their own, exchange.c. */
#include "server/http/deadlines.h"
#include "server/http/exchange.h"
#include "server/http/sockets.h"
#include "server/http/workers.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <unistd.h>
#include "server/ids.h"
#include "server/http/systemd.h"
#include "server/log.h"

enum {
    EVENTS_MAX = 64,
    RESERVED_FDS = 64, /* for the store, the log and whoever else */
    CONNECTIONS_MAX = 16000,
    SOON_MS = 20
};

bool loop_push(struct loop *loop, struct exchange *exchange)
{
    struct exchange *head = atomic_load_explicit(&loop->finished, memory_order_relaxed);
    do
        exchange->next = head;
    while (!atomic_compare_exchange_weak_explicit(&loop->finished, &head, exchange, memory_order_release,
                                                  memory_order_relaxed));
    return !head;
}

void loop_wake(struct loop *loop)
{
    /* Can only fail when the counter is full, and then the loop is awake anyway. */
    (void)!write(loop->wake_fd, &(uint64_t){1}, sizeof(uint64_t));
}

/* A held one whose connection broke. */
static void put_orphan(struct exchange *exchange)
{
    exchange->loop->held_count--;
    exchange_put(exchange);
}

/* In the order in which they were finished. */
static void resume_finished(struct loop *loop)
{
    if (!atomic_load_explicit(&loop->finished, memory_order_relaxed))
        return;
    struct exchange *stack = atomic_exchange_explicit(&loop->finished, NULL, memory_order_acquire), *queue = NULL;
    while (stack) {
        struct exchange *next = stack->next;
        stack->next = queue;
        queue = stack;
        stack = next;
    }
    while (queue) {
        struct exchange *next = queue->next;
        queue->next = NULL;
        queue->stage = STAGE_FINISHED;
        if (!queue->held)
            MHD_resume_connection(queue->mhd);
        else if (queue->connection)
            loop->held_count--; /* the library asks for it in this turn */
        else
            put_orphan(queue);
        queue = next;
    }
}

/* ---- the library's notices ---- */

static void open_connection(struct loop *loop, struct MHD_Connection *mhd, void **context)
{
    struct connection *connection = aligned_alloc(_Alignof(struct connection), sizeof *connection);
    if (!connection)
        abort();
    *connection = (struct connection){0};
    const struct sockaddr *peer = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
    connection->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    connection->peer_is_unix = !peer || peer->sa_family == AF_UNIX;
    connection->peer = address_of_socket(peer);
    connection->next = loop->connections;
    if (connection->next)
        connection->next->previous = connection;
    loop->connections = connection;
    loop->connection_count++;
    figure_add(&loop->connections_now, 1);
    deadline_set(connection, loop->http->options.header_ms, loop);
    *context = connection;
}

static void close_connection(struct loop *loop, struct connection *connection)
{
    if (connection->exchange)
        exchange_let_go(connection->exchange);
    if (connection->linger && !connection->cut)
        linger_start(loop, connection);
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        loop->connections = connection->next;
    if (connection->next)
        connection->next->previous = connection->previous;
    loop->connection_count--;
    figure_add(&loop->connections_now, -1);
    free(connection);
}

static void note_connection(void *cls, struct MHD_Connection *mhd, void **context,
                            enum MHD_ConnectionNotificationCode what)
{
    if (what == MHD_CONNECTION_NOTIFY_STARTED)
        open_connection(cls, mhd, context);
    else if (*context)
        close_connection(cls, *context);
}

/* ---- the loop ---- */

static int wait_ms(const struct loop *loop)
{
    MHD_UNSIGNED_LONG_LONG library_ms;
    int64_t ms = loop->sweep_ms - monotonic_ms();
    if (MHD_get_timeout(loop->daemon, &library_ms) == MHD_YES && (int64_t)library_ms < ms)
        ms = (int64_t)library_ms;
    if (ms <= 0 && loop->held_count)
        return 1; /* what is held always seems ready; what matters wakes us */
    return ms < 0 ? 0 : (int)ms;
}

static void tell_watchdog(struct loop *loop)
{
    struct http *http = loop->http;
    if (loop->index || !http->watchdog_ms || loop->turn_ms < http->watchdog_due_ms)
        return;
    systemd_notify("WATCHDOG=1");
    http->watchdog_due_ms = loop->turn_ms + http->watchdog_ms;
}

static void turn(struct loop *loop)
{
    const struct http_handlers *handlers = &loop->http->handlers;
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(loop->epoll_fd, events, EVENTS_MAX, wait_ms(loop));
    loop->turn_ms = monotonic_ms();
    for (int i = 0; i < count; i++)
        if (events[i].data.ptr != loop)
            linger_read(loop, events[i].data.ptr);
    resume_finished(loop);
    MHD_run(loop->daemon);
    if (handlers->turn_end)
        handlers->turn_end(handlers->app);
    if (loop->turn_ms >= loop->sweep_ms) {
        deadlines_sweep(loop);
        linger_sweep(loop, false);
        bool soon = loop->draining || starved_revive(loop);
        loop->sweep_ms = loop->turn_ms + (soon ? SOON_MS : loop->http->sweep_every_ms);
        tell_watchdog(loop);
    }
}

/* Requests that others still hold are waited for, however long: they exchange_answer an act that may already be on disk. */
static void *run_loop(void *arg)
{
    struct loop *loop = arg;
    while (!atomic_load_explicit(&loop->http->stopping, memory_order_relaxed))
        turn(loop);
    loop->draining = true;
    loop->sweep_ms = loop->turn_ms;
    int listen_fd = MHD_quiesce_daemon(loop->daemon);
    if (listen_fd >= 0)
        close(listen_fd);
    while (loop->connection_count > 0 || loop->held_count > 0) {
        deadlines_close_idle(loop);
        turn(loop);
    }
    linger_sweep(loop, true);
    return NULL;
}

/* ---- start and stop ---- */

static enum result open_loop(struct http *http, struct loop *loop, int listen_fd, int connections_max)
{
    struct MHD_OptionItem options[] = {{MHD_OPTION_LISTEN_SOCKET, listen_fd, NULL},
                                       {MHD_OPTION_CONNECTION_LIMIT, connections_max, NULL},
                                       {MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, NULL},
                                       {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)exchange_note_completed, loop},
                                       {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)note_connection, loop},
                                       {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)exchange_note_target, loop},
                                       {MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)exchange_keep_escapes, loop},
                                       {MHD_OPTION_END, 0, NULL}};
    loop->http = http;
    loop->index = (int)(loop - http->loops);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    loop->turn_ms = monotonic_ms();
    loop->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, exchange_answer, loop,
                                    MHD_OPTION_ARRAY, options, MHD_OPTION_END);
    if (loop->epoll_fd < 0 || loop->wake_fd < 0 || !loop->daemon)
        return RESULT_FAILED;
    int library_fd = MHD_get_daemon_info(loop->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    struct epoll_event library = {.events = EPOLLIN, .data.ptr = loop};
    /* By edge, so that nobody need read the counter. */
    struct epoll_event wake = {.events = EPOLLIN | EPOLLET, .data.ptr = loop};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, library_fd, &library) != 0 ||
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &wake) != 0)
        return RESULT_FAILED;
    return RESULT_OK;
}

static void close_loop(struct loop *loop)
{
    if (loop->daemon)
        MHD_stop_daemon(loop->daemon);
    reply_close_loop(loop);
    if (loop->epoll_fd > 0)
        close(loop->epoll_fd);
    if (loop->wake_fd > 0)
        close(loop->wake_fd);
    while (loop->spare) {
        struct exchange *exchange = loop->spare;
        loop->spare = exchange->next;
        arena_free(&exchange->request.arena);
        free(exchange);
    }
}

static int default_loops(void)
{
    int cores = get_nprocs();
    return cores <= 2 ? 1 : cores - 1 > LOOPS_MAX ? LOOPS_MAX : cores - 1;
}

static int default_connections(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return 1024 - RESERVED_FDS;
    if (files.rlim_cur > CONNECTIONS_MAX + RESERVED_FDS)
        return CONNECTIONS_MAX;
    return files.rlim_cur > 2 * RESERVED_FDS ? (int)files.rlim_cur - RESERVED_FDS : RESERVED_FDS;
}

static int or_default(int value, int otherwise)
{
    return value > 0 ? value : otherwise;
}

static void fill_defaults(struct http *http, const struct http_options *options)
{
    struct http_options *own = &http->options;
    *own = *options;
    own->loops = or_default(options->loops, default_loops());
    own->workers = or_default(options->workers, 4);
    own->worker_queue_max = or_default(options->worker_queue_max, 1024);
    own->connections_max = or_default(options->connections_max, default_connections());
    own->header_ms = or_default(options->header_ms, 10000);
    own->body_ms = or_default(options->body_ms, 20000);
    own->reply_ms = or_default(options->reply_ms, 30000);
    own->idle_ms = or_default(options->idle_ms, 60000);
    int shortest = own->header_ms;
    shortest = own->body_ms < shortest ? own->body_ms : shortest;
    shortest = own->reply_ms < shortest ? own->reply_ms : shortest;
    shortest = own->idle_ms < shortest ? own->idle_ms : shortest;
    http->sweep_every_ms = shortest / 10 < 10 ? 10 : shortest / 10 > 1000 ? 1000 : shortest / 10;
    http->watchdog_ms = systemd_watchdog_ms();
    if (http->watchdog_ms && http->watchdog_ms / 2 < http->sweep_every_ms)
        http->sweep_every_ms = http->watchdog_ms / 2 + 1;
    http->handlers = options->handlers;
    if (options->trusted_proxies)
        http->trusted_proxies = *options->trusted_proxies;
}

static enum result open_loops(struct http *http, const struct sockets *sockets)
{
    http->loop_count = sockets->count;
    http->loops = calloc((size_t)http->loop_count, sizeof *http->loops);
    if (!http->loops)
        abort();
    int share = http->options.connections_max / http->loop_count;
    for (int i = 0; i < http->loop_count; i++) {
        if (open_loop(http, &http->loops[i], sockets->fds[i], share > 0 ? share : 1) == RESULT_OK)
            continue;
        for (int j = i + !!http->loops[i].daemon; j < sockets->count; j++)
            close(sockets->fds[j]); /* not yet a daemon's to close */
        return RESULT_FAILED;
    }
    return RESULT_OK;
}

enum result http_open(const struct http_options *options, struct http **out, const char **why)
{
    assert(options->handlers.match && options->handlers.dispatch && options->handlers.refuse);
    struct http *http = calloc(1, sizeof *http);
    if (!http)
        abort();
    fill_defaults(http, options);
    struct sockets sockets;
    enum result result = sockets_open(options->listen, http->options.loops, &sockets, why);
    if (result) {
        free(http);
        return result;
    }
    http->port = sockets.port;
    http->address = sockets.address;
    http->unix_path = sockets.unix_path;
    result = open_loops(http, &sockets);
    if (result) {
        *why = "the event loop cannot be set up";
        http_stop(http, 0);
        return result;
    }
    *out = http;
    return RESULT_OK;
}

enum result http_run(struct http *http)
{
    sigset_t all, before;
    sigfillset(&all); /* signals are for the main thread */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    http->workers = workers_start(http->options.workers, http->options.worker_queue_max, exchange_work);
    enum result result = http->workers ? RESULT_OK : RESULT_FAILED;
    for (int i = 0; i < http->loop_count && !result; i++) {
        struct loop *loop = &http->loops[i];
        loop->started = pthread_create(&loop->thread, NULL, run_loop, loop) == 0;
        result = loop->started ? RESULT_OK : RESULT_FAILED;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result)
        log_error("http-run", "error=\"a thread could not be started\"");
    return result;
}

int http_port(const struct http *http)
{
    return http->port;
}

const char *http_address(const struct http *http)
{
    return http->address;
}

void http_stop(struct http *http, int drain_ms)
{
    int64_t end_ms = monotonic_ms() + drain_ms;
    atomic_store(&http->stopping, true);
    for (int i = 0; i < http->loop_count; i++)
        if (http->loops[i].started)
            loop_wake(&http->loops[i]);
    struct http_figures figures;
    do {
        http_figures(http, &figures);
        if (figures.connections)
            usleep(5000);
    } while (figures.connections && monotonic_ms() < end_ms);
    atomic_store(&http->cut_all, true);
    for (int i = 0; i < http->loop_count; i++)
        if (http->loops[i].started)
            pthread_join(http->loops[i].thread, NULL);
    if (http->workers)
        workers_stop(http->workers);
    while (atomic_load(&http->finishing))
        usleep(100);
    for (int i = 0; i < http->loop_count; i++)
        close_loop(&http->loops[i]);
    if (http->unix_path)
        unlink(http->unix_path);
    free(http->unix_path);
    free(http->address);
    free(http->loops);
    free(http);
}

void http_figures(const struct http *http, struct http_figures *out)
{
    *out = (struct http_figures){.worker_queue = http->workers ? workers_queue_len(http->workers) : 0};
    for (int i = 0; i < http->loop_count; i++) {
        const struct loop *loop = &http->loops[i];
        out->connections += loop->connections_now;
        out->requests += loop->requests;
        out->refused += loop->refused;
        out->deadlines_missed += loop->deadlines_missed;
        for (int j = 0; j < 6; j++)
            out->by_status[j] += loop->by_status[j];
    }
}
