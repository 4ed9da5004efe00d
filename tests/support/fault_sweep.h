/* Runs a verb of the store again and again, with each of its calls to the engine failing in turn, and looks at what stands in
 * the database after each. For suites on stores made with db_faulty. */
#ifndef MEISHI_TESTS_FAULT_SWEEP_H
#define MEISHI_TESTS_FAULT_SWEEP_H

#include <stdbool.h>
#include <stdint.h>
#include "tests/support/db_faulty.h"
#include "tests/support/store_place.h"

enum { FAULTS_MAX = 400 };

struct fault_verb {
    const char *name;
    void (*before)(struct store_place *place);
    enum result (*run)(struct store_place *place);
    /* Some of its calls may fail without harm: the end of a snapshot that was read, the checkpoint after a commit, a look
     * whether anybody listens. Then it may say OK, but only if all is done. */
    bool loose;
};

/* What stands in the database, as one number. */
uint64_t fault_fingerprint(struct store_place *place);
/* Fails each call in turn by PLAN until none is left to fail: what does not say OK has changed nothing; the last run succeeds. */
void fault_sweep(const struct fault_verb *verb, struct fault_plan plan);
/* Busy once is tried again and nobody hears of it: the same verb succeeds, whichever call it was. */
void fault_sweep_busy(const struct fault_verb *verb);

#endif
