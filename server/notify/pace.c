/* See pace.h. */
#include "server/notify/pace.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    CROWDED = 3, /* times as long in line as at work */
    REST = 40,   /* times the work */
    REST_MAX_MS = 150,
    NS_PER_MS = 1000000
};

/* Time at work and in line since the thread began. */
static bool read_figures(const struct pace *pace, int64_t *ran_ns, int64_t *waited_ns)
{
    char text[96], *end;
    ssize_t len = pread(pace->figures, text, sizeof text - 1, 0);
    if (len <= 0)
        return false;
    text[len] = '\0';
    *ran_ns = strtoll(text, &end, 10);
    *waited_ns = strtoll(end, NULL, 10);
    return true;
}

void pace_open(struct pace *pace, int nice)
{
    const struct sched_param none = {0};
    (void)pthread_setschedparam(pthread_self(), SCHED_BATCH, &none);
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), nice); /* of this thread alone, as Linux has it */
    pace->ran_ns = pace->waited_ns = 0;
    pace->figures = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    (void)read_figures(pace, &pace->ran_ns, &pace->waited_ns);
}

int pace_rest_ms(struct pace *pace)
{
    int64_t ran_ns, waited_ns;
    if (pace->figures < 0 || !read_figures(pace, &ran_ns, &waited_ns))
        return 0;
    int64_t work_ns = ran_ns - pace->ran_ns, line_ns = waited_ns - pace->waited_ns;
    pace->ran_ns = ran_ns;
    pace->waited_ns = waited_ns;
    if (line_ns < CROWDED * work_ns)
        return 0;
    int64_t rest_ms = REST * work_ns / NS_PER_MS;
    return rest_ms < REST_MAX_MS ? (int)rest_ms : REST_MAX_MS;
}

void pace_close(struct pace *pace)
{
    if (pace->figures >= 0)
        close(pace->figures);
}
