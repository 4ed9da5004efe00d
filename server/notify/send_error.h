/* What kept a delivery from arriving: the classes that the log of attempts keeps and members read. A class tells them which end
 * to look at (their name server, their certificate, their program) and tells nobody what else answers at an address. */
#ifndef MEISHI_SEND_ERROR_H
#define MEISHI_SEND_ERROR_H

#include <stdbool.h>

enum send_error {
    SEND_OK, /* 2xx with complete headers; what its body does no longer matters */
    SEND_BAD_URL,
    SEND_REFUSED_ADDRESS,
    SEND_NAME_NOT_FOUND,
    SEND_NAME_FAILED, /* its name server answers with an error or with nonsense */
    SEND_NAME_TIMEOUT,
    SEND_CONNECT, /* refused or unreachable */
    SEND_CONNECT_TIMEOUT,
    SEND_CERTIFICATE_EXPIRED, /* or not valid yet */
    SEND_CERTIFICATE_HOST,
    SEND_CERTIFICATE_UNTRUSTED, /* self-signed, unknown authority, broken chain */
    SEND_TLS,                   /* any other end of a handshake */
    SEND_TLS_TIMEOUT,
    SEND_RESET,
    SEND_CLOSED,         /* in good order, but before the headers were complete */
    SEND_ANSWER_TIMEOUT, /* not a byte came */
    SEND_TIMEOUT,        /* an answer began, and its headers were not complete in time */
    SEND_TOO_LARGE,
    SEND_PROTOCOL, /* what came is not HTTP/1.1 */
    SEND_STATUS,
    SEND_REDIRECT,
    SEND_INTERRUPTED, /* our own fault: the sending process ended or was not there. Perhaps sent, never the receiver's failure */
    SEND_CRASH, /* our own fault as well, but it comes back each time: what the receiver says crashes the sending process */
    SEND_ERROR_COUNT
};

/* "certificate expired"; NULL for SEND_OK. */
const char *send_error_name(enum send_error error);
/* Whether a limit of time ended it, wherever. */
bool send_error_is_timeout(enum send_error error);
/* Whether the certificate was at fault. */
bool send_error_is_certificate(enum send_error error);

#endif
