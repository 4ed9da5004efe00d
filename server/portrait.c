/* See portrait.h. This side knows no picture format at all: it starts the child, waits no longer than it said, and believes
 * nothing but the size of what comes back. The child reads from a sealed file in memory, so nobody has to write to it while
 * reading from it. */
#include "server/portrait.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/ids.h"
#include "server/log.h"
#include "server/portrait_outcome.h"
#include "server/spawn.h"

static const char not_a_picture[] = "That file is not a picture we can read. JPEG, PNG and WebP work.";
static const char damaged[] = "That picture is damaged or cut short. Please choose another one.";
static const char too_much[] = "That picture is too much work for us. Please choose a smaller one.";
static const char not_now[] = "We could not look at the picture just now. Please try again.";

/* A read-only file of the bytes, or -1. */
static int sealed_file(const void *bytes, size_t len)
{
    int file = memfd_create("portrait", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (file < 0)
        return -1;
    for (size_t done = 0; done < len;) {
        ssize_t n = write(file, (const char *)bytes + done, len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            goto failed;
        done += (size_t)n;
    }
    if (lseek(file, 0, SEEK_SET) == 0 &&
        fcntl(file, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0)
        return file;
failed:
    close(file);
    return -1;
}

/* Reads until the child closes its end, the deadline passes or MAX bytes are there. False when it was still writing. */
static bool read_all(int from, char *into, size_t max, int64_t deadline_ms, size_t *out_len)
{
    *out_len = 0;
    for (;;) {
        int64_t left = deadline_ms - monotonic_ms();
        struct pollfd waiting = {.fd = from, .events = POLLIN};
        if (left <= 0 || *out_len == max)
            return false;
        int ready = poll(&waiting, 1, (int)left);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return false;
        ssize_t n = read(from, into + *out_len, max - *out_len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0;
        *out_len += (size_t)n;
    }
}

static const char *words_for(char outcome)
{
    switch (outcome) {
    case PORTRAIT_UNKNOWN:
        return not_a_picture;
    case PORTRAIT_MOVING:
        return "Moving pictures do not work. Please choose a still one.";
    case PORTRAIT_SMALL:
        return "That picture is very small. Please choose one at least 64 pixels wide and high.";
    case PORTRAIT_LARGE:
        return "That picture has too many pixels. Up to 40 million work, and 12,000 on a side.";
    default:
        return damaged;
    }
}

/* What came back: one byte of outcome, then a JPEG from its first marker to its last. */
static enum result judge(const char *answer, size_t len, bool complete, struct arena *arena, const void **jpeg,
                         size_t *jpeg_len, const char **why)
{
    if (!complete) {
        *why = too_much;
        return RESULT_INVALID;
    }
    if (len < 1 || answer[0] != PORTRAIT_MADE) {
        *why = len ? words_for(answer[0]) : damaged;
        return RESULT_INVALID;
    }
    if (len < 5 || memcmp(answer + 1, "\xff\xd8", 2) != 0 || memcmp(answer + len - 2, "\xff\xd9", 2) != 0) {
        *why = damaged;
        return RESULT_INVALID;
    }
    *jpeg = arena_memdup(arena, answer + 1, len - 1);
    *jpeg_len = len - 1;
    return RESULT_OK;
}

bool portrait_may_be(const void *bytes, size_t len, const char **why)
{
    static const unsigned char JPEG[] = {0xff, 0xd8, 0xff}, PNG[] = {0x89, 'P', 'N', 'G'};
    const char *at = bytes;
    bool may = len >= 12 && (!memcmp(at, JPEG, sizeof JPEG) || !memcmp(at, PNG, sizeof PNG) ||
                             (!memcmp(at, "RIFF", 4) && !memcmp(at + 8, "WEBP", 4)));
    *why = may ? NULL : not_a_picture;
    return may;
}

enum result portrait_make(const void *bytes, size_t len, struct arena *arena, const void **jpeg, size_t *jpeg_len,
                          const char **why)
{
    if (!len || len > PORTRAIT_UPLOAD_MAX) {
        *why = len ? "That file is too large. Up to 8 MB work." : not_a_picture;
        return RESULT_INVALID;
    }
    *why = not_now;
    enum result result = RESULT_FAILED;
    int64_t deadline_ms = monotonic_ms() + PORTRAIT_DEADLINE_MS;
    int answers[2] = {-1, -1};
    int input = sealed_file(bytes, len);
    if (input < 0 || pipe2(answers, O_CLOEXEC) < 0)
        goto done;
    pid_t child = spawn_self("portrait-worker", input, answers[1]);
    if (child < 0)
        goto done;
    close(answers[1]);
    answers[1] = -1;
    const size_t max = 1 + PORTRAIT_BYTES_MAX + 1; /* one more than can be, to see that it ended */
    char *answer = arena_alloc_raw(arena, max);
    size_t answer_len;
    bool complete = read_all(answers[0], answer, max, deadline_ms, &answer_len);
    /* Whether it said all it had to say was decided above; a child that hangs on is not waited for. */
    kill(child, SIGKILL);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        continue;
    result = judge(answer, answer_len, complete, arena, jpeg, jpeg_len, why);
done:
    if (result == RESULT_FAILED)
        log_error("portrait-worker-start", "error=\"%s\"", strerror(errno));
    if (answers[0] >= 0)
        close(answers[0]);
    if (answers[1] >= 0)
        close(answers[1]);
    if (input >= 0)
        close(input);
    return result;
}
