/* Any bytes as MEISHI_WEBHOOK_ALLOW and as an address: whatever the operator writes, link-local places stay shut, and what
 * nobody named is called only where the internet is. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "server/notify/address.h"
#include "server/notify/webhook_url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

static void judge_v4(const struct address_policy *policy, const uint8_t *bytes, uint16_t port)
{
    static const struct address_policy nothing;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    memcpy(&address.sin_addr, bytes, 4);
    enum address_verdict alone = address_judge(&nothing, (struct sockaddr *)&address, sizeof address);
    enum address_verdict verdict = address_judge(policy, (struct sockaddr *)&address, sizeof address);
    if (bytes[0] == 169 && bytes[1] == 254)
        require(verdict == ADDRESS_REFUSED);
    if (bytes[0] == 127 || bytes[0] == 10 || bytes[0] == 0 || bytes[0] >= 224 || (bytes[0] == 192 && bytes[1] == 168))
        require(alone == ADDRESS_REFUSED);
    require(alone != ADDRESS_ALLOWED && (alone == ADDRESS_REFUSED || port == 443 || port == 8443));
    require(verdict == alone || verdict == ADDRESS_ALLOWED);

    /* The same place behind a mapped address is never a way around. */
    struct sockaddr_in6 mapped = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    mapped.sin6_addr.s6_addr[10] = mapped.sin6_addr.s6_addr[11] = 0xff;
    memcpy(mapped.sin6_addr.s6_addr + 12, bytes, 4);
    enum address_verdict behind = address_judge(policy, (struct sockaddr *)&mapped, sizeof mapped);
    require(behind == ADDRESS_REFUSED || (behind == ADDRESS_ALLOWED && verdict == ADDRESS_ALLOWED));
}

static void judge_v6(const struct address_policy *policy, const uint8_t *bytes, uint16_t port)
{
    static const struct address_policy nothing;
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    memcpy(&address.sin6_addr, bytes, 16);
    enum address_verdict alone = address_judge(&nothing, (struct sockaddr *)&address, sizeof address);
    require(alone == ADDRESS_REFUSED || (bytes[0] >> 5 == 1 && (port == 443 || port == 8443)));
    if (bytes[0] == 0xfe && bytes[1] >> 6 == 2)
        require(address_judge(policy, (struct sockaddr *)&address, sizeof address) == ADDRESS_REFUSED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct address_policy policy;
    const char *why = NULL;
    if (size < 19)
        return 0;
    char *text = strndup((const char *)data + 18, size - 18);
    uint16_t port = data[16] & 1 ? 443 : (uint16_t)(data[16] << 8 | data[17]);
    if (address_policy_parse(text, &policy, &why) != RESULT_OK) {
        require(why != NULL);
        policy.count = 0;
    }
    require(policy.count >= 0 && policy.count <= ADDRESS_RULES_MAX);
    for (int i = 0; i < policy.count; i++)
        require(policy.rules[i].prefix >= 0 && policy.rules[i].prefix <= 128 && policy.rules[i].port >= 0 &&
                policy.rules[i].port <= 65535);
    judge_v4(&policy, data, port);
    judge_v6(&policy, data, port);
    if (!webhook_url_complaint(text, &policy))
        require(!strncasecmp(text, "https://", 8) || (!strncasecmp(text, "http://", 7) && policy.count));
    free(text);
    return 0;
}
