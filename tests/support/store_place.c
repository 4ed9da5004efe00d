/* See store_place.h. */
#include "tests/support/store_place.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "server/ids.h"
#include "tests/support/db_faulty.h"

const struct store_engine store_engines[STORE_ENGINES] = {{"plain", NULL}, {"counted", &db_faulty}};

static const unsigned char SEAL_KEY[32] = "thirty-two bytes that seal well";

static void must(enum result result, const char *what)
{
    if (result == RESULT_OK)
        return;
    fprintf(stderr, "%s: %d\n", what, result);
    abort();
}

void store_place_open(struct store_place *place)
{
    const struct store_options options = {.url = place->url,
                                          .driver = place->driver,
                                          .base_url = "https://cards.example",
                                          .seal_key = SEAL_KEY,
                                          .readers = 3};
    const char *why;
    enum result result = store_open(&options, &place->arena, &place->store, &why);
    must(result, why ? why : "store_open");
}

struct store_place *store_place_make(const struct db_driver *driver)
{
    struct store_place *place = calloc(1, sizeof *place);
    if (!place)
        abort();
    /* In memory where there is such a place: what is tested here is not whether the disk holds. */
    snprintf(place->folder, sizeof place->folder, "%s/meishi-store-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(place->folder))
        abort();
    arena_init(&place->arena);
    engine_url(arena_printf(&place->arena, "%s/store", place->folder), place->url);
    place->driver = driver ? driver : engine_driver();
    store_place_open(place);
    place->jane = store_place_member(place, "jane");
    place->card = store_place_card(place, place->jane.id, "Jane Doe");
    return place;
}

void store_place_drop(struct store_place *place)
{
    char command[128];
    store_close(place->store);
    engine_drop(place->url);
    snprintf(command, sizeof command, "rm -rf '%s'", place->folder);
    if (system(command) != 0)
        abort();
    arena_free(&place->arena);
    free(place);
}

struct member store_place_member(struct store_place *place, const char *handle)
{
    struct member member = {.handle = handle, .name = arena_printf(&place->arena, "Ms %s", handle)};
    must(store_member_add(place->store, &member, now_ms()), "store_member_add");
    return member;
}

struct card store_place_card(struct store_place *place, int64_t owner_id, const char *name)
{
    struct card card = {.owner_id = owner_id, .name = name};
    struct complaints complaints = {0};
    must(card_check(&card, &place->arena, &complaints), "card_check");
    must(store_card_add(place->store, &place->arena, &card, now_ms()), "store_card_add");
    return card;
}

struct share store_place_share(struct store_place *place, enum channel channel, int64_t parent_id)
{
    struct share share = {.owner_id = place->jane.id,
                          .card_id = place->card.id,
                          .sharer_member_id = place->jane.id,
                          .channel = channel,
                          .parent_id = parent_id};
    token_new(share.token);
    must(store_share_add(place->store, &place->arena, &share, now_ms()), "store_share_add");
    return share;
}
