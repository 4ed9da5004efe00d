/* The verdict on one hit: who asked for a share's page, and the rule that says so.
 *
 * A request alone is never a person: it is `unconfirmed` until an act follows (the page was visible, a tap, the contact
 * saved, the form). Everything that can be known from the request is reduced to a few facts first, and the facts are
 * what is kept, so today's rules can be applied to yesterday's hits without keeping a user agent or an address. */
#ifndef MEISHI_VERDICT_H
#define MEISHI_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cards/agent.h" /* AGENT_FAMILY_SIZE */

enum verdict {
    VERDICT_UNCONFIRMED,
    VERDICT_PERSON,
    VERDICT_PREVIEW,
    VERDICT_SCANNER,
    VERDICT_PREFETCH,
    VERDICT_BOT,
    VERDICT_SELF,
    VERDICT_COUNT
};

/* Facts of a request, kept with the hit. */
enum {
    FACT_HEAD = 1 << 0,            /* method HEAD */
    FACT_PREFETCH = 1 << 1,        /* Sec-Purpose, Purpose, X-Moz or X-Purpose says prefetch, prerender or preview */
    FACT_NO_AGENT = 1 << 2,        /* no or an empty User-Agent */
    FACT_CRAWLER = 1 << 3,         /* the crawler table knows it, and which sort: */
    FACT_CRAWLER_PREVIEW = 1 << 4, /* draws link previews */
    FACT_CRAWLER_SCANNER = 1 << 5, /* looks for weaknesses or malware */
    FACT_BURST = 1 << 6,           /* several tokens from one network within seconds */
    FACT_SELF = 1 << 7,            /* the member's own session */
    FACT_NO_LANGUAGE = 1 << 8,     /* no Accept-Language, which every browser sends: kept, judges nothing alone */
    FACT_TOOL = 1 << 9,    /* an HTTP library or command line tool by its own name (curl, python-requests, …) */
    FACT_IN_APP = 1 << 10, /* an app's own browser: a person's */
    FACT_QUIET = 1 << 11   /* Sec-GPC or DNT: no visitor hash was made */
};

/* Acts that followed, by the stamp the page carried. */
enum {
    ACT_SEEN = 1 << 0,
    ACT_TAP = 1 << 1,
    ACT_SAVE = 1 << 2,
    ACT_FORM = 1 << 3,
    ACT_PASS_ON = 1 << 4,
    ACT_AGAIN = 1 << 5,
    ACT_CROWDED = 1 << 6
};
/* ACT_AGAIN: the page named an earlier stamp: the same visitor opened it again. That hit is kept as unconfirmed by rule
 * "again", so one phone reloading is one scan.
 * ACT_CROWDED, beside others: too many of one network acted on the share within the hour. The hit is judged and counted as any,
 * but nobody is listed for it. */

enum { REFERRER_HOST_SIZE = 64 };

/* A robot by its own name, or HEAD: its page is never before anybody's eyes, and the same one comes again and again. */
bool facts_are_a_robots(uint32_t facts);

/* What a request said, as the HTTP layer hands it over. Strings may be NULL. */
struct request_signs {
    bool head;
    const char *user_agent, *referrer, *accept_language;
    const char *purpose; /* whichever of Sec-Purpose, Purpose, X-Purpose, X-Moz was there */
    bool quiet;          /* Sec-GPC: 1 or DNT: 1 */
    bool self, burst;
};

/* The FACT_ bits; and the agent's family ("Safari on iOS", "WhatsApp", "curl": a product and a device class, never the
 * whole agent), at most AGENT_FAMILY_SIZE - 1 bytes. */
uint32_t facts_of(const struct request_signs *signs, char family[AGENT_FAMILY_SIZE]);
/* Its two halves: what an agent says, always the same and dear to find out, and what the rest of the request does. */
uint32_t facts_of_agent(const char *user_agent, char family[AGENT_FAMILY_SIZE]);
uint32_t facts_of_moment(const struct request_signs *signs);
/* Only the host of a Referer, lower case, "" if none or unreadable. */
void referrer_host(const char *referrer, char out[REFERRER_HOST_SIZE]);

struct judgement {
    enum verdict verdict;
    const char
        *rule; /* a stable literal: "seen", "saved", "tap", "form", "again", "no act yet", "crawler: preview", … */
};

/* Today's rules. FAMILY is looked up in today's crawler table again, so a crawler that was unknown when it came is
 * recognised by `meishi rejudge`. */
struct judgement judge(uint32_t facts, uint32_t acts, const char *family);

/* "person"; a literal. */
const char *verdict_name(enum verdict verdict);
/* The rule as stored in one byte, and back; 0 is "no act yet". */
uint8_t rule_code(const char *rule);
const char *rule_name(uint8_t code);
/* A sentence for the member: why this hit was judged so. */
const char *rule_words(const char *rule);

#endif
