/* See engine_side.h. */
#include "tests/support/engine_side.h"

#include <inttypes.h>

/* ---- choosing ---- */

uint64_t side_draw(struct side *side)
{
    side->random ^= side->random << 13;
    side->random ^= side->random >> 7;
    side->random ^= side->random << 17;
    return side->random >> 11;
}

size_t side_dice(struct side *side, size_t sides)
{
    return (size_t)(side_draw(side) % sides);
}

void side_remember(struct things *things, int64_t id, int64_t owner_id)
{
    for (size_t i = 0; i < things->count; i++)
        if (things->ids[i] == id)
            return;
    if (things->count == SIDE_THINGS_MAX)
        return;
    things->owners[things->count] = owner_id;
    things->ids[things->count++] = id;
}

int64_t side_choose(struct side *side, const struct things *things, int64_t *owner_id)
{
    size_t at = side_dice(side, things->count ? things->count : 1);
    bool wrong = side_dice(side, 20) == 0;
    *owner_id = things->count ? wrong ? things->owners[0] : things->owners[at] : 1;
    return things->count ? things->ids[at] : 1;
}

/* ---- telling ---- */

void side_say(struct side *side, const char *what, enum result result)
{
    fprintf(side->words, "%s %d\n", what, result);
}

void side_number(struct side *side, int64_t number)
{
    fprintf(side->words, " %" PRId64, number);
}

void side_text(struct side *side, const char *text)
{
    fprintf(side->words, text ? " \"%s\"" : " -", text);
}

void side_id(struct side *side, int64_t id)
{
    size_t at = 0;
    while (at < side->known_count && side->known[at] != id)
        at++;
    if (at == side->known_count && at < SIDE_KNOWN_MAX)
        side->known[side->known_count++] = id;
    fprintf(side->words, id ? " #%zu" : " none", at);
}

void side_end_line(struct side *side)
{
    fputc('\n', side->words);
}

/* ---- what is read ---- */

static void read_shares(struct side *side, int64_t owner)
{
    struct share_row *rows;
    size_t count = 0;
    side_say(side, "shares", store_share_list(side->store, &side->arena, owner, 0, 0, 50, &rows, &count));
    for (size_t i = 0; i < count; i++) {
        side_id(side, rows[i].share.id);
        side_id(side, rows[i].share.parent_id);
        side_text(side, rows[i].share.label);
        side_text(side, rows[i].share.recipient);
        side_number(side, rows[i].counts.person);
        side_number(side, rows[i].counts.unconfirmed);
        side_number(side, rows[i].counts.bot);
        side_number(side, rows[i].leads);
        side_end_line(side);
        side_remember(&side->shares, rows[i].share.id, owner);
    }
}

static void read_hits(struct side *side, int64_t owner, int64_t share)
{
    struct hit_row *rows;
    struct day_count *days;
    size_t count = 0;
    side_say(side, "hits", store_hit_list(side->store, &side->arena, owner, share, 0, SIDE_PAGE, &rows, &count));
    for (size_t i = 0; i < count; i++) {
        side_id(side, rows[i].id);
        side_number(side, (int64_t)rows[i].verdict);
        side_text(side, rows[i].rule);
        side_number(side, rows[i].acts);
        side_id(side, rows[i].visitor_id);
    }
    side_end_line(side);
    count = 0;
    side_say(side, "days", store_day_counts(side->store, &side->arena, owner, 0, INT32_MAX, &days, &count));
    for (size_t i = 0; i < count; i++) {
        side_number(side, days[i].day);
        side_number(side, (int64_t)days[i].channel);
        for (int v = 0; v < VERDICT_COUNT; v++)
            side_number(side, days[i].by_verdict[v]);
        side_number(side, days[i].saves);
    }
    side_end_line(side);
}

static void say_lead(struct side *side, const struct lead *lead)
{
    side_id(side, lead->id);
    side_id(side, lead->share_id);
    side_id(side, lead->visitor_hit_id);
    side_number(side, lead->referral);
    side_number(side, (int64_t)lead->stage);
    side_text(side, lead->endorser_name);
    const char *const texts[] = {lead->name,    lead->email,     lead->phone,     lead->company,
                                 lead->message, lead->recipient, lead->set_aside, lead->consent_text};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        side_text(side, texts[i]);
    side_number(side, lead->created_ms);
    side_number(side, lead->identified_ms);
    side_number(side, lead->revision);
    side_number(side, lead->share ? lead->share->chain_len : 0);
    side_end_line(side);
}

static void read_leads(struct side *side, int64_t owner)
{
    const struct lead_filter filters[] = {
        {.stage = -2, .channel = -1, .limit = 200},
        {.stage = -1, .channel = -1, .kind = LEAD_KIND_LEAD, .limit = SIDE_PAGE},
        {.stage = -1, .channel = -1, .kind = LEAD_KIND_REFERRAL, .limit = SIDE_PAGE},
        {.stage = (int)side_dice(side, STAGE_COUNT), .channel = -1, .limit = SIDE_PAGE},
        {.stage = -1, .channel = (int)side_dice(side, CHANNEL_COUNT), .limit = SIDE_PAGE},
        {.stage = -1, .channel = -1, .set_aside = 1, .limit = SIDE_PAGE},
        {.stage = -2,
         .channel = -1,
         .q = SIDE_PICK(side, "ada", "hop", "a", "o'n", "%_", "ägir", "山田", "example grace", "太", "\"q\"", "zz"),
         .limit = SIDE_PAGE},
    };
    for (size_t f = 0; f < sizeof filters / sizeof *filters; f++) {
        struct lead *leads;
        size_t count = 0;
        side_say(side, "leads", store_lead_list(side->store, &side->arena, owner, &filters[f], &leads, &count));
        for (size_t i = 0; i < count; i++) {
            say_lead(side, &leads[i]);
            side_remember(&side->leads, leads[i].id, owner);
        }
    }
    struct lead_totals totals = {0};
    side_say(side, "totals", store_lead_totals(side->store, owner, &totals));
    const int64_t numbers[] = {totals.referrals_new, totals.referrals, totals.leads_new, totals.leads,
                               totals.customers,     totals.potential, totals.set_aside};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        side_number(side, numbers[i]);
    side_end_line(side);
    struct lead_feed feed = {0};
    side_say(side, "feed", store_lead_feed(side->store, &side->arena, owner, &filters[0], 0, &feed));
    for (size_t i = 0; i < feed.count; i++)
        side_id(side, feed.leads[i].id);
    for (size_t i = 0; i < feed.gone_count; i++)
        side_id(side, feed.gone[i].id);
    side_end_line(side);
}

static void read_timeline(struct side *side)
{
    int64_t owner, id = side_choose(side, &side->leads, &owner);
    struct lead_moment *moments;
    struct lead lead;
    size_t count = 0;
    side_say(side, "timeline", store_lead_timeline(side->store, &side->arena, owner, id, &moments, &count));
    for (size_t i = 0; i < count; i++) {
        side_number(side, moments[i].at_ms);
        side_text(side, moments[i].kind);
        side_text(side, moments[i].words);
    }
    side_end_line(side);
    if (!side->receipt_count)
        return;
    enum result result =
        store_receipt_find(side->store, &side->arena, side->receipts[side_dice(side, side->receipt_count)], &lead);
    side_say(side, "receipt", result);
    if (result == RESULT_OK)
        say_lead(side, &lead);
}

static void read_webhooks(struct side *side, int64_t owner)
{
    struct webhook *webhooks;
    struct delivery *deliveries;
    size_t count = 0, delivery_count;
    side_say(side, "webhooks", store_webhook_list(side->store, &side->arena, owner, &webhooks, &count));
    for (size_t i = 0; i < count; i++) {
        const struct delivery_filter filter = {.webhook_id = webhooks[i].id, .state = -1, .limit = SIDE_PAGE};
        side_id(side, webhooks[i].id);
        side_text(side, webhooks[i].url);
        side_text(side, webhooks[i].disabled_why);
        side_number(side, webhooks[i].pending);
        side_number(side, webhooks[i].sequence);
        side_number(side, webhooks[i].health.failures_in_a_row);
        side_number(side, webhooks[i].replaying);
        delivery_count = 0;
        side_say(side, "deliveries",
                 store_delivery_list(side->store, &side->arena, owner, &filter, &deliveries, &delivery_count));
        for (size_t d = 0; d < delivery_count; d++) {
            side_id(side, deliveries[d].id);
            side_number(side, (int64_t)deliveries[d].type);
            side_number(side, (int64_t)deliveries[d].state);
            side_number(side, deliveries[d].attempts);
            side_text(side, deliveries[d].last_error);
            side_number(side, deliveries[d].last_latency_ms);
        }
        side_end_line(side);
    }
}

static void read_people(struct side *side, int64_t owner)
{
    struct member *members;
    struct card *cards;
    size_t count = 0;
    side_say(side, "members", store_member_list(side->store, &side->arena, &members, &count));
    for (size_t i = 0; i < count; i++) {
        side_id(side, members[i].id);
        side_text(side, members[i].handle);
        side_text(side, members[i].name);
        side_text(side, members[i].email);
        side_number(side, (int64_t)members[i].role);
    }
    count = 0;
    side_say(side, "cards", store_card_list(side->store, &side->arena, owner, &cards, &count));
    for (size_t i = 0; i < count; i++) {
        side_id(side, cards[i].id);
        side_text(side, cards[i].handle);
        side_text(side, cards[i].name);
        side_text(side, cards[i].note);
        side_number(side, cards[i].revision);
    }
    side_end_line(side);
}

void side_read_all(struct side *side)
{
    int64_t owner, share_owner;
    side_choose(side, &side->members, &owner);
    read_people(side, owner);
    read_shares(side, owner);
    int64_t share = side_choose(side, &side->shares, &share_owner);
    read_hits(side, share_owner, share);
    read_leads(side, owner);
    read_timeline(side);
    read_webhooks(side, owner);
}
