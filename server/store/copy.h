/* Moves a whole installation from one store to another, whatever engines they are on: for meishi copy.
 *
 * The target gets the tables of this version, then the rows, in the order of each table's key and in batches that carry a note
 * of how far they go: so a copy that was cut off goes on where it stopped. At its end every table of both sides is read
 * again, counted and hashed; only when all agree does the target stop being an unfinished copy, which nobody may serve. */
#ifndef MEISHI_STORE_COPY_H
#define MEISHI_STORE_COPY_H

#include <stdbool.h>
#include <stdint.h>
#include "cards/base/arena.h"

struct db;

enum copy_phase { COPY_ROWS, COPY_CHECK };
struct copy_progress {
    enum copy_phase phase;
    const char *table;
    int64_t done, all; /* rows of this phase */
};

struct copy_options {
    const char *from, *to;
    const char *from_said, *to_said; /* what sentences call them, without a password; NULL: that */
    const char *base_url;            /* hits of the source that wait are folded first, which may tell of leads */
    void (*tell)(void *context, const struct copy_progress *progress); /* often; may be NULL */
    void *context;
};

struct copy_outcome {
    int tables;
    int64_t rows, rows_before; /* on the target; of them, from a copy that was cut off */
    int tables_again;          /* that had changed since it was, and were copied anew */
};

/* OK: all is there and was compared. Otherwise *WHY says what to do: NOT_FOUND no such source, CONFLICT somebody has one of the
 * two open, DENIED the target holds something else, INVALID the two differ, FAILED the rest; run again, it goes on. */
enum result store_copy(const struct copy_options *options, struct arena *arena, struct copy_outcome *out,
                       const char **why) MUST_CHECK;

/* For store_open: FAILED with a sentence in *WHY while the store is a copy that is not finished. */
enum result copy_refuse_unfinished(struct db *db, struct arena *arena, const char **why) MUST_CHECK;

#endif
