/* See address.h. Text is read by inet_pton, which takes neither zone ids nor short forms of IPv4. */
#include "server/http/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t V4_MAPPED[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static bool is_v4(const struct net_address *address)
{
    return memcmp(address->bytes, V4_MAPPED, sizeof V4_MAPPED) == 0;
}

static struct net_address from_v4(const void *four_bytes)
{
    struct net_address address;
    memcpy(address.bytes, V4_MAPPED, sizeof V4_MAPPED);
    memcpy(address.bytes + 12, four_bytes, 4);
    return address;
}

struct net_address address_of_socket(const struct sockaddr *socket)
{
    struct net_address address = {.bytes = {[15] = 1}};
    if (socket && socket->sa_family == AF_INET)
        return from_v4(&((const struct sockaddr_in *)(const void *)socket)->sin_addr);
    if (socket && socket->sa_family == AF_INET6)
        memcpy(address.bytes, &((const struct sockaddr_in6 *)(const void *)socket)->sin6_addr, 16);
    return address;
}

bool address_parse(const char *text, size_t len, struct net_address *out)
{
    char copy[INET6_ADDRSTRLEN];
    uint8_t four[4];
    if (!len || len >= sizeof copy || memchr(text, '\0', len))
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    if (inet_pton(AF_INET, copy, four) == 1) {
        *out = from_v4(four);
        return true;
    }
    return inet_pton(AF_INET6, copy, out->bytes) == 1;
}

static bool parse_block(const char *text, size_t len, struct net_block *out)
{
    const char *slash = memchr(text, '/', len);
    size_t address_len = slash ? (size_t)(slash - text) : len;
    if (!address_parse(text, address_len, &out->base))
        return false;
    bool v4 = is_v4(&out->base) && !memchr(text, ':', address_len);
    int bits = v4 ? 32 : 128;
    if (slash) {
        const char *digits = slash + 1;
        size_t count = len - address_len - 1;
        if (count < 1 || count > 3 || (count > 1 && digits[0] == '0'))
            return false;
        int asked = 0;
        for (size_t i = 0; i < count; i++) {
            if (digits[i] < '0' || digits[i] > '9')
                return false;
            asked = asked * 10 + (digits[i] - '0');
        }
        if (asked > bits)
            return false;
        bits = asked;
    }
    out->prefix_bits = v4 ? bits + 96 : bits;
    return true;
}

enum result address_list_parse(const char *text, struct arena *arena, struct address_list *out, const char **why)
{
    *out = (struct address_list){0};
    if (!text || !*text)
        return RESULT_OK;
    size_t most = 1;
    for (const char *c = text; *c; c++)
        most += *c == ',';
    out->blocks = arena_alloc(arena, most * sizeof *out->blocks);
    for (const char *part = text;;) {
        part += strspn(part, " \t");
        size_t len = strcspn(part, ",");
        size_t next = len;
        while (len && (part[len - 1] == ' ' || part[len - 1] == '\t'))
            len--;
        if (!parse_block(part, len, &out->blocks[out->count])) {
            *why = arena_printf(arena, "\"%.*s\" is not an address or a block of addresses", (int)(len < 64 ? len : 64),
                                part);
            return RESULT_INVALID;
        }
        out->count++;
        if (!part[next])
            return RESULT_OK;
        part += next + 1;
    }
}

static bool block_has(const struct net_block *block, const struct net_address *address)
{
    int whole = block->prefix_bits / 8, rest = block->prefix_bits % 8;
    if (memcmp(block->base.bytes, address->bytes, (size_t)whole) != 0)
        return false;
    if (!rest)
        return true;
    uint8_t mask = (uint8_t)(0xff << (8 - rest));
    return ((block->base.bytes[whole] ^ address->bytes[whole]) & mask) == 0;
}

bool address_list_has(const struct address_list *list, const struct net_address *address)
{
    for (size_t i = 0; i < list->count; i++)
        if (block_has(&list->blocks[i], address))
            return true;
    return false;
}

struct net_address address_network(const struct net_address *address)
{
    struct net_address network = *address;
    if (!is_v4(address))
        memset(network.bytes + 8, 0, 8);
    return network;
}
