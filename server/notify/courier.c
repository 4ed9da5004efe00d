/* See courier.h.
 *
 * An errand goes through three steps. Its host is looked up by the resolver's threads; every answer is judged, one bad one
 * refuses the errand, and the good ones go with it, so the name is never asked again and cannot change its mind between the
 * judgement and the call. Then it waits until whoever makes the calls is there, fewer than COURIER_CALLS_MAX are under way, and
 * fewer than PER_ADDRESS_MAX to any of its addresses. Then it is handed over, and comes back with an outcome, or without one when the carrier is gone.
 *
 * Carriers are processes that make the calls (sending.h): our own child, always kept ready, and at times a worker that the
 * operator started, which goes first while it is there. */
#include "server/notify/courier.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include "cards/base/arena.h"
#include "cards/base/url.h"
#include "server/ids.h"
#include "server/log.h"
#include "server/notify/child.h"
#include "server/notify/resolver.h"
#include "server/notify/wire.h"

enum {
    PER_ADDRESS_MAX = 4,
    TURN_MS = 5000,   /* for a carrier, and for a turn at an address */
    HANG_MS = 5000,   /* past a call's deadline: its carrier hangs */
    START_MS = 30000, /* for a carrier to get ready */
    NOBODY = -1,      /* courier.offer: nobody is there */
    OCCUPIED = -2     /* courier.offer: somebody is */
};

_Static_assert((int)RESOLVER_QUEUE_MAX >= (int)COURIER_JOBS_MAX, "every errand may ask for its name at once");

enum step { STEP_FREE, STEP_NAMING, STEP_WAITING, STEP_CALLING, STEP_DONE };

struct carrier {
    struct wire wire;
    bool there;
    bool ready;   /* it takes calls */
    bool leaving; /* it said so: it gets no more */
    bool shut;    /* and was told that it has got all */
    int64_t since_ms;
};

struct errand {
    enum step step;
    struct arena arena;
    int64_t id, started_ms;
    int64_t step_ms;  /* since when it is in this step */
    int64_t named_ms; /* how long the name took */
    struct url url;
    bool plain;  /* http */
    bool capped; /* to an address of a stranger */
    struct call call;
    struct carrier *carrier;
    struct send_outcome outcome;
};

struct courier {
    struct call_settings settings;
    struct resolver *resolver;
    int wakeup; /* an eventfd */
    int64_t tickets;
    size_t busy;
    struct child child;
    struct carrier own, guest;
    struct arena message; /* of the one being read */
    atomic_int offer;     /* a socket to a worker that came, or NOBODY, or OCCUPIED */
    atomic_llong restarts, process;
    struct errand errands[COURIER_JOBS_MAX];
};

void courier_scrub_environment(void)
{
    static const char *const NAMES[] = {
        "http_proxy",  "https_proxy",    "all_proxy",        "no_proxy",      "ftp_proxy",     "HTTP_PROXY",
        "HTTPS_PROXY", "ALL_PROXY",      "NO_PROXY",         "FTP_PROXY",     "SSLKEYLOGFILE", "NETRC",
        "CURL_HOME",   "CURL_CA_BUNDLE", "CURL_SSL_BACKEND", "SSL_CERT_FILE", "SSL_CERT_DIR",
    };
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        unsetenv(NAMES[i]);
    setenv("RES_OPTIONS", "timeout:1 attempts:2", 1);
}

void courier_wake(struct courier *courier)
{
    const uint64_t one = 1;
    (void)!write(courier->wakeup, &one, sizeof one); /* full is awake enough */
}

static void resolver_spoke(void *context)
{
    courier_wake(context);
}

size_t courier_busy(const struct courier *courier)
{
    return courier->busy;
}

/* ---- the end of an errand ---- */

static void finish(struct courier *courier, struct errand *errand, enum send_error error)
{
    if (errand->step == STEP_NAMING)
        resolver_forget(courier->resolver, errand->call.ticket);
    errand->outcome =
        (struct send_outcome){.id = errand->id, .error = error, .latency_ms = monotonic_ms() - errand->started_ms};
    errand->step = STEP_DONE;
}

static void go_on(struct errand *errand, enum step step)
{
    errand->step = step;
    errand->step_ms = monotonic_ms();
}

/* ---- carriers ---- */

static enum result carrier_open(struct courier *courier, struct carrier *carrier, int fd)
{
    struct message message = {.kind = MESSAGE_SETTINGS, .settings = courier->settings};
    wire_open(&carrier->wire, fd);
    carrier->there = true;
    carrier->ready = carrier->leaving = carrier->shut = false;
    carrier->since_ms = monotonic_ms();
    return wire_put(&carrier->wire, &message);
}

/* What it had in hand is interrupted, and what becomes of it depends on whose it is. */
static void carrier_gone(struct courier *courier, struct carrier *carrier)
{
    int lost = 0;
    for (int i = 0; i < COURIER_JOBS_MAX; i++) {
        struct errand *errand = &courier->errands[i];
        if (errand->step != STEP_CALLING || errand->carrier != carrier)
            continue;
        finish(courier, errand, SEND_INTERRUPTED);
        lost++;
    }
    bool in_order = carrier->leaving && !lost;
    carrier->there = false;
    wire_close(&carrier->wire);
    if (carrier == &courier->own) {
        child_end(&courier->child, in_order);
        atomic_store(&courier->process, 0);
        atomic_fetch_add(&courier->restarts, 1);
        return;
    }
    log_warning("webhook-worker-left", "interrupted=%d", lost);
    atomic_store(&courier->offer, NOBODY);
}

/* The child that should be there, and a worker that came. */
static void carriers_gather(struct courier *courier)
{
    int fd = atomic_load(&courier->offer);
    if (fd >= 0) {
        atomic_store(&courier->offer, OCCUPIED);
        if (carrier_open(courier, &courier->guest, fd) != RESULT_OK)
            carrier_gone(courier, &courier->guest);
    }
    if (!courier->own.there && child_start(&courier->child, &fd) == RESULT_OK &&
        carrier_open(courier, &courier->own, fd) != RESULT_OK)
        carrier_gone(courier, &courier->own);
}

static struct carrier *carrier_ready(struct courier *courier)
{
    struct carrier *all[] = {&courier->guest, &courier->own};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i]->there && all[i]->ready && !all[i]->leaving)
            return all[i];
    return NULL;
}

/* False: this is no outcome of a call that the carrier has in hand. */
static bool take_outcome(struct courier *courier, const struct carrier *carrier, const struct send_outcome *outcome)
{
    for (int i = 0; i < COURIER_JOBS_MAX; i++) {
        struct errand *errand = &courier->errands[i];
        if (errand->step != STEP_CALLING || errand->carrier != carrier || errand->call.ticket != outcome->id)
            continue;
        finish(courier, errand, outcome->error);
        errand->outcome.status = outcome->status;
        errand->outcome.latency_ms = errand->named_ms + outcome->latency_ms;
        errand->outcome.retry_after_ms = outcome->retry_after_ms;
        return true;
    }
    return false;
}

static void carrier_welcome(struct courier *courier, struct carrier *carrier)
{
    carrier->ready = true;
    if (carrier == &courier->own)
        atomic_store(&courier->process, courier->child.pid);
    else
        log_info("webhook-worker-came", "words=\"it sends the webhooks now\"");
}

/* Hears a carrier out; false when it is gone, or says what it should not. */
static bool carrier_listen(struct courier *courier, struct carrier *carrier)
{
    struct message message;
    enum result result;
    wire_fill(&carrier->wire);
    while ((result = wire_take(&carrier->wire, &courier->message, &message)) == RESULT_OK) {
        if (message.kind == MESSAGE_READY)
            carrier_welcome(courier, carrier);
        else if (message.kind == MESSAGE_LEAVING)
            carrier->leaving = true;
        else if (message.kind != MESSAGE_OUTCOME || !take_outcome(courier, carrier, &message.outcome))
            result = RESULT_INVALID;
        arena_reset(&courier->message);
        if (result == RESULT_INVALID)
            break;
    }
    if (result == RESULT_INVALID)
        log_error("webhook-sender-nonsense", "words=\"it said what it should not; it is not listened to again\"");
    if (result == RESULT_INVALID || carrier->wire.ended || wire_flush(&carrier->wire) != RESULT_OK)
        return false;
    if (carrier->leaving && !carrier->shut && !(wire_events(&carrier->wire) & POLLOUT))
        carrier->shut = !shutdown(carrier->wire.fd, SHUT_WR);
    return true;
}

static void carriers_listen(struct courier *courier)
{
    struct carrier *all[] = {&courier->guest, &courier->own};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i]->there && !carrier_listen(courier, all[i]))
            carrier_gone(courier, all[i]);
}

/* ---- an errand's way ---- */

static struct errand *free_errand(struct courier *courier)
{
    for (int i = 0; i < COURIER_JOBS_MAX; i++)
        if (courier->errands[i].step == STEP_FREE)
            return &courier->errands[i];
    return NULL;
}

enum result courier_add(struct courier *courier, const struct send_job *job)
{
    struct errand *errand = free_errand(courier);
    if (!errand)
        return RESULT_LIMITED;
    memset(errand, 0, sizeof *errand);
    arena_init(&errand->arena);
    errand->id = job->id;
    errand->started_ms = monotonic_ms();
    errand->call.ticket = ++courier->tickets;
    errand->call.body = arena_strdup(&errand->arena, job->body);
    for (int i = 0; i < COURIER_HEADERS_MAX && job->headers[i]; i++)
        errand->call.headers[i] = arena_strdup(&errand->arena, job->headers[i]);
    courier->busy++;

    if (url_parse(job->url, URL_NO_FRAGMENT, &errand->arena, &errand->url) != RESULT_OK) {
        finish(courier, errand, SEND_BAD_URL);
        return RESULT_OK;
    }
    errand->call.url = errand->url.text;
    errand->plain = !strcmp(errand->url.scheme, "http");
    go_on(errand, STEP_NAMING);
    if (resolver_ask(courier->resolver, errand->call.ticket, job->group, errand->url.host, errand->url.port) !=
        RESULT_OK)
        finish(courier, errand, SEND_NAME_NOT_FOUND);
    return RESULT_OK;
}

/* Judges every answer and keeps the first few. False: one of them may not be called. */
static bool judge(const struct courier *courier, struct errand *errand, const struct resolved *answer)
{
    for (int i = 0; i < answer->count; i++) {
        const struct sockaddr_storage *address = &answer->addresses[i];
        enum address_verdict verdict =
            address_judge(&courier->settings.policy, (const struct sockaddr *)address, sizeof *address);
        if (verdict == ADDRESS_REFUSED || (verdict == ADDRESS_PUBLIC && errand->plain))
            return false;
        errand->capped = errand->capped || verdict == ADDRESS_PUBLIC;
        if (i < CALL_ADDRESSES_MAX)
            errand->call.addresses[errand->call.address_count++] = *address;
    }
    return true;
}

static void take_name(struct courier *courier, struct errand *errand, const struct resolved *answer)
{
    if (!answer->count) {
        finish(courier, errand,
               answer->timed_out ? SEND_NAME_TIMEOUT
               : answer->failed  ? SEND_NAME_FAILED
                                 : SEND_NAME_NOT_FOUND);
        return;
    }
    errand->named_ms = monotonic_ms() - errand->started_ms;
    go_on(errand, STEP_WAITING);
    if (!judge(courier, errand, answer))
        finish(courier, errand, SEND_REFUSED_ADDRESS);
}

static void take_names(struct courier *courier)
{
    struct resolved answer;
    while (resolver_take(courier->resolver, &answer) == RESULT_OK)
        for (int i = 0; i < COURIER_JOBS_MAX; i++)
            if (courier->errands[i].step == STEP_NAMING && courier->errands[i].call.ticket == answer.ticket)
                take_name(courier, &courier->errands[i], &answer);
}

static bool goes_to(const struct errand *errand, const struct sockaddr_storage *address)
{
    for (int i = 0; i < errand->call.address_count; i++)
        if (address_is_same(&errand->call.addresses[i], address))
            return true;
    return false;
}

/* Whether as many as may be are under way to one of its addresses. Receivers that the operator named are the operator's to
 * burden. */
static bool is_crowded(const struct courier *courier, const struct errand *errand)
{
    for (int at = 0; errand->capped && at < errand->call.address_count; at++) {
        int under_way = 0;
        for (int i = 0; i < COURIER_JOBS_MAX; i++)
            under_way +=
                courier->errands[i].step == STEP_CALLING && goes_to(&courier->errands[i], &errand->call.addresses[at]);
        if (under_way >= PER_ADDRESS_MAX)
            return true;
    }
    return false;
}

/* The one that has waited longest, of those that need not wait for their address. */
static struct errand *next_to_go(struct courier *courier)
{
    struct errand *first = NULL;
    for (int i = 0; i < COURIER_JOBS_MAX; i++) {
        struct errand *errand = &courier->errands[i];
        if (errand->step == STEP_WAITING && (!first || errand->call.ticket < first->call.ticket) &&
            !is_crowded(courier, errand))
            first = errand;
    }
    return first;
}

static int calls_under_way(const struct courier *courier)
{
    int count = 0;
    for (int i = 0; i < COURIER_JOBS_MAX; i++)
        count += courier->errands[i].step == STEP_CALLING;
    return count;
}

static void hand_over(struct courier *courier)
{
    struct carrier *carrier = carrier_ready(courier);
    struct errand *errand;
    int room = COURIER_CALLS_MAX - calls_under_way(courier);
    while (carrier && room > 0 && wire_has_room(&carrier->wire) && (errand = next_to_go(courier))) {
        int64_t left_ms = courier->settings.limits.deadline_ms - errand->named_ms;
        errand->call.deadline_ms = left_ms > 0 ? (int)left_ms : 1;
        const struct message message = {.kind = MESSAGE_CALL, .call = errand->call};
        if (wire_put(&carrier->wire, &message) != RESULT_OK) {
            log_error("webhook-send", "why=\"longer than a message can be\"");
            finish(courier, errand, SEND_BAD_URL);
            continue;
        }
        errand->carrier = carrier;
        go_on(errand, STEP_CALLING);
        room--;
    }
    if (carrier && wire_flush(&carrier->wire) != RESULT_OK)
        carrier_gone(courier, carrier);
}

/* When the errand's step has taken too long, on the monotonic clock. */
static int64_t deadline_of(const struct courier *courier, const struct errand *errand)
{
    const struct courier_limits *limits = &courier->settings.limits;
    switch (errand->step) {
    case STEP_NAMING: {
        /* A name waits its turn behind the same member's others, hence not name_ms alone. */
        int patience = limits->name_ms + limits->connect_ms;
        return errand->step_ms + (patience < limits->deadline_ms ? patience : limits->deadline_ms);
    }
    case STEP_WAITING:
        return errand->step_ms + TURN_MS;
    case STEP_CALLING:
        return errand->step_ms + errand->call.deadline_ms + HANG_MS;
    case STEP_FREE:
    case STEP_DONE:
        break;
    }
    return INT64_MAX;
}

static void end_one(struct courier *courier, struct errand *errand)
{
    if (errand->step == STEP_CALLING) {
        log_error("webhook-sender-hangs", "words=\"a call is long overdue; it is ended\"");
        carrier_gone(courier, errand->carrier);
    } else {
        finish(courier, errand, errand->step == STEP_NAMING ? SEND_NAME_TIMEOUT : SEND_INTERRUPTED);
    }
}

/* Ends what is overdue; the milliseconds until the next may be, at most WAIT_MS. */
static int end_overdue(struct courier *courier, int wait_ms)
{
    int64_t now = monotonic_ms();
    for (int i = 0; i < COURIER_JOBS_MAX; i++) {
        int64_t left = deadline_of(courier, &courier->errands[i]) - now;
        if (left <= 0)
            end_one(courier, &courier->errands[i]);
        else if (left < wait_ms)
            wait_ms = (int)left;
    }
    struct carrier *all[] = {&courier->guest, &courier->own};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i]->there && !all[i]->ready && now - all[i]->since_ms > START_MS)
            carrier_gone(courier, all[i]);
    if (!courier->own.there && courier->child.next_ms - now < wait_ms)
        wait_ms = courier->child.next_ms > now ? (int)(courier->child.next_ms - now) : 1;
    return wait_ms;
}

static int move_on(struct courier *courier, int wait_ms)
{
    take_names(courier);
    carriers_gather(courier);
    carriers_listen(courier);
    hand_over(courier);
    return end_overdue(courier, wait_ms);
}

static size_t collect(struct courier *courier, struct send_outcome *out, size_t max)
{
    size_t count = 0;
    for (int i = 0; i < COURIER_JOBS_MAX && count < max; i++) {
        struct errand *errand = &courier->errands[i];
        if (errand->step != STEP_DONE)
            continue;
        out[count++] = errand->outcome;
        arena_free(&errand->arena);
        errand->step = STEP_FREE;
        courier->busy--;
    }
    return count;
}

static void sleep_until_woken(struct courier *courier, int wait_ms)
{
    const struct carrier *all[] = {&courier->guest, &courier->own};
    struct pollfd fds[3] = {{.fd = courier->wakeup, .events = POLLIN}};
    for (int i = 0; i < 2; i++)
        fds[i + 1] = (struct pollfd){.fd = all[i]->there ? all[i]->wire.fd : -1, .events = wire_events(&all[i]->wire)};
    uint64_t times;
    if (poll(fds, 3, wait_ms) > 0 && fds[0].revents)
        (void)!read(courier->wakeup, &times, sizeof times);
}

size_t courier_run(struct courier *courier, int wait_ms, struct send_outcome *out, size_t max)
{
    wait_ms = move_on(courier, wait_ms);
    size_t count = collect(courier, out, max);
    if (count || wait_ms <= 0)
        return count;
    sleep_until_woken(courier, wait_ms);
    move_on(courier, 0);
    return collect(courier, out, max);
}

/* ---- start and stop ---- */

static int or_default(int value, int fallback)
{
    return value ? value : fallback;
}

enum result courier_open(const struct address_policy *policy, const struct courier_limits *limits, struct courier **out)
{
    struct courier *courier = calloc(1, sizeof *courier);
    if (!courier)
        return RESULT_FAILED;
    struct courier_limits *own = &courier->settings.limits;
    courier->settings.policy = *policy;
    if (limits)
        *own = *limits;
    own->name_ms = or_default(own->name_ms, COURIER_NAME_MS);
    own->connect_ms = or_default(own->connect_ms, COURIER_CONNECT_MS);
    own->answer_ms = or_default(own->answer_ms, COURIER_ANSWER_MS);
    own->deadline_ms = or_default(own->deadline_ms, COURIER_DEADLINE_MS);
    arena_init(&courier->message);
    atomic_store(&courier->offer, NOBODY);
    courier->wakeup = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (courier->wakeup < 0 || resolver_open(resolver_spoke, courier, &courier->resolver) != RESULT_OK) {
        courier_close(courier);
        return RESULT_FAILED;
    }
    carriers_gather(courier); /* it takes a while to be ready */
    *out = courier;
    return RESULT_OK;
}

enum result courier_attach(struct courier *courier, int fd)
{
    int nobody = NOBODY;
    if (!atomic_compare_exchange_strong(&courier->offer, &nobody, fd))
        return RESULT_CONFLICT;
    courier_wake(courier);
    return RESULT_OK;
}

void courier_figures(struct courier *courier, struct courier_figures *out)
{
    *out = (struct courier_figures){.restarts = atomic_load(&courier->restarts),
                                    .process = atomic_load(&courier->process),
                                    .worker = atomic_load(&courier->offer) != NOBODY};
}

void courier_close(struct courier *courier)
{
    if (!courier)
        return;
    resolver_close(courier->resolver);
    int offered = atomic_load(&courier->offer);
    if (offered >= 0)
        close(offered);
    struct carrier *all[] = {&courier->guest, &courier->own};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i]->there)
            wire_close(&all[i]->wire);
    child_stop(&courier->child);
    for (int i = 0; i < COURIER_JOBS_MAX; i++)
        arena_free(&courier->errands[i].arena);
    arena_free(&courier->message);
    if (courier->wakeup >= 0)
        close(courier->wakeup);
    free(courier);
}
