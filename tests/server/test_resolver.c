/* The resolver's threads beside names that take long, or never come at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "server/ids.h"
#include "server/notify/resolver.h"

/* Stands in for the system's resolver: "stuck…" does not return while the gate is shut, anything else is not found at once. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int inside, most;
    bool shut;
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **out)
{
    (void)port;
    (void)hints;
    (void)out;
    if (strncmp(host, "stuck", 5) != 0)
        return EAI_NONAME;
    pthread_mutex_lock(&gate.lock);
    gate.inside++;
    gate.most = gate.inside > gate.most ? gate.inside : gate.most;
    pthread_cond_broadcast(&gate.changed);
    while (gate.shut)
        pthread_cond_wait(&gate.changed, &gate.lock);
    gate.inside--;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
    return EAI_NONAME;
}

static void set_gate(bool shut)
{
    pthread_mutex_lock(&gate.lock);
    gate.shut = shut;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

static void wait_until_inside(int count)
{
    pthread_mutex_lock(&gate.lock);
    while (gate.inside != count)
        pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
}

static void nothing(void *context)
{
    (void)context;
}

static int setup(void **state)
{
    set_gate(true);
    gate.most = 0;
    return resolver_open(nothing, NULL, (struct resolver **)state) != RESULT_OK;
}

static int teardown(void **state)
{
    set_gate(false);
    resolver_close(*state);
    wait_until_inside(0);
    return 0;
}

static void ask(struct resolver *resolver, int64_t ticket, int64_t group, const char *host)
{
    assert_int_equal(resolver_ask(resolver, ticket, group, host, 443), RESULT_OK);
}

/* Waits for an answer; which ticket it is for. */
static int64_t answered(struct resolver *resolver)
{
    struct resolved answer;
    while (resolver_take(resolver, &answer) != RESULT_OK)
        usleep(1000);
    return answer.ticket;
}

static void prove(struct resolver *resolver, int64_t group)
{
    ask(resolver, 1000 + group, group, "there.example");
    assert_int_equal(answered(resolver), 1000 + group);
}

static void resolver__gives_one_group_one_thread(void **state)
{
    for (int i = 0; i < 10; i++)
        ask(*state, 1 + i, 7, "stuck.example");
    ask(*state, 99, 8, "there.example");
    assert_int_equal(answered(*state), 99);
    wait_until_inside(1);
    assert_int_equal(gate.most, 1);
}

static void resolver__keeps_threads_for_those_whose_names_come(void **state)
{
    prove(*state, 50);
    for (int i = 0; i < 2 * RESOLVER_THREADS; i++)
        ask(*state, 1 + i, 1 + i, "stuck.example");
    wait_until_inside(RESOLVER_UNPROVEN_MAX);
    for (int i = 0; i < 5; i++)
        prove(*state, 50);
    assert_int_equal(gate.most, RESOLVER_UNPROVEN_MAX);
}

static void resolver__goes_on_when_every_look_up_hangs(void **state)
{
    /* Each of them hangs for ever, and whoever asked gives up on it. */
    for (int i = 0; i < RESOLVER_THREADS_MAX - RESOLVER_THREADS; i++) {
        ask(*state, 1 + i, 1 + i, "stuck.example");
        wait_until_inside(1 + i);
        resolver_forget(*state, 1 + i);
    }
    prove(*state, 50);
    prove(*state, 51);
    set_gate(false);
    wait_until_inside(0); /* and when they come back, there are no more threads than before */
    prove(*state, 50);
    set_gate(true);
    for (int i = 0; i < 2 * RESOLVER_THREADS; i++)
        prove(*state, 100 + i);
    for (int i = 0; i < 2 * RESOLVER_THREADS; i++)
        ask(*state, 1 + i, 100 + i, "stuck.example");
    wait_until_inside(RESOLVER_THREADS);
    usleep(20000);
    wait_until_inside(RESOLVER_THREADS);
}

static void resolver__closes_while_a_look_up_hangs(void **state)
{
    (void)state;
    struct resolver *resolver;
    set_gate(true);
    assert_int_equal(resolver_open(nothing, NULL, &resolver), RESULT_OK);
    ask(resolver, 1, 1, "stuck.example");
    wait_until_inside(1);
    resolver_close(resolver);
    set_gate(false);
    wait_until_inside(0);
}

static void resolver__answers_an_address_without_a_thread(void **state)
{
    static const char *const HOSTS[] = {"93.184.215.14", "2606:2800::1"};
    for (int i = 0; i < RESOLVER_THREADS; i++)
        ask(*state, 10 + i, 10 + i, "stuck.example");
    for (int i = 0; i < 2; i++) {
        struct resolved answer;
        ask(*state, 1 + i, 10, HOSTS[i]);
        assert_int_equal(resolver_take(*state, &answer), RESULT_OK);
        assert_int_equal(answer.ticket, 1 + i);
        assert_int_equal(answer.count, 1);
        char host[64], port[8];
        assert_int_equal(getnameinfo((struct sockaddr *)&answer.addresses[0], sizeof answer.addresses[0], host,
                                     sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV),
                         0);
        assert_string_equal(host, HOSTS[i]);
        assert_string_equal(port, "443");
    }
}

#define WITH_RESOLVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_RESOLVER(resolver__gives_one_group_one_thread),
        WITH_RESOLVER(resolver__keeps_threads_for_those_whose_names_come),
        WITH_RESOLVER(resolver__goes_on_when_every_look_up_hangs),
        WITH_RESOLVER(resolver__answers_an_address_without_a_thread),
        cmocka_unit_test(resolver__closes_while_a_look_up_hangs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
