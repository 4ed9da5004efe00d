/* See sending.h. */
#include "server/notify/sending.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <unistd.h>
#include "server/ids.h"
#include "server/jail.h"
#include "server/notify/calls.h"
#include "server/notify/wire.h"

enum {
    SETTINGS_MS = 10000,
    SLEEP_MS = 5000,
    TELL_MS = 3,                                  /* outcomes wait for others while there is enough to do */
    HANG_S = 60,                                  /* a round of the loop takes milliseconds */
    DESCRIPTORS_MAX = 3 * COURIER_CALLS_MAX + 16, /* a call may try two addresses at once */
    DAY_MS = 24 * 3600 * 1000
};
static const size_t memory_max = (size_t)192 * 1024 * 1024;

struct sending {
    struct wire wire;
    struct arena arena; /* of one message */
    struct calls *calls;
    int signals;
    bool leaving; /* LEAVING is said */
    int64_t started_ms;
};

const char *sending_words(int code)
{
    switch (code) {
    case EX_OK:
        return "it left without a word";
    case EX_CONFIG:
        return "the certificates of the authorities could not be read";
    case EX_OSERR:
        return "this kernel would not lock it up";
    case EX_PROTOCOL:
        return "it was told something it does not understand; is it of another version?";
    case EX_UNAVAILABLE:
        return "the server went away";
    case EX_TEMPFAIL:
        return "it was told to end at once";
    default:
        return "it failed";
    }
}

/* The first message, waited for. */
static int open_calls(struct sending *sending)
{
    struct message message;
    int64_t end_ms = monotonic_ms() + SETTINGS_MS;
    enum result result;
    while ((result = wire_take(&sending->wire, &sending->arena, &message)) == RESULT_NOT_FOUND) {
        int64_t left_ms = end_ms - monotonic_ms();
        struct pollfd settings = {.fd = sending->wire.fd, .events = POLLIN};
        if (sending->wire.ended || left_ms <= 0)
            return EX_UNAVAILABLE;
        poll(&settings, 1, (int)left_ms);
        wire_fill(&sending->wire);
    }
    if (result != RESULT_OK || message.kind != MESSAGE_SETTINGS)
        return EX_PROTOCOL;
    result = calls_open(&message.settings, &sending->calls);
    arena_reset(&sending->arena);
    return result == RESULT_OK ? EX_OK : EX_CONFIG;
}

static int say(struct sending *sending, enum message_kind kind)
{
    const struct message message = {.kind = kind};
    return wire_put(&sending->wire, &message) == RESULT_OK && wire_flush(&sending->wire) == RESULT_OK ? EX_OK
                                                                                                      : EX_UNAVAILABLE;
}

static int take_calls(struct sending *sending)
{
    struct message message;
    enum result result;
    while (calls_busy(sending->calls) < COURIER_JOBS_MAX) {
        result = wire_take(&sending->wire, &sending->arena, &message);
        if (result == RESULT_NOT_FOUND)
            return EX_OK;
        if (result != RESULT_OK || message.kind != MESSAGE_CALL ||
            calls_add(sending->calls, &message.call) != RESULT_OK)
            return EX_PROTOCOL;
        arena_reset(&sending->arena);
    }
    return EX_OK;
}

static int give_outcomes(struct sending *sending)
{
    struct message message = {.kind = MESSAGE_OUTCOME};
    bool enough = calls_queued(sending->calls) && monotonic_ms() - calls_done_since(sending->calls) < TELL_MS;
    while (!enough && wire_has_room(&sending->wire) && calls_take(sending->calls, &message.outcome) == RESULT_OK)
        if (wire_put(&sending->wire, &message) != RESULT_OK)
            return EX_SOFTWARE;
    return wire_flush(&sending->wire) == RESULT_OK ? EX_OK : EX_UNAVAILABLE;
}

static int leave(struct sending *sending)
{
    if (sending->leaving)
        return EX_OK;
    sending->leaving = true;
    return say(sending, MESSAGE_LEAVING);
}

/* The operator's signal: the first asks it to leave, the second ends it. */
static int take_signal(struct sending *sending)
{
    struct signalfd_siginfo info;
    if (read(sending->signals, &info, sizeof info) != (ssize_t)sizeof info)
        return EX_OK;
    return sending->leaving ? EX_TEMPFAIL : leave(sending);
}

/* Until something of ours or of the server's happens. */
static int wait_for_more(struct sending *sending)
{
    struct pollfd others[2];
    unsigned count = 0;
    short events = wire_events(&sending->wire);
    /* A socket that was closed altogether is always ready; once it has ended only our writing will show that. */
    if (events)
        others[count++] = (struct pollfd){.fd = sending->wire.fd, .events = events};
    if (sending->signals >= 0)
        others[count++] = (struct pollfd){.fd = sending->signals, .events = POLLIN};
    bool untold = calls_done_since(sending->calls) != INT64_MAX;
    calls_run(sending->calls, others, count, untold ? TELL_MS : SLEEP_MS);
    wire_fill(&sending->wire);
    return count && others[count - 1].fd == sending->signals && others[count - 1].revents ? take_signal(sending)
                                                                                          : EX_OK;
}

/* One round: 0 to go on. *LEFT: it is over, in good order. */
static int go_round(struct sending *sending, bool *left)
{
    alarm(HANG_S);
    int code = take_calls(sending);
    if (!code)
        code = give_outcomes(sending);
    bool idle = !calls_busy(sending->calls);
    if (!code && idle && monotonic_ms() - sending->started_ms > DAY_MS)
        code = leave(sending);
    if (!code && sending->wire.ended && !sending->leaving)
        code = EX_UNAVAILABLE;
    *left = sending->wire.ended && sending->leaving && idle && !wire_events(&sending->wire);
    return code || *left ? code : wait_for_more(sending);
}

static int serve(int signals)
{
    struct sending *sending = calloc(1, sizeof *sending);
    bool left = false;
    if (!sending)
        return EX_OSERR;
    sending->signals = signals;
    sending->started_ms = monotonic_ms();
    arena_init(&sending->arena);
    wire_open(&sending->wire, STDIN_FILENO);
    int code = open_calls(sending);
    if (!code && jail_enter_sender(memory_max, DESCRIPTORS_MAX) != RESULT_OK)
        code = EX_OSERR;
    if (!code)
        code = say(sending, MESSAGE_READY);
    while (!code && !left)
        code = go_round(sending, &left);
    calls_close(sending->calls);
    wire_close(&sending->wire);
    arena_free(&sending->arena);
    free(sending);
    return code;
}

static void ignore_signals(void)
{
    static const int left_to_the_server[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof left_to_the_server / sizeof *left_to_the_server; i++)
        signal(left_to_the_server[i], SIG_IGN);
}

/* SIGTERM and SIGINT as something to read; -1 when that fails. */
static int open_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    return sigprocmask(SIG_BLOCK, &set, NULL) ? -1 : signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Ends by _exit: in the jail what runs at a usual exit may not be allowed. */
void sending_main(const char *word)
{
    bool worker = !strcmp(word, SENDING_WORKER);
    if (!worker && strcmp(word, SENDING_CHILD) != 0)
        return;
    signal(SIGPIPE, SIG_IGN);
    if (!worker) {
        const struct sched_param none = {0};
        (void)sched_setscheduler(0, SCHED_BATCH, &none);
        ignore_signals();
        _exit(serve(-1));
    }
    int signals = open_signals();
    int code = signals < 0 ? EX_OSERR : serve(signals);
    if (code)
        fprintf(stderr, "meishi: the worker ends: %s\n", sending_words(code));
    _exit(code);
}
