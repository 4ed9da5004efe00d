/* See address.h. Every address is first written as 128 bits (IPv4 as ::ffff:a.b.c.d), so there is one table and one
 * comparison. IPv6 is allowed only inside 2000::/3, which leaves out loopback, unique local, mapped and translated forms
 * without having to name them; what is special inside it is named below (IANA special-purpose registries, RFC 6890). */
#include "server/notify/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { V4_BITS = 96 /* where an IPv4 address starts among the 128 */ };

struct range {
    unsigned char bits[16];
    int prefix;
};

#define V4(a, b, c, d, prefix)                                                     \
    {                                                                              \
        {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d}, V4_BITS + (prefix) \
    }

static const struct range MAPPED = V4(0, 0, 0, 0, 0);

static const struct range DENIED_V4[] = {
    V4(0, 0, 0, 0, 8),      V4(10, 0, 0, 0, 8),     V4(100, 64, 0, 0, 10), V4(127, 0, 0, 0, 8),
    V4(169, 254, 0, 0, 16), V4(172, 16, 0, 0, 12),  V4(192, 0, 0, 0, 24),  V4(192, 0, 2, 0, 24),
    V4(192, 88, 99, 0, 24), V4(192, 168, 0, 0, 16), V4(198, 18, 0, 0, 15), V4(198, 51, 100, 0, 24),
    V4(203, 0, 113, 0, 24), V4(224, 0, 0, 0, 3),
};

static const struct range GLOBAL_V6 = {{0x20}, 3};

static const struct range DENIED_V6[] = {
    {{0x20, 0x01}, 23},             /* protocol assignments, Teredo among them */
    {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
    {{0x20, 0x02}, 16},             /* 6to4 */
    {{0x3f, 0xff}, 20},             /* documentation */
};

static const struct range LINK_LOCAL_V4 = V4(169, 254, 0, 0, 16);
static const struct range LINK_LOCAL_V6 = {{0xfe, 0x80}, 10};

/* Prefixes behind which an IPv4 address stands that a translator or tunnel would connect to, and where it stands. */
static const struct {
    struct range range;
    int at;
} CARRIERS[] = {
    {{{0}, 96}, 12},                      /* IPv4-compatible */
    {{{0x00, 0x64, 0xff, 0x9b}, 96}, 12}, /* NAT64 */
    {{{0x20, 0x02}, 16}, 2},              /* 6to4 */
};

static bool in_range(const unsigned char bits[16], const unsigned char range[16], int prefix)
{
    int whole = prefix / 8, rest = prefix % 8;
    if (memcmp(bits, range, (size_t)whole))
        return false;
    return !rest || (bits[whole] ^ range[whole]) >> (8 - rest) == 0;
}

static bool in_any(const unsigned char bits[16], const struct range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (in_range(bits, ranges[i].bits, ranges[i].prefix))
            return true;
    return false;
}

static void bits_of_v4(unsigned char bits[16], const void *four)
{
    memcpy(bits, MAPPED.bits, 12);
    memcpy(bits + 12, four, 4);
}

/* False for anything that is not a whole IPv4 or IPv6 address. */
static bool bits_of(const struct sockaddr *address, socklen_t len, unsigned char bits[16], int *port)
{
    if (len >= sizeof(struct sockaddr_in) && address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        bits_of_v4(bits, &v4.sin_addr);
        *port = ntohs(v4.sin_port);
        return true;
    }
    if (len >= sizeof(struct sockaddr_in6) && address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        memcpy(bits, &v6.sin6_addr, 16);
        *port = ntohs(v6.sin6_port);
        return true;
    }
    return false;
}

static bool is_link_local(const unsigned char bits[16])
{
    if (in_range(bits, LINK_LOCAL_V4.bits, LINK_LOCAL_V4.prefix) ||
        in_range(bits, LINK_LOCAL_V6.bits, LINK_LOCAL_V6.prefix))
        return true;
    for (size_t i = 0; i < sizeof CARRIERS / sizeof *CARRIERS; i++) {
        if (!in_range(bits, CARRIERS[i].range.bits, CARRIERS[i].range.prefix))
            continue;
        unsigned char carried[16];
        bits_of_v4(carried, bits + CARRIERS[i].at);
        if (in_range(carried, LINK_LOCAL_V4.bits, LINK_LOCAL_V4.prefix))
            return true;
    }
    return false;
}

static bool is_public(const struct sockaddr *address, const unsigned char bits[16])
{
    if (address->sa_family == AF_INET)
        return !in_any(bits, DENIED_V4, sizeof DENIED_V4 / sizeof *DENIED_V4);
    return in_range(bits, GLOBAL_V6.bits, GLOBAL_V6.prefix) &&
           !in_any(bits, DENIED_V6, sizeof DENIED_V6 / sizeof *DENIED_V6);
}

enum address_verdict address_judge(const struct address_policy *policy, const struct sockaddr *address, socklen_t len)
{
    unsigned char bits[16];
    int port;
    if (!bits_of(address, len, bits, &port) || is_link_local(bits))
        return ADDRESS_REFUSED;
    for (int i = 0; i < policy->count; i++) {
        const struct address_rule *rule = &policy->rules[i];
        if ((!rule->port || rule->port == port) && in_range(bits, rule->bits, rule->prefix))
            return ADDRESS_ALLOWED;
    }
    if ((port != 443 && port != 8443) || !is_public(address, bits) || address_is_own(address))
        return ADDRESS_REFUSED;
    return ADDRESS_PUBLIC;
}

bool address_is_same(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
    unsigned char bits_of_a[16], bits_of_b[16];
    int port_of_a, port_of_b;
    return a->ss_family == b->ss_family && bits_of((const struct sockaddr *)a, sizeof *a, bits_of_a, &port_of_a) &&
           bits_of((const struct sockaddr *)b, sizeof *b, bits_of_b, &port_of_b) && port_of_a == port_of_b &&
           !memcmp(bits_of_a, bits_of_b, sizeof bits_of_a);
}

/* The kernel is asked from where it would speak to the address: what is its own it speaks to from there itself. A datagram
 * socket is connected without a packet being sent. Unlike a list of interfaces this needs no netlink socket in a process that may
 * open none, and knows routes that call whole IPv4 networks local. */
bool address_is_own(const struct sockaddr *address)
{
    struct sockaddr_storage target = {0}, source = {0};
    socklen_t len = address->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    socklen_t source_len = sizeof source;
    memcpy(&target, address, len);
    int probe = socket(address->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return errno != EAFNOSUPPORT; /* who cannot be asked about is not trusted */
    bool own = !connect(probe, (struct sockaddr *)&target, len) &&
               !getsockname(probe, (struct sockaddr *)&source, &source_len);
    close(probe);
    unsigned char wanted[16], found[16];
    int port;
    return own && bits_of(address, len, wanted, &port) &&
           bits_of((struct sockaddr *)&source, source_len, found, &port) && !memcmp(wanted, found, sizeof found);
}

/* A whole decimal number from LOW to HIGH, or -1. */
static int number(const char *text, int low, int high)
{
    if (!*text || strspn(text, "0123456789") != strlen(text) || strlen(text) > 5)
        return -1;
    long value = strtol(text, NULL, 10);
    return value >= low && value <= high ? (int)value : -1;
}

/* One item, cut up in place: "10.0.0.0/8:443". */
static const char *parse_rule(char *item, struct address_rule *out)
{
    char *port = strrchr(item, ':');
    if (!port)
        return "Each receiver needs a port: CIDR:port, as in 10.0.0.0/8:443, or CIDR:* for any.";
    *port++ = '\0';
    out->port = strcmp(port, "*") ? number(port, 1, 65535) : 0;
    if (out->port < 0)
        return "A port is a number from 1 to 65535, or * for any.";

    char *prefix = strchr(item, '/');
    if (prefix)
        *prefix++ = '\0';
    size_t len = strlen(item);
    bool bracketed = item[0] == '[' && len > 2 && item[len - 1] == ']';
    if (bracketed) {
        item[len - 1] = '\0';
        item++;
    }
    struct in_addr v4;
    bool is_v4 = !bracketed && inet_pton(AF_INET, item, &v4) == 1;
    if (is_v4)
        bits_of_v4(out->bits, &v4);
    else if (inet_pton(AF_INET6, item, out->bits) != 1)
        return "An address is written as 10.0.0.0/8 or [fd00::]/8.";
    int width = is_v4 ? 32 : 128;
    out->prefix = prefix ? number(prefix, 0, width) : width;
    if (out->prefix < 0)
        return "The number after / is 0 to 32 for IPv4, 0 to 128 for IPv6.";
    if (is_v4)
        out->prefix += V4_BITS;
    return NULL;
}

enum result address_policy_parse(const char *text, struct address_policy *out, const char **why)
{
    *out = (struct address_policy){0};
    while (text && *text) {
        size_t len = strcspn(text, ",");
        char item[80];
        size_t used = 0;
        for (size_t i = 0; i < len; i++) {
            if (text[i] == ' ')
                continue;
            if (used == sizeof item - 1) {
                *why = "One of the receivers is too long to be an address.";
                return RESULT_INVALID;
            }
            item[used++] = text[i];
        }
        item[used] = '\0';
        text += len + (text[len] == ',');
        if (!used)
            continue;
        if (out->count == ADDRESS_RULES_MAX) {
            *why = "At most 64 receivers can be listed.";
            return RESULT_INVALID;
        }
        *why = parse_rule(item, &out->rules[out->count]);
        if (*why)
            return RESULT_INVALID;
        out->count++;
    }
    return RESULT_OK;
}
