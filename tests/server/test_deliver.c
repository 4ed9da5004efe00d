/* From a lead in the store to a receiver and back into the store, with the real sender thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "server/ids.h"
#include "server/notify/deliver.h"
#include "server/notify/sending.h"
#include "server/notify/sign.h"
#include "tests/support/fresh_store.h"
#include "tests/support/receiver.h"

struct road {
    struct fresh *fresh;
    struct receiver *receiver;
    struct sender *sender;
};

static struct sender *start_sender(struct fresh *fresh)
{
    struct sender *sender;
    const char *why = NULL;
    if (sender_start(fresh->store, "127.0.0.1:*", &fresh->arena, &sender, &why) != RESULT_OK)
        fail_msg("%s", why);
    return sender;
}

static int setup(void **state)
{
    struct road *road = calloc(1, sizeof *road);
    road->fresh = fresh_open();
    road->receiver = receiver_open();
    road->sender = start_sender(road->fresh);
    *state = road;
    return 0;
}

static int teardown(void **state)
{
    struct road *road = *state;
    sender_stop(road->sender);
    receiver_close(road->receiver);
    fresh_close(road->fresh);
    free(road);
    return 0;
}

static struct webhook endpoint(struct road *road, const char *path)
{
    return fresh_webhook(
        road->fresh, arena_printf(&road->fresh->arena, "http://127.0.0.1:%d%s", receiver_port(road->receiver), path));
}

/* The only delivery of an endpoint. */
static struct delivery delivery_of(struct road *road, const struct webhook *webhook)
{
    struct delivery *list;
    size_t count;
    assert_int_equal(store_delivery_list(road->fresh->store, &road->fresh->arena, road->fresh->jane.id,
                                         &(struct delivery_filter){webhook->id, -1, 0, 10}, &list, &count),
                     RESULT_OK);
    assert_true(count >= 1);
    return list[0];
}

/* Waits until the delivery has been tried ATTEMPTS times: at most 20 s, which is well under what the sender sleeps when nobody
 * wakes it. */
static struct delivery wait_for(struct road *road, const struct webhook *webhook, int attempts)
{
    for (int i = 0; i < 2000; i++) {
        struct delivery delivery = delivery_of(road, webhook);
        if (delivery.attempts >= attempts)
            return delivery;
        usleep(10000);
    }
    fail_msg("never tried %d times", attempts);
    return (struct delivery){0};
}

static void deliver__tells_of_a_lead_at_once_and_signed(void **state)
{
    struct road *road = *state;
    struct webhook webhook = endpoint(road, "/ok");
    struct lead lead;
    struct received received;
    assert_int_equal(fresh_form(road->fresh, &road->fresh->share, id_new(), "Ada", "ada@example.org", &lead),
                     RESULT_OK);
    struct delivery delivery = wait_for(road, &webhook, 1);
    assert_int_equal(delivery.state, DELIVERY_DELIVERED);
    assert_int_equal(delivery.last_status, 204);
    assert_int_equal(receiver_get(road->receiver, "/ok", 0, &received), 0);

    char id[ID_TEXT_SIZE], signature[WEBHOOK_SIGNATURE_SIZE];
    assert_string_equal(received.id, id_format(id, "msg", delivery.event_id));
    webhook_sign(signature, webhook.secret, received.id, strtoll(received.timestamp, NULL, 10), received.body);
    assert_string_equal(received.signature, signature);
    json_t *body = json_loads(received.body, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(body, "type")), "lead.created");
    json_decref(body);
    struct sender_figures figures;
    sender_figures(road->sender, &figures);
    assert_int_equal(figures.attempts, 1);
    assert_int_equal(figures.delivered, 1);
    assert_int_equal(figures.in_flight, 0);
}

static int64_t ping(struct road *road, const struct webhook *webhook)
{
    int64_t id;
    assert_int_equal(store_webhook_ping(road->fresh->store, road->fresh->jane.id, webhook->id, now_ms(), &id),
                     RESULT_OK);
    return id;
}

static void deliver__tries_again_with_the_same_id(void **state)
{
    struct road *road = *state;
    struct webhook webhook = endpoint(road, "/flaky");
    struct received first, second;
    int64_t id = ping(road, &webhook);
    struct delivery delivery = wait_for(road, &webhook, 1);
    assert_int_equal(delivery.state, DELIVERY_PENDING);
    assert_int_equal(delivery.last_status, 500);
    assert_string_equal(delivery.last_error, "status");
    assert_in_range(delivery.due_ms, now_ms() + 3000, now_ms() + 8000);
    /* Waiting out the five seconds: by hand, the schedule is tested with a clock in test_webhooks.c. */
    struct outcome give_up = {.delivery_id = id, .state = DELIVERY_FAILED, .attempt = {.error = "status"}};
    assert_int_equal(store_delivery_record(road->fresh->store, &give_up, 1, now_ms()), RESULT_OK);
    assert_int_equal(store_delivery_redeliver(road->fresh->store, road->fresh->jane.id, id, now_ms()), RESULT_OK);
    for (int i = 0; i < 200 && delivery_of(road, &webhook).state != DELIVERY_DELIVERED; i++)
        usleep(10000);
    assert_int_equal(delivery_of(road, &webhook).state, DELIVERY_DELIVERED);
    assert_int_equal(receiver_get(road->receiver, "/flaky", 0, &first), 0);
    assert_int_equal(receiver_get(road->receiver, "/flaky", 1, &second), 0);
    assert_string_equal(first.id, second.id);
    assert_string_equal(first.body, second.body);
}

static void deliver__turns_an_endpoint_off_that_is_gone(void **state)
{
    struct road *road = *state;
    struct webhook webhook = endpoint(road, "/gone"), found;
    ping(road, &webhook);
    assert_int_equal(wait_for(road, &webhook, 1).state, DELIVERY_DISABLED);
    assert_int_equal(
        store_webhook_find(road->fresh->store, &road->fresh->arena, road->fresh->jane.id, webhook.id, &found),
        RESULT_OK);
    assert_int_not_equal(found.disabled_ms, 0);
    assert_string_equal(found.disabled_why, "the receiver answered 410 Gone");
}

static void deliver__waits_as_long_as_a_busy_receiver_asks(void **state)
{
    struct road *road = *state;
    struct webhook webhook = endpoint(road, "/retry-after");
    ping(road, &webhook);
    struct delivery delivery = wait_for(road, &webhook, 1);
    assert_int_equal(delivery.state, DELIVERY_PENDING);
    assert_in_range(delivery.due_ms, now_ms() + 110000, now_ms() + 135000); /* a minute at least, twice that at most */
}

static void deliver__has_at_most_two_under_way_to_one_endpoint(void **state)
{
    struct road *road = *state;
    struct webhook slow = endpoint(road, "/slow-ok"), quick = endpoint(road, "/ok");
    for (int i = 0; i < 5; i++)
        ping(road, &slow);
    ping(road, &quick);
    assert_int_equal(wait_for(road, &quick, 1).state, DELIVERY_DELIVERED);
    for (int i = 0; i < 600 && receiver_count(road->receiver, "/slow-ok") < 5; i++)
        usleep(10000);
    assert_int_equal(receiver_count(road->receiver, "/slow-ok"), 5);
    assert_int_equal(receiver_most_at_once(road->receiver, "/slow-ok"), 2);
}

/* ---- a store that is away for a while ---- */

static struct db_driver deaf; /* the engine of the run, but for its commits */
static atomic_bool refuses;
static atomic_int refused;

static enum result open_deaf(const char *url, enum db_part part, enum db_mode mode, struct db **out)
{
    enum result result = engine_driver()->open(url, part, mode, out);
    if (result == RESULT_OK)
        (*out)->driver = &deaf;
    return result;
}

static enum result end_deaf(struct db *db, bool commit)
{
    bool commits = commit && !atomic_load(&refuses);
    enum result result = engine_driver()->end(db, commits);
    if (commits == commit)
        return result;
    atomic_fetch_add(&refused, 1);
    return RESULT_FAILED;
}

static void deliver__records_later_what_arrived_while_the_store_was_away(void **state)
{
    struct road *road = *state;
    static const unsigned char key[32] = "thirty-two bytes of a seal key.";
    const char *why;
    struct store_options options = {
        .url = road->fresh->url, .driver = &deaf, .base_url = "https://meishi.example", .seal_key = key};
    sender_stop(road->sender);
    store_close(road->fresh->store);
    deaf = *engine_driver();
    deaf.open = open_deaf;
    deaf.end = end_deaf;
    assert_int_equal(store_open(&options, &road->fresh->arena, &road->fresh->store, &why), RESULT_OK);
    road->sender = start_sender(road->fresh);
    struct webhook webhook = endpoint(road, "/slow-ok");
    ping(road, &webhook);
    for (int i = 0; i < 2000 && !receiver_count(road->receiver, "/slow-ok"); i++)
        usleep(10000);
    atomic_store(&refuses, true);
    for (int i = 0; i < 2000 && atomic_load(&refused) < 2; i++) /* with a claim, and alone */
        usleep(10000);
    atomic_store(&refuses, false);
    assert_int_equal(wait_for(road, &webhook, 1).state, DELIVERY_DELIVERED);
    assert_int_equal(receiver_count(road->receiver, "/slow-ok"), 1);
}

static void deliver__refuses_a_list_it_cannot_read(void **state)
{
    struct road *road = *state;
    struct sender *sender;
    const char *why = NULL;
    assert_int_equal(sender_start(road->fresh->store, "10.0.0.0/8", &road->fresh->arena, &sender, &why),
                     RESULT_INVALID);
    assert_non_null(strstr(why, "MEISHI_WEBHOOK_ALLOW"));
}

/* A process of its own that waits for a store's URL, sends what is due there, and is killed before it can record. It is
 * started before there is any thread: what threads hold at a fork stays held in the child. */
static pid_t start_doomed(int *tell)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    *tell = ends[1];
    if (child) {
        close(ends[0]);
        return child;
    }
    static const unsigned char key[32] = "thirty-two bytes of a seal key.";
    char url[ENGINE_URL_SIZE] = "";
    struct arena arena;
    struct store *store;
    struct sender *sender;
    const char *why;
    struct store_options options = {
        .url = url, .driver = engine_driver(), .base_url = "https://meishi.example", .seal_key = key};
    arena_init(&arena);
    close(ends[1]);
    if (read(ends[0], url, sizeof url) != (ssize_t)sizeof url ||
        store_open(&options, &arena, &store, &why) != RESULT_OK ||
        sender_start(store, "127.0.0.1:*", &arena, &sender, &why) != RESULT_OK)
        _exit(1);
    for (;;)
        pause();
}

static void deliver__killed_between_send_and_record_sends_the_same_id_again(void **state)
{
    (void)state;
    int tell;
    pid_t child = start_doomed(&tell);
    struct fresh *fresh = fresh_open();
    struct receiver *receiver = receiver_open();
    struct webhook webhook =
        fresh_webhook(fresh, arena_printf(&fresh->arena, "http://127.0.0.1:%d/slow-ok", receiver_port(receiver)));
    int64_t id, next_due_ms;
    assert_int_equal(store_webhook_ping(fresh->store, fresh->jane.id, webhook.id, now_ms(), &id), RESULT_OK);
    store_close(fresh->store);
    fresh->store = NULL;
    assert_int_equal(write(tell, fresh->url, sizeof fresh->url), sizeof fresh->url);
    close(tell);
    for (int i = 0; i < 500 && !receiver_count(receiver, "/slow-ok"); i++)
        usleep(10000);
    assert_int_equal(receiver_count(receiver, "/slow-ok"), 1);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);

    fresh_restart(fresh);
    struct delivery *claimed;
    struct received first;
    size_t count;
    char message_id[ID_TEXT_SIZE];
    assert_int_equal(receiver_get(receiver, "/slow-ok", 0, &first), 0);
    assert_int_equal(store_delivery_claim(fresh->store, &fresh->arena, now_ms(), 1000,
                                          &(struct delivery_load){.places = 10}, &claimed, &count, &next_due_ms),
                     RESULT_OK);
    assert_int_equal(count, 0); /* its lease has not ended: somebody else might be sending it */
    assert_int_equal(store_delivery_claim(fresh->store, &fresh->arena, next_due_ms, 1000,
                                          &(struct delivery_load){.places = 10}, &claimed, &count, &next_due_ms),
                     RESULT_OK);
    assert_int_equal(count, 1);
    assert_int_equal(claimed[0].id, id);
    assert_string_equal(id_format(message_id, "msg", claimed[0].event_id), first.id);
    assert_string_equal(event_number(claimed[0].body, claimed[0].sequence, &fresh->arena), first.body);
    receiver_close(receiver);
    fresh_close(fresh);
}

#define ON_THE_ROAD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(int argc, char **argv)
{
    if (argc == 2)
        sending_main(argv[1]); /* what the courier starts is this program again */
    if (sodium_init() < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deliver__killed_between_send_and_record_sends_the_same_id_again),
        ON_THE_ROAD(deliver__tells_of_a_lead_at_once_and_signed),
        ON_THE_ROAD(deliver__tries_again_with_the_same_id),
        ON_THE_ROAD(deliver__turns_an_endpoint_off_that_is_gone),
        ON_THE_ROAD(deliver__waits_as_long_as_a_busy_receiver_asks),
        ON_THE_ROAD(deliver__has_at_most_two_under_way_to_one_endpoint),
        ON_THE_ROAD(deliver__records_later_what_arrived_while_the_store_was_away),
        ON_THE_ROAD(deliver__refuses_a_list_it_cannot_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
