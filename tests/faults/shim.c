/* A disk that fails on demand, and a clock that is wrong by CLOCK_AHEAD_MS: preloaded into the server by the fault tests. While
 * the file named by FAULT_FILE holds
 *   full    writes to the store's files fail with ENOSPC
 *   sync    one sync of the store's files fails with EIO, then the file is emptied
 *   hang    syncs of the store's files wait until the word is gone
 *   lie     syncs succeed without doing anything (the negative control of power cuts)
 * Every failure it causes adds a byte to FAULT_FILE.count, so that a test can tell it was there. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

enum { HANG_LOOK_US = 10000 };

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_ftruncate)(int, off_t);
static int (*real_clock_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void find_real(void)
{
    real_write = (ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    real_pwrite = (ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite64");
    real_fsync = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    real_ftruncate = (int (*)(int, off_t))dlsym(RTLD_NEXT, "ftruncate64");
    real_clock_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
}

static bool is_of_store(int fd)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path - 1);
    if (len < 0)
        return false;
    path[len] = '\0';
    return strstr(path, "meishi") && strstr(path, ".db");
}

static bool asked_for(const char *fault)
{
    const char *path = getenv("FAULT_FILE");
    char word[16] = "";
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return false;
    ssize_t len = read(fd, word, sizeof word - 1);
    close(fd);
    return len > 0 && !strncmp(word, fault, strlen(fault));
}

static void note(bool once)
{
    char count[4096];
    const char *path = getenv("FAULT_FILE");
    snprintf(count, sizeof count, "%s.count", path);
    int fd = open(count, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0) {
        (void)!real_write(fd, "x", 1);
        close(fd);
    }
    if (once && (fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC)) >= 0)
        close(fd);
}

static bool is_full(int fd)
{
    if (!asked_for("full") || !is_of_store(fd))
        return false;
    note(false);
    errno = ENOSPC;
    return true;
}

/* -1: fails; 1: lies; 0: does it. */
static int sync_fault(int fd)
{
    bool hangs = asked_for("hang") && is_of_store(fd);
    if (hangs)
        note(false);
    while (hangs && asked_for("hang"))
        usleep(HANG_LOOK_US);
    bool lies = asked_for("lie");
    if ((!lies && !asked_for("sync")) || !is_of_store(fd))
        return 0;
    note(!lies);
    errno = EIO;
    return lies ? 1 : -1;
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    return is_full(fd) ? -1 : real_write(fd, bytes, len);
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off_t at)
{
    return is_full(fd) ? -1 : real_pwrite(fd, bytes, len, at);
}

int ftruncate64(int fd, off_t len)
{
    return is_full(fd) ? -1 : real_ftruncate(fd, len);
}

int fsync(int fd)
{
    int fault = sync_fault(fd);
    return fault ? (fault < 0 ? -1 : 0) : real_fsync(fd);
}

int fdatasync(int fd)
{
    int fault = sync_fault(fd);
    return fault ? (fault < 0 ? -1 : 0) : real_fdatasync(fd);
}

/* What is preloaded before this may ask for the time before this is ready. */
int clock_gettime(clockid_t clock, struct timespec *at)
{
    const char *ahead = getenv("CLOCK_AHEAD_MS");
    if (!real_clock_gettime)
        find_real();
    int result = real_clock_gettime(clock, at);
    if (result == 0 && clock == CLOCK_REALTIME && ahead) {
        long long ns = at->tv_nsec + strtoll(ahead, NULL, 10) % 1000 * 1000000;
        at->tv_sec += strtoll(ahead, NULL, 10) / 1000 + (ns < 0 ? -1 : ns / 1000000000);
        at->tv_nsec = (ns + 1000000000) % 1000000000;
    }
    return result;
}
