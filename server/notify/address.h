/* Whether a webhook may be sent to an address. Members choose the URLs and this server makes the calls, so without this
 * judgement a member could make it speak to the machines behind its own firewall (server-side request forgery).
 *
 * The judgement is of the address that is about to be connected to, never of the text in a URL: spellings do not matter. */
#ifndef MEISHI_ADDRESS_H
#define MEISHI_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include "cards/base/result.h"

enum { ADDRESS_RULES_MAX = 64 };

struct address_rule {
    unsigned char bits[16]; /* IPv4 as ::ffff:a.b.c.d */
    int prefix;             /* of those 128 bits */
    int port;               /* 0: any */
};

/* MEISHI_WEBHOOK_ALLOW: receivers on the operator's own network that may be called, over plain http too. */
struct address_policy {
    struct address_rule rules[ADDRESS_RULES_MAX];
    int count;
};

/* Reads a comma list of CIDR:port, "10.0.0.0/8:443, [fd00::]/8:*, 127.0.0.1:9000". NULL and "" allow nothing.
 * INVALID with a literal sentence in *WHY. */
enum result address_policy_parse(const char *text, struct address_policy *out, const char **why) MUST_CHECK;

enum address_verdict {
    ADDRESS_REFUSED, /* private, local, reserved, our own, or a port that is not 443 or 8443 */
    ADDRESS_PUBLIC,  /* may be called with https */
    ADDRESS_ALLOWED  /* named by the operator: may be called with http too */
};

/* Link-local addresses (169.254/16, fe80::/10), where clouds keep their keys, are refused whatever the policy says. Any
 * family but IPv4 and IPv6 is refused. */
enum address_verdict address_judge(const struct address_policy *policy, const struct sockaddr *address, socklen_t len);
/* The same address and port; other families are never the same. */
bool address_is_same(const struct sockaddr_storage *a, const struct sockaddr_storage *b);
/* Whether one of this machine's interfaces has the address. */
bool address_is_own(const struct sockaddr *address);

#endif
