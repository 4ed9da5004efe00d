/* See town.h. */
#include "tests/support/town.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "server/ids.h"

static const unsigned char SEAL_KEY[32] = "thirty-two bytes that seal well";

static void hear(void *context, const struct change *change)
{
    struct ear *ear = context;
    pthread_mutex_lock(&ear->lock);
    if (ear->count < HEARD_MAX)
        ear->heard[ear->count++] = *change;
    pthread_mutex_unlock(&ear->lock);
}

static void wake(void *context)
{
    struct ear *ear = context;
    pthread_mutex_lock(&ear->lock);
    ear->wakes++;
    pthread_mutex_unlock(&ear->lock);
}

size_t ear_times_heard(struct ear *ear, enum change_kind kind, int64_t subject)
{
    size_t times = 0;
    pthread_mutex_lock(&ear->lock);
    for (size_t i = 0; i < ear->count; i++)
        times += ear->heard[i].kind == kind && ear->heard[i].subject == subject;
    pthread_mutex_unlock(&ear->lock);
    return times;
}

size_t ear_times_woken(struct ear *ear)
{
    pthread_mutex_lock(&ear->lock);
    size_t times = ear->wakes;
    pthread_mutex_unlock(&ear->lock);
    return times;
}

void ear_forget(struct ear *ear)
{
    pthread_mutex_lock(&ear->lock);
    ear->count = ear->wakes = 0;
    pthread_mutex_unlock(&ear->lock);
}

void ear_wait(struct ear *ear, enum change_kind kind, int64_t subject)
{
    int64_t until_ms = monotonic_ms() + TOWN_PATIENCE_MS;
    while (!ear_times_heard(ear, kind, subject)) {
        assert_true(monotonic_ms() < until_ms);
        usleep(5000);
    }
}

static struct store *open_server(struct town *town, struct ear *ear)
{
    const struct store_options options = {.url = town->url,
                                          .driver = engine_driver(),
                                          .base_url = "https://cards.example",
                                          .seal_key = SEAL_KEY,
                                          .readers = 2};
    struct store *store;
    const char *why = NULL;
    if (store_open(&options, &town->arena, &store, &why) != RESULT_OK)
        fail_msg("%s", why);
    pthread_mutex_init(&ear->lock, NULL);
    store_on_change(store, hear, ear);
    store_on_outbox(store, wake, ear);
    return store;
}

int town_make(void **state)
{
    struct town *town = calloc(1, sizeof *town);
    struct complaints complaints = {0};
    snprintf(town->folder, sizeof town->folder, "/tmp/meishi-many-XXXXXX");
    if (!mkdtemp(town->folder))
        return -1;
    arena_init(&town->arena);
    engine_url(arena_printf(&town->arena, "%s/store", town->folder), town->url);
    for (int i = 0; i < (engine_is_sqlite() ? 1 : 2); i++)
        town->servers[i] = open_server(town, &town->ears[i]);
    town->jane = (struct member){.handle = "jane", .name = "Jane Doe"};
    assert_int_equal(store_member_add(town->servers[0], &town->jane, now_ms()), RESULT_OK);
    town->card = (struct card){.owner_id = town->jane.id, .name = "Jane Doe"};
    assert_int_equal(card_check(&town->card, &town->arena, &complaints), RESULT_OK);
    assert_int_equal(store_card_add(town->servers[0], &town->arena, &town->card, now_ms()), RESULT_OK);
    *state = town;
    return 0;
}

int town_drop(void **state)
{
    struct town *town = *state;
    char command[128];
    for (int i = 0; i < 2; i++)
        store_close(town->servers[i]);
    engine_drop(town->url);
    snprintf(command, sizeof command, "rm -rf '%s'", town->folder);
    int removed = system(command);
    arena_free(&town->arena);
    free(town);
    return removed;
}

void town_run_sql(struct town *town, const char *const *sql, size_t count)
{
    struct db *db;
    assert_int_equal(engine_driver()->open(town->url, DB_MAIN, DB_WRITE, &db), RESULT_OK);
    assert_int_equal(db->driver->begin(db), RESULT_OK);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(db_run(db, sql[i], NULL, 0), RESULT_OK);
    assert_int_equal(db->driver->end(db, true), RESULT_OK);
    db->driver->close(db);
}
