/* The jail from inside: what a child that is in it may still do, and how it ends when it tries anything else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/jail.h"

/* How a jailed child that does one thing within CPU_SECONDS ends: its wait status. */
static int in_jail(void (*deed)(void), unsigned cpu_seconds)
{
    pid_t child = fork();
    if (!child) {
        if (jail_enter((size_t)512 << 20, cpu_seconds) != RESULT_OK)
            _exit(99);
        deed();
        _exit(42);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void do_nothing(void)
{
}

static void use_memory(void)
{
    for (int i = 1; i < 200; i++) {
        char *bytes = malloc((size_t)i * 100000);
        if (!bytes)
            _exit(1);
        memset(bytes, 1, (size_t)i * 100000);
        if (i % 2)
            free(bytes);
    }
}

static void open_file(void)
{
    (void)!open("/etc/passwd", O_RDONLY | O_CLOEXEC);
}

static void open_socket(void)
{
    (void)!socket(AF_INET, SOCK_STREAM, 0);
}

static void make_process(void)
{
    (void)!fork();
}

static void run_program(void)
{
    execl("/bin/true", "true", (char *)NULL);
}

static void make_code(void)
{
    (void)!mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void write_elsewhere(void)
{
    (void)!write(STDERR_FILENO, "x", 1);
}

static void signal_parent(void)
{
    kill(getppid(), SIGCONT);
}

static void raise_limits(void)
{
    struct rlimit more = {RLIM_INFINITY, RLIM_INFINITY};
    setrlimit(RLIMIT_AS, &more);
}

static void spin(void)
{
    for (volatile unsigned i = 0;; i++)
        continue;
}

static void jail__lets_work_be_done(void **state)
{
    (void)state;
    int status = in_jail(do_nothing, 30);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 42);
    status = in_jail(use_memory, 30);
    assert_true(WIFEXITED(status));
}

static void jail__kills_whatever_reaches_out(void **state)
{
    (void)state;
    static void (*const deeds[])(void) = {open_file, open_socket,     make_process,  run_program,
                                          make_code, write_elsewhere, signal_parent, raise_limits};
    for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++) {
        int status = in_jail(deeds[i], 30);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
            fail_msg("deed %zu ended with status %x", i, (unsigned)status);
    }
}

static void jail__ends_endless_work(void **state)
{
    (void)state;
    int status = in_jail(spin, 1);
    assert_true(WIFSIGNALED(status));
    assert_true(WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGXCPU);
}

/* ---- the sender's jail ---- */

static int in_sender_jail(void (*deed)(void))
{
    pid_t child = fork();
    if (!child) {
        if (jail_enter_sender((size_t)512 << 20, 64) != RESULT_OK)
            _exit(99);
        deed();
        _exit(42);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void bind_port(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET};
    (void)!bind(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&any, sizeof any);
}

static void listen_on_port(void)
{
    listen(socket(AF_INET, SOCK_STREAM, 0), 1);
}

static void trace_parent(void)
{
    ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
}

static void read_parent(void)
{
    char byte;
    struct iovec here = {&byte, 1}, there = {&byte, 1};
    (void)!process_vm_readv(getppid(), &here, 1, &there, 1, 0);
}

static void jail__kills_a_sender_that_was_taken_over(void **state)
{
    (void)state;
    static void (*const deeds[])(void) = {run_program, bind_port, listen_on_port, trace_parent, read_parent};
    for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++) {
        int status = in_sender_jail(deeds[i]);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
            fail_msg("deed %zu ended with status %x", i, (unsigned)status);
    }
}

/* Each of these fails and the process lives: its exit code is the first that did not. */
static void try_what_libraries_try(void)
{
    int number = 0;
#define REFUSED(call) ((number++, (call) != -1) ? _exit(number) : (void)0)
    REFUSED(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
    REFUSED(open("/tmp/x", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    REFUSED(socket(AF_UNIX, SOCK_STREAM, 0));
    REFUSED(socket(AF_NETLINK, SOCK_RAW, 0));
    REFUSED(socket(AF_PACKET, SOCK_RAW, 0));
    REFUSED(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
    REFUSED(socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP));
    REFUSED(fork());
    REFUSED(kill(getppid(), SIGCONT));
    REFUSED(unlink("/tmp/x"));
    REFUSED(memfd_create("x", MFD_CLOEXEC));
    REFUSED(dup3(0, 9, 0));
    REFUSED((intptr_t)mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    struct rlimit more = {1024, 1024};
    REFUSED(setrlimit(RLIMIT_NOFILE, &more));
#undef REFUSED
}

static void do_what_a_sender_does(void)
{
    static const int families[] = {AF_INET, AF_INET6};
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        int fd = socket(families[i], SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP), on = 1;
        if (fd < 0 && errno == EPERM)
            _exit(1);
        setsockopt(fd, IPPROTO_TCP, 1, &on, sizeof on);
        int probe = socket(families[i], SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (probe < 0 && errno == EPERM)
            _exit(2);
    }
    char bytes[16];
    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
        _exit(3);
    alarm(60);
}

static void jail__lets_a_sender_work_and_refuses_the_rest(void **state)
{
    (void)state;
    int status = in_sender_jail(try_what_libraries_try);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
    status = in_sender_jail(do_what_a_sender_does);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jail__lets_work_be_done),
        cmocka_unit_test(jail__kills_whatever_reaches_out),
        cmocka_unit_test(jail__ends_endless_work),
        cmocka_unit_test(jail__kills_a_sender_that_was_taken_over),
        cmocka_unit_test(jail__lets_a_sender_work_and_refuses_the_rest),
    };
    return cmocka_run_group_tests_name("jail", tests, NULL, NULL);
}
