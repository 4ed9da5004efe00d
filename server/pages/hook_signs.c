/* See hook_signs.h. */
#include "server/pages/hook_signs.h"

#include "cards/base/str.h"

enum {
    HOUR_MS = 60 * 60 * 1000,
    DAY_MS = 24 * HOUR_MS,
    BARS = 24,
    BAR_WIDTH = 3,
    BAR_STEP = 4,
    BASE = 12,  /* of the line, from the top */
    ABOVE = 12, /* the tallest bar of what arrived */
    BELOW = 8,  /* and of what did not */
    PATH_MAX = 1024
};

struct sign_view hook_sign(enum sign sign, const char *word)
{
    static const struct {
        const char *name, *path;
    } SIGNS[] = {
        [SIGN_FINE] = {"ok", "M12 3a9 9 0 1 0 .01 0zM8 12.5l2.7 2.7L16 9.5"},
        [SIGN_SLOW] = {"slow", "M12 3a9 9 0 1 0 .01 0zM12 7v5.2l3.2 2"},
        [SIGN_FAILING] = {"failing", "M12 3.5 2.5 20h19zM12 10v4.5M12 17v.1"},
        [SIGN_OFF] = {"off", "M12 3a9 9 0 1 0 .01 0zM8 12h8"},
        [SIGN_NEW] = {"new", "M12 3a9 9 0 1 0 .01 0z"},
    };
    return (struct sign_view){SIGNS[sign].name, word, SIGNS[sign].path};
}

/* Bars of COUNTS, the largest of both kinds being PEAK; UP or down from the line. */
static const char *bars(const int counts[BARS], int peak, bool up, struct arena *arena)
{
    struct str path;
    int most = up ? ABOVE : BELOW;
    str_init(&path, arena, PATH_MAX);
    for (int i = 0; i < BARS; i++) {
        int height = counts[i] ? 2 + (most - 2) * counts[i] / peak : 0;
        if (height)
            str_addf(&path, "M%d %dv%dh%dv%dz", i * BAR_STEP, up ? BASE : BASE + 1, up ? -height : height, BAR_WIDTH,
                     up ? height : -height);
    }
    return path.data;
}

static const char *sum_words(bool cut, int arrived, int missed, struct arena *arena)
{
    const char *when = cut ? "Of the latest 200" : "In the last 24 hours";
    int all = arrived + missed;
    if (all == 1)
        return arena_printf(arena, "%s the only message %s", when, arrived ? "arrived" : "did not arrive");
    if (arrived && missed)
        return arena_printf(arena, "%s %d of %d messages arrived", when, arrived, all);
    return arena_printf(arena, "%s %s %d messages arrived", when, arrived ? "all" : "none of", all);
}

struct day_view hook_day(const struct delivery *rows, size_t count, int64_t now_ms, struct arena *arena)
{
    int arrived[BARS] = {0}, missed[BARS] = {0}, arrived_sum = 0, missed_sum = 0, peak = 0;
    int64_t since_ms = now_ms - DAY_MS;
    bool cut = count >= DAY_ROWS_MAX && rows[count - 1].created_ms > since_ms;
    if (cut)
        since_ms = rows[count - 1].created_ms - 1;
    for (size_t i = 0; i < count; i++) {
        bool is_missed = rows[i].state != DELIVERY_DELIVERED && (rows[i].state != DELIVERY_PENDING || rows[i].attempts);
        if (rows[i].created_ms <= since_ms || rows[i].created_ms > now_ms ||
            (!is_missed && rows[i].state == DELIVERY_PENDING))
            continue;
        int64_t at = (rows[i].created_ms - since_ms) * BARS / (now_ms - since_ms + 1);
        int *bar = is_missed ? &missed[at] : &arrived[at];
        if (++*bar > peak)
            peak = *bar;
        *(is_missed ? &missed_sum : &arrived_sum) += 1;
    }
    if (!peak)
        return (struct day_view){0};
    return (struct day_view){
        .arrived = bars(arrived, peak, true, arena),
        .missed = bars(missed, peak, false, arena),
        .words = sum_words(cut, arrived_sum, missed_sum, arena),
    };
}
