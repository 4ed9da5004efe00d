/* See jail.h. Limits first, the filter last, since the filter forbids the calls that set limits.
 *
 * The sanitizers map terabytes of shadow and look at their own process; a build with one keeps the filter and gives up the
 * limit on memory, and lets the few calls through that they cannot do without. */
#include "server/jail.h"

#include <errno.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
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

/* ---- the sender ---- */

static bool limit_sender(size_t memory_max, unsigned descriptors_max)
{
    return limit(RLIMIT_CORE, 0) && limit(RLIMIT_NPROC, 0) && limit(RLIMIT_NOFILE, descriptors_max) &&
           (SANITIZED || limit(RLIMIT_AS, memory_max));
}

/* socket(FAMILY, KIND | flags, PROTOCOL) */
static bool allow_socket(scmp_filter_ctx filter, int family, int kind, int protocol)
{
    enum { KIND_BITS = 0xf };
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 3, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family, 0),
                            SCMP_A1(SCMP_CMP_MASKED_EQ, KIND_BITS, (scmp_datum_t)kind),
                            SCMP_A2(SCMP_CMP_EQ, (scmp_datum_t)protocol, 0)) == 0;
}

/* TCP; and datagrams, by which the kernel says whether an address is its own (address_is_own) and whether it knows IPv6. */
static bool allow_sockets(scmp_filter_ctx filter)
{
    static const int families[] = {AF_INET, AF_INET6};
    bool good = true;
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        good = good && allow_socket(filter, families[i], SOCK_STREAM, 0) &&
               allow_socket(filter, families[i], SOCK_STREAM, IPPROTO_TCP) &&
               allow_socket(filter, families[i], SOCK_DGRAM, 0);
    return good;
}

static bool allow_conversation(scmp_filter_ctx filter)
{
    static const int calls[] = {
        /* what is open already */
        SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(close), SCMP_SYS(fcntl),
        SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(lseek), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select),
        SCMP_SYS(pselect6),
        /* sockets */
        SCMP_SYS(connect), SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt),
        SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(shutdown),
        /* memory, time, chance, signals to itself, the end */
        SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(brk), SCMP_SYS(madvise), SCMP_SYS(futex), SCMP_SYS(sched_yield),
        SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(time),
        SCMP_SYS(alarm), SCMP_SYS(setitimer), SCMP_SYS(getrandom), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getuid),
        SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
        SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall), SCMP_SYS(exit), SCMP_SYS(exit_group)};
    bool good = allow_data(filter, SCMP_SYS(mmap)) && allow_data(filter, SCMP_SYS(mprotect)) && allow_sockets(filter);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        good = good && allow(filter, calls[i]);
    return good;
}

/* What only somebody who has taken the process over would try. */
static bool forbid_attacks(scmp_filter_ctx filter)
{
    static const int calls[] = {SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork),
                                SCMP_SYS(vfork),  SCMP_SYS(ptrace),   SCMP_SYS(process_vm_readv),
                                SCMP_SYS(bind),   SCMP_SYS(listen),   SCMP_SYS(process_vm_writev),
                                SCMP_SYS(accept), SCMP_SYS(accept4)};
    bool good = true;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        good = good && seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, calls[i], 0) == 0;
    return good;
}

static bool load_sender_filter(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!filter)
        return false;
    bool good =
        allow_conversation(filter) && forbid_attacks(filter) && allow_sanitizers(filter) && seccomp_load(filter) == 0;
    seccomp_release(filter);
    return good;
}

enum result jail_enter_sender(size_t memory_max, unsigned descriptors_max)
{
    bool good = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 &&
                limit_sender(memory_max, descriptors_max) && load_sender_filter();
    return good ? RESULT_OK : RESULT_FAILED;
}
