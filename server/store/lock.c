/* The lock that keeps a second process from an SQLite store: two that write and checkpoint one file can lose pages. The
 * file holds the process id while the store is open and nothing after it was closed well, so it also tells of a crash.
 * It is never deleted: whoever deletes a lock file may delete the next one's. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include "server/store/lock.h"
#include "server/store/internal.h"
#include "server/store/paths.h"

struct store_lock {
    int file;
};

/* What the file says, "" when nothing. */
static void read_pid(int file, char out[24])
{
    ssize_t len = pread(file, out, 23, 0);
    out[len > 0 ? len : 0] = '\0';
    out[strspn(out, "0123456789")] = '\0';
}

enum result lock_take(const char *url, struct arena *arena, struct store_lock **out, bool *clean, const char **why)
{
    *out = NULL;
    *clean = true;
    const char *folder = paths_folder(url, arena);
    if (!folder)
        return RESULT_OK;
    const char *path = arena_printf(arena, "%s.lock", paths_file(url, DB_MAIN, arena));
    int file = paths_make_folder(folder) == RESULT_OK ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (file < 0) {
        *why = arena_printf(arena,
                            "%s cannot be written (%s). Give this user the folder, or name another by MEISHI_STORE.",
                            path, strerror(errno));
        return RESULT_FAILED;
    }
    char pid[24];
    if (flock(file, LOCK_EX | LOCK_NB) < 0) {
        read_pid(file, pid);
        *why = arena_printf(arena, "Process %s serves this store already: it holds %s.", *pid ? pid : "another", path);
        close(file);
        return RESULT_CONFLICT;
    }
    read_pid(file, pid);
    *clean = !*pid;
    int len = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(file, 0) < 0 || pwrite(file, pid, (size_t)len, 0) != len) {
        /* A full disk: the lock holds all the same, only the words are missing. */
        *clean = false;
    }
    struct store_lock *lock = calloc(1, sizeof *lock);
    if (!lock)
        abort();
    lock->file = file;
    *out = lock;
    return RESULT_OK;
}

void lock_release(struct store_lock *lock, bool clean)
{
    if (!lock)
        return;
    if (clean && ftruncate(lock->file, 0) < 0) {
        /* Then the next start looks the store over once more than it must. */
    }
    close(lock->file);
    free(lock);
}
