/* See send_error.h. */
#include "server/notify/send_error.h"

#include <stddef.h>

const char *send_error_name(enum send_error error)
{
    static const char *const NAMES[SEND_ERROR_COUNT] = {
        [SEND_OK] = NULL,
        [SEND_BAD_URL] = "bad url",
        [SEND_REFUSED_ADDRESS] = "refused address",
        [SEND_NAME_NOT_FOUND] = "name not found",
        [SEND_NAME_FAILED] = "name server failed",
        [SEND_NAME_TIMEOUT] = "name timeout",
        [SEND_CONNECT] = "connect",
        [SEND_CONNECT_TIMEOUT] = "connect timeout",
        [SEND_CERTIFICATE_EXPIRED] = "certificate expired",
        [SEND_CERTIFICATE_HOST] = "certificate for another host",
        [SEND_CERTIFICATE_UNTRUSTED] = "certificate not trusted",
        [SEND_TLS] = "tls",
        [SEND_TLS_TIMEOUT] = "tls timeout",
        [SEND_RESET] = "reset",
        [SEND_CLOSED] = "closed early",
        [SEND_ANSWER_TIMEOUT] = "no answer in time",
        [SEND_TIMEOUT] = "timeout",
        [SEND_TOO_LARGE] = "headers too large",
        [SEND_PROTOCOL] = "bad http",
        [SEND_STATUS] = "status",
        [SEND_REDIRECT] = "redirect",
        [SEND_INTERRUPTED] = "interrupted",
        [SEND_CRASH] = "crash",
    };
    return NAMES[error];
}

bool send_error_is_timeout(enum send_error error)
{
    return error == SEND_NAME_TIMEOUT || error == SEND_CONNECT_TIMEOUT || error == SEND_TLS_TIMEOUT ||
           error == SEND_ANSWER_TIMEOUT || error == SEND_TIMEOUT;
}

bool send_error_is_certificate(enum send_error error)
{
    return error == SEND_CERTIFICATE_EXPIRED || error == SEND_CERTIFICATE_HOST || error == SEND_CERTIFICATE_UNTRUSTED;
}
