/* See webhook_url.h. */
#include "server/notify/webhook_url.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cards/base/arena.h"
#include "cards/base/url.h"

static const char NOT_PLAIN[] = "The address must start with https://.";

/* What can be said before the address is taken apart. */
static const char *complaint_of_text(const char *text)
{
    if (!text || !*text)
        return "Please give the address to send to.";
    if (strlen(text) > URL_BYTES_MAX)
        return "This address is too long.";
    bool secure = !strncasecmp(text, "https://", strlen("https://"));
    if (!secure && strncasecmp(text, "http://", strlen("http://")))
        return "This is not a web address that starts with https://.";
    const char *host = text + (secure ? strlen("https://") : strlen("http://"));
    size_t host_len = strcspn(host, "/?#");
    if (!host_len)
        return "There is no host after the //.";
    if (memchr(host, '@', host_len))
        return "Please leave out the user name before the @.";
    if (strchr(text, '#'))
        return "Please leave out the part after #.";
    return NULL;
}

static bool port_is_allowed(const struct address_policy *policy, int port)
{
    for (int i = 0; i < policy->count; i++)
        if (!policy->rules[i].port || policy->rules[i].port == port)
            return true;
    return false;
}

static bool is_usual(int port)
{
    return port == 443 || port == 8443;
}

static const char *complaint_of_address(const struct url *url, bool plain, const struct address_policy *policy)
{
    char port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV}, *found;
    snprintf(port, sizeof port, "%d", url->port);
    if (getaddrinfo(url->host, port, &hints, &found))
        return NULL; /* a spelling that the system reads as a name: it is judged when it is called */
    enum address_verdict verdict = address_judge(policy, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    if (verdict == ADDRESS_REFUSED && !is_usual(url->port))
        return "This address may not be called from here, or not on this port.";
    if (verdict == ADDRESS_REFUSED)
        return "This address is in a private network, or this server's own: it may not be called from here.";
    return verdict == ADDRESS_PUBLIC && plain ? NOT_PLAIN : NULL;
}

const char *webhook_url_complaint(const char *text, const struct address_policy *policy)
{
    struct arena arena;
    struct url url;
    const char *why = complaint_of_text(text);
    if (why)
        return why;
    arena_init(&arena);
    if (url_parse(text, URL_NO_FRAGMENT, &arena, &url) != RESULT_OK) {
        why = "This is not a web address.";
    } else {
        bool plain = !strcmp(url.scheme, "http"), by_rule = port_is_allowed(policy, url.port);
        if (plain && !by_rule)
            why = NOT_PLAIN;
        else if (!by_rule && !is_usual(url.port))
            why = "Only the ports 443 and 8443 may be called from here.";
        else if (url.host_is_address)
            why = complaint_of_address(&url, plain, policy);
    }
    arena_free(&arena);
    return why;
}
