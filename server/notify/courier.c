/* See courier.h.
 *
 * An errand goes through three steps. Its host is looked up by the resolver's threads; every answer is judged, one bad one
 * refuses the errand, and the good ones go with it, so the name is never asked again and cannot change its mind between the
 * judgement and the call. Then it waits until whoever makes the calls is there, fewer than COURIER_CALLS_MAX are under way, and
 * fewer than PER_ADDRESS_MAX to any of its addresses. Then it is handed over, and comes back with an outcome, or without one when
 * the carrier is gone.
 *
 * Carriers are processes that make the calls (sending.h): our own child, always kept ready, and at times a worker that the
 * operator started, which goes first while it is there. They are handed more than they may make at once, so that the next is there when
 * one ends.
 *
 * A call that crashes its carrier would do so for ever, and interrupt all others each time. So who was in hand at SUSPECT_ALONE crashes
 * is called from a cell: a child that is there as long as it is wanted and makes one call at a time. What crashes that is told as
 * SEND_CRASH in the end. */
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
#include "server/ids.h"
#include "server/log.h"
#include "server/notify/child.h"
#include "server/notify/errand.h"
#include "server/notify/resolver.h"
#include "server/notify/suspects.h"
#include "server/notify/wire.h"

enum {
    PER_ADDRESS_MAX = 4,
    HANDED_MAX = 2 * COURIER_CALLS_MAX, /* those that are made, and the next */
    CARRIERS = 3,
    CELL_IDLE_MS = 10000,
    START_MS = 30000, /* for a carrier to get ready */
    NOBODY = -1,      /* courier.offer: nobody is there */
    OCCUPIED = -2     /* courier.offer: somebody is */
};

_Static_assert((int)RESOLVER_QUEUE_MAX >= (int)COURIER_JOBS_MAX, "every errand may ask for its name at once");

struct carrier {
    struct wire wire;
    struct child *child; /* NULL: a worker */
    bool there;
    bool ready;   /* it takes calls */
    bool leaving; /* it said so: it gets no more */
    bool shut;    /* and was told that it has got all */
    int64_t since_ms;
};

struct courier {
    struct call_settings settings;
    struct resolver *resolver;
    int wakeup; /* an eventfd */
    int64_t tickets;
    size_t busy;
    struct child child, cell_child;
    struct carrier own, guest, cell;
    struct suspects suspects;
    int64_t cell_until_ms; /* wanted so long */
    struct arena message;  /* of the one being read */
    atomic_int offer;      /* a socket to a worker that came, or NOBODY, or OCCUPIED */
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

int courier_turn_ms(const struct courier_limits *limits)
{
    return limits->deadline_ms < COURIER_TURN_MS ? limits->deadline_ms : COURIER_TURN_MS;
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

static bool is_suspect(const struct courier *courier, const struct errand *errand)
{
    return suspects_crashes(&courier->suspects, errand->place) >= SUSPECT_ALONE;
}

/* What it had in hand is interrupted, or did it. */
static int lose(struct courier *courier, const struct carrier *carrier)
{
    int lost = 0;
    int64_t now = monotonic_ms();
    for (int i = 0; i < COURIER_JOBS_MAX; i++) {
        struct errand *errand = &courier->errands[i];
        if (errand->step != STEP_CALLING || errand->carrier != carrier)
            continue;
        bool convicted = suspects_add(&courier->suspects, errand->place, now) >= SUSPECT_CONVICTED;
        finish(courier, errand, convicted && carrier == &courier->cell ? SEND_CRASH : SEND_INTERRUPTED);
        lost++;
    }
    return lost;
}

static void carrier_gone(struct courier *courier, struct carrier *carrier)
{
    int lost = lose(courier, carrier);
    bool in_order = carrier->leaving && !lost;
    carrier->there = false;
    wire_close(&carrier->wire);
    if (carrier->child) {
        child_end(carrier->child, in_order);
        if (carrier == &courier->own)
            atomic_store(&courier->process, 0);
        atomic_fetch_add(&courier->restarts, 1);
        return;
    }
    log_warning("webhook-worker-left", "interrupted=%d", lost);
    atomic_store(&courier->offer, NOBODY);
}

static void keep_child(struct courier *courier, struct carrier *carrier)
{
    int fd;
    if (!carrier->there && child_start(carrier->child, &fd) == RESULT_OK &&
        carrier_open(courier, carrier, fd) != RESULT_OK)
        carrier_gone(courier, carrier);
}

/* There is one while somebody is to be called from it, and a little longer. */
static void keep_cell(struct courier *courier)
{
    int64_t now = monotonic_ms();
    for (int i = 0; i < COURIER_JOBS_MAX && courier->suspects.count; i++) {
        const struct errand *errand = &courier->errands[i];
        if ((errand->step == STEP_WAITING && is_suspect(courier, errand)) ||
            (errand->step == STEP_CALLING && errand->carrier == &courier->cell))
            courier->cell_until_ms = now + CELL_IDLE_MS;
    }
    if (courier->cell_until_ms > now) {
        keep_child(courier, &courier->cell);
        return;
    }
    if (courier->cell.there)
        wire_close(&courier->cell.wire);
    courier->cell.there = false;
    courier->cell_until_ms = 0;
    child_stop(&courier->cell_child);
}

/* The children that should be there, and a worker that came. */
static void carriers_gather(struct courier *courier)
{
    int fd = atomic_load(&courier->offer);
    if (fd >= 0) {
        atomic_store(&courier->offer, OCCUPIED);
        if (carrier_open(courier, &courier->guest, fd) != RESULT_OK)
            carrier_gone(courier, &courier->guest);
    }
    keep_child(courier, &courier->own);
    if (courier->cell_until_ms || courier->suspects.count)
        keep_cell(courier);
}

static bool is_ready(const struct carrier *carrier)
{
    return carrier->there && carrier->ready && !carrier->leaving;
}

static struct carrier *carrier_ready(struct courier *courier)
{
    return is_ready(&courier->guest) ? &courier->guest : is_ready(&courier->own) ? &courier->own : NULL;
}

/* Tickets end in the number of their errand. */
static struct errand *errand_of(struct courier *courier, int64_t ticket)
{
    struct errand *errand = &courier->errands[(uint64_t)ticket % COURIER_JOBS_MAX];
    return errand->call.ticket == ticket ? errand : NULL;
}

/* False: this is no outcome of a call that the carrier has in hand. */
static bool take_outcome(struct courier *courier, const struct carrier *carrier, const struct send_outcome *outcome)
{
    struct errand *errand = errand_of(courier, outcome->id);
    if (!errand || errand->step != STEP_CALLING || errand->carrier != carrier)
        return false;
    if (outcome->error != SEND_INTERRUPTED) /* that one was not begun */
        suspects_clear(&courier->suspects, errand->place);
    finish(courier, errand, outcome->error);
    errand->outcome.status = outcome->status;
    errand->outcome.latency_ms = errand->named_ms + outcome->latency_ms;
    errand->outcome.retry_after_ms = outcome->retry_after_ms;
    return true;
}

static void carrier_welcome(struct courier *courier, struct carrier *carrier)
{
    carrier->ready = true;
    if (carrier == &courier->own)
        atomic_store(&courier->process, courier->child.pid);
    else if (carrier == &courier->guest)
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
    struct carrier *all[CARRIERS] = {&courier->guest, &courier->own, &courier->cell};
    for (int i = 0; i < CARRIERS; i++)
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
    errand->place = job->place;
    errand->started_ms = monotonic_ms();
    errand->call.ticket = ++courier->tickets * COURIER_JOBS_MAX + (errand - courier->errands);
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
    if (!errand_judge(errand, &courier->settings.policy, answer))
        finish(courier, errand, SEND_REFUSED_ADDRESS);
}

static void take_names(struct courier *courier)
{
    struct resolved answer;
    while (resolver_take(courier->resolver, &answer) == RESULT_OK) {
        struct errand *errand = errand_of(courier, answer.ticket);
        if (errand && errand->step == STEP_NAMING)
            take_name(courier, errand, &answer);
    }
}

/* Whether as many as may be are under way to one of its addresses. Receivers that the operator named are the operator's to
 * burden. */
static bool is_crowded(const struct courier *courier, const struct errand *errand)
{
    for (int at = 0; errand->capped && at < errand->call.address_count; at++) {
        int under_way = 0;
        for (int i = 0; i < COURIER_JOBS_MAX; i++)
            under_way += courier->errands[i].step == STEP_CALLING &&
                         errand_goes_to(&courier->errands[i], &errand->call.addresses[at]);
        if (under_way >= PER_ADDRESS_MAX)
            return true;
    }
    return false;
}

/* The one that has waited longest, of the suspects or of the others, and of those that need not wait for their address. Not one
 * that has waited too long, as all have when this process was halted: its caller may have no right to it any more. */
static struct errand *next_to_go(struct courier *courier, bool suspects)
{
    struct errand *first = NULL;
    int64_t now = monotonic_ms();
    for (int i = 0; i < COURIER_JOBS_MAX; i++) {
        struct errand *errand = &courier->errands[i];
        if (errand->step == STEP_WAITING && (!first || errand->call.ticket < first->call.ticket) &&
            is_suspect(courier, errand) == suspects && !is_crowded(courier, errand) &&
            now < errand_deadline(errand, &courier->settings.limits))
            first = errand;
    }
    return first;
}

static int count_handed(const struct courier *courier, const struct carrier *carrier)
{
    int count = 0;
    for (int i = 0; i < COURIER_JOBS_MAX; i++)
        count += courier->errands[i].step == STEP_CALLING && courier->errands[i].carrier == carrier;
    return count;
}

static void hand_over_to(struct courier *courier, struct carrier *carrier, int most)
{
    struct errand *errand;
    int room = most - count_handed(courier, carrier);
    while (room > 0 && wire_has_room(&carrier->wire) && (errand = next_to_go(courier, carrier == &courier->cell))) {
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
    if (wire_flush(&carrier->wire) != RESULT_OK)
        carrier_gone(courier, carrier);
}

static void hand_over(struct courier *courier)
{
    struct carrier *carrier = carrier_ready(courier);
    if (carrier)
        hand_over_to(courier, carrier, HANDED_MAX);
    if (is_ready(&courier->cell))
        hand_over_to(courier, &courier->cell, 1);
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
        int64_t left = errand_deadline(&courier->errands[i], &courier->settings.limits) - now;
        if (left <= 0)
            end_one(courier, &courier->errands[i]);
        else if (left < wait_ms)
            wait_ms = (int)left;
    }
    struct carrier *all[CARRIERS] = {&courier->guest, &courier->own, &courier->cell};
    for (int i = 0; i < CARRIERS; i++) {
        if (all[i]->there && !all[i]->ready && now - all[i]->since_ms > START_MS)
            carrier_gone(courier, all[i]);
        bool wanted = all[i]->child && !all[i]->there && (all[i] != &courier->cell || courier->cell_until_ms > now);
        if (wanted && all[i]->child->next_ms - now < wait_ms)
            wait_ms = all[i]->child->next_ms > now ? (int)(all[i]->child->next_ms - now) : 1;
    }
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
    const struct carrier *all[CARRIERS] = {&courier->guest, &courier->own, &courier->cell};
    struct pollfd fds[1 + CARRIERS] = {{.fd = courier->wakeup, .events = POLLIN}};
    for (int i = 0; i < CARRIERS; i++)
        fds[i + 1] = (struct pollfd){.fd = all[i]->there ? all[i]->wire.fd : -1, .events = wire_events(&all[i]->wire)};
    uint64_t times;
    if (poll(fds, 1 + CARRIERS, wait_ms) > 0 && fds[0].revents)
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
    courier->own.child = &courier->child;
    courier->cell.child = &courier->cell_child;
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
    struct carrier *all[CARRIERS] = {&courier->guest, &courier->own, &courier->cell};
    for (int i = 0; i < CARRIERS; i++)
        if (all[i]->there)
            wire_close(&all[i]->wire);
    child_stop(&courier->child);
    child_stop(&courier->cell_child);
    for (int i = 0; i < COURIER_JOBS_MAX; i++)
        arena_free(&courier->errands[i].arena);
    arena_free(&courier->message);
    if (courier->wakeup >= 0)
        close(courier->wakeup);
    free(courier);
}
