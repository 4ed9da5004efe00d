/* Any bytes as agent, referrer and purpose: a family that can be shown, a verdict with a rule, and no person without an
 * act. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "cards/share.h"
#include "cards/verdict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    uint32_t acts = data[0] & 63;
    size_t half = (size - 2) / 2;
    char *agent = strndup((const char *)data + 2, half),
         *other = strndup((const char *)data + 2 + half, size - 2 - half);
    struct request_signs signs = {.head = data[1] & 1,
                                  .user_agent = agent,
                                  .referrer = other,
                                  .purpose = other,
                                  .quiet = data[1] & 2,
                                  .self = data[1] & 4,
                                  .burst = data[1] & 8};
    char family[AGENT_FAMILY_SIZE], host[REFERRER_HOST_SIZE];
    uint32_t facts = facts_of(&signs, family);
    require(memchr(family, '\0', sizeof family) != NULL);
    for (const char *at = family; *at; at++)
        require(*at >= ' ' && *at < 0x7F);
    referrer_host(other, host);
    require(memchr(host, '\0', sizeof host) != NULL);
    require(channel_refine(CHANNEL_LINK, channel_of_agent(agent), host) < CHANNEL_COUNT);
    struct judgement judgement = judge(facts, acts, family);
    require(!strcmp(rule_name(rule_code(judgement.rule)), judgement.rule));
    require(judgement.verdict != VERDICT_PERSON || (acts & ~(uint32_t)ACT_AGAIN && !(acts & ACT_AGAIN)));
    free(agent);
    free(other);
    return 0;
}
