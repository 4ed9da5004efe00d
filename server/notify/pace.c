/* See pace.h. */
#include "server/notify/pace.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    CROWDED = 3, /* times as long in line as at work */
    BUSY = 8,    /* the part of a processor that the server's other threads use when they are */
    REST = 24,   /* times the work */
    REST_MAX_MS = 150,
    JUDGED_MS = 50,
    TOO_LONG_MS = 500,
    NS_PER_MS = 1000000
};

/* Time in line since the thread began. */
static bool read_figures(const struct pace *pace, int64_t *waited_ns)
{
    char text[96], *end;
    ssize_t len = pread(pace->figures, text, sizeof text - 1, 0);
    if (len <= 0)
        return false;
    text[len] = '\0';
    (void)strtoll(text, &end, 10); /* at work: as of the last tick, the clock knows better */
    *waited_ns = strtoll(end, NULL, 10);
    return true;
}

static int64_t read_clock(clockid_t clock)
{
    struct timespec time;
    return clock_gettime(clock, &time) ? 0 : time.tv_sec * (int64_t)1000000000 + time.tv_nsec;
}

static int64_t used_by(pid_t process)
{
    clockid_t clock;
    return process && !clock_getcpuclockid(process, &clock) ? read_clock(clock) : 0;
}

/* What was added to *LAST, which may have begun anew. */
static int64_t since(int64_t *last, int64_t now)
{
    int64_t added = now >= *last ? now - *last : now;
    *last = now;
    return added;
}

void pace_open(struct pace *pace)
{
    const struct sched_param none = {0};
    (void)pthread_setschedparam(pthread_self(), SCHED_BATCH, &none);
    *pace = (struct pace){.figures = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC),
                          .at_ns = read_clock(CLOCK_MONOTONIC),
                          .server_ns = read_clock(CLOCK_PROCESS_CPUTIME_ID),
                          .ran_ns = read_clock(CLOCK_THREAD_CPUTIME_ID)};
    (void)read_figures(pace, &pace->waited_ns);
}

static void judge(struct pace *pace)
{
    bool others_are_busy = pace->others_ns > pace->passed_ns / BUSY;
    if (pace->passed_ns < (int64_t)TOO_LONG_MS * NS_PER_MS) /* or it slept, and that tells nothing of now */
        pace->crowded = pace->line_ns >= (others_are_busy ? pace->work_ns / 2 : CROWDED * pace->work_ns);
    pace->work_ns = pace->line_ns = pace->others_ns = pace->passed_ns = 0;
}

int pace_rest_ms(struct pace *pace, pid_t helper)
{
    int64_t waited_ns;
    if (pace->figures < 0 || !read_figures(pace, &waited_ns))
        return 0;
    int64_t work_ns = since(&pace->ran_ns, read_clock(CLOCK_THREAD_CPUTIME_ID));
    int64_t helper_ns = since(&pace->helper_ns, used_by(helper));
    pace->work_ns += work_ns;
    pace->line_ns += since(&pace->waited_ns, waited_ns);
    pace->others_ns += since(&pace->server_ns, read_clock(CLOCK_PROCESS_CPUTIME_ID)) - work_ns;
    pace->passed_ns += since(&pace->at_ns, read_clock(CLOCK_MONOTONIC));
    if (pace->passed_ns >= (int64_t)JUDGED_MS * NS_PER_MS)
        judge(pace);
    if (!pace->crowded)
        return 0;
    int64_t rest_ms = REST * (work_ns + helper_ns) / NS_PER_MS;
    return rest_ms < REST_MAX_MS ? (int)rest_ms : REST_MAX_MS;
}

void pace_close(struct pace *pace)
{
    if (pace->figures >= 0)
        close(pace->figures);
}
