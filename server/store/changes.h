/* What was changed that somebody keeps in memory. A verb notes it in its transaction; once that is committed it is told, in this
 * process at once, and by the database to the other servers that share it, which hear of it within a second at most (watch.c).
 * So caches have one place that forgets, whoever made the change. */
#ifndef MEISHI_STORE_CHANGES_H
#define MEISHI_STORE_CHANGES_H

#include <stdint.h>
#include "cards/base/result.h"

struct store;

enum change_kind {
    CHANGE_ALL,      /* nobody knows what: everything is to be forgotten */
    CHANGE_CARD,     /* a card: edited, retired, or somebody whom its pages name was erased */
    CHANGE_SHARE,    /* a share: revoked */
    CHANGE_MEMBER,   /* a member: disabled, and so all their cards */
    CHANGE_WEBHOOKS, /* a member: what their endpoints want */
    CHANGE_KIND_COUNT
};
struct change {
    enum change_kind kind;
    int64_t subject; /* the id of what stands above */
};

/* TELL is called for every change after its commit, from any thread, and must not call the store. Once at start; NULL before
 * what CONTEXT points to goes away. */
void store_on_change(struct store *store, void (*tell)(void *context, const struct change *change), void *context);
/* TELL is called with each day's salt, which all servers of a shared store have, before the day (UTC, since 1970) begins, or as
 * soon as the database answers. From another thread; as store_on_change. */
enum { DAY_SALT_SIZE = 16 };
void store_on_day(struct store *store,
                  void (*tell)(void *context, int64_t day, const unsigned char salt[DAY_SALT_SIZE]), void *context);
/* Starts to hear what other processes change and what they put into the outbox, if the engine is one that several may share;
 * until store_close. For whoever keeps something in memory or sends. FAILED: no thread. */
enum result store_watch(struct store *store) MUST_CHECK;

#endif
