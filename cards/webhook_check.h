/* Whether a captured webhook request is genuine and fresh and, where it is not, why, in words for whoever wires a receiver up:
 * Standard Webhooks 1.0.0, symmetric (v1, HMAC-SHA256) and asymmetric (v1a, ed25519).
 *
 * It knows what usually goes wrong on the way to a receiver's own check, and tries it: a body that was parsed and written
 * again, a newline behind it, a header that got lost. Signatures are compared in constant time. */
#ifndef MEISHI_WEBHOOK_CHECK_H
#define MEISHI_WEBHOOK_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cards/base/arena.h"

enum {
    WEBHOOK_KEY_MIN = 24, /* bytes of a secret, as the standard has it */
    WEBHOOK_KEY_MAX = 64,
    WEBHOOK_PUBLIC_SIZE = 32,
    WEBHOOK_TOLERANCE_S = 300,
    WEBHOOK_FINDINGS_MAX = 8
};

struct webhook_capture {
    const char *id, *timestamp, *signature; /* NULL: there was no such header */
    const char *body;
    size_t body_len;
    int64_t content_length; /* what the header said; -1: nothing */
    bool in_chunks;
};

struct webhook_check_keys {
    unsigned char secret[WEBHOOK_KEY_MAX], public_key[WEBHOOK_PUBLIC_SIZE];
    size_t secret_len; /* 0: none was given */
    bool has_public;
};

/* Reads "whsec_…" (the prefix may lack, blanks and quotes around it are forgiven) or "whpk_…" into OUT. INVALID with a
 * sentence in *WHY. */
enum result webhook_check_read_secret(const char *text, struct webhook_check_keys *out, const char **why) MUST_CHECK;
enum result webhook_check_read_public(const char *text, struct webhook_check_keys *out, const char **why) MUST_CHECK;

/* The headers of TEXT: "Name: value" lines, with or without a request line, or a JSON object of them, as frameworks print it.
 * Names match in any case, and as CGI spells them (HTTP_WEBHOOK_ID). INVALID with a sentence in *WHY. */
enum result webhook_check_headers(const char *text, struct arena *arena, struct webhook_capture *out,
                                  const char **why) MUST_CHECK;
/* A whole HTTP/1.1 request as it came in: headers, an empty line, the body, LEN bytes. Borrows the body. INVALID as above. */
enum result webhook_check_request(const char *text, size_t len, struct arena *arena, struct webhook_capture *out,
                                  const char **why) MUST_CHECK;

struct webhook_finding {
    bool good;
    const char *about; /* "webhook-id", "webhook-timestamp", "webhook-signature", "body" */
    const char *words; /* a sentence */
};

struct webhook_verdict {
    bool genuine;
    /* What is wrong first: "missing-header", "bad-timestamp", "too-old", "in-the-future", "bad-signature-header",
     * "body-changed", "other-secret"; NULL when it is genuine. */
    const char *reason;
    const char *type; /* the event's, when the body says */
    struct webhook_finding findings[WEBHOOK_FINDINGS_MAX];
    int count;
};

/* KEYS holds one of the two or both; a signature by either will do. NOW_S is the time of the check. */
void webhook_check(const struct webhook_capture *capture, const struct webhook_check_keys *keys, int64_t now_s,
                   int64_t tolerance_s, struct arena *arena, struct webhook_verdict *out);

#endif
