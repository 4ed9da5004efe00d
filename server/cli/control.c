/* See control.h. Commands are few and short, so they are taken one after another. */
#include "server/cli/control.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "server/log.h"
#include "server/notify/deliver.h"

enum { WORDS_MAX = 32, LINE_MAX_BYTES = 40 * 1024 * 1024, PIECE_BYTES = 65536, PATIENCE_S = 600 };

struct control {
    struct app *app;
    int listener, stop_pipe[2];
    struct sockaddr_un address;
    pthread_t thread;
};

static bool address_of(const char *folder, struct sockaddr_un *out)
{
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    int len = snprintf(out->sun_path, sizeof out->sun_path, "%s/meishi.sock", folder);
    return len > 0 && (size_t)len < sizeof out->sun_path;
}

static bool write_all(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        bytes += sent;
        len -= (size_t)sent;
    }
    return true;
}

static bool write_line(int fd, json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT);
    bool ok = text && write_all(fd, text, strlen(text)) && write_all(fd, "\n", 1);
    free(text);
    json_decref(json);
    return ok;
}

/* One line, parsed; NULL when the other side went away or sent something else. Taken in pieces of at most PIECE_MAX: 1 leaves what
 * follows the line where it is. */
static json_t *read_line(int fd, struct arena *arena, size_t piece_max)
{
    struct str line;
    str_init(&line, arena, LINE_MAX_BYTES);
    char piece[PIECE_BYTES];
    while (!line.len || line.data[line.len - 1] != '\n') {
        ssize_t got = recv(fd, piece, piece_max, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0 || line.failed)
            return NULL;
        str_add_n(&line, piece, (size_t)got);
    }
    return json_loadb(line.data, line.len, JSON_REJECT_DUPLICATES, NULL);
}

/* A worker that asks to send this server's webhooks. True: the connection is the sender's from now on, and what follows on it is
 * no longer JSON (server/notify/message.h). Said before it is handed over, so that nothing else is written in between. */
static bool take_worker(struct control *control, int fd)
{
    struct sender_figures figures;
    sender_figures(control->app->sender, &figures);
    int code = figures.worker ? EX_TEMPFAIL : EX_OK;
    const char *words = figures.worker ? "Another worker sends this server's webhooks already.\n" : "";
    return write_line(fd, json_pack("{s:i, s:s, s:s}", "code", code, "out", "", "words", words)) && !code &&
           sender_attach(control->app->sender, fd) == RESULT_OK;
}

/* True: somebody else has the connection now. */
static bool serve_one(struct control *control, int fd)
{
    struct arena arena;
    arena_init(&arena);
    json_t *request = read_line(fd, &arena, PIECE_BYTES);
    const json_t *words = json_object_get(request, "words");
    char *argv[WORDS_MAX];
    int argc = 0;
    for (size_t i = 0; i < json_array_size(words) && argc < WORDS_MAX - 1; i++)
        argv[argc++] = arena_strdup(&arena, json_string_value(json_array_get(words, i)));
    argv[argc] = NULL;
    struct cli_call call = {.arena = &arena,
                            .input = json_string_value(json_object_get(request, "input")),
                            .json = json_is_true(json_object_get(request, "json"))};
    str_init(&call.out, &arena, CLI_OUTPUT_MAX);
    str_init(&call.words, &arena, CLI_OUTPUT_MAX);
    if (argc == 1 && !strcmp(argv[0], "worker")) {
        bool taken = take_worker(control, fd);
        json_decref(request);
        arena_free(&arena);
        return taken;
    }
    int code = argc ? cli_run_words(control->app, &call, argc, argv) : EX_PROTOCOL;
    if (!write_line(fd, json_pack("{s:i, s:s, s:s}", "code", code, "out", call.out.data, "words", call.words.data)))
        log_warning("control-reply", "error=\"the command went away\"");
    json_decref(request);
    arena_free(&arena);
    return false;
}

/* Whether the other side is this user or root: the socket's mode says the same, and is checked by the kernel first. */
static bool is_trusted(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) && (peer.uid == geteuid() || peer.uid == 0);
}

static void *run(void *context)
{
    struct control *control = context;
    struct pollfd fds[2] = {{.fd = control->listener, .events = POLLIN},
                            {.fd = control->stop_pipe[0], .events = POLLIN}};
    for (;;) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            break;
        if (fds[1].revents)
            break;
        int fd = fds[0].revents ? accept4(control->listener, NULL, NULL, SOCK_CLOEXEC) : -1;
        if (fd < 0)
            continue;
        struct timeval patience = {.tv_sec = 10};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
                   sizeof patience); /* a command that is halted must not halt us */
        if (!is_trusted(fd) || !serve_one(control, fd))
            close(fd);
    }
    return NULL;
}

struct control *control_open(struct app *app, const char *folder, struct arena *arena, const char **why)
{
    struct control *control = arena_alloc(arena, sizeof *control);
    control->app = app;
    if (!address_of(folder, &control->address)) {
        *why = arena_printf(arena, "The path %s/meishi.sock is too long for a socket.", folder);
        return NULL;
    }
    control->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    unlink(control->address.sun_path); /* ours to replace: the store's lock is held */
    mode_t before = umask(0177);
    bool ok = control->listener >= 0 &&
              !bind(control->listener, (struct sockaddr *)&control->address, sizeof control->address) &&
              !listen(control->listener, 8) && !pipe2(control->stop_pipe, O_CLOEXEC);
    umask(before);
    if (!ok || pthread_create(&control->thread, NULL, run, control)) {
        *why = arena_printf(arena, "The control socket %s cannot be made: %s.", control->address.sun_path,
                            strerror(errno));
        return NULL;
    }
    return control;
}

void control_close(struct control *control)
{
    if (!control)
        return;
    close(control->stop_pipe[1]);
    pthread_join(control->thread, NULL);
    close(control->stop_pipe[0]);
    close(control->listener);
    unlink(control->address.sun_path);
}

/* A connection to the server at FOLDER, or -1. */
static int connect_to(const char *folder)
{
    struct sockaddr_un address;
    if (!folder || !address_of(folder, &address))
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address)) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    struct timeval patience = {.tv_sec = PATIENCE_S};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

static json_t *request_of(const struct cli_call *call, int argc, char **argv)
{
    json_t *words = json_array();
    for (int i = 0; i < argc; i++)
        json_array_append_new(words, json_string(argv[i]));
    return json_pack("{s:o, s:s?, s:b}", "words", words, "input", call->input, "json", call->json);
}

static void take_answer(struct cli_call *call, json_t *answer, int *code)
{
    *code = (int)json_integer_value(json_object_get(answer, "code"));
    str_add(&call->out, json_string_value(json_object_get(answer, "out")));
    str_add(&call->words, json_string_value(json_object_get(answer, "words")));
    json_decref(answer);
}

enum result control_ask(const char *folder, struct cli_call *call, int argc, char **argv, int *code)
{
    int fd = connect_to(folder);
    if (fd < 0)
        return RESULT_NOT_FOUND;
    json_t *request = request_of(call, argc, argv);
    json_t *answer = request && write_line(fd, request) ? read_line(fd, call->arena, PIECE_BYTES) : NULL;
    close(fd);
    if (!answer)
        return RESULT_FAILED;
    take_answer(call, answer, code);
    return RESULT_OK;
}

enum result control_attach(const char *folder, struct cli_call *call, int *code, int *out)
{
    char word[] = "worker", *words[] = {word};
    int fd = connect_to(folder);
    if (fd < 0)
        return RESULT_NOT_FOUND;
    json_t *request = request_of(call, 1, words);
    json_t *answer = request && write_line(fd, request) ? read_line(fd, call->arena, 1) : NULL;
    if (answer)
        take_answer(call, answer, code);
    if (!answer || *code) {
        close(fd);
        return answer ? RESULT_CONFLICT : RESULT_FAILED;
    }
    *out = fd;
    return RESULT_OK;
}
