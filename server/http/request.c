/* The parsers of what a request carries: target, query, cookies, form, forwarded addresses. Each is bounded and strict,
 * and answers "nothing" to what it does not understand: half-decoded text never reaches a handler. */
#include "server/http/exchange.h"

#include <assert.h>
#include <string.h>
#include <strings.h>
#include "cards/base/text.h"

static int hex_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that an escape stands for, -1 if TEXT of LEN bytes does not start with a whole one. */
static int escaped_byte(const char *text, size_t len)
{
    if (len < 3 || text[0] != '%' || hex_of(text[1]) < 0 || hex_of(text[2]) < 0)
        return -1;
    return hex_of(text[1]) * 16 + hex_of(text[2]);
}

/* Percent-decodes; NULL for a broken escape, a NUL or bytes that are not UTF-8. */
static char *decode(struct arena *arena, const char *text, size_t len, bool plus_is_space)
{
    char *out = arena_alloc_raw(arena, len + 1), *at = out;
    for (size_t i = 0; i < len; i++) {
        int byte = (unsigned char)text[i];
        if (byte == '%') {
            byte = escaped_byte(text + i, len - i);
            i += 2;
        } else if (byte == '+' && plus_is_space) {
            byte = ' ';
        }
        if (byte <= 0)
            return NULL;
        *at++ = (char)byte;
    }
    *at = '\0';
    return text_is_utf8(out, (size_t)(at - out)) ? out : NULL;
}

/* ---- target ---- */

/* All but what no browser sends unescaped (URL Standard, percent-encode sets). */
static const bool IN_QUERY[256] = {['!'] = true, ['$' ... ';'] = true, ['='] = true, ['?' ... '~'] = true};
static const bool IN_PATH[256] = {
    ['!'] = true, ['$'] = true, ['&' ... ';'] = true, ['='] = true, ['?' ... '['] = true, [']' ... '~'] = true};

/* A segment that is "." or ".." once decoded. */
static bool is_dots(const char *segment, size_t len)
{
    int dots = 0;
    for (size_t i = 0; i < len; dots++) {
        if (segment[i] == '.')
            i++;
        else if (escaped_byte(segment + i, len - i) == '.')
            i += 3;
        else
            return false;
    }
    return dots == 1 || dots == 2;
}

static bool path_is_clean(struct arena *arena, const char *path, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (IN_PATH[(unsigned char)path[i]])
            continue;
        if (path[i] != '%')
            return false;
        int byte = escaped_byte(path + i, len - i);
        if (byte < ' ' || byte == 0x7f || byte == '/' || byte == '\\')
            return false;
    }
    for (size_t start = 1, end; start <= len; start = end + 1) {
        const char *slash = memchr(path + start, '/', len - start);
        end = slash ? (size_t)(slash - path) : len;
        if (is_dots(path + start, end - start))
            return false;
    }
    return !memchr(path, '%', len) || decode(arena, path, len, false);
}

static bool query_is_clean(const char *query)
{
    for (const char *c = query; *c; c++)
        if (!IN_QUERY[(unsigned char)*c] || strncmp(c, "%00", 3) == 0)
            return false;
    return true;
}

/* What a refusal may know of a target that cannot be read: the part of the site it was for, in plain letters. */
static const char *part_of(struct arena *arena, const char *target)
{
    size_t len = *target == '/' ? strspn(target + 1, "abcdefghijklmnopqrstuvwxyz") : 0;
    return len && target[1 + len] == '/' ? arena_strndup(arena, target, len + 2) : "/";
}

int request_parse_target(struct request *request, const char *target)
{
    size_t len = strlen(target);
    request->query = "";
    if (len > TARGET_MAX || target[0] != '/') {
        request->path = part_of(&request->arena, target);
        return len > TARGET_MAX ? 414 : 400;
    }
    char *path = arena_strndup(&request->arena, target, len);
    size_t path_len = strcspn(path, "?");
    const char *query = path[path_len] ? path + path_len + 1 : "";
    path[path_len] = '\0';
    if (!path_is_clean(&request->arena, path, path_len) || !query_is_clean(query)) {
        request->path = part_of(&request->arena, target);
        return 400;
    }
    request->path = path;
    request->query = query;
    return 0;
}

/* ---- query and form: application/x-www-form-urlencoded (URL Standard 5.1) ---- */

static bool name_is(struct arena *arena, const char *text, size_t len, const char *name)
{
    size_t name_len = strlen(name);
    if (len == name_len && memcmp(text, name, len) == 0)
        return true;
    if (len <= name_len || !(memchr(text, '%', len) || memchr(text, '+', len)))
        return false;
    const char *decoded = decode(arena, text, len, true);
    return decoded && strcmp(decoded, name) == 0;
}

static const char *find_pair(struct arena *arena, const char *text, size_t len, const char *name, int nth)
{
    int pairs = 0;
    for (const char *at = text, *end = text + len; at < end && pairs < FORM_FIELDS_MAX; pairs++) {
        const char *stop = memchr(at, '&', (size_t)(end - at));
        if (!stop)
            stop = end;
        const char *equals = memchr(at, '=', (size_t)(stop - at));
        const char *name_end = equals ? equals : stop;
        if (name_is(arena, at, (size_t)(name_end - at), name) && nth-- == 0)
            return equals ? decode(arena, equals + 1, (size_t)(stop - equals - 1), true) : "";
        at = stop + 1;
    }
    return NULL;
}

const char *request_query(struct request *request, const char *name)
{
    return find_pair(&request->arena, request->query, strlen(request->query), name, 0);
}

const char *request_form_nth(struct request *request, const char *name, int nth)
{
    return nth < 0 ? NULL : find_pair(&request->arena, request->body, request->body_len, name, nth);
}

const char *request_form(struct request *request, const char *name)
{
    return request_form_nth(request, name, 0);
}

bool request_has_too_many_fields(const struct request *request)
{
    int fields = 1;
    for (size_t i = 0; i < request->body_len; i++)
        fields += request->body[i] == '&';
    return fields > FORM_FIELDS_MAX;
}

/* ---- headers and cookies ---- */

const char *request_find_header(const struct request *request, const char *name, size_t name_len)
{
    const struct exchange *exchange = (const struct exchange *)(const void *)request;
    for (int i = 0; i < exchange->header_count; i++)
        if (exchange->headers[i].name_len == name_len && strcasecmp(exchange->headers[i].name, name) == 0)
            return exchange->headers[i].value;
    return NULL;
}

/* cookie-octet of RFC 6265 4.1.1. */
static bool is_cookie_value(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c <= ' ' || c >= 0x7f || c == '"' || c == ',' || c == ';' || c == '\\')
            return false;
    }
    return true;
}

const char *request_cookie_in(struct arena *arena, const char *cookies, const char *name)
{
    size_t name_len = strlen(name);
    for (const char *at = cookies; *at;) {
        at += strspn(at, " \t;");
        size_t len = strcspn(at, ";");
        size_t next = len;
        while (len && (at[len - 1] == ' ' || at[len - 1] == '\t'))
            len--;
        if (len > name_len && at[name_len] == '=' && memcmp(at, name, name_len) == 0) {
            const char *value = at + name_len + 1;
            size_t value_len = len - name_len - 1;
            if (value_len >= 2 && value[0] == '"' && value[value_len - 1] == '"') {
                value++;
                value_len -= 2;
            }
            return is_cookie_value(value, value_len) ? arena_strndup(arena, value, value_len) : NULL;
        }
        at += next;
    }
    return NULL;
}

const char *request_cookie(struct request *request, const char *name)
{
    const struct exchange *exchange = exchange_of(request);
    if (!request_header(request, "Cookie"))
        return NULL;
    for (int i = 0; i < exchange->header_count; i++) {
        const struct header *header = &exchange->headers[i];
        if (header->name_len != 6 || strcasecmp(header->name, "Cookie") != 0)
            continue;
        const char *value = request_cookie_in(&request->arena, header->value, name);
        if (value)
            return value;
    }
    return NULL;
}

/* Browsers from before 2020 send neither Sec-Fetch-Site nor, with a form, Origin; but where the form was, they say. */
bool request_is_same_origin(const struct request *request, const char *base_url, bool strict)
{
    const char *host = strstr(base_url, "://");
    size_t len = host ? (size_t)(host - base_url) + 3 + strcspn(host + 3, "/?#") : strlen(base_url);
    const char *site = request_header(request, "Sec-Fetch-Site");
    if (site)
        return strcmp(site, "same-origin") == 0;
    const char *origin = request_header(request, "Origin");
    if (origin)
        return strlen(origin) == len && strncasecmp(origin, base_url, len) == 0;
    const char *referrer = request_header(request, "Referer");
    if (!referrer || strict)
        return !strict;
    return strncasecmp(referrer, base_url, len) == 0 && (referrer[len] == '/' || !referrer[len]);
}

/* ---- who is asking ---- */

/* The address in one element of X-Forwarded-For, which may carry a port or brackets. */
static bool forwarded_address(const char *text, size_t len, struct net_address *out)
{
    while (len && (*text == ' ' || *text == '\t'))
        text++, len--;
    while (len && (text[len - 1] == ' ' || text[len - 1] == '\t'))
        len--;
    if (len && text[0] == '[') {
        const char *close = memchr(text, ']', len);
        return close && address_parse(text + 1, (size_t)(close - text) - 1, out);
    }
    if (address_parse(text, len, out))
        return true;
    const char *colon = memchr(text, ':', len);
    return colon && address_parse(text, (size_t)(colon - text), out);
}

/* Each proxy appends whom it heard from, so the list is believed from the right for as long as a trusted one wrote it:
 * the first that is not ours is the client. What stands left of it is hearsay. */
void request_find_client(struct exchange *exchange)
{
    const struct connection *connection = exchange->connection;
    const struct http *http = exchange->loop->http;
    struct net_address *client = &exchange->request.client;
    *client = connection->peer;
    if (connection->peer_is_unix ? !http->options.unix_is_trusted : !address_list_has(&http->trusted_proxies, client))
        return;
    for (int i = exchange->header_count - 1; i >= 0; i--) {
        const struct header *header = &exchange->headers[i];
        if (header->name_len != 15 || strcasecmp(header->name, "X-Forwarded-For") != 0)
            continue;
        for (size_t end = header->value_len;;) {
            size_t start = end;
            while (start && header->value[start - 1] != ',')
                start--;
            struct net_address hop;
            if (!forwarded_address(header->value + start, end - start, &hop))
                return;
            *client = hop;
            if (!address_list_has(&http->trusted_proxies, client))
                return;
            if (!start)
                break;
            end = start - 1;
        }
    }
}

/* ---- who answers ---- */

void *request_app(const struct request *request)
{
    return ((const struct exchange *)(const void *)request)->loop->http->handlers.app;
}

void request_wait(struct request *request)
{
    atomic_fetch_add(&exchange_of(request)->holders, 1);
}

void request_finish(struct request *request)
{
    request_finish_all(&request, 1);
}

void request_finish_all(struct request *const *requests, size_t count)
{
    struct loop *woken[LOOPS_MAX];
    size_t woken_count = 0;
    if (!count)
        return;
    /* From the last push on nothing but this keeps http_stop from taking the loops away under us. */
    atomic_int *finishing = &exchange_of(requests[0])->loop->http->finishing;
    atomic_fetch_add(finishing, 1);
    for (size_t i = 0; i < count; i++) {
        struct exchange *exchange = exchange_of(requests[i]);
        struct loop *loop = exchange->loop;
        if (atomic_fetch_sub(&exchange->holders, 1) == 1 && loop_push(loop, exchange) && woken_count < LOOPS_MAX)
            woken[woken_count++] = loop;
    }
    for (size_t i = 0; i < woken_count; i++)
        loop_wake(woken[i]);
    atomic_fetch_sub(finishing, 1);
}

void request_defer(struct request *request)
{
    assert(!exchange_of(request)->on_worker);
    exchange_of(request)->deferred = true;
}

bool request_is_on_worker(const struct request *request)
{
    return ((const struct exchange *)(const void *)request)->on_worker;
}
