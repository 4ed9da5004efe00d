/* A store in a folder of its own with one member, a card and shares, and hits brought to it by hand or by the queue. */
#ifndef MEISHI_TESTS_HIT_STORE_H
#define MEISHI_TESTS_HIT_STORE_H

#include <stddef.h>
#include <stdint.h>
#include "cards/base/arena.h"
#include "server/store/hits.h"
#include "tests/support/engine.h"

enum { PLACE_OWNER = 1001, PLACE_CARD = 2001, PLACE_SHARE = 3001 /* and following */, PLACE_SHARES = 4 };

struct place {
    char folder[64], url[ENGINE_URL_SIZE];
    struct arena arena; /* what the tests read */
    struct store *store;
    int64_t inbox_seq;
};

void place_make(struct place *place); /* the store is made and closed */
void place_drop(struct place *place);
void place_open(struct place *place, bool start);
void place_close(struct place *place);
/* Puts rows into the inbox of a closed store, in this order, as the writer would have before a crash. */
void place_bring(struct place *place, const struct hit *rows, size_t count);

/* A hit on PLACE_SHARE + SHARE, and an act that followed it. */
struct hit hit_at(int64_t id, int share);
struct hit act_on(const struct hit *hit, uint32_t acts, int64_t earlier_id);

/* Of one number: "SELECT count(*) …". */
int64_t place_number(struct place *place, const char *sql);
bool place_has_table(struct place *place, const char *name);
void place_run(struct place *place, const char *sql);
/* All hits of a share, newest first, three a page. */
size_t place_list(struct place *place, int share, struct hit_row **out);
/* All days and channels added up. */
struct day_count place_counts(struct place *place);
/* Fails the test unless the counters equal the rows of all months, by verdict. */
void place_check_counts(struct place *place);

#endif
