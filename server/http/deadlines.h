/* When a connection is cut off, and how one that was refused is let finish what it sends. All from the loop's thread. */
#ifndef MEISHI_HTTP_DEADLINES_H
#define MEISHI_HTTP_DEADLINES_H

#include "server/http/exchange.h"

void deadline_set(struct connection *connection, int64_t in_ms, const struct loop *loop);
void deadlines_sweep(struct loop *loop);
void deadlines_close_idle(struct loop *loop);
void linger_start(struct loop *loop, const struct connection *connection);
void linger_read(struct loop *loop, struct leaver *linger);
void linger_sweep(struct loop *loop, bool all);

#endif
