/* GET /inbox: people, referrals and leads apart, newest first. Those who only scanned are folded together by share and
 * day; what was set aside waits in its own list. */
#include <stdlib.h>
#include <string.h>

#include "cards/base/id.h"
#include "cards/base/text.h"
#include "server/auth/caller.h"
#include "server/ids.h"
#include "server/pages/desk.h"
#include "server/pages/followup.h"
#include "server/pages/pages.h"
#include "server/pages/way.h"
#include "server/pages/when.h"
#include "server/store/store.h"
#include "templates.h"

enum { PEOPLE_SHOWN = 50, SCANS_READ = 200, MESSAGE_SHOWN = 240, QUERY_MAX = 100, DAY_MS = 24 * 3600 * 1000 };

enum tab {
    TAB_REFERRALS,
    TAB_LEADS,
    TAB_CUSTOMERS,
    TAB_POTENTIAL,
    TAB_SET_ASIDE,
    TAB_COUNT,
    TAB_JUNK = TAB_COUNT,
    TAB_FOUND
};

static const struct {
    const char *key, *name, *none;
} TABS[] = {
    [TAB_REFERRALS] = {"referrals", "Referrals",
                       "No referrals yet. When somebody passes your card on, who comes by it stands here."},
    [TAB_LEADS] = {"leads", "Leads",
                   "No leads yet. Hold up your code or send a link; who leaves their details stands here."},
    [TAB_CUSTOMERS] = {"customers", "Customers", "Nobody here yet. A person moves here when you mark them as won."},
    [TAB_POTENTIAL] = {"potential", "Somebody scanned", "Nobody has only looked yet."},
    [TAB_SET_ASIDE] = {"set-aside", "Set aside", "Nothing was set aside."},
    [TAB_JUNK] = {"junk", "Junk", "Nothing is marked as junk."},
    [TAB_FOUND] = {"", "Found", "Nobody was found. Fewer letters find more."},
};

/* Above the two groups of a list that holds both. */
static const char *const KINDS[] = {"Leads", "Referrals"};
static const char *const SENT[] = {"Sent by name", "Sent by name, through others"};
static const char *const ORIGINS[] = {"Came by themselves", "Came by referral"};

static enum tab open_tab(const char *key, const struct lead_totals *totals)
{
    for (int tab = 0; key && tab <= TAB_JUNK; tab++)
        if (!strcmp(TABS[tab].key, key))
            return (enum tab)tab;
    return !totals->referrals && totals->leads ? TAB_LEADS : TAB_REFERRALS;
}

static struct lead_filter filter_of(enum tab tab, const char *q)
{
    struct lead_filter filter = {.stage = -1, .channel = -1, .limit = PEOPLE_SHOWN + 1};
    switch (tab) {
    case TAB_REFERRALS:
        filter.kind = LEAD_KIND_REFERRAL;
        break;
    case TAB_LEADS:
        filter.kind = LEAD_KIND_LEAD;
        break;
    case TAB_CUSTOMERS:
        filter.stage = STAGE_WON;
        break;
    case TAB_POTENTIAL:
        filter.stage = STAGE_POTENTIAL;
        filter.limit = SCANS_READ;
        break;
    case TAB_SET_ASIDE:
        filter.set_aside = true;
        break;
    case TAB_JUNK:
        filter.stage = STAGE_JUNK;
        break;
    case TAB_FOUND:
        filter.stage = -2;
        filter.q = q;
    }
    return filter;
}

static int64_t time_of(const struct lead *lead)
{
    return lead->identified_ms ? lead->identified_ms : lead->created_ms;
}

/* A page comes in the order of ids, in which somebody who scanned long ago and wrote today stands far down. */
static int latest_first(const void *a, const void *b)
{
    int64_t one = time_of(a), other = time_of(b);
    return one < other ? 1 : one > other ? -1 : 0;
}

static struct person_view person_of(const struct lead *lead, struct ways *ways, int64_t now, struct arena *arena)
{
    const char *message = lead->set_aside ? arena_printf(arena, "Set aside: %s.", lead->set_aside) : NULL;
    if (!message && lead->message)
        message = text_cut(lead->message, MESSAGE_SHOWN, arena);
    if (!message && lead->stage == STAGE_POTENTIAL && lead->recipient)
        message = lead->visitor_hit_id ? "Opened the card you sent." : "Has not opened the card you sent.";
    return (struct person_view){
        .href = desk_href(arena, "leads", "led", lead->id),
        .name = lead->name        ? lead->name
                : lead->recipient ? lead->recipient
                                  : "Somebody",
        .firm = lead->company,
        .vouch = lead->endorser_vouch,
        .stage = lead->stage != STAGE_NEW && lead->stage != STAGE_POTENTIAL ? stage_words(lead->stage) : NULL,
        .message = message,
        .way = way_words(ways, lead),
        .when = when_ago(time_of(lead), now, arena),
        .is_new = lead->stage == STAGE_NEW && !lead->set_aside,
    };
}

static void add_group(struct inbox_view *view, const struct lead *leads, size_t count, bool referrals,
                      const char *const headings[2], struct ways *ways, struct arena *arena)
{
    struct person_view *people = arena_alloc(arena, (count + 1) * sizeof *people);
    int64_t now = now_ms();
    int chosen = 0;
    for (size_t i = 0; i < count; i++)
        if (leads[i].referral == referrals)
            people[chosen++] = person_of(&leads[i], ways, now, arena);
    if (!chosen)
        return;
    view->groups[view->groups_count++] = (struct people_view){
        .heading = !headings ? NULL : headings[referrals],
        .id = referrals ? "referrals" : "leads",
        .people = people,
        .people_count = chosen,
    };
}

static void fill_people(struct inbox_view *view, const struct lead *leads, size_t count, const char *const headings[2],
                        struct ways *ways, struct arena *arena)
{
    add_group(view, leads, count, true, headings, ways, arena);
    add_group(view, leads, count, false, headings, ways, arena);
}

/* Those who left nothing become one line for each share and day; those sent a card by name stay people. */
static void fill_potential(struct inbox_view *view, const struct lead *leads, size_t count, struct ways *ways,
                           struct arena *arena)
{
    struct scans_view *scans = arena_alloc(arena, (count + 1) * sizeof *scans);
    const struct lead **firsts = arena_alloc(arena, (count + 1) * sizeof *firsts);
    struct lead *named = arena_alloc(arena, (count + 1) * sizeof *named);
    int *numbers = arena_alloc(arena, (count + 1) * sizeof *numbers);
    size_t named_count = 0;
    int groups = 0;
    for (size_t i = 0; i < count; i++) {
        if (leads[i].recipient) {
            named[named_count++] = leads[i];
            continue;
        }
        int group = 0;
        while (group < groups && (firsts[group]->share_id != leads[i].share_id ||
                                  firsts[group]->created_ms / DAY_MS != leads[i].created_ms / DAY_MS))
            group++;
        if (group == groups)
            firsts[groups++] = &leads[i];
        numbers[group]++;
    }
    for (int i = 0; i < groups; i++)
        scans[i] = (struct scans_view){
            .href = desk_href(arena, "shares", "shr", firsts[i]->share_id),
            .words = way_words(ways, firsts[i]),
            .count = numbers[i] == 1 ? "1 person" : arena_printf(arena, "%d people", numbers[i]),
            .when = when_ago(firsts[i]->created_ms, now_ms(), arena),
        };
    view->scans = scans;
    view->scans_count = groups;
    fill_people(view, named, named_count, SENT, ways, arena);
}

static void fill_tabs(struct inbox_view *view, enum tab open, const struct lead_totals *totals, struct arena *arena)
{
    const int64_t counts[TAB_COUNT] = {totals->referrals, totals->leads, totals->customers, totals->potential,
                                       totals->set_aside};
    struct tab_view *tabs = arena_alloc(arena, TAB_COUNT * sizeof *tabs);
    for (int i = 0; i < TAB_COUNT; i++)
        tabs[i] = (struct tab_view){.href = arena_printf(arena, "/inbox?tab=%s", TABS[i].key),
                                    .name = TABS[i].name,
                                    .count = counts[i],
                                    .is_open = i == (int)open};
    view->tabs = tabs;
    view->tabs_count = TAB_COUNT;
}

/* The same list, older than the last one shown. */
static const char *next_href(struct arena *arena, enum tab tab, const char *q, int64_t last_id)
{
    char id[ID_TEXT_SIZE];
    return arena_printf(arena, "%s&before=%s",
                        tab == TAB_FOUND ? desk_link(arena, "/inbox?q=", q)
                                         : arena_printf(arena, "/inbox?tab=%s", TABS[tab].key),
                        id_format(id, "led", last_id));
}

static const char *to_answer(const struct lead_totals *totals, struct arena *arena)
{
    int64_t number = totals->referrals_new + totals->leads_new;
    return number ? arena_printf(arena, "%lld to answer", (long long)number) : "Everybody is answered";
}

/* Who has no card yet is led to the form before anything else. */
static enum result offer_card(struct app *app, struct arena *arena, int64_t member_id, struct inbox_view *view)
{
    struct card *cards;
    size_t count;
    if (!view->none)
        return RESULT_OK;
    enum result result = store_card_list(app->store, arena, member_id, &cards, &count);
    if (result == RESULT_OK && !count) {
        view->none = "You have no card yet. Make one, hand it over, and whoever answers stands here.";
        view->make_href = "/cards/new";
    }
    return result;
}

/* The list that was asked for, by a tab or by who is searched for, and the page of it that is shown. */
struct listing {
    enum tab tab;
    const char *q; /* NULL: nobody is searched for */
    bool is_older; /* a page beyond the first */
    struct lead_totals totals;
    struct lead *leads; /* latest first */
    size_t count;
    const char *next_href;
};

static enum result read_listing(struct app *app, struct request *request, struct listing *out)
{
    struct arena *arena = &request->arena;
    int64_t member_id = request_caller(request)->member.id;
    const char *before = request_query(request, "before");
    *out = (struct listing){0};
    enum result result = store_lead_totals(app->store, member_id, &out->totals);
    if (result != RESULT_OK)
        return result;
    if (text_clean(request_query(request, "q"), TEXT_LINE, arena, &out->q) == RESULT_OK && out->q)
        out->q = text_cut(out->q, QUERY_MAX, arena);
    out->tab = out->q ? TAB_FOUND : open_tab(request_query(request, "tab"), &out->totals);
    struct lead_filter filter = filter_of(out->tab, out->q);
    filter.before = before ? id_parse("led", before) : 0;
    out->is_older = filter.before != 0;
    result = store_lead_list(app->store, arena, member_id, &filter, &out->leads, &out->count);
    if (result != RESULT_OK)
        return result;
    /* One more than is shown says that there are older ones; scans are read to the limit. */
    size_t shown = out->tab == TAB_POTENTIAL ? SCANS_READ : PEOPLE_SHOWN;
    if (out->tab == TAB_POTENTIAL ? out->count == shown : out->count > shown) {
        out->count = shown;
        out->next_href = next_href(arena, out->tab, out->q, out->leads[shown - 1].id);
    }
    qsort(out->leads, out->count, sizeof *out->leads, latest_first);
    return RESULT_OK;
}

static void fill_listing(struct inbox_view *view, const struct listing *list, struct ways *ways, struct arena *arena)
{
    if (list->tab == TAB_POTENTIAL)
        fill_potential(view, list->leads, list->count, ways, arena);
    else
        fill_people(view, list->leads, list->count,
                    list->tab <= TAB_LEADS       ? NULL
                    : list->tab == TAB_CUSTOMERS ? ORIGINS
                                                 : KINDS,
                    ways, arena);
}

enum result inbox_page(struct app *app, struct request *request)
{
    struct arena *arena = &request->arena;
    const struct member *member = &request_caller(request)->member;
    struct listing list;
    enum result result = read_listing(app, request, &list);
    if (result != RESULT_OK)
        return result;
    enum tab tab = list.tab;
    struct inbox_view view = {
        .desk = desk_frame(request, TABS[tab].name, "people"),
        .hello = arena_printf(arena, "Hello, %s", first_name(member->name, arena)),
        .today = to_answer(&list.totals, arena),
        .heading = TABS[tab].name,
        .q = list.q,
        .none = list.count      ? NULL
                : list.is_older ? "There are no older ones."
                                : TABS[tab].none,
        .next_href = list.next_href,
        .junk_href = tab == TAB_SET_ASIDE ? "/inbox?tab=junk" : NULL,
        .back_href = tab == TAB_FOUND || tab == TAB_JUNK ? "/inbox" : NULL,
    };
    fill_tabs(&view, tab, &list.totals, arena);
    result = offer_card(app, arena, member->id, &view);
    struct followup_view *due;
    if (result == RESULT_OK && !list.q && !list.is_older) {
        result = followup_views_due(app, member->id, arena, &due, &view.due_count);
        view.due = due;
    }
    if (result != RESULT_OK)
        return result;
    fill_listing(&view, &list, ways_begin(app, arena), arena);
    struct str html;
    desk_begin(request, &html);
    template_inbox(&html, &view);
    return desk_reply(request, 200, &html);
}
