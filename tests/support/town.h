/* A store with two servers in this process, each with connections of its own, and what each was told; with a member who has a
 * card. On SQLite, where there is only ever one, one. The steps of a test that are not its subject: they fail it. */
#ifndef MEISHI_TESTS_TOWN_H
#define MEISHI_TESTS_TOWN_H

#include <pthread.h>
#include "server/store/store.h"
#include "tests/support/engine.h"

enum { TOWN_PATIENCE_MS = 30000, HEARD_MAX = 64 };

/* What a server was told. */
struct ear {
    pthread_mutex_t lock;
    struct change heard[HEARD_MAX];
    size_t count, wakes;
};

struct town {
    char folder[64], url[ENGINE_URL_SIZE];
    struct arena arena;
    struct store *servers[2]; /* one on SQLite */
    struct ear ears[2];
    struct member jane;
    struct card card;
};

size_t ear_times_heard(struct ear *ear, enum change_kind kind, int64_t subject);
size_t ear_times_woken(struct ear *ear);
void ear_forget(struct ear *ear);
/* Until it was told so; fails the test when that takes TOWN_PATIENCE_MS. */
void ear_wait(struct ear *ear, enum change_kind kind, int64_t subject);

/* Setup and teardown of a test. */
int town_make(void **state);
int town_drop(void **state);
/* In one transaction, by a connection that is nobody's. */
void town_run_sql(struct town *town, const char *const *sql, size_t count);

#endif
