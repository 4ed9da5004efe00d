/* See child.h. Its end of one socket is all that the child has of us. */
#include "server/notify/child.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "server/ids.h"
#include "server/log.h"
#include "server/notify/sending.h"
#include "server/spawn.h"

enum { PAUSE_MIN_MS = 100, PAUSE_MAX_MS = 30000, CALM_MS = 60000 };

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
    pid_t pid = spawn_self(SENDING_CHILD, ends[1], -1);
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
