/* A driver that goes through to the engine of the run, counts the calls that can fail, and fails the n-th: once, or from then on; before
 * the engine does it, or after it has, so that only the answer is lost. There is one plan for all connections. Not to be
 * used by two threads at once. */
#ifndef MEISHI_TESTS_DB_FAULTY_H
#define MEISHI_TESTS_DB_FAULTY_H

#include <stdbool.h>
#include "server/store/db.h"

extern struct db_driver db_faulty;

struct fault_plan {
    int fail_at;      /* the first call that fails, from 1; 0 for none */
    bool sticky;      /* and all that follow */
    bool too_late;    /* commits only: the engine does it and yet we say it failed */
    bool breaks;      /* the connection calls itself broken, as after an fsync that failed */
    bool on_standby;  /* counts and fails only the calls on connections to a standby */
    enum result with; /* FAILED when 0 */
};

/* From now on; forgets the counts. */
void faults_plan(const struct fault_plan *plan);
int faults_calls(void);  /* since the plan */
int faults_struck(void); /* how many of them failed */
/* Calls after a failure inside a transaction other than the end that is due: the caller's mistakes. */
int faults_violations(void);

#endif
