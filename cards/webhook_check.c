/* See webhook_check.h. A signature that does not fit says nothing about why, so the usual accidents are undone one after the
 * other and the signature tried again: one that fits then names the accident. */
#include "cards/webhook_check.h"

#include <inttypes.h>
#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "cards/base/str.h"

enum { SIGNATURES_MAX = 16, BODY_MAX = 16 * 1024 * 1024 };

/* ---- keys ---- */

/* Decodes TEXT behind PREFIX, which may lack, without blanks or quotes around it; the bytes, or 0 when it is no base64. */
static size_t read_key(const char *text, const char *prefix, unsigned char *out, size_t max)
{
    static const char AROUND[] = " \t\r\n\"'";
    size_t len, used = 0;
    text += strspn(text, AROUND);
    if (!strncmp(text, prefix, strlen(prefix)))
        text += strlen(prefix);
    len = strcspn(text, AROUND);
    if (text[len + strspn(text + len, AROUND)])
        return 0;
    return sodium_base642bin(out, max, text, len, NULL, &used, NULL, sodium_base64_VARIANT_ORIGINAL) ? 0 : used;
}

static bool has_prefix(const char *text, const char *prefix)
{
    text += strspn(text, " \t\"'");
    return !strncmp(text, prefix, strlen(prefix));
}

enum result webhook_check_read_secret(const char *text, struct webhook_check_keys *out, const char **why)
{
    out->secret_len = read_key(text, "whsec_", out->secret, sizeof out->secret);
    if (out->secret_len >= WEBHOOK_KEY_MIN)
        return RESULT_OK;
    out->secret_len = 0;
    *why = has_prefix(text, "msh_")    ? "This is an API token; the secret of a webhook begins with whsec_."
           : has_prefix(text, "whpk_") ? "This is a public key; give it with --public-key."
           : has_prefix(text, "whk_")
               ? "This is the id of a webhook; its secret begins with whsec_."
               : "A secret is whsec_ and 32 to 88 characters of base64; this one was cut or changed.";
    return RESULT_INVALID;
}

enum result webhook_check_read_public(const char *text, struct webhook_check_keys *out, const char **why)
{
    out->has_public = read_key(text, "whpk_", out->public_key, sizeof out->public_key) == WEBHOOK_PUBLIC_SIZE;
    *why = has_prefix(text, "whsec_")
               ? "This is a secret; give it with --secret."
               : "A public key is whpk_ and 44 characters of base64; this one was cut or changed.";
    return out->has_public ? RESULT_OK : RESULT_INVALID;
}

/* ---- captures ---- */

/* Whether NAME, LEN bytes, is the header WANTED: in any case, with _ for -, with CGI's HTTP_ before it. */
static bool is_header(const char *name, size_t len, const char *wanted)
{
    if (len > 5 && !strncasecmp(name, "HTTP_", 5)) {
        name += 5;
        len -= 5;
    }
    if (len != strlen(wanted))
        return false;
    for (size_t i = 0; i < len; i++) {
        char letter = name[i] == '_' ? '-' : name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] + 32) : name[i];
        if (letter != wanted[i])
            return false;
    }
    return true;
}

/* Whole digits, -1 for anything else. */
static int64_t read_digits(const char *text)
{
    size_t len = strlen(text);
    return len && len <= 15 && strspn(text, "0123456789") == len ? strtoll(text, NULL, 10) : -1;
}

/* The first of several wins. */
static void take_header(struct webhook_capture *out, const char *name, size_t name_len, const char *value)
{
    if (is_header(name, name_len, "webhook-id") && !out->id)
        out->id = value;
    else if (is_header(name, name_len, "webhook-timestamp") && !out->timestamp)
        out->timestamp = value;
    else if (is_header(name, name_len, "webhook-signature") && !out->signature)
        out->signature = value;
    else if (is_header(name, name_len, "content-length") && out->content_length < 0)
        out->content_length = read_digits(value);
    else if (is_header(name, name_len, "transfer-encoding"))
        out->in_chunks = !strcasecmp(value, "chunked");
}

static enum result take_json(const char *text, struct arena *arena, struct webhook_capture *out, const char **why)
{
    json_t *json = json_loads(text, 0, NULL), *value;
    const char *name;
    *why = "The headers look like JSON but are no object of names and values.";
    if (!json_is_object(json)) {
        json_decref(json);
        return RESULT_INVALID;
    }
    json_object_foreach(json, name, value)
    {
        const char *words = json_string_value(json_is_array(value) ? json_array_get(value, 0) : value);
        if (words)
            take_header(out, name, strlen(name), arena_strdup(arena, words));
    }
    json_decref(json);
    return RESULT_OK;
}

/* Lines up to an empty one or LEN; where the empty one ended, or LEN. */
static size_t take_lines(const char *text, size_t len, struct arena *arena, struct webhook_capture *out, int *found)
{
    static const char NAME_LETTERS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t at = 0;
    *found = 0;
    while (at < len) {
        const char *line = text + at, *end = memchr(line, '\n', len - at);
        size_t line_len = end ? (size_t)(end - line) : len - at;
        at += line_len + (end != NULL);
        while (line_len && strchr(" \t\r", line[line_len - 1]))
            line_len--;
        if (!line_len)
            break;
        const char *colon = memchr(line, ':', line_len);
        size_t name_len = colon ? (size_t)(colon - line) : 0, blanks = 0;
        if (!name_len || strspn(line, NAME_LETTERS) != name_len)
            continue; /* the request line, or something else */
        while (name_len + 1 + blanks < line_len && strchr(" \t", colon[1 + blanks]))
            blanks++;
        take_header(out, line, name_len, arena_strndup(arena, colon + 1 + blanks, line_len - name_len - 1 - blanks));
        (*found)++;
    }
    return at;
}

enum result webhook_check_headers(const char *text, struct arena *arena, struct webhook_capture *out, const char **why)
{
    int found;
    *out = (struct webhook_capture){.content_length = -1, .body = ""};
    text += strspn(text, " \t\r\n");
    if (*text == '{')
        return take_json(text, arena, out, why);
    take_lines(text, strlen(text), arena, out, &found);
    *why = "There is no header in it; give lines like \"webhook-id: msg_…\", or a JSON object.";
    return found ? RESULT_OK : RESULT_INVALID;
}

enum result webhook_check_request(const char *text, size_t len, struct arena *arena, struct webhook_capture *out,
                                  const char **why)
{
    int found;
    *out = (struct webhook_capture){.content_length = -1};
    size_t at = take_lines(text, len, arena, out, &found);
    *why = "This is no captured request: headers, an empty line and the body are wanted. Or give --headers and --body.";
    if (!found)
        return RESULT_INVALID;
    if (out->in_chunks) {
        *why = "The body came in chunks (Transfer-Encoding); save it by itself and give --headers and --body.";
        return RESULT_INVALID;
    }
    out->body = text + at;
    out->body_len = len - at;
    return RESULT_OK;
}

/* ---- signatures ---- */

struct signature {
    bool asymmetric;
    unsigned char bytes[crypto_sign_BYTES];
};

struct checking {
    const struct webhook_capture *capture;
    const struct webhook_check_keys *keys;
    struct arena *arena;
    struct webhook_verdict *out;
    struct signature signatures[SIGNATURES_MAX];
    int count, symmetric_count;
};

static void add(struct checking *checking, bool good, const char *about, const char *words)
{
    struct webhook_verdict *out = checking->out;
    if (out->count < WEBHOOK_FINDINGS_MAX)
        out->findings[out->count++] = (struct webhook_finding){.good = good, .about = about, .words = words};
}

static void complain(struct checking *checking, const char *reason, const char *about, const char *words)
{
    add(checking, false, about, words);
    checking->out->genuine = false;
    if (!checking->out->reason)
        checking->out->reason = reason;
}

/* The signatures of the header that are of a known kind and whole. */
static void read_signatures(struct checking *checking)
{
    for (const char *at = checking->capture->signature; *at && checking->count < SIGNATURES_MAX;) {
        size_t len = strcspn(at, " "), used = 0;
        bool asymmetric = !strncmp(at, "v1a,", 4);
        size_t prefix = asymmetric ? 4 : 3, wanted = asymmetric ? crypto_sign_BYTES : crypto_auth_hmacsha256_BYTES;
        struct signature *one = &checking->signatures[checking->count];
        if (len > prefix && (asymmetric || !strncmp(at, "v1,", 3)) &&
            !sodium_base642bin(one->bytes, wanted, at + prefix, len - prefix, NULL, &used, NULL,
                               sodium_base64_VARIANT_ORIGINAL) &&
            used == wanted) {
            one->asymmetric = asymmetric;
            checking->symmetric_count += !asymmetric;
            checking->count++;
        }
        at += len + strspn(at + len, " ");
    }
}

/* Which of the signatures fits BODY: 1 for the first of its kind, 2 for the second …; 0 for none. */
static int which_fits(const struct checking *checking, const char *body, size_t len, bool *asymmetric)
{
    const struct webhook_capture *capture = checking->capture;
    const struct webhook_check_keys *keys = checking->keys;
    struct str text;
    str_init(&text, checking->arena, BODY_MAX + 1024);
    str_addf(&text, "%s.%s.", capture->id, capture->timestamp);
    str_add_n(&text, body, len);
    if (text.failed)
        return 0;
    crypto_auth_hmacsha256_state state;
    unsigned char mac[crypto_auth_hmacsha256_BYTES];
    crypto_auth_hmacsha256_init(&state, keys->secret, keys->secret_len);
    crypto_auth_hmacsha256_update(&state, (const unsigned char *)text.data, text.len);
    crypto_auth_hmacsha256_final(&state, mac);
    int seen[2] = {0};
    for (int i = 0; i < checking->count; i++) {
        const struct signature *one = &checking->signatures[i];
        *asymmetric = one->asymmetric;
        seen[one->asymmetric]++;
        if (one->asymmetric
                ? keys->has_public && !crypto_sign_verify_detached(one->bytes, (const unsigned char *)text.data,
                                                                   text.len, keys->public_key)
                : keys->secret_len && !sodium_memcmp(one->bytes, mac, sizeof mac))
            return seen[one->asymmetric];
    }
    return 0;
}

/* ---- what usually happens to bodies ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The accident that, undone, makes a signature fit; NULL: none of those known. */
static const char *accident(const struct checking *checking)
{
    const char *body = checking->capture->body;
    size_t len = checking->capture->body_len, start = 0, end = len;
    bool asymmetric;
    if (len >= 3 && !memcmp(body, "\xef\xbb\xbf", 3))
        start = 3;
    while (start < end && is_blank(body[start]))
        start++;
    while (end > start && is_blank(body[end - 1]))
        end--;
    if (end < len && !start && which_fits(checking, body, end, &asymmetric))
        return end + 1 == len && body[end] == '\n'
                   ? "A newline was added behind the body: editors do that, and `echo` without -n. Without it the "
                     "signature fits."
                   : "Blanks or line ends were added behind the body. Without them the signature fits.";
    if (start && which_fits(checking, body + start, end - start, &asymmetric))
        return "Something was put before the body (a byte order mark, or blanks). Without it the signature fits.";
    json_t *json = json_loadb(body, len, JSON_DISABLE_EOF_CHECK | JSON_DECODE_ANY, NULL);
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    const char *words = NULL;
    if (text && which_fits(checking, text, strlen(text), &asymmetric))
        words =
            "The body was parsed as JSON and written anew, with other blanks or escapes. Check the raw bytes before "
            "anything parses them; written compactly the signature fits.";
    else if (json_is_string(json) &&
             which_fits(checking, json_string_value(json), json_string_length(json), &asymmetric))
        words = "The body was written as a JSON text within JSON. Check the raw bytes as they came.";
    free(text);
    json_decref(json);
    return words;
}

static const char *guess(const struct checking *checking)
{
    const struct webhook_capture *capture = checking->capture;
    if (capture->content_length >= 0 && (size_t)capture->content_length != capture->body_len)
        return arena_printf(checking->arena,
                            "The body has %zu bytes, but Content-Length said %" PRId64
                            ": it was cut or changed on its way here.",
                            capture->body_len, capture->content_length);
    if (!capture->body_len)
        return "The body is empty: something has read it before it was captured.";
    json_t *json = json_loadb(capture->body, capture->body_len, 0, NULL);
    bool is_json = json_is_object(json);
    json_decref(json);
    return is_json ? NULL : "The body is no whole JSON object: it was cut or changed on its way here.";
}

/* ---- the check ---- */

static const char *span(struct arena *arena, int64_t s)
{
    if (s < 120)
        return arena_printf(arena, "%" PRId64 " s", s);
    if (s < 7200)
        return arena_printf(arena, "%" PRId64 " min %" PRId64 " s", s / 60, s % 60);
    if (s < 172800)
        return arena_printf(arena, "%" PRId64 " h %" PRId64 " min", s / 3600, s % 3600 / 60);
    return arena_printf(arena, "%" PRId64 " days", s / 86400);
}

static void check_time(struct checking *checking, int64_t now_s, int64_t tolerance_s)
{
    static const char ABOUT[] = "webhook-timestamp";
    struct arena *arena = checking->arena;
    int64_t at_s = read_digits(checking->capture->timestamp);
    if (at_s < 0) {
        complain(checking, "bad-timestamp", ABOUT, "It must be whole seconds since 1970, in digits.");
    } else if (at_s > 100000000000) {
        complain(checking, "bad-timestamp", ABOUT,
                 "This is in milliseconds; the header holds seconds, so something has changed it.");
    } else if (at_s < now_s - tolerance_s) {
        complain(checking, "too-old", ABOUT,
                 arena_printf(arena,
                              "It is %s old, and %s is allowed: an old request sent again, or a clock that is wrong.",
                              span(arena, now_s - at_s), span(arena, tolerance_s)));
    } else if (at_s > now_s + tolerance_s) {
        complain(checking, "in-the-future", ABOUT,
                 arena_printf(arena, "It lies %s in the future, and %s is allowed: one of the two clocks is wrong.",
                              span(arena, at_s - now_s), span(arena, tolerance_s)));
    } else {
        add(checking, true, ABOUT,
            arena_printf(arena, at_s > now_s ? "%s ahead of now." : "%s ago.",
                         span(arena, at_s > now_s ? at_s - now_s : now_s - at_s)));
    }
}

static void check_signature(struct checking *checking)
{
    static const char ABOUT[] = "webhook-signature";
    const struct webhook_capture *capture = checking->capture;
    const struct webhook_check_keys *keys = checking->keys;
    bool asymmetric;
    read_signatures(checking);
    bool usable = (keys->secret_len && checking->symmetric_count) ||
                  (keys->has_public && checking->count > checking->symmetric_count);
    if (!usable) {
        complain(checking, "bad-signature-header", ABOUT,
                 !checking->count ? "It holds no whole signature; one is \"v1,\" and 44 characters of base64."
                 : keys->has_public
                     ? "It holds no signature of the kind v1a, which a public key checks: this webhook does "
                       "not sign so, or give --secret."
                     : "It holds no signature of the kind v1, which a secret checks; give --public-key.");
        return;
    }
    int which = which_fits(checking, capture->body, capture->body_len, &asymmetric);
    if (which) {
        add(checking, true, "body", arena_printf(checking->arena, "%zu bytes, unchanged.", capture->body_len));
        add(checking, true, ABOUT,
            asymmetric ? "Made with the key that belongs to this public key."
            : which == 1
                ? "Made with this secret."
                : "Made with this secret, which is the old one of two: it was rotated and will soon end. Take up the "
                  "new one.");
        return;
    }
    const char *words = accident(checking);
    if (!words)
        words = guess(checking);
    if (words) {
        complain(checking, "body-changed", "body", words);
        complain(checking, "body-changed", ABOUT, "It does not fit this body.");
    } else {
        complain(
            checking, "other-secret", ABOUT,
            "It was not made with this secret over this id, time and body. Most often the secret is another webhook's, "
            "or from before it was rotated; else one of the three was changed by a single byte.");
    }
}

static void read_type(struct checking *checking)
{
    json_t *json = json_loadb(checking->capture->body, checking->capture->body_len, 0, NULL);
    checking->out->type = arena_strdup(checking->arena, json_string_value(json_object_get(json, "type")));
    json_decref(json);
}

void webhook_check(const struct webhook_capture *capture, const struct webhook_check_keys *keys, int64_t now_s,
                   int64_t tolerance_s, struct arena *arena, struct webhook_verdict *out)
{
    static const char MISSING[] =
        "This header is missing. Proxies and frameworks drop headers they do not know; look at "
        "what the receiver is really given.";
    struct checking checking = {.capture = capture, .keys = keys, .arena = arena, .out = out};
    *out = (struct webhook_verdict){.genuine = true};
    if (capture->id)
        add(&checking, true, "webhook-id", arena_printf(arena, "%s.", capture->id));
    else
        complain(&checking, "missing-header", "webhook-id", MISSING);
    if (capture->timestamp)
        check_time(&checking, now_s, tolerance_s);
    else
        complain(&checking, "missing-header", "webhook-timestamp", MISSING);
    if (!capture->signature)
        complain(&checking, "missing-header", "webhook-signature", MISSING);
    else if (capture->id && capture->timestamp)
        check_signature(&checking);
    read_type(&checking);
}
