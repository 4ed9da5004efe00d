/* Network addresses of clients and proxies, IPv4 mapped into IPv6 so there is one form. */
#ifndef MEISHI_HTTP_ADDRESS_H
#define MEISHI_HTTP_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include "cards/base/arena.h"

struct net_address {
    uint8_t bytes[16];
};
struct net_block {
    struct net_address base;
    int prefix_bits;
};
struct address_list {
    struct net_block *blocks;
    size_t count;
};

/* From a socket address; a unix socket's peer is ::1. */
struct net_address address_of_socket(const struct sockaddr *socket);
bool address_parse(const char *text, size_t len, struct net_address *out);
/* "10.0.0.0/8,::1": comma list of addresses and blocks. INVALID names the bad part in *WHY. */
enum result address_list_parse(const char *text, struct arena *arena, struct address_list *out,
                               const char **why) MUST_CHECK;
bool address_list_has(const struct address_list *list, const struct net_address *address);
/* The network a limit counts by: /32 of IPv4, /64 of IPv6, the rest zeroed. */
struct net_address address_network(const struct net_address *address);

#endif
