/* What the code alone keeps from being called, with nothing behind it: in a network namespace every address there is belongs to
 * this machine and a canary listens on all of them. Thousands of spellings, names that lead there, and calls handed to the
 * sending process directly as if the server had been deceived leave it untouched; the same with everything allowed reach it, so
 * it would have noticed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "server/ids.h"
#include "server/notify/child.h"
#include "server/notify/courier.h"
#include "server/notify/sending.h"
#include "server/notify/wire.h"
#include "tests/support/spellings.h"

static const char EVERYTHING[] = "0.0.0.0/0:*,[::]/0:*";
static const struct courier_limits SHORT = {
    .name_ms = 2000, .connect_ms = 2000, .answer_ms = 2000, .deadline_ms = 4000};

/* One of each kind; the last two would be public if they were not this machine's. */
static const char *const PLACES[] = {"127.0.0.1",       "10.1.2.3",    "172.16.5.5",  "192.168.7.1", "100.64.9.9",
                                     "198.18.0.9",      "203.0.113.7", "::1",         "fd00::7",     "64:ff9b::a01:203",
                                     "2002:a01:203::1", "20.9.9.9",    "2606:4700::7"};
static const char *const NEVER[] = {"169.254.169.254", "fe80::7"}; /* whatever the operator allows */
enum { PLACE_COUNT = sizeof PLACES / sizeof *PLACES, NEVER_COUNT = sizeof NEVER / sizeof *NEVER, RANDOM_EACH = 250 };
static const uint16_t PORTS[] = {80, 443, 8443, 9000};
enum { PORT_COUNT = sizeof PORTS / sizeof *PORTS };

extern char **environ;
static bool in_street;
static atomic_int touched;
static atomic_int rebound; /* how often a name that changes was asked for */

static const char *place(int i)
{
    return i < PLACE_COUNT ? PLACES[i] : NEVER[i - PLACE_COUNT];
}

/* ---- the street ---- */

static bool run(char *const *words)
{
    pid_t pid;
    int status;
    return !posix_spawnp(&pid, words[0], NULL, NULL, words, environ) && waitpid(pid, &status, 0) == pid && !status;
}

#define RUN(...) run((char *const[]){__VA_ARGS__, NULL})

static bool write_file(const char *path, const char *text)
{
    int file = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text);
    if (file >= 0)
        close(file);
    return ok;
}

/* As root, or as root of a user namespace. */
static bool enter_namespace(void)
{
    char map[32];
    uid_t uid = geteuid();
    if (!unshare(CLONE_NEWNET))
        return true;
    snprintf(map, sizeof map, "0 %u 1", uid);
    return !unshare(CLONE_NEWUSER | CLONE_NEWNET) && write_file("/proc/self/uid_map", map);
}

static void *watch(void *context)
{
    struct pollfd *listeners = context;
    while (poll(listeners, PORT_COUNT, -1) > 0)
        for (int i = 0; i < PORT_COUNT; i++) {
            int caller = listeners[i].revents ? accept(listeners[i].fd, NULL, NULL) : -1;
            if (caller < 0)
                continue;
            atomic_fetch_add(&touched, 1);
            close(caller);
        }
    return NULL;
}

static void start_canary(void)
{
    static struct pollfd listeners[PORT_COUNT];
    pthread_t thread;
    for (int i = 0; i < PORT_COUNT; i++) {
        struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(PORTS[i])};
        int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), off = 0;
        assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off), 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof any), 0);
        assert_int_equal(listen(fd, 128), 0);
        listeners[i] = (struct pollfd){.fd = fd, .events = POLLIN};
    }
    assert_int_equal(pthread_create(&thread, NULL, watch, listeners), 0);
    pthread_detach(thread);
}

static int open_street(void **state)
{
    (void)state;
    in_street = enter_namespace() && RUN("ip", "link", "set", "lo", "up") &&
                RUN("ip", "route", "add", "local", "8.8.8.8/32", "dev", "lo") &&
                RUN("ip", "route", "add", "local", "100.64.0.0/10", "dev", "lo") &&
                RUN("ip", "route", "add", "local", "169.254.0.0/16", "dev", "lo") &&
                RUN("ip", "route", "add", "local", "172.16.0.0/12", "dev", "lo") &&
                RUN("ip", "route", "add", "local", "192.168.0.0/16", "dev", "lo") &&
                RUN("ip", "route", "add", "local", "198.18.0.0/15", "dev", "lo") &&
                RUN("ip", "route", "add", "local", "203.0.113.0/24", "dev", "lo") &&
                RUN("ip", "-6", "route", "add", "local", "fc00::/7", "dev", "lo") &&
                RUN("ip", "-6", "route", "add", "local", "64:ff9b::/32", "dev", "lo") &&
                RUN("ip", "-6", "route", "add", "local", "2002::/16", "dev", "lo") &&
                RUN("ip", "addr", "add", "2606:4700::7/128", "dev", "lo", "nodad") &&
                RUN("ip", "addr", "add", "10.1.2.3/8", "dev", "lo") &&
                RUN("ip", "addr", "add", "20.9.9.9/32", "dev", "lo") &&
                RUN("ip", "addr", "add", "fe80::7/64", "dev", "lo", "nodad");
    /* And a public network in which nobody ever answers. */
    in_street = in_street && RUN("ip", "link", "add", "nobody", "type", "veth", "peer", "name", "nowhere") &&
                RUN("ip", "addr", "add", "198.18.7.1/32", "dev", "nobody") &&
                RUN("ip", "link", "set", "nobody", "up") && RUN("ip", "link", "set", "nowhere", "up") &&
                RUN("ip", "route", "add", "9.9.9.0/24", "dev", "nobody");
    if (in_street)
        start_canary();
    else
        print_message("# SKIP network namespaces are not permitted here\n");
    return 0;
}

/* Not by skip(), which cmocka's TAP calls "not ok". */
#define ONLY_IN_THE_STREET() \
    if (!in_street)          \
    return

/* ---- names ---- */

static void *answer_of(const char *text, const char *port, struct addrinfo *next)
{
    struct {
        struct addrinfo info;
        struct sockaddr_storage address;
    } *answer = calloc(1, sizeof *answer);
    struct sockaddr_in *v4 = (struct sockaddr_in *)&answer->address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&answer->address;
    bool is_v4 = inet_pton(AF_INET, text, &v4->sin_addr) == 1;
    answer->info.ai_family = is_v4 ? AF_INET : AF_INET6;
    if (!is_v4)
        inet_pton(AF_INET6, text, &v6->sin6_addr);
    answer->address.ss_family = (sa_family_t)answer->info.ai_family;
    v4->sin_port = htons((uint16_t)strtol(port, NULL, 10)); /* at the same place in both */
    answer->info.ai_addrlen = is_v4 ? sizeof *v4 : sizeof *v6;
    answer->info.ai_addr = (struct sockaddr *)&answer->address;
    answer->info.ai_canonname = "street";
    answer->info.ai_next = next;
    return &answer->info;
}

/* Stands in for the system's resolver: "p3.test" is place 3, "m3.test" that behind good ones, "r3.test" turns to it, "s.test" is
 * somebody public who never answers. */
int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **out)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    if (!host || !strstr(host, ".test"))
        return real(host, port, hints, out);
    if (host[0] == 's') {
        *out = answer_of("9.9.9.9", port, NULL);
        return 0;
    }
    *out = answer_of(place((int)strtol(host + 1, NULL, 10)), port, NULL);
    for (int i = 0; host[0] == 'm' && i < 12; i++)
        *out = answer_of("8.8.8.8", port, *out);
    if (host[0] == 'r' && atomic_fetch_add(&rebound, 1) % 2 == 0) {
        freeaddrinfo(*out);
        *out = answer_of("8.8.8.8", port, NULL);
    }
    return 0;
}

void freeaddrinfo(struct addrinfo *list)
{
    void (*real)(struct addrinfo *);
    *(void **)&real = dlsym(RTLD_NEXT, "freeaddrinfo");
    if (!list || !list->ai_canonname || strcmp(list->ai_canonname, "street")) {
        real(list);
        return;
    }
    for (struct addrinfo *next; list; list = next) {
        next = list->ai_next;
        free(list);
    }
}

/* ---- the real sender ---- */

struct round {
    struct courier *courier;
    int64_t ids;
    int sent, refused, ended;
};

static void open_round(struct round *round, const char *allow)
{
    struct address_policy policy;
    const char *why;
    *round = (struct round){0};
    assert_int_equal(address_policy_parse(allow, &policy, &why), RESULT_OK);
    assert_int_equal(courier_open(&policy, &SHORT, &round->courier), RESULT_OK);
}

static void take_outcomes(struct round *round, int wait_ms)
{
    struct send_outcome outcomes[COURIER_JOBS_MAX];
    size_t count = courier_run(round->courier, wait_ms, outcomes, COURIER_JOBS_MAX);
    for (size_t i = 0; i < count; i++) {
        round->refused += outcomes[i].error == SEND_REFUSED_ADDRESS;
        round->ended++;
        assert_int_not_equal(outcomes[i].error, SEND_OK);
    }
}

static void send_to(struct round *round, const char *url)
{
    struct send_job job = {.id = ++round->ids, .group = round->ids, .url = url, .headers = {"X: y"}, .body = "{}"};
    while (courier_add(round->courier, &job) == RESULT_LIMITED)
        take_outcomes(round, 50);
    round->sent++;
}

static void close_round(struct round *round)
{
    while (round->ended < round->sent)
        take_outcomes(round, 50);
    courier_close(round->courier);
    usleep(100000); /* the canary hears of a connection a moment after it was made */
}

/* HOST as it stands, or in brackets if it must, with each scheme and port. */
static void send_to_host(struct round *round, const char *host)
{
    static const char *const FORMS[] = {"https://%s/",      "https://%s:443/hook", "https://%s:8443/", "http://%s/",
                                        "http://%s:9000/x", "https://%s.:443/",    "HTTPS://%s:0443/"};
    char url[512], form[256];
    snprintf(form, sizeof form, strchr(host, ':') && host[0] != '[' ? "[%s]" : "%s", host);
    for (size_t i = 0; i < sizeof FORMS / sizeof *FORMS; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(url, sizeof url, FORMS[i], form);
#pragma GCC diagnostic pop
        send_to(round, url);
    }
}

/* One number of an IPv4 address as people and attackers write it. */
static int spell_part(char *out, size_t size, uint32_t value, uint64_t chance)
{
    static const char *const FORMS[] = {"%u", "0x%x", "0X%X", "0%o", "0x%08x", "000%o", "%u", "%03u"};
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    return snprintf(out, size, FORMS[chance % 8], value);
#pragma GCC diagnostic pop
}

static void spell_v4(char *out, size_t size, uint32_t address, uint64_t chance)
{
    static const char *const DOTS[] = {".", ".", ".", "\xe3\x80\x82", "%2e", "\xef\xbc\x8e"};
    const char *dot = DOTS[chance % 6];
    int parts = 1 + (int)(chance / 6 % 4);
    size_t used = 0;
    for (int i = 0; i < parts; i++, chance /= 8) {
        int bytes = i == parts - 1 ? 4 - i : 1; /* the last takes all that is left */
        uint32_t value = (address >> 8 * (4 - i - bytes)) & (bytes == 4 ? UINT32_MAX : (1U << 8 * bytes) - 1);
        used += (size_t)spell_part(out + used, size - used, value, chance / 24);
        if (i < parts - 1)
            used += (size_t)snprintf(out + used, size - used, "%s", dot);
    }
}

static void spell_v6(char *out, size_t size, const unsigned char *bits, uint64_t chance)
{
    size_t used = 0;
    for (int i = 0; i < 16; i += 2, chance /= 4) {
        unsigned group = (unsigned)bits[i] << 8 | bits[i + 1];
        const char *colon = i ? ":" : "";
        used += (size_t)(chance % 2 ? snprintf(out + used, size - used, chance % 4 > 1 ? "%s%X" : "%s%x", colon, group)
                                    : snprintf(out + used, size - used, "%s%04x", colon, group));
    }
}

/* Another way to write place I, or something that a parser might take for it. */
static void spell_place(char *out, size_t size, int i)
{
    unsigned char bits[16];
    char plain[128];
    uint64_t chance = random_u64();
    if (inet_pton(AF_INET6, place(i), bits) == 1) {
        spell_v6(plain, sizeof plain, bits, chance);
    } else {
        inet_pton(AF_INET, place(i), bits);
        spell_v4(plain, sizeof plain,
                 (uint32_t)bits[0] << 24 | (uint32_t)bits[1] << 16 | (uint32_t)bits[2] << 8 | bits[3], chance);
    }
    static const char *const AROUND[] = {"%s",
                                         "%s",
                                         "%s",
                                         "%s",
                                         "user@%s",
                                         "example.org@%s",
                                         "%s%%00.example.org",
                                         "example.org\\@%s",
                                         "%s#.example.org",
                                         "%s?.example.org",
                                         "[%s]",
                                         "[%s%%25lo]",
                                         "%s\t",
                                         " %s",
                                         "[::ffff:%s]",
                                         "[::%s]"};
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(out, size, AROUND[chance >> 40 & 15], plain);
#pragma GCC diagnostic pop
}

static void canary__is_not_touched_by_any_spelling(void **state)
{
    (void)state;
    struct round round;
    char host[256];
    ONLY_IN_THE_STREET();
    atomic_store(&touched, 0);
    open_round(&round, "");
    for (size_t i = 0; i < refused_spellings_count; i++)
        send_to_host(&round, refused_spellings[i]);
    for (int i = 0; i < PLACE_COUNT + NEVER_COUNT; i++) {
        send_to_host(&round, place(i));
        for (int j = 0; j < RANDOM_EACH; j++) {
            spell_place(host, sizeof host, i);
            send_to_host(&round, host);
        }
    }
    close_round(&round);
    assert_int_equal(atomic_load(&touched), 0);
    assert_true(round.sent > 20000);
    assert_true(round.refused > 1000); /* it was the judgement, not only the parser */
}

static void canary__is_not_touched_by_any_name(void **state)
{
    (void)state;
    struct round round;
    ONLY_IN_THE_STREET();
    atomic_store(&touched, 0);
    open_round(&round, "");
    for (int i = 0; i < PLACE_COUNT + NEVER_COUNT; i++)
        for (int again = 0; again < 20; again++) {
            char name[32];
            snprintf(name, sizeof name, "%c%d.test", "pmr"[again % 3], i);
            send_to_host(&round, name);
        }
    close_round(&round);
    assert_int_equal(atomic_load(&touched), 0);
    assert_int_equal(round.refused, round.sent); /* 8.8.8.8 is this machine's own here */
}

static void canary__would_have_been_touched(void **state)
{
    (void)state;
    ONLY_IN_THE_STREET();
    for (int i = 0; i < PLACE_COUNT + NEVER_COUNT; i++) {
        struct round round;
        char name[32], url[128];
        snprintf(name, sizeof name, "p%d.test", i);
        snprintf(url, sizeof url, strchr(place(i), ':') ? "http://[%s]:9000/" : "http://%s:9000/", place(i));
        atomic_store(&touched, 0);
        open_round(&round, EVERYTHING);
        send_to_host(&round, name);
        send_to(&round, url);
        close_round(&round);
        if (i >= PLACE_COUNT)
            assert_int_equal(atomic_load(&touched), 0);
        else if (atomic_load(&touched) < 8)
            fail_msg("%s was called %d times of 8", place(i), atomic_load(&touched));
    }
}

/* Connections that are being opened in this namespace: state 02 of /proc/net/tcp. */
static int connecting(void)
{
    char line[256];
    int count = 0;
    FILE *file = fopen("/proc/thread-self/net/tcp", "re");
    while (file && fgets(line, sizeof line, file)) {
        unsigned state;
        count += sscanf(line, "%*d: %*x:%*x %*x:%*x %x", &state) == 1 && state == 2;
    }
    if (file)
        fclose(file);
    return count;
}

static void courier__makes_at_most_four_calls_to_one_address_at_once(void **state)
{
    (void)state;
    struct round round;
    int most = 0;
    ONLY_IN_THE_STREET();
    open_round(&round, "");
    for (int i = 0; i < 10; i++)
        send_to(&round, "https://s.test/");
    while (round.ended < round.sent) {
        take_outcomes(&round, 20);
        int now = connecting();
        most = now > most ? now : most;
    }
    courier_close(round.courier);
    assert_int_equal(most, 4);
}

/* ---- the sending process alone ---- */

/* Hands one call to a sender as a deceived server would; what comes back. */
static enum send_error ask_sender(const char *allow, const char *url, const char *pinned, uint16_t port)
{
    struct child child = {0};
    struct wire *wire = calloc(1, sizeof *wire);
    struct arena arena;
    struct message settings = {.kind = MESSAGE_SETTINGS, .settings = {.limits = SHORT}}, got = {0};
    const char *why;
    int fd;
    arena_init(&arena);
    assert_int_equal(address_policy_parse(allow, &settings.settings.policy, &why), RESULT_OK);
    assert_int_equal(child_start(&child, &fd), RESULT_OK);
    char text[8];
    snprintf(text, sizeof text, "%u", port);
    struct addrinfo *address = answer_of(pinned, text, NULL);
    struct message call = {.kind = MESSAGE_CALL,
                           .call = {.ticket = 1, .deadline_ms = 3000, .url = url, .address_count = 1, .body = "{}"}};
    memcpy(&call.call.addresses[0], address->ai_addr, address->ai_addrlen);
    freeaddrinfo(address);
    wire_open(wire, fd);
    assert_int_equal(wire_put(wire, &settings), RESULT_OK);
    assert_int_equal(wire_put(wire, &call), RESULT_OK);
    while (got.kind != MESSAGE_OUTCOME) {
        struct pollfd ready = {.fd = fd, .events = wire_events(wire)};
        assert_int_equal(wire_flush(wire), RESULT_OK);
        poll(&ready, 1, 100);
        wire_fill(wire);
        while (got.kind != MESSAGE_OUTCOME && wire_take(wire, &arena, &got) == RESULT_OK)
            continue;
        assert_false(wire->ended);
    }
    wire_close(wire);
    free(wire);
    child_stop(&child);
    arena_free(&arena);
    usleep(50000);
    return got.outcome.error;
}

static void sender__refuses_what_a_deceived_server_hands_it(void **state)
{
    (void)state;
    ONLY_IN_THE_STREET();
    atomic_store(&touched, 0);
    for (int i = 0; i < PLACE_COUNT + NEVER_COUNT; i++)
        assert_int_equal(ask_sender("", "https://name.test/", place(i), 443), SEND_REFUSED_ADDRESS);
    /* Not what was pinned, though it were allowed. */
    assert_int_equal(ask_sender(EVERYTHING, "http://10.1.2.3:9000/", "10.1.2.4", 9000), SEND_REFUSED_ADDRESS);
    assert_int_equal(ask_sender(EVERYTHING, "http://10.1.2.3:9000/", "10.1.2.3", 8443), SEND_REFUSED_ADDRESS);
    assert_int_equal(ask_sender("10.0.0.0/8:9000", "http://name.test/", "20.9.9.9", 80), SEND_REFUSED_ADDRESS);
    assert_int_equal(atomic_load(&touched), 0);
    /* And it would have called. */
    assert_int_not_equal(ask_sender(EVERYTHING, "http://name.test:9000/", "10.1.2.3", 9000), SEND_REFUSED_ADDRESS);
    assert_int_not_equal(ask_sender(EVERYTHING, "https://name.test/", "fd00::7", 443), SEND_REFUSED_ADDRESS);
    assert_int_equal(atomic_load(&touched), 2);
}

int main(int argc, char **argv)
{
    if (argc == 2)
        sending_main(argv[1]); /* what is started is this program again */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canary__is_not_touched_by_any_spelling),
        cmocka_unit_test(canary__is_not_touched_by_any_name),
        cmocka_unit_test(canary__would_have_been_touched),
        cmocka_unit_test(courier__makes_at_most_four_calls_to_one_address_at_once),
        cmocka_unit_test(sender__refuses_what_a_deceived_server_hands_it),
    };
    return cmocka_run_group_tests_name("canary", tests, open_street, NULL);
}
