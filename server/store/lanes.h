/* Lanes: stretches of the inbox's numbers, one for each process that writes hits to it. See lanes.c. */
#ifndef MEISHI_STORE_LANES_H
#define MEISHI_STORE_LANES_H

#include <stddef.h>
#include <stdint.h>
#include "cards/base/arena.h"

struct db;

enum {
    LANES_MAX = 1024,
    LANE_BITS = 48 /* of a number, which its lane stands above */
};

struct lane {
    int64_t number;
    int64_t after; /* the mark: up to here it is folded */
    int64_t last;  /* up to here a batch has read it */
    int64_t end;   /* what it holds beyond the mark ends here; AFTER and less: nothing */
};
struct lanes {
    struct lane *list; /* by number */
    size_t count;
};

int64_t lane_first(int64_t number); /* no number of the lane is as small; the one before's are no larger */
/* The lane of a hit's number; NULL when it is not in the list. */
struct lane *lanes_find(const struct lanes *lanes, int64_t seq);

/* The one lane of an engine that one process writes to, of which only the mark is known. */
void lanes_one(struct arena *arena, int64_t after, struct lanes *out);
/* All lanes with their marks and ends as DB sees them, of either part of a shared engine. Take a snapshot first to read them
 * by. */
enum result lanes_read(struct db *db, struct arena *arena, struct lanes *out) MUST_CHECK;
/* Moves AFTER, and LAST with it, to the marks that DB shows, a connection to the main part. */
enum result lanes_see_marks(struct db *db, struct lanes *lanes) MUST_CHECK;
/* Writes LAST as the mark of each lane that was read on, in the running transaction of the main part. */
enum result lanes_write_marks(struct db *db, const struct lanes *lanes) MUST_CHECK;

/* Claims a lane for the inbox's writer: PREFERRED if it is free, else the first that is. FAILED: none, or no answer. */
enum result lane_claim(struct db *inbox, int64_t preferred, int64_t *out) MUST_CHECK;
/* Reads where the claimed lane stands, by the connection that claimed it, before it is first written to. Numbers go on
 * above both AFTER and END. */
enum result lane_enter(struct db *inbox, int64_t number, struct lane *out) MUST_CHECK;

#endif
