/* /leads/{id}: everything known about one person, and what the member does with it: stage, notes, set aside, take in, erase. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "cards/base/text.h"
#include "cards/consent.h"
#include "server/auth/caller.h"
#include "server/ids.h"
#include "server/pages/desk.h"
#include "server/pages/followup.h"
#include "server/pages/hook_words.h"
#include "server/pages/pages.h"
#include "server/pages/way.h"
#include "server/pages/when.h"
#include "server/store/store.h"
#include "templates.h"

enum { TOLD_SHOWN = 8 };

static const struct {
    const char *kind, *words;
} MOMENTS[] = {
    {"scan", "Opened your card"},
    {"seen", "Looked at your card"},
    {"saved", "Saved your contact"},
    {"form", "Left their details"},
    {"passed-on", "Passed your card on"},
    {"stage", "Moved on"},
    {"note", "Note"},
    {"told", "Told your other systems"},
    {"follow-up", "You promised to follow up"},
    {"followed-up", "You followed up"},
    {"set-aside", "Set aside"},
};

static const char *moment_words(const struct lead_moment *moment)
{
    if (!strcmp(moment->kind, "set-aside") && moment->words && !strcmp(moment->words, "taken in"))
        return "Taken in";
    for (size_t i = 0; i < sizeof MOMENTS / sizeof *MOMENTS; i++)
        if (!strcmp(MOMENTS[i].kind, moment->kind))
            return MOMENTS[i].words;
    return moment->kind;
}

/* "tel:+49405550172": what phones dial, without the marks people write. */
static const char *number_href(const char *scheme, const char *phone, struct arena *arena)
{
    struct str href;
    str_init(&href, arena, LEAD_REACH_MAX + 8);
    str_add(&href, scheme);
    for (const char *at = phone; *at; at++)
        if (isdigit((unsigned char)*at) || (*at == '+' && at == phone))
            str_add_char(&href, *at);
    return href.data;
}

static void fill_stages(struct lead_view *view, const struct lead *lead, struct arena *arena)
{
    struct stage_view *stages = arena_alloc(arena, STAGE_COUNT * sizeof *stages);
    for (int stage = 0; stage < STAGE_COUNT; stage++)
        if ((int)lead->stage == stage || stage_may_follow(lead->stage, (enum stage)stage))
            stages[view->stages_count++] = (struct stage_view){
                stage_name((enum stage)stage), stage_words((enum stage)stage), (int)lead->stage == stage};
    view->stages = stages;
}

static int newest_first(const void *a, const void *b)
{
    const struct lead_moment *one = a, *other = b;
    if (one->at_ms != other->at_ms)
        return one->at_ms < other->at_ms ? 1 : -1;
    return one->id < other->id ? 1 : one->id > other->id ? -1 : 0;
}

static enum result fill_moments(struct app *app, struct lead_view *view, const struct lead *lead, struct arena *arena)
{
    struct lead_moment *moments;
    size_t count;
    int64_t now = now_ms();
    enum result result = store_lead_timeline(app->store, arena, lead->owner_id, lead->id, &moments, &count);
    if (result != RESULT_OK)
        return result;
    struct moment_view *lines = arena_alloc(arena, (count + 1) * sizeof *lines);
    if (count)
        qsort(moments, count, sizeof *moments, newest_first);
    for (size_t i = 0; i < count; i++) {
        lines[i] = (struct moment_view){.what = moment_words(&moments[i]),
                                        .words = moments[i].words,
                                        .when = when_ago(moments[i].at_ms, now, arena),
                                        .clock = when_day(moments[i].at_ms, true, arena)};
        if (!strcmp(lines[i].what, "Taken in"))
            lines[i].words = NULL;
    }
    view->moments = lines;
    view->moments_count = (int)count;
    return RESULT_OK;
}

static enum result fill_told(struct app *app, struct lead_view *view, const struct lead *lead, struct arena *arena)
{
    struct delivery *rows;
    size_t count;
    int64_t now = now_ms();
    enum result result = store_delivery_list_of_lead(app->store, arena, lead->owner_id, lead->id, &rows, &count);
    if (result != RESULT_OK)
        return result;
    struct delivery_view *told = arena_alloc(arena, (count + 1) * sizeof *told);
    for (size_t i = 0; i < count; i++)
        told[i] = hook_delivery_view(&rows[i], now, arena);
    view->told = told;
    view->told_count = (int)(count < TOLD_SHOWN ? count : TOLD_SHOWN);
    view->told_before = told + view->told_count;
    view->told_before_count = (int)count - view->told_count;
    return RESULT_OK;
}

static void fill(struct app *app, struct request *request, const struct lead *lead, struct lead_view *view)
{
    struct arena *arena = &request->arena;
    const char *name = lead->name ? lead->name : lead->recipient ? lead->recipient : "Somebody";
    int64_t since = lead->identified_ms ? lead->identified_ms : lead->created_ms;
    view->desk = desk_frame(request, name, "people");
    view->id = desk_id_text(arena, "led", lead->id);
    view->name = name;
    view->firm = lead->company;
    view->kind = lead->referral                                      ? "Referral"
                 : lead->stage == STAGE_POTENTIAL && lead->recipient ? "Sent a card"
                 : lead->stage == STAGE_POTENTIAL                    ? "Somebody scanned"
                                                                     : "Lead";
    view->stage = lead->stage == STAGE_POTENTIAL ? NULL : stage_words(lead->stage);
    view->endorser = lead->endorser_name;
    view->vouch = lead->endorser_vouch;
    view->phone = lead->phone;
    view->email = lead->email;
    if (lead->phone) {
        view->call_href = number_href("tel:", lead->phone, arena);
        view->message_href = number_href("sms:", lead->phone, arena);
    }
    if (lead->email)
        view->write_href = desk_link(arena, "mailto:", lead->email);
    view->message = lead->message;
    view->way = way_words(ways_begin(app, arena), lead);
    view->share_href = desk_href(arena, "shares", "shr", lead->share_id);
    view->set_aside = lead->set_aside;
    view->consent = consent_words(lead->consent_text, arena);
    view->is_identified = lead->identified_ms;
    view->when = when_ago(since, now_ms(), arena);
    view->clock = when_day(since, true, arena);
    fill_stages(view, lead, arena);
}

static enum result find(struct app *app, struct request *request, struct lead *out)
{
    return store_lead_find(app->store, &request->arena, request_caller(request)->member.id, desk_id(request, "led"),
                           out);
}

static enum result show(struct app *app, struct request *request, int status, struct lead_view *view)
{
    struct lead lead;
    struct str html;
    enum result result = find(app, request, &lead);
    if (result == RESULT_OK)
        result = fill_moments(app, view, &lead, &request->arena);
    if (result == RESULT_OK)
        result = fill_told(app, view, &lead, &request->arena);
    struct followup_view *followups;
    if (result == RESULT_OK)
        result = followup_views_of_lead(app, &lead, &request->arena, &followups, &view->followups_count);
    if (result != RESULT_OK)
        return result;
    view->followups = followups;
    fill(app, request, &lead, view);
    desk_begin(request, &html);
    template_lead(&html, view);
    return desk_reply(request, status, &html);
}

enum result lead_page(struct app *app, struct request *request)
{
    return show(app, request, 200, &(struct lead_view){0});
}

/* One button at a time: stage, note or set_aside. */
enum result lead_change(struct app *app, struct request *request)
{
    struct lead lead;
    struct lead_view view = {.note = request_form(request, "note")};
    struct lead_change change = {.stage = -1, .set_aside = -1};
    struct complaints complaints = {0};
    const char *stage = request_form(request, "stage"), *aside = request_form(request, "set_aside");
    if (stage && (change.stage = (int)stage_parse(stage)) == STAGE_COUNT)
        return RESULT_INVALID;
    if (aside)
        change.set_aside = !strcmp(aside, "1");
    if (view.note) {
        change.note = view.note;
        text_check(&change.note, LEAD_NOTE_MAX, TEXT_LINES, "note", &request->arena, &complaints);
        view.note_error = complaints_about(&complaints, "note");
        if (!change.note && !view.note_error)
            view.note_error = "There is nothing in the note yet.";
        if (view.note_error)
            return show(app, request, 422, &view);
    }
    enum result result = store_lead_change(app->store, &request->arena, request_caller(request)->member.id,
                                           desk_id(request, "led"), &change, now_ms(), &lead);
    if (result == RESULT_INVALID) {
        view.error = "Somebody who left their details cannot become a stranger again.";
        return show(app, request, 422, &view);
    }
    if (result == RESULT_OK)
        reply_see_other(request, desk_href(&request->arena, "leads", "led", lead.id));
    return result;
}

enum result lead_follow_up(struct app *app, struct request *request)
{
    struct lead_view view = {0};
    int64_t id = desk_id(request, "led");
    enum result result = followup_promise(app, request, id, &view);
    if (result == RESULT_INVALID)
        return show(app, request, 422, &view);
    if (result == RESULT_OK)
        reply_see_other(request, desk_href(&request->arena, "leads", "led", id));
    return result;
}

enum result lead_erase_page(struct app *app, struct request *request)
{
    struct lead lead;
    struct lead_view view = {0};
    struct str html;
    enum result result = find(app, request, &lead);
    if (result != RESULT_OK)
        return result;
    fill(app, request, &lead, &view);
    desk_begin(request, &html);
    template_lead_erase(&html, &view);
    return desk_reply(request, 200, &html);
}

enum result lead_erase(struct app *app, struct request *request)
{
    struct lead lead;
    enum result result = find(app, request, &lead);
    if (result == RESULT_OK)
        result = store_lead_erase(app->store, lead.owner_id, lead.id, now_ms());
    if (result != RESULT_OK)
        return result;
    reply_see_other(request, "/inbox");
    return RESULT_OK;
}
