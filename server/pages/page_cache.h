/* What is rendered from cards, kept ready: shares by token, card pages, QR images, vCards, preview images. Bounded by
 * bytes; the least recently used goes first. An edit or a revocation, here or on another server, forgets what it touches.
 *
 * A card page is its revision's bytes with placeholders of fixed length for the token and the stamp, whose places are
 * known: a page for one visitor is a copy that was used before and a few patches. */
#ifndef MEISHI_PAGE_CACHE_H
#define MEISHI_PAGE_CACHE_H

#include <stdbool.h>
#include "cards/share.h"
#include "cards/stamp.h"
#include "server/app.h"
#include "server/http/reply.h"
#include "server/store/changes.h"

struct page_cache;

/* What stands in rendered card pages where the token and the stamp go: capital letters and digits, which every escaper
 * passes on unchanged, drawn at random when the cache is opened so that no text can contain them but by our hand. */
struct page_placeholders {
    char token[TOKEN_SIZE]; /* TOKEN_LEN characters */
    char stamp[STAMP_SIZE]; /* STAMP_LEN characters */
};

/* What the scan path needs of a share. */
struct open_share {
    int64_t share_id, owner_id, card_id, card_revision, expires_ms;
    enum channel channel;
    bool own_page; /* it came through somebody's hands, which the page says: rendered for this share alone */
    char token[TOKEN_SIZE];
};

struct page_cache *page_cache_open(size_t bytes_max);
void page_cache_close(struct page_cache *cache);
/* Owned by the cache, the same for its whole life. */
const struct page_placeholders *page_cache_placeholders(const struct page_cache *cache);

/* Copies the cached share out; false on a miss. *OUT_PAGE, unless OUT_PAGE is NULL, is a reference to its page for reply_mould,
 * which wants the token and the stamp; NULL when that is not in the cache. */
bool page_cache_share(struct page_cache *cache, const char *token, struct open_share *out,
                      struct page_mould **out_page);
/* page_cache_share will be asked for this share soon: fetches it from memory. TOKEN as it is kept; any other TOKEN_LEN bytes do
 * no harm. */
void page_cache_foresee(struct page_cache *cache, const char *token);
/* The same of what may be outdated, for when the database cannot be asked: a card is shown rather than none. False unless the
 * page is there too. */
bool page_cache_share_kept(struct page_cache *cache, const char *token, struct open_share *out,
                           struct page_mould **out_page);
/* GENERATION is page_cache_generation from before the database was read: when something was forgotten meanwhile, what was
 * read may be outdated and is not kept. */
uint64_t page_cache_generation(struct page_cache *cache);
void page_cache_add_share(struct page_cache *cache, const struct open_share *share, uint64_t generation);
/* Keeps a rendered page and how it is to be sent, for this share or for every share of its card without hands. */
void page_cache_add_card_page(struct page_cache *cache, const struct open_share *share, const char *html, size_t len,
                              const struct ready_options *options, uint64_t generation);

/* Ready replies under up to PAGE_KEY_MAX bytes of text that name what they were rendered from, its revision included, so
 * an outdated one is never asked for and ages out. get returns a new reference or NULL; put takes one of its own. */
enum { PAGE_KEY_MAX = 120 };
struct ready_reply *page_cache_get(struct page_cache *cache, const char *key);
void page_cache_put(struct page_cache *cache, const char *key, struct ready_reply *ready);

/* What was changed, by whichever server: for store_on_change, which calls it after the commit. A page that was read before and
 * is added only now is not kept either: see GENERATION above. */
void page_cache_forget(struct page_cache *cache, const struct change *change);
/* A share that turned out to be gone, or to be of another revision of its card than it says. */
void page_cache_forget_share(struct page_cache *cache, const char *token);

#endif
