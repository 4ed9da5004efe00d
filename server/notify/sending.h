/* The process that speaks to strangers.
 *
 * Members choose where their webhooks go, so whoever makes the calls reads what strangers send, through a TLS library and an
 * HTTP library that are large and written in C. It is therefore a process of its own that has nothing worth taking: no store,
 * no key file, no member's secret, no listening socket, no environment. It knows the requests at hand: an address that the
 * server has looked up and judged, signed headers, a body. It hands back a status, a class of error and a time for each.
 *
 * It locks itself up before the first call: no file can be opened, nothing executed, no process made, no port listened on;
 * memory, descriptors and the calls it may make of the kernel are few (jail.h). It cannot look up names either, and
 * refuses to connect to any address that was not handed to it or that its own judgement denies.
 *
 * What happens when it dies: the server sees its end of the socket close, starts another after a short pause, and gives what
 * had no outcome back to whoever asked as SEND_INTERRUPTED: perhaps sent, to be sent again with the same id. One that hangs is
 * killed when a call is long overdue, and a timer inside ends it if nobody else does. When the server dies or stops, the
 * socket closes and the process leaves at once.
 *
 * It leaves by itself after a day, when it has nothing to do, so that a new one reads the authorities' certificates anew.
 *
 * `meishi worker` becomes the same process, started by the operator under a user and unit of their own. */
#ifndef MEISHI_SENDING_H
#define MEISHI_SENDING_H

/* The words that make a program of ours this process, its socket being standard input: as the server's own child, which takes no
 * signals but lives and ends with the server; and as a worker, which leaves upon SIGTERM or SIGINT when what is under way is done,
 * at once upon a second one, and says on standard error why it ends. */
#define SENDING_CHILD "webhook-sender"
#define SENDING_WORKER "webhook-worker"

/* Serves the server at the other end of standard input until that goes away. Exits with 0 or a code of <sysexits.h>; returns only
 * when WORD is neither of the two. */
void sending_main(const char *word);
/* What such a code means, in a few words. */
const char *sending_words(int code);

#endif
