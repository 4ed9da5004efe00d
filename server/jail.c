/* See jail.h. Limits first, the filter last, since the filter forbids the calls that set limits.
 *
 * The sanitizers map terabytes of shadow and look at their own process; a build with one keeps the filter and gives up the
 * limit on memory, and lets the few calls through that they cannot do without. */
#include "server/jail.h"

#include <errno.h>
#include <seccomp.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static bool limit(int resource, rlim_t most)
{
    struct rlimit value = {.rlim_cur = most, .rlim_max = most};
    return setrlimit((__rlimit_resource_t)resource, &value) == 0;
}

static bool set_limits(size_t memory_max, unsigned cpu_seconds)
{
    return limit(RLIMIT_CORE, 0) && limit(RLIMIT_CPU, cpu_seconds) && limit(RLIMIT_FSIZE, 0) &&
           limit(RLIMIT_NPROC, 0) && (SANITIZED || limit(RLIMIT_AS, memory_max)) && limit(RLIMIT_NOFILE, 3);
}

static bool allow(scmp_filter_ctx filter, int call)
{
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0) == 0;
}

static bool allow_on(scmp_filter_ctx filter, int call, int descriptor)
{
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)descriptor, 0)) == 0;
}

/* Where protection is the third argument, never with PROT_EXEC in it. */
static bool allow_data(scmp_filter_ctx filter, int call)
{
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) == 0;
}

static bool allow_sanitizers(scmp_filter_ctx filter)
{
    static const int calls[] = {SCMP_SYS(futex),          SCMP_SYS(sched_yield),   SCMP_SYS(sigaltstack),
                                SCMP_SYS(rt_sigprocmask), SCMP_SYS(getpid),        SCMP_SYS(gettid),
                                SCMP_SYS(prctl),          SCMP_SYS(clock_gettime), SCMP_SYS(rt_sigaction)};
    bool good = true;
    for (size_t i = 0; SANITIZED && i < sizeof calls / sizeof *calls; i++)
        good = good && allow(filter, calls[i]);
    return good;
}

static bool load_filter(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (!filter)
        return false;
    bool good = allow_on(filter, SCMP_SYS(read), STDIN_FILENO) && allow_on(filter, SCMP_SYS(write), STDOUT_FILENO) &&
                allow_data(filter, SCMP_SYS(mmap)) && allow_data(filter, SCMP_SYS(mprotect)) &&
                allow(filter, SCMP_SYS(munmap)) && allow(filter, SCMP_SYS(mremap)) && allow(filter, SCMP_SYS(brk)) &&
                allow(filter, SCMP_SYS(madvise)) && allow(filter, SCMP_SYS(exit)) &&
                allow(filter, SCMP_SYS(exit_group)) && allow_sanitizers(filter) && seccomp_load(filter) == 0;
    seccomp_release(filter);
    return good;
}

enum result jail_enter(size_t memory_max, unsigned cpu_seconds)
{
    bool good = close_range(STDERR_FILENO + 1, ~0U, 0) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
                prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 && set_limits(memory_max, cpu_seconds) && load_filter();
    return good ? RESULT_OK : RESULT_FAILED;
}
