/* The hygiene gate: everything by which two programs could disagree about where a request ends, who sent it or what it
 * asks for is refused before anything else looks at it (RFC 9112 2.2, 3, 5, 6; the library forgives all of it).
 *
 * Three of the library's courtesies cannot be seen in what it hands over: a line that ends in a bare LF or CR, a header
 * folded over two lines, a NUL that cuts a value short. They can be seen in where it hands it over. It parses in place and
 * turns each byte of a line's end into NUL, so in a clean header block every name starts exactly two bytes after the end
 * of the value before it. Any other distance is one of the three. */
#include "server/http/exchange.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const bool TOKEN[256] = {
    ['!'] = true,         ['#' ... '\''] = true, ['*'] = true,         ['+'] = true, ['-'] = true, ['.'] = true,
    ['0' ... '9'] = true, ['A' ... 'Z'] = true,  ['^' ... 'z'] = true, ['|'] = true, ['~'] = true};
static const bool IN_HOST[256] = {
    ['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['0' ... '9'] = true, ['-'] = true, ['.'] = true,
    ['_'] = true,         [':'] = true,         ['['] = true,         [']'] = true};
static const bool IN_VALUE[256] = {['\t'] = true, [' ' ... '~'] = true, [0x80 ... 0xff] = true};
static const uint64_t ONES = 0x0101010101010101u;

/* A connection's memory holds the header block as it came and a list entry for each line, query parameter and cookie; the
 * cookies it holds twice. The reply's header must fit in what is left, else the library hangs up without a word. */
enum { LIST_ENTRY = 64 };

struct look {
    struct exchange *exchange;
    uintptr_t expected; /* where the next name must start */
    int hosts, lengths, encodings, status;
    size_t cookies, cookie_count;
    const char *words;
};

static bool all_in(const bool allowed[256], const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!allowed[(unsigned char)text[i]])
            return false;
    return true;
}

/* Top bits, of which at least one is set when a byte of these eight is below a space or DEL. */
static uint64_t odd_among(const char *eight)
{
    uint64_t word;
    memcpy(&word, eight, sizeof word);
    uint64_t del = word ^ 0x7f * ONES;
    return ((word - ' ' * ONES) & ~word) | ((del - ONES) & ~del);
}

/* The same of a value, which is long for the most part: eight bytes at once, and one by one only when there is an odd one. */
static bool is_value(const char *text, size_t len)
{
    if (len < sizeof(uint64_t))
        return all_in(IN_VALUE, text, len);
    const char *last = text + len - sizeof(uint64_t); /* may look at some again */
    uint64_t odd = odd_among(last);
    for (const char *at = text; at < last; at += sizeof(uint64_t))
        odd |= odd_among(at);
    return !(odd & 0x80 * ONES) || all_in(IN_VALUE, text, len);
}

static enum MHD_Result stop(struct look *look, int status, const char *words)
{
    look->status = status;
    look->words = words;
    return MHD_NO;
}

static bool is_digits(const char *text, size_t len)
{
    return len && len <= 18 && strspn(text, "0123456789") == len;
}

static size_t count_parts(const char *text, char separator)
{
    size_t parts = *text != '\0';
    for (; (text = strchr(text, separator)) != NULL; text++)
        parts++;
    return parts;
}

static enum MHD_Result cookies(struct look *look, const struct header *header)
{
    look->cookies += header->value_len;
    look->cookie_count += count_parts(header->value, ';');
    return look->cookies > COOKIES_MAX ? stop(look, 431, "There are too many cookies.") : MHD_YES;
}

static bool leaves_room(const struct look *look, uintptr_t start)
{
    const struct exchange *exchange = look->exchange;
    size_t entries = (size_t)exchange->header_count + look->cookie_count + count_parts(exchange->request.query, '&');
    return look->expected - start + look->cookies + entries * LIST_ENTRY <= CONNECTION_MEMORY - REPLY_HEADER_MAX;
}

static enum MHD_Result known(struct look *look, const struct header *header)
{
    const char *name = header->name, *value = header->value;
    switch (header->name_len) {
    case 4:
        if (strcasecmp(name, "Host") != 0)
            return MHD_YES;
        if (look->hosts++ || !header->value_len || !all_in(IN_HOST, value, header->value_len))
            return stop(look, 400, "The Host header is not right.");
        return MHD_YES;
    case 6:
        if (strcasecmp(name, "Cookie") == 0)
            return cookies(look, header);
        if (strcasecmp(name, "Expect") == 0 && strcasecmp(value, "100-continue") != 0)
            return stop(look, 417, "That expectation cannot be met.");
        return MHD_YES;
    case 14:
        if (strcasecmp(name, "Content-Length") != 0)
            return MHD_YES;
        if (look->lengths++ || !is_digits(value, header->value_len))
            return stop(look, 400, "The length of the request is not clear.");
        look->exchange->body_expected = strtoull(value, NULL, 10);
        return MHD_YES;
    case 17:
        look->encodings += strcasecmp(name, "Transfer-Encoding") == 0;
        return MHD_YES;
    default:
        return MHD_YES;
    }
}

static enum MHD_Result look_at(void *cls, enum MHD_ValueKind kind, const char *name, size_t name_len, const char *value,
                               size_t value_len)
{
    struct look *look = cls;
    struct exchange *exchange = look->exchange;
    (void)kind;
    if (exchange->header_count == HEADERS_MAX)
        return stop(look, 431, "There are too many headers.");
    if ((uintptr_t)name != look->expected || !value)
        return stop(look, 400, "A header line is broken.");
    if (!name_len || !all_in(TOKEN, name, name_len) || !is_value(value, value_len))
        return stop(look, 400, "A header holds a character that is not allowed.");
    look->expected = (uintptr_t)value + value_len + 2;
    size_t trimmed_len = value_len;
    while (trimmed_len && (value[trimmed_len - 1] == ' ' || value[trimmed_len - 1] == '\t'))
        trimmed_len--;
    if (trimmed_len < value_len)
        value = arena_strndup(&exchange->request.arena, value, value_len = trimmed_len);
    struct header *header = &exchange->headers[exchange->header_count++];
    *header = (struct header){name, value, (uint32_t)name_len, (uint32_t)value_len};
    exchange->request.header_lengths |= header_length_bit(name_len);
    return known(look, header);
}

static enum http_method method_of(const char *method)
{
    static const struct {
        const char *name;
        enum http_method method;
    } KNOWN[] = {{"GET", HTTP_GET}, {"HEAD", HTTP_HEAD},   {"POST", HTTP_POST},
                 {"PUT", HTTP_PUT}, {"PATCH", HTTP_PATCH}, {"DELETE", HTTP_DELETE}};
    for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++)
        if (strcmp(method, KNOWN[i].name) == 0)
            return KNOWN[i].method;
    return HTTP_OTHER;
}

int gate_check(struct exchange *exchange, const char *method, const char *version, const char **words)
{
    struct request *request = &exchange->request;
    bool newer = strcmp(version, "HTTP/1.1") == 0;
    *words = "The request line is not right.";
    request->method = method_of(method);
    if (!newer && strcmp(version, "HTTP/1.0") != 0)
        return *version ? 505 : 400;
    size_t method_len = strlen(method);
    /* One space, and no NUL, on either side of the target: see the head of this file. */
    if (!method_len || !all_in(TOKEN, method, method_len) ||
        (uintptr_t)method + method_len + 1 != exchange->target_at ||
        exchange->target_at + exchange->target_len + 1 != (uintptr_t)version)
        return 400;
    struct look look = {.exchange = exchange, .expected = (uintptr_t)version + strlen(version) + 2};
    MHD_get_connection_values_n(exchange->mhd, MHD_HEADER_KIND, look_at, &look);
    *words = look.words;
    exchange->tight = !leaves_room(&look, (uintptr_t)method);
    if (look.status)
        return look.status;
    /* After the last line comes the empty one, and there the header ends. */
    size_t header_len = MHD_get_connection_info(exchange->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE)->header_size;
    if ((uintptr_t)method + header_len != look.expected + 2) {
        *words = "The header does not end as it should.";
        return 400;
    }
    if (look.encodings) {
        *words = "Please send the request with a Content-Length.";
        return look.lengths ? 400 : 411;
    }
    if (!look.hosts && newer) {
        *words = "The Host header is missing.";
        return 400;
    }
    *words = "The header is too large.";
    return exchange->tight ? 431 : 0;
}
