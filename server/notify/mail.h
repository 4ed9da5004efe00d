/* Mail to members: the sign-in link they asked for, and word of a webhook that fails. Plain text by the operator's own mail
 * server (MEISHI_SMTP_URL); strangers are never written to.
 *
 * Letters are written and sent by one thread, so nobody waits for a mail server, and how long an answer takes says nothing
 * about who is a member. The queue is in memory: what waits when the process ends is not sent, and whoever asked asks again. */
#ifndef MEISHI_MAIL_H
#define MEISHI_MAIL_H

#include <stdint.h>
#include "cards/base/arena.h"
#include "cards/base/result.h"

struct mailer;

enum { MAIL_ABOUT_SIZE = 320, MAIL_QUEUE_MAX = 256 };

struct mail {
    const char *to;      /* an address (RFC 5321 Mailbox) */
    const char *subject; /* one line of ASCII */
    const char *text;    /* UTF-8, lines end in \n */
};
/* Writes the letter that is about ABOUT, in ARENA, on the mailer's thread. Anything but OK: none is to be sent. */
typedef enum result mail_write(void *context, const char *about, struct arena *arena, struct mail *out);

/* The address of "Meishi <meishi@example.org>", or of an address alone; in the arena. NULL: there is none. */
const char *mail_address_in(const char *text, struct arena *arena);
/* NULL, or a literal that says what is wrong with MEISHI_SMTP_URL. */
const char *mail_url_complaint(const char *smtp_url);

/* smtps://, or smtp:// with STARTTLS, which only a server on this machine may lack. FROM is MEISHI_MAIL_FROM. Both are copied. */
enum result mailer_open(const char *smtp_url, const char *from, struct mailer **out) MUST_CHECK;
/* Queues a letter, from any thread. LIMITED: MAIL_QUEUE_MAX wait. */
enum result mailer_post(struct mailer *mailer, mail_write *write, void *context, const char *about) MUST_CHECK;
/* Waits for a letter under way. Of NULL: nothing. */
void mailer_close(struct mailer *mailer);

struct mailer_figures { /* counts since start */
    int64_t sent, failed;
};
void mailer_figures(struct mailer *mailer, struct mailer_figures *out); /* of NULL: zeroes */

#endif
