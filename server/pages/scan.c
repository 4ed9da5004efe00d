/* A scan: find the share, judge the hit, record, reply.
 *
 * The page of a cached card is put together in the event loop, and the connection waits there for nothing but its hit: the
 * writer's group commit calls hit_done, which lets the loop send what is ready. A failure to record never hides the card:
 * the page is served, marked, and the store counts it. A robot that keeps coming is counted and waits for nothing
 * (store/repeats.h). What is not in the cache yet, and what comes with a session cookie, goes through a worker once.
 *
 * GET changes nothing but hits, and a hit alone is nobody: see cards/verdict.h. */
#include "server/pages/scan.h"

#include <string.h>

#include "cards/base/id.h"
#include "cards/base/text.h"
#include "server/auth/caller.h"
#include "server/ids.h"
#include "server/log.h"
#include "server/pages/card_view.h"
#include "server/store/store.h"

enum { PAGE_MAX = 256 * 1024 };

static const struct ready_options CARD_PAGE = {
    .content_type = "text/html; charset=utf-8", .csp = CARD_VIEW_CSP, .cache = "private, no-store"};

/* Reads the share into the cache. On a worker. */
static enum result load_share(struct app *app, const char *token, struct open_share *out)
{
    struct arena arena;
    struct share share;
    struct card card;
    arena_init(&arena);
    uint64_t generation = page_cache_generation(app->pages);
    enum result result = store_share_find_by_token(app->store, &arena, token, &share);
    if (result == RESULT_OK && !share_may_open(&share, now_ms()))
        result = RESULT_NOT_FOUND;
    if (result == RESULT_OK)
        result = store_card_open(app->store, &arena, share.card_id, &card);
    if (result == RESULT_OK) {
        *out = (struct open_share){.share_id = share.id,
                                   .owner_id = share.owner_id,
                                   .card_id = share.card_id,
                                   .card_revision = card.revision,
                                   .expires_ms = share.expires_ms,
                                   .channel = share.channel,
                                   .own_page = share.chain_len > 1 || share.vouch};
        memcpy(out->token, token, sizeof out->token);
        page_cache_add_share(app->pages, out, generation);
    } else if (result == RESULT_NOT_FOUND) /* or it would come back when the database is away */
        page_cache_forget_share(app->pages, token);
    arena_free(&arena);
    return result;
}

/* scan_open_share, and a reference to the share's page if that is in the cache. *OUT_PAGE is NULL when it is not, or on error. */
static enum result open_page(struct app *app, const char *token_text, bool may_wait, struct open_share *out,
                             struct page_mould **out_page)
{
    char token[TOKEN_SIZE];
    *out_page = NULL;
    if (!token_text || !token_normalise(token, token_text, strlen(token_text)))
        return RESULT_NOT_FOUND;
    if (!page_cache_share(app->pages, token, out, out_page)) {
        enum result result = may_wait ? load_share(app, token, out) : RESULT_BUSY;
        if (result != RESULT_OK)
            return result;
        struct open_share same;
        (void)page_cache_share(app->pages, token, &same, out_page); /* another share of the card may have brought it */
    }
    if (!out->expires_ms || out->expires_ms > now_ms())
        return RESULT_OK;
    mould_drop(*out_page);
    *out_page = NULL;
    return RESULT_NOT_FOUND;
}

enum result scan_open_share(struct app *app, const char *token, bool may_wait, struct open_share *out)
{
    struct page_mould *page;
    enum result result = open_page(app, token, may_wait, out, &page);
    mould_drop(page);
    return result;
}

/* On the writer's thread: the hit is on disk, or could not be put there. */
static void hit_done(struct hit *hit, enum result result)
{
    struct request *request = hit->owner;
    if (result != RESULT_OK)
        reply_header(request, "X-Hit", "unrecorded");
    struct recorded *recorded = &((struct app *)request_app(request))->recorded;
    recorded->requests[recorded->count++] = request;
    if (!hit->last && recorded->count < sizeof recorded->requests / sizeof *recorded->requests)
        return;
    size_t count = recorded->count;
    recorded->count = 0;
    request_finish_all(recorded->requests, count);
}

/* Queues HIT and lets the request wait for it; when the queue is full the reply that stands goes out at once, marked. */
static void record(struct app *app, struct request *request, struct hit *hit)
{
    hit->done = hit_done;
    hit->owner = request;
    bool on_worker = request_is_on_worker(request); /* asked before others may finish it */
    request_wait(request);
    if (store_hit_submit(app->store, hit) != RESULT_OK) {
        reply_header(request, "X-Hit", "unrecorded");
        request_finish(request);
    } else if (on_worker) /* no turn of a loop ends here that would wake the writer */
        store_hits_wake(app->store);
}

void scan_act(struct app *app, struct request *request, const struct open_share *share, int64_t hit_id, uint32_t act,
              int64_t earlier_id)
{
    struct hit *hit = arena_alloc(&request->arena, sizeof *hit);
    *hit = (struct hit){.id = hit_id,
                        .act_at_ms = now_ms(),
                        .owner_id = share->owner_id,
                        .share_id = share->share_id,
                        .earlier_id = earlier_id,
                        .acts = act};
    record(app, request, hit);
}

/* Renders the page of a share into the cache. On a worker. */
static enum result render(struct app *app, struct request *request, const struct open_share *open)
{
    struct share share;
    struct card card;
    struct str html;
    uint64_t generation = page_cache_generation(app->pages);
    enum result result = store_share_find_by_token(app->store, &request->arena, open->token, &share);
    if (result == RESULT_OK)
        result = store_card_open(app->store, &request->arena, share.card_id, &card);
    if (result != RESULT_OK)
        return result;
    if (card.revision != open->card_revision)
        return RESULT_CONFLICT; /* edited this very moment */
    str_init(&html, &request->arena, PAGE_MAX);
    result = card_view_render(app, &request->arena, &card, &share, &html);
    if (result == RESULT_OK)
        page_cache_add_card_page(app->pages, open, html.data, html.len, &CARD_PAGE, generation);
    return result;
}

/* What lives until the page is sent. */
struct scan {
    struct hit hit;
    char token[TOKEN_SIZE], stamp[STAMP_SIZE];
};

/* Puts the page together, taking over the reference, and records its hit. */
static void answer(struct app *app, struct request *request, const struct open_share *share, struct page_mould *page,
                   bool self)
{
    struct scan *scan = arena_alloc(&request->arena, sizeof *scan);
    struct hit *hit = &scan->hit;
    store_hit_foresee(app->store, share->share_id);
    hit->id = id_new();
    memcpy(scan->token, share->token, sizeof scan->token);
    if (request->method != HTTP_HEAD) /* which gets no page to carry it */
        stamp_write(scan->stamp, app->keys.stamp, hit->id, share->share_id);
    reply_mould(request, page, (const char *const[]){scan->token, scan->stamp});

    struct visit visit;
    visit_of(app->visits, request, share->owner_id, share->share_id, self, id_time_ms(hit->id), &visit);
    hit->owner_id = share->owner_id;
    hit->share_id = share->share_id;
    hit->facts = visit.facts;
    hit->visitor_hash = visit.hash;
    hit->channel = channel_refine(share->channel, visit.by_agent, visit.referrer);
    memcpy(hit->family, visit.family, sizeof hit->family);
    memcpy(hit->referrer, visit.referrer, sizeof hit->referrer);
    if (!facts_are_a_robots(hit->facts) || !store_hit_repeats(app->store, hit))
        record(app, request, hit);
}

void scan_foresee(struct app *app, const char *path)
{
    if ((path[1] == 'C' || path[1] == 'c') && path[2] == '/' && strlen(path + 3) == TOKEN_LEN)
        page_cache_foresee(app->pages, path + 3);
}

/* Whether the visitor is the card's own member, signed in. */
static bool is_self(struct app *app, struct request *request, const struct open_share *share)
{
    struct caller *caller = NULL;
    return caller_has_cookie(request) && caller_of_cookie(app, request, &caller) == RESULT_OK &&
           caller->member.id == share->owner_id;
}

/* The database could not be asked: what was known before the last gap in hearing from it is better than no card. */
static enum result answer_kept(struct app *app, struct request *request, const char *token_text, enum result why)
{
    char token[TOKEN_SIZE];
    struct open_share share;
    struct page_mould *page;
    if (why == RESULT_NOT_FOUND || !token_normalise(token, token_text, strlen(token_text)) ||
        !page_cache_share_kept(app->pages, token, &share, &page))
        return why;
    if (share.expires_ms && share.expires_ms <= now_ms()) {
        mould_drop(page);
        return RESULT_NOT_FOUND;
    }
    answer(app, request, &share, page, false);
    return RESULT_OK;
}

/* With the database at hand. */
static enum result scan_on_worker(struct app *app, struct request *request, const char *token)
{
    struct open_share share;
    struct page_mould *page;
    for (int attempt = 0; attempt < 3; attempt++) {
        enum result result = open_page(app, token, true, &share, &page);
        if (result != RESULT_OK)
            return answer_kept(app, request, token, result);
        if (page) {
            answer(app, request, &share, page, is_self(app, request, &share));
            return RESULT_OK;
        }
        result = render(app, request, &share);
        if (result == RESULT_CONFLICT)
            page_cache_forget_share(app->pages, share.token);
        else if (result != RESULT_OK)
            return answer_kept(app, request, token, result);
    }
    return RESULT_FAILED;
}

enum result scan_page(struct app *app, struct request *request)
{
    const char *token = request->params[0];
    struct open_share share;
    struct page_mould *page = NULL;
    if (request_is_on_worker(request))
        return scan_on_worker(app, request, token);
    enum result result = caller_has_cookie(request) ? RESULT_BUSY : open_page(app, token, false, &share, &page);
    if (result == RESULT_BUSY || (result == RESULT_OK && !page))
        request_defer(request);
    else if (result != RESULT_OK)
        return result;
    else
        answer(app, request, &share, page, false);
    return RESULT_OK;
}

enum result scan_standing(struct app *app, struct request *request)
{
    struct share share;
    /* Phones begin a typed word with a capital. */
    const char *handle = text_lower(request->params[0], &request->arena);
    enum result result = store_share_find_by_handle(app->store, &request->arena, handle, &share);
    return result == RESULT_OK ? scan_on_worker(app, request, share.token) : result;
}
