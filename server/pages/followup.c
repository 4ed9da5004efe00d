/* See followup.h. A promise is kept or dropped by a button beside it, here and in the inbox. */
#include "server/pages/followup.h"

#include <stdlib.h>
#include <string.h>

#include "cards/base/id.h"
#include "cards/base/text.h"
#include "server/auth/caller.h"
#include "server/ids.h"
#include "server/pages/desk.h"
#include "server/pages/pages.h"
#include "server/pages/when.h"
#include "server/store/store.h"

enum { DUE_SHOWN = 20, HOUR_MS = 60 * 60 * 1000, MORNING_MS = 8 * HOUR_MS /* when a day's promises come due, UTC */ };

static struct followup_view view_of(const struct followup *followup, int64_t now, struct arena *arena)
{
    bool is_due = followup->due_ms <= now;
    struct when_view since = when_ago(followup->due_ms, now, arena);
    return (struct followup_view){
        .id = desk_id_text(arena, "fol", followup->id),
        .lead_href = desk_href(arena, "leads", "led", followup->lead_id),
        .name = followup->lead_name ? followup->lead_name : "Somebody",
        .note = followup->note,
        .words = is_due ? since.words : when_until(followup->due_ms, now, arena),
        .clock = when_day(followup->due_ms, true, arena),
        .when = since,
        .is_due = is_due,
    };
}

static struct followup_view *views_of(const struct followup *followups, size_t count, struct arena *arena)
{
    struct followup_view *views = arena_alloc(arena, (count + 1) * sizeof *views);
    int64_t now = now_ms();
    for (size_t i = 0; i < count; i++)
        views[i] = view_of(&followups[i], now, arena);
    return views;
}

static int soonest_first(const void *a, const void *b)
{
    const struct followup *one = a, *other = b;
    return one->due_ms < other->due_ms ? -1 : one->due_ms > other->due_ms;
}

enum result followup_views_of_lead(struct app *app, const struct lead *lead, struct arena *arena,
                                   struct followup_view **out, int *count)
{
    struct followup *followups;
    size_t found;
    const struct followup_filter filter = {
        .lead_id = lead->id, .open = 1, .due_before_ms = INT64_MAX, .limit = FOLLOWUP_OPEN_MAX};
    enum result result = store_followup_list(app->store, arena, lead->owner_id, &filter, &followups, &found);
    if (result != RESULT_OK)
        return result;
    if (found)
        qsort(followups, found, sizeof *followups, soonest_first);
    *out = views_of(followups, found, arena);
    *count = (int)found;
    return RESULT_OK;
}

enum result followup_views_due(struct app *app, int64_t member_id, struct arena *arena, struct followup_view **out,
                               int *count)
{
    struct followup *followups;
    size_t found;
    enum result result = store_followup_due(app->store, arena, member_id, now_ms(), DUE_SHOWN, &followups, &found);
    if (result != RESULT_OK)
        return result;
    *out = views_of(followups, found, arena);
    *count = (int)found;
    return RESULT_OK;
}

/* ---- promising ---- */

/* The days that the button means: one, or all three of the 1-1-1. */
static size_t days_of(const char *after, int64_t now, struct followup *out)
{
    if (!strcmp(after, "all")) {
        for (int each = 0; each < FOLLOWUP_AFTER_COUNT; each++)
            out[each].due_ms = followup_due(now, (enum followup_after)each);
        return FOLLOWUP_AFTER_COUNT;
    }
    enum followup_after wish = followup_after_parse(after);
    if (wish == FOLLOWUP_AFTER_COUNT)
        return 0;
    out[0].due_ms = followup_due(now, wish);
    return 1;
}

/* The day as it was typed: its morning, or at once if that is over. */
static size_t day_of(const char *day, int64_t now, struct followup *out, struct complaints *complaints)
{
    int64_t begin_ms = when_parse_day(day);
    if (begin_ms <= 0) {
        complaints_add(complaints, "day", "Please write the day like 2026-12-31.");
        return 0;
    }
    out->due_ms = begin_ms + MORNING_MS;
    followup_check_due(out->due_ms, now, "day", complaints);
    return 1;
}

enum result followup_promise(struct app *app, struct request *request, int64_t lead_id, struct lead_view *view)
{
    struct followup followups[FOLLOWUP_AFTER_COUNT] = {0};
    struct complaints complaints = {0};
    int64_t now = now_ms();
    const char *after = request_form(request, "after"), *note = request_form(request, "promise");
    view->promise = note;
    view->day = request_form(request, "day");
    text_check(&note, FOLLOWUP_NOTE_MAX, TEXT_LINES, "promise", &request->arena, &complaints);
    size_t count = after ? days_of(after, now, followups) : day_of(view->day, now, followups, &complaints);
    view->promise_error = complaints_about(&complaints, "promise");
    view->day_error = complaints_about(&complaints, "day");
    if (complaints.count || !count)
        return RESULT_INVALID;
    for (size_t i = 0; i < count; i++) {
        followups[i].owner_id = request_caller(request)->member.id;
        followups[i].lead_id = lead_id;
        followups[i].note = note;
    }
    enum result result = store_followup_add(app->store, followups, count, now);
    if (result == RESULT_LIMITED) {
        view->promise_error = "Fifty promises to one person are as many as can be kept. Keep some or drop some first.";
        return RESULT_INVALID;
    }
    return result;
}

/* ---- kept, or dropped ---- */

enum result followup_act(struct app *app, struct request *request)
{
    struct followup followup;
    struct followup_change done = {.done = 1};
    int64_t owner_id = request_caller(request)->member.id, id = desk_id(request, "fol");
    enum result result = store_followup_find(app->store, &request->arena, owner_id, id, &followup);
    if (result == RESULT_OK && desk_form_is(request, "act", "drop"))
        result = store_followup_remove(app->store, owner_id, id);
    else if (result == RESULT_OK && desk_form_is(request, "act", "done"))
        result = store_followup_change(app->store, &request->arena, owner_id, id, &done, now_ms(), &followup);
    else if (result == RESULT_OK)
        result = RESULT_INVALID;
    if (result == RESULT_OK)
        reply_see_other(request, desk_form_is(request, "from", "inbox")
                                     ? "/inbox"
                                     : desk_href(&request->arena, "leads", "led", followup.lead_id));
    return result;
}
