/* See way.h. A chain's hands are named without the owner, who is reading; the channel by which the last hand passed the card
 * comes next, and then how it first left the owner's. */
#include "server/pages/way.h"

#include <string.h>

#include "cards/base/str.h"
#include "cards/base/text.h"
#include "server/store/store.h"

enum { WORDS_MAX = 4096, ROOTS_MAX = 64 };

struct ways {
    struct app *app;
    struct arena *arena;
    bool knows_cards;
    struct card *cards;
    size_t card_count;
    int count;
    struct {
        int64_t share_id;
        const char *words;
    } roots[ROOTS_MAX];
};

struct ways *ways_begin(struct app *app, struct arena *arena)
{
    struct ways *ways = arena_alloc(arena, sizeof *ways);
    ways->app = app;
    ways->arena = arena;
    return ways;
}

const char *share_words(const struct share *share, struct arena *arena)
{
    const char *channel = share->standing ? "Standing link" : channel_words(share->channel);
    return share->label && strcmp(share->label, channel) ? arena_printf(arena, "%s, %s", channel, share->label)
                                                         : channel;
}

const char *first_name(const char *name, struct arena *arena)
{
    const char *at = name;
    if (text_is_cjk(text_next(&at)))
        return name;
    size_t len = strcspn(name, " ");
    while (len && name[len - 1] == '.' && name[len]) { /* Prof. Dr. */
        name += len + 1;
        len = strcspn(name, " ");
    }
    return arena_strndup(arena, name, len);
}

/* share_words, and of a standing link whose it is when its member has several cards. */
static const char *own_words(struct ways *ways, const struct share *share)
{
    const char *words = share_words(share, ways->arena);
    if (!share->standing)
        return words;
    if (!ways->knows_cards &&
        store_card_list(ways->app->store, ways->arena, share->owner_id, &ways->cards, &ways->card_count) != RESULT_OK)
        ways->card_count = 0;
    ways->knows_cards = true;
    for (size_t i = 0; i < ways->card_count && ways->card_count > 1; i++)
        if (ways->cards[i].id == share->card_id)
            return arena_printf(ways->arena, "%s @%s", words, ways->cards[i].handle);
    return words;
}

/* How the chain of SHARE began; a chain only knows the channel, so the share's own words are read once a page. */
static const char *root_words(struct ways *ways, const struct share *share)
{
    const struct hand *root = &share->chain[0];
    struct share first;
    for (int i = 0; i < ways->count; i++)
        if (ways->roots[i].share_id == root->share_id)
            return ways->roots[i].words;
    enum result result = store_share_find(ways->app->store, ways->arena, share->owner_id, root->share_id, &first);
    const char *words = result == RESULT_OK ? own_words(ways, &first) : channel_words(root->channel);
    if (ways->count < ROOTS_MAX) {
        ways->roots[ways->count].share_id = root->share_id;
        ways->roots[ways->count++].words = words;
    }
    return words;
}

const char *hands_words(const struct share *share, struct arena *arena)
{
    struct str words;
    str_init(&words, arena, WORDS_MAX);
    for (int i = 0; i < share->chain_len; i++) {
        const struct hand *hand = &share->chain[i];
        if (hand->member_id != share->owner_id)
            str_addf(&words, "%s%s", words.len ? " → " : "", hand->name ? hand->name : "somebody");
    }
    return words.len ? words.data : NULL;
}

const char *way_words(struct ways *ways, const struct lead *lead)
{
    const struct share *share = lead->share;
    const char *hands = hands_words(share, ways->arena);
    struct str words;
    str_init(&words, ways->arena, 2 * WORDS_MAX);
    if (hands) {
        const char *name = lead->name ? lead->name : lead->recipient;
        str_addf(&words, "%s → %s · ", hands, name ? first_name(name, ways->arena) : "a visitor");
    }
    str_add(&words, own_words(ways, share));
    if (share->chain_len > 1)
        str_addf(&words, " · %s", root_words(ways, share));
    return words.data;
}
