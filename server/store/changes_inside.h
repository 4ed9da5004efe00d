/* How the store notes what it changed and hears what other servers did (changes.c, watch.c). What everybody may ask of it is in
 * changes.h. */
#ifndef MEISHI_STORE_CHANGES_INSIDE_H
#define MEISHI_STORE_CHANGES_INSIDE_H

#include <stdbool.h>
#include <stddef.h>
#include "server/store/changes.h"
#include "server/store/db.h"
#include "server/store/once.h"

struct watch;

/* To be told once the running transaction is committed. STORE may be NULL. */
void change_note(struct store *store, enum change_kind kind, int64_t subject);
/* The body of every transaction of the store: BODY, then what it noted, for other servers. */
struct writing {
    struct store *store;
    db_body *body;
    void *context;
    struct once once;
};
enum result changes_write(struct db *db, void *writing) MUST_CHECK;
/* Calls back whoever is to hear of these changes, and of the outbox. */
void changes_tell(struct store *store, const struct change *changes, size_t count, bool outbox_filled);
/* The number of the last change of KIND, of any for CHANGE_ALL. */
enum result changes_mark(struct db *db, enum change_kind kind, int64_t *out) MUST_CHECK;
/* Those after number AFTER, up to *MARK; one CHANGE_ALL when they are more than MAX or not all there any more. */
enum result changes_read(struct db *db, int64_t after, int64_t *mark, struct change *out, size_t max,
                         size_t *count) MUST_CHECK;
#define WORD_CHANGES "changes" /* what db.h's notify says */
#define WORD_OUTBOX "outbox"
/* watch.c. Of NULL: nothing. */
void watch_close(struct watch *watch);

#endif
