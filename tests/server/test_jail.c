/* The jail from inside: what a child that is in it may still do, and how it ends when it tries anything else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jail__lets_work_be_done),
        cmocka_unit_test(jail__kills_whatever_reaches_out),
        cmocka_unit_test(jail__ends_endless_work),
    };
    return cmocka_run_group_tests_name("jail", tests, NULL, NULL);
}
