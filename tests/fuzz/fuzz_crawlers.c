/* Any bytes as an agent: no read beyond its end, and a known name is known wherever it stands. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cards/crawlers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char name[] = "Googlebot/";
    char *agent = malloc(size + sizeof name);
    if (!agent)
        return 0;
    memcpy(agent, data, size);
    unsigned flags = crawler_match(agent, size);
    memcpy(agent + size, name, sizeof name - 1);
    unsigned more = crawler_match(agent, size + sizeof name - 1);
    if ((flags && !(flags & CRAWLER_BOT)) || !(more & CRAWLER_BOT))
        abort();
    free(agent);
    return 0;
}
