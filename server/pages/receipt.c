/* See receipt.h. Reading changes nothing; erasing needs no account, only the address. */
#include "server/pages/receipt.h"

#include <ctype.h>
#include <sodium.h>
#include <string.h>

#include "cards/base/id.h"
#include "cards/base/text.h"
#include "cards/consent.h"
#include "cards/event.h"
#include "server/http/request.h"
#include "server/ids.h"
#include "server/pages/card_view.h"
#include "server/pages/pages.h"
#include "server/pages/when.h"
#include "server/store/store.h"
#include "templates.h"

enum { PAGE_MAX = 64 * 1024, SECRET_BYTES = RECEIPT_SECRET_LEN * 5 / 8, FACTS_MAX = 8, NEW_FOR_MS = 120000 };

/* Keeps a receipt from being any other seal made with the stamps' key. */
static const char PURPOSE[8] = "receipt1";

void receipt_secret(const struct keys *keys, int64_t hit_id, int64_t share_id, char out[RECEIPT_SECRET_SIZE])
{
    unsigned char bytes[SECRET_BYTES];
    if (hit_id) {
        unsigned char message[sizeof PURPOSE + sizeof hit_id + sizeof share_id];
        memcpy(message, PURPOSE, sizeof PURPOSE);
        memcpy(message + sizeof PURPOSE, &hit_id, sizeof hit_id);
        memcpy(message + sizeof PURPOSE + sizeof hit_id, &share_id, sizeof share_id);
        crypto_generichash(bytes, sizeof bytes, message, sizeof message, keys->stamp, sizeof keys->stamp);
    } else
        random_bytes(bytes, sizeof bytes);
    base32_encode(out, bytes, sizeof bytes);
}

void receipt_hash(const char *secret, unsigned char out[HASH_SIZE])
{
    char upper[RECEIPT_SECRET_SIZE] = "";
    for (size_t i = 0; i < RECEIPT_SECRET_LEN && secret[i]; i++)
        upper[i] = (char)toupper((unsigned char)secret[i]);
    crypto_hash_sha256(out, (const unsigned char *)upper, strlen(upper));
}

/* The lead behind a receipt's address. */
static enum result find(struct app *app, struct request *request, const char *secret, struct lead *out)
{
    unsigned char hash[HASH_SIZE];
    if (strlen(secret) != RECEIPT_SECRET_LEN)
        return RESULT_NOT_FOUND;
    receipt_hash(secret, hash);
    return store_receipt_find(app->store, &request->arena, hash, out);
}

static const char *way_words(const struct share *share, struct arena *arena)
{
    const struct hand *hand = card_view_hand(share);
    const char *channel = channel_words(share->channel);
    return hand && hand->name ? arena_printf(arena, "%s, from %s", channel, hand->name) : channel;
}

static int list_facts(const struct lead *lead, struct arena *arena, struct fact_view facts[FACTS_MAX])
{
    const struct fact_view all[] = {
        {"Your name", lead->name},
        {"E-mail", lead->email},
        {"Phone", lead->phone},
        {"Company", lead->company},
        {"What it is about", lead->message},
        {"How the card came to you", lead->share ? way_words(lead->share, arena) : NULL},
        {"When", lead->identified_ms ? when_day(lead->identified_ms, true, arena) : NULL},
    };
    int count = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].text)
            facts[count++] = all[i];
    return count;
}

/* Whether the card may still be opened by this share; then its links are shown. */
static bool is_handed_out(struct app *app, struct request *request, const struct lead *lead)
{
    struct card card;
    return lead->share && share_may_open(lead->share, now_ms()) &&
           store_card_open(app->store, &request->arena, lead->card_id, &card) == RESULT_OK;
}

enum result receipt_page(struct app *app, struct request *request)
{
    struct arena *arena = &request->arena;
    struct lead lead;
    struct card card;
    enum result result = find(app, request, request->params[0], &lead);
    if (result == RESULT_OK)
        result = store_card_find(app->store, arena, lead.owner_id, lead.card_id, &card);
    if (result != RESULT_OK)
        return result;
    struct fact_view facts[FACTS_MAX];
    struct receipt_view view = {
        .secret = request->params[0],
        .name = card.name,
        .short_name = card_first_name(&card, arena),
        .initials = card_initials(&card, arena),
        .accent = card.accent,
        .firm = card.organization,
        .is_new = lead.identified_ms && now_ms() - lead.identified_ms < NEW_FOR_MS,
        .facts = facts,
        .facts_count = list_facts(&lead, arena, facts),
        .consent = consent_words(lead.consent_text, arena),
    };
    if (lead.identified_ms) {
        view.agreed_on = when_day(lead.identified_ms, false, arena);
        view.agreed_at = time_text(lead.identified_ms, arena);
    }
    if (is_handed_out(app, request, &lead)) {
        view.card_href = arena_printf(arena, "/c/%s", lead.share->token);
        view.save_href = arena_printf(arena, "/c/%s.vcf", lead.share->token);
        view.pass_on_href = arena_printf(arena, "/c/%s/pass-on", lead.share->token);
    }
    struct str html;
    str_init(&html, arena, PAGE_MAX);
    template_receipt(&html, &view);
    reply_html(request, 200, html.data, html.len);
    return html.failed ? RESULT_FAILED : RESULT_OK;
}

enum result receipt_erase(struct app *app, struct request *request)
{
    unsigned char hash[HASH_SIZE];
    struct lead lead = {0};
    struct str html;
    if (strlen(request->params[0]) != RECEIPT_SECRET_LEN)
        return RESULT_NOT_FOUND;
    receipt_hash(request->params[0], hash);
    enum result result = store_receipt_find(app->store, &request->arena, hash, &lead);
    if (result == RESULT_OK)
        result = store_lead_erase_by_receipt(app->store, hash, now_ms());
    /* erased before, by them or by the member, is erased: the page says so once more */
    if (result != RESULT_OK && result != RESULT_NOT_FOUND)
        return result;
    str_init(&html, &request->arena, PAGE_MAX);
    template_erased(&html, &(struct erased_view){0});
    reply_html(request, 200, html.data, html.len);
    return RESULT_OK;
}
