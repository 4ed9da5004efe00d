/* See url.h. curl_url accepts more than is wanted (file:, gopher:, any scheme it was built with), so everything is
 * taken apart and looked at again. Most addresses that are parsed were brought to one spelling when they were stored: one
 * made of nothing but characters that can only mean themselves is read as it stands, a hundred times as quickly. */
#include "cards/base/url.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <idn2.h>
#include <stdlib.h>
#include <string.h>
#include "cards/base/str.h"
#include "cards/base/text.h"

enum { HOST_MAX = 253, LABEL_MAX = 63 };

/* Letters, digits and hyphens in labels of 1 to 63, and no more than 253 in all (RFC 1123 2.1). */
static bool is_host_name(const char *host)
{
    size_t len = strlen(host), label = 0;
    if (!len || len > HOST_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = host[i];
        bool edge = label == 0 || host[i + 1] == '.' || !host[i + 1];
        if (c == '.') {
            if (!label)
                return false;
            label = 0;
            continue;
        }
        bool alnum = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (++label > LABEL_MAX || !(alnum || c == '_' || (c == '-' && !edge)))
            return false;
    }
    return true;
}

/* A name whose last label is a number would be read as an IPv4 address by someone (WHATWG URL 3.5). */
static bool ends_in_number(const char *host)
{
    const char *end = host + strlen(host);
    if (end > host && end[-1] == '.')
        end--;
    const char *label = end;
    while (label > host && label[-1] != '.')
        label--;
    return (size_t)(end - label) == strspn(label, "0123456789") ||
           (label[0] == '0' && (label[1] == 'x' || label[1] == 'X'));
}

/* The part of the address in the arena, or NULL when there is none. */
static const char *part(CURLU *handle, CURLUPart what, unsigned flags, struct arena *arena)
{
    char *text = NULL;
    if (curl_url_get(handle, what, &text, flags))
        return NULL;
    const char *copy = arena_strdup(arena, text);
    curl_free(text);
    return copy;
}

/* The host in the one spelling that is looked up; NULL if it is none. */
static const char *host_name(const char *given, struct arena *arena, bool *is_address)
{
    unsigned char binary[sizeof(struct in6_addr)];
    size_t len = strlen(given);
    *is_address = true;
    if (len > 2 && given[0] == '[' && given[len - 1] == ']') {
        const char *inside = arena_strndup(arena, given + 1, len - 2);
        char *text = arena_alloc(arena, INET6_ADDRSTRLEN);
        return inet_pton(AF_INET6, inside, binary) == 1 ? inet_ntop(AF_INET6, binary, text, INET6_ADDRSTRLEN) : NULL;
    }
    if (inet_pton(AF_INET, given, binary) == 1)
        return given;
    *is_address = false;
    char *ascii = NULL;
    if (!text_is_utf8(given, len) || idn2_to_ascii_8z(given, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
        return NULL;
    const char *host = text_lower(ascii, arena);
    idn2_free(ascii);
    return is_host_name(host) && !ends_in_number(host) ? host : NULL;
}

static bool has_forbidden(const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at; at++)
        if (*at <= ' ' || *at == 0x7F || *at == '\\' || *at == '"' || *at == '<' || *at == '>' || *at == '`')
            return true;
    return false;
}

/* curl encodes path and query and leaves the fragment as it came. */
static const char *encode_rest(const char *text, struct arena *arena)
{
    struct str out;
    str_init(&out, arena, 3 * strlen(text));
    for (const char *at = text; *at; at++) {
        if ((unsigned char)*at < 0x80)
            str_add_char(&out, *at);
        else
            str_addf(&out, "%%%02x", (unsigned char)*at);
    }
    return out.data;
}

/* Fills OUT from what the parser made of it; INVALID when it is not an address of ours. */
static enum result take_apart(CURLU *handle, unsigned flags, struct arena *arena, struct url *out)
{
    struct url url = {.scheme = part(handle, CURLUPART_SCHEME, 0, arena)};
    if (!url.scheme || (strcmp(url.scheme, "https") && strcmp(url.scheme, "http")))
        return RESULT_INVALID;
    if (part(handle, CURLUPART_USER, 0, arena) || part(handle, CURLUPART_PASSWORD, 0, arena) ||
        part(handle, CURLUPART_ZONEID, 0, arena))
        return RESULT_INVALID;
    const char *given = part(handle, CURLUPART_HOST, 0, arena);
    url.host = given ? host_name(given, arena, &url.host_is_address) : NULL;
    if (!url.host)
        return RESULT_INVALID;
    const char *shown = strchr(url.host, ':') ? arena_printf(arena, "[%s]", url.host) : url.host;
    if (curl_url_set(handle, CURLUPART_HOST, shown, 0))
        return RESULT_INVALID;
    const char *port = part(handle, CURLUPART_PORT, CURLU_DEFAULT_PORT, arena);
    url.port = port ? (int)strtol(port, NULL, 10) : 0;
    if (url.port < 1 || url.port > 65535)
        return RESULT_INVALID;
    url.path = part(handle, CURLUPART_PATH, 0, arena);
    if (!url.path)
        return RESULT_INVALID;
    bool has_query = part(handle, CURLUPART_QUERY, 0, arena), has_fragment = part(handle, CURLUPART_FRAGMENT, 0, arena);
    if ((flags & (URL_NO_FRAGMENT | URL_BASE) && has_fragment) ||
        (flags & URL_BASE && (has_query || strcmp(url.path, "/"))))
        return RESULT_INVALID;
    url.text = part(handle, CURLUPART_URL, CURLU_NO_DEFAULT_PORT, arena);
    if (!url.text)
        return RESULT_INVALID;
    url.text = encode_rest(url.text, arena);
    if (strlen(url.text) > URL_BYTES_MAX)
        return RESULT_INVALID;
    if (flags & URL_BASE)
        url.text = arena_strndup(arena, url.text, strlen(url.text) - 1);
    *out = url;
    return RESULT_OK;
}

/* ---- plain addresses ---- */

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* A name of lower-case letters, digits and single hyphens that nobody takes for a number, or an IPv4 address in four parts. */
static bool is_plain_host(const char *host, bool *is_address)
{
    struct in_addr v4;
    *is_address = inet_pton(AF_INET, host, &v4) == 1;
    return *is_address || (is_host_name(host) && !strpbrk(host, "_") && !strstr(host, "--") && !ends_in_number(host) &&
                           is_letter_or_digit(host[strlen(host) - 1]));
}

/* Says how long ":8443" is, which may be missing, and what it means; false for what another spelling would be right for. */
static bool take_plain_port(const char *text, bool plain_http, int *port, size_t *len)
{
    const int usual = plain_http ? 80 : 443;
    *port = usual;
    *len = 0;
    if (*text != ':')
        return true;
    size_t digits = strspn(text + 1, "0123456789");
    *len = 1 + digits;
    if (!digits || digits > 5 || text[1] == '0')
        return false;
    *port = (int)strtol(text + 1, NULL, 10);
    return *port <= 65535 && *port != usual;
}

/* From the first slash to the end, without an escape and without a segment of dots. */
static bool is_plain_path(const char *path)
{
    if (*path != '/')
        return false;
    for (const char *at = path; *at; at++)
        if (!is_letter_or_digit(*at) && !(*at >= 'A' && *at <= 'Z') && !strchr("/-_~", *at) &&
            !(*at == '.' && at[-1] != '/'))
            return false;
    return true;
}

/* False when it takes the parser to say what TEXT is. */
static bool take_plain(const char *text, struct arena *arena, struct url *out)
{
    bool is_http = !strncmp(text, "http://", 7);
    if (!is_http && strncmp(text, "https://", 8) != 0)
        return false;
    const char *host = text + (is_http ? 7 : 8);
    size_t host_len = strcspn(host, ":/"), port_len;
    struct url url = {.scheme = is_http ? "http" : "https"};
    if (host_len > HOST_MAX || !take_plain_port(host + host_len, is_http, &url.port, &port_len) ||
        !is_plain_path(host + host_len + port_len))
        return false;
    url.host = arena_strndup(arena, host, host_len);
    if (!is_plain_host(url.host, &url.host_is_address))
        return false;
    url.text = arena_strdup(arena, text);
    url.path = url.text + (host - text) + host_len + port_len;
    *out = url;
    return true;
}

enum result url_parse(const char *text, unsigned flags, struct arena *arena, struct url *out)
{
    if (!text || !*text || strlen(text) > URL_BYTES_MAX || has_forbidden(text) || !text_is_utf8(text, strlen(text)))
        return RESULT_INVALID;
    if (!(flags & URL_BASE) && take_plain(text, arena, out))
        return RESULT_OK;
    /* "example.org:8080" and "example.org/?to=https://a.example" have no scheme. */
    const char *mark = text + strcspn(text, ":/?#");
    bool has_scheme = !strncmp(mark, "://", 3);
    if (has_scheme ? mark[3] == '/' : !(flags & URL_GUESS_SCHEME))
        return RESULT_INVALID;
    CURLU *handle = curl_url();
    if (!handle)
        abort();
    unsigned how = CURLU_URLENCODE | (has_scheme ? 0U : (unsigned)CURLU_DEFAULT_SCHEME);
    enum result result = RESULT_INVALID;
    if (!curl_url_set(handle, CURLUPART_URL, text, how))
        result = take_apart(handle, flags, arena, out);
    curl_url_cleanup(handle);
    return result;
}
