/* See authorities.h. libcurl reads the authorities when it first needs them and keeps them with the multi handle. It is made to
 * need them here by a handshake with ourselves: when it says hello, it has read them. */
#include "server/notify/authorities.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { AUTHORITIES_MS = 10000, NAME_BYTES = 108 };

/* Listens under a name that the kernel picks, which has no place in any folder; -1 when that fails. */
static int listen_to_self(char name[NAME_BYTES])
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t len = sizeof address;
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener < 0)
        return -1;
    if (bind(listener, (struct sockaddr *)&address, sizeof address.sun_family) || listen(listener, 1) ||
        getsockname(listener, (struct sockaddr *)&address, &len)) {
        close(listener);
        return -1;
    }
    size_t name_len = len - offsetof(struct sockaddr_un, sun_path) - 1; /* a zero byte leads it */
    snprintf(name, NAME_BYTES, "%.*s", (int)name_len, address.sun_path + 1);
    return listener;
}

/* Whether the hello of a handshake has come to the listener; *TALK is the connection it comes by, -1 at first. */
static bool heard_hello(int listener, int *talk)
{
    char byte;
    if (*talk < 0)
        *talk = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    return *talk >= 0 && recv(*talk, &byte, 1, MSG_PEEK) == 1;
}

#define SET(option, value) (ok = ok && curl_easy_setopt(easy, option, value) == CURLE_OK)

enum result authorities_read(CURLM *multi, CURL *easy)
{
    char name[NAME_BYTES];
    int listener = listen_to_self(name), talk = -1, running = 1;
    bool ok = listener >= 0, heard = false;
    SET(CURLOPT_OPENSOCKETFUNCTION, NULL);
    SET(CURLOPT_CLOSESOCKETFUNCTION, NULL);
    SET(CURLOPT_PREREQFUNCTION, NULL);
    SET(CURLOPT_HTTPGET, 1L);
    SET(CURLOPT_ABSTRACT_UNIX_SOCKET, name);
    SET(CURLOPT_URL, "https://nobody.invalid/");
    SET(CURLOPT_TIMEOUT_MS, (long)AUTHORITIES_MS);
    ok = ok && curl_multi_add_handle(multi, easy) == CURLM_OK;
    while (ok && running && !heard) {
        ok = curl_multi_perform(multi, &running) == CURLM_OK;
        heard = heard_hello(listener, &talk);
        if (running && !heard)
            curl_multi_poll(multi, NULL, 0, 10, NULL);
    }
    curl_multi_remove_handle(multi, easy);
    if (talk >= 0)
        close(talk);
    if (listener >= 0)
        close(listener);
    return heard && running ? RESULT_OK : RESULT_FAILED; /* over already: they cannot be read */
}
