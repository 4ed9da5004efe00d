/* See child.h. The server has many threads, so the child is a new program and not a fork of this one: nothing of our memory,
 * our environment or our open files goes with it but its end of one socket. */
#include "server/notify/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "server/ids.h"
#include "server/log.h"
#include "server/notify/sending.h"

enum { PAUSE_MIN_MS = 100, PAUSE_MAX_MS = 30000, CALM_MS = 60000 };

/* The pid of a sender with SOCKET as its standard input, and the rest of its descriptors nowhere; -1 when there is none. */
static pid_t spawn(int socket)
{
    static char name[] = "meishi", command[] = SENDING_CHILD;
    char *arguments[] = {name, command, NULL}, *environment[] = {NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    pid_t pid = -1;
    sigemptyset(&none);
    sigfillset(&all);
    if (posix_spawn_file_actions_init(&actions))
        return -1;
    if (posix_spawnattr_init(&attributes)) {
        posix_spawn_file_actions_destroy(&actions);
        return -1;
    }
    int failed = posix_spawn_file_actions_adddup2(&actions, socket, STDIN_FILENO) ||
                 posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0) ||
                 posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0) ||
                 posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1) ||
                 posix_spawnattr_setsigmask(&attributes, &none) || posix_spawnattr_setsigdefault(&attributes, &all) ||
                 posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (!failed)
        errno = failed = posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return failed ? -1 : pid;
}

/* 100 ms, doubled for each death before this one, 30 s at most; half of it left to chance. */
static int64_t pause_after(int deaths)
{
    int64_t most = PAUSE_MIN_MS;
    for (int i = 1; i < deaths && most < PAUSE_MAX_MS; i++)
        most *= 2;
    if (most > PAUSE_MAX_MS)
        most = PAUSE_MAX_MS;
    return most / 2 + (int64_t)(random_u64() % (uint64_t)(most / 2 + 1));
}

static void set_pause(struct child *child)
{
    int64_t now = monotonic_ms();
    child->deaths = now - child->started_ms >= CALM_MS ? 1 : child->deaths + 1;
    child->next_ms = now + pause_after(child->deaths);
}

enum result child_start(struct child *child, int *out)
{
    int ends[2];
    if (child->pid || monotonic_ms() < child->next_ms)
        return RESULT_NOT_FOUND;
    child->started_ms = monotonic_ms();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)) {
        log_error("webhook-sender-start", "error=\"%s\"", strerror(errno));
        set_pause(child);
        return RESULT_FAILED;
    }
    pid_t pid = spawn(ends[1]);
    if (pid < 0)
        log_error("webhook-sender-start", "error=\"%s\"", strerror(errno));
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        set_pause(child);
        return RESULT_FAILED;
    }
    child->pid = pid;
    *out = ends[0];
    return RESULT_OK;
}

/* Its wait status. A child that has ended already keeps the end it had. */
static int kill_and_wait(struct child *child)
{
    int status = 0;
    kill(child->pid, SIGKILL);
    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    child->pid = 0;
    return status;
}

void child_end(struct child *child, bool in_order)
{
    if (!child->pid)
        return;
    int status = kill_and_wait(child);
    if (in_order && WIFEXITED(status) && !WEXITSTATUS(status)) {
        child->deaths = 0;
        child->next_ms = 0;
        return;
    }
    set_pause(child);
    int64_t wait_ms = child->next_ms - monotonic_ms();
    if (WIFSIGNALED(status))
        log_error("webhook-sender-ended", "signal=%d again_in_ms=%d", WTERMSIG(status), (int)wait_ms);
    else
        log_error("webhook-sender-ended", "why=\"%s\" again_in_ms=%d", sending_words(WEXITSTATUS(status)),
                  (int)wait_ms);
}

void child_stop(struct child *child)
{
    if (child->pid)
        kill_and_wait(child);
}
