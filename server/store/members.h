/* Members and what lets them in: sign-in links, sessions, API tokens, throttles that guard accounts. Secrets are stored as
 * SHA-256 of 32 random bytes; who calls hashes. */
#ifndef MEISHI_STORE_MEMBERS_H
#define MEISHI_STORE_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cards/base/arena.h"

struct store;

enum { HASH_SIZE = 32 };
enum role { ROLE_MEMBER, ROLE_ADMIN, ROLE_OWNER };

struct member {
    int64_t id;
    const char *handle, *name, *email; /* e-mail in its key form (cards/lead.h email_key), may be NULL */
    const char *password_hash;         /* argon2id string, NULL when none is set */
    enum role role;
    int64_t created_ms, disabled_ms; /* 0: active */
};

/* Fills id. CONFLICT: the handle or the e-mail is taken. The first member is the owner. */
enum result store_member_add(struct store *store, struct member *member, int64_t now_ms) MUST_CHECK;
/* Many at once, or none. */
struct member_addition {
    struct member member;               /* id and created_ms are filled in */
    unsigned char link_hash[HASH_SIZE]; /* of a first sign-in link, which lasts until */
    int64_t link_until_ms;
    bool handle_is_taken, email_is_taken; /* filled in: by a member there is, or by one before it in the list */
};
/* DRY_RUN changes nothing and says what would come of it, ids aside. CONFLICT: nobody was added, and each addition says whether
 * it is to blame. */
enum result store_member_add_many(struct store *store, struct member_addition *additions, size_t count, bool dry_run,
                                  int64_t now_ms) MUST_CHECK;
enum result store_member_find(struct store *store, struct arena *arena, int64_t id, struct member *out) MUST_CHECK;
enum result store_member_find_by_handle(struct store *store, struct arena *arena, const char *handle,
                                        struct member *out) MUST_CHECK;
enum result store_member_find_by_email(struct store *store, struct arena *arena, const char *email_key,
                                       struct member *out) MUST_CHECK;
enum result store_member_list(struct store *store, struct arena *arena, struct member **out, size_t *count) MUST_CHECK;
/* Ends sessions and tokens too; the cards go on. */
enum result store_member_disable(struct store *store, int64_t id, int64_t now_ms) MUST_CHECK;
/* NAME and EMAIL (its key form, or NULL for none) from now on; pages that name the member are made anew. NOT_FOUND: no active
 * member; CONFLICT: somebody else has the e-mail. */
enum result store_member_set_profile(struct store *store, int64_t id, const char *name, const char *email) MUST_CHECK;
/* Ends every session but KEEP_SESSION (NULL for none). */
enum result store_member_set_password(struct store *store, int64_t id, const char *password_hash,
                                      const unsigned char keep_session[HASH_SIZE]) MUST_CHECK;

enum result store_sign_in_link_add(struct store *store, const unsigned char hash[HASH_SIZE], int64_t member_id,
                                   int64_t now_ms, int64_t expires_ms) MUST_CHECK;
/* Whom a link would sign in. NOT_FOUND when unknown, used or expired. */
enum result store_sign_in_link_find(struct store *store, const unsigned char hash[HASH_SIZE], int64_t now_ms,
                                    int64_t *out_member_id) MUST_CHECK;
/* Once only: NOT_FOUND when unknown, used or expired. */
enum result store_sign_in_link_use(struct store *store, const unsigned char hash[HASH_SIZE], int64_t now_ms,
                                   int64_t *out_member_id) MUST_CHECK;

struct session {
    int64_t member_id, created_ms, seen_ms, expires_ms;
    const char *agent; /* family only */
    struct member member;
};
/* At most ten a member: the oldest goes. */
enum result store_session_add(struct store *store, const unsigned char hash[HASH_SIZE], int64_t member_id,
                              const char *agent, int64_t now_ms, int64_t expires_ms) MUST_CHECK;
/* The session with its active member; writes `seen` at most once a minute. NOT_FOUND: unknown, expired, idle over 12 h. */
enum result store_session_find(struct store *store, struct arena *arena, const unsigned char hash[HASH_SIZE],
                               int64_t now_ms, struct session *out) MUST_CHECK;
enum result store_session_end(struct store *store, const unsigned char hash[HASH_SIZE]) MUST_CHECK;

struct api_token {
    int64_t id, member_id, created_ms, used_ms, revoked_ms;
    const char *name;
    const char *scopes; /* "read write" */
    struct member member;
};
enum result store_token_add(struct store *store, struct api_token *token, const unsigned char hash[HASH_SIZE],
                            int64_t now_ms) MUST_CHECK;
enum result store_token_find(struct store *store, struct arena *arena, const unsigned char hash[HASH_SIZE],
                             int64_t now_ms, struct api_token *out) MUST_CHECK;
enum result store_token_list(struct store *store, struct arena *arena, int64_t member_id, struct api_token **out,
                             size_t *count) MUST_CHECK;
enum result store_token_revoke(struct store *store, int64_t member_id, int64_t token_id, int64_t now_ms) MUST_CHECK;

/* Counts one more try under KEY and says how many there were in the window that is open, this one counted. Clearing
 * forgets them. For what guards accounts; cheap throttles of visitors live in memory (server/auth/throttle.h). */
enum result store_throttle_count(struct store *store, const char *key, int64_t window_ms, int64_t now_ms,
                                 int64_t *out) MUST_CHECK;
enum result store_throttle_clear(struct store *store, const char *key) MUST_CHECK;

/* Adds AMOUNT (0 only looks) to what KEY counts in a sliding window of WINDOW_MS and says how much that is now, as
 * throttle_count does (server/auth/throttle.h), but for all servers of the store. KEY is a hash that tells nothing. */
enum { TALLY_KEY_SIZE = 16 };
enum result store_tally(struct store *store, const unsigned char key[TALLY_KEY_SIZE], int64_t window_ms, int64_t now_ms,
                        int64_t amount, int64_t *out) MUST_CHECK;

/* Idempotency-Key (draft-ietf-httpapi-idempotency-key-header-07), kept 24 h. begin: OK go on and finish later; CONFLICT
 * still running; INVALID used with another body; LIMITED (answered before) fills status and body to replay: 410 and no body
 * when what was answered then has been erased, 409 and no body when it was done and the answer is not known (yet).
 * From OK on, what the calling thread writes is the key's work, until it finishes (once.c). */
struct remembered {
    int status;
    const char *content_type, *body, *location; /* body only is never NULL when one is given to be kept */
};
enum result store_idempotency_begin(struct store *store, struct arena *arena, int64_t member_id, const char *key,
                                    const unsigned char request_hash[HASH_SIZE], int64_t now_ms,
                                    struct remembered *out) MUST_CHECK;
/* A failed request (status >= 500) is forgotten instead, so it may be tried again, unless it wrote something. */
enum result store_idempotency_finish(struct store *store, int64_t member_id, const char *key,
                                     const struct remembered *answer) MUST_CHECK;

#endif
