/* See tool.h. */
#include "server/store/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORDS_MAX = 4096, OUTPUT_MAX = 16 << 20 };

enum result tool_start(struct tool *tool, char *const *arguments, char *const *environment, int out)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    *tool = (struct tool){.words = memfd_create("words", MFD_CLOEXEC)};
    if (tool->words < 0)
        return RESULT_FAILED;
    sigemptyset(&none);
    sigfillset(&all);
    int failed = posix_spawn_file_actions_init(&actions);
    if (!failed && (failed = posix_spawnattr_init(&attributes)))
        posix_spawn_file_actions_destroy(&actions);
    if (!failed) {
        failed = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0) ||
                 posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO) ||
                 posix_spawn_file_actions_adddup2(&actions, tool->words, STDERR_FILENO) ||
                 posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1) ||
                 posix_spawnattr_setsigmask(&attributes, &none) || posix_spawnattr_setsigdefault(&attributes, &all) ||
                 posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        if (!failed)
            failed = posix_spawnp(&tool->pid, arguments[0], &actions, &attributes, arguments, environment);
        posix_spawnattr_destroy(&attributes);
        posix_spawn_file_actions_destroy(&actions);
    }
    if (!failed)
        return RESULT_OK;
    close(tool->words);
    return failed == ENOENT ? RESULT_NOT_FOUND : RESULT_FAILED;
}

static int wait_for(struct tool *tool)
{
    int status = -1;
    while (waitpid(tool->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return status;
}

/* The last line says what went wrong; those before it what was under way. */
static const char *last_line(int file, struct arena *arena)
{
    char text[WORDS_MAX];
    off_t size = lseek(file, 0, SEEK_END);
    ssize_t len = pread(file, text, sizeof text, size > (off_t)sizeof text ? size - (off_t)sizeof text : 0);
    while (len > 0 && text[len - 1] == '\n')
        len--;
    if (len <= 0)
        return "";
    const char *line = memrchr(text, '\n', (size_t)len);
    line = line ? line + 1 : text;
    return arena_strndup(arena, line, (size_t)(text + len - line));
}

bool tool_end(struct tool *tool, struct arena *arena, const char **words)
{
    int status = wait_for(tool);
    *words = last_line(tool->words, arena);
    close(tool->words);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void tool_stop(struct tool *tool)
{
    kill(tool->pid, SIGKILL);
    wait_for(tool);
    close(tool->words);
}

const char *tool_ask(char *const *arguments, struct arena *arena, const char **words)
{
    struct tool tool;
    const char *text = NULL;
    *words = "there is no such program on PATH";
    int out = memfd_create("answer", MFD_CLOEXEC);
    if (out < 0)
        return NULL;
    if (tool_start(&tool, arguments, environ, out) == RESULT_OK && tool_end(&tool, arena, words)) {
        off_t size = lseek(out, 0, SEEK_END);
        if (size >= 0 && size <= OUTPUT_MAX) {
            char *bytes = arena_alloc(arena, (size_t)size + 1);
            text = pread(out, bytes, (size_t)size, 0) == size ? bytes : NULL;
        }
    }
    close(out);
    return text;
}
