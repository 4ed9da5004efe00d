/* A store in a folder of its own for one test, with a member who has a card. The steps of a test that are not its subject:
 * they abort when they fail. */
#ifndef MEISHI_TESTS_STORE_PLACE_H
#define MEISHI_TESTS_STORE_PLACE_H

#include "server/store/store.h"
#include "tests/support/engine.h"

/* What every suite of the store runs on: the engine of the run (engine.h), twice. The second time it goes through the driver that faults are planned on, without any: it
 * must change nothing, and notices calls that should not be made. */
enum { STORE_ENGINES = 2 };
struct store_engine {
    const char *name;
    const struct db_driver *driver;
};
extern const struct store_engine store_engines[STORE_ENGINES];

struct store_place {
    char folder[64], url[ENGINE_URL_SIZE];
    struct arena arena;
    const struct db_driver *driver;
    struct store *store;
    struct member jane;
    struct card card;
};

/* DRIVER NULL: the one of the run. Opened, not started. */
struct store_place *store_place_make(const struct db_driver *driver);
void store_place_open(struct store_place *place); /* again, after store_close */
void store_place_drop(struct store_place *place); /* closes and removes everything */

struct member store_place_member(struct store_place *place, const char *handle);
struct card store_place_card(struct store_place *place, int64_t owner_id, const char *name);
/* A share of place->card on a channel; PARENT_ID 0 for none. */
struct share store_place_share(struct store_place *place, enum channel channel, int64_t parent_id);

#endif
