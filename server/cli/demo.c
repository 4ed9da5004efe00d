/* meishi demo: a roofer with a card, the ways it went, and the people who came by it, to look around in. Everything goes
 * through the verbs that visitors and members use, so what is shown is what the product does. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "server/auth/sign_in_link.h"
#include "server/cli/cli.h"
#include "server/ids.h"
#include "server/store/store.h"

struct demo_person {
    const char *name, *email, *company, *message;
    int share; /* of SHARES */
    enum stage stage;
    int hours_ago;
};

struct demo_share {
    enum channel channel;
    const char *label;
    int parent;               /* of SHARES, -1 for none */
    const char *passed_on_by; /* the e-mail of an earlier person: their referral */
    const char *vouch;
    int scans;
};

static const struct demo_share SHARES[] = {
    {CHANNEL_QR, "Hamburg fair, badge", -1, NULL, NULL, 9},
    {CHANNEL_LINKEDIN, "Post about slate roofs", -1, NULL, NULL, 14},
    {CHANNEL_SIGNATURE, "E-mail signature", -1, NULL, NULL, 4},
    {CHANNEL_WHATSAPP, NULL, 0, "ann@okafor.example", "She found the leak nobody else could.", 2},
    {CHANNEL_EMAIL, NULL, 2, "jonas@weiss.example", "Asked me who did my roof. I said: her.", 1},
};
enum { SHARE_COUNT = sizeof SHARES / sizeof *SHARES };

static const struct demo_person PEOPLE[] = {
    {"Ann Okafor", "ann@okafor.example", "Okafor Estates", "Two gutters on the old mill. Could you look at them?", 0,
     STAGE_WON, 200},
    {"Jonas Weiss", "jonas@weiss.example", NULL, "The dormer leaks when it rains from the west.", 2, STAGE_WON, 150},
    {"Lea Brandt", "lea@brandt.example", "Brandt & Söhne", "Do you also do flat roofs?", 0, STAGE_CONTACTED, 60},
    {"李 小龍", "li@elbe-logistics.example", "Elbe Logistics", "A hall of 4,000 square metres, inspection this spring.",
     1, STAGE_SALES_QUALIFIED, 30},
    {"Barry Jones", "barry@acme.example", "Acme Industries",
     "Six-building garden complex; two roofs to repair before winter.", 3, STAGE_NEW, 1},
    {"Claire Dubois", "claire@dubois.example", NULL, "Would like a call on Thursday.", 4, STAGE_NEW, 3},
};
enum { PERSON_COUNT = sizeof PEOPLE / sizeof *PEOPLE };

struct demo {
    struct app *app;
    struct arena *arena;
    int64_t owner_id;
    struct card card;
    struct share shares[SHARE_COUNT];
    int64_t person_hits[PERSON_COUNT];
    atomic_int under_way; /* hits that the writer has not finished: they live in the arena */
};

static enum result make_card(struct demo *demo)
{
    struct complaints complaints = {0};
    struct card *card = &demo->card;
    *card = (struct card){.owner_id = demo->owner_id,
                          .name = "Mika Sørensen-Tanaka",
                          .given = "Mika",
                          .family = "Sørensen-Tanaka",
                          .pronunciation = "MEE-ka SUR-en-sen",
                          .pronouns = "she/her",
                          .title = "Master roofer",
                          .organization = "Tanaka & Daughters, Roofing",
                          .note = "Slate, tile and flat roofs in Hamburg since 1987. Free look within the week.",
                          .phones = {{"mobile", "+49 40 5550 172"}},
                          .phone_count = 1,
                          .emails = {{"work", "mika@tanaka-dach.example"}},
                          .email_count = 1,
                          .links = {{"web", "https://tanaka-dach.example"}},
                          .link_count = 1};
    enum result result = card_check(card, demo->arena, &complaints);
    return result == RESULT_OK ? store_card_add(demo->app->store, demo->arena, card, now_ms()) : result;
}

/* The id a hit would have had if it had come so long ago. */
static int64_t hit_id_at(int64_t at_ms)
{
    return id_at_ms(at_ms) | (int64_t)(random_u64() & ((1u << 21) - 1));
}

static void hit_done(struct hit *hit, enum result result)
{
    (void)result; /* the fold at the end says if the store does not write */
    atomic_fetch_sub((atomic_int *)hit->owner, 1);
}

static enum result submit(struct demo *demo, struct hit *hit)
{
    hit->done = hit_done;
    hit->owner = &demo->under_way;
    atomic_fetch_add(&demo->under_way, 1);
    enum result result = store_hit_submit(demo->app->store, hit);
    if (result != RESULT_OK)
        atomic_fetch_sub(&demo->under_way, 1);
    return result;
}

static void wait_for_hits(struct demo *demo)
{
    store_hits_wake(demo->app->store);
    while (atomic_load(&demo->under_way))
        usleep(1000);
}

/* One opening of a share's page and what followed it. */
static enum result visit(struct demo *demo, const struct share *share, int64_t hit_id, uint32_t acts)
{
    static const char *const FAMILIES[] = {"Safari on iOS", "Chrome on Android", "Chrome on Windows"};
    struct hit *hits = arena_alloc(demo->arena, 2 * sizeof *hits);
    hits[0] = (struct hit){.id = hit_id, .owner_id = share->owner_id, .share_id = share->id, .channel = share->channel};
    snprintf(hits[0].family, sizeof hits[0].family, "%s", FAMILIES[random_u64() % 3]);
    enum result result = submit(demo, &hits[0]);
    if (result != RESULT_OK || !acts)
        return result;
    hits[1] = hits[0];
    hits[1].acts = acts;
    hits[1].act_at_ms = id_time_ms(hit_id) + 4000;
    return submit(demo, &hits[1]);
}

static enum result make_share(struct demo *demo, int index)
{
    const struct demo_share *plan = &SHARES[index];
    struct share *share = &demo->shares[index];
    *share = (struct share){.owner_id = demo->owner_id,
                            .card_id = demo->card.id,
                            .channel = plan->channel,
                            .label = plan->label,
                            .vouch = plan->vouch,
                            .parent_id = plan->parent < 0 ? 0 : demo->shares[plan->parent].id};
    for (int i = 0; plan->passed_on_by && i < PERSON_COUNT; i++)
        if (!strcmp(PEOPLE[i].email, plan->passed_on_by)) {
            share->sharer_hit_id = demo->person_hits[i];
            share->sharer_name = PEOPLE[i].name;
        }
    if (!plan->passed_on_by)
        share->sharer_member_id = demo->owner_id;
    token_new(share->token);
    enum result result = store_share_add(demo->app->store, demo->arena, share, now_ms());
    for (int i = 0; i < plan->scans && result == RESULT_OK; i++) {
        int64_t at_ms = now_ms() - (int64_t)(random_u64() % (10 * 86400)) * 1000;
        result = visit(demo, share, hit_id_at(at_ms), i % 3 ? ACT_SEEN : 0);
    }
    return result;
}

static enum result make_person(struct demo *demo, int index)
{
    const struct demo_person *plan = &PEOPLE[index];
    const struct share *share = &demo->shares[plan->share];
    int64_t at_ms = now_ms() - plan->hours_ago * 3600000LL;
    unsigned char receipt[HASH_SIZE];
    random_bytes(receipt, sizeof receipt);
    demo->person_hits[index] = hit_id_at(at_ms);
    enum result result = visit(demo, share, demo->person_hits[index], ACT_SEEN | ACT_FORM);
    struct lead lead = {.owner_id = demo->owner_id,
                        .card_id = demo->card.id,
                        .share_id = share->id,
                        .visitor_hit_id = demo->person_hits[index]};
    struct lead made = {0};
    struct lead_form form = {
        .name = plan->name, .email = plan->email, .company = plan->company, .message = plan->message};
    struct complaints complaints = {0};
    if (result == RESULT_OK)
        result = lead_from_form(&form, &lead, demo->arena, &complaints);
    if (result == RESULT_OK)
        result = store_lead_add(demo->app->store, demo->arena, &lead, receipt, at_ms, &made);
    if (result == RESULT_OK && plan->stage != STAGE_NEW) {
        struct lead_change change = {.stage = (int)plan->stage, .set_aside = -1};
        result =
            store_lead_change(demo->app->store, demo->arena, demo->owner_id, made.id, &change, at_ms + 3600000, &made);
    }
    return result;
}

/* People before the shares they pass on, which PEOPLE and SHARES are sorted by. */
static enum result fill(struct demo *demo)
{
    enum result result = make_card(demo);
    for (int i = 0; i < SHARE_COUNT && result == RESULT_OK; i++) {
        if (!SHARES[i].passed_on_by)
            result = make_share(demo, i);
    }
    for (int i = 0; i < PERSON_COUNT && result == RESULT_OK; i++)
        if (!SHARES[PEOPLE[i].share].passed_on_by)
            result = make_person(demo, i);
    for (int i = 0; i < SHARE_COUNT && result == RESULT_OK; i++)
        if (SHARES[i].passed_on_by)
            result = make_share(demo, i);
    for (int i = 0; i < PERSON_COUNT && result == RESULT_OK; i++)
        if (SHARES[PEOPLE[i].share].passed_on_by)
            result = make_person(demo, i);
    wait_for_hits(demo);
    return result == RESULT_OK ? store_fold_now(demo->app->store) : result;
}

int cli_demo(struct app *app, struct cli_call *call, int argc, char **argv)
{
    struct demo demo = {.app = app, .arena = call->arena};
    struct member member = {.handle = "mika", .name = "Mika Sørensen-Tanaka"};
    const char *url;
    int code = cli_no_more(call, argc, argv);
    if (code)
        return code;
    enum result result = store_member_add(app->store, &member, now_ms());
    if (result == RESULT_CONFLICT)
        return cli_say(call, EX_DATAERR,
                       "There is a member \"mika\" already: the example is here, or the name is taken.");
    demo.owner_id = member.id;
    if (result == RESULT_OK)
        result = fill(&demo);
    if (result == RESULT_OK)
        result = sign_in_link_make(app, call->arena, member.id, SIGN_IN_LINK_HOURS * 60, &url);
    if (result != RESULT_OK)
        return cli_outcome(call, result, "The example");
    if (call->json)
        cli_json(call, json_pack("{s:s, s:s, s:s}", "handle", "mika", "url",
                                 arena_printf(call->arena, "%s/@mika", app->config->url), "sign_in_url", url));
    else
        str_addf(&call->out, "Mika's card: %s/@mika\nSign in as Mika: %s\n", app->config->url, url);
    return EX_OK;
}
