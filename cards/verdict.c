/* The rules by which a hit is judged. They are few, in one function, and each has words for the member.
 *
 * What proves a person? Not a request: preview robots, mail scanners and browsers that load ahead all send the same one.
 * Not even that the page ran its script and found itself visible (`seen`): scanners open links in a real browser without a
 * screen, and there every page is visible. What follows decides by how much it costs a machine to do by accident:
 *
 *   form, pass on   a deliberate POST with something typed or pressed. Proves a person whatever else is known, except for
 *                   a scanner by its own name, which fills in forms for a living.
 *   saved           a GET of the contact, which whatever follows links does too. Proves a person for a browser, except in
 *                   a burst, where it needs one of the next two beside it.
 *   tap, seen       a same-origin POST by our script from a page that is visible. Prove a person for anything that could
 *                   be a browser, in a burst too: a hall where phones of one make open card after card is the very place
 *                   this is for, and is commoner than a scanner that runs scripts.
 *
 * A robot that gives its name, or a tool such as curl, is not made a person by its script or by the links it follows. No
 * agent at all may be a careful person, so there a page that was seen or tapped counts. A page loaded ahead becomes a
 * person's when it shows itself, and only then.
 *
 * The order is: the member's own visit; HEAD, whose answer has no page on which anything could follow; loading ahead;
 * robots; tools, bursts and the nameless; then acts. A hit that would be a person but whose page named an earlier stamp
 * (`again`) is that earlier hit's visitor and counts once. Nothing is ever dropped: a rule that turns out wrong is
 * corrected here, and `meishi rejudge` restates what it had said. */
#include "cards/verdict.h"

#include <assert.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Codes are stored: new rules go to the end, and none is ever taken out. */
enum rule {
    RULE_NO_ACT,
    RULE_SEEN,
    RULE_TAP,
    RULE_SAVED,
    RULE_FORM,
    RULE_PASSED_ON,
    RULE_AGAIN,
    RULE_SELF,
    RULE_HEAD,
    RULE_PREFETCH,
    RULE_PREVIEW,
    RULE_SCANNER,
    RULE_CRAWLER,
    RULE_TOOL,
    RULE_NO_AGENT,
    RULE_BURST,
    RULE_COUNT
};

static const struct {
    const char *name;
    enum verdict verdict;
    const char *words;
} RULES[RULE_COUNT] = {
    [RULE_NO_ACT] = {"no act yet", VERDICT_UNCONFIRMED,
                     "The page was fetched, and nothing has shown yet that somebody looked at it."},
    [RULE_SEEN] = {"seen", VERDICT_PERSON, "The page was open in front of somebody."},
    [RULE_TAP] = {"tap", VERDICT_PERSON, "Somebody tapped something on the page."},
    [RULE_SAVED] = {"saved", VERDICT_PERSON, "Somebody saved the contact."},
    [RULE_FORM] = {"form", VERDICT_PERSON, "Somebody left their details."},
    [RULE_PASSED_ON] = {"passed on", VERDICT_PERSON, "Somebody passed the card on."},
    [RULE_AGAIN] = {"again", VERDICT_UNCONFIRMED,
                    "The same visitor opened the page again; the first time is what counts."},
    [RULE_SELF] = {"own visit", VERDICT_SELF, "This was you, signed in."},
    [RULE_HEAD] = {"head", VERDICT_BOT, "Only the page's headers were asked for, as link checkers do."},
    [RULE_PREFETCH] = {"prefetch", VERDICT_PREFETCH, "A browser loaded the page ahead and has not shown it."},
    [RULE_PREVIEW] = {"crawler: preview", VERDICT_PREVIEW, "A chat or network drew its preview of the link."},
    [RULE_SCANNER] = {"crawler: scanner", VERDICT_SCANNER, "A scanner that gives its name looked at the link."},
    [RULE_CRAWLER] = {"crawler", VERDICT_BOT, "A robot that gives its name fetched the page."},
    [RULE_TOOL] = {"tool", VERDICT_BOT, "A program fetched the page, not a browser."},
    [RULE_NO_AGENT] = {"no agent", VERDICT_BOT, "Whatever fetched the page did not say what it is, as browsers do."},
    [RULE_BURST] = {"burst", VERDICT_SCANNER,
                    "Several cards were opened from one network within seconds, as mail scanners do."},
};

static const char *const VERDICTS[VERDICT_COUNT] = {
    [VERDICT_UNCONFIRMED] = "unconfirmed",
    [VERDICT_PERSON] = "person",
    [VERDICT_PREVIEW] = "preview",
    [VERDICT_SCANNER] = "scanner",
    [VERDICT_PREFETCH] = "prefetch",
    [VERDICT_BOT] = "bot",
    [VERDICT_SELF] = "self",
};

/* ------------------------------------------------------------------------------------------------------- facts */

static bool says_ahead(const char *purpose)
{
    return purpose &&
           (strcasestr(purpose, "prefetch") || strcasestr(purpose, "prerender") || strcasestr(purpose, "preview"));
}

uint32_t facts_of_agent(const char *user_agent, char family[AGENT_FAMILY_SIZE])
{
    switch (agent_read(user_agent, family)) {
    case AGENT_NONE:
        return FACT_NO_AGENT;
    case AGENT_IN_APP:
        return FACT_IN_APP;
    case AGENT_PREVIEW:
        return FACT_CRAWLER | FACT_CRAWLER_PREVIEW;
    case AGENT_SCANNER:
        return FACT_CRAWLER | FACT_CRAWLER_SCANNER;
    case AGENT_CRAWLER:
        return FACT_CRAWLER;
    case AGENT_TOOL:
        return FACT_TOOL;
    case AGENT_BROWSER:
    case AGENT_UNKNOWN:
        break;
    }
    return 0;
}

uint32_t facts_of_moment(const struct request_signs *signs)
{
    uint32_t facts = signs->head ? FACT_HEAD : 0;
    facts |= says_ahead(signs->purpose) ? FACT_PREFETCH : 0;
    facts |= signs->burst ? FACT_BURST : 0;
    facts |= signs->self ? FACT_SELF : 0;
    facts |= signs->quiet ? FACT_QUIET : 0;
    facts |= !signs->accept_language || !*signs->accept_language ? FACT_NO_LANGUAGE : 0;
    return facts;
}

uint32_t facts_of(const struct request_signs *signs, char family[AGENT_FAMILY_SIZE])
{
    return facts_of_agent(signs->user_agent, family) | facts_of_moment(signs);
}

bool facts_are_a_robots(uint32_t facts)
{
    return facts & FACT_HEAD || (facts & FACT_CRAWLER && !(facts & (FACT_IN_APP | FACT_SELF)));
}

void referrer_host(const char *referrer, char out[REFERRER_HOST_SIZE])
{
    out[0] = '\0';
    const char *at = referrer ? strstr(referrer, "://") : NULL;
    if (!at || at - referrer > 16)
        return;
    at += 3;
    size_t len = strcspn(at, "/?#:");
    if (len >= REFERRER_HOST_SIZE || memchr(at, '@', strcspn(at, "/?#")))
        return;
    for (size_t i = 0; i < len; i++) {
        char c = at[i] >= 'A' && at[i] <= 'Z' ? (char)(at[i] - 'A' + 'a') : at[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_')) {
            out[0] = '\0'; /* user names, brackets, anything odd: not a host to show */
            return;
        }
        out[i] = c;
    }
    out[len] = '\0';
}

/* ----------------------------------------------------------------------------------------------------- judging */

/* The strongest act, as a rule. */
static enum rule rule_of_acts(uint32_t acts)
{
    if (acts & ACT_FORM)
        return RULE_FORM;
    if (acts & ACT_PASS_ON)
        return RULE_PASSED_ON;
    if (acts & ACT_SAVE)
        return RULE_SAVED;
    if (acts & ACT_TAP)
        return RULE_TAP;
    return acts & ACT_SEEN ? RULE_SEEN : RULE_NO_ACT;
}

/* The rule that keeps this hit from being a person's although acts may have followed, or RULE_NO_ACT for none. */
static enum rule rule_against(uint32_t facts, uint32_t acts, enum agent_kind known)
{
    bool deliberate = acts & (ACT_FORM | ACT_PASS_ON);
    bool app = facts & FACT_IN_APP, ahead = facts & FACT_PREFETCH && !(acts & (ACT_SEEN | ACT_TAP));
    if (ahead && !deliberate)
        return RULE_PREFETCH;
    if (!app && (facts & FACT_CRAWLER_SCANNER || known == AGENT_SCANNER))
        return RULE_SCANNER;
    if (deliberate)
        return RULE_NO_ACT;
    if (!app && (facts & FACT_CRAWLER_PREVIEW || known == AGENT_PREVIEW))
        return RULE_PREVIEW;
    if (!app && !(facts & FACT_TOOL) && (facts & FACT_CRAWLER || known == AGENT_CRAWLER))
        return RULE_CRAWLER;
    if (facts & FACT_TOOL)
        return RULE_TOOL;
    if (facts & FACT_BURST && !(acts & (ACT_SEEN | ACT_TAP)))
        return RULE_BURST;
    if (facts & FACT_NO_AGENT && !(acts & (ACT_SEEN | ACT_TAP)))
        return RULE_NO_AGENT;
    return RULE_NO_ACT;
}

static enum rule decide(uint32_t facts, uint32_t acts, const char *family)
{
    if (facts & FACT_SELF)
        return RULE_SELF;
    if (facts & FACT_HEAD)
        return RULE_HEAD;
    enum rule against = rule_against(facts, acts, agent_look_up(family ? family : ""));
    if (against != RULE_NO_ACT)
        return against;
    return acts & ACT_AGAIN ? RULE_AGAIN : rule_of_acts(acts);
}

struct judgement judge(uint32_t facts, uint32_t acts, const char *family)
{
    enum rule rule = decide(facts, acts, family);
    return (struct judgement){RULES[rule].verdict, RULES[rule].name};
}

/* ------------------------------------------------------------------------------------------------------- words */

const char *verdict_name(enum verdict verdict)
{
    assert((unsigned)verdict < VERDICT_COUNT);
    return VERDICTS[verdict];
}

uint8_t rule_code(const char *rule)
{
    for (uint8_t code = 0; code < RULE_COUNT; code++)
        if (RULES[code].name == rule || !strcmp(RULES[code].name, rule))
            return code;
    return RULE_NO_ACT;
}

/* A code of a newer version reads as the mildest rule; rejudging puts it right. */
const char *rule_name(uint8_t code)
{
    return RULES[code < RULE_COUNT ? code : RULE_NO_ACT].name;
}

const char *rule_words(const char *rule)
{
    return RULES[rule_code(rule)].words;
}
