/* See crawlers.h. One step a byte: hash the three bytes here, and compare only the literals whose chosen gram falls into
 * that bucket, mostly none. The generator chose for each literal the gram that browsers' agents do not hold. */
#include "cards/crawlers.h"
#include "cards/crawler_table.h"

#include <stdbool.h>
#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Whether TAIL matches what stands between AT and END. It recurses only for the open forms, of which a tail has one or
 * two, so the work is bounded by the agent's length. */
static bool tail_matches(const char *tail, const char *at, const char *end)
{
    for (; *tail; tail++) {
        switch (*tail) {
        case CRAWLER_END:
            return at == end;
        case CRAWLER_ANY:
            for (; at <= end; at++)
                if (tail_matches(tail + 1, at, end))
                    return true;
            return false;
        case CRAWLER_DIGITS:
            while (at < end && is_digit(*at))
                if (tail_matches(tail + 1, ++at, end))
                    return true;
            return false;
        case CRAWLER_DIGIT:
            if (at == end || !is_digit(*at++))
                return false;
            break;
        case CRAWLER_NOT:
            if (at == end || *at++ == *++tail)
                return false;
            break;
        default:
            if (at == end || *at++ != *tail)
                return false;
        }
    }
    return true;
}

static bool entry_matches(const struct crawler_entry *entry, const char *agent, size_t len, size_t gram_at)
{
    if (gram_at < entry->gram)
        return false;
    size_t at = gram_at - entry->gram;
    const char *literal = crawler_texts + entry->text;
    if (entry->len > len - at || (entry->is_start && at) || memcmp(agent + at, literal, entry->len) != 0)
        return false;
    return tail_matches(literal + entry->len, agent + at + entry->len, agent + len);
}

unsigned crawler_match(const char *agent, size_t len)
{
    unsigned flags = CRAWLER_NONE;
    if (!agent)
        return flags;
    for (size_t at = 0; at + CRAWLER_GRAM <= len; at++) {
        unsigned bucket = crawler_bucket(agent + at);
        for (unsigned i = crawler_buckets[bucket]; i < crawler_buckets[bucket + 1]; i++)
            if (entry_matches(&crawler_entries[i], agent, len, at))
                flags |= crawler_entries[i].flags;
    }
    return flags;
}
