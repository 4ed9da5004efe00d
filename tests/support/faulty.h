/* A driver that does what SQLite does until its n-th call, which fails: put under an open connection, armed, and looked at
 * afterwards. One for the whole test program; calls are counted over all connections it was put under. */
#ifndef MEISHI_TESTS_FAULTY_H
#define MEISHI_TESTS_FAULTY_H

#include <stdbool.h>

struct db;

enum faulty_kind {
    FAULTY_CALL,  /* any call: begin, query, next, append or commit; a commit that fails is rolled back */
    FAULTY_COMMIT /* only commits, and the n-th is on disk although it says it failed */
};

void faulty_put(struct db *db); /* from now on this connection's calls pass through here */
void faulty_arm(enum faulty_kind kind, int nth);
/* Whether the armed call came; nothing fails from now on. */
bool faulty_disarm(void);

#endif
