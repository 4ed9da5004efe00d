/* The card page: the one thing everything else is for. */
#ifndef MEISHI_SCAN_H
#define MEISHI_SCAN_H

#include "server/app.h"
#include "server/http/request.h"
#include "server/pages/page_cache.h"
#include "server/pages/visitor.h"

/* GET /c/{token}: the page of a share, answered when its hit is on disk. Inline. */
enum result scan_page(struct app *app, struct request *request);
/* While the header of a request for PATH is read: if that is a card's, has its entry in the cache fetched from memory. Among
 * thousands of cards the one asked for is not at hand. */
void scan_foresee(struct app *app, const char *path);
/* GET /@{handle}: the member's standing link. */
enum result scan_standing(struct app *app, struct request *request);

/* The share of a token for any of its addresses, from the cache or the database (then only on a worker: RESULT_BUSY from a
 * loop means "ask again on a worker"). NOT_FOUND: unknown, revoked, expired, retired. */
enum result scan_open_share(struct app *app, const char *token, bool may_wait, struct open_share *out) MUST_CHECK;
/* An act of a visitor that must be on disk before the answer: queues it and lets the request wait. HIT_ID from the stamp. */
void scan_act(struct app *app, struct request *request, const struct open_share *share, int64_t hit_id, uint32_t act,
              int64_t earlier_id);

#endif
