/* A share: one way a card left someone's hand. The channels, the chain of hands, and whether it may be opened. */
#ifndef MEISHI_SHARE_H
#define MEISHI_SHARE_H

#include <stdbool.h>
#include <stdint.h>
#include "cards/base/arena.h"
#include "cards/base/complaints.h"
#include "cards/base/id.h"

enum {
    SHARE_LABEL_MAX = 80,
    SHARE_RECIPIENT_MAX = 120,
    SHARE_VOUCH_MAX = 240,
    SHARE_CHAIN_MAX = 16 /* hands; a longer chain is refused when passed on */
};

enum channel {
    CHANNEL_LINK,
    CHANNEL_QR,
    CHANNEL_NFC,
    CHANNEL_EMAIL,
    CHANNEL_SMS,
    CHANNEL_WHATSAPP,
    CHANNEL_X,
    CHANNEL_LINKEDIN,
    CHANNEL_FACEBOOK,
    CHANNEL_INSTAGRAM,
    CHANNEL_TELEGRAM,
    CHANNEL_SIGNAL,
    CHANNEL_MESSENGER,
    CHANNEL_PRINT,
    CHANNEL_EVENT,
    CHANNEL_SIGNATURE,
    CHANNEL_NATIVE, /* the phone's own share sheet, which does not say where it went */
    CHANNEL_OTHER,
    CHANNEL_SNAPCHAT,
    CHANNEL_LINE,
    CHANNEL_WECHAT,
    CHANNEL_TIKTOK, /* known only by their own browsers */
    CHANNEL_COUNT
};

/* "qr", "whatsapp"; a literal. */
const char *channel_name(enum channel channel);
/* "QR code", "WhatsApp": for people. */
const char *channel_words(enum channel channel);
/* CHANNEL_COUNT if NAME is none. */
enum channel channel_parse(const char *name);

/* One hand the card passed through. */
struct hand {
    int64_t share_id;
    char token[TOKEN_SIZE];
    int64_t member_id;  /* the sharer if a member, else 0 */
    int64_t lead_id;    /* the sharer if an identified visitor, else 0 */
    const char *handle; /* the member's, NULL for visitors */
    const char *name;   /* NULL when nobody said */
    const char *vouch;  /* a word of endorsement, or NULL */
    enum channel channel;
};

struct share {
    int64_t id, owner_id, card_id, parent_id;   /* parent 0 for none */
    int64_t sharer_member_id;                   /* exactly one of the three tells who shared it; a member, */
    int64_t sharer_lead_id;                     /* an identified visitor, */
    int64_t sharer_hit_id;                      /* or a visitor known only by the hit their page carried */
    int64_t created_ms, expires_ms, revoked_ms; /* 0: never */
    char token[TOKEN_SIZE];
    enum channel channel;
    bool standing; /* the card's own link /@HANDLE */
    const char *label, *recipient, *print_run;
    const char *sharer_name; /* what a visitor called themselves when passing it on */
    const char *vouch;
    struct hand *chain; /* from the first hand to this share's own; filled by store_share_find* */
    int chain_len;
};

/* Unknown, revoked and expired answer alike to visitors, so there is one question. */
bool share_may_open(const struct share *share, int64_t now_ms);
/* Trims and checks label, recipient, print run, vouch, sharer's name, expiry (future, at most ten years). */
enum result share_check(struct share *share, int64_t now_ms, struct arena *arena,
                        struct complaints *complaints) MUST_CHECK;
/* The hand that makes a lead of this share a referral: the last hand from the visitor's end that is another member
 * than the owner, or an identified visitor. NULL: a lead. */
const struct hand *share_endorser(const struct share *share);
/* The app whose own browser this is; CHANNEL_LINK for any other. USER_AGENT may be NULL. */
enum channel channel_of_agent(const char *user_agent);
/* The channel of a plain link refined by what the browser says it is (BY_AGENT, of channel_of_agent) and where it comes from;
 * a token's own channel is never overridden. REFERRER_HOST may be NULL. */
enum channel channel_refine(enum channel own, enum channel by_agent, const char *referrer_host);

#endif
