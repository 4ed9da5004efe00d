/* A driver below a store that asks the engine, before each statement runs, how it would run it, and complains of what reads more
 * than it must: a table that grows walked from end to end, an index read without a condition, and whatever is sorted without
 * a bound. One store at a time. */
#ifndef MEISHI_TESTS_PLANS_H
#define MEISHI_TESTS_PLANS_H

#include <stdbool.h>

struct store;

/* Rows of two hundred others in every table that grows, so that the planner of PostgreSQL, which goes by how much there is, chooses
 * as it would at scale. Nothing on SQLite, whose planner chooses by the indexes alone. */
void plans_fill(struct store *store, int rows_each);
/* From now on: for the connections that are open, and those to come. Complaints are printed. */
void plans_watch(struct store *store);
/* How many different statements were seen, and how many complaints there were, since the last plans_forget. */
int plans_seen(void);
int plans_complaints(void);
void plans_forget(void);

#endif
