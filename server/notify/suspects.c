/* See suspects.h. */
#include "server/notify/suspects.h"

/* Where PLACE stands; the count if nowhere. */
static int find(const struct suspects *suspects, int64_t place)
{
    int i = 0;
    while (i < suspects->count && suspects->list[i].place != place)
        i++;
    return i;
}

int suspects_crashes(const struct suspects *suspects, int64_t place)
{
    int at = suspects->count && place ? find(suspects, place) : suspects->count;
    return at < suspects->count ? suspects->list[at].crashes : 0;
}

static int longest_ago(const struct suspects *suspects)
{
    int first = 0;
    for (int i = 1; i < suspects->count; i++)
        if (suspects->list[i].at_ms < suspects->list[first].at_ms)
            first = i;
    return first;
}

int suspects_add(struct suspects *suspects, int64_t place, int64_t now_ms)
{
    if (!place)
        return 0;
    int at = find(suspects, place);
    if (at == SUSPECTS_MAX)
        at = longest_ago(suspects);
    if (at == suspects->count)
        suspects->count++;
    else if (suspects->list[at].place == place)
        return suspects->list[at].at_ms = now_ms, ++suspects->list[at].crashes;
    suspects->list[at].place = place;
    suspects->list[at].at_ms = now_ms;
    return suspects->list[at].crashes = 1;
}

void suspects_clear(struct suspects *suspects, int64_t place)
{
    int at = suspects->count ? find(suspects, place) : 0;
    if (at < suspects->count)
        suspects->list[at] = suspects->list[--suspects->count];
}
