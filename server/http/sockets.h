/* The sockets on which http listens: our own, or those that systemd opened. */
#ifndef MEISHI_HTTP_SOCKETS_H
#define MEISHI_HTTP_SOCKETS_H

#include <stdbool.h>
#include "cards/base/result.h"

enum { LISTENERS_MAX = 16 /* sockets that systemd may pass */ };

struct sockets {
    int fds[LISTENERS_MAX];
    int count;
    bool from_systemd;
    int port;
    char *address, *unix_path; /* from malloc; NULL if none */
};
enum result sockets_open(const char *listen, int want, struct sockets *out, const char **why) MUST_CHECK;

#endif
