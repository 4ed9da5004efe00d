/* Webhooks on their way: one thread that claims deliveries from the store, signs them, gives them to the courier and records
 * what became of them. It sleeps until the next is due or something is added to the outbox. Whose turn it is, the store
 * says: server/store/endpoints.h tells by what rules.
 *
 * At least once: a delivery that was sent but not yet recorded when the process died is sent again, with the same id, as soon
 * as the next one starts. */
#ifndef MEISHI_DELIVER_H
#define MEISHI_DELIVER_H

#include <stdbool.h>
#include <stdint.h>
#include "cards/base/arena.h"

struct sender;
struct store;

/* WEBHOOK_ALLOW is the setting (server/notify/address.h). INVALID or FAILED with a sentence in *WHY. Only after
 * courier_scrub_environment. */
enum result sender_start(struct store *store, const char *webhook_allow, struct arena *arena, struct sender **out,
                         const char **why) MUST_CHECK;
/* Takes no more, waits a few seconds for what is under way and records it. Before store_close. */
void sender_stop(struct sender *sender);

struct sender_figures {
    int64_t attempts, delivered, in_flight /* now */;
    int64_t restarts; /* of the sending process */
    bool worker;      /* one is attached and sends instead of our own process */
};
/* Of NULL: zeroes. */
void sender_figures(struct sender *sender, struct sender_figures *out);
/* A worker at the other end of FD sends from now on: courier_attach. */
enum result sender_attach(struct sender *sender, int fd) MUST_CHECK;

#endif
